"""When a seat may be read again."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.health import REFUSALS
from meterbot.core.models import ExtraUsage, Health, Seat, Snapshot, SourceState, Window
from meterbot.core.money import Money
from meterbot.ingest.schedule import (
    IDLE_AFTER,
    LONGEST_WAIT,
    first_due,
    idle_state,
    next_due,
    phase,
)

NOW = datetime(2026, 4, 15, 10, tzinfo=UTC)


def later(**by: float) -> datetime:
    return NOW + timedelta(**by)


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - jitter, not a secret


_names = st.text("abcdefghijklmnopqrstuvwxyz0123456789._-", min_size=1, max_size=12)
_instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware by the strategy
_intervals = st.floats(10, 86_400)


@given(_names, _intervals)
def test_a_phase_is_a_fixed_place_in_the_interval(name: str, interval: float) -> None:
    assert 0 <= phase(name, interval) < interval
    assert phase(name, interval) == phase(name, interval)


def test_phases_are_spread_evenly() -> None:
    tenths = Counter(int(phase(f"seat-{n}", 10)) for n in range(1000))
    assert len(tenths) == 10
    assert max(tenths.values()) <= 150


@given(_names, _intervals, _instants, st.integers())
def test_a_healthy_seat_keeps_its_phase_and_never_skips_or_doubles(
    name: str, interval: float, now: datetime, seed: int
) -> None:
    rng = dice(seed)
    state = SourceState(name)
    first = next_due(state, Health.OK, None, interval, now, rng=rng)
    assert timedelta(seconds=0.44 * interval) < first - now < timedelta(seconds=1.56 * interval)
    at = first
    for count in range(1, 6):
        at = next_due(state, Health.OK, None, interval, at, rng=rng)
        drift = (at - first).total_seconds() / interval - count
        assert abs(drift) <= 0.101


@given(
    st.sampled_from(sorted(REFUSALS)),
    st.integers(0, 60),
    st.none() | st.floats(-1000, 100_000),
    _intervals,
    st.integers(),
)
def test_a_refusal_waits_at_least_what_was_asked_and_at_most_six_hours(
    health: Health, failures: int, asked: float | None, interval: float, seed: int
) -> None:
    retry_at = None if asked is None else later(seconds=asked)
    due = next_due(SourceState("ana", failures=failures), health, retry_at, interval, NOW, rng=dice(seed))
    wait = (due - NOW).total_seconds()
    longest = max(LONGEST_WAIT, interval * 1.55)
    assert wait <= longest + 1e-6
    assert wait >= min(interval, longest) - 1e-6
    if retry_at is not None:
        assert due >= min(retry_at, later(seconds=longest))


@pytest.mark.parametrize(
    ("health", "minutes"),
    [
        (Health.UNREACHABLE, [1, 2, 4, 8, 15, 15]),
        (Health.RATE_LIMITED, [5, 10, 20, 40, 60, 60]),
        (Health.SESSION_EXPIRED, [5, 10, 20, 30, 30]),
        (Health.CHALLENGED, [15, 30, 60, 120, 240, 360, 360]),
        (Health.REFUSED, [15, 30, 60, 120, 240, 360, 360]),
    ],
)
def test_each_refusal_has_its_ladder(health: Health, minutes: list[float]) -> None:
    for failures, expected in enumerate(minutes):
        due = next_due(SourceState("ana", failures=failures), health, None, 60, NOW, rng=dice(failures))
        assert expected <= (due - NOW).total_seconds() / 60 <= min(expected * 1.11, 360)


def test_a_retry_after_of_zero_does_not_shorten_the_ladder() -> None:
    due = next_due(SourceState("ana", failures=3), Health.RATE_LIMITED, NOW, 60, NOW, rng=dice(1))
    assert due >= later(minutes=40)


def test_a_drifted_answer_is_no_refusal() -> None:
    due = next_due(SourceState("ana", failures=5), Health.DRIFTED, None, 60, NOW, rng=dice(1))
    assert due < later(seconds=95)


def test_a_new_seat_is_read_within_seconds_and_a_stored_deadline_is_kept() -> None:
    assert NOW <= first_due(SourceState("ana"), 900, NOW) < later(seconds=5)
    assert first_due(SourceState("ana", next_due=later(minutes=7)), 60, NOW) == later(minutes=7)
    assert NOW <= first_due(SourceState("ana", next_due=later(days=-3)), 3600, NOW) < later(seconds=60)
    assert first_due(SourceState("ana", next_due=later(hours=6)), 60, NOW) == later(hours=6)


def test_many_new_seats_do_not_begin_with_a_burst() -> None:
    names = [f"seat-{number}" for number in range(300)]
    due = sorted(first_due(SourceState(name), 900, NOW, new_seats=300) for name in names)
    assert NOW <= due[0] < due[-1] < later(seconds=60)
    busiest = max(sum(at <= other < at + timedelta(seconds=1) for other in due) for at in due)
    assert busiest <= 20
    hasty = [first_due(SourceState(name), 10, NOW, new_seats=300) for name in names]
    assert max(hasty) < later(seconds=10)


def test_a_deadline_from_before_the_clock_was_set_back_is_not_waited_for() -> None:
    assert NOW <= first_due(SourceState("ana", next_due=later(days=300)), 60, NOW) < later(seconds=60)


@pytest.mark.parametrize("health", sorted(REFUSALS))
def test_after_a_start_only_what_a_person_repairs_is_read_before_its_deadline(health: Health) -> None:
    state = SourceState("ana", health, failures=9, next_due=later(hours=5))
    due = first_due(state, 60, NOW)
    if health in {Health.SESSION_EXPIRED, Health.REFUSED}:
        assert NOW <= due < later(seconds=60)
    else:
        assert due == later(hours=5)
    assert first_due(state, 900, NOW, "claude_code") == later(hours=5)


# Claude Code seats


def claude_code(
    health: Health,
    failures: int = 0,
    retry_at: datetime | None = None,
    *,
    seed: int = 1,
    interval: float = 900,
) -> float:
    """Minutes until the next read."""
    state = SourceState("ana", failures=failures)
    due = next_due(state, health, retry_at, interval, NOW, rng=dice(seed), source="claude_code")
    return (due - NOW).total_seconds() / 60


@given(st.integers(), st.sampled_from([Health.OK, Health.DRIFTED]))
def test_a_claude_code_seat_is_read_every_fifteen_minutes_more_or_less(seed: int, health: Health) -> None:
    assert 12 <= claude_code(health, 5, seed=seed) <= 18


def test_the_fifteen_minutes_vary_over_their_whole_range() -> None:
    waits = [claude_code(Health.OK, seed=seed) for seed in range(200)]
    assert min(waits) < 12.5
    assert max(waits) > 17.5


@given(st.integers(0, 40), st.none() | st.floats(-1000, 100_000), st.integers())
def test_haste_climbs_its_own_ladder_and_a_late_start_is_added_to_whatever_was_asked(
    failures: int, asked: float | None, seed: int
) -> None:
    rung = [5, 15, 30, 60][min(failures, 3)]
    floor = min(max(rung, (asked or 0) / 60), 360)
    retry_at = None if asked is None else later(seconds=asked)
    wait = claude_code(Health.RATE_LIMITED, failures, retry_at, seed=seed)
    assert floor - 1e-6 <= wait <= min(floor + 5, 360) + 1e-6


def test_a_retry_after_is_not_answered_at_its_very_second() -> None:
    waits = {claude_code(Health.RATE_LIMITED, 0, later(minutes=22), seed=seed) for seed in range(50)}
    assert len(waits) == 50
    assert min(waits) >= 22
    assert max(waits) > 26


@pytest.mark.parametrize(
    ("health", "minutes"),
    [
        (Health.SESSION_EXPIRED, [15, 30, 30]),
        (Health.REFUSED, [15, 30, 60, 120, 240, 360, 360]),
        (Health.UNREACHABLE, [15, 15, 15]),
    ],
)
def test_other_refusals_slow_a_claude_code_seat_down_as_usual(health: Health, minutes: list[int]) -> None:
    for failures, expected in enumerate(minutes):
        assert expected <= claude_code(health, failures) <= min(expected * 1.11, 360)


@given(_names, _intervals, _instants, st.integers())
def test_an_idle_seat_is_read_at_every_second_place_and_before_it_is_stale(
    name: str, interval: float, now: datetime, seed: int
) -> None:
    rng, at = dice(seed), now
    for _ in range(6):
        due = next_due(
            SourceState(name), Health.OK, None, interval, at, rng=rng, source="claude_ai", idle=True
        )
        assert 1.44 * interval < (due - at).total_seconds() < 2.56 * interval
        assert due - at < Seat(name, "claude_ai", interval=interval).stale_after
        at = due


@pytest.mark.parametrize("source", ["claude_code", "admin_api"])
def test_other_services_are_asked_as_seldom_as_ever(source: str) -> None:
    found = [
        next_due(SourceState("ana"), Health.OK, None, 900, NOW, rng=dice(1), source=source, idle=idle)
        for idle in (False, True)
    ]
    assert found[0] == found[1]


def _reading(minutes: float, used: int = 0, full: int = 20, resets: float = 300) -> tuple[Snapshot, ...]:
    extra = ExtraUsage(enabled=True, used=Money(Decimal(used), "USD", 2), cap=None)
    window = Window("five_hour", Decimal(full), later(minutes=resets))
    shot = Snapshot("ana", "claude_ai", later(minutes=minutes), Health.OK, "account", None, "org")
    return (replace(shot, windows=(window,), extra_usage=extra),)


def test_a_seat_is_idle_once_nothing_has_changed_for_an_hour() -> None:
    still = idle_state(None, _reading(0), NOW)
    assert not still.is_idle(NOW)
    for minutes in (30, 60):
        still = idle_state(still, _reading(minutes, resets=300 + minutes), later(minutes=minutes))
    assert still.is_idle(NOW + IDLE_AFTER)
    assert not idle_state(still, _reading(61, used=1), later(minutes=61)).is_idle(later(minutes=61))
    assert not idle_state(still, _reading(61, full=21), later(minutes=61)).is_idle(later(minutes=61))


def test_a_seat_whose_window_is_nearly_full_is_not_idle() -> None:
    still = idle_state(idle_state(None, _reading(0, full=80), NOW), _reading(90, full=80), later(minutes=90))
    assert still.since == NOW
    assert not still.is_idle(later(minutes=90))


def test_a_clock_that_was_set_back_makes_no_seat_idle() -> None:
    still = idle_state(idle_state(None, _reading(600), later(minutes=600)), _reading(0), NOW)
    assert still.since == NOW
