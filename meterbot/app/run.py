"""The running bot: its parts, and the periodic jobs that drive them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

import meterbot
from meterbot.app.health import BotHealth, chat_health
from meterbot.app.heartbeat import Heartbeat
from meterbot.app.jobs import PeriodicJobs
from meterbot.app.watchdog import Watchdog
from meterbot.chat import Chat
from meterbot.commands.commands import Commands
from meterbot.commands.digest import DigestSender
from meterbot.commands.invitations import Invitations
from meterbot.core.clock import Clock
from meterbot.core.counters import ProcessCounters
from meterbot.core.errors import StartError
from meterbot.core.lease import Lease
from meterbot.core.log import get_logger
from meterbot.core.models import Health, SourceState
from meterbot.core.seats import SeatDirectory
from meterbot.delivery.worker import DeliveryWorker
from meterbot.ingest.ingest import Ingest
from meterbot.ingest.periodic_checks import PeriodicChecks
from meterbot.ingest.poller import Poller
from meterbot.ingest.pull_requests import PullRequestTracker
from meterbot.ingest.pushes import PushReceiver
from meterbot.ingest.retention import Retention
from meterbot.sources.session_keys import Sessions
from meterbot.store import Store, deliveries, pull_requests, source_states, workers

TICK_SECONDS = 1.0
"""How often due seats are looked for."""
CHECKS_SECONDS = 30.0
"""How often the bot checks what becomes true because time passes."""
MANY_SEATS = 500
"""With more seats, their health is read only with the periodic checks."""
WRITE_SECONDS = 10.0
"""Between two writes of the last tick, which also show whether the database can be written to."""
_ANSWER_SECONDS = 10.0
"""After which the database counts as not answering."""
ASLEEP = timedelta(minutes=5)
"""Ticks or writes farther apart mean that the machine was suspended or the database away, which is no failure of a
source."""

log = get_logger(__name__)


@dataclass
class Bot:
    """The connected parts. `run` drives them by the clock; a demonstration may drive them itself."""

    clock: Clock
    store: Store
    chats: Mapping[str, Chat]
    seats: SeatDirectory
    poller: Poller
    ingest: Ingest
    periodic_checks: PeriodicChecks
    delivery_worker: DeliveryWorker
    commands: Commands
    receiver: PushReceiver
    retention: Retention
    pull_requests: PullRequestTracker
    digests: DigestSender
    counters: ProcessCounters
    watchdog: Watchdog
    sessions: Sessions
    heartbeat: Heartbeat
    checks_lease: Lease
    """Held by the one process that runs the periodic checks for all."""
    invitations: Invitations
    channel_problems: Callable[[], Awaitable[Mapping[str, str]]]
    """Finds, for each chat, why nothing can be posted to its channel."""
    last_tick: datetime | None = None
    written_at: datetime | None = None
    connected_at: datetime | None = None
    wrong_channels: Mapping[str, str] = field(default_factory=dict)
    awake_since: datetime | None = None
    """Since when seats are read without a break; None while a demonstration drives the parts itself."""
    seat_health: tuple[float, Mapping[str, SourceState]] | None = None
    """When the health of the seats was last read, and the result."""
    jobs: PeriodicJobs = field(default_factory=PeriodicJobs)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    ended_by: StartError | None = None
    """What went wrong, if the bot stopped by itself."""

    async def run(self, stop: asyncio.Event, tick_seconds: float = TICK_SECONDS) -> None:
        """Reads seats and delivers alerts until `stop` is set, then finishes what is running. Raises `StartError` if
        the database's file was replaced."""
        self.stop, self.awake_since = stop, self.clock.now()
        delivering = asyncio.create_task(self.delivery_worker.run(), name="delivery")
        for job, seconds in (
            (self.tick, 1.0),
            (self.run_checks, CHECKS_SECONDS),
            (self.note_tick, WRITE_SECONDS),
            (self.check_channels, 600.0),
            (self.calculate_pull_requests, 10.0),
            (self.send_digests, CHECKS_SECONDS),
            (self.report_health, 5.0),
            (self.end_round, 60.0),
            (self.clean_up, 60.0),
        ):
            self.jobs.add(job, seconds * tick_seconds)
        self.jobs.start(tick_seconds)
        self.last_tick = self.awake_since
        self.written_at = self.connected_at = self.awake_since
        await self.jobs.attempt(self.note_tick)
        await self.jobs.attempt(self.check_channels)
        log.info("started", version=meterbot.__version__, chats=sorted(self.chats))
        self.watchdog.systemd.ready()
        try:
            await stop.wait()
            if self.ended_by is not None:
                raise self.ended_by
        finally:
            log.info("stopping")
            self.watchdog.systemd.stopping()
            self.delivery_worker.stop()
            await asyncio.gather(self.jobs.stop(), self.poller.close(), _ended(delivering))

    async def run_once(self) -> None:
        """Does everything that is due now, and returns when it is done; for a clock that does not run."""
        await self.heartbeat.beat()
        await self.tick()
        await self.poller.drain()
        await self.run_checks()
        await self.note_tick()
        await self.calculate_pull_requests()
        await self.send_digests()
        await self.delivery_worker.drain()
        await self.clean_up()

    async def tick(self) -> None:
        """Starts the readings that are due, and lets waiting deliveries try again."""
        now = self.clock.now()
        self._notice_break(self.last_tick, now)
        self.last_tick = now
        self.delivery_worker.wake()
        await self.poller.tick(now)

    async def run_checks(self) -> None:
        """Finds what becomes true because time passes."""
        self._notice_break(self.written_at, self.clock.now())
        await self.sessions.refresh()
        await self.invitations.refresh()
        if self.checks_lease.held:
            await self.periodic_checks.run(self.clock.now(), self.awake_since)

    async def note_tick(self) -> None:
        """Stores the last tick, for `status` in every process."""
        if self.store.is_replaced():
            self.ended_by = StartError(
                "the database's file was replaced or moved while the bot ran, so nothing more would be stored: "
                "start meterbot again"
            )
            self.stop.set()
            raise self.ended_by
        if self.last_tick is not None:
            await self.heartbeat.ticked(
                self.last_tick, {chat.name: chat.connection() for chat in self.chats.values()}
            )
            now = self.clock.now()
            self._notice_break(self.written_at, now)
            self.written_at = now

    def _notice_break(self, last: datetime | None, now: datetime) -> None:
        """After a long time without ticks or writes the seats' time begins again: the silence was not theirs."""
        if self.awake_since and last and now - last > ASLEEP * self.clock.speed:
            self.awake_since = now

    async def check_channels(self) -> None:
        """Finds configured channels that cannot be posted to; logs each when it begins and when it ends."""
        found = await self.channel_problems()
        for name in found.keys() - self.wrong_channels.keys():
            log.error("alerts cannot be posted to the configured channel", chat=name, why=found[name])
        for name in self.wrong_channels.keys() - found.keys():
            log.info("alerts can be posted to the configured channel again", chat=name)
        self.wrong_channels = found

    async def clean_up(self) -> None:
        """Thins out old data, and deletes duplicate messages."""
        await self.retention.run(self.clock.now())
        await self.delivery_worker.delete_duplicates()

    async def calculate_pull_requests(self) -> None:
        await self.pull_requests.calculate_due(self.clock.now())

    async def send_digests(self) -> None:
        await self.digests.queue_due(self.clock.now())

    async def end_round(self) -> None:
        """Logs what was read since the last time, if anything was."""
        ended = self.counters.end_round()
        if ended:
            log.info(
                "seats were read",
                reads=len(ended),
                failed=sum(health is not Health.OK for health, _ in ended),
                seconds=round(sum(seconds for _, seconds in ended), 2),
                slowest=round(max(seconds for _, seconds in ended), 2),
            )

    async def report_health(self) -> None:
        await self.watchdog.report(await self.health())

    async def _health(self) -> Mapping[str, SourceState]:
        """The health of every seat. If there are very many, it is not read with every check, to spare the database."""
        at = monotonic()
        if (
            len(self.seats) < MANY_SEATS
            or self.seat_health is None
            or at - self.seat_health[0] > CHECKS_SECONDS
        ):
            self.seat_health = at, await self.store.read(source_states.read_sources)
        return self.seat_health[1]

    async def health(self) -> BotHealth:
        """The health of this process, of the chats, and of the seats."""
        now = self.clock.now()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                sources, database = await self._health(), True
                queues, alive, failed, pulls = await self.store.read(
                    lambda c: (
                        deliveries.read_queues(c, now),
                        workers.read(c, now),
                        deliveries.failed(c),
                        pull_requests.failed(c),
                    )
                )
        except Exception:  # noqa: BLE001 - whatever is wrong with the database, it does not answer
            queues, sources, alive, failed, pulls, database = [], {}, [], [], [], False
        # Chats and seats that have left the configuration do not count, although something is stored of them.
        chats = {
            name: chat_health(
                chat.connection(),
                [queue for queue in queues if queue.chat == name],
                sum(each.chat == name for each in failed),
                self.wrong_channels.get(name),
            )
            for name, chat in self.chats.items()
        }
        if any(chat.connection().up for chat in self.chats.values()):
            self.connected_at = now
        return BotHealth(
            now=now,
            version=meterbot.__version__,
            database=database,
            last_tick=self.last_tick,
            written_at=self.written_at,
            connected_at=self.connected_at,
            failed_pulls=len(pulls),
            chats=chats,
            seats={name: state for name, state in sources.items() if name in self.seats},
            workers=alive,
            clock_behind=self.ingest.clock_behind,
            lag=self.poller.lag(now),
        )


_FAREWELL_SECONDS = 4.0


async def _ended(delivering: asyncio.Task[None]) -> None:
    """Waits for the messages that are being sent; one that takes too long is in doubt, and the next start looks for
    it."""
    await asyncio.wait([delivering], timeout=_FAREWELL_SECONDS)
    delivering.cancel()
    await asyncio.gather(delivering, return_exceptions=True)
