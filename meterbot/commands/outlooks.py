"""Pace and forecast of every seat and of the team."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import add

from meterbot.commands.team_report import SeatRow, TeamReport
from meterbot.core.models import Sample, by_counter
from meterbot.core.money import Money, totals
from meterbot.rules.forecast import Forecast, RemainingSpend, cap_is_at_risk, forecast, rest_of_month
from meterbot.rules.hours import Hour
from meterbot.rules.months import calendar_month, month_end
from meterbot.rules.pace import DAY, Pace, cap_eta, pace
from meterbot.rules.window_trend import full_at


@dataclass(frozen=True, slots=True)
class SeatOutlook:
    """The outlook of one row. `rest` is what its forecast adds to the amount. `cap_at`: when the cap is reached at the
    pace of the 24 hours before the reading, as the alert says; None if not this month, or before now. `full`: the
    windows that fill up before they reset, and when."""

    row: SeatRow
    pace: Pace | None
    rest: RemainingSpend | None
    forecast: Forecast | None
    cap_at: datetime | None
    full: tuple[tuple[str, datetime], ...]

    @property
    def per_hour(self) -> Money | None:
        return None if self.pace is None else self.pace.per_hour

    @property
    def cap_below(self) -> Money | None:
        """The cap, where the forecast exceeds it: the forecast is of spending without caps."""
        extra = self.row.snapshot.extra_usage
        if self.forecast is None or extra is None or not extra.comparable or extra.cap is None:
            return None
        return extra.cap if extra.cap.minor < self.forecast.high.minor else None


@dataclass(frozen=True, slots=True)
class TeamOutlook:
    """One currency's sum. The forecast is None where a seat with spend has none: the sum of the others would be too
    low. `capped`: a cap may end the spending earlier than the forecast says."""

    used: Money
    per_hour: Money | None
    forecast: Forecast | None
    capped: bool = False


@dataclass(frozen=True, slots=True)
class Outlooks:
    """The outlooks of every row with a counter, except API organizations."""

    seats: tuple[SeatOutlook, ...]
    team: tuple[TeamOutlook, ...]


NOWHERE = Outlooks((), ())
_FRESH = timedelta(days=1)


def outlooks(report: TeamReport, samples: Iterable[Sample], hours: Iterable[Hour]) -> Outlooks:
    """`samples`: of the last week, or as much of it as shows a pace. `hours`: of four weeks."""
    known, hourly = by_counter(samples), by_counter(hours)
    seats: list[SeatOutlook] = []
    counted: dict[str, list[SeatOutlook]] = {}
    for row in report.rows:
        if row.beside or row.counter is None:
            continue
        seats.append(_outlook(row, known[row.counter], hourly[row.counter], report.as_of))
        if row.counted and row.used is not None:
            counted.setdefault(row.used.currency, []).append(seats[-1])
    return Outlooks(tuple(seats), tuple(_sum(own, report.as_of) for _, own in sorted(counted.items())))


def _outlook(row: SeatRow, samples: Sequence[Sample], hours: Sequence[Hour], now: datetime) -> SeatOutlook:
    rest = _rest(row, hours, now)
    month = None if row.used is None else forecast(row.used, rest, now)
    return SeatOutlook(
        row, pace(samples, now), rest, month, _cap_at(row, samples, month, now), tuple(_full(row, now))
    )


def _rest(row: SeatRow, hours: Sequence[Hour], now: datetime) -> RemainingSpend | None:
    if row.used is None or row.read_at is None or now - row.read_at > _FRESH:
        return None  # the days since would count as days without spend
    return rest_of_month(hours, row.used.currency, now)


def _cap_at(
    row: SeatRow, samples: Sequence[Sample], month: Forecast | None, now: datetime
) -> datetime | None:
    extra = row.snapshot.extra_usage
    if row.used is None or extra is None or extra.cap is None or not extra.comparable or row.blocked:
        return None
    # From the reading on, as the alert does: else the answer would be later each time somebody asks.
    since = row.read_at or now
    at = cap_eta(row.used, extra.cap, pace(samples, since, (DAY,)), since, month_end(calendar_month(since)))
    return at if at is not None and at > now and cap_is_at_risk(at, extra.cap, month, now) else None


def _full(row: SeatRow, now: datetime) -> Iterable[tuple[str, datetime]]:
    if (read_at := row.details.windows_at) is None:
        return
    for window in row.snapshot.windows:
        at = full_at(window, row.details.trail, read_at)
        if at is not None and at > now:
            yield window.name, at


def _sum(seats: Sequence[SeatOutlook], now: datetime) -> TeamOutlook:
    """Of seats that spend in one currency."""
    (used,) = totals(one.row.used for one in seats if one.row.used is not None).values()
    rests = [one.rest for one in seats if one.rest is not None]
    rest = reduce(add, rests) if len(rests) == len(seats) else None
    paces = [one.per_hour for one in seats if one.per_hour is not None]
    per_hour = totals(paces).get(used.currency) if len(paces) == len(seats) else None
    capped = any(one.cap_below is not None for one in seats)
    return TeamOutlook(used, per_hour, forecast(used, rest, now), capped)
