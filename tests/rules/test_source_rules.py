from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.health import remedy
from meterbot.core.models import Event, EventKind, Health, Seat, SessionEnd, SourceState
from meterbot.rules.fact_json import money_fact
from meterbot.rules.memory import SourceMemory, dump, load
from meterbot.rules.merging import merge
from meterbot.rules.settings import RuleSettings
from meterbot.rules.source_rules import ends_soon, watch_identity, watch_session, watch_source
from tests.rules.builders import MINUTE, NOON, extra, kinds, snapshot

SEAT = Seat("ana", "claude_ai")
SETTINGS = RuleSettings(source_grace=timedelta(minutes=30))
DOWN, UP = EventKind.SOURCE_DOWN, EventKind.SOURCE_UP


def watched(*states: tuple[int, Health], settings: RuleSettings = SETTINGS) -> list[Event]:
    """The events of a source that was in these states at these minutes, restarted before each."""
    memory, events = SourceMemory(), list[Event]()
    since = NOON
    for place, (minute, health) in enumerate(states):
        now = NOON + minute * MINUTE
        if place == 0 or states[place - 1][1] is not health:
            since = now
        memory, new = watch_source(memory, SourceState("ana", health, since), SEAT, settings, now)
        memory = load(SourceMemory, dump(memory))
        events += new
    return events


def test_a_source_is_down_once_after_the_grace_time_and_up_again() -> None:
    ill = Health.SESSION_EXPIRED
    events = watched(
        (0, Health.OK), (1, ill), (31, ill), (32, ill), (90, ill), (91, Health.OK), (92, Health.OK)
    )
    assert kinds(events) == [DOWN, UP]
    assert (events[0].at, events[1].resolves) == (NOON + 32 * MINUTE, events[0].key)
    assert events[0].facts["remedy"] == remedy(ill, "claude_ai")


def test_a_short_outage_is_not_reported() -> None:
    assert watched((0, Health.OK), (1, Health.UNREACHABLE), (30, Health.UNREACHABLE), (31, Health.OK)) == []


@pytest.mark.parametrize(("days", "is_alert"), [(0.5, False), (3, False), (3.01, True)])
def test_a_machine_that_pushes_may_be_off_for_days(days: float, *, is_alert: bool) -> None:
    seat, last = Seat("bo", "push"), NOON
    state = SourceState("bo", Health.STALE, last + 45 * MINUTE, last_ok_at=last)
    _, events = watch_source(SourceMemory(), state, seat, SETTINGS, last + timedelta(days=days))
    assert kinds([*events]) == ([DOWN] if is_alert else [])


def test_a_push_that_is_refused_is_reported_after_the_grace_time() -> None:
    state = SourceState("bo", Health.DRIFTED, NOON, last_ok_at=NOON)
    _, events = watch_source(SourceMemory(), state, Seat("bo", "push"), SETTINGS, NOON + 31 * MINUTE)
    assert kinds([*events]) == [DOWN]


def test_an_outage_has_the_last_good_amount_unless_the_seat_has_several() -> None:
    state, seat = SourceState("ana", Health.DRIFTED, NOON), Seat("ana", "claude_ai")
    known = merge(None, snapshot(metered=extra("17.20")), NOON)
    assert known is not None
    late = NOON + 31 * MINUTE
    _, (one,) = watch_source(SourceMemory(), state, seat, SETTINGS, late, known=[known])
    _, (two,) = watch_source(SourceMemory(), state, seat, SETTINGS, late, known=[known, known])
    assert known.snapshot.extra_usage is not None
    assert one.facts["last_used"] == money_fact(known.snapshot.extra_usage.used)
    assert one.facts["last_used_at"] == "2026-04-15T12:00:00Z"
    assert (two.facts["last_used"], two.facts["last_used_at"]) == (None, None)


def test_changing_from_one_ailment_to_another_is_one_stretch() -> None:
    events = watched(
        (0, Health.UNREACHABLE), (20, Health.CHALLENGED), (40, Health.RATE_LIMITED), (80, Health.STALE)
    )
    assert kinds([*events]) == [DOWN]
    assert events[0].facts["health"] == "rate_limited"


def test_a_seat_that_never_worked_is_reported_but_waiting_for_the_first_reading_is_no_fault() -> None:
    assert watched((0, Health.NEVER_SEEN), (999, Health.NEVER_SEEN)) == []
    assert kinds(watched((0, Health.NEVER_SEEN), (1, Health.REFUSED), (40, Health.REFUSED))) == [DOWN]


