"""Reads the seats that are due: one reading at a time per seat, whichever worker does it.

`schedule` says when a seat is due. The deadlines are in memory and checked every second. When some have passed, the
database is asked once for all of them: it knows which worker reads which seat, and what another worker has read
meanwhile.
"""

import asyncio
import heapq
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic

from meterbot.core.clock import Clock
from meterbot.core.counters import ProcessCounters
from meterbot.core.health import failures_after, worst
from meterbot.core.log import get_logger
from meterbot.core.models import Health, Seat, Snapshot, SourceState
from meterbot.ingest.ingest import UNSTORABLE, Ingest
from meterbot.ingest.schedule import IdleState, first_due, idle_state, latest, next_due
from meterbot.rules.months import CLOCK_SKEW
from meterbot.sources import Source
from meterbot.store import Store, source_states, workers
from meterbot.store.errors import StoreTimeoutError, is_outage
from meterbot.store.values import Claims

READ_SECONDS = 90.0
"""Real seconds after which a reading is given up."""
_RETRY = timedelta(seconds=5)
_LOOK_AGAIN = timedelta(seconds=2)
"""When a seat that another worker is reading is checked again: a dead worker's seats must not stay unread for long."""
_CLAIM_SECONDS = 15.0
_TOGETHER = 50
_MOST_TRIES = 3
"""After this many failed attempts to store it, a reading is given up."""
_CLOSE_SECONDS = 5.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Finished:
    """The result of one reading at `at`, and how often storing it alone has failed."""

    seat: str
    at: datetime
    snapshots: tuple[Snapshot, ...]
    failures: int = 0


