"""Spend per day: a series for each seat that the reader may see, one for the rest."""

from bisect import bisect_left
from calendar import monthrange
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal

from meterbot.commands.privacy import View
from meterbot.commands.team_report import SeatRow
from meterbot.core.models import Counter, by_counter
from meterbot.core.money import Money, totals
from meterbot.rules.hours import Hour, block_spans
from meterbot.rules.months import calendar_month

OTHERS = "others"
ByCounter = Mapping[Counter, Sequence[Hour]]
MOST_SEATS = 5
"""Seats with a series of their own; the rest is one more. A chart has six colours."""
_MONTHLY = {None, "monthly", "month"}


@dataclass(frozen=True, slots=True)
class Series:
    """What a seat, or the rest together, spent on each day, in major units."""

    label: str
    spent: tuple[Decimal, ...]

    @property
    def total(self) -> Decimal:
        return sum(self.spent, Decimal(0))


@dataclass(frozen=True, slots=True)
class DailySpend:
    """One currency's days (in the configured zone), most spent first.

    `so_far`: the month's sum at the end of each day, None where a counter is not known. `known`: the first day with a
    reading. `cap`: the sum of the present caps, None unless every seat has one. `blocked`: how long each seat that was
    blocked was so. `left_out`: one seat is, because a sum of it alone would be its own number.
    """

    currency: str
    days: tuple[date, ...]
    series: tuple[Series, ...]
    total: Money
    so_far: tuple[Decimal | None, ...]
    cap: Money | None
    blocked: Mapping[str, timedelta]
    renewals: tuple[tuple[str, date], ...]
    known: date
    left_out: bool = False

    @property
    def each(self) -> tuple[Decimal, ...]:
        """The sum of each day."""
        return _each_day(self.series)


def stretch_of(at: datetime, tz: tzinfo) -> tuple[date, str]:
    """The day of an hour, and its month: a local day may belong to two UTC months. Hours that share both can be
    joined."""
    return at.astimezone(tz).date(), calendar_month(at)


def first_hour(days: int, now: datetime, tz: tzinfo) -> datetime:
    """When the first of so many days begins; today is the last."""
    return _beginning(now.astimezone(tz).date() - timedelta(days=days - 1), tz)


def _beginning(day: date, tz: tzinfo) -> datetime:
    return datetime.combine(day, time(), tz).astimezone(UTC)


def days_of(
    view: View, hours: Sequence[Hour], number: int, seats: Collection[str] = ()
) -> tuple[DailySpend, ...]:
    """One for each currency, the one with the most seats first. `seats`: only of these."""
    today = view.report.as_of.astimezone(view.tz).date()
    days = tuple(today - timedelta(days=back) for back in reversed(range(number)))
    rows = _rows(view, seats)
    by_currency: dict[str, list[Hour]] = defaultdict(list)
    for hour in hours:
        if hour.counter in rows:
            by_currency[hour.spent.currency].append(hour)
    found = []
    for currency, own in by_currency.items():
        alone = _single_hidden(view, rows, own)
        if shown := [hour for hour in own if hour.counter != alone]:
            found.append(_days(view, rows, shown, currency, days, left_out=alone is not None))
    # A seat that was last read before these days has no series.
    found = [one for one in found if one.series]
    return tuple(sorted(found, key=lambda one: (-len(one.series), one.currency)))


def _single_hidden(view: View, rows: dict[Counter, SeatRow], hours: Iterable[Hour]) -> Counter | None:
    """The one counter that this reader may not see, where there is only one."""
    hidden = {hour.counter for hour in hours if not view.sees_rows_of(rows[hour.counter].seat.name)}
    return next(iter(hidden)) if len(hidden) == 1 else None


def _rows(view: View, seats: Collection[str]) -> dict[Counter, SeatRow]:
    """One row for each counter, preferably one that this reader may see."""
    rows: dict[Counter, SeatRow] = {}
    wanted = [one for one in view.report.rows if not one.beside and (not seats or one.seat.name in seats)]
    for row in sorted(
        wanted, key=lambda one: (not view.may_see(one.seat.name), not one.counted, one.seat.name)
    ):
        if row.counter is not None:
            rows.setdefault(row.counter, row)
    return rows


