"""What a counter spent between two instants, from its samples: those of one counter, in order of time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from meterbot.core import money
from meterbot.core.models import Sample
from meterbot.core.money import Money
from meterbot.rules.months import month_after, month_start, opening_month, rolled_over


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
