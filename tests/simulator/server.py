"""The base of Anthropic's simulated services: a server on loopback whose answers can be scripted."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

from aiohttp import web

from meterbot.demo.simulated_claude_ai import error_body

Request = TypeVar("Request")


@dataclass(slots=True)
class Reply:
    """A scripted answer. `body`: bytes and text go out as they are, anything else as JSON.

    `until`: held back until this is set. `drop`: the connection is closed instead of answering; `cut`: after the
    headers and half of the body.
    """

    status: int = 200
    body: object = b""
    headers: Mapping[str, str] | list[tuple[str, str]] = field(default_factory=dict)
    until: asyncio.Event | None = None
    drop: bool = False
    cut: bool = False


def error(status: int, kind: str, message: str = "", code: str | None = None, **headers: str) -> Reply:
    """An error as Anthropic words it. Header names are given with underscores: `retry_after="60"`."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, error_body(kind, message, code), names)


def not_found() -> Reply:
    return error(404, "not_found_error", "Not found")


class Server(ABC, Generic[Request]):
    """Listens on `url` while its context is entered. `requests`: all that arrived; `unexpected`: what a reader must not
    send. A service names its routes, and says what they answer when nothing is scripted."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.unexpected: list[str] = []
        self.url = ""
        self._replies: dict[str, deque[Reply]] = defaultdict(deque)
        self._always: dict[str, Reply] = {}
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def fail(self, route: str, *replies: Reply) -> None:
        """The next requests of a route get these replies, one each."""
        self._replies[route].extend(replies)

    def fail_always(self, route: str, reply: Reply) -> None:
        """Every request of a route gets this reply, until `heal`."""
        self._always[route] = reply

    def heal(self) -> None:
        """Removes every scripted reply."""
        self._replies.clear()
        self._always.clear()

    def assert_expected_only(self) -> None:
        """Raises if anything arrived that a reader must not send."""
        if self.unexpected:
            raise AssertionError(f"unexpected requests: {self.unexpected}")

    @abstractmethod
    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Keeps the request, with what is wrong with it, and answers."""

    def _scripted(self, route: str) -> Reply | None:
        if self._replies[route]:
            return self._replies[route].popleft()
        return self._always.get(route)

    def _note_unexpected(self, request: web.Request, problem: str | None) -> None:
        if problem is not None:
            self.unexpected.append(f"{request.method} {request.path_qs}: {problem}")


async def send(
    request: web.Request, reply: Reply, more: Iterable[tuple[str, str]] = ()
) -> web.StreamResponse:
    """Answers as the reply says, with these headers besides."""
    if reply.until is not None:
        await reply.until.wait()
    transport = request.transport
    if reply.drop:
        if transport is not None:
            transport.abort()
        return web.Response()
    headers = [*(reply.headers.items() if isinstance(reply.headers, Mapping) else reply.headers), *more]
    body = _bytes(reply.body)
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    response = web.StreamResponse(status=reply.status)
    for name, value in headers:
        response.headers.add(name, value)
    response.content_length = len(body)
    await response.prepare(request)
    if reply.cut:
        await response.write(body[: len(body) // 2])
        if transport is not None:
            transport.close()
        return response
    await response.write(body)
    await response.write_eof()
    return response


def _bytes(body: object) -> bytes:
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()
