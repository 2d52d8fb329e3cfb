"""What a counter spent between two instants, from the samples of one counter in order of time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from meterbot.core import money
from meterbot.core.models import Sample
from meterbot.core.money import Money
from meterbot.rules.months import calendar_month, month_of


@dataclass(frozen=True, slots=True)
class Increase:
    """What was spent between `since`, the previous reading, and `at`; 0 for the first reading."""

    since: datetime | None
    at: datetime
    amount: Money


def increases(samples: Iterable[Sample]) -> Iterator[Increase]:
    """One increase for each reading. A value in another currency is a new base.

    A reading is compared with the one before, or with its own `counted_from`. Without a stored one, a fall over the
    end of a month counts the new value, and any other fall counts nothing.
    """
    last: Sample | None = None
    for sample in samples:
        risen = money.subtract(sample.used, _base(last, sample))
        amount = risen if risen.minor > 0 else money.zero(risen)
        yield Increase(None if last is None else last.at, sample.at, amount)
        last = sample


def _base(last: Sample | None, sample: Sample) -> Money:
    """The amount that is already counted."""
    used = sample.used
    if last is None or last.used.currency != used.currency:
        return used
    if sample.counted_from is not None:
        return sample.counted_from
    reset = used.major < last.used.major and month_of(sample.at) > calendar_month(last.at)
    return money.zero(used) if reset else last.used


def spend_between(samples: Sequence[Sample], start: datetime, end: datetime) -> dict[str, Money] | None:
    """The sum of increases in (start, end], per currency; None without a reading at or before `start`. Adjoining
    spans add up exactly."""
    if not any(sample.at <= start for sample in samples):
        return None
    seen = [one for one in increases(samples) if one.at <= end]
    nothing = (money.zero(one.amount) for one in seen)
    return money.totals([*nothing, *(one.amount for one in seen if one.at > start)])
