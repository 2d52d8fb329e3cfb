"""Pace and forecast of every seat and of the team."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterbot.commands.team_report import SeatRow, TeamReport
from meterbot.core.models import Counter, Sample, by_counter
from meterbot.core.money import Money, totals
from meterbot.rules.forecast import Forecast, RemainingSpend, cap_is_at_risk, forecast, rest_of_month
from meterbot.rules.hours import Hour
from meterbot.rules.months import calendar_month, month_end
from meterbot.rules.pace import DAY, Pace, cap_eta, pace
from meterbot.rules.window_trend import full_at


@dataclass(frozen=True, slots=True)
class SeatOutlook:
    """The outlook of one row. `cap_at`: when the cap is reached at the pace of the 24 hours before the reading, as the
    alert says; None if not this month, or before now. `full`: the windows that fill up before they reset, and when."""

    row: SeatRow
    pace: Pace | None
    forecast: Forecast | None
    cap_at: datetime | None
    full: tuple[tuple[str, datetime], ...] = ()

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

    currency: str
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
    seats, rests = [], {}
    for row in report.rows:
        if row.beside or row.counter is None:
            continue
        rest = _rest(row, hourly[row.counter], report.as_of)
        if row.counted:
            rests[row.counter] = rest
        seats.append(_outlook(row, known[row.counter], rest, report.as_of))
    counted = [one for one in seats if one.row.counted]
    return Outlooks(tuple(seats), _team(counted, rests, report.as_of))


def _rest(row: SeatRow, hours: Sequence[Hour], now: datetime) -> RemainingSpend | None:
    used = row.used
    if row.read_at is None or now - row.read_at > _FRESH:
        return None  # the days since would count as days without spend
    own = [] if used is None else [hour for hour in hours if hour.spent.currency == used.currency]
    return rest_of_month(own, own[0].at, now) if own else None


def _outlook(
    row: SeatRow, samples: Sequence[Sample], rest: RemainingSpend | None, now: datetime
) -> SeatOutlook:
    speed = pace(samples, now)
    extra, used = row.snapshot.extra_usage, row.used
    month = None if used is None else forecast(used, rest, now)
    cap_at = None
    if (
        used is not None
        and extra is not None
        and extra.cap is not None
        and extra.comparable
        and not row.blocked
    ):
        # From the reading on, as the alert does: else the answer would be later each time somebody asks.
        since = row.read_at or now
        ends = month_end(calendar_month(since))
        at = cap_eta(used, extra.cap, pace(samples, since, (DAY,)), since, ends)
        cap_at = at if at is not None and at > now and cap_is_at_risk(at, extra.cap, month, now) else None
    read_at = row.details.windows_at
    full = []
    for window in row.snapshot.windows:
        at = None if read_at is None else full_at(window, row.details.trail, read_at)
        if at is not None and at > now:
            full.append((window.name, at))
    return SeatOutlook(row, speed, month, cap_at, tuple(full))


def _team(
    counted: Sequence[SeatOutlook], rests: Mapping[Counter, RemainingSpend | None], now: datetime
) -> tuple[TeamOutlook, ...]:
    sums = totals(one.row.used for one in counted if one.row.used is not None)
    return tuple(
        _sum(used, [one for one in counted if _is_in(one, currency)], rests, now)
        for currency, used in sums.items()
    )


def _is_in(one: SeatOutlook, currency: str) -> bool:
    return one.row.used is not None and one.row.used.currency == currency


def _sum(
    used: Money, seats: Sequence[SeatOutlook], rests: Mapping[Counter, RemainingSpend | None], now: datetime
) -> TeamOutlook:
    paces = [one.pace.per_hour for one in seats if one.pace is not None]
    known = [rests[one.row.counter] for one in seats if one.row.counter is not None]
    whole: RemainingSpend | None = None
    for rest in known:
        if rest is None:
            whole = None
            break
        whole = rest if whole is None else whole + rest
    per_hour = totals(paces).get(used.currency) if len(paces) == len(seats) else None
    capped = any(one.cap_below is not None for one in seats)
    return TeamOutlook(used.currency, used, per_hour, forecast(used, whole, now), capped)
