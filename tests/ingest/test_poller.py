"""When seats are read. Store, rules and ingest are real; the sources are fakes that a test controls."""

import asyncio
import random
import sqlite3
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlalchemy import event as listening
from structlog.testing import capture_logs

from meterbot.core.clock import ManualClock
from meterbot.core.health import REFUSALS
from meterbot.core.models import ExtraUsage, Health, Seat, Snapshot
from meterbot.core.money import Money
from meterbot.ingest import poller as module
from meterbot.ingest.ingest import Ingest
from meterbot.ingest.poller import Poller
from meterbot.ingest.recording import Recorder
from meterbot.rules.settings import RuleSettings
from meterbot.store import ALIVE_SECONDS, Store, counter_states, source_states, workers
from meterbot.store.database import open_store
from meterbot.store.errors import StoreTimeoutError, is_outage
from tests.properties import examples
from tests.shared_store import file_of
from tests.store.examples import emptied

NOW = datetime(2026, 4, 15, 10, tzinfo=UTC)


def later(**by: float) -> datetime:
    return NOW + timedelta(**by)


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - jitter, not a secret


def snapshot(
    seat: str, at: datetime, health: Health = Health.OK, retry_at: datetime | None = None
) -> Snapshot:
    if health in REFUSALS:
        return Snapshot(seat, "claude_ai", at, health, retry_at=retry_at)
    extra = ExtraUsage(enabled=True, used=Money(Decimal(100), "USD", 2), cap=None)
    return Snapshot(
        seat,
        "claude_ai",
        at,
        health,
        f"account-{seat}",
        org_uuid="org",
        extra_usage=extra,
        extra_usage_read=True,
    )


