"""How the history counts a reading of a counter: what of its amount was spent before, late readings included.

A late reading brings no events, so the rules go on comparing with the last one in time. The history compares with the
newest one.
"""

from dataclasses import replace

from meterbot.core import money
from meterbot.core.money import Money
from meterbot.rules.clean_reading import CleanReading
from meterbot.rules.memory import CounterMemory, LateReadings


def newest_view(memory: CounterMemory) -> CounterMemory:
    """The memory as if the late readings had been in time."""
    late = memory.late
    if late is None:
        return memory
    return replace(
        memory, used=late.used, used_at=late.used_at, period=late.period, period_at=late.period_at,
        period_unread=late.period_unread, peak=late.peak, late=None,
    )  # fmt: skip


def counted_from(view: CounterMemory, after: CounterMemory, used: Money) -> Money | None:
    """The amount up to which the spend of a reading of `used` is counted already; None if that is the amount of the
    reading before. `after`: what the reading made of the `view`'s period."""
    last = view.used
    if last is None or last.currency != used.currency:
        return None
    base = money.zero(used) if after.period_at != view.period_at else view.peak
    # A fall is always stored with its base: after an early reset it would look like the end of the month.
    as_before = base is None or (base.major == last.major and used.major >= last.major)
    return None if as_before else base


def peak_with(view: CounterMemory, after: CounterMemory, used: Money) -> Money:
    """The highest amount of the period that this reading of `used` is in."""
    peak = after.peak
    if after.period_at != view.period_at or peak is None or peak.currency != used.currency:
        return used
    return max(peak, used, key=lambda amount: amount.major)


def with_late(memory: CounterMemory, after: CounterMemory, reading: CleanReading) -> CounterMemory:
    """The memory with one more reading that arrived late, and made `after` of the period of `newest_view`."""
    used, view, late = reading.used, newest_view(memory), memory.late
    if used is None:
        return memory
    final, final_at = (None, None) if late is None else (late.final, late.final_at)
    if after.period_at != view.period_at and final is None and memory.used is not None:
        final, final_at = view.used, view.used_at
    peak = peak_with(view, after, used)
    new = LateReadings(
        used, reading.at, after.period, after.period_at, after.period_unread, peak, final, final_at
    )
    own = memory.used is not None and final is None and reading.switched is None
    return replace(memory, late=new, peak=peak if own else memory.peak)
