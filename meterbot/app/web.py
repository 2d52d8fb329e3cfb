"""Inbound HTTP: the health routes, /metrics, and the routes of pushes, webhooks and chats."""

import asyncio
import json
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from meterbot.app.health import CheckHealth
from meterbot.app.metrics import Metrics
from meterbot.core.log import LoggedState, get_logger
from meterbot.store.errors import is_outage

HEADER_SECONDS = 10.0
"""Within which the first request of a connection must be there."""
Networks = Sequence[IPv4Network | IPv6Network]

log = get_logger(__name__)


class Refusal(web.HTTPException):
    """The answer to a refused request: what is wrong, and what to do about it."""

    def __init__(self, status: int, error: str, remedy: str | None = None, **more: str | int) -> None:
        self.status_code = status
        body = {"error": error, **({} if remedy is None else {"remedy": remedy}), **more}
        super().__init__(text=json.dumps(body), content_type="application/json")
        if "retry_after" in more:
            self.headers["Retry-After"] = str(more["retry_after"])


def hold_up(seconds: float, who: str) -> None:
    """Raises `Refusal` if `who` has to wait some seconds before the next request."""
    if seconds > 0:
        wait = math.ceil(seconds)
        raise Refusal(429, f"too many requests from {who}", f"wait {wait} seconds", retry_after=wait)


async def read_json(request: web.Request, largest: int, seconds: float) -> bytes:
    """The body of a JSON request, of at most `largest` bytes, which must arrive within `seconds`. Raises `Refusal`."""
    if request.content_type != "application/json":
        raise Refusal(
            415, "the body is not declared as JSON", "send it with `Content-Type: application/json`"
        )
    # A small compressed body may unpack to a large one.
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refusal(415, "the body is compressed", "send it as it is, without Content-Encoding")
    too_large = partial(
        Refusal, 413, f"the body is larger than {largest // 1024} KiB", "send less in one request"
    )
    if (request.content_length or 0) > largest:
        raise too_large()
    try:
        async with asyncio.timeout(seconds):
            return await request.clone(client_max_size=largest).read()
    except web.HTTPRequestEntityTooLarge:
        raise too_large() from None
    except TimeoutError:
        raise Refusal(408, "the body did not arrive in time", "send it again") from None
    except (ConnectionError, web.RequestPayloadError):
        raise Refusal(400, "the body broke off", "send it again") from None


class RequestFailures:
    """Logs an outage of the database when it begins and when it ends, and every other failure each time, so that an
    outage hides no bug."""

    def __init__(self, logger: Any, what: str) -> None:
        """`what` is stored, in the plural: `pushes`."""
        self._logger, self._what = logger, what
        self._outage = LoggedState(logger, f"{what} cannot be stored", f"{what} are stored again")

    @contextmanager
    def refusing(self, remedy: str) -> Iterator[None]:
        """Raises `Refusal` for each failure, so that the sender gets an answer."""
        try:
            yield
            self.stored()
        except Refusal:
            raise
        except Exception as error:  # noqa: BLE001 - logged
            self.failed(error)
            raise Refusal(503, "meterbot could not store this just now", remedy, retry_after=60) from None

    def failed(self, error: Exception) -> None:
        if is_outage(error):
            self._outage.begins(error)
        else:
            self._logger.error("a request failed", what=self._what, exc_info=error)

    def stored(self) -> None:
        self._outage.ends()


def client_address(request: web.Request, trusted: Networks) -> str:
    """The address of the client. Only proxies in `trusted` are believed when they name another one."""
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
    return nearest_stranger(request.remote or "", forwarded, trusted)


def nearest_stranger(peer: str, forwarded: str, trusted: Networks) -> str:
    """The first address that is not a trusted proxy, looking back from `peer` along `X-Forwarded-For`."""
    nearest = peer
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    for address in [peer, *reversed(hops)]:
        try:
            host = ip_address(address)
        except ValueError:  # whatever a proxy writes there, it is not an address
            break
        nearest = str(host)
        if not any(host in network for network in trusted):
            break
    return nearest


def application(
    health: CheckHealth, routes: Iterable[web.RouteDef] = (), metrics: Metrics | None = None
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

    app = web.Application(client_max_size=256 * 1024)
    own = [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", scrape)]
    app.add_routes([*own, *routes])
    return app


class _OwnFailures(logging.Filter):
    """Drops the records of requests that were malformed or broke off: anybody can send those."""

    def filter(self, record: logging.LogRecord) -> bool:
        failure = record.exc_info[1] if record.exc_info else None
        return not isinstance(failure, HttpProcessingError | web.RequestPayloadError | ConnectionError)


_http_log = logging.getLogger(f"{__name__}.http")
_http_log.addFilter(_OwnFailures())


class HttpServer:
    """Serves the application on some addresses until `close`."""

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
            auto_decompress=False,  # `read_json` refuses compressed bodies
            logger=_http_log,
        )
        self._addresses = addresses
        self._header_seconds = header_seconds
        self._servers: list[asyncio.Server] = []
        self._silent: dict[web.RequestHandler, asyncio.TimerHandle] = {}
        """The connections without a request."""
        app.middlewares.append(self._note_request)

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

    def _protocol(self) -> web.RequestHandler:
        """Its connection is closed if the first request does not arrive in time: aiohttp waits for its headers for
        ever. Later requests fall under aiohttp's keep-alive timeout."""
        assert self._runner.server is not None  # noqa: S101 - set up before anything listens
        protocol = self._runner.server()
        loop = asyncio.get_running_loop()
        self._silent[protocol] = loop.call_later(self._header_seconds, self._end_silent, protocol)
        return protocol

    def _end_silent(self, protocol: web.RequestHandler) -> None:
        del self._silent[protocol]
        protocol.force_close()

    @web.middleware
    async def _note_request(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        timer = self._silent.pop(request.protocol, None)
        if timer is not None:
            timer.cancel()
        return await handler(request)

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        await self._runner.cleanup()
