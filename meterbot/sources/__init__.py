"""The contract of a source: how a seat's snapshots are read."""

from datetime import datetime
from typing import Protocol

from meterbot.models import Snapshot


class Source(Protocol):
    """Reads one seat. One per seat, made by `app.py`; it holds the seat's secret and shows it to nobody."""

    async def read(self, now: datetime) -> tuple[Snapshot, ...]:
        """One tick: a snapshot per organization, or one with `org_uuid` None and the health that explains it.

        Never raises for what the outside does; every failure is a health word. `fetched_at` is `now`.
        """
        ...
