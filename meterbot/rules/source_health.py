"""Whether a seat's source is down, or works again."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from meterbot.core.models import Event, EventKind, Health, LastKnown, Seat, Severity, SourceState
from meterbot.rules.fact_json import instant, money_fact
from meterbot.rules.memory import SourceMemory
from meterbot.rules.remedies import remedy
from meterbot.rules.settings import RuleSettings


def watch_source(
    memory: SourceMemory,
    state: SourceState,
    seat: Seat,
    settings: RuleSettings,
    now: datetime,
    *,
    known: Iterable[LastKnown] = (),
) -> tuple[SourceMemory, tuple[Event, ...]]:
    """One alert per outage that lasts longer than the grace time, ended by a healthy reading.

    A change from one failure to another is the same outage. Waiting for the first reading is none. Called when the
    state changes and as time passes. `known`: what is known of each of the seat's counters.
    """
    if state.health is Health.NEVER_SEEN:
        return memory, ()
    if state.health is Health.OK:
        if memory.unhealthy_since is None and memory.down is None:
            return memory, ()
        recovered = replace(memory, unhealthy_since=None, down=None)
        return recovered, settings.enabled(_up(memory, seat, now))
    since = min(memory.unhealthy_since or state.since or now, now)  # the clock may have been set back
    memory = replace(memory, unhealthy_since=since)
    if memory.down is not None or not _is_late(state, seat, now - since, settings, now):
        return memory, ()
    event = _down(state, seat, since, now, known)
    return replace(memory, down=event.key), settings.enabled(event)


def _is_late(
    state: SourceState, seat: Seat, lasted: timedelta, settings: RuleSettings, now: datetime
) -> bool:
    """A silent machine may be a laptop that is switched off, which is no failure."""
    if seat.source == "push" and state.health is Health.STALE and state.last_ok_at is not None:
        return now - state.last_ok_at > settings.push_silence
    return lasted > settings.source_grace


def _down(
    state: SourceState, seat: Seat, since: datetime, now: datetime, known: Iterable[LastKnown]
) -> Event:
    advice = remedy(state.health, seat.source)
    return Event(
        key=f"source_down:{seat.name}:{instant(since)}",
        kind=EventKind.SOURCE_DOWN,
        at=now,
        severity=Severity.WARNING,
        reason=f"no healthy reading since {since:%Y-%m-%d %H:%M} UTC, the last answer was {state.health.value}",
        seat=seat.name,
        facts={
            "health": state.health.value,
            "since": instant(since),
            "detail": state.detail,
            "remedy": advice,
            "last_ok_at": instant(state.last_ok_at),
            **_last_amount(known),
        },
    )


def _last_amount(known: Iterable[LastKnown]) -> dict[str, object]:
    """The last good amount and when it was read. Of several organizations no single amount is the seat's."""
    read = [
        (one.extra_usage_at, extra.used)
        for one in known
        if (extra := one.snapshot.extra_usage) is not None
        and extra.used is not None
        and one.extra_usage_at is not None
    ]
    at, used = read[0] if len(read) == 1 else (None, None)
    return {"last_used": money_fact(used), "last_used_at": instant(at)}


def _up(memory: SourceMemory, seat: Seat, now: datetime) -> Event | None:
    if memory.down is None or memory.unhealthy_since is None:
        return None
    since = memory.unhealthy_since
    return Event(
        key=f"source_up:{seat.name}:{instant(since)}",
        kind=EventKind.SOURCE_UP,
        at=now,
        severity=Severity.GOOD,
        reason=f"healthy again after having been down since {since:%Y-%m-%d %H:%M} UTC",
        seat=seat.name,
        resolves=memory.down,
        facts={"down_since": instant(since)},
    )