@dataclass(eq=False, repr=False)
class Poller:
    """Reads seats by their sources and passes the results to `ingest`; at most `concurrency` readings at once.

    A seat is due again only once its last reading is stored, so a database outage stops the reading, loses nothing
    and forgets no deadline. `worker` names this process, `alive` says whether the others consider it alive. `prepare`
    is awaited with the claimed seats before the first of them is read.
    """

    sources: Mapping[str, Source]
    seats: Mapping[str, Seat]
    ingest: Ingest
    store: Store
    clock: Clock
    _: KW_ONLY
    worker: str
    alive: Callable[[], bool] = lambda: True
    concurrency: int = 16
    rng: random.Random | None = None
    counters: ProcessCounters = field(default_factory=ProcessCounters)
    prepare: Callable[[Collection[str]], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        self._rng = self.rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._slots = asyncio.Semaphore(self.concurrency)
        self._planned = False
        self._states: dict[str, SourceState] = {}
        self._still: dict[str, IdleState] = {}
        self._due: list[tuple[datetime, str]] = []
        self._waiting: dict[str, datetime] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._finished: list[_Finished] = []
        self._storing: asyncio.Task[None] | None = None
        self._store_again_at: datetime | None = None
        self._last_tick: datetime | None = None
        self._closed = False

    async def tick(self, now: datetime) -> None:
        """Starts the readings that are due and stores finished ones; waits for neither. Raises the store's errors if
        deadlines or claims cannot be read."""
        if self._closed:
            return
        self._notice_clock(now)
        may_store = self._store_again_at is None or now >= self._store_again_at
        if self._finished and self._storing is None and may_store:
            self._storing = asyncio.create_task(self._store_finished(), name="store readings")
        if not self._planned:
            self._plan(await self.store.read(source_states.read_sources), now)
        if self.alive() and self._due and self._due[0][0] <= now:
            await self._begin(now)

    def _notice_clock(self, now: datetime) -> None:
        """Corrects deadlines from before the clock was set back."""
        if self._last_tick is not None and now < self._last_tick - CLOCK_SKEW:
            self._due = [(self._first_due(self._states[name], now), name) for _, name in self._due]
            heapq.heapify(self._due)
            self._store_again_at = self._store_again_at and now
        self._last_tick = now

    def _first_due(self, state: SourceState, now: datetime, new_seats: int = 1) -> datetime:
        seat = self.seats[state.seat]
        return first_due(state, seat.interval, now, seat.source, new_seats=new_seats)

    async def _begin(self, now: datetime) -> None:
        """Begins to read seats that are due and free; no more than it can read soon, so that other workers read the
        rest."""
        due: dict[str, datetime] = {}
        most = 2 * self.concurrency
        while self._due and self._due[0][0] <= now and len(self._running) + len(due) < most:
            when, name = heapq.heappop(self._due)
            due[name] = when
        if not due:
            return
        try:
            claims = await self._claim(due, now)
        except BaseException:
            for name, when in due.items():
                self._put_back(name, when)
            raise
        # Meanwhile others may have considered this worker dead, and taken its seats.
        may_read = self.alive() and not self._closed
        for name, when in due.items():
            self._states[name] = claims.states.get(name) or SourceState(name)
            if name not in claims.taken:
                self._put_back(name, self._when_read_elsewhere(name, now))
            elif may_read:
                self._start(name, when)
            else:
                self._put_back(name, when)

    async def _claim(self, due: Collection[str], now: datetime) -> Claims:
        seen = {name: self._states[name].next_due for name in due}
        try:
            async with asyncio.timeout(_CLAIM_SECONDS) as deadline:
                claims = await self.store.run(lambda tx: workers.claim_seats(tx, self.worker, seen, now))
                if self.prepare is not None and claims.taken:
                    await self.prepare(claims.taken)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise StoreTimeoutError("it took too long to claim the seats that are due") from error
        return claims

    def _when_read_elsewhere(self, name: str, now: datetime) -> datetime:
        """When a seat that another worker reads, or has read since, is checked again."""
        stored = self._states[name].next_due or now
        if stored > latest(self.seats[name].interval, now):
            return now + _LOOK_AGAIN
        return max(stored, now + _LOOK_AGAIN)

    def _start(self, name: str, when: datetime) -> None:
        self._waiting[name] = when
        task = asyncio.create_task(self._read(name), name=f"read {name}")
        self._running[name] = task
        # Not in the task: a task that is cancelled before its first step runs none of its own lines.
        task.add_done_callback(lambda _: self._stopped(name, task))

    def _stopped(self, name: str, task: asyncio.Task[None]) -> None:
        self._waiting.pop(name, None)
        del self._running[name]
        if task.cancelled():
            self._put_back(name, self.clock.now())

    def let_go(self) -> None:
        """Cancels the current readings, because another process may take them over now. Finished readings are kept,
        and stored if nobody else did."""
        for task in self._running.values():
            task.cancel()

    def lag(self, now: datetime) -> timedelta:
        """How late the most overdue seat is."""
        due = min([*self._waiting.values(), *(when for when, _ in self._due[:1])], default=now)
        return max(now - due, timedelta(0))

    async def drain(self) -> None:
        """Waits until every current reading was stored, or failed to be."""
        if self._running:
            await asyncio.wait(self._running.values())
        if self._storing is not None:
            await self._storing
        await self._store_finished()

    async def close(self) -> None:
        """Cancels the current readings and stores the finished ones. Returns within seconds."""
        self._closed = True
        given_up = dict(self._running)
        self.let_go()
        await asyncio.gather(*given_up.values(), return_exceptions=True)
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.drain()
                if given_up:
                    await self.store.run(lambda tx: workers.release_seats(tx, self.worker, given_up))
        except TimeoutError:
            log.error("readings could not be stored before the shutdown", readings=len(self._finished))  # noqa: TRY400 - there is no more to tell
        except Exception:
            log.exception("seats could not be given back, other processes take them a few seconds later")

    def _plan(self, stored: Mapping[str, SourceState], now: datetime) -> None:
        self._states = {name: stored.get(name) or SourceState(name) for name in self.sources}
        new = sum(state.next_due is None for state in self._states.values())
        self._due = [(self._first_due(state, now, new), name) for name, state in self._states.items()]
        heapq.heapify(self._due)
        self._planned = True

    async def _read(self, name: str) -> None:
        async with self._slots:
            self._waiting.pop(name, None)
            at, begun = self.clock.now(), monotonic()
            snapshots = await self._answer(name, at)
            self._finished.append(_Finished(name, at, snapshots))
            health = worst(snapshots).health
            self.counters.read(self.seats[name].source, health, monotonic() - begun)

    def _put_back(self, name: str, due: datetime) -> None:
        heapq.heappush(self._due, (due, name))

    async def _answer(self, name: str, at: datetime) -> tuple[Snapshot, ...]:
        """At least one snapshot, whatever the source does."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                snapshots = await self.sources[name].read(at)
        except TimeoutError:
            return self._unanswered(name, at, f"no answer within {READ_SECONDS:.0f} seconds")
        except Exception:
            # A source reports every outside failure as a health word, so this is a bug of ours.
            log.exception("a reader failed", seat=name)
            return self._unanswered(name, at, "the reader itself failed; the log says more")
        return snapshots or self._unanswered(name, at, "the reader found nothing to read")

    def _unanswered(self, name: str, at: datetime, detail: str) -> tuple[Snapshot, ...]:
        return (Snapshot(name, self.seats[name].source, at, Health.UNREACHABLE, detail=detail),)

    async def _store_finished(self) -> None:
        """Readings that finished together share a transaction. One that fails by itself is stored alone, so that it
        delays no other."""
        # Those that failed before are tried last, and alone.
        readings, self._finished = sorted(self._finished, key=lambda one: one.failures), []
        again_at = None
        try:
            while readings:
                number = 1 if readings[0].failures else _TOGETHER
                part = readings[:number]
                failed = await self._store_together(part)
                self._finished += failed
                readings = readings[number:]
                if failed:
                    again_at = self.clock.now() + _RETRY
                if len(failed) == len(part) > 1:  # the database is away
                    break
        finally:
            self._finished += readings
            self._storing = None
        if again_at is None and self._store_again_at is not None:
            log.info("readings are stored again")
        self._store_again_at = again_at

    async def _store_together(self, readings: Sequence[_Finished]) -> list[_Finished]:
        """Those that are to be tried again."""
        try:
            await self._store_these(readings)
        except Exception as error:
            if is_outage(error) or isinstance(error, TimeoutError):
                if self._store_again_at is None:
                    seats = sorted(reading.seat for reading in readings)
                    log.exception("readings could not be stored, they are kept", seats=seats)
                return list(readings)
            if len(readings) == 1:
                return await self._failed_alone(readings[0], error)
        else:
            return []
        half = len(readings) // 2
        first, second = readings[:half], readings[half:]
        return [*await self._store_together(first), *await self._store_together(second)]

    async def _failed_alone(self, reading: _Finished, error: Exception) -> list[_Finished]:
        """A reading that cannot be stored: after some attempts the seat gets that as its health, and is read again."""
        failures = reading.failures + 1
        log.error("a reading could not be stored", seat=reading.seat, tries=failures, exc_info=error)
        if failures < _MOST_TRIES:
            return [replace(reading, failures=failures)]
        self.counters.failed("reading")
        failed = self._unanswered(reading.seat, reading.at, UNSTORABLE)
        instead = replace(reading, snapshots=failed)
        try:
            await self._store_these([instead])
        except Exception:
            log.exception("a failed reading could not be noted", seat=reading.seat)
            self._put_back(reading.seat, self._next_due(instead, self.clock.now()))
        return []

    async def _store_these(self, readings: Sequence[_Finished]) -> None:
        now = self.clock.now()
        due = {reading.seat: self._next_due(reading, now) for reading in readings}
        snapshots = [snapshot for reading in readings for snapshot in reading.snapshots]
        await self.ingest.store_snapshots(snapshots, now, due, reader=self.worker)
        # The clock may also have been set back while they were stored; `tick` has corrected only the deadlines that
        # existed then.
        set_back = max(now - self.clock.now(), timedelta(0))
        for reading in readings:
            health, state = worst(reading.snapshots).health, self._states[reading.seat]
            failures = failures_after(state.failures, health)
            # If another process has read the seat meanwhile, the stored deadline differs, and the next claim notices
            # that.
            self._states[reading.seat] = replace(
                state, health=health, failures=failures, next_due=due[reading.seat]
            )
            self._put_back(reading.seat, due[reading.seat] - set_back)

    def _next_due(self, reading: _Finished, now: datetime) -> datetime:
        # The clock may have been set back: a deadline by the old time would leave the seat unread until then.
        set_back = max(reading.at - now, timedelta(0))
        at = reading.at - set_back
        still = idle_state(self._still.get(reading.seat), reading.snapshots, at)
        self._still[reading.seat] = still
        retries = [
            snapshot.retry_at - set_back for snapshot in reading.snapshots if snapshot.retry_at is not None
        ]
        return next_due(
            self._states[reading.seat],
            worst(reading.snapshots).health,
            max(retries, default=None),
            self.seats[reading.seat].interval,
            at,
            rng=self._rng,
            source=self.seats[reading.seat].source,
            idle=still.is_idle(at),
        )
