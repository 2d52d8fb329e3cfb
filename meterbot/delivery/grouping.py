"""What leaves next at one destination: alone, or several in one message.

A burst coalesces, so that nobody gets a hundred posts. After an outage what still holds is told, and what no longer
does is summed up. No fact is dropped: each is named by the message it went into.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from meterbot.core.deliveries import (
    Choice,
    Choose,
    DeliveryKind,
    DestinationTrouble,
    Purpose,
    Waiting,
    lasts,
)
from meterbot.core.text import span

LATE = timedelta(minutes=15)
"""What waited longer may be over."""
MOST_TOGETHER = 12
"""As many as every platform can show in one message, a line each."""
_WHILE = "while "
_REASONS = 2
_CHATS = {"slack": "Slack", "discord": "Discord"}


def while_out(chat: str, trouble: DestinationTrouble, now: datetime) -> str:
    """`while Slack was unreachable, 3 h`"""
    verb = "refused messages" if trouble.refused else "was unreachable"
    return f"{_WHILE}{_CHATS.get(chat, chat)} {verb}, {span(now - trouble.since)}"


def grouping(group_threshold: int, chat: str) -> Choose:
    """The choice for a chat where `group_threshold` posts that wait together become one."""

    def choose(waiting: Sequence[Waiting], trouble: DestinationTrouble | None, now: datetime) -> Choice:
        together = [each for each in waiting if each.rendered and each.purpose is Purpose.TELL]
        posts = [each for each in together if each.kind is DeliveryKind.POST]
        holding = [each for each in posts if not _is_over(each, now)]
        over = [each for each in posts if _is_over(each, now)]
        lines = [each for each in together if each.kind is DeliveryKind.REPLY and _is_late(each, now)]
        if len(lines) >= group_threshold:
            over += lines
        burst = holding[:MOST_TOGETHER] if len(holding) >= group_threshold else []
        first = next((each for each in waiting if each not in over), None)
        news = burst or [each for each in holding if each is first]
        before = [each for each in over if any(_comes_before(each, one) for one in news)]
        if burst and not before:
            return _together(burst, f"{len(burst)} at once", chat, trouble, now)
        if first is not None and not before and (news or not over):
            return Choice((first.id,))
        over = before + [each for each in over if each not in before]
        return _together(over, _count(over, now), chat, trouble, now)

    return choose


def _comes_before(over: Waiting, news: Waiting) -> bool:
    """What still holds goes first, but for where a seat's own story would run backwards."""
    same = over.event.seat == news.event.seat and over.lane <= news.lane
    return same and over.created_at < news.created_at


def _together(
    members: Sequence[Waiting], what: str, chat: str, trouble: DestinationTrouble | None, now: datetime
) -> Choice:
    chosen = members[:MOST_TOGETHER]
    late = [each for each in chosen if _is_late(each, now)]
    heading = f"{_while(late, chat, trouble, now)}: {what}" if late else what
    return Choice(tuple(each.id for each in chosen), heading)


def _while(late: Sequence[Waiting], chat: str, trouble: DestinationTrouble | None, now: datetime) -> str:
    """`While Slack was unreachable, 3 h`"""
    reasons = sorted({each.held for each in late if each.held is not None})
    if len(reasons) == 1 and reasons[0].startswith(_WHILE):
        return _capital(reasons[0])
    if reasons:
        more = f" and {len(reasons) - _REASONS} more reasons" if len(reasons) > _REASONS + 1 else ""
        return f"Held back ({'; '.join(reasons[:_REASONS] if more else reasons)}{more})"
    if trouble is not None:
        return _capital(while_out(chat, trouble, now))
    waited = now - min(each.created_at for each in late)
    return f"While meterbot could not tell, {span(waited)}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _count(members: Sequence[Waiting], now: datetime) -> str:
    chosen = members[:MOST_TOGETHER]
    if not all(_is_over(each, now) or each.event.resolves is not None for each in chosen):
        return f"{len(chosen)} at once"
    return "1 alert that is over" if len(chosen) == 1 else f"{len(chosen)} alerts that are over"


def _is_over(each: Waiting, now: datetime) -> bool:
    """It waited long, and does not hold any more."""
    return _is_late(each, now) and (each.ended or not lasts(each.event, now))


def _is_late(each: Waiting, now: datetime) -> bool:
    return now - each.created_at >= LATE
