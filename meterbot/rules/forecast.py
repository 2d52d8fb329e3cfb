"""Forecasts: what a seat or the team will probably have spent when the month ends.

Estimated from the spend of the last days, working days and weekends apart. Days differ a lot, so the answer is a
range: four of five months should end inside it. This is the only place where amounts are floats.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import sqrt
from statistics import fmean, variance

from meterbot.core.money import Money, add
from meterbot.rules.hours import Hour
from meterbot.rules.months import calendar_month, month_end

FEWEST_DAYS = 3
"""With fewer known whole days there is no forecast."""
HABIT = timedelta(days=28)
RISK_LASTS = timedelta(days=7)
"""After so long without a risk, the next one is another episode."""
_DAY = timedelta(days=1)
_SOON = timedelta(days=2)
_TENTH = 1.2816
"""How many standard deviations from the mean a tenth lies, on either side."""
_SPREAD = 1.3
"""Consecutive days are alike, so a month varies more than the sum of independent days."""


@dataclass(frozen=True, slots=True)
class RemainingSpend:
    """The remaining spend in minor units: mean and variance, and the number of days it is based on."""

    mean: float
    variance: float
    days: int

    def __add__(self, other: "RemainingSpend") -> "RemainingSpend":
        return RemainingSpend(
            self.mean + other.mean, self.variance + other.variance, min(self.days, other.days)
        )


@dataclass(frozen=True, slots=True)
class Forecast:
    """The amount at `ends`: in four of five cases between `low` and `high`."""

    low: Money
    likely: Money
    high: Money
    ends: datetime


def rest_of_month(hours: Iterable[Hour], currency: str, now: datetime) -> RemainingSpend | None:
    """From one counter's hours in this currency, in order. None if fewer than three whole days are known."""
    own = [hour for hour in hours if hour.spent.currency == currency]
    if not own:
        return None
    today = now.astimezone(UTC).date()
    first = max((own[0].at + _DAY - timedelta(microseconds=1)).date(), today - HABIT)
    days = {first + number * _DAY: 0.0 for number in range((today - first).days)}
    for hour in own:
        if hour.at.date() in days:
            days[hour.at.date()] += float(hour.spent.minor)
    if len(days) < FEWEST_DAYS:
        return None
    ends = month_end(calendar_month(now))
    ahead = [today + number * _DAY for number in range((ends.date() - today).days)]
    left_of_today = 1 - (now - datetime(today.year, today.month, today.day, tzinfo=UTC)) / _DAY
    weights = {day: left_of_today if day == today else 1.0 for day in ahead}
    parts = [_part(spent, weight) for spent, weight in _classes(days, weights)]
    return RemainingSpend(sum(mean for mean, _ in parts), sum(scatter for _, scatter in parts), len(days))


def _classes(days: dict[date, float], weights: dict[date, float]) -> list[tuple[list[float], float]]:
    """Working days and weekends apart, if there are enough of both."""
    apart = [
        (
            [spent for day, spent in days.items() if (day.weekday() >= 5) is weekend],
            sum(weight for day, weight in weights.items() if (day.weekday() >= 5) is weekend),
        )
        for weekend in (False, True)
    ]
    if all(len(spent) >= 4 for spent, _ in apart):
        return apart
    return [(list(days.values()), sum(weights.values()))]


def _part(spent: Sequence[float], days: float) -> tuple[float, float]:
    """Mean and variance of so many days, estimated from these: both the days and their known mean vary."""
    scatter = variance(spent)
    return fmean(spent) * days, scatter * days + scatter * days**2 / len(spent)


def forecast(used: Money, rest: RemainingSpend | None, now: datetime) -> Forecast | None:
    if rest is None:
        return None
    low, high = _tenths(rest)
    ends = month_end(calendar_month(now))
    return Forecast(_more(used, low), _more(used, rest.mean), _more(used, high), ends)


def cap_is_at_risk(at: datetime, cap: Money, forecast: Forecast | None, now: datetime) -> bool:
    """Whether to warn of a cap that the present pace reaches at `at`: it is near, or the month's forecast agrees.
    Alerts and answers share this rule."""
    return at - now <= _SOON or (forecast is not None and forecast.likely.major >= cap.major)


def still_at_risk_up_to(used: Money, per_hour: Money, forecast: Forecast | None) -> Money:
    """The highest cap that a raise does not save: the pace reaches it within twice the time that counts as near, or the
    month's forecast does. Without the longer time, the warning would come again hours after a small raise."""
    hours = Decimal(2 * _SOON / timedelta(hours=1))
    near = add(used, replace(per_hour, minor=(per_hour.minor * hours).to_integral_value()))
    likely = near if forecast is None else forecast.likely
    return max(near, likely, key=lambda amount: amount.major)


def _tenths(rest: RemainingSpend) -> tuple[float, float]:
    """The lowest and the highest tenth of a gamma distribution, which is never negative, by Wilson and Hilferty."""
    if rest.mean <= 0 or rest.variance <= 0:
        return rest.mean, rest.mean
    steps = _TENTH * _SPREAD * (1 + (_TENTH**2 + 1) / (4 * max(rest.days - 1, 1)))
    shape = rest.mean**2 / rest.variance
    low, high = (max(0.0, 1 - 1 / (9 * shape) + sign * steps / (3 * sqrt(shape))) for sign in (-1, 1))
    return rest.mean * low**3, rest.mean * high**3


def _more(used: Money, minor: float) -> Money:
    whole = Decimal(minor).quantize(Decimal(1), ROUND_HALF_UP)
    return add(used, Money(whole, used.currency, used.exponent))
