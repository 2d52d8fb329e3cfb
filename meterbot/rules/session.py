"""Whether a seat's session ends soon: as its cookie says, or as its age suggests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from meterbot.core.models import Event, EventKind, Seat, SessionEnd, Severity
from meterbot.rules.endings import silent_end
from meterbot.rules.fact_json import instant
from meterbot.rules.memory import SourceMemory
from meterbot.rules.settings import RuleSettings

SESSION_DAYS = (7, 3, 1)
"""How many days before its end a session is reported."""


OVERDUE = timedelta(days=14)
"""How long after an estimated end that nobody was alerted to an alert still makes sense."""


def ends_soon(end: SessionEnd, now: datetime) -> bool:
    """Whether this end may be worth an alert."""
    return (-OVERDUE if end.estimated else timedelta(0)) < end.at - now <= timedelta(days=max(SESSION_DAYS))


def watch_session(
    memory: SourceMemory, end: SessionEnd, seat: Seat, settings: RuleSettings, now: datetime
) -> tuple[SourceMemory, tuple[Event, ...]]:
    """The end is one of `SESSION_DAYS` away, or closer and not yet reported. Each number is reported once per day of
    the end, only the smallest. A renewal moves the end, which starts again. An estimated end that has passed and was
    never reported is reported as `0d`, because many sessions last longer."""
    day, left = end.at.astimezone(UTC).date(), end.at - now
    alerted = memory.alerted_session_days if memory.session_end == day else ()
    reached = [days for days in SESSION_DAYS if timedelta(0) < left <= timedelta(days=days)]
    if left <= timedelta(0) and end.estimated and ends_soon(end, now) and not alerted:
        reached = [0]
    new = [days for days in reached if days not in alerted]
    if not new or EventKind.SESSION_EXPIRING not in settings.kinds:
        return memory, ()
    memory = replace(memory, session_end=day, alerted_session_days=(*alerted, *new))
    level = f"{new[-1]}d"
    event = Event(
        key=f"session_expiring:{seat.name}:{day.isoformat()}:{level}",
        kind=EventKind.SESSION_EXPIRING,
        at=now,
        severity=Severity.WARNING,
        reason=_reason(end, level),
        seat=seat.name,
        level=level,
        facts={
            "ends_at": instant(end.at),
            "estimated": end.estimated,
            "level": level,
            "also": [f"{days}d" for days in new[:-1]],
        },
    )
    return memory, (event,)


def is_renewed(alert: Event, end: SessionEnd) -> bool:
    """Whether a later session has replaced the one that the alert is about. An end that is counted again with every
    answer differs by seconds."""
    return end.at - datetime.fromisoformat(str(alert.facts["ends_at"])) > timedelta(days=1)


def renewed(alert: Event, end: SessionEnd, now: datetime) -> Event:
    """The silent end of an alert about a session that was renewed."""
    facts = {**alert.facts, "ends_at": instant(end.at), "estimated": end.estimated, "level": None, "also": []}
    event = replace(alert, at=now, level=None, facts=facts)
    return silent_end(event, alert.key, f"the session was renewed and ends at {instant(end.at)}")


def _reason(end: SessionEnd, level: str) -> str:
    if end.estimated:
        return f"the session is expected to end at {instant(end.at)}: its cookie does not say when"
    return f"the session's cookie ends at {instant(end.at)}, {level[:-1]} days or fewer from now"
