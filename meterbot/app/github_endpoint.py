"""`POST /hooks/github`: GitHub's requests about merged pull requests.

Nothing is believed before the signature over the received bytes was checked. A new request is only stored, so that
GitHub gets its answer at once.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from meterbot.app.web import Networks, Refusal, RequestFailures, client_address, hold_up, read_json
from meterbot.core.log import get_logger
from meterbot.core.rate_limit import RateLimiter
from meterbot.ingest.pull_requests import HookReceipt, PullRequestTracker
from meterbot.sources import HookReader, UnusableHookError

PATH = "/hooks/github"
LARGEST = 2 * 1024 * 1024
"""Bytes of a body. GitHub's are tens of KiB; a long description makes them larger."""
READ_SECONDS = 8.0
"""GitHub itself waits ten seconds."""

_LONGEST_ID = 200
_FROM_GITHUB = (
    "nothing was stored. Only GitHub's webhook may send requests here. If GitHub sent this one, report it as a bug in "
    "meterbot"
)

log = get_logger(__name__)


def signed(body: bytes, signature: str, secrets: Sequence[str]) -> bool:
    """Whether `signature`, an `X-Hub-Signature-256`, was made of these bytes with one of the secrets. Takes the same
    time for every wrong one."""
    right = False
    for secret in secrets:
        made = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        right |= hmac.compare_digest(made.encode(), signature.encode("utf-8", "replace"))
    return right


@dataclass(eq=False, repr=False)
class GitHubEndpoint:
    """Answers webhooks. Several `secrets` are a rotation: each is valid. An address may fail 10 times, and twice a
    minute after that."""

    pull_requests: PullRequestTracker
    read: HookReader
    secrets: Sequence[str]
    now: Callable[[], datetime]
    trusted_proxies: Networks = ()

    def __post_init__(self) -> None:
        self._failures = RateLimiter(burst=10, seconds=30)
        self._requests = RequestFailures(log, "webhooks")

    def routes(self) -> list[web.RouteDef]:
        return [web.post(PATH, self.post)]

    async def post(self, request: web.Request) -> web.Response:
        """Always JSON: the result, or what is wrong and what to do. GitHub shows it with the delivery."""
        with self._requests.refusing("redeliver it"):
            body = await self._signed_body(request)
            status, answer = await self._store_hook(request, body)
        return web.json_response(answer, status=status)

    async def _signed_body(self, request: web.Request) -> bytes:
        address = client_address(request, self.trusted_proxies)
        hold_up(self._failures.blocked(address, self.now()), "this address")
        body = await read_json(request, LARGEST, READ_SECONDS)
        if not signed(body, request.headers.get("X-Hub-Signature-256", ""), self.secrets):
            self._failures.wait(address, self.now())
            log.warning("a request to the GitHub webhook was refused", why="the signature is wrong")
            raise Refusal(
                401,
                "X-Hub-Signature-256 is missing or wrong",
                "give the webhook the secret that meterbot has as github.webhook_secret",
            )
        return body

    async def _store_hook(self, request: web.Request, body: bytes) -> tuple[int, dict[str, str]]:
        """The status and the body of the answer. Raises `Refusal`."""
        event = request.headers.get("X-GitHub-Event", "")
        delivery = request.headers.get("X-GitHub-Delivery", "")
        if not event or not 0 < len(delivery) <= _LONGEST_ID:
            raise Refusal(400, "X-GitHub-Event and X-GitHub-Delivery are missing or too long")
        if event == "ping":
            return 200, {"status": "pong"}
        try:
            merged = self.read(event, body)
        except UnusableHookError as bad:
            raise Refusal(422, str(bad), _FROM_GITHUB) from None
        if isinstance(merged, str):
            return 202, {"status": "ignored", "why": merged}
        receipt = await self.pull_requests.add(merged, delivery, self.now())
        log.info("a pull request was merged", pull=merged.name, receipt=receipt.value)
        if receipt in {HookReceipt.NEW, HookReceipt.KNOWN}:
            status = 202 if receipt is HookReceipt.NEW else 200
            return status, {"status": receipt.value, "pull_request": merged.name}
        return 202, {"status": "ignored", "why": receipt.value}
