"""Marks events of one reading that say the same, so that they become one message."""

from collections.abc import Sequence
from dataclasses import replace

from meterbot.core.models import Event, EventKind

_REPORT_CHANGES = (EventKind.SEAT_BLOCKED, EventKind.SEAT_UNBLOCKED, EventKind.THRESHOLD_CROSSED)
"""The first of these that a reading causes also says what changed."""


def mark_duplicates(events: Sequence[Event]) -> tuple[Event, ...]:
    """The same events, with `muted_by` on those that another one includes. A spend that starts because a window is
    full includes the window. A block, its end, or the level that a new cap crosses includes the changed cap."""
    found = {event.kind: event for event in events if event.muted_by is None}
    changed, full = found.get(EventKind.METERING_CHANGED), EventKind.WINDOW_FULL
    started = found.get(EventKind.SPEND_STARTED)
    reporter = (
        None if changed is None else next((found[kind] for kind in _REPORT_CHANGES if kind in found), None)
    )
    return tuple(
        replace(event, muted_by=started.key)
        if started is not None and event.kind is full and event.muted_by is None
        else replace(event, muted_by=reporter.key)
        if reporter is not None and event is changed
        else replace(event, facts={**event.facts, "changes": changed.facts["changes"]})
        if reporter is not None and changed is not None and event is reporter
        else event
        for event in events
    )
