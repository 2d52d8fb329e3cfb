"""Which deliveries an event causes: a post of its own, or an edit of an earlier post and a reply in its thread."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.deliveries import (
    ActionKind,
    AlertAction,
    DeliveryKind,
    Destination,
    NewDelivery,
    Posting,
    Priority,
    Purpose,
)
from meterbot.core.messages import Message
from meterbot.core.models import Counter, Event, EventKind, Severity
from meterbot.delivery.planner import Planner, delivery_id, follow_ups
from meterbot.delivery.routing import Route, RoutingSettings, Silence
from meterbot.rules.settings import NOT_POSTED
from tests.delivery.alerts.events import event
from tests.teams import NOW, seat

SLACK, DISCORD = Destination("slack", "C0TEAM"), Destination("discord", "1000")
POST, EDIT, REPLY = DeliveryKind.POST, DeliveryKind.EDIT, DeliveryKind.REPLY
TOPIC = "spend:a/o:2026-04"
UNTIL = NOW + timedelta(hours=2)
SILENT = RoutingSettings(silences=(Silence(NOW, UNTIL),))


def level(percent: str) -> Event:
    crossed = event(EventKind.THRESHOLD_CROSSED)
    return replace(crossed, key=f"level:{percent}", counter=Counter("a", "o"), level=percent)


BLOCKED = event(EventKind.SEAT_BLOCKED, severity=Severity.CRITICAL)
UNBLOCKED = replace(event(EventKind.SEAT_UNBLOCKED), resolves=BLOCKED.key)


def planner(
    routing: RoutingSettings | None = None,
    *,
    postings: Sequence[Posting] = (),
    alerts: Mapping[str, Event] | None = None,
    actions: Sequence[AlertAction] = (),
    destinations: Sequence[Destination] = (SLACK,),
) -> Planner:
    return Planner(routing or RoutingSettings(), destinations, list(postings), alerts or {}, actions, NOW)


def planned(plan: Planner) -> list[tuple[DeliveryKind, str, str | None]]:
    """Kind, event, and whose post it belongs to."""
    return [(each.kind, each.event, each.about) for each in plan.deliveries]


def ended(routing: RoutingSettings | None = None, *, posted: Sequence[Posting]) -> Planner:
    plan = planner(routing, postings=posted, alerts={BLOCKED.key: BLOCKED})
    plan.plan(UNBLOCKED, seat())
    return plan


def test_an_event_is_posted_at_every_place() -> None:
    plan = planner(destinations=(SLACK, DISCORD))
    plan.plan(BLOCKED, seat())
    assert planned(plan) == [(POST, BLOCKED.key, None)] * 2
    assert [(each.chat, each.channel) for each in plan.deliveries] == [
        ("slack", "C0TEAM"),
        ("discord", "1000"),
    ]
    assert {each.priority for each in plan.deliveries} == {Priority.BLOCKED}
    assert plan.postings == [
        Posting(BLOCKED.key, BLOCKED.key, destination, None) for destination in (SLACK, DISCORD)
    ]


def test_a_later_level_edits_the_post_and_gets_a_line_instead_of_a_post() -> None:
    plan = planner()
    for percent in ("50%", "80%", "100%"):
        plan.plan(level(percent), seat())
    assert planned(plan) == [
        (POST, "level:50%", None),
        (EDIT, "level:80%", "level:50%"),
        (REPLY, "level:80%", "level:50%"),
        (EDIT, "level:100%", "level:50%"),
        (REPLY, "level:100%", "level:50%"),
    ]
    assert [each.topic for each in plan.deliveries if each.kind is not EDIT] == [TOPIC] * 3
    assert plan.postings[-1] == Posting("level:100%", "level:50%", SLACK, TOPIC)


def test_a_post_that_an_earlier_batch_queued_is_joined_too() -> None:
    plan = planner(postings=[Posting("level:50%", "level:50%", SLACK, TOPIC)])
    plan.plan(level("80%"), seat())
    assert planned(plan) == [(EDIT, "level:80%", "level:50%"), (REPLY, "level:80%", "level:50%")]


def test_a_place_that_the_topic_has_not_reached_gets_a_post() -> None:
    plan = planner(postings=[Posting("level:50%", "level:50%", SLACK, TOPIC)], destinations=(SLACK, DISCORD))
    plan.plan(level("80%"), seat())
    assert [(each.chat, each.kind) for each in plan.deliveries] == [
        ("slack", EDIT),
        ("slack", REPLY),
        ("discord", POST),
    ]


def test_where_messages_do_not_live_every_level_is_a_post() -> None:
    plan = planner(RoutingSettings(update_in_place=False))
    for percent in ("50%", "80%"):
        plan.plan(level(percent), seat())
    assert planned(plan) == [(POST, "level:50%", None), (POST, "level:80%", None)]


def test_routes_say_where_a_planned_event_goes() -> None:
    plan = planner(RoutingSettings(routes=(Route(("owner", "default")),)))
    plan.plan(BLOCKED, seat())
    assert [each.channel for each in plan.deliveries] == ["@UANA", "C0TEAM"]


def test_an_end_edits_the_alert_wherever_it_was_reported_and_gets_a_line_there() -> None:
    posted = [Posting(BLOCKED.key, BLOCKED.key, destination, None) for destination in (SLACK, DISCORD)]
    plan = ended(posted=posted)
    assert planned(plan) == [(EDIT, UNBLOCKED.key, BLOCKED.key), (REPLY, UNBLOCKED.key, BLOCKED.key)] * 2
    assert [each.chat for each in plan.deliveries] == ["slack", "slack", "discord", "discord"]
    assert {each.priority for each in plan.deliveries} == {Priority.BLOCKED}


def test_an_end_can_do_without_a_line() -> None:
    plan = ended(
        RoutingSettings(send_resolved=False), posted=[Posting(BLOCKED.key, BLOCKED.key, SLACK, None)]
    )
    assert planned(plan) == [(EDIT, UNBLOCKED.key, BLOCKED.key)]


def test_the_end_of_what_was_reported_in_a_thread_goes_to_that_thread() -> None:
    plan = ended(posted=[Posting("other", "other", SLACK, None), Posting(BLOCKED.key, "root", SLACK, TOPIC)])
    assert planned(plan) == [(EDIT, UNBLOCKED.key, "root"), (REPLY, UNBLOCKED.key, "root")]


ENDS = [
    (EventKind.SEAT_BLOCKED, EventKind.SEAT_UNBLOCKED),
    (EventKind.WINDOW_FULL, EventKind.WINDOW_RESET),
    (EventKind.SOURCE_DOWN, EventKind.SOURCE_UP),
    (EventKind.DESTINATION_DOWN, EventKind.DESTINATION_UP),
    (EventKind.SUBSCRIPTION_CHANGED, EventKind.SUBSCRIPTION_CHANGED),
    (EventKind.THRESHOLD_CROSSED, EventKind.METERING_CHANGED),
    (EventKind.CAP_FORECAST, EventKind.METERING_CHANGED),
]


@pytest.mark.parametrize(("kind", "end_kind"), ENDS)
def test_the_end_of_an_alert_that_is_posted_nowhere_is_posted_by_itself(
    kind: EventKind, end_kind: EventKind
) -> None:
    alert = replace(event(kind), key="alert", muted_by="spend_started:a/o")
    facts: dict[str, object] = {"chat": "discord", "channel": "2000"}
    end = replace(event(end_kind), key="end", resolves=alert.key, facts=facts)
    for alerts in ({alert.key: alert}, {}):
        plan = planner(alerts=alerts)
        plan.plan(end, seat())
        assert planned(plan) == [(POST, "end", None)]
        unwanted = planner(alerts=alerts)
        unwanted.plan(replace(end, muted_by=NOT_POSTED), seat())
        assert unwanted.deliveries == []


def test_a_chat_that_works_again_is_reported_at_the_others_alone() -> None:
    facts: dict[str, object] = {"chat": SLACK.chat, "channel": SLACK.channel}
    up = replace(event(EventKind.DESTINATION_UP), resolves="never posted", facts=facts)
    plan = planner(destinations=(SLACK, DISCORD))
    plan.plan(up, None)
    assert [each.chat for each in plan.deliveries] == ["discord"]


def test_an_alert_and_its_end_in_one_batch_are_a_post_its_edit_and_a_line() -> None:
    plan = planner()
    plan.plan(BLOCKED, seat())
    plan.plan(UNBLOCKED, seat())
    assert [each.kind for each in plan.deliveries] == [POST, EDIT, REPLY]


def test_what_is_held_back_says_until_when_and_why_and_an_edit_never_waits() -> None:
    plan = planner(SILENT)
    for percent in ("50%", "80%"):
        plan.plan(level(percent), seat())
    held = {each.kind: (each.not_before, each.held) for each in plan.deliveries}
    assert held == {POST: (UNTIL, "a silence"), EDIT: (None, None), REPLY: (UNTIL, "a silence")}
    assert plan.release == []


def test_a_line_that_may_be_sent_releases_the_post_that_is_held_back() -> None:
    snooze = AlertAction(
        "act-1",
        "level:50%",
        ActionKind.SNOOZE,
        NOW,
        "bo",
        "slack",
        "ana",
        EventKind.THRESHOLD_CROSSED,
        Severity.WARNING,
        UNTIL,
    )
    plan = planner(actions=[snooze])
    plan.plan(level("50%"), seat())
    assert plan.release == []
    plan.plan(replace(level("100%"), severity=Severity.CRITICAL), seat())
    assert [(each.kind, each.held) for each in plan.deliveries] == [
        (POST, "snoozed by bo"),
        (EDIT, None),
        (REPLY, None),
    ]
    assert plan.release == [("level:50%", SLACK)]


def test_nothing_is_released_where_nothing_can_be_held_back() -> None:
    plan = planner()
    for percent in ("50%", "80%"):
        plan.plan(level(percent), seat())
    assert plan.release == []


def test_the_postings_and_alerts_of_others_stay_as_they_were() -> None:
    alerts: dict[str, Event] = {}
    plan = planner(alerts=alerts)
    plan.plan(BLOCKED, seat())
    assert alerts == {}
    assert plan.alerts == {BLOCKED.key: BLOCKED}


def test_what_is_said_later_edits_every_post_and_gets_a_line_if_it_has_words() -> None:
    posted = [Posting(BLOCKED.key, "root", destination, TOPIC) for destination in (SLACK, DISCORD)]
    message = Message("Acknowledged", "Acknowledged")
    quiet = follow_ups("act-1", posted, Purpose.ACTION, None)
    loud = follow_ups("act-1", posted, Purpose.ACTION, message, Priority.BLOCKED)
    assert [(each.kind, each.message) for each in quiet] == [(EDIT, None)] * 2
    assert [(each.kind, each.message) for each in loud] == [(EDIT, None), (REPLY, message)] * 2
    assert {(each.event, each.about, each.purpose, each.priority) for each in loud} == {
        (BLOCKED.key, "root", Purpose.ACTION, Priority.BLOCKED)
    }
    assert {each.id for each in quiet} < {each.id for each in loud}
    assert len({each.id for each in loud}) == 4


def test_an_id_is_the_same_in_every_version_of_the_program() -> None:
    """Else what waits while an upgrade is made would be posted twice."""
    assert delivery_id("key", SLACK, POST) == "zrdwmsyazg2a2xvfcats"


keys = st.text(min_size=1, max_size=12)
destinations = st.builds(
    Destination, st.sampled_from(["slack", "discord"]), st.text(alphabet="C0123456789", max_size=8)
)
named = st.tuples(keys, destinations, st.sampled_from(DeliveryKind))


@given(named, named)
def test_ids_differ_where_anything_does(
    one: tuple[str, Destination, DeliveryKind], other: tuple[str, Destination, DeliveryKind]
) -> None:
    assert (delivery_id(*one) == delivery_id(*other)) == (one == other)
    assert len(delivery_id(*one)) == 20


def by_topic(found: Sequence[NewDelivery], kind: DeliveryKind) -> list[tuple[str, str, str | None]]:
    return [(each.chat, each.channel, each.topic) for each in found if each.kind is kind and each.topic]


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 99)), unique=True, max_size=8),
    st.sampled_from([RoutingSettings(), SILENT]),
)
def test_a_topic_has_one_post_a_place_and_every_event_is_reported_once_there(
    levels: list[tuple[str, int]], routing: RoutingSettings
) -> None:
    events = [
        replace(level(f"{percent}%"), key=f"{account}:{percent}", counter=Counter(account, "o"))
        for account, percent in levels
    ]
    plans = [planner(routing, destinations=(SLACK, DISCORD)) for _ in range(2)]
    for plan in plans:
        for one in events:
            plan.plan(one, seat())
    plan, again = plans
    assert plan.deliveries == again.deliveries
    assert len({each.id for each in plan.deliveries}) == len(plan.deliveries)
    posts = by_topic(plan.deliveries, POST)
    assert len(posts) == len(set(posts))
    posted = [(each.event, each.chat) for each in plan.deliveries if each.kind is not EDIT]
    assert sorted(posted) == sorted((one.key, chat) for one in events for chat in ("slack", "discord"))


RAISED = replace(event(EventKind.METERING_CHANGED), resolves=level("80%").key)


def raised(
    raised: Event, *, destinations: Sequence[Destination] = (SLACK,), routing: RoutingSettings | None = None
) -> Planner:
    old = level("80%")
    posted = [Posting(old.key, "level:50%", SLACK, TOPIC)]
    plan = planner(routing, postings=posted, alerts={old.key: old}, destinations=destinations)
    plan.plan(raised, seat())
    return plan


def test_a_raised_cap_is_said_in_the_thread_of_the_level_that_it_ends() -> None:
    ended = [(EDIT, RAISED.key, "level:50%"), (REPLY, RAISED.key, "level:50%")]
    assert planned(raised(RAISED)) == ended


def test_a_raised_cap_is_posted_where_the_level_that_it_ends_is_not() -> None:
    plan = raised(RAISED, destinations=(SLACK, DISCORD))
    assert [(each.kind, each.chat) for each in plan.deliveries] == [
        (EDIT, "slack"),
        (REPLY, "slack"),
        (POST, "discord"),
    ]


def test_a_raised_cap_gets_a_post_of_its_own_if_ends_are_not_posted() -> None:
    plan = raised(RAISED, routing=RoutingSettings(send_resolved=False))
    assert planned(plan) == [(EDIT, RAISED.key, "level:50%"), (POST, RAISED.key, None)]


def test_the_end_of_an_alert_that_somebody_muted_changes_its_post_and_says_nothing() -> None:
    assert planned(raised(replace(RAISED, muted_by="mute:1"))) == [(EDIT, RAISED.key, "level:50%")]


@pytest.mark.parametrize("update_in_place", [True, False])
def test_a_raised_cap_that_ends_several_alerts_is_said_once_at_each_destination(
    *, update_in_place: bool
) -> None:
    older, newest = level("50%"), level("80%")
    posted = [Posting(older.key, older.key, each, None) for each in (SLACK, DISCORD)]
    posted += [Posting(newest.key, newest.key, SLACK, None)]
    routing = RoutingSettings(update_in_place=update_in_place)
    plan = planner(routing, postings=posted, alerts={each.key: each for each in (older, newest)})
    too = replace(RAISED, key=f"{RAISED.key}:1", resolves=older.key, muted_by=RAISED.key)
    for one in (RAISED, too):
        plan.plan(one, seat())
    assert [(each.kind, each.chat, each.about) for each in plan.deliveries] == [
        (EDIT, "slack", newest.key),
        (REPLY, "slack", newest.key),
        (EDIT, "slack", older.key),
        (EDIT, "discord", older.key),
        (REPLY, "discord", older.key),
    ]


def test_the_alerts_that_a_muted_change_ends_are_edited_in_silence() -> None:
    older, newest = level("50%"), level("80%")
    posted = [Posting(each.key, each.key, SLACK, None) for each in (older, newest)]
    plan = planner(postings=posted, alerts={each.key: each for each in (older, newest)})
    for one in (
        replace(RAISED, muted_by="mute:1"),
        replace(RAISED, key=f"{RAISED.key}:1", resolves=older.key, muted_by=RAISED.key),
    ):
        plan.plan(one, seat())
    assert {each.kind for each in plan.deliveries} == {EDIT}
