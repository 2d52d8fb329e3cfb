"""What a message shows when it is sent or edited: one alert, one that lives through a period, or several in one."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.chat.discord import render as embeds
from meterbot.chat.slack import render as blocks
from meterbot.core.deliveries import ActionKind, AlertAction, Delivery, DeliveryKind, PostContent
from meterbot.core.inline import plain
from meterbot.core.messages import Message
from meterbot.core.models import Event, EventKind, Severity
from meterbot.core.money import Money
from meterbot.core.text import moment
from meterbot.delivery.alerts.message import (
    action_line,
    action_text,
    alert,
    post,
    reminder,
    renderer,
    thread_line,
)
from meterbot.delivery.grouping import AT_ONCE, MOST_TOGETHER
from meterbot.delivery.redaction import A_SEAT
from meterbot.delivery.routing import RoutingSettings
from meterbot.rules.pull_requests import Bill, Merged, PullRequest, merged_event
from tests.delivery.alerts.events import BERLIN, FACTS, event
from tests.simulator.discord_judge import problems
from tests.simulator.slack_judge import verdict
from tests.teams import NOW, seat

SEATS = {"ana": seat("ana"), "bo": seat("bo")}
LATER = NOW + timedelta(hours=2)
BLOCKED = event(EventKind.SEAT_BLOCKED, severity=Severity.CRITICAL)
UNBLOCKED = replace(event(EventKind.SEAT_UNBLOCKED, severity=Severity.GOOD, at=LATER), resolves=BLOCKED.key)
FULL = replace(event(EventKind.WINDOW_FULL), seat="bo")
ACK = AlertAction(
    "act-1", BLOCKED.key, ActionKind.ACK, NOW, "bo", "slack", "ana", BLOCKED.kind, BLOCKED.severity
)
SNOOZE = replace(ACK, id="act-2", kind=ActionKind.SNOOZE, until=LATER)
MUTE = replace(ACK, id="act-3", kind=ActionKind.MUTE)


def shown(
    *events: Event,
    ended: Mapping[str, Event] | None = None,
    actions: Sequence[AlertAction] = (),
    heading: str | None = None,
) -> Message:
    return post(PostContent("ref1", events, dict(ended or {}), tuple(actions), heading), SEATS, BERLIN)


def level(percent: str, minutes: int = 0) -> Event:
    at = NOW + timedelta(minutes=minutes)
    crossed = event(EventKind.THRESHOLD_CROSSED, at=at)
    return replace(crossed, key=percent, facts={**crossed.facts, "level": percent})


def pressed(message: Message) -> list[str]:
    return [action.id for action in message.actions]


def test_good_news_can_only_be_asked_about() -> None:
    good = event(EventKind.SOURCE_UP, severity=Severity.GOOD)
    assert pressed(shown(good)) == ["why:ref1", "seat:ana"]


@pytest.mark.parametrize("kind", FACTS)
def test_a_card_of_one_alert_is_the_alert_with_buttons(kind: EventKind) -> None:
    one = event(kind)
    plain_alert = alert(one, None if one.seat is None else SEATS[one.seat], BERLIN)
    message = shown(one)
    assert replace(message, actions=()) == replace(plain_alert, actions=())
    reports = {EventKind.PULL_REQUEST_MERGED, EventKind.PERIOD_CLOSED, EventKind.NOTICE}
    acknowledge = [] if kind in reports else ["ack:ref1"]
    assert pressed(message) == [*acknowledge, "snooze:ref1", "mute:ref1", "why:ref1", *pressed(plain_alert)]
    assert message.sections == plain_alert.sections


def test_a_living_card_shows_the_newest_and_what_was_before() -> None:
    message = shown(level("50%"), level("80%", 5), level("90%", 10))
    assert message.title == "ana passed 90% of the cap: $42.00 of $50.00 (84%)"
    (before,) = message.sections
    assert before.heading == "Before"
    assert tuple(map(plain, before.lines)) == (
        "Thu Apr 30 12:00: ana passed 50% of the cap: $42.00 of $50.00 (84%).",
        "Thu Apr 30 12:05: ana passed 80% of the cap: $42.00 of $50.00 (84%).",
    )


def test_what_was_before_and_is_over_says_since_when() -> None:
    message = shown(BLOCKED, level("90%"), ended={BLOCKED.key: UNBLOCKED})
    assert message.title == "ana passed 90% of the cap: $42.00 of $50.00 (84%)"
    assert tuple(map(plain, message.sections[0].lines)) == (
        "Thu Apr 30 12:00: ana is BLOCKED: $50.00 of $50.00. Resolved Thu Apr 30 14:00.",
    )


def test_a_resolved_card_offers_no_more_to_do_and_pings_nobody() -> None:
    message = shown(BLOCKED, ended={BLOCKED.key: UNBLOCKED})
    assert message.title == "Resolved: ana is BLOCKED: $50.00 of $50.00"
    assert plain(message.text) == "Thu Apr 30 14:00: ana is no longer blocked: $0.00 of $50.00 (0%)."
    assert message.severity is Severity.GOOD
    assert pressed(message) == ["why:ref1", "seat:ana"]
    assert message.owner == {}


def test_what_people_did_is_below_the_words() -> None:
    before, message = shown(BLOCKED), shown(BLOCKED, actions=[ACK, SNOOZE])
    assert plain(message.text) == (
        f"{plain(before.text)}\n"
        "Acknowledged for ana by bo on Thu Apr 30 12:00.\n"
        "Snoozed for ana by bo on Thu Apr 30 12:00, until Thu Apr 30 14:00."
    )
    assert pressed(message) == ["snooze:ref1", "mute:ref1", "why:ref1", "seat:ana"]


def test_what_was_undone_is_not_shown_and_can_be_done_again() -> None:
    undone = [replace(ACK, undone_at=LATER), replace(MUTE, undone_at=LATER)]
    assert shown(BLOCKED, actions=undone) == shown(BLOCKED)


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (ACK, "Acknowledged for ana by bo on Thu Apr 30 12:00."),
        (SNOOZE, "Snoozed for ana by bo on Thu Apr 30 12:00, until Thu Apr 30 14:00."),
        (MUTE, "Muted blocks for ana by bo on Thu Apr 30 12:00."),
        (replace(MUTE, seat=None), "Muted blocks by bo on Thu Apr 30 12:00."),
        (
            replace(MUTE, until=LATER),
            "Muted blocks for ana by bo on Thu Apr 30 12:00, until Thu Apr 30 14:00.",
        ),
    ],
)
def test_an_act_is_one_sentence(action: AlertAction, text: str) -> None:
    assert plain(action_text(action, BERLIN)) == text
    assert action_line(action, BERLIN).title == action_text(action, BERLIN)


def test_a_person_who_acts_cannot_fill_the_card_with_a_name() -> None:
    text = plain(action_text(replace(ACK, by="x\n" * 500), BERLIN))
    assert "\n" not in text
    assert len(text) < 90


def test_several_in_one_message_have_a_line_each() -> None:
    message = shown(BLOCKED, FULL, level("90%", 120), heading=AT_ONCE)
    assert message.title == "3 alerts"
    assert message.severity is Severity.CRITICAL
    (section,) = message.sections
    assert section.heading is None
    assert tuple(map(plain, section.lines)) == (
        "Thu Apr 30 12:00: ana is BLOCKED: $50.00 of $50.00.",
        "Thu Apr 30 12:00: bo: the 5-hour window is full.",
        "Thu Apr 30 14:00: ana passed 90% of the cap: $42.00 of $50.00 (84%).",
    )
    assert message.fallback == f"3 alerts. {' '.join(section.lines)}"
    assert pressed(message) == ["ack:ref1", "snooze:ref1", "mute:ref1", "why:ref1"]


def test_several_of_one_minute_say_it_once_and_at_once_not_at_all() -> None:
    lines = ("ana is BLOCKED: $50.00 of $50.00.", "bo: the 5-hour window is full.")
    now = shown(BLOCKED, FULL, heading=AT_ONCE)
    assert (now.sections[0].lines, now.text) == (lines, "")
    late = shown(BLOCKED, FULL, heading="While Slack was unreachable, 3h")
    assert (late.sections[0].lines, plain(late.text)) == (lines, "All at Thu Apr 30 12:00.")


def test_several_that_are_over_are_good_news_for_nobody_in_particular() -> None:
    ends = {BLOCKED.key: UNBLOCKED, FULL.key: replace(UNBLOCKED, resolves=FULL.key)}
    message = shown(BLOCKED, FULL, ended=ends, heading="While Slack was unreachable, 3h", actions=[ACK])
    assert message.severity is Severity.GOOD
    assert all(plain(said).endswith("Resolved Thu Apr 30 14:00.") for said in message.sections[0].lines)
    assert message.owner == {}
    assert plain(message.text) == "All at Thu Apr 30 12:00.\nAcknowledged for ana by bo on Thu Apr 30 12:00."
    assert pressed(message) == ["why:ref1"]


def test_an_alert_that_a_raised_cap_resolves_says_so_without_its_seats_name_again() -> None:
    raised = event(EventKind.METERING_CHANGED, at=BLOCKED.at)
    message = shown(BLOCKED, FULL, ended={BLOCKED.key: raised}, heading=AT_ONCE)
    line = plain(message.sections[0].lines[0])
    assert line.endswith("Resolved Thu Apr 30 12:00: the cap was raised from $50.00 to $100.00.")


def test_several_are_as_loud_as_what_is_still_open() -> None:
    message = shown(BLOCKED, FULL, ended={BLOCKED.key: UNBLOCKED}, heading=AT_ONCE)
    assert message.severity is Severity.WARNING
    assert message.owner == {"slack": "UBO"}


def test_several_of_one_owner_mention_them_and_of_two_nobody() -> None:
    assert shown(BLOCKED, level("90%"), heading=AT_ONCE).owner == {"slack": "UANA"}
    assert shown(BLOCKED, FULL, heading=AT_ONCE).owner == {}
    assert shown(event(EventKind.BUDGET_CROSSED), heading=AT_ONCE).owner == {}


def test_a_line_in_a_thread_is_the_whole_fact() -> None:
    for loud in (True, False):
        message = thread_line(level("90%"), SEATS, BERLIN, broadcast=loud)
        assert message.title == message.fallback == "ana passed 90% of the cap: $42.00 of $50.00 (84%)."
        assert (message.severity, message.loud) == (Severity.WARNING, loud)


def test_the_line_of_an_end_is_never_loud() -> None:
    message = thread_line(UNBLOCKED, SEATS, BERLIN, broadcast=True)
    assert message.title == "ana is no longer blocked: $0.00 of $50.00 (0%)."
    assert not message.loud


def test_a_reminder_says_for_how_long_and_the_channel_sees_it() -> None:
    message = reminder(BLOCKED, SEATS, BERLIN, LATER)
    assert message.title == "Reminder: ana has been blocked for 2h ($50.00 of $50.00)."
    assert message.loud
    assert message.owner == {}


def test_a_seat_that_is_no_longer_configured_keeps_its_name() -> None:
    gone = replace(BLOCKED, seat="carl")
    assert shown(gone).title == "carl is BLOCKED: $50.00 of $50.00"
    assert shown(gone, heading=AT_ONCE).sections[0].lines[0].startswith("carl is BLOCKED")


def delivery(kind: DeliveryKind, one: Event) -> Delivery:
    return Delivery(
        id="delivery",
        event=one,
        chat="slack",
        channel="C0TEAM",
        claimed_by="one",
        kind=kind,
        message=None,
        attempts=1,
        created_at=NOW,
        in_doubt=False,
        root=None,
        content=PostContent("ref1", (BLOCKED, one)),
    )


@pytest.mark.parametrize(("severity", "loud"), [(Severity.INFO, False), (Severity.WARNING, True)])
def test_a_delivery_is_said_as_its_card_or_as_a_line(severity: Severity, *, loud: bool) -> None:
    render = renderer(SEATS, BERLIN, RoutingSettings(broadcast_from=Severity.WARNING))
    later = replace(level("90%"), severity=severity)
    whole = shown(BLOCKED, later)
    assert render(delivery(DeliveryKind.POST, later)) == whole
    assert render(delivery(DeliveryKind.EDIT, later)) == whole
    assert render(delivery(DeliveryKind.REPLY, later)) == thread_line(later, SEATS, BERLIN, broadcast=loud)


# Seats have at most 64 characters, of these.
names = st.sampled_from(["_" * 64, "w" * 64, "-" * 64, "." * 64, "9." * 32]) | st.text(
    alphabet="az09._-", min_size=1, max_size=64
)
HUGE = {"minor": "99999999999", "currency": "USD", "exponent": 2}


@st.composite
def alerts_with_ends(draw: st.DrawFn) -> tuple[Event, Event | None]:
    """One event with the longest words that a team can cause, and what ended it, if anything."""
    name, kind = draw(names), draw(st.sampled_from(EventKind))
    if kind is EventKind.PULL_REQUEST_MERGED:
        one = _merged(name)
    else:
        one = replace(event(kind), seat=None if kind is EventKind.BUDGET_CROSSED else name)
        amounts = {key: HUGE for key, value in one.facts.items() if isinstance(value, dict)}
        one = replace(one, facts={**one.facts, **amounts})
    end = replace(UNBLOCKED, seat=name) if draw(st.booleans()) else None
    return one, end


def _merged(name: str) -> Event:
    window = (datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 4, 29, tzinfo=UTC))
    merged = Merged("o" * 39 + "/" + "r" * 100, 99999, "c0ffee", name, *window)
    bill = Bill((Money(Decimal(99999999999), "USD", 2),), settled=True)
    return merged_event(PullRequest(merged, (name,), bill=bill), NOW, shown=True)


def texts(node: object) -> Iterator[str]:
    if isinstance(node, dict) and node.get("type") in {"rich_text_section", "rich_text_preformatted"}:
        yield "".join(str(each.get("fallback") or each.get("text", "")) for each in node["elements"])
    elif isinstance(node, dict):
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    elif isinstance(node, str):
        yield node


def seen(payload: Any) -> str:
    """What a reader sees, without the marks of markdown that show nothing."""
    text = "\n".join(texts(payload)).replace("\\", "").replace("\u200b", "")
    text = re.sub(r"<!date\^[^|>]*\|([^>]*)>", r"\1", text)
    return re.sub(
        r"<t:(\d+):\w>", lambda mark: moment(datetime.fromtimestamp(int(mark[1]), UTC), BERLIN), text
    )


def longest_actions() -> list[AlertAction]:
    long = replace(ACK, by="_" * 100, seat="_" * 64, event_kind=EventKind.CHARGED_WITHIN_PLAN, until=LATER)
    return [replace(long, id=kind.value, kind=kind) for kind in ActionKind]


@given(
    found=st.lists(alerts_with_ends(), min_size=MOST_TOGETHER, max_size=MOST_TOGETHER), acted=st.booleans()
)
def test_a_card_of_as_many_as_may_be_with_the_longest_words_fits_and_hides_none(
    found: list[tuple[Event, Event | None]], *, acted: bool
) -> None:
    events = tuple(replace(one, key=str(number)) for number, (one, _) in enumerate(found))
    ends = {str(number): end for number, (_, end) in enumerate(found) if end is not None}
    seats = {one.seat: seat(one.seat) for one in events if one.seat is not None}
    heading = "While Discord refused messages, 99d"
    actions = tuple(longest_actions()) if acted else ()
    message = post(PostContent("r" * 20, events, ends, actions, heading), seats, BERLIN)
    slack = blocks.render(message)
    discord = embeds.post_payload(message, "d" * 20)
    assert verdict(slack) is None
    assert problems(discord) == []
    for payload in (slack["blocks"], [{"content": discord["content"]}, *discord["embeds"]]):
        words = seen(payload)
        assert heading in words
        for said in message.sections[0].lines:
            assert plain(said) in words
            assert not plain(said).partition(" Resolved")[0].endswith("…")
        for action in actions:
            assert plain(action_text(action, BERLIN)) in words


def test_a_line_names_the_lower_levels_that_were_crossed_at_once_and_of_a_renewal_no_days() -> None:
    crossed = event(EventKind.THRESHOLD_CROSSED)
    crossed = replace(crossed, facts={**crossed.facts, "also": ["50%"]})
    renewal = event(EventKind.RENEWAL_NEAR)
    renewal = replace(renewal, facts={**renewal.facts, "also": ["7d"]})
    lines = [thread_line(one, SEATS, UTC, broadcast=False).fallback for one in (crossed, renewal)]
    assert ["It also crossed" in text for text in lines] == [True, False]


def renewal(name: str, day: str) -> Event:
    one = event(EventKind.RENEWAL_NEAR, severity=Severity.INFO)
    return replace(one, key=name, seat=name, facts={**one.facts, "date": day})


def test_the_renewals_of_a_morning_are_one_message_with_the_next_first() -> None:
    message = shown(renewal("ana", "2026-05-02"), renewal("bo", "2026-05-01"), heading=AT_ONCE)
    assert message.title == "2 renewals: $400.00"
    assert message.tables[0].rows == (("bo", "Fri May 1", "$200.00"), ("ana", "Sat May 2", "$200.00"))
    assert message.fallback == "2 renewals: $400.00. bo, Fri May 1, $200.00. ana, Sat May 2, $200.00."


@pytest.mark.parametrize("made", [renewal, lambda name, _: replace(BLOCKED, key=name, seat=name)])
def test_what_many_seats_post_together_ends_with_how_many_more_and_where_to_see_them(
    made: Callable[[str, str], Event],
) -> None:
    """It is cut here, because a platform would cut it without a word about where the rest is."""
    message = shown(*(made(f"seat{number}", "2026-05-02") for number in range(300)), heading=AT_ONCE)
    slack, discord = blocks.render(message), embeds.post_payload(message, "d" * 20)
    assert message.title.startswith("300 ")
    assert verdict(slack) is None
    assert problems(discord) == []
    for payload in (str(slack["blocks"]), str(discord).replace("\\n", " ")):
        assert payload.count(" more") == payload.count("and 270 more: see /claude-spend") == 1


def test_renewals_of_one_day_say_the_day_in_the_title() -> None:
    message = shown(renewal("ana", "2026-05-02"), renewal("bo", "2026-05-02"), heading=AT_ONCE)
    assert message.title == "2 renewals on Sat May 2: $400.00"


@pytest.mark.parametrize("unreadable", [None, "", "soon", "2026-13-01", 7])
def test_a_day_that_cannot_be_read_costs_no_other_renewal(unreadable: object) -> None:
    odd = renewal("bo", "2026-05-02")
    odd = replace(odd, facts={**odd.facts, "date": unreadable})
    message = shown(renewal("ana", "2026-05-02"), odd, heading=AT_ONCE)
    assert message.title == "2 renewals: $400.00"
    assert sorted(row[:2] for row in message.tables[0].rows) == [("ana", "Sat May 2"), ("bo", "soon")]
    assert shown(odd).title.startswith("bo renews soon, in 7 days")


def test_renewals_of_which_one_has_no_known_price_have_no_sum() -> None:
    message = shown(renewal("ana", "2026-05-02"), renewal("nobody", "2026-05-02"), heading=AT_ONCE)
    assert message.title == "2 renewals on Sat May 2"


def test_an_alert_says_what_to_type_where_there_are_no_buttons() -> None:
    typed = [action.typed for action in shown(level("50%")).actions]
    assert typed == ["ack ana", "snooze ana 2h", "mute ana", "why ana", "seat ana"]


def test_a_post_that_names_no_seat_offers_nothing_to_type() -> None:
    assert {action.typed for action in shown(replace(level("50%"), seat=A_SEAT.name)).actions} == {""}


def test_a_post_of_two_seats_on_one_account_keeps_the_name_it_began_with() -> None:
    assert shown(level("50%"), replace(level("80%", 5), seat="bo")).title.startswith("ana passed 80%")


def test_a_post_about_several_seats_offers_nothing_to_type_because_a_name_is_one_of_them() -> None:
    both = shown(renewal("ana", "2026-05-02"), renewal("bo", "2026-05-02"), heading=AT_ONCE)
    assert {action.typed for action in both.actions} == {""}
    one = shown(level("50%"), renewal("ana", "2026-05-02"), heading=AT_ONCE)
    assert one.actions[0].typed == "ack ana"
