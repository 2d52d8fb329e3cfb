"""Events that end alerts, and which old ones may be deleted."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from meterbot.core.models import Event, EventKind, Severity
from meterbot.rules.memory import CounterMemory, SourceMemory, TeamMemory
from meterbot.rules.months import month_start

EDITS_ONLY = "this end only edits the post of its alert"
"""Stands in `muted_by`, where other muted events have the key of the event that mutes them."""
_EARLY = timedelta(days=1)
"""A period's first events may have a time slightly before its month: clocks differ, and resets come late."""


def silent_end(event: Event, alert: str, reason: str) -> Event:
    """The end of an alert whose cause is gone without anything else to say. `event` has the facts as they are now."""
    return replace(
        event,
        key=f"{alert}:ended",
        severity=Severity.GOOD,
        reason=reason,
        resolves=alert,
        initial=False,
        muted_by=EDITS_ONLY,
    )


def ending(event: Event, alerts: Sequence[str]) -> list[Event]:
    """The event as the end of these alerts, the oldest first. At each destination it is said once, in the
    newest alert's thread. The other alerts are ended by muted events, which only edit their posts."""
    if not alerts:
        return [event]
    others = [
        replace(event, key=f"{event.key}:{number}", resolves=alert, muted_by=event.key)
        for number, alert in enumerate(alerts[:-1], 1)
    ]
    return [replace(event, resolves=alerts[-1]), *others]


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
