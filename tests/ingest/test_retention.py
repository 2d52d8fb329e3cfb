import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from meterbot.core.deliveries import Destination
from meterbot.core.messages import Posted
from meterbot.core.models import Counter, Event, Seat
from meterbot.ingest.ingest import ClockBehindError, Ingest
from meterbot.ingest.recording import Recorder
from meterbot.ingest.retention import PAUSE, Retention
from meterbot.rules.settings import RuleSettings
from meterbot.store import Batch, Store, deliveries, delivery_claims, delivery_outcomes, event_log, history
from meterbot.store.delivery_claims import Claim
from tests.rules.builders import extra, snapshot
from tests.store.examples import delivery, event, write

DAY = timedelta(days=1)
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
ANA = snapshot(START, metered=extra()).counter or Counter("", "")
SEATS = {"ana": Seat("ana", "claude_ai")}


def retention(store: Store) -> Retention:
    return Retention(store, 90 * DAY, 365 * DAY)


async def stored(store: Store) -> list[Event]:
    return await store.read(lambda c: event_log.read_events(c, datetime(2020, 1, 1, tzinfo=UTC)))


async def send(store: Store, now: datetime) -> bool:
    """Delivers the next message; False when none waits."""
    one = await store.run(lambda c: delivery_claims.claim(c, "slack", Claim("w", now, 60)).delivery)
    if one is not None:
        await store.run(lambda c: delivery_outcomes.mark_delivered(c, one, Posted("C1", one.id), now))
    return one is not None


def door(store: Store, settings: RuleSettings | None = None) -> Ingest:
    return Ingest(
        store, Recorder(SEATS, [Destination("slack", "C1")], settings or RuleSettings()), lambda: None
    )


async def test_what_was_reported_long_ago_is_forgotten_with_its_messages(store: Store) -> None:
    await write(store, Batch(events=[event("old", START)], deliveries=[delivery("d1", "old")]))
    await send(store, START)
    await write(store, Batch(events=[event("new", START + 80 * DAY)], deliveries=[delivery("d2", "new")]))
    await send(store, START + 80 * DAY)
    await retention(store).run(START + 100 * DAY)
    assert [one.key for one in await stored(store)] == ["new"]
    postings = await store.read(lambda c: deliveries.postings(c, ["old", "new"]))
    assert [one.event for one in postings] == ["new"]


async def test_a_clock_that_is_behind_deletes_no_history_and_stores_nothing_until_it_is_right(
    store: Store,
) -> None:
    ingest, end = door(store), START + 30 * DAY
    for day in range(30):
        at = START + day * DAY
        await ingest.store_snapshots([snapshot(at, metered=extra(str(day + 1)))], at)
    before = await store.read(lambda c: history.read(c, [ANA], START))
    assert len(before) == 30
    behind = end - 21 * DAY
    with capture_logs() as logs:
        for _ in range(3):
            assert await ingest.store_snapshots([snapshot(behind, metered=extra("31"))], behind) == []
        with pytest.raises(ClockBehindError):
            await ingest.store_push("ana", [snapshot(behind, metered=extra("31"))], behind)
        await retention(store).run(behind)
    assert await store.read(lambda c: history.read(c, [ANA], START)) == before
    assert ingest.clock_behind
    assert [line["log_level"] for line in logs] == ["error"]
    await ingest.store_snapshots([snapshot(end, metered=extra("31"))], end)
    assert not ingest.clock_behind
    assert len(await store.read(lambda c: history.read(c, [ANA], START))) == 31


