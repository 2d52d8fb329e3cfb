"""The faults of a call to the simulated Slack."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one call. `accept`: the call takes effect first. `until`: it hangs until the event is set."""

    status: int = 200
    body: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    accept: bool = False
    drop: bool = False
    until: asyncio.Event | None = None


def rate_limited(retry_after: str | None = "1") -> Fault:
    """429 with `Retry-After` in seconds."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Fault(429, '{"ok": false, "error": "ratelimited"}', headers=headers)


def server_error(status: int = 500, *, accept: bool = False) -> Fault:
    """A gateway's page instead of an answer."""
    return Fault(status, "<html>upstream error</html>", "text/html", accept=accept)


def refused(code: str, **more: str) -> Fault:
    """Slack's own refusal: `{"ok": false, "error": code}`."""
    return Fault(body=json.dumps({"ok": False, "error": code, **more}))


def dropped(*, accept: bool = True) -> Fault:
    """The connection breaks instead of an answer, after the call took effect or before."""
    return Fault(accept=accept, drop=True)


def page(body: str, content_type: str = "text/html", status: int = 200) -> Fault:
    """The answer of a proxy."""
    return Fault(status, body, content_type)


def hanging(until: asyncio.Event, *, accept: bool = True) -> Fault:
    """No answer until the event is set."""
    return Fault(accept=accept, drop=True, until=until)


async def faulty(fault: Fault, request: web.Request) -> web.StreamResponse:
    """The answer that the fault makes of a call, whether it took effect or not."""
    if fault.until is not None:
        await fault.until.wait()
    if fault.drop and request.transport is not None:
        request.transport.abort()
    return web.Response(
        status=fault.status, text=fault.body, content_type=fault.content_type, headers=fault.headers
    )
