"""Which rule of a post is to be muted, by what somebody typed or pressed."""

from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches

from meterbot.core.deliveries import PostContent
from meterbot.core.messages import Message, button
from meterbot.core.models import Event
from meterbot.core.text import listed, one_line
from meterbot.delivery.alerts.message import TEAM

_MOST_CHOICES = 10


def rule_to_mute(content: PostContent, now: datetime, which: Sequence[str]) -> Event | Message:
    """The event whose rule is to be muted, or a message that asks which one. A rule without a seat is the team's."""
    open_ = content.open_at(now) or content.events
    rules = {(event.kind.value, *([event.seat] if event.seat else [])): event for event in open_}
    given = _with_whole_kind(tuple(which), [rule[0] for rule in rules])
    wanted = [event for rule, event in rules.items() if rule[: len(given)] == given]
    if given in rules:
        wanted = [rules[given]]
    if len(wanted) == 1:
        return wanted[0]
    several = len({event.seat for event in rules.values()}) > 1
    choices = [
        choice
        for rule, event in rules.items()
        for choice in button(
            f"{rule[0]} of {event.seat or 'the team'}" if several else rule[0],
            "mute",
            content.ref,
            *rule,
            typed=f"mute {event.seat or TEAM} {rule[0]}",
        )
    ]
    said = listed([choice.label for choice in choices])
    why = (
        "This message contains several alerts."
        if wanted
        else f"This message has no alert “{one_line(' '.join(given), 40)}”."
    )
    near = get_close_matches(given[0], [rule[0] for rule in rules], n=1) if given and not wanted else []
    text = f"{why} Did you mean “{near[0]}”?" if near else f"{why} Which one do you want to mute: {said}?"
    return Message("Mute which rule?", "Mute which rule?", text=text, actions=tuple(choices[:_MOST_CHOICES]))


def _with_whole_kind(given: tuple[str, ...], kinds: Sequence[str]) -> tuple[str, ...]:
    """The kind of alert may be the beginning of one."""
    starting = {kind for kind in kinds if given and kind.startswith(given[0])}
    return (*starting, *given[1:]) if len(starting) == 1 else given
