"""What is sent next: nothing is dropped, a burst is one message, and alerts that no longer hold are summarised."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.deliveries import (
    MOST_NAMED,
    Choice,
    DeliveryKind,
    DestinationTrouble,
    Priority,
    Purpose,
    WaitingDelivery,
)
from meterbot.core.models import EventKind
from meterbot.delivery.after_outage import LATE
from meterbot.delivery.grouping import AT_ONCE, MOST_TOGETHER, grouping
from tests.delivery.alerts.events import event
from tests.teams import NOW

CHOOSE = grouping(4, "slack")
THREE_HOURS = timedelta(hours=3)


def waiting(name: str = "a", ago: timedelta = timedelta(), **more: object) -> WaitingDelivery:
    plain = WaitingDelivery(
        id=name,
        kind=DeliveryKind.POST,
        priority=Priority.THRESHOLD,
        event=replace(event(EventKind.THRESHOLD_CROSSED), key=name),
        ended=False,
        created_at=NOW - ago,
        groupable=True,
    )
    return replace(plain, **more)  # type: ignore[arg-type]  # a factory passes what it is given


def several(
    count: int, prefix: str = "a", ago: timedelta = timedelta(), **more: object
) -> list[WaitingDelivery]:
    return [waiting(f"{prefix}{number}", ago, **more) for number in range(count)]


def ids(members: Sequence[WaitingDelivery]) -> tuple[str, ...]:
    return tuple(each.id for each in members)


def test_a_few_posts_leave_one_after_the_other() -> None:
    few = several(3)
    assert CHOOSE(few, None, NOW) == Choice(("a0",))
    assert CHOOSE(few[1:], None, NOW) == Choice(("a1",))


def test_a_burst_becomes_one_message() -> None:
    assert CHOOSE(several(4), None, NOW) == Choice(("a0", "a1", "a2", "a3"), AT_ONCE)
    assert grouping(2, "slack")(several(2), None, NOW) == Choice(("a0", "a1"), AT_ONCE)


def test_a_message_holds_no_more_than_every_platform_shows() -> None:
    many = several(MOST_TOGETHER + 5)
    assert CHOOSE(many, None, NOW) == Choice(ids(many[:MOST_TOGETHER]), AT_ONCE)
    over = several(MOST_TOGETHER + 5, ago=THREE_HOURS, ended=True)
    choice = CHOOSE(over, None, NOW)
    assert choice.ids == ids(over[:MOST_TOGETHER])
    assert choice.heading == "Delayed by 3h"


def test_what_has_words_of_its_own_and_what_goes_on_leave_alone() -> None:
    assert CHOOSE(several(5, groupable=False), None, NOW) == Choice(("a0",))
    assert CHOOSE(several(5, purpose=Purpose.REMINDER), None, NOW) == Choice(("a0",))
    assert CHOOSE(several(5, kind=DeliveryKind.EDIT), None, NOW) == Choice(("a0",))
    assert CHOOSE(several(5, kind=DeliveryKind.REPLY), None, NOW) == Choice(("a0",))


def test_what_ended_before_it_was_late_is_reported_as_it_is() -> None:
    soon = waiting(ago=LATE - timedelta(seconds=1), ended=True)
    assert CHOOSE([soon], None, NOW) == Choice(("a",))
    assert CHOOSE([replace(soon, created_at=NOW - LATE)], None, NOW).heading is not None


def test_what_is_late_and_does_not_change_is_reported_as_it_is() -> None:
    assert CHOOSE([waiting(ago=THREE_HOURS)], None, NOW) == Choice(("a",))


def test_a_window_that_has_reset_meanwhile_is_over() -> None:
    full = replace(event(EventKind.WINDOW_FULL), facts={"resets_at": (NOW - LATE).isoformat()})
    choice = CHOOSE([waiting(ago=THREE_HOURS, event=full)], None, NOW)
    assert choice == Choice(("a",), "Delayed by 3h")
    again = replace(full, facts={"resets_at": (NOW + LATE).isoformat()})
    assert CHOOSE([waiting(ago=THREE_HOURS, event=again)], None, NOW) == Choice(("a",))


def test_what_still_holds_goes_before_what_is_over() -> None:
    over = several(2, "over", THREE_HOURS, ended=True)
    holds = waiting("holds", THREE_HOURS, priority=Priority.DIGEST)
    assert CHOOSE([*over, holds], None, NOW) == Choice(("holds",))
    assert CHOOSE(over, None, NOW).ids == ids(over)


def test_a_burst_that_still_holds_goes_before_what_is_over() -> None:
    over = several(6, "over", THREE_HOURS, ended=True)
    holding = several(4, "holds", THREE_HOURS)
    choice = CHOOSE([*over, *holding], None, NOW)
    assert choice == Choice(ids(holding), "Delayed by 3h")


def test_what_was_before_it_of_the_same_seat_and_as_urgent_goes_before_what_still_holds() -> None:
    holds = waiting("holds", priority=Priority.BLOCKED)
    over = waiting("over", THREE_HOURS, ended=True, priority=Priority.BLOCKED)
    other = waiting("other", THREE_HOURS, ended=True, priority=Priority.BLOCKED)
    other = replace(other, event=replace(other.event, seat="somebody else"))
    assert CHOOSE([over, holds], None, NOW).ids == ("over",)
    assert CHOOSE([other, over, holds], None, NOW).ids == ("over", "other")
    assert CHOOSE([other, holds], None, NOW) == Choice(("holds",))
    assert CHOOSE([replace(over, priority=Priority.DIGEST), holds], None, NOW) == Choice(("holds",))
    burst = several(4, "holds", priority=Priority.BLOCKED)
    assert CHOOSE([over, *burst], None, NOW).ids == ("over",)
    assert CHOOSE([other, *burst], None, NOW).ids == ids(burst)


def test_what_is_over_is_summed_up_before_edits_and_lines() -> None:
    over = several(2, "over", THREE_HOURS, ended=True)
    line = waiting("line", kind=DeliveryKind.REPLY, priority=Priority.BLOCKED)
    assert CHOOSE([line, *over], None, NOW).ids == ids(over)
    assert CHOOSE([line], None, NOW) == Choice(("line",))


@pytest.mark.parametrize(
    ("chat", "trouble", "held", "reason"),
    [
        (
            "slack",
            DestinationTrouble("timed out", NOW - THREE_HOURS),
            None,
            "While Slack was unreachable, 3h",
        ),
        (
            "discord",
            DestinationTrouble("timed out", NOW - THREE_HOURS),
            None,
            "While Discord was unreachable, 3h",
        ),
        (
            "slack",
            DestinationTrouble("not_in_channel", NOW - timedelta(days=3), refused=True),
            None,
            "While Slack refused messages, 3d",
        ),
        ("slack", None, "quiet hours", "Held back (quiet hours)"),
        ("slack", DestinationTrouble("timed out", NOW), "a silence", "Held back (a silence)"),
        ("slack", None, "while Slack was unreachable, 4h", "While Slack was unreachable, 4h"),
        ("slack", None, None, "Delayed by 5h"),
        (
            "console",
            DestinationTrouble("closed", NOW - THREE_HOURS),
            None,
            "While console was unreachable, 3h",
        ),
    ],
)
def test_the_heading_says_why_it_comes_late(
    chat: str, trouble: DestinationTrouble | None, held: str | None, reason: str
) -> None:
    over = several(2, ago=timedelta(hours=5), ended=True, held=held)
    assert grouping(4, chat)(over, trouble, NOW).heading == reason


def test_every_reason_for_holding_back_is_named_once() -> None:
    over = several(2, ago=THREE_HOURS, ended=True, held="quiet hours")
    over.append(waiting("b", THREE_HOURS, ended=True, held="snoozed by bo"))
    heading = CHOOSE(over, None, NOW).heading
    assert heading == "Held back (quiet hours; snoozed by bo)"


def test_of_many_reasons_for_holding_back_two_are_named() -> None:
    people = [waiting(f"a{n}", THREE_HOURS, ended=True, held=f"snoozed by p{n}") for n in range(5)]
    assert CHOOSE(people[:3], None, NOW).heading == (
        "Held back (snoozed by p0; snoozed by p1; snoozed by p2)"
    )
    assert CHOOSE(people, None, NOW).heading == (
        "Held back (snoozed by p0; snoozed by p1 and 3 more reasons)"
    )


def test_late_lines_of_many_threads_are_one_message() -> None:
    end = replace(event(EventKind.SEAT_UNBLOCKED), resolves="seat_blocked:1")
    lines = several(4, ago=THREE_HOURS, kind=DeliveryKind.REPLY, event=end)
    assert CHOOSE(lines[:3], None, NOW) == Choice(("a0",))
    assert CHOOSE(lines, None, NOW) == Choice(ids(lines), "Delayed by 3h")


def test_late_lines_that_still_hold_are_not_called_over() -> None:
    lines = several(5, ago=THREE_HOURS, kind=DeliveryKind.REPLY, held="quiet hours")
    assert CHOOSE(lines, None, NOW) == Choice(ids(lines), "Held back (quiet hours)")
    lines[0] = replace(lines[0], ended=True)
    assert CHOOSE(lines, None, NOW).heading == "Held back (quiet hours)"


events = st.sampled_from(
    [
        event(EventKind.THRESHOLD_CROSSED),
        event(EventKind.WINDOW_FULL),
        event(EventKind.RENEWAL_NEAR),
        replace(event(EventKind.SEAT_UNBLOCKED), resolves="seat_blocked:1"),
    ]
)
items = st.builds(
    waiting,
    ago=st.sampled_from([timedelta(), timedelta(minutes=14), LATE, THREE_HOURS, timedelta(days=9)]),
    kind=st.sampled_from(DeliveryKind),
    priority=st.sampled_from(Priority),
    event=events,
    ended=st.booleans(),
    groupable=st.booleans(),
    purpose=st.sampled_from(Purpose),
    held=st.sampled_from([None, "quiet hours", "snoozed by bo"]),
)
troubles = st.none() | st.builds(
    DestinationTrouble,
    st.just("timed out"),
    st.sampled_from([NOW, NOW - THREE_HOURS]),
    refused=st.booleans(),
)


@given(st.lists(items, max_size=40), st.integers(2, 20), troubles)
def test_every_message_that_waits_leaves_exactly_once(
    found: list[WaitingDelivery], group_threshold: int, trouble: DestinationTrouble | None
) -> None:
    named = [replace(each, id=str(number)) for number, each in enumerate(found)]
    queue = sorted(named, key=lambda each: each.priority)
    choose, left = grouping(group_threshold, "slack"), list[str]()
    while queue:
        choice = choose(queue, trouble, NOW)
        chosen = [each for each in queue if each.id in choice.ids]
        assert len(chosen) == len(choice.ids) in range(1, MOST_TOGETHER + 1)
        assert len(chosen) == 1 or choice.heading is not None
        if choice.heading is not None:
            assert all(each.groupable and each.purpose is Purpose.ALERT for each in chosen)
            assert DeliveryKind.EDIT not in {each.kind for each in chosen}
        left += choice.ids
        queue = [each for each in queue if each not in chosen]
    assert sorted(left) == sorted(each.id for each in named)


def test_two_renewals_are_one_message_and_one_is_its_own() -> None:
    renewals = several(2, event=event(EventKind.RENEWAL_NEAR))
    assert CHOOSE(renewals, None, NOW) == Choice(("a0", "a1"), AT_ONCE)
    assert CHOOSE(renewals[:1], None, NOW) == Choice(("a0",))
    assert CHOOSE([waiting("b"), *renewals], None, NOW) == Choice(("b",))


def test_the_renewals_of_a_large_team_are_a_few_messages_that_name_each() -> None:
    renewals = several(2 * MOST_NAMED + 1, event=event(EventKind.RENEWAL_NEAR))
    assert CHOOSE(renewals, None, NOW) == Choice(ids(renewals[:MOST_NAMED]), AT_ONCE)
    assert CHOOSE(renewals[MOST_NAMED:], None, NOW) == Choice(ids(renewals[MOST_NAMED:-1]), AT_ONCE)
    assert CHOOSE(renewals[-1:], None, NOW) == Choice(ids(renewals[-1:]))