def _days(
    view: View,
    rows: dict[Counter, SeatRow],
    hours: Sequence[Hour],
    currency: str,
    days: tuple[date, ...],
    *,
    left_out: bool,
) -> DailySpend:
    own_hours = by_counter(hours)
    labels = {
        counter: row.seat.name if view.may_see(row.seat.name) else OTHERS for counter, row in rows.items()
    }
    named = {one: row for one, row in rows.items() if labels[one] != OTHERS and one in own_hours}
    own = [(hour, hour.at.astimezone(view.tz).date()) for hour in hours]
    inside = [(hour, (day - days[0]).days) for hour, day in own if days[0] <= day <= days[-1]]
    spent: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * len(days))
    for hour, place in inside:
        spent[labels[hour.counter]][place] += hour.spent.major
    series = _fitted([Series(label, tuple(each)) for label, each in spent.items()])
    known = min(day for _, day in own)
    return DailySpend(
        currency=currency,
        days=days,
        series=tuple(series),
        total=_sum([hour.spent for hour, _ in inside], currency),
        so_far=_so_far(own_hours, days, view.report.as_of, view.tz),
        cap=_cap([rows[counter] for counter in own_hours], currency),
        blocked=_blocked(named, own_hours, _beginning(days[0], view.tz), view.report.as_of),
        renewals=tuple(_renewals(named.values(), max(days[0], known), days[-1])),
        known=known,
        left_out=left_out,
    )


def _sum(amounts: Iterable[Money], currency: str) -> Money:
    return totals([Money(Decimal(0), currency, 0), *amounts])[currency]


def _each_day(series: Iterable[Series]) -> tuple[Decimal, ...]:
    return tuple(sum(parts, Decimal(0)) for parts in zip(*(one.spent for one in series), strict=True))


def _fitted(series: Sequence[Series]) -> list[Series]:
    """Most spent first, the rest summed at the end."""
    named = sorted((one for one in series if one.label != OTHERS), key=lambda one: (-one.total, one.label))
    rest = [one for one in series if one.label == OTHERS] + named[MOST_SEATS:]
    return named[:MOST_SEATS] + ([Series(OTHERS, _each_day(rest))] if rest else [])


def _so_far(hours: ByCounter, days: Sequence[date], now: datetime, tz: tzinfo) -> tuple[Decimal | None, ...]:
    each = [(own, [hour.at for hour in own]) for own in hours.values()]
    found: list[Decimal | None] = []
    for day in days:
        end = min(_beginning(day + timedelta(days=1), tz), now)
        parts = [_at(own, ats, end) for own, ats in each]
        known = [part for part in parts if part is not None]
        found.append(sum(known, Decimal(0)) if known and len(known) == len(parts) else None)
    return tuple(found)


def _at(hours: Sequence[Hour], ats: Sequence[datetime], end: datetime) -> Decimal | None:
    """The counter's value at an instant; 0 if its last reading is of an earlier month, None before the first. `ats`:
    the instants of its hours."""
    before = bisect_left(ats, end)
    if not before:
        return None
    last, until = hours[before - 1], end - timedelta(microseconds=1)
    return last.used.major if (last.at.year, last.at.month) == (until.year, until.month) else Decimal(0)


def _cap(rows: Sequence[SeatRow], currency: str) -> Money | None:
    caps = [row.facts.cap for row in rows]
    known = [cap for cap in caps if cap is not None and cap.currency == currency]
    return _sum(known, currency) if len(known) == len(caps) else None


def _blocked(
    shown: Mapping[Counter, SeatRow], hours: ByCounter, start: datetime, end: datetime
) -> dict[str, timedelta]:
    """A block lasts from its first hour to the first one without it; a block without an end lasts until now."""
    lengths: dict[str, timedelta] = {}
    for counter, row in shown.items():
        for begins, ends in block_spans(hours[counter], start, end):
            lengths[row.seat.name] = lengths.get(row.seat.name, timedelta()) + ends - begins
    return lengths


def _renewals(rows: Iterable[SeatRow], first: date, last: date) -> Iterable[tuple[str, date]]:
    """Monthly charges from the first to the last day, counted back from the next one."""
    for row in rows:
        charge, subscription = row.facts.next_charge, row.snapshot.subscription
        if charge is None or subscription is None or subscription.billing_interval not in _MONTHLY:
            continue
        for back in range(5):
            year, month = divmod(charge.year * 12 + charge.month - 1 - back, 12)
            day = date(year, month + 1, min(charge.day, monthrange(year, month + 1)[1]))
            if first <= day <= last:
                yield row.seat.name, day
