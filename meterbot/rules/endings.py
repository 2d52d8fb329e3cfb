"""Events that end alerts."""

from collections.abc import Sequence
from dataclasses import replace

from meterbot.core.models import Event, Severity

EDITS_ONLY = "this end only edits the post of its alert"
"""Stands in `muted_by`, where other muted events have the key of the event that mutes them."""


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
