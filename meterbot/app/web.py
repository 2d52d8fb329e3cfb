"""Inbound HTTP: the health routes, /metrics, and the routes of pushes, webhooks and chats."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from meterbot.app.header_deadline import HEADER_SECONDS, HeaderDeadline, note_request
from meterbot.app.health import CheckHealth
from meterbot.app.metrics import Metrics
from meterbot.core.log import get_logger

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str, Handler]
"""(method, path, handler)"""

log = get_logger(__name__)


class BodyError(Exception):
    """A body that is refused. `reason` is one of `compressed`, `too_large`, `late` and `broken`."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


async def read_body(request: web.Request, largest: int, seconds: float) -> bytes:
    """The body, of at most `largest` bytes, which must arrive within `seconds`. Raises `BodyError`."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BodyError(415, "compressed")
    if (request.content_length or 0) > largest:
        raise BodyError(413, "too_large")
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > largest:
                    raise BodyError(413, "too_large")
    except TimeoutError:
        raise BodyError(408, "late") from None
    except (ConnectionError, web.RequestPayloadError):
        raise BodyError(400, "broken") from None
    return bytes(body)


def application(
    health: CheckHealth, routes: Iterable[Route] = (), metrics: Metrics | None = None
) -> web.Application:
    """`/healthz`, `/readyz`, `/metrics`, and the given routes."""
    metrics = metrics or Metrics()

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_: web.Request) -> web.Response:
        now = await health()
        problems = now.problems()
        body = {"status": "not ready" if problems else "ready", "problems": problems, "notes": now.notes()}
        return web.json_response(body, status=503 if problems else 200)

    async def scrape(request: web.Request) -> web.Response:
        if metrics.needs_token(request):
            return web.Response(
                status=401, headers={"WWW-Authenticate": "Bearer"}, text="a token is needed\n"
            )
        if metrics.is_foreign(request):
            return web.Response(status=403, text="unknown host name: set METERBOT_METRICS_TOKEN\n")
        text = await metrics.answer(request, await health())
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application(client_max_size=256 * 1024, middlewares=[note_request])
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", scrape)
    for method, path, handler in routes:
        if method == "GET":
            app.router.add_get(path, handler)
        else:
            app.router.add_route(method, path, handler)
    return app


class _OwnFailures(logging.Filter):
    """Drops the records of requests that were malformed or broke off: anybody can send those."""

    def filter(self, record: logging.LogRecord) -> bool:
        failure = record.exc_info[1] if record.exc_info else None
        return not isinstance(failure, HttpProcessingError | web.RequestPayloadError | ConnectionError)


_http_log = logging.getLogger(f"{__name__}.http")
_http_log.addFilter(_OwnFailures())


class HttpServer:
    """Serves the application on some addresses until `close`. A compressed body is refused: a small one may unpack to a
    large one."""

    def __init__(
        self,
        app: web.Application,
        addresses: Sequence[tuple[str, int]],
        header_seconds: float = HEADER_SECONDS,
    ) -> None:
        """An empty host means every address of the machine, IPv4 and IPv6."""
        self._runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=2.0,
            keepalive_timeout=30.0,
            auto_decompress=False,
            logger=_http_log,
        )
        self._addresses = addresses
        self._header_seconds = header_seconds
        self._servers: list[asyncio.Server] = []

    async def start(self) -> int:
        """Listens. Returns the first port, which the system chose if 0 was asked for. Raises `OSError`."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        for host, port in self._addresses:
            # asyncio opens a socket for each family, and the IPv6 one does not accept IPv4.
            self._servers.append(await loop.create_server(self._protocol, host or None, port, backlog=128))
        names = [listening.getsockname() for server in self._servers for listening in server.sockets]
        log.info("listening", addresses=[f"{host} {port}" for host, port, *_ in names])
        first: int = names[0][1]
        return first

    def _protocol(self) -> HeaderDeadline:
        assert self._runner.server is not None  # noqa: S101 - set up before anything listens
        return HeaderDeadline(self._runner.server(), self._header_seconds)

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        await self._runner.cleanup()
