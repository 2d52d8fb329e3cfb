"""Which events of long ago may be forgotten."""

from datetime import date, datetime, timedelta

from meterbot.core.models import Event, EventKind
from meterbot.rules.memory import CounterMemory, SourceMemory, TeamMemory
from meterbot.rules.months import month_start

_EARLY = timedelta(days=1)
"""A period's first events may be dated a little before its month: clocks differ, and resets come late."""


def can_be_forgotten(
    event: Event, counter: CounterMemory, source: SourceMemory, team: TeamMemory, now: datetime
) -> bool:
    """Whether nothing will ever ask for an event again: its key cannot recur, and no alert of it is open.

    Keys name a reading's instant, a period or a day. Readings come in order of time, so the first never recur; the
    others do not once the period is over and the day has passed. The memories are of the event's counter and seat,
    and the team's.
    """
    if event.key in {None if counter.block is None else counter.block.key, source.down}:
        return False
    if _awaited(event) >= now.date() - _EARLY:
        return False
    period = team.month if event.kind is EventKind.BUDGET_CROSSED else counter.period
    return period is None or event.at < month_start(period[:7]) - _EARLY


def _awaited(event: Event) -> date:
    """The day that the key names where it is one to come: of a charge, or of a session's end."""
    fact = {EventKind.RENEWAL_NEAR: "date", EventKind.SESSION_EXPIRING: "ends_at"}.get(event.kind)
    day = None if fact is None else event.facts[fact]
    return date.fromisoformat(day[:10]) if isinstance(day, str) else event.at.date()
