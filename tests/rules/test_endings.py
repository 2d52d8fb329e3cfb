from datetime import UTC, datetime, timedelta

import pytest

from meterbot.core.models import Counter, Event, EventKind, Severity
from meterbot.rules.endings import can_be_forgotten
from meterbot.rules.memory import CounterMemory, OpenBlock, SourceMemory, TeamMemory

JULY = CounterMemory(period="2026-07")
NOW = datetime(2026, 7, 20, 12, tzinfo=UTC)


def event(kind: EventKind, at: datetime, key: str = "key", **facts: object) -> Event:
    return Event(key, kind, at, Severity.INFO, "because", "ana", Counter("acc", "org"), facts=facts)


def past(
    one: Event,
    counter: CounterMemory = JULY,
    source: SourceMemory | None = None,
    team: TeamMemory | None = None,
) -> bool:
    return can_be_forgotten(one, counter, source or SourceMemory(), team or TeamMemory("2026-07"), NOW)


MARCH = datetime(2026, 3, 9, tzinfo=UTC)


@pytest.mark.parametrize("kind", [EventKind.SPEND_STARTED, EventKind.WINDOW_FULL, EventKind.SEAT_UNBLOCKED])
def test_what_was_told_of_an_ended_period_is_past(kind: EventKind) -> None:
    assert past(event(kind, MARCH))


def test_a_period_that_never_ended_keeps_its_events() -> None:
    """A counter that does not change stays in its old period, and so do the keys of its levels."""
    assert not past(event(EventKind.THRESHOLD_CROSSED, MARCH), CounterMemory(period="2026-03"))
    assert not past(event(EventKind.THRESHOLD_CROSSED, MARCH), CounterMemory(period="2026-03.2"))


def test_a_reset_seen_early_belongs_to_the_period_it_opens() -> None:
    early = datetime(2026, 6, 30, 23, 58, tzinfo=UTC)
    assert not past(event(EventKind.SPEND_STARTED, early))


def test_an_open_block_is_not_past() -> None:
    block = OpenBlock("key", MARCH, "2026-03", why=True)
    assert not past(event(EventKind.SEAT_BLOCKED, MARCH), CounterMemory(period="2026-07", block=block))
    assert past(event(EventKind.SEAT_BLOCKED, MARCH, "another"), CounterMemory(period="2026-07", block=block))


def test_an_outage_that_goes_on_is_not_past() -> None:
    assert not past(event(EventKind.SOURCE_DOWN, MARCH), source=SourceMemory(down="key"))
    assert past(event(EventKind.SOURCE_DOWN, MARCH))


@pytest.mark.parametrize(("ahead", "expected"), [(-2, True), (-1, False), (0, False), (90, False)])
def test_a_day_that_is_to_come_is_not_past(ahead: int, expected: bool) -> None:  # noqa: FBT001 - a table's column
    day = (NOW + timedelta(days=ahead)).date().isoformat()
    assert past(event(EventKind.RENEWAL_NEAR, MARCH, date=day)) is expected
    assert past(event(EventKind.SESSION_EXPIRING, MARCH, ends_at=f"{day}T10:00:00Z")) is expected


def test_a_budget_belongs_to_the_teams_month() -> None:
    june = event(EventKind.BUDGET_CROSSED, datetime(2026, 6, 20, tzinfo=UTC))
    assert past(june)
    assert not past(june, team=TeamMemory("2026-06"))
    assert past(june, CounterMemory(period="2026-06"))
