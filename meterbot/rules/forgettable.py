"""Which old events may be deleted."""

from datetime import date, datetime, timedelta

from meterbot.core.models import Event, EventKind
from meterbot.rules.memory import CounterMemory, SourceMemory, TeamMemory
from meterbot.rules.months import month_start

_EARLY = timedelta(days=1)
"""A period's first events may have a time slightly before its month: clocks differ, and resets come late."""


def can_be_forgotten(
    event: Event, counter: CounterMemory, source: SourceMemory, team: TeamMemory, now: datetime
) -> bool:
    """Whether no rule will need an event again: its key cannot come again, and no alert of it is open.

    Keys contain a reading's time, a period or a day. Readings come in order, so the first kind cannot come again; the
    others cannot once the period is over and the day has passed. The memories are those of the event's counter and
    seat, and of the team.
    """
    if event.key in {None if counter.block is None else counter.block.key, source.down}:
        return False
    if _awaited(event) >= now.date() - _EARLY:
        return False
    period = team.month if event.kind is EventKind.BUDGET_CROSSED else counter.period
    return period is None or event.at < month_start(period[:7]) - _EARLY


def _awaited(event: Event) -> date:
    """The day in the key, if it lies ahead: of a charge, or of a session's end."""
    fact = {EventKind.RENEWAL_NEAR: "date", EventKind.SESSION_EXPIRING: "ends_at"}.get(event.kind)
    day = None if fact is None else event.facts[fact]
    return date.fromisoformat(day[:10]) if isinstance(day, str) else event.at.date()
