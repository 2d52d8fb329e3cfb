from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.messages import Message
from meterbot.core.models import Event, EventKind, Severity
from meterbot.delivery.alerts import alert, resolution_line, resolved
from meterbot.rules import money_fact
from meterbot.rules.facts import instant
from tests.delivery.alerts.events import (
    BERLIN,
    FACTS,
    OF_NO_SEAT,
    event,
    said,
    values,
)
from tests.teams import NOW, money, seat


def everything(message: Message) -> str:
    fields = [f"{field.name}: {field.value}" for field in message.fields]
    return "\n".join([message.title, message.fallback, message.text, *fields, message.footer])


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
    for rude in ("!", "invoice", "None", "you "):
        assert rude not in everything(message)


def test_an_alert_mentions_the_owner_and_offers_the_seat() -> None:
    message = said(EventKind.SEAT_BLOCKED)
    assert message.owner == {"slack": "UANA"}
    assert [(action.id, action.label) for action in message.actions] == [("seat:ana", "Show seat")]


def test_an_alert_of_the_team_mentions_nobody() -> None:
    message = said(EventKind.BUDGET_CROSSED)
    assert (message.owner, message.actions) == ({}, ())


def test_the_footer_says_which_rule_compared_what() -> None:
    spoken = event(EventKind.THRESHOLD_CROSSED, reason="$42.00 of $50.00\nreached the level 80%")
    assert alert(spoken, seat(), BERLIN).footer == "Threshold crossed: $42.00 of $50.00 reached the level 80%"


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


def test_pace_and_the_end_of_the_cap_are_shown_when_they_are_known() -> None:
    message = alert(at_pace("1.20", NOW + timedelta(hours=6, minutes=30)), seat(), BERLIN)
    assert values(message) == {
        "Spent": "$42.00 of $50.00 (84%)",
        "Pace": "$1.20 per hour",
        "Cap reached at this pace": "Thu Apr 30 18:30",
    }


def test_a_cap_that_would_have_fallen_already_is_no_forecast() -> None:
    message = alert(at_pace("1.20", NOW), seat(), BERLIN)
    assert list(values(message)) == ["Spent", "Pace"]


def test_a_cap_that_lasts_until_the_counter_starts_again_is_said_to() -> None:
    crossed = at_pace("0.01", None)
    assert (
        values(alert(crossed, seat(), BERLIN))["Cap reached at this pace"]
        == "not before the counter starts again"
    )
    assert list(values(alert(event(EventKind.THRESHOLD_CROSSED), seat(), BERLIN))) == ["Spent"]
    for cap in (None, money_fact(money("50", "EUR"))):
        other = replace(crossed, facts={**crossed.facts, "cap": cap})
        assert "Cap reached at this pace" not in values(alert(other, seat(), BERLIN))


def test_a_resolved_alert_keeps_its_facts_and_pings_nobody() -> None:
    blocked = event(EventKind.SEAT_BLOCKED, severity=Severity.CRITICAL)
    ended = event(EventKind.SEAT_UNBLOCKED, at=NOW + timedelta(hours=14, minutes=3))
    message = resolved(blocked, ended, seat(), BERLIN)
    assert message.title == "Resolved: ana is blocked"
    assert message.text == "ana is no longer blocked since Fri May 1 02:03."
    assert values(message) == {"Spent": "$50.00 of $50.00 (100%)", "Until": "Fri May 1 02:00"}
    assert message.severity is Severity.GOOD
    assert message.owner == {}


def test_the_line_in_the_thread_is_one_line() -> None:
    line = resolution_line(event(EventKind.SOURCE_UP), seat(), BERLIN)
    assert line.title == line.fallback == "ana is being read again since Thu Apr 30 12:00."
    assert (line.text, line.fields, line.sections, line.actions, line.owner) == ("", (), (), (), {})


def test_a_seat_no_longer_configured_is_still_named() -> None:
    message = alert(event(EventKind.SEAT_BLOCKED), None, BERLIN)
    assert message.title == "ana is blocked"
    assert (message.owner, message.actions) == ({}, ())


@pytest.mark.parametrize("initial", [True, False])
@given(kind=st.sampled_from(EventKind), data=st.data())
def test_what_is_not_known_is_never_printed(*, initial: bool, kind: EventKind, data: st.DataObject) -> None:
    unknown = data.draw(st.sets(st.sampled_from(sorted(FACTS[kind]))))
    message = said(kind, initial=initial, **dict.fromkeys(unknown))
    assert "None" not in everything(message)
    assert "  " not in message.title
    assert message.title.strip() == message.title


@given(st.sampled_from(EventKind), st.text(min_size=1))
def test_a_hostile_name_stays_on_its_line(kind: EventKind, name: str) -> None:
    message = alert(replace(event(kind), seat=name), seat(name), BERLIN)
    assert len(message.title.splitlines()) == 1
    assert len(message.fallback.splitlines()) == 1
    assert len(everything(message)) < 2500
    assert all(len(action.id) <= 80 for action in message.actions)


def test_a_name_too_long_for_a_button_has_none() -> None:
    assert alert(event(EventKind.SEAT_BLOCKED), seat("x" * 80), BERLIN).actions == ()