async def test_a_clean_up_that_failed_is_done_again_at_once(store: Store) -> None:
    await write(store, Batch(events=[event("old", START)]))
    mine = retention(store)
    broken = Retention(store, 90 * DAY, 365 * DAY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("meterbot.ingest.retention.event_log.old_events", _locked)
        with pytest.raises(OperationalError):
            await broken.run(START + 100 * DAY)
    assert [one.key for one in await stored(store)] == ["old"]
    await broken.run(START + 100 * DAY)
    assert await stored(store) == []
    await mine.run(START + 100 * DAY)


def _locked(*_: object, **__: object) -> list[Event]:
    raise OperationalError("SELECT", {}, sqlite3.OperationalError("database is locked"))


async def test_what_still_waits_to_be_sent_is_not_forgotten(store: Store) -> None:
    old = [event("waits", START), event("edited", START), event("done", START)]
    edit = delivery("d2", "waits", about="edited")
    await write(store, Batch(events=old, deliveries=[delivery("d1", "done"), edit]))
    await send(store, START)
    await retention(store).run(START + 200 * DAY)
    assert {one.key for one in await stored(store)} == {"waits", "edited"}
    assert (
        await store.run(
            lambda c: delivery_claims.claim(c, "slack", Claim("w", START + 200 * DAY, 60)).delivery
        )
        is not None
    )


async def test_more_events_than_fit_one_transaction_are_all_looked_at(store: Store) -> None:
    many = [event(f"e{number:04}", START + number * timedelta(seconds=number % 3)) for number in range(450)]
    await write(store, Batch(events=many))
    await retention(store).run(START + 200 * DAY)
    assert await stored(store) == []


async def test_a_forgotten_event_is_not_reported_again(store: Store) -> None:
    """The counter is at its cap for half a year: period, levels and block do not change."""
    ingest = door(store)
    batches = [await ingest.store_snapshots([snapshot(START, metered=extra("10"))], START)]
    for day in range(1, 200, 9):
        now = START + day * DAY
        batches.append(await ingest.store_snapshots([snapshot(now, metered=extra("50"))], now))
        await retention(store).run(now)
    kinds = [one.kind for events in batches for one in events]
    assert sorted(kinds) == ["seat_blocked", "threshold_crossed"]


async def test_a_block_of_long_ago_still_ends_in_its_message(store: Store) -> None:
    ingest = door(store)
    await ingest.store_snapshots([snapshot(START, metered=extra("10"))], START)
    await ingest.store_snapshots([snapshot(START + DAY, metered=extra("50"))], START + DAY)
    while await send(store, START + DAY):
        pass
    later = START + 200 * DAY
    await retention(store).run(later)
    await ingest.store_snapshots([snapshot(later, metered=extra("50", cap="80"))], later)
    edit = await store.run(lambda c: delivery_claims.claim(c, "slack", Claim("w", later, 60)).delivery)
    assert edit is not None
    assert edit.root is not None


async def test_it_looks_once_an_hour(store: Store) -> None:
    keeper, now = retention(store), START + 200 * DAY
    await keeper.run(now)
    await write(store, Batch(events=[event("old", START)]))
    await keeper.run(now + PAUSE / 2)
    assert len(await stored(store)) == 1
    await keeper.run(now + PAUSE)
    assert await stored(store) == []


async def test_it_goes_on_after_the_clock_was_set_back(store: Store) -> None:
    keeper, now = retention(store), START + 300 * DAY
    await keeper.run(now)
    await write(store, Batch(events=[event("old", START)]))
    await keeper.run(now - 30 * DAY)
    assert await stored(store) == []


async def test_the_history_is_hourly_then_daily(store: Store) -> None:
    ingest = door(store)
    for day in range(3):
        moments = [START + day * DAY + number * timedelta(minutes=30) for number in range(48)]
        minutes = {at: (at - START) / timedelta(minutes=1) for at in moments}
        read = [snapshot(at, metered=extra(f"{1 + minutes[at] / 1000:.3f}")) for at in moments]
        await ingest.store_snapshots(read, moments[-1])

    async def number(now: datetime) -> int:
        await retention(store).run(now)
        counter = snapshot().counter
        assert counter is not None
        return len(await store.read(lambda c: history.read(c, [counter], START - DAY)))

    assert await number(START + 80 * DAY) == 144
    assert 72 <= await number(START + 100 * DAY) <= 75
    assert await number(START + 400 * DAY) == 5
