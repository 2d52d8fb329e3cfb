"""What is held back until when, where it is posted, and which message it joins."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.deliveries import ActionKind, AlertAction, Destination, Priority
from meterbot.core.models import Counter, Event, EventKind, Severity
from meterbot.delivery.routing import (
    Hold,
    Quiet,
    Route,
    RoutingSettings,
    Silence,
    at_least,
    destinations_of,
    hold,
    muted_by,
    priority_of,
    topic_of,
)
from tests.delivery.alerts.events import event
from tests.teams import NOW, seat

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
NIGHT = Quiet(time(22), time(7), timezone=BERLIN)
WEEKEND = frozenset({5, 6})
DEFAULTS = (Destination("slack", "C0TEAM"), Destination("discord", "1000"))


def at(text: str, zone: ZoneInfo) -> datetime:
    """`2026-03-29 07:00` on a clock there."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def action(kind: ActionKind = ActionKind.SNOOZE, **more: object) -> AlertAction:
    plain = AlertAction(
        id="act-1",
        alert="seat_blocked:1",
        kind=kind,
        at=NOW,
        by="bo",
        platform="slack",
        seat="ana",
        event_kind=EventKind.SEAT_BLOCKED,
        severity=Severity.WARNING,
    )
    return replace(plain, **more)  # type: ignore[arg-type]  # a factory passes what it is given


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-04-29 21:59", None),
        ("2026-04-29 22:00", "2026-04-30 07:00"),
        ("2026-04-30 00:00", "2026-04-30 07:00"),
        ("2026-04-30 06:59", "2026-04-30 07:00"),
        ("2026-04-30 07:00", None),
    ],
)
def test_a_night_goes_over_midnight(now: str, end: str | None) -> None:
    assert NIGHT.until(at(now, BERLIN)) == (None if end is None else at(end, BERLIN))


@pytest.mark.parametrize(
    ("now", "end"),
    [("11:59", None), ("12:00", "13:30"), ("13:29", "13:30"), ("13:30", None), ("23:00", None)],
)
def test_hours_within_a_day_are_quiet_on_that_day(now: str, end: str | None) -> None:
    lunch = Quiet(time(12), time(13, 30), timezone=BERLIN)
    expected = None if end is None else at(f"2026-04-30 {end}", BERLIN)
    assert lunch.until(at(f"2026-04-30 {now}", BERLIN)) == expected


def test_days_without_hours_are_quiet_from_midnight_to_midnight() -> None:
    weekend = Quiet(days=WEEKEND, timezone=BERLIN)
    assert weekend.until(at("2026-05-01 23:59", BERLIN)) is None
    assert weekend.until(at("2026-05-02 00:00", BERLIN)) == at("2026-05-04 00:00", BERLIN)
    assert weekend.until(at("2026-05-03 23:59", BERLIN)) == at("2026-05-04 00:00", BERLIN)
    assert weekend.until(at("2026-05-04 00:00", BERLIN)) is None


def test_a_weekend_between_two_nights_is_one_quiet() -> None:
    quiet = replace(NIGHT, days=WEEKEND)
    assert quiet.until(at("2026-05-01 22:30", BERLIN)) == at("2026-05-04 07:00", BERLIN)


def test_days_and_hours_are_those_of_the_zone() -> None:
    now = datetime(2026, 5, 4, 3, tzinfo=UTC)  # still Sunday in New York
    assert Quiet(days=WEEKEND, timezone=NEW_YORK).until(now) == at("2026-05-04 00:00", NEW_YORK)
    assert Quiet(days=WEEKEND).until(now) is None


