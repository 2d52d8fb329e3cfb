from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from meterbot.core.inline import plain
from meterbot.core.messages import Message
from meterbot.core.models import Event, EventKind, Severity
from meterbot.delivery.alerts.message import alert, resolved, thread_line
from meterbot.rules.fact_json import instant, money_fact
from tests.delivery.alerts.events import (
    BERLIN,
    FACTS,
    MONTH,
    OF_NO_SEAT,
    event,
    month_closed,
    said,
)
from tests.teams import NOW, money, seat


def everything(message: Message) -> str:
    fields = [f"{field.name}: {field.value}" for field in message.fields]
    lines = [line for section in message.sections for line in section.lines]
    return plain("\n".join([message.title, message.fallback, message.text, *fields, *lines, message.footer]))


def test_every_event_has_words() -> None:
    assert set(FACTS) == set(EventKind)


WHOSE = {
    EventKind.DIGEST: "The digest of Thu Apr 30",
    EventKind.BUDGET_CROSSED: "The team",
    EventKind.DESTINATION_DOWN: "Slack C0123456789",
    EventKind.DESTINATION_UP: "Slack C0123456789",
    EventKind.PULL_REQUEST_MERGED: "PR #812",
}
"""What the title begins with where it is not the seat."""


@pytest.mark.parametrize("kind", EventKind)
def test_an_alert_names_the_seat_and_keeps_its_manners(kind: EventKind) -> None:
    message = said(kind)
    assert message.title.startswith(WHOSE.get(kind, "ana"))
    assert kind in OF_NO_SEAT or "ana" in message.title
    assert message.fallback.startswith(message.title)
    assert "\n" not in message.fallback
    for word in ("!", "invoice", "None", "one of its"):
        assert word not in everything(message)


def test_an_alert_mentions_the_owner_and_offers_the_seat() -> None:
    message = said(EventKind.SEAT_BLOCKED)
    assert message.owner == {"slack": "UANA"}
    assert [(action.id, action.label) for action in message.actions] == [("seat:ana", "Show seat")]


def test_an_alert_of_the_team_mentions_nobody() -> None:
    message = said(EventKind.BUDGET_CROSSED)
    assert (message.owner, message.actions) == ({}, ())


def test_what_the_rule_compared_is_for_why_alone() -> None:
    spoken = event(EventKind.THRESHOLD_CROSSED, reason="$42.00 of $50.00 reached the level 80%")
    message = alert(spoken, seat(), BERLIN)
    assert "reached the level" not in everything(message)
    assert message.footer == ""


def test_an_alert_is_as_loud_as_its_event() -> None:
    assert (
        alert(event(EventKind.SEAT_BLOCKED, severity=Severity.CRITICAL), seat(), BERLIN).severity
        is Severity.CRITICAL
    )


def at_pace(per_hour: str, eta: datetime | None) -> Event:
    crossed = event(EventKind.THRESHOLD_CROSSED)
    return replace(
        crossed, facts={**crossed.facts, "pace": money_fact(money(per_hour)), "cap_eta": instant(eta)}
    )


def test_the_pace_and_when_the_cap_is_reached_are_said_where_they_are_known() -> None:
    text = plain(alert(at_pace("1.20", NOW + timedelta(hours=6, minutes=30)), seat(), BERLIN).text)
    assert text.endswith(
        "Pace: $1.20/h.\nAt the pace of the last 24 hours, the cap is reached around Thu Apr 30 18:30."
    )
    for eta in (NOW, None):  # what would have happened already, and what will not
        assert alert(at_pace("1.20", eta), seat(), BERLIN).text.endswith("Pace: $1.20/h.")
    assert "/h" not in alert(event(EventKind.THRESHOLD_CROSSED), seat(), BERLIN).text


def test_a_resolved_alert_has_nothing_to_do_and_mentions_nobody() -> None:
    blocked = event(EventKind.SEAT_BLOCKED, severity=Severity.CRITICAL)
    ended = event(EventKind.SEAT_UNBLOCKED, at=NOW + timedelta(hours=14, minutes=3))
    message = resolved(blocked, ended, seat(), BERLIN)
    assert message.title == "Resolved: ana is BLOCKED: $50.00 of $50.00"
    assert plain(message.text) == "Fri May 1 02:03: ana is no longer blocked: $0.00 of $50.00 (0%)."
    assert (message.severity, message.owner, message.fields) == (Severity.GOOD, {}, ())


