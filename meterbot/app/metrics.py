"""`/metrics`: how the bot and its seats are doing, as Prometheus text.

What is true at the moment is made anew at every scrape, so that a removed seat or chat leaves no series behind. A seat
has the name that the configuration gives it, an organization its id, and nobody an e-mail address.
"""

import hmac
import platform
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from ipaddress import ip_address

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

from meterbot.app.health import BotHealth
from meterbot.commands.team_report import SeatRow
from meterbot.core.counters import ProcessCounters
from meterbot.core.lease import GATEWAY

TakeRows = Callable[[], Awaitable[Sequence[SeatRow]]]

_PASSED_ON = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


async def _nobody() -> Sequence[SeatRow]:
    return ()


class Metrics:
    """What is told, and to whom. With a token, only who sends it is answered; without one, only who asks from this very
    machine sees amounts."""

    def __init__(
        self, tally: ProcessCounters | None = None, rows: TakeRows = _nobody, token: str | None = None
    ) -> None:
        self._rows = rows
        self._token = token
        self._counted = [(tally or ProcessCounters()).registry, _process()]

    def refuses(self, request: web.Request) -> bool:
        """Whether the token is missing or wrong."""
        if self._token is None:
            return False
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        return not hmac.compare_digest(given, f"Bearer {self._token}".encode())

    async def answer(self, request: web.Request, vitals: BotHealth) -> bytes:
        """To a request that was not refused."""
        rows = await self._rows() if vitals.database and (self._token or _asked_here(request)) else ()
        now = CollectorRegistry()
        now.register(_Now([*_of_the_bot(vitals), *_of_seats(vitals), *_of_money(rows)]))
        return b"".join(generate_latest(registry) for registry in [now, *self._counted])


def _asked_here(request: web.Request) -> bool:
    """By this machine, and by nobody else through it: a proxy asks from here, too, for whoever asked it."""
    if any(name in request.headers for name in _PASSED_ON):
        return False
    try:
        return ip_address(request.remote or "").is_loopback
    except ValueError:
        return False


def _process() -> CollectorRegistry:
    """Memory, processor time and open files of this process, as the library tells them."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


class _Now(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _of_the_bot(vitals: BotHealth) -> Iterator[Metric]:
    yield _gauges(
        "meterbot_build_info",
        "Always 1.",
        ["version", "python"],
        [([vitals.version, platform.python_version()], 1)],
    )
    yield _gauge("meterbot_ready", "1 while the bot does its work.", int(not vitals.problems()))
    yield _gauge("meterbot_database_up", "1 while the database answers.", int(vitals.database))
    if vitals.last_tick is not None:
        tick = vitals.last_tick.timestamp()
        yield _gauge("meterbot_last_tick_timestamp_seconds", "When seats were last looked at.", tick)
    lag = vitals.lag.total_seconds()
    yield _gauge("meterbot_poll_lag_seconds", "How late the seat is that waits longest to be read.", lag)
    yield _gauges(
        "meterbot_chat_connected",
        "1 while the chat is connected.",
        ["chat"],
        [([name], int(chat.up)) for name, chat in vitals.chats.items()],
    )
    yield _gauges(
        "meterbot_deliveries_waiting",
        "Messages not yet delivered.",
        ["chat"],
        [([name], count) for name, count in vitals.waiting.items()],
    )
    yield _gauges(
        "meterbot_deliveries_stuck",
        "1 while the next message cannot be delivered.",
        ["chat"],
        [([name], int(name in vitals.troubles)) for name in vitals.waiting],
    )
    yield _gauges(
        "meterbot_deliveries_oldest_timestamp_seconds",
        "When the oldest message not yet delivered was queued.",
        ["chat"],
        [([name], queued.timestamp()) for name, queued in vitals.oldest.items()],
    )
    yield _gauge("meterbot_workers_alive", "Processes at work on the database.", len(vitals.workers))
    yield _gauges(
        "meterbot_gateway_held",
        "Each process that is alive: 1 for the one that listens to Discord.",
        ["worker"],
        [([worker.name], int(GATEWAY in worker.leases)) for worker in vitals.workers],
    )


def _of_seats(vitals: BotHealth) -> Iterator[Metric]:
    yield _gauges(
        "meterbot_seat_health",
        "1 for the seat's present health.",
        ["seat", "health"],
        [([name, state.health.value], 1) for name, state in vitals.seats.items()],
    )
    yield _gauges(
        "meterbot_seat_last_read_timestamp_seconds",
        "When the seat was last read without trouble.",
        ["seat"],
        [([name], state.last_ok_at.timestamp()) for name, state in vitals.seats.items() if state.last_ok_at],
    )


def _of_money(rows: Iterable[SeatRow]) -> Iterator[Metric]:
    """In whole units of the currency, of this month. Each counter once, under the seat that the sums count it for."""
    spent, caps, blocked = list[_Series](), list[_Series](), list[_Series]()
    for row in rows:
        extra = row.snapshot.extra_usage
        if row.counter is None or row.beside or not row.counted:
            continue
        seat, org = row.seat.name, row.counter.org
        if row.extra_known:
            blocked.append(([seat, org], int(row.block is not None)))
        if row.used is not None:
            spent.append(([seat, org, row.used.currency], float(row.used.major)))
        if row.metered and extra is not None and extra.cap is not None:
            caps.append(([seat, org, extra.cap.currency], float(extra.cap.major)))
    money = ["seat", "org", "currency"]
    yield _gauges("meterbot_seat_spent", "Extra usage of this month, in units of the currency.", money, spent)
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
