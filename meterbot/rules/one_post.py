"""Several events of one reading that are one fact: one of them is posted and says the others too."""

from collections.abc import Sequence
from dataclasses import replace

from meterbot.core.models import Event, EventKind


def one_post_per_fact(events: Sequence[Event]) -> tuple[Event, ...]:
    """The same events, with those that another one reports marked by `muted_by`.

    Spend that starts because a window is full reports the window. A changed cap is reported by the end of a block, or by
    the level that the new cap crossed.
    """
    found = {event.kind: event for event in events if event.muted_by is None}
    changed, full = found.get(EventKind.METERING_CHANGED), EventKind.WINDOW_FULL
    started = found.get(EventKind.SPEND_STARTED)
    reporter = found.get(EventKind.SEAT_UNBLOCKED) or found.get(EventKind.THRESHOLD_CROSSED)
    if changed is None or EventKind.SEAT_BLOCKED in found:
        reporter = None
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
