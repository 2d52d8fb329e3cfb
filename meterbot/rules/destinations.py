"""The rule about destinations: one that accepts no messages is reported at the others."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from meterbot.core.deliveries import Destination, DestinationTrouble
from meterbot.core.models import Event, EventKind, Severity
from meterbot.rules.fact_json import instant
from meterbot.rules.memory import DestinationMemory
from meterbot.rules.settings import RuleSettings

_REFUSED_GRACE = timedelta(minutes=1)
"""A refusal does not end by itself, so it is reported sooner."""


def watch_destinations(
    memory: DestinationMemory,
    troubled: Mapping[Destination, DestinationTrouble],
    settings: RuleSettings,
    now: datetime,
) -> tuple[DestinationMemory, list[Event]]:
    """Once per episode, after a grace time; and its end."""
    found = {f"{at.chat} {at.channel}": (at, trouble) for at, trouble in troubled.items()}
    down, events = dict(memory.down), list[Event]()
    for place, (at, trouble) in sorted(found.items()):
        grace = _REFUSED_GRACE if trouble.refused else settings.source_grace
        if place not in down and now - trouble.since >= grace:
            event = _down(place, at, trouble, now)
            down[place] = event.key
            events.append(event)
    for place in sorted(down.keys() - found.keys()):
        events.append(_up(place, down.pop(place), now))
    return DestinationMemory(down), list(settings.enabled(*events))


def _down(place: str, at: Destination, trouble: DestinationTrouble, now: datetime) -> Event:
    return Event(
        key=f"{EventKind.DESTINATION_DOWN.value}:{place}:{instant(trouble.since)}",
        kind=EventKind.DESTINATION_DOWN,
        at=now,
        severity=Severity.WARNING,
        reason=f"{place} has accepted no message since {instant(trouble.since)}",
        facts={
            "chat": at.chat,
            "channel": at.channel,
            "reason": trouble.reason,
            "since": instant(trouble.since),
            "refused": trouble.refused,
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
