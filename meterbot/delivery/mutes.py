"""Which rule of a post is to be muted, by what somebody typed or pressed."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from difflib import get_close_matches

from meterbot.core.deliveries import PostContent
from meterbot.core.messages import Message, button
from meterbot.core.models import Event, EventKind
from meterbot.core.text import listed, one_line
from meterbot.delivery.alerts import KIND_WORDS
from meterbot.delivery.alerts.message import TEAM

_MOST_CHOICES = 10


def rule_to_mute(content: PostContent, now: datetime, which: Sequence[str]) -> Event | Message:
    """The event whose rule is to be muted, or a message that asks which one. A rule without a seat is the team's."""
    open_ = content.open_at(now) or content.events
    rules = {(event.kind.value, *([event.seat] if event.seat else [])): event for event in open_}
    given = _with_whole_kind(tuple(which), {event.kind for event in open_})
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
            KIND_WORDS[event.kind] + (f" of {event.seat or 'the team'}" if several else ""),
            "mute",
            content.ref,
            *rule,
            typed=f"mute {event.seat or TEAM} {KIND_WORDS[event.kind]}",
        )
    ]
    other = f"This message has no alert “{one_line(' '.join(given), 40)}”."
    why = "This message contains several alerts." if wanted else other
    near = _near(" ".join(given), {event.kind for event in open_}) if not wanted else None
    said = listed([choice.label for choice in choices])
    text = f"{why} Did you mean “{near}”?" if near else f"{why} Which one do you want to mute: {said}?"
    return Message("Mute which rule?", "Mute which rule?", text=text, actions=tuple(choices[:_MOST_CHOICES]))


def _with_whole_kind(given: tuple[str, ...], kinds: AbstractSet[EventKind]) -> tuple[str, ...]:
    """The kind of alert may be the beginning of one, or the beginning of its plain words."""
    said = " ".join(given)
    worded = [kind for kind in kinds if given and KIND_WORDS[kind].startswith(said)]
    if len(worded) == 1:
        return (worded[0].value,)
    starting = [kind for kind in kinds if given and kind.value.startswith(given[0])]
    return (starting[0].value, *given[1:]) if len(starting) == 1 else given


def _near(said: str, kinds: AbstractSet[EventKind]) -> str | None:
    """The plain words that were probably meant."""
    names = {name: KIND_WORDS[kind] for kind in kinds for name in (kind.value, KIND_WORDS[kind])}
    return next((names[name] for name in get_close_matches(said, names, n=1)), None)
