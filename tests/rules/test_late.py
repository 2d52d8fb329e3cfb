"""Readings that arrive long after they were made, and readings of somebody else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Event, EventKind
from meterbot.rules import (
    CounterMemory,
    RuleSettings,
    SourceMemory,
    dump,
    fact_money,
    load,
    record_late,
    stranger,
    watch_counter,
    watch_identity,
)
from meterbot.rules.increases import spend_between
from tests.rules.builders import (
    HOUR,
    MINUTE,
    NOON,
    extra,
    kinds,
    snapshot,
    usd,
)

SETTINGS = RuleSettings()


def test_a_late_reading_is_known_and_a_point_of_the_history_but_no_news() -> None:
    first = watch_counter(CounterMemory(), None, snapshot(NOON, metered=extra("0")), SETTINGS, NOON)
    late = record_late(
        first.memory, first.known, snapshot(NOON + HOUR, metered=extra("49")), SETTINGS, NOON + 9 * HOUR
    )
    assert late.events == ()
    assert late.changed
    assert late.known is not None
    assert late.known.extra_usage_at == NOON + HOUR
    assert late.memory.late is not None
    assert late.memory.late.used == usd("49")
    assert replace(late.memory, late=None) == replace(first.memory, peak=usd("49"))
    assert late.sample is not None
    assert (late.sample.at, late.sample.used) == (NOON + HOUR, usd("49"))
    now = NOON + 9 * HOUR
    fresh = watch_counter(late.memory, late.known, snapshot(now, metered=extra("49")), SETTINGS, now)
    assert {"spend_started", "threshold_crossed"} <= {kind.value for kind in kinds(list(fresh.events))}


def test_a_late_reading_that_is_older_than_what_is_known_changes_nothing() -> None:
    first = watch_counter(CounterMemory(), None, snapshot(NOON), SETTINGS, NOON)
    late = record_late(first.memory, first.known, snapshot(NOON - HOUR), SETTINGS, NOON + 9 * HOUR)
    assert (late.changed, late.memory, late.known) == (False, first.memory, first.known)


MAY = datetime(2026, 5, 1, tzinfo=UTC)


STEPS = st.tuples(st.integers(1, 300), st.integers(-40, 40), st.booleans())


@given(steps=st.lists(STEPS, min_size=1, max_size=12), first_is_late=st.booleans())
def test_late_or_not_the_history_counts_each_amount_once(
    steps: list[tuple[int, int, bool]], *, first_is_late: bool
) -> None:
    """The seat is read minutes before and after a month's end, at first perhaps late. A dip that comes back is no spend."""
    memory, known, samples = CounterMemory(), None, []
    at, used, peak, spent = MAY - 5 * HOUR, 10, {"2026-04": 10}, 0
    for gap, rise, late in [(0, 0, first_is_late), *steps]:
        before, at = at, at + gap * MINUTE
        early = MAY - 5 * MINUTE <= at < MAY  # a fall would be an early reset
        used = 0 if before < MAY <= at else max(0, used + (abs(rise) if early else rise))
        month = f"{at:%Y-%m}"
        spent += max(0, used - peak.get(month, 0))
        peak[month] = max(used, peak.get(month, 0))
        take = record_late if late else watch_counter
        seen = take(memory, known, snapshot(at, metered=extra(str(used), "500")), SETTINGS, at)
        memory, known = seen.memory, seen.known
        samples += [seen.sample] if seen.sample else []
    assert spend_between(samples, samples[0].at, at) == {"USD": usd(str(spent))}


