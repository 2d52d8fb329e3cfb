"""The evidence behind an alert."""

from dataclasses import replace
from datetime import timedelta

import pytest

from meterbot.core.deliveries import PostContent
from meterbot.core.inline import plain
from meterbot.core.messages import Message
from meterbot.core.models import Event, EventKind
from meterbot.delivery.alerts import KIND_WORDS
from meterbot.delivery.alerts.why import why
from meterbot.rules.fact_json import instant
from tests.delivery.alerts.events import BERLIN, FACTS, event, usd
from tests.teams import NOW, seat

LATER = NOW + timedelta(minutes=2)
READINGS = [
    {"used": usd("39.50"), "at": instant(NOW - timedelta(hours=3))},
    {"used": usd("1042"), "at": instant(NOW)},
]


def explained(*events: Event) -> Message:
    return why(PostContent("ref1", events), {"ana": seat("ana")}, BERLIN, LATER)


def crossed(**facts: object) -> Event:
    one = event(EventKind.THRESHOLD_CROSSED, reason="$1042.00 used ≥ 80% of $50.00")
    return replace(one, level="80%", facts={**one.facts, **facts})


def test_why_names_the_rule_what_was_compared_the_readings_and_the_period() -> None:
    message = explained(crossed(readings=READINGS))
    (section,) = message.sections
    assert section.heading == "ana passed 80% of the cap: $42.00 of $50.00 (84%)"
    assert tuple(map(plain, section.lines)) == (
        "Rule: thresholds (threshold_crossed)",
        "Compared: $1042.00 used ≥ 80% of $50.00",
        "Extra usage starts again at 0 on Fri May 1 (UTC).",
        "Read Thu Apr 30 09:00 (3 h ago): $39.50 used",
        "Read Thu Apr 30 12:00 (2 min ago): $1,042.00 used",
        "Period: 2026-04 (UTC)",
    )
    assert message.title == "Why this alert"
    assert message.fallback == "Why this alert: Rule: thresholds (threshold_crossed)"
    assert message.footer == ""
    assert (message.actions, message.owner) == ((), {})


@pytest.mark.parametrize("kind", FACTS)
def test_every_alert_can_be_explained(kind: EventKind) -> None:
    (section,) = explained(event(kind)).sections
    assert section.lines[:2] == (
        f"Rule: {KIND_WORDS[kind]} ({kind.value})",
        "Compared: this was compared with that",
    )
    assert section.heading


def test_of_several_the_newest_comes_first() -> None:
    message = explained(crossed(), event(EventKind.SEAT_BLOCKED, at=LATER))
    assert message.title == "Why these alerts"
    assert [section.heading for section in message.sections] == [
        "ana is BLOCKED: $50.00 of $50.00",
        "ana passed 80% of the cap: $42.00 of $50.00 (84%)",
    ]
    assert message.fallback == "Why these alerts: Rule: blocks (seat_blocked)"


def test_an_amount_that_was_not_known_is_not_called_zero() -> None:
    (section,) = explained(crossed(readings=[{"used": None, "at": instant(NOW)}, {}])).sections
    assert tuple(map(plain, section.lines[3:5])) == (
        "Read Thu Apr 30 12:00 (2 min ago): the amount was unknown",
        "Read: the amount was unknown",
    )


@pytest.mark.parametrize("readings", [None, [], "soon", [3, None]])
def test_without_readings_none_is_made_up(readings: object) -> None:
    (section,) = explained(crossed(readings=readings)).sections
    assert not [line for line in section.lines if line.startswith("Read")]


def test_what_happened_in_no_period_names_none() -> None:
    (section,) = explained(event(EventKind.SOURCE_DOWN)).sections
    assert not [line for line in section.lines if line.startswith("Period")]


def test_a_reason_from_elsewhere_stays_on_one_short_line() -> None:
    (section,) = explained(replace(crossed(), reason="a\nb" * 400)).sections
    compared = section.lines[1]
    assert "\n" not in compared
    assert len(compared) <= 300


@pytest.mark.parametrize(
    "moment", ["2026-04-30T18:20:00Z", "2026-04-30T18:20:00+00:00", "2026-04-30 18:20 UTC"]
)
def test_the_instants_of_a_reason_are_shown_in_the_readers_zone(moment: str) -> None:
    (section,) = explained(replace(crossed(), reason=f"the cap is reached at {moment}, not before")).sections
    assert plain(section.lines[1]) == "Compared: the cap is reached at Thu Apr 30 20:20, not before"
    assert section.lines[1] != plain(section.lines[1])


def test_digits_that_are_no_instant_stay_as_they_are() -> None:
    (section,) = explained(replace(crossed(), reason="at 2026-99-99T18:20:00Z")).sections
    assert section.lines[1] == "Compared: at 2026-99-99T18:20:00Z"
