"""Whether a seat's session ends soon, if its cookie says when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from meterbot.core.models import Event, EventKind, Seat, Severity
from meterbot.rules.facts import instant
from meterbot.rules.memory import SourceMemory
from meterbot.rules.settings import RuleSettings

SESSION_DAYS = (7, 3, 1)
"""How many days before its end a session is reported."""


def ends_soon(ends_at: datetime, now: datetime) -> bool:
    """Whether this end may be worth an alert."""
    return timedelta(0) < ends_at - now <= timedelta(days=max(SESSION_DAYS))


def watch_session(
    memory: SourceMemory, ends_at: datetime, seat: Seat, settings: RuleSettings, now: datetime
) -> tuple[SourceMemory, tuple[Event, ...]]:
    """The end is one of `SESSION_DAYS` away, or closer and not yet reported. Each number is reported once per day of
    the end, only the smallest. A renewal moves the end, which starts again."""
    day, left = ends_at.astimezone(UTC).date(), ends_at - now
    told = memory.alerted_session_days if memory.session_end == day else ()
    reached = [days for days in SESSION_DAYS if timedelta(0) < left <= timedelta(days=days)]
    new = [days for days in reached if days not in told]
    if not new or EventKind.SESSION_EXPIRING not in settings.kinds:
        return memory, ()
    memory = replace(memory, session_end=day, alerted_session_days=(*told, *new))
    level = f"{new[-1]}d"
    event = Event(
        key=f"session_expiring:{seat.name}:{day.isoformat()}:{level}",
        kind=EventKind.SESSION_EXPIRING,
        at=now,
        severity=Severity.WARNING,
        reason=f"the session's cookie ends at {instant(ends_at)}, {level[:-1]} days or fewer from now",
        seat=seat.name,
        level=level,
        facts={
            "ends_at": instant(ends_at),
            "level": level,
            "also": [f"{days}d" for days in new[:-1]],
        },
    )
    return memory, (event,)
