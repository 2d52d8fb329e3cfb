"""How the memory and the history take in an amount, whether its reading is in time or late.

A late reading brings no events. The period, its peak and the history follow it all the same, because they are about
what was spent. The other rules go on comparing with the last reading in time.
"""

from dataclasses import replace

from meterbot.core import money
from meterbot.core.money import Money
from meterbot.rules.clean_reading import CleanReading
from meterbot.rules.memory import ClosedPeriod, CounterMemory, LateReadings


def counted_from(before: CounterMemory, after: CounterMemory, used: Money) -> Money | None:
    """The amount up to which the spend of a reading of `used` is counted already; None if that is the amount of the
    reading before. `before` and `after` are the memory without and with the period of this reading."""
    last = before.used
    if last is None or last.currency != used.currency:
        return None
    base = money.zero(used) if after.period_at != before.period_at else before.peak
    # A fall is always stored with its base: after an early reset it would look like the end of the month.
    as_before = base is None or (base.major == last.major and used.major >= last.major)
    return None if as_before else base


def with_amount(memory: CounterMemory, used: Money, reading: CleanReading) -> CounterMemory:
    """The memory, already in the period of this reading, with its amount as the base of the next."""
    peak = memory.peak
    if peak is None or peak.currency != used.currency or peak.major < used.major:
        peak = used
    return replace(memory, used=used, used_at=reading.at, peak=peak, late=None)


def with_late_amount(
    before: CounterMemory,
    after: CounterMemory,
    closed: tuple[ClosedPeriod, ...],
    used: Money,
    reading: CleanReading,
) -> CounterMemory:
    """Like `with_amount`. What the late readings have to post waits for the next one in time."""
    late = before.late or LateReadings(before.used, before.used_at)
    late = replace(late, closed=(*late.closed, *closed))
    return replace(with_amount(after, used, reading), late=late)
