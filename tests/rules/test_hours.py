"""Blocked time, counted from its beginning to its end and not by clock hours."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Counter, Sample
from meterbot.rules.hours import blocked_for, hour_of, hours_of
from tests.rules.builders import MINUTE, NOON, usd

COUNTER = Counter("a", "o")


@given(st.lists(st.tuples(st.integers(1, 200), st.booleans()), min_size=1, max_size=12), st.integers(0, 120))
def test_blocked_time_is_counted_to_the_minute(steps: list[tuple[int, bool]], after: int) -> None:
    """Each step: minutes since the reading before, and whether the seat is blocked from then on."""
    at, samples, expected, blocked = NOON, [], timedelta(), False
    for minutes, now_blocked in steps:
        expected += minutes * MINUTE if blocked else timedelta()
        at, blocked = at + minutes * MINUTE, now_blocked
        samples.append(Sample(at, COUNTER, usd("1"), None, blocked))
    expected += after * MINUTE if blocked else timedelta()
    hours = hours_of(samples, hour_of(NOON))
    assert blocked_for(hours, NOON, at + after * MINUTE) == expected


def test_a_block_of_forty_seconds_is_no_hour() -> None:
    began = NOON + timedelta(minutes=56, seconds=55)
    hours = hours_of(
        [
            Sample(NOON, COUNTER, usd("1"), None, blocked=False),
            Sample(began, COUNTER, usd("50"), None, blocked=True),
        ],
        NOON,
    )
    assert blocked_for(hours, NOON, began + timedelta(seconds=40)) == timedelta(seconds=40)
