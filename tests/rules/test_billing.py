from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Event, EventKind, Severity, Subscription
from meterbot.rules.billing import as_configured, next_renewal
from meterbot.rules.settings import RuleSettings
from tests import teams
from tests.rules.builders import (
    MINUTE,
    NOON,
    Watch,
    extra,
    kinds,
    only,
    posted,
    snapshot,
    subscription,
)

NEAR, CHANGED = EventKind.RENEWAL_NEAR, EventKind.SUBSCRIPTION_CHANGED
MAY_14 = date(2026, 5, 14)
TWICE = RuleSettings(renewal_days=(7, 1))


def day(number: int, hour: int = 12) -> datetime:
    return datetime(2026, 5, number, hour, tzinfo=UTC)


def see(watch: Watch, at: datetime, **fields: Any) -> list[Event]:
    return watch.see(snapshot(at, billing=subscription(**fields)), at)


def test_each_number_of_days_is_reported_once() -> None:
    watch = Watch(TWICE)
    alerts = [(d, e.level, e.initial) for d in range(1, 15) for e in see(watch, day(d))]
    assert alerts == [(7, "7d", False), (13, "1d", False)]


def test_a_day_that_was_missed_is_reported_late_with_the_actual_days() -> None:
    watch = Watch(TWICE)
    see(watch, day(1))
    event = only(see(watch, day(10)), NEAR)
    assert (event.level, event.facts["days"]) == ("7d", 4)


@pytest.mark.parametrize(("on", "said"), [(7, "7 days after"), (13, "1 day after"), (14, "0 days after")])
def test_the_reason_compares_two_days(on: int, said: str) -> None:
    event = only(see(Watch(TWICE), day(on)), NEAR)
    assert event.reason == f"the next charge is on 2026-05-14, {said} 2026-05-{on:02}"


def test_only_the_nearest_is_reported_and_names_the_others() -> None:
    event = only(see(Watch(TWICE), day(14)), NEAR)
    assert (event.level, event.facts["also"], event.facts["days"], event.initial) == ("1d", ["7d"], 0, True)


def test_a_larger_number_that_was_configured_later_is_not_reported_after_a_smaller_one() -> None:
    watch = Watch(RuleSettings(renewal_days=(1,)))
    see(watch, day(13))
    watch.settings = RuleSettings(renewal_days=(7, 1))
    assert see(watch, day(14)) == []


def test_the_next_renewal_is_reported_again() -> None:
    watch = Watch()
    see(watch, day(13))
    assert kinds(see(watch, day(14) + timedelta(days=30), day=date(2026, 6, 14))) == [NEAR]


@pytest.mark.parametrize(
    "fields",
    [
        {"ends_on": MAY_14},
        {"gift": True},
        {"status": "canceled"},
        {"status": "past_due"},
        {"status": "paused"},
        {"paused_until": date(2026, 5, 20)},
        {"day": None},
        {"day": date(2026, 5, 12)},
    ],
    ids=["set to end", "gift", "canceled", "not paid", "paused", "paused beyond it", "not known", "past"],
)
def test_no_charge_is_announced_where_none_comes(fields: dict[str, Any]) -> None:
    assert NEAR not in kinds(see(Watch(), day(13), **fields))


def test_a_charge_known_from_an_earlier_reading_is_reported_with_its_age() -> None:
    watch = Watch()
    see(watch, day(1))
    event = only(watch.see(snapshot(day(13), metered=extra()), day(13)), NEAR)
    assert event.facts["known_at"] == "2026-05-01T12:00:00Z"


def test_by_default_a_renewal_is_reported_once_and_posted_at_nine_in_the_morning() -> None:
    watch = Watch(RuleSettings(timezone=ZoneInfo("Europe/Berlin")))
    hours = [day(d, h) for d in range(8, 15) for h in range(24)]
    alerts = [(at, event.facts["post_at"]) for at in hours for event in see(watch, at)]
    assert alerts == [(day(10, 22), "2026-05-11T07:00:00Z")]


def test_a_renewal_that_is_found_after_nine_is_posted_at_once() -> None:
    assert only(see(Watch(), day(11, 9)), NEAR).facts["post_at"] is None


@pytest.mark.parametrize(("zone", "expected"), [("America/New_York", 0), ("UTC", 1), ("Asia/Tokyo", 1)])
def test_the_day_is_that_of_the_configured_zone(zone: str, expected: int) -> None:
    watch = Watch(RuleSettings(renewal_days=(1,), timezone=ZoneInfo(zone)))
    assert len(see(watch, day(13, 2))) == expected


