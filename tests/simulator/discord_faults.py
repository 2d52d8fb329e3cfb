"""The faults of a request to the simulated Discord."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from tests.simulator.discord_objects import Json

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]
"""Stands between a request and its handler, which it may or may not call."""

NOT_DISCORDS = web.ResponseKey("not_discords", bool)
"""The key that marks an answer which is not Discord's own."""


def refused(status: int, code: int = 0, message: str = "no") -> Fault:
    """Discord's error answer; nothing is done."""

    async def fault(_request: web.Request, _handler: Handler) -> web.StreamResponse:
        return error(status, code, message)

    return fault


def rate_limited(seconds: float, *, via: bool = True, global_limit: bool = False) -> Fault:
    """429. Without `via` it looks as if Cloudflare had sent it, and has no JSON."""

    async def fault(_request: web.Request, _handler: Handler) -> web.StreamResponse:
        headers = {"Retry-After": f"{seconds:g}"}
        if not via:
            return web.Response(status=429, headers=headers, text="error code: 1015")
        body = {
            "message": "You are being rate limited.",
            "retry_after": seconds,
            "global": global_limit,
            "code": 0,
        }
        return answer(body, 429, headers | {"Via": "1.1 simulator"})

    return fault


def counted(remaining: int, seconds: float) -> Fault:
    """The request is carried out, and its headers say how many more may follow within so long."""

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        response.headers["X-RateLimit-Remaining"] = str(remaining)
        response.headers["X-RateLimit-Reset-After"] = f"{seconds:g}"
        return response

    return fault


def garbled(body: str, content_type: str = "text/html", *, status: int = 200) -> Fault:
    """The request is carried out, and a proxy answers in Discord's place."""

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        await handler(request)
        response = web.Response(body=body.encode(), status=status, headers={"Content-Type": content_type})
        response[NOT_DISCORDS] = True
        return response

    return fault


def dropped(*, done: bool) -> Fault:
    """The connection is cut instead of an answer, with the request carried out (`done`) or not."""

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        if done:
            await handler(request)
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    return fault


class Hanging:
    """The request is carried out and its answer held back until `release`. `reached` is set when it came."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._released = asyncio.Event()

    def release(self) -> None:
        self._released.set()

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        self.reached.set()
        await self._released.wait()
        return response


def error(status: int, code: int, message: str) -> web.Response:
    return answer({"message": message, "code": code}, status)


def answer(body: Json | list[Json], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """JSON with the headers of Discord. Its content type has no charset: discord.py takes anything else for text."""
    limits = {
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Remaining": "49",
        "X-RateLimit-Reset-After": "1",
        "X-RateLimit-Bucket": "simulated",
    }
    response = web.json_response(body, status=status, headers=limits | (headers or {}))
    response.headers["Content-Type"] = "application/json"
    return response
