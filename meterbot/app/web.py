"""Inbound HTTP: is the bot alive, is it doing its work, and whatever a chat wants to receive."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from meterbot.app.health import TakeVitals
from meterbot.app.metrics import Metrics
from meterbot.core.log import get_logger

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str, Handler]
"""(method, path, handler)"""

log = get_logger(__name__)


class BodyError(Exception):
    """A body that is not taken. `reason` is one of `compressed`, `too_large`, `late` and `broken`."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


async def read_body(request: web.Request, largest: int, seconds: float) -> bytes:
    """The body as it was sent, read no further than `largest` bytes, and no longer than so many real seconds. Raises
    `BodyError`."""
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
    vitals: TakeVitals, routes: Iterable[Route] = (), metrics: Metrics | None = None
) -> web.Application:
    """`/healthz`, `/readyz`, `/metrics`, and the given routes."""
    told = metrics or Metrics()

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_: web.Request) -> web.Response:
        now = await vitals()
        problems = now.problems()
        body = {"status": "not ready" if problems else "ready", "problems": problems, "notes": now.notes()}
        return web.json_response(body, status=503 if problems else 200)

    async def scrape(request: web.Request) -> web.Response:
        if told.refuses(request):
            return web.Response(
                status=401, headers={"WWW-Authenticate": "Bearer"}, text="a token is needed\n"
            )
        text = await told.answer(request, await vitals())
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application(client_max_size=256 * 1024)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", scrape)
    for method, path, handler in routes:
        app.router.add_route(method, path, handler)
    return app


class _OurFailures(logging.Filter):
    """A request that nobody could read, or that broke off, is not our failure, and comes from anybody."""

    def filter(self, record: logging.LogRecord) -> bool:
        failure = record.exc_info[1] if record.exc_info else None
        return not isinstance(failure, HttpProcessingError | web.RequestPayloadError | ConnectionError)


_http_log = logging.getLogger(f"{__name__}.http")
_http_log.addFilter(_OurFailures())


class HttpServer:
    """Serves the application on some addresses until `close`. A compressed body is refused: a small one may unpack to a
    large one."""

    def __init__(self, app: web.Application, addresses: Sequence[tuple[str, int]]) -> None:
        """An empty host stands for every address of the machine, IPv4 and IPv6."""
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=2.0, auto_decompress=False, logger=_http_log
        )
        self._addresses = addresses

    async def start(self) -> int:
        """Listens. Returns the first port, which the system chose if 0 was asked for. Raises `OSError`."""
        await self._runner.setup()
        for host, port in self._addresses:
            # Python closes the IPv6 socket to IPv4, so that both families have a socket of their own.
            await web.TCPSite(self._runner, host or None, port).start()
        log.info("listening", addresses=[f"{host} {port}" for host, port, *_ in self._runner.addresses])
        first: int = self._runner.addresses[0][1]
        return first

    async def close(self) -> None:
        await self._runner.cleanup()
