"""`forecast`: how the month will probably end, for the team and for each seat."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from meterbot.commands.context import CommandContext, Request
from meterbot.commands.daily import DailySpend, days_of
from meterbot.commands.outlooks import Outlooks, SeatOutlook, TeamOutlook
from meterbot.commands.privacy import View
from meterbot.commands.readings import outlooks_with_hours
from meterbot.commands.rows import (
    NAME_COLUMNS,
    Columns,
    amount_text,
    at_most,
    filled,
    not_in_sums,
    seat_name,
    spent_cell,
    table,
)
from meterbot.commands.words.team import rest_note
from meterbot.core.inline import instant
from meterbot.core.messages import Chart, ChartKind, Column, Message, Section, Series, Table, buttons
from meterbot.core.money import Money, rounded
from meterbot.core.text import day_text, moment, one_line, sentence, window_label
from meterbot.rules.forecast import FEWEST_DAYS, Forecast
from meterbot.rules.hours import Hour
from meterbot.rules.months import calendar_month, month_end

_MOST_ROWS = 30
_MOST_NEAR = 6
_DAYS_A_LABEL = 2


async def answer(context: CommandContext, request: Request) -> Message:
    view = await context.view(request)
    outlooks, hours = await outlooks_with_hours(context.store, view.report)
    return await asyncio.to_thread(forecast_answer, view, outlooks, hours)


def forecast_answer(view: View, outlooks: Outlooks, hours: Sequence[Hour] = ()) -> Message:
    """The team's range, and the rows that this reader may see, most first. `hours` of the month draw its chart."""
    now = view.report.as_of
    ends = moment(month_end(calendar_month(now)), view.tz)
    by_row = {id(one.row): one for one in outlooks.seats}
    shown = [by_row[id(row)] for row in view.rows_shown(one.row for one in outlooks.seats)]
    lines = [_team_line(one) for one in outlooks.team] or ["No amount is known yet."]
    lines += filter(None, [not_in_sums(view.report.rows)])
    near = sorted((each for one in shown for each in _near(one, view)), key=lambda each: each[0])
    notes = at_most(_MOST_NEAR, [line for _, line in near])
    return Message(
        title=f"Where {now:%B} is heading",
        fallback=f"Forecast for {now:%B}: {' '.join(lines)}",
        text="\n".join(lines),
        tables=_table(outlooks, shown, view),
        charts=_charts(outlooks, hours, view),
        sections=filled(Section(notes, heading="Filling up")),
        actions=() if view.public else buttons("forecast"),
        footer=f"The counters reset {ends}. Four months out of five end within the range. "
        f"A forecast needs {FEWEST_DAYS} whole days of readings.",
    )


def _team_line(team: TeamOutlook) -> str:
    """`$121.40 spent so far, $0.80/h now. The month ends between $140.00 and $195.00.`"""
    pace = "" if team.per_hour is None else f", {amount_text(team.per_hour)}/h now"
    unknown = "Too little is known to say how the month ends."
    end = unknown if team.forecast is None else sentence(_end(team, team.forecast))
    return f"{amount_text(team.used)} spent so far{pace}. {end}"


def month_ends(outlooks: Outlooks) -> list[str]:
    """A sentence for each currency that has a forecast."""
    return [sentence(_end(one, one.forecast)) for one in outlooks.team if one.forecast is not None]


def _end(team: TeamOutlook, forecast: Forecast) -> str:
    ends = "without caps, the month would end" if team.capped else "the month ends"
    return f"{ends} {range_text(forecast)}"


def range_text(forecast: Forecast) -> str:
    """`between $40.00 and $95.00`, or `at about $40.00, if the daily spend stays the same`"""
    if forecast.low == forecast.high:
        return f"at about {amount_text(forecast.low)}, if the daily spend stays the same"
    return f"between {amount_text(forecast.low)} and {amount_text(forecast.high)}"


# --- the seats ----------------------------------------------------------------------------------------------------


def _table(outlooks: Outlooks, shown: Sequence[SeatOutlook], view: View) -> tuple[Table, ...]:
    counted = [one for one in shown if one.row.counted][:_MOST_ROWS]
    listed = {id(one) for one in counted}
    rest = [one.row for one in outlooks.seats if one.row.counted and id(one) not in listed]
    columns: Columns[SeatOutlook] = (
        (Column("Seat"), lambda one: seat_name(one.row, view)),
        (Column("So far", numeric=True), lambda one: spent_cell(one.row)),
        (Column(f"End of {view.report.as_of:%B}", numeric=True, before="ends at "), _end_cell),
        (Column("Cap", numeric=True, before="cap "), lambda one: amount_text(one.cap_below)),
        (Column("Per hour", numeric=True, after="/h"), lambda one: amount_text(one.per_hour)),
    )
    return table("Seats", columns, counted, rest_note(rest, view, among=bool(counted)))


