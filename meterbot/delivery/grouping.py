"""Which delivery leaves a channel's queue next, alone or grouped with others.

A burst becomes one message. `delivery/after_outage` says what comes late. No fact is dropped: the message names each of
them, and the next message those that found no room.
"""

from collections.abc import Sequence
from datetime import datetime

from meterbot.core.deliveries import (
    MOST_NAMED,
    Choice,
    Choose,
    DeliveryKind,
    DestinationTrouble,
    Purpose,
    WaitingDelivery,
)
from meterbot.core.models import EventKind
from meterbot.delivery.after_outage import comes_before, delay, is_late, is_over

MOST_TOGETHER = 12
"""This many fit into one message on every platform, one line each."""
MOST_RENEWALS = MOST_NAMED
"""They are rows of one table. A team whose seats renew on one day should get few posts."""
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
        before = [each for each in over if any(comes_before(each, one) for one in news)]
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
    """Many posts at once, or at least two renewals of one morning."""
    renewals = [each for each in holding if each.event.kind is EventKind.RENEWAL_NEAR]
    if len(holding) >= group_threshold and renewals != holding:
        return holding[:MOST_TOGETHER]
    return renewals[:MOST_RENEWALS] if first in renewals and len(renewals) > 1 else []


def _together(
    members: Sequence[WaitingDelivery], chat: str, trouble: DestinationTrouble | None, now: datetime
) -> Choice:
    late = [each for each in members if is_late(each, now)]
    return Choice(tuple(each.id for each in members), delay(late, chat, trouble, now) if late else AT_ONCE)
