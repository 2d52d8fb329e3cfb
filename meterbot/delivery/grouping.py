"""Which delivery leaves a channel's queue next, alone or grouped with others, and which has become needless.

A burst becomes one message. Alerts that still hold are sent first; those that no longer hold after an outage are
summarised in one message. No fact is dropped: a message names each of them, and the next message those that found no
room.
"""

from collections.abc import Sequence
from datetime import datetime

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
)
from meterbot.core.models import EventKind
from meterbot.delivery.after_outage import delay, is_late, is_over

MOST_TOGETHER = 12
"""This many fit into one message on every platform, one line each."""
AT_ONCE = "at once"
"""The heading where the events have only their time in common."""


def grouping(group_threshold: int, chat: str) -> Choose:
    """The choice for a chat: from `group_threshold` waiting posts on, they become one."""

    def choose(
        waiting: Sequence[WaitingDelivery], trouble: DestinationTrouble | None, now: datetime
    ) -> Choice:
        together = [each for each in waiting if each.groupable and each.purpose is Purpose.ALERT]
        posts = [each for each in together if each.kind is DeliveryKind.POST]
        holding = [each for each in posts if not is_over(each, now)]
        over = [each for each in posts if is_over(each, now)]
        lines = [each for each in together if each.kind is DeliveryKind.REPLY and is_late(each, now)]
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
    late = [each for each in members if is_late(each, now)]
    return Choice(tuple(each.id for each in members), delay(late, chat, trouble, now) if late else AT_ONCE)


def _comes_before(over: WaitingDelivery, news: WaitingDelivery) -> bool:
    """Alerts that still hold go first, but the events of one seat stay in order."""
    same = over.event.seat == news.event.seat and over.priority <= news.priority
    return same and over.created_at < news.created_at


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
