"""Spend over time from a counter's samples, and where it leads at today's pace.

Samples are of one counter, in order of time.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from meterbot.core import money
from meterbot.core.models import Sample
from meterbot.core.money import Money

CLOCK_SKEW = timedelta(minutes=5)
"""How far the clocks of meterbot, of a pushing machine and of the service may be apart."""
RESET_LAG = timedelta(hours=6)
"""How long after midnight the service may still show last month's counter."""
PACE_WINDOWS = (
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=24),
    timedelta(days=7),
)
_FEWEST_POINTS = 3
_LEAST_COVERED = 3
"""A window's readings cover at least the third of it: ten minutes of the shortest."""
_TICK = timedelta(microseconds=1)
_TICKS_PER_HOUR = timedelta(hours=1) // _TICK


def calendar_month(at: datetime) -> str:
    """`2026-05`, in UTC."""
    return f"{at.year:04}-{at.month:02}"


def month_of(at: datetime) -> str:
    """The UTC month an instant falls in, `2026-05`. The last minutes before midnight count as the new month's,
    because a reset may be seen a little early."""
    return calendar_month(at + CLOCK_SKEW)


def month_start(month: str) -> datetime:
    return datetime.fromisoformat(f"{month}-01T00:00:00+00:00")


def month_end(month: str) -> datetime:
    """When a counter whose period began in `month` starts again."""
    start = datetime.fromisoformat(f"{month}-01")
    return datetime(start.year + start.month // 12, start.month % 12 + 1, 1, tzinfo=UTC)


def rolled_over(month: str, before: Decimal, after: Decimal, at: datetime) -> bool:
    """Whether a counter whose period began in `month` has begun a new one, when `before` became `after` at `at`.

    A new month alone proves nothing: the reset may be late. A fall proves it, even minutes before midnight, and so
    does any value after 0. A counter that is higher than before was reset and spent again, once the reset cannot be
    late any more. One that stands still was not reset.
    """
    if after < before:
        return month_of(at) > month
    current = calendar_month(at)
    if current <= month:
        return False
    return before == 0 or (after > before and at >= month_start(current) + RESET_LAG)


def month_after(month: str, at: datetime) -> str:
    """The month of the period that is first seen at `at`, when the one before began in `month`."""
    current = calendar_month(at)
    return current if current > month else month_of(at)


def opening_month(used: Decimal, at: datetime) -> str:
    """The month of a period that is first seen at `at`: money shown in the first hours may still be last month's."""
    month = calendar_month(at)
    if used > 0 and at < month_start(month) + RESET_LAG:
        return calendar_month(month_start(month) - CLOCK_SKEW)
    return month


@dataclass(frozen=True, slots=True)
class Increase:
    """How much higher a counter was at `at` than at `since`, the known reading before: 0 where it was not, and for a
    reading without one before."""

    since: datetime | None
    at: datetime
    amount: Money


def increases(samples: Iterable[Sample]) -> Iterator[Increase]:
    """One for each known reading, period by period.

    A fall into a new period counts the new value, any other fall counts nothing. A value in another currency than the
    one before is a new base.
    """
    month: str | None = None
    last: Sample | None = None
    for sample in samples:
        if sample.used is None:
            continue
        amount = nothing = money.subtract(sample.used, sample.used)
        if last is None or last.used is None or month is None or last.used.currency != sample.used.currency:
            month = month or opening_month(sample.used.minor, sample.at)
        else:
            before, after = last.used, sample.used
            rolled = rolled_over(month, before.major, after.major, sample.at)
            month = month_after(month, sample.at) if rolled else month
            # Between readings of the same month, a rise that closes the old period was seen as it happened.
            unseen = after.major > before.major and last.at >= month_start(month)
            risen = after if rolled and not unseen else money.subtract(after, before)
            amount = risen if risen.minor > 0 else nothing
        yield Increase(None if last is None else last.at, sample.at, amount)
        last = sample


def spend_between(samples: Sequence[Sample], start: datetime, end: datetime) -> dict[str, Money] | None:
    """The sum of increases in (start, end], per currency; None without a reading at or before `start`. Over adjoining
    spans the sums add up exactly."""
    if not any(sample.at <= start and sample.used is not None for sample in samples):
        return None
    seen = [one for one in increases(samples) if one.at <= end]
    nothing = (money.subtract(one.amount, one.amount) for one in seen)
    return money.totals([*nothing, *(one.amount for one in seen if one.at > start)])


@dataclass(frozen=True, slots=True)
class Pace:
    """Spend per hour, measured over the last `over`."""

    per_hour: Money
    over: timedelta


def pace(
    samples: Sequence[Sample], now: datetime, windows: Iterable[timedelta] = PACE_WINDOWS
) -> Pace | None:
    """Over the shortest of the windows that holds at least three readings and is covered by them for a third; None
    when no window is."""
    points = [sample for sample in samples if sample.used is not None and sample.at <= now]
    if not points or points[-1].used is None:
        return None
    currency, end = points[-1].used.currency, points[-1].at
    for window in windows:
        inside = [sample for sample in points if sample.at > now - window]
        if len(inside) < _FEWEST_POINTS:
            continue
        start = _known_since(points, inside[0], now - window)
        if end - start < window / _LEAST_COVERED:
            continue
        spend = (spend_between(points, start, end) or {}).get(currency)
        if spend is not None:
            per_hour = spend.minor * _TICKS_PER_HOUR / ((end - start) // _TICK)
            return Pace(Money(per_hour, currency, spend.exponent), end - start)
    return None


def _known_since(points: Sequence[Sample], first: Sample, start: datetime) -> datetime:
    """From when on the spend of a window is known: from its `first` reading, or from its `start` when the counter had
    stood still until then. Of a quiet stretch the history keeps the ends alone."""
    before = [sample for sample in points if sample.at <= start]
    return start if before and before[-1].used == first.used else first.at


def cap_eta(
    used: Money, cap: Money | None, pace: Pace | None, now: datetime, ends: datetime
) -> datetime | None:
    """When `used` reaches `cap` at this pace; `now` if it has. None without a cap, without spend, across currencies,
    and when the counter starts again first, at `ends`."""
    if cap is None or pace is None or not used.currency == cap.currency == pace.per_hour.currency:
        return None
    left = money.subtract(cap, used).major
    if left <= 0:
        return now
    per_hour = pace.per_hour.major
    if per_hour <= 0:
        return None
    ticks = left * _TICKS_PER_HOUR / per_hour
    return now + int(ticks) * _TICK if ticks < (ends - now) // _TICK else None
