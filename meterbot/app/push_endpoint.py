"""`POST /api/v1/snapshots`: pushes over HTTP. The token is checked before the body is read. A valid token is always
accepted, whatever else fails from the same address."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from meterbot.app.web import Networks, Refusal, RequestFailures, client_address, hold_up, read_json
from meterbot.core.log import get_logger
from meterbot.core.rate_limit import RateLimiter
from meterbot.ingest.ingest import PushReceipt
from meterbot.ingest.pushes import PushReceiver, spent_text
from meterbot.sources import UnusablePushError

PATHS = ("/api/v1/snapshots", "/snapshots")
LARGEST = 256 * 1024
"""Bytes of a body."""
READ_SECONDS = 15.0
"""Real seconds within which a body must be there."""

_BEARER = re.compile(r"Bearer +(?P<token>[!-~]{1,512}) *", re.IGNORECASE)
_AGENT = re.compile(r"meterbot-agent/(?P<version>[\w.+-]{1,40})", re.ASCII)
_PREFIX = 16
"""Characters of a token by which failed ones are distinguished."""
_WHAT_TO_SEND = (
    "type `/claude-spend join` in the chat for a new line; a program other than the agent must send the header "
    "`Authorization: Bearer <push token>`"
)

log = get_logger(__name__)


@dataclass(eq=False, repr=False)
class PushEndpoint:
    """Answers pushes. A seat may push 12 times at once and six times a minute. One token may fail 10 times from an
    address and twice a minute after that; all tokens together 60 times, and six times a minute after that."""

    receiver: PushReceiver
    now: Callable[[], datetime]
    trusted_proxies: Networks = ()

    def __post_init__(self) -> None:
        self._pushes = RateLimiter(burst=12, seconds=10)
        self._token_failures = RateLimiter(burst=10, seconds=30)
        self._address_failures = RateLimiter(burst=60, seconds=10)
        self._failures = RequestFailures(log, "pushes")
        self._note_failures = RequestFailures(log, "the versions of agents")

    def routes(self) -> list[web.RouteDef]:
        return [web.post(path, self.post) for path in PATHS]

    async def post(self, request: web.Request) -> web.Response:
        """Always JSON: the result, or what is wrong and what to do."""
        with self._failures.refusing("send the same again later"):
            seat = await self._seat(request)
            document = await read_json(request, LARGEST, READ_SECONDS)
            try:
                receipt = await self.receiver.receive(seat, document, self.now())
            except UnusablePushError as bad:
                raise _unusable(bad) from None
        agent = _AGENT.match(request.headers.get("User-Agent", ""))
        if agent is not None and receipt.refused is None:
            try:
                await self.receiver.note_agent(seat, agent["version"], spent_text(receipt.known), self.now())
                self._note_failures.stored()
            except Exception as error:  # noqa: BLE001 - logged; the push itself is stored
                self._note_failures.failed(error)
        return self._answer(seat, receipt)

    async def _seat(self, request: web.Request) -> str:
        """The token's seat. Raises `Refusal`."""
        now = self.now()
        header = _BEARER.fullmatch(request.headers.get("Authorization", ""))
        seat = None if header is None else await self.receiver.seat_of(header["token"])
        if seat is None:
            address = client_address(request, self.trusted_proxies)
            key = f"{address} {header['token'][:_PREFIX] if header else ''}"
            hold_up(self._token_failures.wait(key, now), "this token")
            hold_up(self._address_failures.wait(address, now), "this address")
            why = (
                "there is no push token in this request" if header is None else "this push token is not known"
            )
            log.warning("a push was refused", why=why)
            refusal = Refusal(401, why, _WHAT_TO_SEND)
            refusal.headers["WWW-Authenticate"] = "Bearer"
            raise refusal
        hold_up(self._pushes.wait(seat, now), "this seat")
        return seat

    def _answer(self, seat: str, receipt: PushReceipt) -> web.Response:
        """Raises `Refusal`."""
        if receipt.refused is not None:
            log.warning("a push was refused", seat=seat, why=receipt.refused)
            other = (
                "if both seats are meant to have this account, the operator removes one of them"
                if receipt.taken
                else "if the seat is meant to be another account from now on, the operator runs "
                f"`meterbot seat forget {seat} --account`"
            )
            remedy = f"sign in to the seat's own account on this machine; {other}"
            raise Refusal(409, receipt.refused, remedy, seat=seat)
        status = "stored" if receipt.new else "unchanged"
        counts = {"stored": receipt.new, "unchanged": receipt.unchanged}
        body = {"status": status, "seat": seat, **counts, "spent": spent_text(receipt.known)}
        body |= {"drift": receipt.drift} if receipt.drift else {}
        return web.json_response(body, status=202 if receipt.new else 200)


def _unusable(bad: UnusablePushError) -> Refusal:
    if bad.field is None:
        return Refusal(400, bad.sentence, "send one object of claude-meter's JSON, or a list of them")
    return Refusal(
        422, bad.sentence, "correct this field and send it again: nothing was stored", field=bad.field
    )
