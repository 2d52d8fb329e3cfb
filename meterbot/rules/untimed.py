"""Readings that come while the clock is far behind what is stored.

Either the clock is wrong now, or it was ahead and is right again: nobody can tell. The order of such readings is known and
their time is not, so each counts from just after the newest one. Levels and blocks are compared as ever, no stored reading
becomes one of the future, and no month ends until the clock has passed it.
"""

from datetime import datetime, timedelta

from meterbot.core.models import LastKnown
from meterbot.rules.memory import CounterMemory
from meterbot.rules.merging import from_future

FAR_BEHIND = timedelta(days=1)
"""A clock that is set back by less is believed."""
_STEP = timedelta(milliseconds=1)


def time_after(known: LastKnown | None, memory: CounterMemory, now: datetime) -> datetime | None:
    """When a reading counts that comes at `now`; None if the clock can be believed."""
    if known is None:
        return None
    newest = known.snapshot.fetched_at
    # Once it is so, it stays so until the clock has caught up: its last day is no more certain than the others.
    goes_on = from_future(known, now) and memory.untimed_at == newest
    return newest + _STEP if newest - now > FAR_BEHIND or goes_on else None