def test_an_outage_that_began_in_the_future_is_reported_its_grace_time_after_the_clock_was_set_back() -> None:
    ill = Health.CHALLENGED
    assert kinds(watched((9_000, ill), (0, ill), (30, ill), (31, ill))) == [DOWN]


def test_another_account_is_reported_although_the_last_one_was_seen_in_the_future() -> None:
    memory, _ = watch_identity(
        SourceMemory(), snapshot(NOON + 9_000 * MINUTE), SETTINGS, NOON + 9_000 * MINUTE
    )
    memory, alerts = watch_identity(memory, snapshot(NOON, account_uuid="other"), SETTINGS, NOON)
    assert kinds(list(alerts)) == [EventKind.IDENTITY_CHANGED]
    assert memory.identity_at == NOON


def test_each_stretch_has_keys_of_its_own() -> None:
    ill = Health.UNREACHABLE
    events = watched((0, ill), (40, ill), (41, Health.OK), (50, ill), (90, ill), (91, Health.OK))
    assert len({event.key for event in events}) == len(events) == 4


def test_a_disabled_kind_is_not_reported() -> None:
    quiet = RuleSettings(kinds=frozenset({UP}))
    assert watched((0, Health.REFUSED), (40, Health.REFUSED), settings=quiet) == []


@given(st.lists(st.tuples(st.integers(1, 50), st.sampled_from(list(Health))), max_size=40))
def test_down_and_up_alternate_and_down_means_ill_beyond_the_grace_time(
    steps: list[tuple[int, Health]],
) -> None:
    minute, ill_since, is_down, expected, states = 0, None, False, [], []
    for minutes, health in steps:
        minute += minutes
        states.append((minute, health))
        if health is Health.OK:
            expected += [UP] if is_down else []
            ill_since, is_down = None, False
        elif health is not Health.NEVER_SEEN:
            ill_since = minute if ill_since is None else ill_since
            if minute - ill_since > 30 and not is_down:
                is_down = True
                expected.append(DOWN)
    assert kinds(watched(*states)) == expected


@pytest.mark.parametrize("source", ["push", "claude_ai", "claude_code", "admin_api"])
@pytest.mark.parametrize("health", Health)
def test_every_ailment_of_every_source_has_a_remedy_of_one_line(health: Health, source: str) -> None:
    assert remedy(health, source).endswith(".")
    assert "\n" not in remedy(health, source)


# --- whose readings these are -------------------------------------------------------------------------------------


def identities(*readings: dict[str, Any], start: datetime = NOON) -> list[str]:
    memory, alerts = SourceMemory(), list[str]()
    for place, fields in enumerate(readings):
        seen = snapshot(start + place * MINUTE, **fields)
        memory, events = watch_identity(memory, seen, RuleSettings(), seen.fetched_at)
        memory = load(SourceMemory, dump(memory))
        alerts += [f"{place} {event.facts['what']}" for event in events]
    return alerts


def test_another_account_is_reported_once() -> None:
    a, b = {"account_uuid": "a"}, {"account_uuid": "b"}
    assert identities(a, a, b, b, a, b) == ["2 account"]


def test_a_second_organization_of_the_same_account_is_no_switch() -> None:
    assert identities({"org_uuid": "one"}, {"org_uuid": "two"}) == []


def test_a_renamed_email_of_the_same_account_is_no_switch() -> None:
    assert identities({"account_email": "a@example.com"}, {"account_email": "b@example.com"}) == []


def test_without_an_account_the_email_and_the_organization_replace_it() -> None:
    pushed: dict[str, Any] = {"account_uuid": None, "account_email": "a@example.com"}
    assert identities(pushed, {**pushed, "account_email": "b@example.com"}) == ["1 email"]
    assert identities(pushed, {**pushed, "org_uuid": "two"}) == ["1 organization"]
    assert identities(pushed, {**pushed, "account_email": "A@example.com "}) == []


def test_an_account_that_becomes_known_later_is_no_switch_but_the_next_one_is() -> None:
    known: dict[str, Any] = {"account_uuid": "a"}
    assert identities({"account_uuid": None}, known, {"account_uuid": "b"}) == ["2 account"]


