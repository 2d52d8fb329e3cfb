from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.agent import politeness
from meterbot.agent.politeness import EVERY, LONGEST
from tests.agent.rig import NOW

chances = st.floats(0, 1)


def minutes(moment: datetime) -> float:
    return (moment - NOW).total_seconds() / 60


@pytest.mark.parametrize(("chance", "waited"), [(0, 12), (0.5, 15), (1, 18)])
def test_readings_are_a_quarter_of_an_hour_apart_more_or_less_a_fifth(chance: float, waited: float) -> None:
    assert minutes(politeness.after_reading(NOW, EVERY, chance)) == pytest.approx(waited)


@pytest.mark.parametrize(("failures", "waited"), [(1, 5), (2, 15), (3, 30), (4, 60), (5, 60), (99, 60)])
def test_refusals_climb_a_ladder(failures: int, waited: float) -> None:
    assert minutes(politeness.after_refused_reading(NOW, failures, None, 0)) == waited


@pytest.mark.parametrize(
    ("retry_after", "waited"), [(0, 5), (1007, 1007 / 60), (3600, 60), (86_400, 360)], ids=str
)
def test_what_is_asked_for_is_a_floor_and_at_once_is_no_permission(retry_after: float, waited: float) -> None:
    assert minutes(politeness.after_refused_reading(NOW, 1, retry_after, 0)) == pytest.approx(waited)


@given(st.integers(1, 50), st.none() | st.floats(0, 1e6), chances)
def test_no_wait_is_shorter_than_asked_for_or_longer_than_six_hours(
    failures: int, retry_after: float | None, chance: float
) -> None:
    for wait in (politeness.after_refused_reading, politeness.after_refused_sending):
        waited = wait(NOW, failures, retry_after, chance) - NOW
        assert min(timedelta(seconds=retry_after or 0), LONGEST) <= waited <= LONGEST
        assert waited >= timedelta(seconds=30)


@pytest.mark.parametrize(
    ("at", "due"),
    [
        (None, True),
        (NOW, True),
        (NOW + timedelta(seconds=1), False),
        (NOW + LONGEST, False),
        (NOW + timedelta(days=400), True),
    ],
    ids=["none set", "now", "soon", "the longest", "set by a wrong clock"],
)
def test_a_deadline_holds_until_it_passes_unless_no_wait_is_that_long(
    at: datetime | None, *, due: bool
) -> None:
    assert politeness.is_due(at, NOW) is due
