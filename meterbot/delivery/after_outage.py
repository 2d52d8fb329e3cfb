"""What happens to an alert that had to wait, because of an outage, quiet hours or a snooze: whether it still holds, and
how its message says why it comes late. `grouping` sends those that still hold first.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from meterbot.core.deliveries import DestinationTrouble, WaitingDelivery, lasts
from meterbot.core.models import EventKind
from meterbot.core.text import span

LATE = timedelta(minutes=15)
_LATE_RENEWAL = timedelta(hours=6)
"""A renewal stays true for the whole day."""
_WHILE = "while "
_REASONS = 2
_CHATS = {"slack": "Slack", "discord": "Discord"}


def is_over(each: WaitingDelivery, now: datetime) -> bool:
    """Whether it has waited long and no longer holds."""
    return is_late(each, now) and (each.ended or not lasts(each.event, now))


def is_late(each: WaitingDelivery, now: datetime) -> bool:
    """Whether it waited so long that it may no longer hold."""
    return now - each.created_at >= (_LATE_RENEWAL if each.event.kind is EventKind.RENEWAL_NEAR else LATE)


def while_out(chat: str, trouble: DestinationTrouble, now: datetime) -> str:
    """`while Slack was unreachable, 3 h`"""
    verb = "refused messages" if trouble.refused else "was unreachable"
    return f"{_WHILE}{_CHATS.get(chat, chat)} {verb}, {span(now - trouble.since)}"


def delay(
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