def test_an_old_reading_proves_no_switch() -> None:
    memory, _ = watch_identity(SourceMemory(), snapshot(NOON), RuleSettings(), NOON)
    old = snapshot(NOON - MINUTE, account_uuid="b")
    assert watch_identity(memory, old, RuleSettings(), NOON) == (memory, ())


def test_no_address_is_kept_or_told() -> None:
    seen = snapshot(NOON, account_uuid=None, account_email="planted@example.com")
    memory, _ = watch_identity(SourceMemory(), seen, RuleSettings(), NOON)
    other = snapshot(NOON + MINUTE, account_uuid=None, account_email="other@example.com")
    memory, events = watch_identity(memory, other, RuleSettings(), NOON)
    assert "example.com" not in dump(memory) + str(events)


# --- the end of a session is reported 7, 3 and 1 days before, once for each end -------------------------------------


OWNED = Seat("ana", "claude_ai", owner={"slack": "UANA"})
END = datetime(2026, 5, 10, 12, tzinfo=UTC)


def session_events(
    *steps: tuple[float, datetime], settings: RuleSettings | None = None, estimated: bool = False
) -> list[Event]:
    """Events of (days before END, the end known then)."""
    memory, events = SourceMemory(), list[Event]()
    for days, ends_at in steps:
        now = END - timedelta(days=days)
        memory, new = watch_session(
            memory, SessionEnd(ends_at, estimated), OWNED, settings or RuleSettings(), now
        )
        memory = load(SourceMemory, dump(memory))
        events += new
    return events


def session_levels(*steps: tuple[float, datetime]) -> list[str | None]:
    return [event.level for event in session_events(*steps)]


def test_each_level_is_reported_once_on_its_day() -> None:
    days = [28, 7.1, 7, 6.9, 4, 3, 2.9, 1.1, 1, 0.5, 0, -1]
    assert session_levels(*((day, END) for day in days)) == ["7d", "3d", "1d"]


def test_a_bot_that_was_away_tells_the_nearest_level_alone() -> None:
    (event,) = session_events((0.5, END), (0.4, END))
    assert (event.level, event.facts["also"]) == ("1d", ["7d", "3d"])


def test_what_has_ended_is_not_announced() -> None:
    assert session_events((0, END), (-0.1, END), (-9, END)) == []


def test_a_renewal_arms_the_levels_again() -> None:
    renewed = END + timedelta(days=28)
    assert session_levels((3, END), (2, renewed), (-21.5, renewed), (-27.5, renewed)) == ["3d", "7d", "1d"]


def test_an_end_that_is_counted_again_with_every_answer_is_reported_once() -> None:
    assert session_levels(*((3 - n / 100, END + timedelta(seconds=n % 3)) for n in range(50))) == ["3d"]


def test_the_key_names_seat_day_and_level() -> None:
    (event,) = session_events((3, END))
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
    events = session_events(*((day, END) for day in days), estimated=True)
    assert [event.level for event in events] == told
    assert all(event.facts["estimated"] for event in events)


def test_a_muted_kind_is_not_reported() -> None:
    muted = RuleSettings(kinds=frozenset(EventKind) - {EventKind.SESSION_EXPIRING})
    assert session_events((3, END), settings=muted) == []


@given(
    st.lists(st.tuples(st.floats(-2, 12), st.integers(0, 3)), max_size=30).map(
        lambda steps: sorted(steps, reverse=True)
    )
)
def test_no_key_comes_twice_and_none_after_the_end(steps: list[tuple[float, int]]) -> None:
    ends = [(days, END + timedelta(days=7 * renewals)) for days, renewals in steps]
    events = session_events(*ends)
    # An end may come back after another was known: the stored keys tell such an event apart.
    for event in events:
        assert event.at < datetime.fromisoformat(str(event.facts["ends_at"]))
    steady = session_events(*((days, END) for days, _ in steps))
    assert len({event.key for event in steady}) == len(steady)


@given(st.floats(-30, 40), st.integers(0, 9))
def test_an_end_that_is_not_soon_has_nothing_to_tell(days: float, remembered: int) -> None:
    now = END - timedelta(days=days)
    memory = SourceMemory(session_end=(END - timedelta(days=remembered)).date(), alerted_session_days=(7,))
    for estimated in (False, True):
        end = SessionEnd(END, estimated)
        if not ends_soon(end, now):
            assert watch_session(memory, end, OWNED, RuleSettings(), now) == (memory, ())