@given(
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]),
    renewal=st.sampled_from([date(2026, 3, 29), date(2026, 3, 8), date(2026, 10, 25), date(2026, 4, 5)]),
    steps=st.lists(st.integers(1, 60), max_size=40),
    levels=st.sets(st.integers(0, 12), min_size=1, max_size=4),
)
def test_over_clock_changes_each_charge_is_reported_as_a_calendar_says(
    zone: str, renewal: date, steps: list[int], levels: set[int]
) -> None:
    tz = ZoneInfo(zone)
    watch = Watch(RuleSettings(renewal_days=tuple(levels), timezone=tz))
    at = datetime(renewal.year, renewal.month, renewal.day, tzinfo=UTC) - timedelta(days=16)
    alerted: set[int] = set()
    for hours in steps:
        at += timedelta(hours=hours)
        left = renewal.toordinal() - at.astimezone(tz).toordinal()
        due = {level for level in levels if 0 <= left <= level}
        expected = [f"{min(due)}d"] if due - alerted else []
        alerted |= due
        events = see(watch, at, day=renewal)
        assert [event.level for event in events] == expected
        early = at.astimezone(tz).hour < 9
        assert [event.facts["post_at"] is not None for event in events] == [early] * len(events)
    assert len({event.key for event in watch.events}) == len(watch.events)


# --- changes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": "past_due"}, ("status", "active", "past_due")),
        ({"ends_on": MAY_14}, ("ends_on", None, "2026-05-14")),
        ({"changes_to": "pro"}, ("changes_to", None, "pro")),
        ({"paused_until": date(2026, 4, 16)}, ("paused_until", None, "2026-04-16")),
    ],
)
def test_a_change_is_reported_once_and_so_is_its_return(
    fields: dict[str, Any], expected: tuple[str, str | None, str]
) -> None:
    watch = Watch()
    states: list[dict[str, Any]] = [{}, fields, fields, {}]
    events = [see(watch, NOON + i * MINUTE, **state) for i, state in enumerate(states)]
    assert [len(found) for found in events] == [0, 1, 0, 1]
    what, old, new = expected
    assert events[1][0].facts["changes"] == [{"what": what, "from": old, "to": new}]
    assert events[3][0].facts["changes"] == [{"what": what, "from": new, "to": old}]
    assert all(a.key != b.key for a, b in pairwise(watch.events))


def test_a_payment_that_is_made_resolves_the_alert_about_the_unpaid_plan() -> None:
    watch = Watch()
    found = [
        see(watch, NOON + minute * MINUTE, status=status)
        for minute, status in enumerate(["active", "past_due", "unpaid", "active", "paused"])
    ]
    assert [posted(events) for events in found] == [[], [CHANGED], [CHANGED], [CHANGED], [CHANGED]]
    late, unpaid = found[1][0], found[2][0]
    assert [[event.resolves for event in events] for events in found[1:]] == [
        [None], [None], [unpaid.key, late.key], [None]
    ]  # fmt: skip


@pytest.mark.parametrize("status", ["canceled", "paused"])
def test_an_unpaid_plan_that_stops_is_not_paid(status: str) -> None:
    """Only the payment ends the alert."""
    watch = Watch()
    found = [
        only(see(watch, NOON + minute * MINUTE, status=name), CHANGED)
        for minute, name in enumerate(["past_due", status, "active"])
    ]
    assert [event.severity for event in found] == [Severity.WARNING, Severity.INFO, Severity.GOOD]
    assert [event.resolves for event in found] == [None, None, found[0].key]


@pytest.mark.parametrize("status", ["past_due", "unpaid", "expired"])
@pytest.mark.parametrize("before", [[], [None]], ids=["at first", "once it is known"])
def test_a_plan_that_is_not_paid_when_its_status_is_first_known_is_reported_once(
    status: str, before: list[str | None]
) -> None:
    watch = Watch()
    found = [
        see(watch, NOON + minute * MINUTE, status=name)
        for minute, name in enumerate([*before, status, status, "active"])
    ]
    *_, reported, again, paid = found
    event = only(reported, CHANGED)
    assert (event.severity, event.initial, event.reason) == (
        Severity.WARNING, not before, f"status is {status}"
    )  # fmt: skip
    assert event.facts["changes"] == [{"what": "status", "from": None, "to": status}]
    assert again == []
    assert only(paid, CHANGED).resolves == event.key