class FakeSource:
    """Answers at once, or when `gate` is opened; counts who is in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.health = Health.OK
        self.retry_at: datetime | None = None
        self.starts: list[datetime] = []
        self.inside = 0
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None

    async def read(self, now: datetime) -> tuple[Snapshot, ...]:
        self.starts.append(now)
        self.inside += 1
        assert self.inside == 1, "two reads of one seat at once"
        self.entered.set()
        try:
            await self.gate.wait()
        finally:
            self.inside -= 1
        if self.failure is not None:
            raise self.failure
        return (snapshot(self.name, now, self.health, self.retry_at),)


class House:
    """A poller and its parts."""

    def __init__(
        self, store: Store, *names: str, interval: float = 60, concurrency: int = 16, worker: str = "w1"
    ) -> None:
        self.store = store
        self.worker = worker
        self.clock = ManualClock(NOW)
        self.interval = interval
        self.concurrency = concurrency
        self.sources = {name: FakeSource(name) for name in names or ("ana",)}
        self.poller = self.restarted()

    def restarted(self) -> Poller:
        seats = {name: Seat(name, "claude_ai", interval=self.interval) for name in self.sources}
        ingest = Ingest(self.store, Recorder(seats, [], RuleSettings()), lambda: None)
        self.poller = Poller(
            self.sources,
            seats,
            ingest,
            self.store,
            self.clock,
            worker=self.worker,
            concurrency=self.concurrency,
            rng=dice(1),
        )
        return self.poller

    async def pass_time(self, seconds: float, step: float = 1, *, settle: bool = True) -> None:
        """Ticks every `step` seconds for so long."""
        for _ in range(round(seconds / step)):
            self.clock.advance(timedelta(seconds=step))
            await self.poller.tick(self.clock.now())
            if settle:
                await self.poller.drain()

    def beside(self, worker: str) -> "House":
        """Another process on the same database, that reads the same seats at the same time."""
        other = House(self.store, worker=worker, interval=self.interval)
        other.sources, other.clock = self.sources, self.clock
        other.restarted()
        return other

    async def live(self) -> None:
        """A second of its life."""
        now = self.clock.now()
        await self.store.run(
            lambda c: workers.beat(c, self.worker, now, now + timedelta(seconds=ALIVE_SECONDS))
        )
        await self.poller.tick(now)

    async def due(self, name: str = "ana") -> datetime | None:
        return (await self.store.read(source_states.read_sources))[name].next_due


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


# The poller


async def test_a_new_seat_is_read_stored_and_due_again(store: Store) -> None:
    house = House(store)
    await house.pass_time(6)
    assert len(house.sources["ana"].starts) == 1
    (row,) = await store.read(counter_states.read_latest)
    assert row.known.snapshot.fetched_at == house.sources["ana"].starts[0]
    due = await house.due()
    assert due is not None
    assert later(seconds=20) < due < later(seconds=100)


async def test_every_healthy_seat_is_read_once_per_interval_and_starts_are_spread(store: Store) -> None:
    names = [f"seat-{n}" for n in range(40)]
    house = House(store, *names, interval=60)
    await house.pass_time(120)
    for source in house.sources.values():
        source.starts.clear()
    await house.pass_time(300)
    for source in house.sources.values():
        assert len(source.starts) in {4, 5, 6}
        gaps = [b - a for a, b in zip(source.starts, source.starts[1:], strict=False)]
        assert all(timedelta(seconds=52) <= gap <= timedelta(seconds=68) for gap in gaps)
    starts = Counter(start for source in house.sources.values() for start in source.starts)
    assert max(starts.values()) <= 6


async def test_many_new_seats_are_begun_with_a_few_at_a_time(store: Store) -> None:
    house = House(store, *[f"seat-{n}" for n in range(100)], interval=900)
    await house.pass_time(21)
    starts = Counter(start for source in house.sources.values() for start in source.starts)
    assert sum(starts.values()) == 100
    assert max(starts.values()) <= 12


async def test_a_slow_seat_is_not_read_twice_and_delays_nobody(store: Store) -> None:
    house = House(store, "slow", "quick")
    slow, quick = house.sources["slow"], house.sources["quick"]
    slow.gate.clear()
    for _ in range(200):
        await house.pass_time(1, settle=False)
        await _idle()
    assert len(slow.starts) == 1
    assert len(quick.starts) in {3, 4}
    slow.gate.set()
    await house.poller.drain()
    assert {row.seat for row in await store.read(counter_states.read_latest)} == {"slow", "quick"}


async def _idle() -> None:
    """Lets tasks that are ready run, transactions of SQLite included."""
    for _ in range(20):
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)


async def test_no_more_reads_than_allowed_run_at_once(store: Store) -> None:
    house = House(store, *[f"seat-{n}" for n in range(7)], concurrency=3)
    for source in house.sources.values():
        source.gate.clear()
    await house.pass_time(6, settle=False)
    await _idle()
    assert sum(source.inside for source in house.sources.values()) == 3
    for source in house.sources.values():
        source.gate.set()
    await house.poller.drain()
    await house.pass_time(1)  # no more were claimed than could be read soon
    assert len(await store.read(counter_states.read_latest)) == 7


async def test_seats_that_are_due_together_share_a_claim_and_readings_that_finish_together_a_transaction(
    store: Store,
) -> None:
    house = House(store, *[f"seat-{n}" for n in range(9)])
    begun: list[object] = []

    def note(connection: Connection) -> None:
        if "BEGIN IMMEDIATE" in connection.get_execution_options().get("sqlite_begin", ()):
            begun.append(connection)

    listening.listen(store.engine, "begin", note)
    house.clock.advance(timedelta(seconds=1))
    await house.poller.tick(house.clock.now())
    await house.poller.drain()
    begun.clear()
    house.clock.advance(timedelta(seconds=10))
    await house.poller.tick(house.clock.now())
    await house.poller.drain()
    to_claim, to_store = 1, 1
    assert len(begun) == to_claim + to_store
    assert len(await store.read(counter_states.read_latest)) == 9


async def test_a_clock_that_is_set_back_by_a_day_halts_no_seat_for_that_day(store: Store) -> None:
    house = House(store, "ana", "bo")
    await house.pass_time(180)
    before = [len(source.starts) for source in house.sources.values()]
    house.clock.set(house.clock.now() - timedelta(days=1))
    await house.pass_time(180)
    assert [len(source.starts) - was for source, was in zip(house.sources.values(), before, strict=True)] == [
        3,
        3,
    ]


async def test_a_clock_that_is_set_back_by_a_day_during_a_read_leaves_the_seat_unread_for_no_day(
    store: Store,
) -> None:
    house = House(store)
    source = house.sources["ana"]
    source.gate.clear()
    await house.poller.tick(house.clock.now())
    house.clock.advance(timedelta(seconds=10))
    await house.poller.tick(house.clock.now())
    await source.entered.wait()
    house.clock.set(house.clock.now() - timedelta(days=1))
    await house.poller.tick(house.clock.now())
    source.gate.set()
    await house.pass_time(180)
    assert len(source.starts) == 3


async def test_a_clock_that_is_set_back_while_a_reading_is_stored_leaves_the_seat_unread_for_no_day(
    store: Store,
) -> None:
    house = House(store)
    source = house.sources["ana"]
    source.gate.clear()
    house.clock.advance(timedelta(seconds=10))
    await house.poller.tick(house.clock.now())
    house.clock.advance(timedelta(seconds=10))
    await house.poller.tick(house.clock.now())
    await source.entered.wait()
    held, storing = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(_: object) -> None:
        loop.call_soon_threadsafe(storing.set)
        held.wait()

    holding = asyncio.create_task(store.run(hold))  # so that the storing begins, and waits
    await storing.wait()
    try:
        source.gate.set()
        await asyncio.wait(house.poller._running.values())
        await house.poller.tick(house.clock.now())
        await asyncio.sleep(0)
        assert not house.poller._finished
        house.clock.set(house.clock.now() - timedelta(days=1))
        await house.poller.tick(house.clock.now())
    finally:
        held.set()
    await holding
    await house.poller.drain()
    await house.pass_time(180)
    assert len(source.starts) == 4


async def test_a_restart_does_not_poll_early(store: Store) -> None:
    house = House(store)
    house.sources["ana"].health = Health.RATE_LIMITED
    house.sources["ana"].retry_at = later(minutes=30)
    await house.pass_time(6)
    assert await house.due() == later(minutes=30)
    house.restarted()
    await house.pass_time(29 * 60, step=30)
    assert len(house.sources["ana"].starts) == 1
    await house.pass_time(120, step=30)
    assert len(house.sources["ana"].starts) == 2


async def test_a_restart_reads_a_seat_whose_session_had_expired_once_and_then_keeps_to_its_ladder(
    store: Store,
) -> None:
    house = House(store)
    house.sources["ana"].health = Health.SESSION_EXPIRED
    await house.pass_time(6)
    house.restarted()
    await house.pass_time(120, step=2)
    assert len(house.sources["ana"].starts) == 2
    due = await house.due()
    assert due is not None
    assert due >= later(minutes=10)


async def test_a_restart_after_a_long_pause_does_not_burst(store: Store) -> None:
    house = House(store, *[f"seat-{n}" for n in range(60)], interval=900)
    await house.pass_time(13)
    house.clock.advance(timedelta(days=1))
    house.restarted()
    for source in house.sources.values():
        source.starts.clear()
    await house.pass_time(61)
    starts = Counter(start for source in house.sources.values() for start in source.starts)
    assert sum(starts.values()) == 60
    assert max(starts.values()) <= 6


async def test_refusals_climb_and_one_answer_comes_down_across_restarts(store: Store) -> None:
    house = House(store)
    house.sources["ana"].health = Health.RATE_LIMITED
    waits = []
    for _ in range(3):
        before = len(house.sources["ana"].starts)
        while len(house.sources["ana"].starts) == before:
            await house.pass_time(30, step=30)
        due = await house.due()
        assert due is not None
        waits.append((due - house.sources["ana"].starts[-1]).total_seconds() / 60)
        house.restarted()
    assert [round(wait / 5.25) for wait in waits] == [1, 2, 4]
    house.sources["ana"].health = Health.OK
    await house.pass_time(3600, step=30)
    assert (await store.read(source_states.read_sources))["ana"].failures == 0
    house.sources["ana"].health = Health.RATE_LIMITED
    await house.pass_time(90, step=30)
    assert (await store.read(source_states.read_sources))["ana"].failures == 1


async def test_a_read_that_never_ends_is_given_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meterbot.ingest.poller.READ_SECONDS", 0.01)
    house = House(store)
    house.sources["ana"].gate.clear()
    await house.pass_time(6)
    state = (await store.read(source_states.read_sources))["ana"]
    assert (state.health, state.failures) == (Health.UNREACHABLE, 1)
    assert house.sources["ana"].inside == 0


async def test_a_reader_that_breaks_is_logged_and_does_not_stop_the_others(store: Store) -> None:
    house = House(store, "ana", "bo")
    house.sources["ana"].failure = RuntimeError("a bug of ours")
    with capture_logs() as logs:
        await house.pass_time(6)
    assert [(entry["event"], entry["seat"]) for entry in logs] == [("a reader failed", "ana")]
    states = await store.read(source_states.read_sources)
    assert (states["ana"].health, states["bo"].health) == (Health.UNREACHABLE, Health.OK)


async def test_a_locked_database_loses_no_reading_and_is_logged_once(own_store: Store) -> None:
    house = House(own_store, "ana", "bo")
    for source in house.sources.values():
        source.gate.clear()
    await house.pass_time(6, settle=False)
    for source in house.sources.values():
        await asyncio.wait_for(source.entered.wait(), 5)
    listening.listen(
        own_store.engine,
        "checkout",
        lambda connection, *_: connection.cursor().execute("PRAGMA busy_timeout = 0"),
    )
    other = sqlite3.connect(file_of(own_store), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with capture_logs() as logs:
        for source in house.sources.values():
            source.gate.set()
        await house.pass_time(120)
        assert [len(source.starts) for source in house.sources.values()] == [1, 1]
        other.execute("ROLLBACK")
        other.close()
        while not await own_store.read(counter_states.read_latest):
            await house.pass_time(1)
    assert [entry["event"] for entry in logs] == [
        "readings could not be stored, they are kept",
        "readings are stored again",
    ]
    read = {
        row.seat: row.known.snapshot.fetched_at for row in await own_store.read(counter_states.read_latest)
    }
    assert read.keys() == {"ana", "bo"}
    assert all(at <= later(seconds=7) for at in read.values())
    await house.pass_time(5)
    assert [len(source.starts) for source in house.sources.values()] == [2, 2]


async def test_a_reading_that_cannot_be_stored_holds_back_no_other(store: Store) -> None:
    house = House(store, "ana", "bo")
    ana = house.sources["ana"]
    good = ana.read

    async def read_for_a_stranger(now: datetime) -> tuple[Snapshot, ...]:
        await good(now)
        return (snapshot("nobody", now),)

    ana.read = read_for_a_stranger  # type: ignore[method-assign]  # a source that breaks its contract
    with capture_logs():
        await house.pass_time(15)
    assert [row.seat for row in await store.read(counter_states.read_latest)] == ["bo"]
    await house.pass_time(90)
    assert len(house.sources["bo"].starts) >= 2


async def test_closing_gives_up_what_runs_and_stores_what_was_read(store: Store) -> None:
    house = House(store, "slow", "quick")
    slow, quick = house.sources["slow"], house.sources["quick"]
    slow.gate.clear()
    house.clock.advance(timedelta(seconds=6))
    await house.poller.tick(NOW)
    await house.poller.tick(house.clock.now())
    await asyncio.wait_for(slow.entered.wait(), 5)
    await asyncio.wait_for(quick.entered.wait(), 5)
    async with asyncio.timeout(5):
        await house.poller.close()
    assert slow.inside == 0
    assert [row.seat for row in await store.read(counter_states.read_latest)] == ["quick"]
    house.clock.advance(timedelta(hours=1))
    await house.poller.tick(house.clock.now())
    assert len(quick.starts) == 1


async def test_closing_ends_even_when_the_database_hangs(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meterbot.ingest.poller._CLOSE_SECONDS", 0.05)
    house = House(store)
    await house.poller.tick(NOW)
    house.clock.advance(timedelta(seconds=6))
    await house.poller.tick(house.clock.now())
    other = sqlite3.connect(file_of(store), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await asyncio.wait_for(house.sources["ana"].entered.wait(), 5)
    with capture_logs() as logs:
        closing = asyncio.create_task(house.poller.close())
        await asyncio.wait([closing], timeout=0.5)
        other.execute("ROLLBACK")
        other.close()
        await asyncio.wait_for(closing, 5)
        await _idle()
    assert logs[0]["event"] == "readings could not be stored before the shutdown"
    assert logs[0]["readings"] == 1


# Several processes


@pytest.fixture
async def shared(database_url: str) -> AsyncIterator[Store]:
    opened = await open_store(database_url)
    yield opened
    await opened.close()


async def test_two_processes_read_each_seat_once_per_interval_and_both_have_their_share(
    shared: Store,
) -> None:
    one = House(shared, *[f"seat-{n}" for n in range(12)], interval=20)
    two, shares = one.beside("w2"), Counter[str]()
    for second in range(100):
        one.clock.advance(timedelta(seconds=1))
        for house in (one, two) if second % 2 else (two, one):
            await house.live()
            shares[house.worker] += len(house.poller._running)
            await house.poller.drain()
    for source in one.sources.values():
        gaps = [b - a for a, b in pairwise(source.starts)][1:]
        assert all(timedelta(seconds=17) <= gap <= timedelta(seconds=23) for gap in gaps)
    assert min(shares["w1"], shares["w2"]) > 10
    assert sum(shares.values()) == sum(len(source.starts) for source in one.sources.values())


async def test_what_a_dead_process_was_reading_another_reads_within_ten_seconds(shared: Store) -> None:
    one = House(shared)
    two, source = one.beside("w2"), one.sources["ana"]
    source.gate.clear()
    while not source.starts:
        one.clock.advance(timedelta(seconds=1))
        await one.live()
        await _idle()
    for _ in range(60):
        one.clock.advance(timedelta(seconds=1))
        await one.live()
        await two.live()
        await _idle()
    assert len(source.starts) == 1
    one.poller.let_go()
    await one.poller.drain()
    source.gate.set()
    died = one.clock.now()
    while len(source.starts) == 1:
        one.clock.advance(timedelta(seconds=1))
        await two.live()
        await two.poller.drain()
    assert source.starts[1] - died <= timedelta(seconds=10)


async def test_a_process_that_is_closed_hands_its_seats_over_at_once(shared: Store) -> None:
    one = House(shared)
    two, source = one.beside("w2"), one.sources["ana"]
    source.gate.clear()
    one.clock.advance(timedelta(seconds=6))
    await one.poller.tick(NOW)
    await one.live()
    await asyncio.wait_for(source.entered.wait(), 5)
    await one.poller.close()
    source.gate.set()
    await two.poller.tick(NOW)
    await two.live()
    await two.poller.drain()
    assert len(source.starts) == 2


async def test_what_another_has_read_since_is_not_stored_again(shared: Store) -> None:
    one = House(shared)
    two, source = one.beside("w2"), one.sources["ana"]
    one.clock.advance(timedelta(seconds=6))
    await one.poller.tick(NOW)
    await one.live()
    await asyncio.wait_for(source.entered.wait(), 5)
    await asyncio.gather(*one.poller._running.values())
    one.clock.advance(timedelta(seconds=ALIVE_SECONDS))
    await two.poller.tick(NOW)
    await two.live()
    await two.poller.drain()
    due = await two.due()
    await one.poller.drain()
    assert await two.due() == due
    (row,) = await shared.read(counter_states.read_latest)
    assert row.known.snapshot.fetched_at == source.starts[1]


async def test_a_process_that_is_taken_for_dead_claims_nothing(store: Store) -> None:
    house = House(store)
    house.poller.alive = lambda: False
    await house.pass_time(60)
    assert house.sources["ana"].starts == []
    house.poller.alive = lambda: True
    await house.pass_time(1)
    assert len(house.sources["ana"].starts) == 1


# Whatever the seats do


_steps = st.lists(
    st.tuples(
        st.floats(0.5, 400),
        st.integers(0, 3),
        st.sampled_from(["open", "shut", "restart", *sorted(Health)]),
    ),
    min_size=5,
    max_size=25,
)


@examples(15)
@given(_steps)
async def test_no_seat_is_ever_read_twice_at_once_or_before_its_deadline(
    store: Store, steps: list[tuple[float, int, str]]
) -> None:
    house = House(await emptied(store), "a", "b", "c", "d", concurrency=2)
    deadlines: dict[str, datetime] = {}
    corrected: set[tuple[str, datetime]] = set()
    try:
        for seconds, index, what in steps:
            source = list(house.sources.values())[index]
            await _act(house, source, what)
            if what == "restart":
                stored = await _stored_deadlines(store)
                corrected |= {
                    (name, due)
                    for name, health, due in stored
                    if health in {Health.SESSION_EXPIRED, Health.REFUSED}
                }
                deadlines = {name: due for name, due in deadlines.items() if (name, due) not in corrected}
            seen = {name: len(each.starts) for name, each in house.sources.items()}
            await house.pass_time(seconds, step=seconds, settle=False)
            await _idle()
            for name, each in house.sources.items():
                for start in each.starts[seen[name] :]:
                    assert start >= deadlines.get(name, NOW)
            deadlines = {
                name: due for name, _, due in await _stored_deadlines(store) if (name, due) not in corrected
            }
    finally:
        await house.poller.close()


async def _stored_deadlines(store: Store) -> list[tuple[str, Health, datetime]]:
    states = (await store.read(source_states.read_sources)).values()
    return [(state.seat, state.health, state.next_due) for state in states if state.next_due]


async def _act(house: House, source: FakeSource, what: str) -> None:
    act: dict[str, Callable[[], None]] = {"open": source.gate.set, "shut": source.gate.clear}
    if what == "restart":
        await house.poller.close()
        house.restarted()
    elif what in act:
        act[what]()
    else:
        source.health = Health(what)


# One bad reading holds up no other, and a seat never drops out of the poller.


class Unstorable(FakeSource):
    """While `bad`, answers with something that no column accepts."""

    bad = True

    async def read(self, now: datetime) -> tuple[Snapshot, ...]:
        (good,) = await super().read(now)
        unfit: Any = object()
        return (replace(good, detail=unfit) if self.bad else good,)


async def test_a_reading_that_cannot_be_stored_becomes_a_health_and_the_seat_is_read_again(
    store: Store,
) -> None:
    house = House(store, "ana", "bo", "cy")
    bad = Unstorable("bo")
    house.sources["bo"] = bad
    house.restarted()
    with capture_logs() as logs:
        await house.pass_time(40)
    states = await store.read(source_states.read_sources)
    assert {name: state.health for name, state in states.items()} == {
        "ana": Health.OK,
        "bo": Health.UNREACHABLE,
        "cy": Health.OK,
    }
    assert states["bo"].detail == "what was read could not be stored; the log says more"
    tries = [line["tries"] for line in logs if line["event"] == "a reading could not be stored"]
    assert tries == [1, 2, 3]
    bad.bad, before = False, len(bad.starts)
    await house.pass_time(600)
    assert len(bad.starts) > before
    assert (await store.read(source_states.read_sources))["bo"].health is Health.OK


async def test_a_reading_that_cannot_be_stored_does_not_make_others_transactions_of_their_own(
    store: Store,
) -> None:
    names = [f"seat-{number}" for number in range(30)]
    house = House(store, *names, concurrency=30)
    house.sources["bad"] = Unstorable("bad")
    house.restarted()
    begun: list[object] = []
    await house.pass_time(120, step=10)
    listening.listen(store.engine, "begin", begun.append)
    await house.pass_time(240, step=60)
    assert sum(len(house.sources[name].starts) for name in names) >= 30 * 4
    assert len(begun) < 4 * 30


async def test_a_read_that_is_cancelled_before_its_first_step_leaves_the_seat_in_the_heap(
    store: Store,
) -> None:
    house = House(store)
    house.clock.advance(timedelta(seconds=10))
    await house.poller.tick(house.clock.now())
    house.clock.advance(timedelta(seconds=10))
    await house.poller.tick(house.clock.now())
    assert not house.sources["ana"].starts
    house.poller.let_go()  # presence is lost in the same turn of the event loop
    await house.pass_time(90)
    assert len(house.sources["ana"].starts) >= 1


async def test_seats_that_cannot_be_claimed_in_time_are_an_outage_of_the_database_and_claimed_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage is a warning of one line in the log."""
    monkeypatch.setattr(module, "_CLAIM_SECONDS", 0.02)
    house, free = House(store), threading.Event()
    busy = asyncio.ensure_future(store.run(lambda _: free.wait(20)))
    with pytest.raises(StoreTimeoutError, match="too long to claim the seats") as failed:
        await house.pass_time(60)
    assert is_outage(failed.value)
    free.set()
    assert await busy
    monkeypatch.undo()
    await house.pass_time(5)
    assert len(house.sources["ana"].starts) == 1


async def test_no_read_begins_when_presence_was_lost_while_the_seats_were_claimed(store: Store) -> None:
    house = House(store)
    alive = True

    async def lose(_: Collection[str]) -> None:
        nonlocal alive
        alive = False

    house.poller.alive = lambda: alive
    house.poller.prepare = lose
    await house.pass_time(10)
    assert not house.sources["ana"].starts
    alive, house.poller.prepare = True, None
    await house.pass_time(5)
    assert len(house.sources["ana"].starts) == 1
