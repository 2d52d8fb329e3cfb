"""The rule about destinations: one that accepts no messages is reported at the others."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterbot.core.models import Event, EventKind, Severity
from meterbot.rules.fact_json import instant
from meterbot.rules.memory import DestinationMemory
from meterbot.rules.settings import RuleSettings

_REFUSED_GRACE = timedelta(minutes=1)
"""A refusal does not end by itself, so it is reported sooner."""


@dataclass(frozen=True, slots=True)
class DestinationProblem:
    """Why messages wait at a destination, and since when. `refused`: a person must change something."""

    chat: str
    channel: str
    reason: str
    since: datetime
    refused: bool

    @property
    def place(self) -> str:
        return f"{self.chat} {self.channel}"


def watch_destinations(
    memory: DestinationMemory, problems: Iterable[DestinationProblem], settings: RuleSettings, now: datetime
) -> tuple[DestinationMemory, list[Event]]:
    """Once per episode, after a grace time; and its end."""
    found = {each.place: each for each in problems}
    down, events = dict(memory.down), list[Event]()
    for place, each in sorted(found.items()):
        grace = _REFUSED_GRACE if each.refused else settings.source_grace
        if place not in down and now - each.since >= grace:
            event = _down(each, now)
            down[place] = event.key
            events.append(event)
    for place in sorted(down.keys() - found.keys()):
        events.append(_up(place, down.pop(place), now))
    return DestinationMemory(down), list(settings.enabled(*events))


def _down(each: DestinationProblem, now: datetime) -> Event:
    return Event(
        key=f"{EventKind.DESTINATION_DOWN.value}:{each.place}:{instant(each.since)}",
        kind=EventKind.DESTINATION_DOWN,
        at=now,
        severity=Severity.WARNING,
        reason=f"{each.place} has accepted no message since {instant(each.since)}",
        facts={
            "chat": each.chat,
            "channel": each.channel,
            "reason": each.reason,
            "since": instant(each.since),
            "refused": each.refused,
        },
    )


def _up(place: str, down: str, now: datetime) -> Event:
    chat, _, channel = place.partition(" ")
    return Event(
        key=f"{EventKind.DESTINATION_UP.value}:{down}",
        kind=EventKind.DESTINATION_UP,
        at=now,
        severity=Severity.GOOD,
        reason=f"no message is waiting for {place} any more",
        resolves=down,
        facts={"chat": chat, "channel": channel},
    )
