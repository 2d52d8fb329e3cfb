"""The clock is days behind what is stored: it is wrong now, or was ahead and is right again."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from meterbot.core.deliveries import Destination
from meterbot.core.models import Counter, Event, EventKind, ReasonClass, Sample, Seat, Snapshot
from meterbot.core.seats import SeatDirectory
from meterbot.ingest.ingest import Ingest
from meterbot.ingest.periodic_checks import PeriodicChecks
from meterbot.ingest.pushes import PushReceiver
from meterbot.ingest.recording import Recorder
from meterbot.ingest.retention import Retention
from meterbot.rules import Budget, RuleSettings
from meterbot.rules.settings import parse_threshold
from meterbot.sources import FuturePushError
from meterbot.store import Store, history, notes
from tests.rules.builders import extra, snapshot, usd

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
NEWEST = START + 29 * DAY  # Feb 3
BEHIND = NEWEST - 21 * DAY  # Jan 13
ANA = snapshot(START, metered=extra()).counter or Counter("", "")
SEATS = {"ana": Seat("ana", "claude_ai"), "bo": Seat("bo", "push")}
PLACES = [Destination("slack", "C1")]


def recorder(settings: RuleSettings | None = None) -> Recorder:
    return Recorder(SEATS, PLACES, settings or RuleSettings())


def ingest_of(store: Store) -> Ingest:
    return Ingest(store, recorder(), lambda: None)


async def read(ingest: Ingest, at: datetime, used: str, cap: str = "100", **more: object) -> list[Event]:
    return await ingest.store_snapshots([snapshot(at, metered=extra(used, cap, **more))], at)


async def a_month(store: Store) -> Ingest:
    """A reading each day, a dollar more each time; 27 of them are January's."""
    ingest = ingest_of(store)
    for day in range(30):
        await read(ingest, START + day * DAY, str(day + 1))
    return ingest


async def samples(store: Store) -> list[Sample]:
    return await store.read(lambda c: history.read(c, [ANA], START))


def kinds(events: Sequence[Event]) -> list[str]:
    return [event.kind.value for event in events]


async def test_alerts_go_on_and_nothing_is_deleted_or_told_again(store: Store) -> None:
    ingest = await a_month(store)
    before = await samples(store)
    assert len(before) == 30
    with capture_logs() as logs:
        assert await read(ingest, BEHIND, "31") == []
        crossed = await read(ingest, BEHIND + MINUTE, "52")
        blocked = await read(ingest, BEHIND + 2 * MINUTE, "100", reason_class=ReasonClass.CAP)
        await Retention(store, 10 * DAY, 20 * DAY).run(BEHIND + 3 * MINUTE)
    assert kinds(crossed) == ["threshold_crossed"]
    assert kinds(blocked) == ["seat_blocked", "threshold_crossed"]
    assert [event.at for event in (*crossed, *blocked)] == [BEHIND + MINUTE, *[BEHIND + 2 * MINUTE] * 2]
    assert (await samples(store))[:30] == before
    assert ingest.clock_behind is not None
    assert ingest.clock_behind > 20 * DAY
    assert [line["log_level"] for line in logs] == ["error"]


async def test_no_month_ends_over_a_border_behind_the_clock_and_one_does_once_it_is_right(
    store: Store,
) -> None:
    """The newest reading is February's, the clock says January: February's levels stay told."""
    ingest = await a_month(store)
    assert kinds(await read(ingest, NEWEST + MINUTE, "52")) == ["threshold_crossed"]
    assert await read(ingest, BEHIND, "53") == []
    assert await read(ingest, NEWEST + DAY, "54") == []
    assert ingest.clock_behind is None
    closed = await read(ingest, datetime(2026, 3, 1, 12, tzinfo=UTC), "1")
    assert kinds(closed) == ["period_closed", "spend_started"]


async def test_the_last_day_before_the_clock_has_caught_up_deletes_nothing_either(store: Store) -> None:
    ingest = await a_month(store)
    await read(ingest, BEHIND, "31")
    before = (await samples(store))[:30]
    for hours in (30, 20, 10, 1):
        await read(ingest, NEWEST - hours * timedelta(hours=1), "31")
    assert (await samples(store))[:30] == before
    with capture_logs() as logs:
        await read(ingest, NEWEST + MINUTE, "32")
    assert [line["event"] for line in logs] == ["the clock is right again"]


async def test_an_operator_who_says_that_the_clock_is_right_is_believed(store: Store) -> None:
    ingest = await a_month(store)
    await read(ingest, BEHIND, "31")
    await store.run(lambda c: notes.confirm_clock(c, BEHIND))
    assert kinds(await read(ingest, BEHIND + MINUTE, "52")) == ["threshold_crossed"]
    assert (await samples(store))[-1].at == BEHIND + MINUTE
    assert ingest.clock_behind is None


async def test_what_was_spent_behind_the_clock_is_no_pace(store: Store) -> None:
    ingest = await a_month(store)
    for number, used in enumerate(("40", "45", "49", "51")):
        events = await read(ingest, BEHIND + number * timedelta(hours=5), used)
    assert kinds(events) == ["threshold_crossed"]
    assert "pace" not in events[0].facts
    for minutes in range(1, 60, 10):
        assert await read(ingest, NEWEST + minutes * MINUTE, str(52 + minutes / 10)) == []


async def test_a_budget_is_compared_with_the_newest_month_and_told_once(store: Store) -> None:
    settings = RuleSettings(budgets=(Budget(usd("50"), (parse_threshold("50%"), parse_threshold("100%"))),))
    ingest = await a_month(store)
    checks = PeriodicChecks(store, recorder(settings), lambda: None)
    told = await checks.run(NEWEST)
    assert kinds(told) == ["budget_crossed"]
    assert await checks.run(BEHIND) == []
    await read(ingest, BEHIND, "50")
    again = await checks.run(BEHIND + MINUTE)
    assert [(event.kind, event.level, event.at) for event in again] == [
        (EventKind.BUDGET_CROSSED, "100%", BEHIND + MINUTE)
    ]


async def test_a_push_with_the_right_time_is_taken_while_our_own_clock_is_behind(store: Store) -> None:
    def parse(seat: Seat, _: bytes, now: datetime) -> tuple[Snapshot, ...]:
        if now < NEWEST:
            raise FuturePushError("fetched_at: is in the future", "fetched_at")
        of_bo: dict[str, Any] = {
            "seat": seat.name,
            "source": seat.source,
            "account_uuid": "bo",
            "org_uuid": "of-bo",
        }
        return (snapshot(NEWEST + MINUTE, metered=extra("60", "100"), **of_bo),)

    ingest = await a_month(store)
    receiver = PushReceiver(SeatDirectory(SEATS.values()), {}, store, ingest, parse)
    before = snapshot(
        NEWEST, metered=extra("10", "100"), seat="bo", source="push", account_uuid="bo", org_uuid="of-bo"
    )
    await ingest.store_push("bo", [before], NEWEST)
    receipt = await receiver.receive("bo", b"", BEHIND)
    assert receipt.new == 1
    await store.run(lambda c: notes.confirm_clock(c, BEHIND))
    with pytest.raises(FuturePushError):
        await receiver.receive("bo", b"", BEHIND)
