"""Inbound HTTP: is the bot alive, is it doing its work, and whatever a chat wants to receive."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from meterbot import secret, wording
from meterbot.chat import Connection
from meterbot.models import Health

TICK_LATE = timedelta(seconds=60)
"""A tick older than this means that nobody is polling."""
ALERT_LATE = timedelta(minutes=15)
"""An alert that waits longer than this is a failure of ours or of the platform."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str, Handler]
"""(method, path, handler)"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Vitals:
    """How the bot is doing at `now`. `oldest_waiting` is when the oldest undelivered message was queued."""

    now: datetime
    version: str
    database: bool
    last_tick: datetime | None
    chats: Mapping[str, Connection] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)
    oldest_waiting: datetime | None = None
    seats: Mapping[str, str] = field(default_factory=dict)
    """Seat → health word."""
    troubles: Mapping[str, str] = field(default_factory=dict)
    """Chat → why its waiting messages do not move, as told by the platform."""

    def problems(self) -> list[str]:
        """Why the bot is not ready; empty when it is."""
        found = []
        if not self.database:
            found.append("the database does not answer")
        if self.last_tick is None or self.now - self.last_tick > TICK_LATE:
            found.append("the last tick is late")
        if self.chats and not any(chat.up for chat in self.chats.values()):
            found.append("no chat is connected")
        if self.oldest_waiting is not None and self.now - self.oldest_waiting > ALERT_LATE:
            found.append("an alert is waiting to be delivered")
        return found

    def notes(self) -> list[str]:
        """What ails it besides, or in more detail, whether or not it keeps the bot from being ready."""
        found = [
            f"{name} is not connected" + (f": {wording.one_line(chat.detail)}" if chat.detail else "")
            for name, chat in self.chats.items()
            if not chat.up
        ]
        found += [
            f"{wording.count(self.waiting.get(name, 0), 'message')} for {name} cannot be delivered: "
            f"{wording.one_line(trouble)}"
            for name, trouble in self.troubles.items()
        ]
        if unwell := sum(word != Health.OK for word in self.seats.values()):
            found.append(
                f"{unwell} of {wording.count(len(self.seats), 'seat')} cannot be read, or not for certain"
            )
        return [secret.hide(note) for note in found]


TakeVitals = Callable[[], Awaitable[Vitals]]


def application(vitals: TakeVitals, routes: Iterable[Route] = ()) -> web.Application:
    """`/healthz`, `/readyz`, `/metrics`, and the given routes."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_: web.Request) -> web.Response:
        now = await vitals()
        problems = now.problems()
        body = {"status": "not ready" if problems else "ready", "problems": problems, "notes": now.notes()}
        return web.json_response(body, status=503 if problems else 200)

    async def metrics(_: web.Request) -> web.Response:
        text = exposition(await vitals())
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application(client_max_size=256 * 1024)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    for method, path, handler in routes:
        app.router.add_route(method, path, handler)
    return app


def exposition(vitals: Vitals) -> bytes:
    """The vitals as Prometheus text. Made anew at every scrape, so a removed seat leaves no series behind."""
    registry = CollectorRegistry()
    info = Gauge("meterbot_info", "Always 1.", ["version"], registry=registry)
    info.labels(vitals.version).set(1)
    ready = Gauge("meterbot_ready", "1 while the bot does its work.", registry=registry)
    ready.set(0 if vitals.problems() else 1)
    if vitals.last_tick is not None:
        tick = Gauge(
            "meterbot_last_tick_timestamp_seconds", "When seats were last looked at.", registry=registry
        )
        tick.set(vitals.last_tick.timestamp())
    connected = Gauge(
        "meterbot_chat_connected", "1 while the chat is connected.", ["chat"], registry=registry
    )
    for name, chat in vitals.chats.items():
        connected.labels(name).set(int(chat.up))
    waiting = Gauge("meterbot_deliveries_waiting", "Messages not yet delivered.", ["chat"], registry=registry)
    for name, count in vitals.waiting.items():
        waiting.labels(name).set(count)
    health = Gauge(
        "meterbot_seat_health", "1 for the seat's present health.", ["seat", "health"], registry=registry
    )
    for seat, word in vitals.seats.items():
        health.labels(seat, word).set(1)
    return generate_latest(registry)


class _OurFailures(logging.Filter):
    """A request that nobody could read, or that broke off, is not our failure, and comes from anybody."""

    def filter(self, record: logging.LogRecord) -> bool:
        failure = record.exc_info[1] if record.exc_info else None
        return not isinstance(failure, HttpProcessingError | web.RequestPayloadError | ConnectionError)


_http_log = logging.getLogger(f"{__name__}.http")
_http_log.addFilter(_OurFailures())


class Listener:
    """The application on one address, until `close`. It takes no compressed body: what is small may then be large."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=2.0, auto_decompress=False, logger=_http_log
        )
        self._host, self._port = host, port

    async def start(self) -> int:
        """Listens; returns the port, which the system chose when 0 was asked for. Raises `OSError`."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        port: int = self._runner.addresses[0][1]
        log.info("listening", host=self._host, port=port)
        return port

    async def close(self) -> None:
        await self._runner.cleanup()
