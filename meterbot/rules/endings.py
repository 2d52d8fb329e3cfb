"""Events that end alerts."""

from collections.abc import Sequence
from dataclasses import replace

from meterbot.core.models import Event


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
