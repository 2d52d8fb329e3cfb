"""`POST /hooks/github`: GitHub's requests about merged pull requests.

Nothing is believed before the signature over the received bytes was checked. A new request is only stored, so that
GitHub gets its answer at once.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime

from aiohttp import web

from meterbot.app.client_address import Networks, client_address
from meterbot.app.request_failures import RequestFailures
from meterbot.app.web import BodyError, Route, read_body
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

log = get_logger(__name__)


def signed(body: bytes, signature: str, secrets: Sequence[str]) -> bool:
    """Whether `signature`, an `X-Hub-Signature-256`, was made of these bytes with one of the secrets. Takes the same
    time for every wrong one."""
    right = False
    for secret in secrets:
        made = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        right |= hmac.compare_digest(made.encode(), signature.encode("utf-8", "replace"))
    return right


class _Answer(Exception):  # noqa: N818 - an answer, not an error of ours
    def __init__(self, code: int, **body: str | int) -> None:
        super().__init__(body)
        self.code = code
        self.body = body

    def response(self) -> web.Response:
        headers = {"Retry-After": str(self.body["retry_after"])} if "retry_after" in self.body else {}
        return web.json_response(self.body, status=self.code, headers=headers)


class GitHubEndpoint:
    """Answers webhooks. Several `secrets` are a rotation: each is valid. An address may fail 10 times, and twice a
    minute after that."""

    def __init__(
        self,
        pull_requests: PullRequestTracker,
        read: HookReader,
        secrets: Sequence[str],
        now: Callable[[], datetime],
        trusted_proxies: Networks = (),
    ) -> None:
        self._trusted_proxies = trusted_proxies
        self._pull_requests = pull_requests
        self._read = read
        self._secrets = secrets
        self._now = now
        self._failures = RateLimiter(burst=10, seconds=30)
        self._requests = RequestFailures(log, "webhooks")

    def routes(self) -> list[Route]:
        return [("POST", PATH, self.post)]

    async def post(self, request: web.Request) -> web.Response:
        """Always JSON: the result, or what is wrong and what to do. GitHub shows it with the delivery."""
        try:
            body = await self._signed_body(request)
            answer = await self._store_hook(request, body)
            self._requests.stored()
            return answer.response()
        except _Answer as answer:
            return answer.response()
        except Exception as error:  # noqa: BLE001 - logged, and the sender gets an answer
            self._requests.failed(error)
            return _Answer(
                503, error="meterbot could not store this just now", remedy="redeliver it"
            ).response()

    async def _signed_body(self, request: web.Request) -> bytes:
        address = client_address(request, self._trusted_proxies)
        if (wait := self._failures.blocked(address, self._now())) > 0:
            raise _Answer(429, error="too many failed requests from this address", retry_after=int(wait) + 1)
        if request.content_type != "application/json":
            raise _Answer(
                415,
                error="the body is not declared as JSON",
                remedy="set the webhook's content type to application/json",
            )
        try:
            body = await read_body(request, LARGEST, READ_SECONDS)
        except BodyError as bad:
            raise _Answer(
                bad.status, error=f"the body was not taken: {bad.reason.replace('_', ' ')}"
            ) from None
        if not signed(body, request.headers.get("X-Hub-Signature-256", ""), self._secrets):
            self._failures.wait(address, self._now())
            log.warning("a request to the GitHub webhook was refused", why="the signature is wrong")
            raise _Answer(
                401,
                error="X-Hub-Signature-256 is missing or wrong",
                remedy="give the webhook the secret that meterbot has as github.webhook_secret",
            )
        return body

    async def _store_hook(self, request: web.Request, body: bytes) -> _Answer:
        event = request.headers.get("X-GitHub-Event", "")
        delivery = request.headers.get("X-GitHub-Delivery", "")
        if not event or not 0 < len(delivery) <= _LONGEST_ID:
            raise _Answer(400, error="X-GitHub-Event and X-GitHub-Delivery are missing or too long")
        if event == "ping":
            return _Answer(200, status="pong")
        try:
            merged = self._read(event, body)
        except UnusableHookError as bad:
            raise _Answer(422, error=str(bad)) from None
        if isinstance(merged, str):
            return _Answer(202, status="ignored", why=merged)
        receipt = await self._pull_requests.add(merged, delivery, self._now())
        log.info("a pull request was merged", pull=merged.name, receipt=receipt.value)
        if receipt in {HookReceipt.NEW, HookReceipt.KNOWN}:
            return _Answer(
                202 if receipt is HookReceipt.NEW else 200, status=receipt.value, pull_request=merged.name
            )
        return _Answer(202, status="ignored", why=receipt.value)
