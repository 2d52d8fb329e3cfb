"""`/metrics`: the state of the bot and its seats, as Prometheus text.

The gauges are made for each scrape, so that a removed seat or chat leaves no series behind. A seat has its configured
name, an organization its id; there are no e-mail addresses.
"""

import hmac
import platform
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from meterbot.app.health import BotHealth, ChatHealth
from meterbot.commands.team_report import SeatRow
from meterbot.core.counters import ProcessCounters
from meterbot.core.hosts import is_loopback
from meterbot.core.lease import GATEWAY

ReadRows = Callable[[], Awaitable[Sequence[SeatRow]]]

_PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


async def _no_rows() -> Sequence[SeatRow]:
    return ()


class Metrics:
    """Decides who gets an answer, and makes it. Requests must have the token; without a configured token, amounts are
    only for requests from this machine."""

    def __init__(
        self,
        counters: ProcessCounters | None = None,
        rows: ReadRows = _no_rows,
        token: str | None = None,
        hosts: Collection[str] = (),
    ) -> None:
        """`hosts`: the names under which others reach the listener."""
        self._rows = rows
        self._token = token
        self._hosts = {host.lower() for host in hosts}
        self._process = [(counters or ProcessCounters()).registry, _process()]

    def is_foreign(self, request: web.Request) -> bool:
        """Whether a request without a token may come from a web page that a person here has open: its name, which
        belongs to somebody else, resolves to this machine (DNS rebinding)."""
        if self._token is not None:
            return False
        host = urlsplit(f"//{request.host}").hostname or ""
        try:
            ip_address(host)
        except ValueError:
            # Nobody can register a name without a dot, such as that of a container.
            return "." in host.removesuffix(".") and host not in self._hosts
        return False

    def needs_token(self, request: web.Request) -> bool:
        if self._token is None:
            return False
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        return not hmac.compare_digest(given, f"Bearer {self._token}".encode())

    async def answer(self, request: web.Request, health: BotHealth) -> bytes:
        """The text for a request that was not refused."""
        rows = await self._rows() if health.database and (self._token or _asked_here(request)) else ()
        now = CollectorRegistry()
        now.register(_Now([*_of_the_bot(health), *_of_chats(health), *_of_seats(health), *_of_money(rows)]))
        return b"".join(generate_latest(registry) for registry in [now, *self._process])


def _asked_here(request: web.Request) -> bool:
    """Whether the request is from this machine, and not from a proxy on it."""
    if any(name in request.headers for name in _PROXY_HEADERS):
        return False
    return is_loopback(request.remote or "")


def _process() -> CollectorRegistry:
    """Memory, processor time and open files of this process."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


class _Now(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _of_the_bot(health: BotHealth) -> Iterator[Metric]:
    yield _gauges(
        "meterbot_build_info",
        "Always 1.",
        ["version", "python"],
        [([health.version, platform.python_version()], 1)],
    )
    yield _gauge("meterbot_ready", "1 while the bot is ready, as /readyz says.", int(not health.problems()))
    yield _gauge("meterbot_database_up", "1 while the database answers.", int(health.database))
    if health.last_tick is not None:
        tick = health.last_tick.timestamp()
        yield _gauge(
            "meterbot_last_tick_timestamp_seconds", "When the poller last looked for due seats.", tick
        )
    lag = health.lag.total_seconds()
    yield _gauge("meterbot_poll_lag_seconds", "How late the most overdue seat is.", lag)
    yield _gauge(
        "meterbot_database_writable", "1 while the database can be written to.", int(health.writable)
    )
    yield _gauge("meterbot_workers_alive", "Processes that are alive on this database.", len(health.workers))
    yield _gauges(
        "meterbot_gateway_held",
        "1 for the process that is connected to Discord.",
        ["worker"],
        [([worker.name], int(GATEWAY in worker.leases)) for worker in health.workers],
    )


def _of_chats(health: BotHealth) -> Iterator[Metric]:
    def gauges(name: str, text: str, value: Callable[[ChatHealth], float | None]) -> Metric:
        numbers = [([chat], value(state)) for chat, state in health.chats.items()]
        return _gauges(
            name, text, ["chat"], [(chat, number) for chat, number in numbers if number is not None]
        )

    yield gauges("meterbot_chat_connected", "1 while the chat is connected.", lambda chat: chat.connection.up)
    yield gauges("meterbot_deliveries_waiting", "Messages due for delivery now.", lambda chat: chat.waiting)
    yield gauges(
        "meterbot_deliveries_stuck",
        "1 while messages cannot be delivered.",
        lambda chat: chat.trouble is not None,
    )
    yield gauges(
        "meterbot_deliveries_held",
        "Messages that a snooze, a silence or quiet hours hold back.",
        lambda chat: chat.held,
    )
    yield gauges(
        "meterbot_deliveries_oldest_timestamp_seconds",
        "When the oldest message due for delivery was queued.",
        lambda chat: None if chat.oldest is None else chat.oldest.timestamp(),
    )


def _of_seats(health: BotHealth) -> Iterator[Metric]:
    yield _gauges(
        "meterbot_seat_health",
        "1 for the seat's current health.",
        ["seat", "health"],
        [([name, state.health.value], 1) for name, state in health.seats.items()],
    )
    yield _gauges(
        "meterbot_seat_last_read_timestamp_seconds",
        "When the seat was last read successfully.",
        ["seat"],
        [([name], state.last_ok_at.timestamp()) for name, state in health.seats.items() if state.last_ok_at],
    )


def _of_money(rows: Iterable[SeatRow]) -> Iterator[Metric]:
    """This month's amounts, in whole units of the currency. A shared counter's amounts appear once;
    `meterbot_seat_spent_known` has a value for each seat."""
    spent, caps, blocked, known = list[_Series](), list[_Series](), list[_Series](), list[_Series]()
    for row in rows:
        if row.counter is None or row.beside:
            continue
        seat, org = row.seat.name, row.counter.org
        known.append(([seat, org], int(row.known)))
        if not row.counted:
            continue
        if row.extra_known:
            blocked.append(([seat, org], int(row.blocked)))
        if row.used is not None:
            spent.append(([seat, org, row.used.currency], float(row.used.major)))
        if row.metered and (cap := row.facts.cap) is not None:
            caps.append(([seat, org, cap.currency], float(cap.major)))
    money = ["seat", "org", "currency"]
    yield _gauges("meterbot_seat_spent", "Extra usage of this month, in units of the currency.", money, spent)
    yield _gauges(
        "meterbot_seat_spent_known",
        "1 where this month's extra usage is known, also where none is metered.",
        ["seat", "org"],
        known,
    )
    yield _gauges("meterbot_seat_cap", "The cap on extra usage, in units of the currency.", money, caps)
    yield _gauges("meterbot_seat_blocked", "1 while the seat is blocked.", ["seat", "org"], blocked)


_Series = tuple[list[str], float]
"""The labels' values, and the number."""


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _gauges(name: str, text: str, labels: list[str], series: Iterable[_Series]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in series:
        family.add_metric(values, number)
    return family
