"""`POST /api/v1/snapshots`: pushes over HTTP.

What a request costs before its token is known is little and bounded: no body is read, and an address that keeps
failing is told to wait.
"""

import math
import re
from collections.abc import Callable
from datetime import datetime
from ipaddress import ip_address

from aiohttp import web

from meterbot.app.web import BodyError, Route, read_body
from meterbot.core.log import get_logger
from meterbot.core.rate_limit import RateLimiter
from meterbot.ingest.ingest import PushReceipt
from meterbot.ingest.pushes import PushReceiver
from meterbot.sources import UnusablePushError

PATHS = ("/api/v1/snapshots", "/snapshots")
LARGEST = 256 * 1024
"""Bytes of a body."""
READ_SECONDS = 15.0
"""Real seconds within which a body must be there."""

_BEARER = re.compile(r"Bearer +(?P<token>[!-~]{1,512}) *", re.IGNORECASE)
_WHAT_TO_SEND = "send the header `Authorization: Bearer <push token>`; `meterbot seat add NAME` makes a token"

log = get_logger(__name__)


class _Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    """The answer to a request that is not taken."""

    def __init__(self, status: int, error: str, remedy: str, **more: str | int) -> None:
        super().__init__(error)
        self.status = status
        self.body = {"error": error, "remedy": remedy, **more}

    def response(self) -> web.Response:
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        if "retry_after" in self.body:
            headers["Retry-After"] = str(self.body["retry_after"])
        return web.json_response(self.body, status=self.status, headers=headers)


class PushEndpoint:
    """Answers pushes. A seat may push 12 times at once and six times a minute; an address may fail 10 times, and twice
    a minute after that."""

    def __init__(self, reception: PushReceiver, now: Callable[[], datetime]) -> None:
        self._reception = reception
        self._now = now
        self._pushes = RateLimiter(burst=12, seconds=10)
        self._failures = RateLimiter(burst=10, seconds=30)
        self._attempts = RateLimiter(burst=120, seconds=0.5)

    def routes(self) -> list[Route]:
        return [("POST", path, self.post) for path in PATHS]

    async def post(self, request: web.Request) -> web.Response:
        """Always JSON: what became of it, or what is wrong and what to do."""
        try:
            seat = await self._seat(request)
            document = await _body(request)
            return self._answer(seat, await self._reception.take(seat, document, self._now()))
        except _Refusal as refusal:
            return refusal.response()
        except UnusablePushError as bad:
            return _unusable(bad).response()
        except Exception:
            log.exception("push_failed")
            return _Refusal(
                503, "meterbot could not store this just now", "send the same again later", retry_after=60
            ).response()

    async def _seat(self, request: web.Request) -> str:
        """Whose token it is. Raises `_Refusal`."""
        address = client_address(request.remote or "", request.headers.get("X-Forwarded-For", ""))
        now = self._now()
        _hold_up(self._failures.blocked(address, now) or self._attempts.wait(address, now), "this address")
        header = _BEARER.fullmatch(request.headers.get("Authorization", ""))
        seat = None if header is None else await self._reception.seat_of(header["token"])
        if seat is None:
            self._failures.wait(address, now)
            log.warning("push_refused", why="no token" if header is None else "unknown token")
            missing = "no push token came with this" if header is None else "this push token is not known"
            raise _Refusal(401, missing, _WHAT_TO_SEND)
        _hold_up(self._pushes.wait(seat, now), "this seat")
        return seat

    def _answer(self, seat: str, receipt: PushReceipt) -> web.Response:
        if receipt.refused is not None:
            log.warning("push_refused", seat=seat, why=receipt.refused)
            remedy = (
                "sign in to the seat's own account on this machine; if the seat is meant to be another account from "
                f"now on, the operator runs `meterbot seat forget {seat} --account`"
            )
            return _Refusal(409, receipt.refused, remedy, seat=seat).response()
        status = "stored" if receipt.new else "unchanged"
        told = {"status": status, "seat": seat, "stored": receipt.new, "unchanged": receipt.unchanged}
        return web.json_response(told, status=202 if receipt.new else 200)


def _hold_up(seconds: float, who: str) -> None:
    if seconds > 0:
        wait = math.ceil(seconds)
        raise _Refusal(429, f"too many requests of {who}", f"wait {wait} seconds", retry_after=wait)


def client_address(peer: str, forwarded: str) -> str:
    """Who asks. `peer` may be a proxy in front, on this machine or network: it adds whom it asks for as the last one in
    `forwarded`, its `X-Forwarded-For`."""
    try:
        # Not "is private": hosts also use 100.64.0.0/10 between their proxies, which is neither private nor global.
        return peer if ip_address(peer).is_global else str(ip_address(forwarded.rpartition(",")[2].strip()))
    except ValueError:
        return peer


async def _body(request: web.Request) -> bytes:
    """The body, read no further than it may be long. Raises `_Refusal`."""
    if request.content_type != "application/json":
        raise _Refusal(
            415, "the body is not said to be JSON", "send the header `Content-Type: application/json`"
        )
    try:
        return await read_body(request, LARGEST, READ_SECONDS)
    except BodyError as bad:
        raise _Refusal(bad.status, *_NOT_TAKEN[bad.reason]) from None


_NOT_TAKEN = {
    "compressed": ("the body is compressed", "send it as it is, without Content-Encoding"),
    "too_large": ("the body is larger than 256 KiB", "send fewer snapshots in one request"),
    "late": ("the body did not arrive in time", "send it again"),
    "broken": ("the body broke off", "send it again"),
}


def _unusable(bad: UnusablePushError) -> _Refusal:
    if bad.field is None:
        return _Refusal(400, bad.sentence, "send one object of claude-meter's JSON, or a list of them")
    return _Refusal(
        422, bad.sentence, "correct this field and send it again: nothing was stored", field=bad.field
    )
