"""Which delivery leaves a channel's queue next, alone or grouped with others, and which has become needless.

A burst becomes one message. After an outage, quiet hours or a snooze, alerts that still hold are sent first; those that
no longer hold are summarised in one message, which says why they come late. No fact is dropped: a message names each of
them, and the next message those that found no room.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from meterbot.core.deliveries import (
    MOST_NAMED,
    ActionKind,
    Choice,
    Choose,
    Delivery,
    DeliveryKind,
    DestinationTrouble,
    Purpose,
    WaitingDelivery,
    lasts,
)
from meterbot.core.models import EventKind
from meterbot.core.text import span

MOST_TOGETHER = 12
"""This many fit into one message on every platform, one line each."""
AT_ONCE = "at once"
"""The heading where the events have only their time in common."""
LATE = timedelta(minutes=15)
"""An alert that waited longer may no longer hold."""
_LATE_RENEWAL = timedelta(hours=6)
"""A renewal stays true for the whole day."""
_WHILE = "while "
_REASONS = 2
_CHATS = {"slack": "Slack", "discord": "Discord"}


def grouping(group_threshold: int, chat: str) -> Choose:
    """The choice for a chat: from `group_threshold` waiting posts on, they become one."""

    def choose(
        waiting: Sequence[WaitingDelivery], trouble: DestinationTrouble | None, now: datetime
    ) -> Choice:
        together = [each for each in waiting if each.groupable and each.purpose is Purpose.ALERT]
        posts = [each for each in together if each.kind is DeliveryKind.POST]
        holding = [each for each in posts if not _is_over(each, now)]
        over = [each for each in posts if _is_over(each, now)]
        lines = [each for each in together if each.kind is DeliveryKind.REPLY and _is_late(each, now)]
        if len(lines) >= group_threshold:
            over += lines
        first = next((each for each in waiting if each not in over), None)
        burst = _burst(holding, first, group_threshold)
        news = burst or [each for each in holding if each is first]
        before = [each for each in over if any(_comes_before(each, one) for one in news)]
        if burst and not before:
            return _together(burst, chat, trouble, now)
        if first is not None and not before and (news or not over):
            return Choice((first.id,))
        old = before + [each for each in over if each not in before]
        return _together(old[:MOST_TOGETHER], chat, trouble, now)

    return choose


def _burst(
    holding: Sequence[WaitingDelivery], first: WaitingDelivery | None, group_threshold: int
) -> Sequence[WaitingDelivery]:
    """Many posts at once, or at least two renewals of one morning, which are rows of one table."""
    renewals = [each for each in holding if each.event.kind is EventKind.RENEWAL_NEAR]
    if len(holding) >= group_threshold and renewals != holding:
        return holding[:MOST_TOGETHER]
    return renewals[:MOST_NAMED] if first in renewals and len(renewals) > 1 else []


def _together(
    members: Sequence[WaitingDelivery], chat: str, trouble: DestinationTrouble | None, now: datetime
) -> Choice:
    late = [each for each in members if _is_late(each, now)]
    return Choice(tuple(each.id for each in members), _delay(late, chat, trouble, now) if late else AT_ONCE)


def _is_over(each: WaitingDelivery, now: datetime) -> bool:
    """Whether it has waited long and no longer holds."""
    return _is_late(each, now) and (each.ended or not lasts(each.event, now))


def _is_late(each: WaitingDelivery, now: datetime) -> bool:
    return now - each.created_at >= (_LATE_RENEWAL if each.event.kind is EventKind.RENEWAL_NEAR else LATE)


def _comes_before(over: WaitingDelivery, news: WaitingDelivery) -> bool:
    """Alerts that still hold go first, but the events of one seat stay in order."""
    same = over.event.seat == news.event.seat and over.priority <= news.priority
    return same and over.created_at < news.created_at


def while_out(chat: str, trouble: DestinationTrouble, now: datetime) -> str:
    """`while Slack was unreachable, 3 h`"""
    verb = "refused messages" if trouble.refused else "was unreachable"
    return f"{_WHILE}{_CHATS.get(chat, chat)} {verb}, {span(now - trouble.since)}"


def _delay(
    late: Sequence[WaitingDelivery], chat: str, trouble: DestinationTrouble | None, now: datetime
) -> str:
    """`While Slack was unreachable, 3 h`, `Held back (quiet hours)`, `Delayed by 3 h`"""
    reasons = sorted({each.held for each in late if each.held is not None})
    if not reasons and trouble is not None:
        reasons = [while_out(chat, trouble, now)]
    if not reasons:
        return f"Delayed by {span(now - min(each.created_at for each in late))}"
    if len(reasons) == 1 and reasons[0].startswith(_WHILE):
        return reasons[0].replace(_WHILE, _WHILE.capitalize(), 1)
    more = f" and {len(reasons) - _REASONS} more reasons" if len(reasons) > _REASONS + 1 else ""
    # A reason can have a comma of its own: "while Slack was unreachable, 3h".
    return f"Held back ({'; '.join(reasons[:_REASONS] if more else reasons)}{more})"


def needless(delivery: Delivery) -> str | None:
    """Why nothing has to be sent; None if something has."""
    if delivery.kind is DeliveryKind.POST:
        return None
    if delivery.root is None:
        return "the message it refers to was never posted"
    if delivery.kind is DeliveryKind.EDIT:
        unchanged = delivery.message is None and delivery.shown_hash == delivery.content.content_hash
        return "the message shows it already" if unchanged else None
    if delivery.purpose is Purpose.ALERT:
        return (
            "the message already said so when it was posted"
            if delivery.event.key in delivery.posted_events
            else None
        )
    return _needless_reminder(delivery) if delivery.purpose is Purpose.REMINDER else None


def _needless_reminder(reminder: Delivery) -> str | None:
    if reminder.event.key in reminder.content.endings:
        return "it is over"
    acknowledged = any(
        action.kind is ActionKind.ACK and action.alert == reminder.event.key and action.undone_at is None
        for action in reminder.content.actions
    )
    return "somebody is taking care of it" if acknowledged else None
