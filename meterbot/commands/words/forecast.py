"""The answer to `/claude-spend forecast`: where it is heading, seat by seat and for the team."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from meterbot.chat import Answer
from meterbot.commands.context import CommandContext, Request
from meterbot.commands.outlooks import Outlooks, SeatOutlook, TeamOutlook
from meterbot.commands.readings import current_outlooks
from meterbot.commands.view import View
from meterbot.core.messages import Message, Section, buttons
from meterbot.core.money import Money, show, totals
from meterbot.core.text import amounts_text, count, day_text, moment, one_line, sentence, span, window_label
from meterbot.rules.months import calendar_month, month_end
from meterbot.rules.outlook import FEWEST_DAYS, Forecast

_MOST = 20
_NAME_COLUMNS = 24


async def answer(context: CommandContext, request: Request) -> Answer:
    view = await context.view(request)
    outlooks = await current_outlooks(context.store, view.report)
    return Answer(await asyncio.to_thread(forecast_answer, view, outlooks), request.public)


def forecast_answer(view: View, outlooks: Outlooks) -> Message:
    """The team's range, and the rows that this reader may see, most first."""
    now = view.report.as_of
    ends = moment(month_end(calendar_month(now)), view.tz)
    by_row = {id(one.row): one for one in outlooks.seats}
    shown = [by_row[id(row)] for row in view.rows_shown(one.row for one in outlooks.seats)]
    heads = [_team_line(one) for one in outlooks.team]
    spending = [one for one in shown if one.row.counted]
    sections = []
    if spending:
        sections.append(Section(tuple(_rows(spending[:_MOST], view)), heading="Seats", fixed=True))
    rest = [one for one in outlooks.seats if one.row.counted and one not in spending[:_MOST]]
    notes = [line for one in shown for line in _near(one, view)]
    if notes:
        sections.append(Section(tuple(notes[:_MOST]), heading="Filling up"))
    text = heads or ["No amount is known yet."]
    if rest:
        known = amounts_text(_sums(rest))
        text = [*text, f"{count(len(rest), 'seat')} not listed here: {known} so far."]
    return Message(
        title=f"Where {now:%B} is heading",
        fallback=f"Forecast for {now:%B}: {'; '.join(text)}",
        text="\n".join(text),
        sections=tuple(sections),
        actions=() if view.public else buttons("forecast"),
        footer=f"The counters start again {ends}. A range holds four months of five; it needs {FEWEST_DAYS} whole days, and not all alike.",
    )


def _sums(seats: Sequence[SeatOutlook]) -> list[Money]:
    return list(totals(one.row.used for one in seats if one.row.used is not None).values())


def _team_line(team: TeamOutlook) -> str:
    head = f"{show(team.used, grouped=True)} spent so far"
    pace = "" if team.per_hour is None else f", {_money(team.per_hour)} an hour now"
    if team.forecast is None:
        return f"{head}{pace}; too little is known to say how the month ends."
    return f"{head}{pace}; {_end(team, team.forecast)}."


def month_ends(outlooks: Outlooks) -> list[str]:
    """A sentence for each currency whose month's end can be foreseen."""
    return [sentence(_end(one, one.forecast)) for one in outlooks.team if one.forecast is not None]


def _end(team: TeamOutlook, said: Forecast) -> str:
    ends = "but for caps, the month would end" if team.capped else "the month ends"
    return f"{ends} {span_of(said)}"


def span_of(said: Forecast) -> str:
    """`between $40.00 and $95.00`; of days that were all alike `at about $40.00`, and that this rests on them"""
    if said.low == said.high:
        return f"at about {show(said.low, grouped=True)}, if the days stay alike"
    return f"between {show(said.low, grouped=True)} and {show(said.high, grouped=True)}"


def _money(amount: Money) -> str:
    return show(amount, grouped=True)


def _rows(seats: Sequence[SeatOutlook], view: View) -> list[str]:
    names = [
        one_line(one.row.seat.name, _NAME_COLUMNS) if view.may_see(one.row.seat.name) else "a seat"
        for one in seats
    ]
    used = ["unknown" if one.row.used is None else _money(one.row.used) for one in seats]
    wide, long = max(map(len, names)), max(map(len, used))
    return [
        f"{name:<{wide}}  {amount:>{long}}  {_towards(one)}{_pace(one)}"
        for name, amount, one in zip(names, used, seats, strict=True)
    ]


def _towards(one: SeatOutlook) -> str:
    if one.forecast is None:
        return "too little is known"
    cap = one.cap_below
    until = "" if cap is None else f", but for its cap of {_money(cap)}"
    if one.forecast.low == one.forecast.high:
        return f"-> about {_money(one.forecast.low)}{until}"
    return f"-> {_money(one.forecast.low)} to {_money(one.forecast.high)}{until}"


def _pace(one: SeatOutlook) -> str:
    if one.pace is None:
        return ""
    return f", {_money(one.pace.per_hour)}/h over {span(one.pace.over)}"


def seat_outlook_sentences(one: SeatOutlook, view: View) -> list[str]:
    """Of one seat, in sentences: how the month will end, when its cap falls, which windows fill up."""
    ends = [] if one.forecast is None else [f"The month ends {span_of(one.forecast)}."]
    if one.forecast is not None and (below := one.cap_below) is not None:
        ends = [f"But for its cap of {_money(below)}, the month would end {span_of(one.forecast)}."]
    cap = [] if one.cap_at is None else [f"At this pace its cap falls {_about(one.cap_at, view)}."]
    return [
        *ends,
        *cap,
        *[f"{window_label(window)} full {_about(at, view)}." for window, at in one.full],
    ]


def _near(one: SeatOutlook, view: View) -> list[str]:
    """What fills up, of a seat that the reader knows by name."""
    if not view.may_see(one.row.seat.name):
        return []
    name, lines = one_line(one.row.seat.name, _NAME_COLUMNS), []
    if one.cap_at is not None:
        lines.append(f"{name}: at this pace its cap falls {_about(one.cap_at, view)}")
    lines += [f"{name}: {window_label(window)} full {_about(at, view)}" for window, at in one.full]
    return lines


def _about(at: datetime, view: View) -> str:
    """`at about 16:40`, `on about Thu May 1`"""
    local, now = at.astimezone(view.tz), view.report.as_of.astimezone(view.tz)
    if local.date() == now.date():
        return f"at about {local:%H:%M}"
    if (at - view.report.as_of).total_seconds() < 2 * 86400:
        return f"at about {moment(at, view.tz)}"
    return f"on about {day_text(local.date())}"