def _end_cell(one: SeatOutlook) -> str:
    if one.forecast is None:
        return ""
    low, high = amount_text(one.forecast.low), amount_text(one.forecast.high)
    return f"about {low}" if low == high else f"{low} to {high}"


def seat_outlook_sentences(one: SeatOutlook, view: View) -> list[str]:
    """How one seat's month will end, when it reaches its cap, which windows fill up."""
    ends = [] if one.forecast is None else [f"The month ends {range_text(one.forecast)}."]
    if one.forecast is not None and (below := one.cap_below) is not None:
        ends = [f"Without its cap of {amount_text(below)}, the month would end {range_text(one.forecast)}."]
    return [*ends, *(sentence(line) for _, line in _filling(one, view))]


def _near(one: SeatOutlook, view: View) -> list[tuple[datetime, str]]:
    """The windows and caps that fill up and when, of a seat that the reader knows by name."""
    if not view.may_see(one.row.seat.name):
        return []
    name = one_line(one.row.seat.name, NAME_COLUMNS)
    return [(at, f"{name}: {line}") for at, line in _filling(one, view)]


def _filling(one: SeatOutlook, view: View) -> list[tuple[datetime, str]]:
    full = [(at, f"the {_window(window)} will be full") for window, at in one.full]
    if one.cap_at is not None:
        full.insert(0, (one.cap_at, "at the pace of the last 24 hours, it reaches its cap"))
    return [(at, f"{what} {_around(at, view)}") for at, what in full]


def _window(name: str) -> str:
    return "7-day window (all models)" if name == "seven_day" else f"{window_label(name)} window"


def _around(at: datetime, view: View) -> str:
    """`around Thu May 1 16:40`, `around Thu May 8`"""
    if (at - view.report.as_of).total_seconds() < 2 * 86400:
        return f"around {instant(at, view.tz)}"
    return f"around {day_text(at.astimezone(view.tz).date())}"


# --- the chart ----------------------------------------------------------------------------------------------------


def _charts(outlooks: Outlooks, hours: Sequence[Hour], view: View) -> tuple[Chart, ...]:
    """The team's month so far, and from now on the range in which it will probably end; of the currency with the most
    seats. A chart of what one hidden seat spent is left out."""
    now = view.report.as_of
    teams = {team.used.currency: team for team in outlooks.team}
    for month in days_of(replace(view, tz=UTC), hours, now.day):
        team = teams.get(month.currency)
        if team is not None and team.forecast is not None and not month.left_out:
            return (_fan(team, team.forecast, month, now),)
    return ()


def _fan(team: TeamOutlook, forecast: Forecast, month: DailySpend, now: datetime) -> Chart:
    """Three lines that are one until today."""
    last = (forecast.ends - timedelta(days=1)).date()
    places = {last - timedelta(days=back) for back in range(0, last.day, _DAYS_A_LABEL)}
    days = sorted({*places, now.date()})
    known = dict(zip(month.days, month.so_far, strict=True))

    def value(day: date, end: Money) -> Decimal | None:
        """The amount at the end of a day: as it was read, or on a straight line from today's to the forecast's."""
        if day < now.date():
            before = known.get(day)
            return None if before is None else rounded(before, team.used.exponent)
        left = (last - now.date()).days
        share = Decimal((day - now.date()).days) / left if left else Decimal(0)
        return rounded(team.used.major + (end.major - team.used.major) * share, team.used.exponent)

    ends = (("low", forecast.low), ("likely", forecast.likely), ("high", forecast.high))
    series = [Series(name, tuple(value(day, end) for day in days)) for name, end in ends]
    if month.cap is not None:
        series.append(Series("cap", (month.cap.major,) * len(days)))
    labels = tuple(f"{day:%b} {day.day}" for day in days)
    summary = (
        f"{amount_text(team.used)} so far, likely {amount_text(forecast.likely)} at the end of {now:%B}."
    )
    title = f"{now:%B} so far and its likely end"
    return Chart(title, ChartKind.LINE, labels, tuple(series), month.currency, summary, shared="so far")
