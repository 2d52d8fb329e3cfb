"""Spend per day: a series for each seat that the reader may see, one for the rest."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal

from meterbot.commands.privacy import View
from meterbot.commands.team_report import SeatRow
from meterbot.core.models import Counter, by_counter
from meterbot.core.money import Money, totals
from meterbot.rules.hours import Hour, block_spans
from meterbot.rules.months import calendar_month
from meterbot.rules.renewals import next_charge

OTHERS = "others"
MOST_SEATS = 5
"""Seats with a series of their own; the rest is one more. A chart has six colours."""


@dataclass(frozen=True, slots=True)
class Series:
    """What a seat, or the rest together, spent on each day, in major units."""

    label: str
    spent: tuple[Decimal, ...]
    total: Money


@dataclass(frozen=True, slots=True)
class DayRange:
    """When a seat was blocked: its first and last day."""

    label: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class DailySpend:
    """One currency's days (in the configured zone), most spent first.

    `so_far`: the month's sum at the end of each day, None where a counter is not known. `known`: the first day with a
    reading. `cap`: the sum of the present caps, None unless every seat has one.
    """

    currency: str
    days: tuple[date, ...]
    series: tuple[Series, ...]
    total: Money
    so_far: tuple[Decimal | None, ...]
    cap: Money | None
    blocked: tuple[DayRange, ...]
    renewals: tuple[tuple[str, date], ...]
    known: date
    tz: tzinfo = UTC
    left_out: bool = False
    """Whether one seat is left out, because a sum of it alone would be its own number."""

    @property
    def each(self) -> tuple[Decimal, ...]:
        """The sum of each day."""
        return tuple(
            sum(parts, Decimal(0)) for parts in zip(*(one.spent for one in self.series), strict=True)
        )


def stretch_of(at: datetime, tz: tzinfo) -> tuple[date, str]:
    """The day of an hour, and its month: a local day may belong to two UTC months. Hours that share both can be
    joined."""
    return at.astimezone(tz).date(), calendar_month(at)


def first_hour(days: int, now: datetime, tz: tzinfo) -> datetime:
    """When the first of so many days begins; today is the last."""
    first = now.astimezone(tz).date() - timedelta(days=days - 1)
    return datetime.combine(first, time(), tz).astimezone(UTC)


def days_of(
    view: View, hours: Sequence[Hour], number: int, seats: Collection[str] = ()
) -> tuple[DailySpend, ...]:
    """One for each currency, the one with the most seats first. `seats`: only of these."""
    now = view.report.as_of
    today = now.astimezone(view.tz).date()
    days = tuple(today - timedelta(days=number - 1 - place) for place in range(number))
    rows = _rows(view, seats)
    by_currency: dict[str, list[Hour]] = defaultdict(list)
    for hour in hours:
        if hour.counter in rows:
            by_currency[hour.spent.currency].append(hour)
    found = []
    for currency, own in by_currency.items():
        alone = _single_hidden(view, rows, own)
        shown = [hour for hour in own if hour.counter != alone]
        if shown:
            found.append(replace(_days(view, rows, shown, currency, days), left_out=alone is not None))
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
    view: View, rows: dict[Counter, SeatRow], hours: Sequence[Hour], currency: str, days: tuple[date, ...]
) -> DailySpend:
    labels = {
        counter: row.seat.name if view.may_see(row.seat.name) else OTHERS for counter, row in rows.items()
    }
    spent: dict[str, dict[date, list[Money]]] = defaultdict(lambda: defaultdict(list))
    own = [(hour, hour.at.astimezone(view.tz).date()) for hour in hours]
    for hour, day in own:
        if day >= days[0]:
            spent[labels[hour.counter]][day].append(hour.spent)
    series = _fitted([_series(label, by_day, days, currency) for label, by_day in spent.items()])
    held = {hour.counter for hour in hours}
    known = min(day for _, day in own)
    shown = {counter: row for counter, row in rows.items() if labels[counter] != OTHERS and counter in held}
    return DailySpend(
        currency=currency,
        days=days,
        series=tuple(series),
        total=_sum([one.total for one in series], currency),
        so_far=_so_far(hours, days, view.report.as_of, view.tz),
        cap=_cap(rows.values(), held, currency),
        blocked=tuple(_blocked(shown, hours, view, days)),
        renewals=tuple(_renewals(shown.values(), days, known)),
        known=known,
        tz=view.tz,
    )


def _sum(amounts: Iterable[Money], currency: str) -> Money:
    return totals([Money(Decimal(0), currency, 0), *amounts])[currency]


def _series(label: str, by_day: dict[date, list[Money]], days: Sequence[date], currency: str) -> Series:
    each = [_sum(by_day.get(day, ()), currency) for day in days]
    return Series(label, tuple(amount.major for amount in each), _sum(each, currency))


def _fitted(series: list[Series]) -> list[Series]:
    """Most spent first, the rest summed at the end."""
    named = sorted(
        (one for one in series if one.label != OTHERS), key=lambda one: (-one.total.major, one.label)
    )
    rest = [one for one in series if one.label == OTHERS] + named[MOST_SEATS:]
    if not rest:
        return named
    each = tuple(sum(parts, Decimal(0)) for parts in zip(*(one.spent for one in rest), strict=True))
    total = _sum([one.total for one in rest], rest[0].total.currency)
    return [*named[:MOST_SEATS], Series(OTHERS, each, total)]


def _so_far(
    hours: Sequence[Hour], days: Sequence[date], now: datetime, tz: tzinfo
) -> tuple[Decimal | None, ...]:
    each = [(own, [hour.at for hour in own]) for own in by_counter(hours).values()]
    found: list[Decimal | None] = []
    for day in days:
        end = min(datetime.combine(day + timedelta(days=1), time(), tz).astimezone(UTC), now)
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


def _cap(rows: Iterable[SeatRow], counters: set[Counter], currency: str) -> Money | None:
    caps = [row.facts.cap for row in rows if row.counter in counters]
    known = [cap for cap in caps if cap is not None and cap.currency == currency]
    return _sum(known, currency) if caps and len(known) == len(caps) else None


def _blocked(
    shown: dict[Counter, SeatRow], hours: Sequence[Hour], view: View, days: Sequence[date]
) -> Iterable[DayRange]:
    """From the first blocked hour to the first one that is not; a block without an end lasts until now."""
    first = datetime.combine(days[0], time(), view.tz).astimezone(UTC)
    each = by_counter(hours)
    for counter, row in shown.items():
        for start, end in block_spans(each[counter], first, view.report.as_of):
            yield DayRange(row.seat.name, start, end)


def _renewals(rows: Iterable[SeatRow], days: Sequence[date], known: date) -> Iterable[tuple[str, date]]:
    """Monthly charges on the known days, counted back from the next one."""
    for row in rows:
        subscription = row.snapshot.subscription
        following = None if subscription is None else next_charge(subscription)
        if (
            following is None
            or subscription is None
            or subscription.billing_interval not in {None, "monthly", "month"}
        ):
            continue
        for back in range(5):
            month = following.year * 12 + following.month - 1 - back
            day = _day_in(month, following.day)
            if max(days[0], known) <= day <= days[-1]:
                yield row.seat.name, day


def _day_in(month: int, day: int) -> date:
    """The day of the month, or its last."""
    following = date((month + 1) // 12, (month + 1) % 12 + 1, 1)
    last = following - timedelta(days=1)
    return date(month // 12, month % 12 + 1, min(day, last.day))