@pytest.mark.parametrize(
    ("zone", "evening", "hours"),
    [
        (BERLIN, "2026-03-28 22:00", 8),
        (BERLIN, "2026-10-24 22:00", 10),
        (BERLIN, "2026-04-29 22:00", 9),
        (NEW_YORK, "2026-03-07 22:00", 8),
        (NEW_YORK, "2026-10-31 22:00", 10),
        (NEW_YORK, "2026-04-29 22:00", 9),
    ],
)
def test_a_night_in_which_clocks_change_ends_when_the_clock_says_so(
    zone: ZoneInfo, evening: str, hours: int
) -> None:
    start = at(evening, zone)
    assert replace(NIGHT, timezone=zone).until(start) == start + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (BERLIN, "2026-03-29 00:00", 23),
        (BERLIN, "2026-10-25 00:00", 25),
        (NEW_YORK, "2026-03-08 00:00", 23),
        (NEW_YORK, "2026-11-01 00:00", 25),
    ],
)
def test_a_day_on_which_clocks_change_is_quiet_as_long_as_it_is(zone: ZoneInfo, day: str, hours: int) -> None:
    start = at(day, zone)
    assert Quiet(days=frozenset({6}), timezone=zone).until(start) == start + timedelta(hours=hours)


minutes = st.integers(0, 24 * 60 - 1).map(lambda minute: time(minute // 60, minute % 60))
quiets = st.builds(
    Quiet,
    start=minutes,
    end=minutes,
    days=st.frozensets(st.integers(0, 6), max_size=6),
    timezone=st.sampled_from([BERLIN, NEW_YORK, ZoneInfo("UTC")]),
)
instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants bounds without a zone


@given(quiets, instants)
def test_a_quiet_ends_within_eight_days_and_not_in_another(quiet: Quiet, now: datetime) -> None:
    end = quiet.until(now)
    if end is not None:
        assert now < end <= now + timedelta(days=8)
        assert quiet.until(end) is None


@given(quiets, instants)
def test_a_quiet_is_what_its_clock_says(quiet: Quiet, now: datetime) -> None:
    local = now.astimezone(quiet.timezone)
    clock = local.time()
    night = (
        quiet.start <= clock < quiet.end
        if quiet.start < quiet.end
        else quiet.start != quiet.end and (clock >= quiet.start or clock < quiet.end)
    )
    posts_now = quiet.until(now) is None
    changes = (now - timedelta(hours=2)).astimezone(quiet.timezone).utcoffset() != local.utcoffset()
    assert posts_now != (night or local.weekday() in quiet.days) or changes


def test_a_week_of_quiet_days_holds_nothing_back_for_ever() -> None:
    end = Quiet(days=frozenset(range(7))).until(NOW)
    assert end is not None
    assert end < NOW + timedelta(days=17)


@pytest.mark.parametrize("allow", Severity)
@pytest.mark.parametrize("severity", Severity)
def test_only_what_is_severe_enough_is_reported_in_quiet_hours(allow: Severity, severity: Severity) -> None:
    now = at("2026-04-30 03:00", BERLIN)
    settings = RoutingSettings(quiet=replace(NIGHT, allow=allow))
    held = hold(event(EventKind.WINDOW_FULL, severity=severity), settings, [], now)
    quiet = Hold(at("2026-04-30 07:00", BERLIN), "quiet hours")
    assert held == (None if at_least(severity, allow) else quiet)


def test_from_quiet_to_loud() -> None:
    ranked = [Severity.GOOD, Severity.INFO, Severity.WARNING, Severity.CRITICAL]
    for rank, severity in enumerate(ranked):
        assert [at_least(severity, least) for least in ranked] == [low <= rank for low in range(4)]


def test_a_silence_holds_back_even_what_is_loudest() -> None:
    silence = Silence(NOW, NOW + timedelta(hours=2))
    settings = RoutingSettings(silences=(silence,))
    loudest = event(EventKind.SEAT_BLOCKED, severity=Severity.CRITICAL)
    assert hold(loudest, settings, [], NOW) == Hold(silence.end, "a silence")
    assert hold(loudest, settings, [], NOW - timedelta(seconds=1)) is None
    assert hold(loudest, settings, [], silence.end) is None


def test_a_silence_of_some_seats_leaves_the_others_and_the_team_alone() -> None:
    settings = RoutingSettings(silences=(Silence(NOW, NOW + timedelta(hours=2), frozenset({"ana"})),))
    blocked = event(EventKind.SEAT_BLOCKED)
    assert hold(blocked, settings, [], NOW) is not None
    assert hold(replace(blocked, seat="bo"), settings, [], NOW) is None
    assert hold(event(EventKind.BUDGET_CROSSED), settings, [], NOW) is None


def test_what_holds_longest_is_what_is_said() -> None:
    now = at("2026-04-30 03:00", BERLIN)
    short, long = (Silence(now, now + timedelta(hours=hours)) for hours in (1, 9))
    snooze = action(until=now + timedelta(hours=6))
    settings = RoutingSettings(quiet=NIGHT, silences=(short,))
    warning = event(EventKind.WINDOW_FULL)
    assert hold(warning, settings, [], now) == Hold(at("2026-04-30 07:00", BERLIN), "quiet hours")
    assert hold(warning, settings, [snooze], now) == Hold(now + timedelta(hours=6), "snoozed by bo")
    assert hold(warning, replace(settings, silences=(short, long)), [snooze], now) == Hold(
        long.end, "a silence"
    )


def test_a_snooze_holds_back_its_seat_until_it_ends_or_something_worse_happens() -> None:
    until = NOW + timedelta(hours=4)
    warning = event(EventKind.WINDOW_FULL)

    def held(one: Event, snooze: AlertAction, now: datetime = NOW) -> Hold | None:
        return hold(one, RoutingSettings(), [snooze], now)

    assert held(warning, action(until=until)) == Hold(until, "snoozed by bo")
    assert held(replace(warning, severity=Severity.GOOD), action(until=until)) is not None
    assert held(replace(warning, severity=Severity.CRITICAL), action(until=until)) is None
    assert held(replace(warning, seat="bo"), action(until=until)) is None
    assert held(warning, action(until=until), until) is None
    assert held(warning, action(until=until, undone_at=NOW)) is None
    assert held(warning, action(ActionKind.ACK, until=until)) is None


def test_a_mute_is_about_one_kind_at_one_seat() -> None:
    blocked = event(EventKind.SEAT_BLOCKED)
    mute = action(ActionKind.MUTE)
    assert muted_by(blocked, [action(ActionKind.ACK), action(), mute], NOW) == mute
    assert muted_by(blocked, [action(ActionKind.ACK), action()], NOW) is None
    assert muted_by(replace(blocked, seat="bo"), [mute], NOW) is None
    assert muted_by(event(EventKind.WINDOW_FULL), [mute], NOW) is None
    assert muted_by(blocked, [replace(mute, undone_at=NOW)], NOW) is None
    assert muted_by(blocked, [replace(mute, until=NOW)], NOW) is None


def test_without_routes_everything_is_reported_where_everybody_is() -> None:
    assert destinations_of(event(EventKind.SEAT_BLOCKED), seat(), (), DEFAULTS) == list(DEFAULTS)


def test_the_first_route_that_takes_an_event_says_where() -> None:
    routes = (
        Route(("slack:C0MONEY",), kinds=frozenset({EventKind.SEAT_BLOCKED})),
        Route(("slack:C0ANA",), seats=frozenset({"ana"})),
        Route(("slack:C0LOUD",), severity=Severity.CRITICAL),
    )
    blocked = event(EventKind.SEAT_BLOCKED)
    full = event(EventKind.WINDOW_FULL)

    def goes_to(one: Event) -> list[Destination]:
        return destinations_of(one, seat(), routes, DEFAULTS)

    assert goes_to(blocked) == [Destination("slack", "C0MONEY")]
    assert goes_to(full) == [Destination("slack", "C0ANA")]
    assert goes_to(replace(full, seat="bo", severity=Severity.CRITICAL)) == [Destination("slack", "C0LOUD")]
    assert goes_to(replace(full, seat="bo")) == list(DEFAULTS)
    assert goes_to(event(EventKind.BUDGET_CROSSED)) == list(DEFAULTS)


def test_a_route_may_have_several_ends_and_none_is_reported_twice() -> None:
    route = Route(("slack:C0TEAM", "default", "slack:C0ANA"))
    assert destinations_of(event(EventKind.SEAT_BLOCKED), seat(), [route], DEFAULTS) == [
        DEFAULTS[0],
        DEFAULTS[1],
        Destination("slack", "C0ANA"),
    ]


def test_an_owner_gets_direct_messages_and_one_who_is_unknown_where_everybody_is() -> None:
    route = Route(("owner",))
    blocked = event(EventKind.SEAT_BLOCKED)
    assert destinations_of(blocked, seat(), [route], DEFAULTS) == [Destination("slack", "@UANA"), DEFAULTS[1]]
    assert destinations_of(blocked, seat(owner={}), [route], DEFAULTS) == list(DEFAULTS)
    assert destinations_of(event(EventKind.BUDGET_CROSSED), None, [route], DEFAULTS) == list(DEFAULTS)


def test_on_the_console_the_owner_is_the_person_who_looks() -> None:
    console = Destination("console", "console")
    mine = seat(owner={"console": "ana"})
    assert destinations_of(event(EventKind.SEAT_BLOCKED), mine, [Route(("owner",))], [console]) == [console]


targets = st.sampled_from(["default", "owner", "slack:C0ANA", "discord:7"])
routes = st.builds(
    Route,
    st.lists(targets, min_size=1, max_size=3).map(tuple),
    st.frozensets(st.sampled_from(["ana", "bo"])),
    st.frozensets(st.sampled_from(EventKind), max_size=2),
    st.sampled_from(Severity),
)


@given(st.lists(routes, max_size=4), st.sampled_from(EventKind), st.sampled_from(Severity))
def test_every_event_is_reported_somewhere_and_nowhere_twice(
    ways: list[Route], kind: EventKind, severity: Severity
) -> None:
    one = Event("key", kind, NOW, severity, "reason", seat="ana")
    places = destinations_of(one, seat(), ways, DEFAULTS)
    assert places
    assert len(places) == len(set(places))


@pytest.mark.parametrize(
    ("kind", "lane"),
    [
        (EventKind.SEAT_BLOCKED, Priority.BLOCKED),
        (EventKind.SEAT_UNBLOCKED, Priority.BLOCKED),
        (EventKind.THRESHOLD_CROSSED, Priority.THRESHOLD),
        (EventKind.CAP_FORECAST, Priority.THRESHOLD),
        (EventKind.SPEND_SPIKE, Priority.THRESHOLD),
        (EventKind.SOURCE_DOWN, Priority.THRESHOLD),
        (EventKind.RENEWAL_NEAR, Priority.RENEWAL),
        (EventKind.SESSION_EXPIRING, Priority.RENEWAL),
        (EventKind.PERIOD_CLOSED, Priority.THRESHOLD),
    ],
)
def test_what_stops_somebody_leaves_before_what_can_wait(kind: EventKind, lane: Priority) -> None:
    assert priority_of(kind) is lane


def spent(kind: EventKind, period: str | None = "2026-04", account: str = "a") -> Event:
    facts: dict[str, object] = {} if period is None else {"period": period}
    return replace(event(kind), counter=Counter(account, "o"), facts=facts)


def test_what_one_seat_spends_in_one_period_is_one_message() -> None:
    levels = (
        EventKind.SPEND_STARTED,
        EventKind.THRESHOLD_CROSSED,
        EventKind.CHARGED_WITHIN_PLAN,
        EventKind.CAP_FORECAST,
        EventKind.SPEND_SPIKE,
    )
    assert {topic_of(spent(kind)) for kind in levels} == {"spend:a/o:2026-04"}
    others = [spent(levels[0], "2026-05"), spent(levels[0], "2026-04.2"), spent(levels[0], account="b")]
    assert len({topic_of(one) for one in [spent(levels[0]), *others]}) == 4


def test_what_belongs_to_no_period_or_counter_has_a_message_of_its_own() -> None:
    assert topic_of(spent(EventKind.SPEND_STARTED, None)) is None
    assert topic_of(replace(spent(EventKind.SPEND_STARTED), counter=None)) is None
    assert topic_of(spent(EventKind.SEAT_BLOCKED)) is None
    assert topic_of(spent(EventKind.PERIOD_CLOSED)) is None


def test_the_teams_budget_has_one_message_for_each_amount_and_period() -> None:
    budget = event(EventKind.BUDGET_CROSSED)
    higher = replace(budget, key="later", level="90%", facts={**budget.facts, "used": None})
    assert topic_of(budget) == topic_of(higher) is not None
    assert topic_of(replace(budget, facts={**budget.facts, "cap": None})) != topic_of(budget)
    assert topic_of(replace(budget, facts={**budget.facts, "period": "2026-05"})) != topic_of(budget)
