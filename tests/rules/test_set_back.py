"""The machine's clock was ahead, and was set back: what the rules make of the readings after that."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import EventKind
from meterbot.rules.counter_rules import watch_counter
from tests.rules.builders import (
    HOUR,
    MINUTE,
    NOON,
    Watch,
    extra,
    kinds,
    only,
    snapshot,
    window,
)

BLOCKED, CROSSED = EventKind.SEAT_BLOCKED, EventKind.THRESHOLD_CROSSED
CLOSED, STARTED = EventKind.PERIOD_CLOSED, EventKind.SPEND_STARTED
AHEAD = [timedelta(minutes=6), timedelta(days=3), timedelta(days=40), timedelta(days=4000)]


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_spent_cap_is_reported_after_the_clock_was_set_back(ahead: timedelta) -> None:
    watch = Watch().at(NOON + ahead)
    watch.uses("0")
    watch.uses("10")
    blocked = only(watch.at(NOON).uses("50"), BLOCKED)
    assert blocked.at == NOON + MINUTE
    assert watch.known is not None
    assert watch.known.extra_usage_at == NOON + MINUTE


@pytest.mark.parametrize("ahead", AHEAD[2:])
def test_a_level_reported_in_a_month_that_has_not_begun_is_reported_in_the_present_one(
    ahead: timedelta,
) -> None:
    watch = Watch().at(NOON + ahead)
    watch.uses("30")
    event = only(watch.at(NOON).uses("30"), CROSSED)
    assert (event.facts["period"], event.initial) == ("2026-04", True)
    assert watch.uses("31") == []
    may = watch.at(NOON + timedelta(days=17)).uses("1")
    assert kinds(may) == [CLOSED, STARTED]


def test_levels_reported_earlier_in_this_month_are_not_reported_again() -> None:
    watch = Watch().at(NOON + timedelta(days=3))
    watch.uses("30")
    assert watch.at(NOON).uses("30") == []


def test_a_block_from_the_future_ends_when_it_is_over() -> None:
    watch = Watch().at(NOON + timedelta(days=40))
    blocked = only(watch.uses("50"), BLOCKED)
    assert watch.memory.block is not None
    ended = only(watch.at(NOON).uses("50", "80"), EventKind.SEAT_UNBLOCKED)
    assert ended.resolves == blocked.key


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_late_reading_from_the_future_ends_no_period_and_repeats_no_alert(ahead: timedelta) -> None:
    watch = Watch()
    before = watch.uses("40")
    assert kinds(before) == [CROSSED]
    for used, minutes in (("45", 0), ("1", 1)):
        at = NOON + ahead + minutes * MINUTE
        shot = snapshot(at, metered=extra(used))
        late = watch_counter(watch.memory, watch.known, shot, watch.settings, at + HOUR, late=True)
        watch.memory, watch.known = late.memory, late.known
    after = watch.at(NOON + MINUTE).uses("41")
    assert {event.key for event in after} <= {event.key for event in before}


def test_windows_of_unknown_age_are_no_evidence_that_the_plan_had_room() -> None:
    watch = Watch().at(NOON + HOUR)
    watch.see(snapshot(NOON + HOUR, metered=extra("10"), windows=(window("5"),)))
    back = watch.see(snapshot(NOON, metered=extra("12"), windows=(window("5"),)), NOON)
    assert EventKind.CHARGED_WITHIN_PLAN not in kinds(back)
    soon = NOON + MINUTE
    after = watch.see(snapshot(soon, metered=extra("13"), windows=(window("5"),)), soon)
    assert kinds(after) == [EventKind.CHARGED_WITHIN_PLAN]


@given(st.integers(6, 10**6), st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_no_instant_of_the_future_is_remembered_once_the_clock_was_set_back(
    minutes: int, amounts: list[int]
) -> None:
    watch = Watch().at(NOON + minutes * MINUTE)
    for amount in amounts:
        watch.now += MINUTE
        watch.see(snapshot(watch.now, metered=extra(str(amount)), windows=(window("100"),)))
    watch.at(NOON).uses("1")
    memory = watch.memory
    instants = [memory.period_at, memory.used_at, memory.windows_at, memory.full_at]
    instants += [memory.block.since] if memory.block else []
    assert all(at is None or at <= watch.now for at in instants)
    assert memory.period is not None
    assert memory.period[:7] <= "2026-04"
