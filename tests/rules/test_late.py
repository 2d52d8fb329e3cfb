"""Readings that arrive long after they were made, and readings of somebody else."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Event, EventKind, ExtraUsage, Sample
from meterbot.core.money import Money
from meterbot.core.plans import PlanFees
from meterbot.rules.counter_rules import watch_counter
from meterbot.rules.fact_json import fact_money, money_fact
from meterbot.rules.hours import hours_of
from meterbot.rules.increases import spend_between
from meterbot.rules.memory import CounterMemory, LateReadings, SourceMemory, dump, load
from meterbot.rules.month_report import AccountMonth, month_report
from meterbot.rules.settings import RuleSettings
from meterbot.rules.source_rules import stranger, watch_identity
from tests.rules.builders import (
    HOUR,
    MINUTE,
    NOON,
    eur,
    extra,
    kinds,
    snapshot,
    usd,
)

SETTINGS = RuleSettings()


def test_a_late_reading_is_known_and_a_point_of_the_history_but_no_news() -> None:
    first = watch_counter(CounterMemory(), None, snapshot(NOON, metered=extra("0")), SETTINGS, NOON)
    shot = snapshot(NOON + HOUR, metered=extra("49"))
    late = watch_counter(first.memory, first.known, shot, SETTINGS, NOON + 9 * HOUR, late=True)
    assert late.events == ()
    assert late.changed
    assert late.known is not None
    assert late.known.extra_usage_at == NOON + HOUR
    assert late.memory.late == LateReadings(usd("0"), NOON)
    known = late.memory.used, late.memory.used_at, late.memory.peak
    assert known == (usd("49"), NOON + HOUR, usd("49"))
    undone = replace(late.memory, used=usd("0"), used_at=NOON, peak=usd("0"), late=None)
    assert undone == first.memory
    assert late.sample is not None
    assert (late.sample.at, late.sample.used) == (NOON + HOUR, usd("49"))
    now = NOON + 9 * HOUR
    fresh = watch_counter(late.memory, late.known, snapshot(now, metered=extra("49")), SETTINGS, now)
    assert {"spend_started", "threshold_crossed"} <= {kind.value for kind in kinds(list(fresh.events))}


def test_a_late_reading_that_is_older_than_what_is_known_changes_nothing() -> None:
    first = watch_counter(CounterMemory(), None, snapshot(NOON), SETTINGS, NOON)
    shot = snapshot(NOON - HOUR)
    late = watch_counter(first.memory, first.known, shot, SETTINGS, NOON + 9 * HOUR, late=True)
    assert (late.changed, late.memory, late.known) == (False, first.memory, first.known)


MAY = datetime(2026, 5, 1, tzinfo=UTC)


STEPS = st.tuples(st.integers(1, 300), st.integers(-40, 40), st.booleans())


@given(steps=st.lists(STEPS, min_size=1, max_size=12), first_is_late=st.booleans())
def test_late_or_not_the_history_counts_each_amount_once(
    steps: list[tuple[int, int, bool]], *, first_is_late: bool
) -> None:
    """The seat is read minutes before and after a month's end, at first perhaps late. A dip that comes back is no
    spend."""
    memory, known, samples = CounterMemory(), None, []
    at, used, peak, spent = MAY - 5 * HOUR, 10, {"2026-04": 10}, 0
    for gap, rise, late in [(0, 0, first_is_late), *steps]:
        before, at = at, at + gap * MINUTE
        early = MAY - 5 * MINUTE <= at < MAY  # a fall would be an early reset
        used = 0 if before < MAY <= at else max(0, used + (abs(rise) if early else rise))
        month = f"{at:%Y-%m}"
        spent += max(0, used - peak.get(month, 0))
        peak[month] = max(used, peak.get(month, 0))
        shot = snapshot(at, metered=extra(str(used), "500"))
        seen = watch_counter(memory, known, shot, SETTINGS, at, late=late)
        memory, known = seen.memory, seen.known
        samples += [seen.sample] if seen.sample else []
    assert spend_between(samples, samples[0].at, at) == {"USD": usd(str(spent))}


@pytest.mark.parametrize("late", [[MAY - HOUR], [MAY - HOUR, MAY + HOUR]])
def test_a_month_closes_at_its_last_amount_although_that_arrived_late(late: list[datetime]) -> None:
    first = watch_counter(CounterMemory(), None, snapshot(NOON, metered=extra("40")), SETTINGS, NOON)
    memory, known, now = first.memory, first.known, MAY + 9 * HOUR
    for at, used in zip(late, ("45", "1"), strict=False):
        shot = snapshot(at, metered=extra(used))
        verdict = watch_counter(memory, known, shot, SETTINGS, now, late=True)
        memory, known = load(CounterMemory, dump(verdict.memory)), verdict.known
    fresh = watch_counter(memory, known, snapshot(now, metered=extra("2")), SETTINGS, now)
    (closed,) = [event for event in fresh.events if event.kind is EventKind.PERIOD_CLOSED]
    assert fact_money(closed.facts["final"]) == usd("45")
    assert closed.facts["final_at"] == "2026-04-30T23:00:00Z"


DAY = timedelta(days=1)


def run(
    readings: Iterable[tuple[datetime, ExtraUsage, bool]],
) -> tuple[CounterMemory, list[Sample], list[Event]]:
    """The memory, history and events after these readings: when, what, and whether it arrived late."""
    memory, known = CounterMemory(), None
    samples: list[Sample] = []
    events: list[Event] = []
    for at, metered, late in readings:
        update = watch_counter(memory, known, snapshot(at, metered=metered), SETTINGS, at, late=late)
        memory, known = load(CounterMemory, dump(update.memory)), update.known
        samples += [update.sample] if update.sample else []
        events += update.events
    return memory, samples, events


def closed_in(events: list[Event]) -> list[dict[str, object]]:
    closed = [event.facts for event in events if event.kind is EventKind.PERIOD_CLOSED]
    return [{name: fact for name, fact in facts.items() if name != "readings"} for facts in closed]


def report(month: str, memory: CounterMemory, samples: list[Sample], now: datetime) -> Event | None:
    hours = hours_of(samples, samples[0].at.replace(minute=0) - HOUR) if samples else []
    return month_report(
        month, [AccountMonth("ana", memory, hours)], PlanFees({}, listed=False), now, named=True
    )


STARTS = [MAY - 9 * DAY, MAY - 2 * HOUR, MAY - 3 * MINUTE, MAY + HOUR, MAY + 7 * HOUR]
GAPS = [2 * MINUTE, HOUR, 5 * HOUR, 9 * HOUR, 6 * DAY, 20 * DAY, 45 * DAY]
AMOUNTS = st.one_of(st.sampled_from([0, 10, 20]), st.integers(0, 300))
READINGS = st.tuples(
    st.sampled_from(GAPS),
    AMOUNTS,
    st.sampled_from([usd, usd, usd, usd, eur]),
    st.sampled_from([None, None, None, 2 * HOUR, 3 * DAY]),
    st.booleans(),
)


@given(start=st.sampled_from(STARTS), steps=st.lists(READINGS, min_size=1, max_size=9), last=READINGS)
def test_late_or_not_the_months_their_last_amounts_and_the_report_are_the_same(
    start: datetime,
    steps: list[tuple[timedelta, int, Callable[[str], Money], timedelta | None, bool]],
    last: tuple[timedelta, int, Callable[[str], Money], timedelta | None, bool],
) -> None:
    at, readings = start, []
    for gap, used, currency, until, late in [*steps, (*last[:4], False)]:
        at += gap
        metered = extra(currency(str(used)), None, why_known=True, disabled_until=until and at + until)
        readings.append((at, metered, late))
    for known in (readings[:-1], readings):
        in_time, late_too = run((*one[:2], False) for one in known), run(known)
        assert period_of(late_too[0]) == period_of(in_time[0])
        assert late_too[1] == in_time[1]
        for month in (f"2026-{number:02}" for number in range(3, 13)):
            assert report(month, *late_too[:2], at) == report(month, *in_time[:2], at)
    assert late_too[0].late is None
    assert closed_in(late_too[2]) == closed_in(in_time[2])


def period_of(memory: CounterMemory) -> list[object]:
    return [
        memory.period, memory.period_at, memory.period_unread, memory.used, memory.used_at, memory.peak,
        memory.previous_final, memory.disabled_until,
    ]  # fmt: skip


def test_a_first_reading_of_the_new_month_is_its_own_although_a_late_one_showed_it() -> None:
    amounts = [(MAY + HOUR, "10", False), (MAY + 9 * HOUR, "12", True), (MAY + 30 * HOUR, "12", False)]
    memory, _, _ = run((at, extra(used, None), late) for at, used, late in amounts)
    assert (memory.period, memory.period_unread) == ("2026-05", False)


def test_a_month_that_only_late_readings_saw_closes_with_the_one_before_it() -> None:
    amounts = [
        (MAY - 10 * DAY, "40", False),
        (MAY + 2 * DAY, "3", True),
        (MAY + 20 * DAY, "30", True),
        (MAY + 33 * DAY, "1", False),
    ]
    _, _, events = run((at, extra(used, None), late) for at, used, late in amounts)
    closed = [(facts["period"], fact_money(facts["final"])) for facts in closed_in(events)]
    assert closed == [("2026-04", usd("40")), ("2026-05", usd("30"))]


def test_late_amounts_in_another_currency_end_no_month_of_this_one() -> None:
    amounts = [
        (MAY - 10 * DAY, usd("40"), False),
        (MAY - 9 * DAY, eur("50"), True),
        (MAY - 8 * DAY, eur("55"), True),
        (MAY + DAY, usd("40"), False),
        (MAY + 2 * DAY, usd("41"), False),
    ]
    _, _, events = run((at, extra(used, None), late) for at, used, late in amounts)
    (closed,) = closed_in(events)
    assert fact_money(closed["final"]) == usd("40")


@pytest.mark.parametrize(
    ("month", "amounts", "final"),
    [
        ("2026-04", [(MAY - 10 * DAY, "40", False), (MAY - HOUR, "45", True)], "45"),
        (
            "2026-05",
            [(MAY - 10 * DAY, "40", False), (MAY + 2 * DAY, "3", True), (MAY + 20 * DAY, "30", True)],
            "30",
        ),
    ],
)
def test_the_report_on_a_month_has_its_last_amount_although_that_arrived_late(
    month: str, amounts: list[tuple[datetime, str, bool]], final: str
) -> None:
    memory, samples, _ = run((at, extra(used, None), late) for at, used, late in amounts)
    event = report(month, memory, samples, MAY + 40 * DAY)
    assert event is not None
    assert event.facts["totals"] == [money_fact(usd(final))]


@given(st.lists(st.integers(0, 100), max_size=8), st.integers(0, 100))
def test_what_arrives_late_neither_fires_nor_rearms(late: list[int], fresh: int) -> None:
    """After any late readings, a fresh one fires as if they had never been."""
    first = watch_counter(CounterMemory(), None, snapshot(NOON, metered=extra("20")), SETTINGS, NOON)
    memory, known = first.memory, first.known
    for place, used in enumerate(late):
        shot = snapshot(NOON + (place + 1) * MINUTE, metered=extra(str(used)))
        verdict = watch_counter(memory, known, shot, SETTINGS, NOON + 9 * HOUR, late=True)
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