@pytest.mark.parametrize("late", [[MAY - HOUR], [MAY - HOUR, MAY + HOUR]])
def test_a_month_closes_at_its_last_amount_although_that_arrived_late(late: list[datetime]) -> None:
    first = watch_counter(CounterMemory(), None, snapshot(NOON, metered=extra("40")), SETTINGS, NOON)
    memory, known, now = first.memory, first.known, MAY + 9 * HOUR
    for at, used in zip(late, ("45", "1"), strict=False):
        verdict = record_late(memory, known, snapshot(at, metered=extra(used)), SETTINGS, now)
        memory, known = load(CounterMemory, dump(verdict.memory)), verdict.known
    fresh = watch_counter(memory, known, snapshot(now, metered=extra("2")), SETTINGS, now)
    (closed,) = [event for event in fresh.events if event.kind is EventKind.PERIOD_CLOSED]
    assert fact_money(closed.facts["final"]) == usd("45")
    assert closed.facts["final_at"] == "2026-04-30T23:00:00Z"


@given(st.lists(st.integers(0, 100), max_size=8), st.integers(0, 100))
def test_what_arrives_late_neither_fires_nor_rearms(late: list[int], fresh: int) -> None:
    """After any late readings, a fresh one fires as if they had never been."""
    first = watch_counter(CounterMemory(), None, snapshot(NOON, metered=extra("20")), SETTINGS, NOON)
    memory, known = first.memory, first.known
    for place, used in enumerate(late):
        shot = snapshot(NOON + (place + 1) * MINUTE, metered=extra(str(used)))
        verdict = record_late(memory, known, shot, SETTINGS, NOON + 9 * HOUR)
        memory, known = verdict.memory, verdict.known
    now = NOON + 9 * HOUR
    shot = snapshot(now, metered=extra(str(fresh)))
    with_late = watch_counter(memory, known, shot, SETTINGS, now)
    without = watch_counter(first.memory, first.known, shot, SETTINGS, now)
    assert [_without_evidence(one) for one in with_late.events] == [
        _without_evidence(one) for one in without.events
    ]


def _without_evidence(event: Event) -> Event:
    """The alert names the reading before it, late or not."""
    return replace(event, facts={name: fact for name, fact in event.facts.items() if name != "readings"})


# Whose readings these are.


def known_as(*readings: dict[str, Any]) -> SourceMemory:
    memory = SourceMemory()
    for place, fields in enumerate(readings):
        seen = snapshot(NOON + place * HOUR, **fields)
        memory, _ = watch_identity(memory, seen, SETTINGS, seen.fetched_at)
    return memory


NAMELESS: dict[str, Any] = {"account_uuid": None, "account_email": "bo@example.com"}


def test_another_email_or_account_is_a_stranger_s() -> None:
    memory = known_as(NAMELESS)
    assert stranger(memory, [snapshot(**{**NAMELESS, "account_email": "cy@example.com"})]) == "email"
    memory = known_as({"account_uuid": "a"})
    assert stranger(memory, [snapshot(account_uuid="b", account_email="bo@example.com")]) == "account"


def test_the_seat_s_own_account_is_none() -> None:
    memory = known_as(NAMELESS)
    assert stranger(memory, [snapshot(**NAMELESS), snapshot(**{**NAMELESS, "org_uuid": "two"})]) is None
    assert stranger(memory, [snapshot(**{**NAMELESS, "account_email": " BO@example.com"})]) is None
    assert stranger(memory, [snapshot(**{**NAMELESS, "account_email": None})]) is None
    assert stranger(SourceMemory(), [snapshot(**NAMELESS)]) is None


def test_two_strangers_in_one_push_are_noticed_from_each_other() -> None:
    both = [snapshot(**NAMELESS), snapshot(**{**NAMELESS, "account_email": "cy@example.com"})]
    assert stranger(SourceMemory(), both) == "email"


def test_an_account_that_the_sender_learned_to_say_is_no_stranger() -> None:
    assert stranger(known_as(NAMELESS), [snapshot(account_uuid="a", account_email=None)]) is None


def test_organizations_read_within_a_minute_are_memberships_and_later_a_change() -> None:
    memory = known_as(NAMELESS)
    for apart, number in ((timedelta(0), 0), (timedelta(seconds=59), 0), (MINUTE, 1)):
        second = snapshot(NOON + apart, **{**NAMELESS, "org_uuid": "two"})
        _, events = watch_identity(memory, second, SETTINGS, second.fetched_at)
        assert len(events) == number
