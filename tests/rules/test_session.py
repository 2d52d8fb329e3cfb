"""The end of a session is reported 7, 3 and 1 days before, once for each end."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Event, EventKind, Seat, SessionEnd
from meterbot.rules.memory import SourceMemory, dump, load
from meterbot.rules.settings import RuleSettings
from meterbot.rules.source_rules import ends_soon, watch_session

SEAT = Seat("ana", "claude_ai", owner={"slack": "UANA"})
END = datetime(2026, 5, 10, 12, tzinfo=UTC)


def watched(
    *steps: tuple[float, datetime], settings: RuleSettings | None = None, estimated: bool = False
) -> list[Event]:
    """Events of (days before END, the end known then)."""
    memory, events = SourceMemory(), list[Event]()
    for days, ends_at in steps:
        now = END - timedelta(days=days)
        memory, new = watch_session(
            memory, SessionEnd(ends_at, estimated), SEAT, settings or RuleSettings(), now
        )
        memory = load(SourceMemory, dump(memory))
        events += new
    return events


def levels(*steps: tuple[float, datetime]) -> list[str | None]:
    return [event.level for event in watched(*steps)]


def test_each_level_is_reported_once_on_its_day() -> None:
    days = [28, 7.1, 7, 6.9, 4, 3, 2.9, 1.1, 1, 0.5, 0, -1]
    assert levels(*((day, END) for day in days)) == ["7d", "3d", "1d"]


def test_a_bot_that_was_away_tells_the_nearest_level_alone() -> None:
    (event,) = watched((0.5, END), (0.4, END))
    assert (event.level, event.facts["also"]) == ("1d", ["7d", "3d"])


def test_what_has_ended_is_not_announced() -> None:
    assert watched((0, END), (-0.1, END), (-9, END)) == []


def test_a_renewal_arms_the_levels_again() -> None:
    renewed = END + timedelta(days=28)
    assert levels((3, END), (2, renewed), (-21.5, renewed), (-27.5, renewed)) == ["3d", "7d", "1d"]


def test_an_end_that_is_counted_again_with_every_answer_is_reported_once() -> None:
    assert levels(*((3 - n / 100, END + timedelta(seconds=n % 3)) for n in range(50))) == ["3d"]


def test_the_key_names_seat_day_and_level() -> None:
    (event,) = watched((3, END))
    assert event.key == "session_expiring:ana:2026-05-10:3d"
    assert (event.kind, event.seat) == (EventKind.SESSION_EXPIRING, "ana")
    assert event.facts == {
        "ends_at": "2026-05-10T12:00:00Z",
        "estimated": False,
        "level": "3d",
        "also": ["7d"],
    }


@pytest.mark.parametrize(
    ("days", "told"),
    [
        ([28, 7, 3, 1, 0, -1, -9], ["7d", "3d", "1d"]),
        ([28, -0.1, -1, -9], ["0d"]),
        ([28, 0, -13.9], ["0d"]),
        ([28, 2, -1], ["3d"]),
        ([28, -14, -40], []),
    ],
)
def test_an_estimated_end_that_was_never_reported_is_reported_once_it_has_passed(
    days: list[float], told: list[str]
) -> None:
    events = watched(*((day, END) for day in days), estimated=True)
    assert [event.level for event in events] == told
    assert all(event.facts["estimated"] for event in events)


def test_a_muted_kind_is_not_reported() -> None:
    muted = RuleSettings(kinds=frozenset(EventKind) - {EventKind.SESSION_EXPIRING})
    assert watched((3, END), settings=muted) == []


@given(
    st.lists(st.tuples(st.floats(-2, 12), st.integers(0, 3)), max_size=30).map(
        lambda steps: sorted(steps, reverse=True)
    )
)
def test_no_key_comes_twice_and_none_after_the_end(steps: list[tuple[float, int]]) -> None:
    ends = [(days, END + timedelta(days=7 * renewals)) for days, renewals in steps]
    events = watched(*ends)
    # An end may come back after another was known: the stored keys tell such an event apart.
    for event in events:
        assert event.at < datetime.fromisoformat(str(event.facts["ends_at"]))
    steady = watched(*((days, END) for days, _ in steps))
    assert len({event.key for event in steady}) == len(steady)


@given(st.floats(-30, 40), st.integers(0, 9))
def test_an_end_that_is_not_soon_has_nothing_to_tell(days: float, remembered: int) -> None:
    now = END - timedelta(days=days)
    memory = SourceMemory(session_end=(END - timedelta(days=remembered)).date(), alerted_session_days=(7,))
    for estimated in (False, True):
        end = SessionEnd(END, estimated)
        if not ends_soon(end, now):
            assert watch_session(memory, end, SEAT, RuleSettings(), now) == (memory, ())
