"""The rule about a counter's periods: when one begins, and what the one before it came to.

A late reading brings no events. The period, its peak and the history follow it all the same, because they are about
what was spent. The other rules go on comparing with the last reading in time.
"""

from dataclasses import replace

from meterbot.core import money
from meterbot.core.models import Event, EventKind
from meterbot.core.money import Money
from meterbot.rules.clean_reading import CleanReading
from meterbot.rules.fact_json import instant, money_fact
from meterbot.rules.memory import ClosedPeriod, CounterMemory, LateReadings
from meterbot.rules.months import (
    calendar_month,
    month_after,
    month_end,
    month_start,
    opening_month,
    rolled_over,
)


def watch_period(memory: CounterMemory, reading: CleanReading) -> tuple[CounterMemory, list[Event]]:
    """The periods that ended with this reading, or with a late one before it."""
    if reading.used is None:
        return memory, []
    late = () if memory.late is None else memory.late.closed
    memory, closed = _moved_on(memory, reading, reading.used)
    return memory, [_event(each, reading) for each in (*late, *closed)]


def watch_late_period(memory: CounterMemory, reading: CleanReading) -> tuple[CounterMemory, list[Event]]:
    """The period and its amount after a late reading. The events of what ended wait for the next one in time."""
    if reading.used is None:
        return memory, []
    after, closed = _moved_on(memory, reading, reading.used)
    late = memory.late or LateReadings(memory.used, memory.used_at)
    late = replace(late, closed=(*late.closed, *closed))
    return replace(with_amount(after, reading.used, reading), late=late), []


def _moved_on(
    memory: CounterMemory, reading: CleanReading, used: Money
) -> tuple[CounterMemory, tuple[ClosedPeriod, ...]]:
    """Begins the first period, and the next one when the counter has started again.

    A fall without a month's end is an adjustment (a refund, a grant) or a dip: it ends nothing and resets no level.
    Another currency is a new base, too.
    """
    before = memory.used
    if before is None or memory.period is None:
        return _first_period(memory, reading, used), ()
    if before.currency != used.currency:
        return replace(memory, peak=None, spend=used.minor > 0 or memory.spend), ()
    fell = used.major < before.major
    rolled = rolled_over(memory.period[:7], before.major, used.major, reading.at)
    if not rolled and not (fell and _boundary_passed(memory, reading)):
        return memory, ()
    if memory.period_unread and not fell:
        return _of_this_month(memory, reading), ()
    final = None if memory.period_unread else before
    after = _next_period(memory, reading, used, final)
    # A month without spend ends without an event, and one in which the seat was not read has no known end.
    if final is None or final.minor <= 0:
        return after, ()
    return after, (ClosedPeriod(memory.period, final, memory.used_at, memory.previous_final, used),)


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


def _first_period(memory: CounterMemory, reading: CleanReading, used: Money) -> CounterMemory:
    # If extra usage was not set up at first, nothing had been spent, so the first dollar is still to come.
    spend = used.minor > 0 if memory.spend is None else memory.spend
    period = opening_month(used.minor, reading.at)
    return replace(memory, period=period, period_unread=period < calendar_month(reading.at), spend=spend)


def _of_this_month(memory: CounterMemory, reading: CleanReading) -> CounterMemory:
    """Corrects the memory if the first reading's amount was this month's after all: what was posted about it stays
    posted."""
    month, risk, block = calendar_month(reading.at), memory.risk, memory.block
    return replace(
        memory,
        period=month,
        period_unread=False,
        risk=risk and replace(risk, period=month),
        block=block and replace(block, period=month),
    )


def _boundary_passed(memory: CounterMemory, reading: CleanReading) -> bool:
    """Whether a `disabled_until` is between the two readings."""
    until, before_at = memory.disabled_until, memory.used_at
    return until is not None and before_at is not None and before_at < until <= reading.at


def _next_period(
    memory: CounterMemory, reading: CleanReading, used: Money, final: Money | None
) -> CounterMemory:
    month, _, ordinal = (memory.period or "").partition(".")
    current = month_after(month, reading.at)
    follows = month_start(current) <= month_end(month)
    return replace(
        memory,
        period=current if current > month else f"{month}.{int(ordinal or 1) + 1}",
        period_at=reading.at,
        period_unread=False,
        peak=money.zero(used),
        spend=False,
        charge_alerted=False,
        previous_final=final if follows else None,
        alerted_levels=(),
        levels_reset_at="",
        cap_alerts=(),
    )


def _event(closed: ClosedPeriod, reading: CleanReading) -> Event:
    return reading.event(
        EventKind.PERIOD_CLOSED,
        closed.period,
        reason=f"used went from {money.show(closed.final)} to {money.show(closed.used)} past the end of the period "
        f"{closed.period}",
        facts={
            "period": closed.period,
            "final": money_fact(closed.final),
            "final_at": instant(closed.final_at),
            "previous_final": money_fact(closed.previous_final),
            "used": money_fact(closed.used),
        },
    )
