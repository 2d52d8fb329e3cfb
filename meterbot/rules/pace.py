"""How fast a counter rises, and when its cap is reached at that pace."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterbot.core import money
from meterbot.core.models import Sample
from meterbot.core.money import Money
from meterbot.rules.increases import spend_between

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
"""The readings must cover a third of the window: ten minutes of the shortest."""
_TICK = timedelta(microseconds=1)
_TICKS_PER_HOUR = timedelta(hours=1) // _TICK


@dataclass(frozen=True, slots=True)
class Pace:
    """Spend per hour, measured over the last `over`."""

    per_hour: Money
    over: timedelta


def pace(
    samples: Sequence[Sample], now: datetime, windows: Iterable[timedelta] = PACE_WINDOWS
) -> Pace | None:
    """Over the shortest window with at least three readings that cover a third of it; None if there is none."""
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
    """Since when the window's spend is known: from its `first` reading, or from its `start` if the counter did not
    change until then. The history stores only the ends of a quiet time."""
    before = [sample for sample in points if sample.at <= start]
    return start if before and before[-1].used == first.used else first.at


def cap_eta(
    used: Money, cap: Money | None, pace: Pace | None, now: datetime, ends: datetime
) -> datetime | None:
    """When `used` reaches `cap` at this pace; `now` if it has. None without a cap, without spend, with two
    currencies, and if the counter starts again first, at `ends`."""
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
