"""What happens to an alert that waited: after an outage, quiet hours or a snooze.

Alerts that still hold are sent first. Those that no longer hold are summarised in one message, which says why they come
late. An edit or a reply with nothing left to say is not sent.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from meterbot.core.deliveries import (
    ActionKind,
    Delivery,
    DeliveryKind,
    DestinationTrouble,
    Purpose,
    WaitingDelivery,
    lasts,
)
from meterbot.core.models import EventKind
from meterbot.core.text import span

LATE = timedelta(minutes=15)
"""An alert that waited longer may no longer hold."""
_LATE_RENEWAL = timedelta(hours=6)
"""A renewal stays true for the whole day."""
_WHILE = "while "
_REASONS = 2
_CHATS = {"slack": "Slack", "discord": "Discord"}


def is_over(each: WaitingDelivery, now: datetime) -> bool:
    """Whether it has waited long and no longer holds."""
    return is_late(each, now) and (each.ended or not lasts(each.event, now))


def is_late(each: WaitingDelivery, now: datetime) -> bool:
    return now - each.created_at >= (_LATE_RENEWAL if each.event.kind is EventKind.RENEWAL_NEAR else LATE)


def comes_before(over: WaitingDelivery, news: WaitingDelivery) -> bool:
    """Alerts that still hold go first, but the events of one seat stay in order."""
    same = over.event.seat == news.event.seat and over.priority <= news.priority
    return same and over.created_at < news.created_at


def while_out(chat: str, trouble: DestinationTrouble, now: datetime) -> str:
    """`while Slack was unreachable, 3 h`"""
    verb = "refused messages" if trouble.refused else "was unreachable"
    return f"{_WHILE}{_CHATS.get(chat, chat)} {verb}, {span(now - trouble.since)}"


def delay(
    late: Sequence[WaitingDelivery], chat: str, trouble: DestinationTrouble | None, now: datetime
) -> str:
    """`While Slack was unreachable, 3 h`"""
    reasons = sorted({each.held for each in late if each.held is not None})
    if len(reasons) == 1 and reasons[0].startswith(_WHILE):
        return _capital(reasons[0])
    if reasons:
        more = f" and {len(reasons) - _REASONS} more reasons" if len(reasons) > _REASONS + 1 else ""
        return f"Held back ({'; '.join(reasons[:_REASONS] if more else reasons)}{more})"
    if trouble is not None:
        return _capital(while_out(chat, trouble, now))
    return f"Delayed by {span(now - min(each.created_at for each in late))}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


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
