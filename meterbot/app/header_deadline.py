"""Closes connections that are opened and then send no request."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

HEADER_SECONDS = 10.0
"""Within which the first request of a connection must be there."""


class HeaderDeadline(asyncio.Protocol):
    """Closes a connection whose first request does not arrive in time: aiohttp waits for its headers for ever. Later
    requests fall under aiohttp's keep-alive timeout.

    Passes everything on to aiohttp's own protocol. `requested` has to be called for the first request.
    """

    def __init__(self, inner: asyncio.Protocol, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds
        self._transport: asyncio.BaseTransport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(self._seconds, transport.close)
        self._inner.connection_made(transport)

    def requested(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self.requested()
        self._inner.connection_lost(exc)


@web.middleware
async def note_request(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Stops the deadline of the request's connection."""
    protocol = None if request.transport is None else request.transport.get_protocol()
    if isinstance(protocol, HeaderDeadline):
        protocol.requested()
    return await handler(request)