@pytest.mark.parametrize("status", ["active", "canceled", "paused", None])
def test_any_other_status_at_first_is_no_change(status: str | None) -> None:
    assert see(Watch(), NOON, status=status, ends_on=MAY_14) == []


def test_an_unpaid_plan_that_is_not_reported_has_no_alert_to_end() -> None:
    watch = Watch(RuleSettings(kinds=RuleSettings().kinds - {CHANGED}))
    for minute, status in enumerate(["active", "past_due", "active"]):
        assert see(watch, NOON + minute * MINUTE, status=status) == []
        assert watch.memory.subscription_alerts == ()


def test_a_status_that_becomes_known_is_no_change() -> None:
    watch = Watch()
    see(watch, NOON, status=None)
    assert see(watch, NOON + MINUTE) == []


def test_a_field_that_was_rejected_is_no_change() -> None:
    watch = Watch()
    see(watch, NOON, ends_on=MAY_14)
    drifted = snapshot(
        NOON + MINUTE,
        billing=subscription(status=None),
        drift=("subscription.plan_ending_before: expected a date, got a number",),
    )
    assert watch.see(drifted) == []
    assert see(watch, NOON + 2 * MINUTE, ends_on=MAY_14) == []


def configured(day: date = MAY_14) -> dict[str, Any]:
    """What a seat's reading says when only the operator knows when it renews."""
    filled = Subscription(None, day, configured=True)
    return {"subscription": filled, "subscription_read": False}


def test_a_renewal_that_was_only_configured_is_reported_as_such() -> None:
    watch = Watch(TWICE)
    alerts = [event for d in range(1, 15) for event in watch.see(snapshot(day(d), **configured()), day(d))]
    assert [(event.kind, event.level, event.facts["configured"]) for event in alerts] == [
        (NEAR, "7d", True),
        (NEAR, "1d", True),
    ]


def test_a_configured_renewal_is_silent_once_a_source_has_told_the_day() -> None:
    watch = Watch()
    see(watch, day(1), day=date(2026, 5, 30))
    assert watch.see(snapshot(day(13), **configured()), day(13)) == []


# --- the day on which a plan renews, as configured ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "today", "expected"),
    [
        (14, "2026-04-13", "2026-04-14"),
        (14, "2026-04-14", "2026-04-14"),
        (14, "2026-04-15", "2026-05-14"),
        (31, "2026-04-02", "2026-04-30"),
        (31, "2026-04-30", "2026-04-30"),
        (31, "2026-05-01", "2026-05-31"),
        (30, "2026-02-10", "2026-02-28"),
        (30, "2028-02-29", "2028-02-29"),
        (29, "2026-03-01", "2026-03-29"),
        (14, "2026-12-15", "2027-01-14"),
        (1, "2026-12-31", "2027-01-01"),
    ],
)
def test_the_next_renewal_keeps_to_the_ends_of_months(day: int, today: str, expected: str) -> None:
    assert next_renewal(day, date.fromisoformat(today)) == date.fromisoformat(expected)


@given(st.integers(1, 31), st.dates(date(2000, 1, 1), date(2100, 12, 31)))
def test_it_comes_once_in_every_month_and_never_before_today(day: int, today: date) -> None:
    first = next_renewal(day, today)
    second = next_renewal(day, first + timedelta(days=1))
    assert today <= first < second
    assert (second.year * 12 + second.month) - (first.year * 12 + first.month) == 1
    for one in (first, second):
        assert one.day == min(day, monthrange(one.year, one.month)[1])


TODAY = date(2026, 4, 30)
BARE = teams.snapshot(subscription=None, subscription_read=False)


def test_what_no_source_has_told_is_filled_in_and_marked() -> None:
    filled = as_configured(BARE, 14, TODAY)
    assert filled.subscription == Subscription(None, date(2026, 5, 14), configured=True)
    assert not filled.subscription_read
    again = as_configured(filled, 20, TODAY).subscription
    assert again is not None
    assert again.next_charge_date == date(2026, 5, 20)
    assert as_configured(filled, None, TODAY) == BARE


def test_what_a_source_has_told_stands_even_if_there_is_nothing() -> None:
    for stated in (
        teams.snapshot(),
        teams.snapshot(subscription=None),
        teams.snapshot(subscription_read=False),
    ):
        assert as_configured(stated, 20, TODAY) == stated


def test_a_reading_of_no_organization_gets_none() -> None:
    empty = teams.snapshot(subscription=None, subscription_read=False, org_uuid=None)
    assert as_configured(empty, 14, TODAY) == empty
