"""Where an alert goes under `[privacy] rows`, and what those who read it there may know."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.chat.discord import render as embeds
from meterbot.chat.slack import render as blocks
from meterbot.core.deliveries import (
    ActionKind,
    AlertAction,
    Delivery,
    DeliveryKind,
    Destination,
    PostContent,
)
from meterbot.core.messages import Message
from meterbot.core.models import Counter, Event, EventKind, Seat, Severity
from meterbot.core.operators import Operators, Rows
from meterbot.delivery.alerts.message import renderer
from meterbot.delivery.planner import Planner, delivery_id
from meterbot.delivery.redaction import Redaction
from meterbot.delivery.routing import RoutingSettings
from tests.delivery.alerts.events import FACTS, OF_NO_SEAT, changed, event, usd
from tests.teams import NOW, seat

SLACK, DISCORD, CONSOLE = (
    Destination("slack", "C0TEAM"),
    Destination("discord", "1000"),
    Destination("console", "terminal"),
)
ANA, BO = seat("ana"), seat("bo")
NO_SEAT = replace(seat("ana"), owner={})
BOSS = Operators({"slack": frozenset({"UBOSS"})}, {"slack": frozenset({"SLEADS"})})
BLOCKED = event(EventKind.SEAT_BLOCKED)
OF_NUMBERS = sorted(
    set(FACTS)
    - OF_NO_SEAT
    - {EventKind.SOURCE_DOWN, EventKind.SOURCE_UP, EventKind.IDENTITY_CHANGED, EventKind.SESSION_EXPIRING}
    - {EventKind.PULL_REQUEST_MERGED}
)


def channels(rows: Rows, of: Seat, *places: Destination, operators: Operators | None = None) -> list[str]:
    redaction = Redaction(rows, operators or Operators())
    return [each.channel for each in redaction.destinations(BLOCKED, of, places)]


@pytest.mark.parametrize(
    ("rows", "of", "places", "expected"),
    [
        ("named", ANA, (SLACK, DISCORD), ["C0TEAM", "1000"]),
        ("anonymous", ANA, (SLACK,), ["C0TEAM", "@UANA"]),
        ("anonymous", ANA, (SLACK, DISCORD), ["C0TEAM", "1000", "@UANA"]),
        ("anonymous", NO_SEAT, (SLACK,), ["C0TEAM"]),
        ("self", ANA, (SLACK,), ["@UANA"]),
        ("self", ANA, (SLACK, DISCORD), ["@UANA"]),
        ("self", ANA, (Destination("slack", "@UANA"),), ["@UANA"]),
        ("self", NO_SEAT, (SLACK, DISCORD), ["C0TEAM", "1000"]),
    ],
)
def test_where_an_alert_goes(
    rows: Rows, of: Seat, places: Sequence[Destination], expected: list[str]
) -> None:
    assert channels(rows, of, *places) == expected


def test_operators_get_the_alerts_of_a_seat_that_nobody_else_can() -> None:
    assert channels("self", NO_SEAT, SLACK, DISCORD, operators=BOSS) == ["@UBOSS"]
    assert channels("self", ANA, SLACK, operators=BOSS) == ["@UANA"]


def test_the_terminal_is_read_by_its_operator() -> None:
    theirs = replace(ANA, owner={"console": "operator"})
    boss = Operators({"console": frozenset({"operator"})})
    assert Redaction("self").may_see(BLOCKED, theirs, CONSOLE)
    assert not Redaction("self").may_see(BLOCKED, ANA, CONSOLE)
    assert Redaction("self", boss).may_see(BLOCKED, ANA, CONSOLE)
    assert channels("self", ANA, CONSOLE) == ["terminal"]


@pytest.mark.parametrize(
    ("user", "groups", "admitted"),
    [("UANA", (), True), ("UBO", (), False), ("UBOSS", (), True), ("UBO", ("SLEADS",), True)],
)
def test_who_may_know_all_of_an_alert(user: str, groups: tuple[str, ...], admitted: bool) -> None:  # noqa: FBT001
    assert Redaction("anonymous", BOSS).person_may_see("ana", ANA, "slack", user, groups) is admitted
    assert Redaction("anonymous", BOSS).person_may_see("ana", ANA, "discord", user, groups) is False
    assert Redaction("named").person_may_see("ana", ANA, "slack", user)
    assert Redaction("self").person_may_see(None, None, "slack", user)


# --- what is said


def said(
    rows: Rows, *events: Event, place: Destination = SLACK, kind: DeliveryKind = DeliveryKind.POST
) -> Message:
    card = PostContent("ref1", events, heading="2 at once" if len(events) > 1 else None, actions=ACTIONS)
    delivery = Delivery(
        id="d1",
        event=events[-1],
        chat=place.chat,
        channel=place.channel,
        claimed_by="one",
        in_doubt=False,
        root=None,
        kind=kind,
        message=None,
        attempts=0,
        created_at=NOW,
        content=card,
    )
    return renderer({"ana": ANA, "bo": BO}, UTC, RoutingSettings(redaction=Redaction(rows)))(delivery)


ACTIONS = (
    AlertAction(
        "act-1", BLOCKED.key, ActionKind.ACK, NOW, "ana", "slack", "ana", BLOCKED.kind, BLOCKED.severity
    ),
)


def payloads(message: Message) -> str:
    """All that leaves for either platform."""
    slack = blocks.render(message)
    return f"{slack} {blocks.render_line(message)} {embeds.post_payload(message, 'd1')}"


@pytest.mark.parametrize("kind", OF_NUMBERS)
@pytest.mark.parametrize("rows", ["anonymous", "self"])
def test_a_channel_reads_no_name_and_nobody_is_mentioned(kind: EventKind, rows: Rows) -> None:
    one = replace(event(kind), key=BLOCKED.key)
    for delivery in (DeliveryKind.POST, DeliveryKind.REPLY):
        shown = payloads(said(rows, one, kind=delivery))
        assert "ana" not in shown.lower()
        assert "a seat" in shown.lower()
    assert "ana" in payloads(said(rows, one, place=Destination("slack", "@UANA"))).lower()


def test_a_channel_reads_amounts_under_anonymous_and_none_under_self() -> None:
    assert "$50.00 of $50.00" in payloads(said("anonymous", BLOCKED))
    alone = said("self", BLOCKED)
    assert alone.title == "There is a private alert for a seat without an owner"
    assert (alone.fields, alone.footer, alone.severity) == ((), "", Severity.INFO)
    assert "$" not in payloads(alone)


def test_who_acknowledged_would_tell_whose_it_is() -> None:
    assert "Acknowledged by its owner or an operator" in said("anonymous", BLOCKED).text
    assert "Acknowledged" not in said("self", BLOCKED).text
    assert "Acknowledged for ana by ana" in said("named", BLOCKED).text


@pytest.mark.parametrize("rows", ["anonymous", "self"])
def test_which_source_does_not_deliver_is_for_everyone(rows: Rows) -> None:
    assert said(rows, event(EventKind.SOURCE_DOWN)).title.startswith("ana cannot be read")
    assert Redaction(rows).destinations(event(EventKind.SOURCE_DOWN), ANA, [SLACK]) == [SLACK]


@pytest.mark.parametrize("rows", ["anonymous", "self"])
def test_the_last_amount_of_a_source_that_does_not_deliver_is_for_its_owner(rows: Rows) -> None:
    down = changed(EventKind.SOURCE_DOWN, last_used=usd("17.20"), last_used_at="2026-04-30T09:29:00Z")
    assert "$17.20" not in payloads(said(rows, down))
    assert "$17.20" in payloads(said(rows, down, place=Destination("slack", "@UANA")))
    assert "$17.20" in payloads(said("named", down))


@pytest.mark.parametrize("rows", ["anonymous", "self"])
def test_of_a_pull_request_a_channel_reads_that_it_was_merged(rows: Rows) -> None:
    merged = event(EventKind.PULL_REQUEST_MERGED)
    assert "$" in payloads(said("named", merged))
    message = said(rows, merged)
    assert message.title.endswith("was merged (app)")
    assert "$" not in payloads(message)


def test_no_message_lives_through_a_month_in_a_channel_that_must_not_know_whose_it_is() -> None:
    plan = Planner(RoutingSettings(redaction=Redaction("anonymous")), (SLACK,), [], {}, (), NOW)
    for level in ("50%", "80%"):
        plan.plan(replace(event(EventKind.THRESHOLD_CROSSED), key=level, counter=Counter("a", "o")), ANA)
    kinds = [(each.channel, each.kind.value) for each in plan.deliveries]
    assert kinds == [
        ("C0TEAM", "post"),
        ("@UANA", "post"),
        ("C0TEAM", "post"),
        ("@UANA", "edit"),
        ("@UANA", "reply"),
    ]


# --- non-interference


@given(
    st.sampled_from(OF_NUMBERS),
    st.sampled_from(OF_NUMBERS),
    st.integers(0, 10**7),
    st.integers(0, 10**7),
    st.lists(st.sampled_from(Severity), min_size=2, max_size=2),
)
def test_under_self_a_channel_reads_the_same_whatever_the_numbers_are(
    kind: EventKind, other: EventKind, cents: int, others: int, severities: list[Severity]
) -> None:
    """Nor does it read which kind of news it is."""

    def news(kind: EventKind, minor: int, severity: Severity) -> Event:
        facts = {**FACTS[kind], "used": usd(f"{minor / 100:.2f}"), "period": "2026-04"}
        return replace(event(kind), facts=facts, severity=severity, key="key", reason=f"{minor}")

    first = said("self", news(kind, cents, severities[0]))
    assert first == said("self", news(other, others, severities[1]))


@given(st.sampled_from(OF_NUMBERS), st.sampled_from(["ana", "bo"]), st.booleans())
def test_under_anonymous_a_channel_reads_the_same_whose_ever_it_is(
    kind: EventKind,
    name: str,
    together: bool,  # noqa: FBT001
) -> None:
    ours, theirs = (replace(event(kind), key="key", seat=each) for each in ("ana", name))
    more = (replace(event(EventKind.WINDOW_FULL), key="more", seat="bo"),) if together else ()
    assert said("anonymous", *more, ours) == said("anonymous", *more, theirs)


@given(st.integers(0, 60))
def test_under_self_what_happens_to_a_seat_with_an_owner_queues_nothing_in_the_channel(minutes: int) -> None:
    plan = Planner(RoutingSettings(redaction=Redaction("self")), (SLACK, DISCORD), [], {}, (), NOW)
    for kind in OF_NUMBERS:
        plan.plan(replace(event(kind, at=NOW + timedelta(minutes=minutes)), key=kind.value), ANA)
    assert {each.channel for each in plan.deliveries} == {"@UANA"}


@given(st.text(max_size=40))
def test_the_id_of_a_message_tells_nobody_whose_it_is(key: str) -> None:
    one, other = Redaction("anonymous", salt="one"), Redaction("anonymous", salt="other")
    ids = {
        delivery_id(redaction.salted(key), Destination("slack", "C1"), DeliveryKind.POST)
        for redaction in (Redaction(), one, other)
    }
    assert len(ids) == 3
    assert "other" not in repr(other)