def test_a_level_that_ended_before_it_was_posted_still_names_the_lower_ones_it_crossed() -> None:
    crossed = event(EventKind.THRESHOLD_CROSSED)
    crossed = replace(crossed, facts={**crossed.facts, "also": ["50%"]})
    message = resolved(crossed, event(EventKind.METERING_CHANGED), seat(), BERLIN)
    assert message.text.splitlines()[1:] == ["It also crossed 50%."]


def test_the_line_in_the_thread_is_one_line() -> None:
    line = thread_line(
        replace(event(EventKind.SOURCE_UP), resolves="down"), {"ana": seat()}, BERLIN, broadcast=False
    )
    assert plain(line.title) == plain(line.fallback) == "ana can be read again."
    assert (line.text, line.fields, line.sections, line.actions, line.owner) == ("", (), (), (), {})


def test_a_seat_no_longer_configured_is_still_named() -> None:
    message = alert(event(EventKind.SEAT_BLOCKED), None, BERLIN)
    assert message.title == "ana is BLOCKED: $50.00 of $50.00"
    assert (message.owner, message.actions) == ({}, ())


@pytest.mark.parametrize("initial", [True, False])
@given(kind=st.sampled_from(EventKind), data=st.data())
def test_what_is_not_known_is_never_printed(*, initial: bool, kind: EventKind, data: st.DataObject) -> None:
    unknown = data.draw(st.sets(st.sampled_from(sorted(FACTS[kind]))))
    with capture_logs() as logs:
        message = said(kind, initial=initial, **dict.fromkeys(unknown))
    assert logs == []  # an alert whose text fails is logged, and sent without what to do
    assert "None" not in everything(message)
    assert "  " not in message.title
    assert message.title.strip() == message.title


@pytest.mark.parametrize(
    ("kind", "fact", "title"),
    [
        (EventKind.BALANCE_LOW, "balance", "ana has few prepaid credits left"),
        (EventKind.CHARGED_WITHIN_PLAN, "before_at", "ana was charged $0.80 while the plan had room"),
        (EventKind.DESTINATION_DOWN, "since", "Slack C0123456789 does not accept messages"),
        (EventKind.DESTINATION_UP, "channel", "Slack accepts messages again"),
        (EventKind.IDENTITY_CHANGED, "what", "ana now reports another account"),
        (EventKind.RENEWAL_NEAR, "days", "ana renews on Thu May 7: $200.00"),
        (EventKind.SEAT_UNBLOCKED, "since", "ana is no longer blocked: $0.00 of $50.00 (0%)"),
        (EventKind.SESSION_EXPIRING, "ends_at", "ana: the claude.ai session ends in 3 days or less"),
        (EventKind.SOURCE_DOWN, "since", "ana cannot be read: the sign-in has expired"),
        (EventKind.SOURCE_UP, "down_since", "ana can be read again"),
        (EventKind.SPEND_SPIKE, "usual", "ana is spending 7.0 times faster than usual: $12.60/h"),
        (EventKind.THRESHOLD_CROSSED, "level", "ana passed a threshold: $42.00 of $50.00 (84%)"),
    ],
)
def test_a_missing_fact_leaves_the_rest_of_the_alert(kind: EventKind, fact: str, title: str) -> None:
    whole = event(kind)
    partial = replace(whole, facts={name: value for name, value in whole.facts.items() if name != fact})
    message = alert(partial, None if whole.seat is None else seat(), BERLIN)
    assert plain(message.title) == title
    assert message.text.splitlines()[:1] == alert(whole, seat(), BERLIN).text.splitlines()[:1]  # what to do


@pytest.mark.parametrize("unknown", sorted(MONTH))
def test_a_month_without_one_of_its_facts_is_still_reported(unknown: str) -> None:
    with capture_logs() as logs:
        assert month_closed(**{unknown: None}).title.startswith("The team closed ")
    assert logs == []


@given(st.sampled_from(EventKind), st.text(min_size=1))
def test_a_hostile_name_stays_on_its_line(kind: EventKind, name: str) -> None:
    message = alert(replace(event(kind), seat=name), seat(name), BERLIN)
    assert len(message.title.splitlines()) == 1
    assert len(message.fallback.splitlines()) == 1
    assert len(everything(message)) < 2500
    assert all(len(action.id) <= 80 for action in message.actions)


def test_a_name_too_long_for_a_button_has_none() -> None:
    assert alert(event(EventKind.SEAT_BLOCKED), seat("x" * 80), BERLIN).actions == ()
