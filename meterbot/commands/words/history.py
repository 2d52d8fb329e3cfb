"""`history`: spend per day as charts, with the same numbers in a table."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial

from meterbot.commands.context import NOT_SHOWN, CommandContext, Request
from meterbot.commands.daily import DailySpend, days_of, first_hour, stretch_of
from meterbot.commands.privacy import View
from meterbot.commands.readings import hours_joined
from meterbot.commands.rows import amount_text, filled, not_in_sums
from meterbot.core.messages import (
    Chart,
    ChartKind,
    Column,
    Message,
    Section,
    Series,
    Table,
    buttons,
    notice,
)
from meterbot.core.models import Counter
from meterbot.core.money import of_major, rounded
from meterbot.core.text import amounts_text, count, day_text, listed, moment, one_line, span, stopped
from meterbot.rules.hours import Hour

SPANS = {"7d": 7, "30d": 30, "90d": 90}
_USAGE = "Type “history 30d” (or 7d, or 90d), with “me” or a seat's name after it if you like."
_MOST_BUCKETS, _MOST_NAMES, _MOST_RENEWALS = 20, 5, 8
_NAME = 20


async def answer(context: CommandContext, request: Request) -> Message:
    """`history [7d|30d|90d] [seat|me]`, in either order; `30` is 30 days."""
    words = [f"{word}d" if f"{word}d" in SPANS else word for word in request.arguments]
    spans = [SPANS[word] for word in words if word in SPANS] or [SPANS["30d"]]
    name = " ".join(word for word in words if word not in SPANS)
    if len(spans) > 1 or re.fullmatch(r"(.* )?\d+d?", name):
        return notice("Which days?", _USAGE)
    seats = _seats(context, request, name)
    if isinstance(seats, Message):
        return seats
    view = await context.view(request)
    if not all(map(view.may_see, seats)):
        return NOT_SHOWN
    return await days(context, view, seats, spans[0])


def _seats(context: CommandContext, request: Request, name: str) -> list[str] | Message:
    """Whose history it is; nobody's name is the team's."""
    question = request.question
    if name == "me":
        return context.owned(question.platform, question.user) or context.none_of_yours(question)
    return context.seats_asked_for(name, request) if name else []


async def days(context: CommandContext, view: View, seats: Sequence[str], number: int) -> Message:
    """The last days of these seats, or of the team."""
    since = first_hour(number, view.report.as_of, context.tz)
    rows = [row for row in view.report.rows if (not seats or row.seat.name in seats) and not row.beside]
    counters = {row.counter for row in rows if row.counter is not None}
    hours = await _hours(context, frozenset(counters), since)
    found = await asyncio.to_thread(days_of, view, hours, number, seats)
    return history_answer(view, found, number, seats)


async def _hours(context: CommandContext, counters: frozenset[Counter], since: datetime) -> list[Hour]:
    """The slow part of a team's history: people who ask for the same at the same time share one reading."""
    key = counters, since
    if (reading := context.hours_being_read.get(key)) is None:
        hours = hours_joined(context.store, counters, since, partial(stretch_of, tz=context.tz))
        reading = context.hours_being_read[key] = asyncio.ensure_future(hours)
        reading.add_done_callback(lambda _: context.hours_being_read.pop(key))
    return await asyncio.shield(reading)


def history_answer(view: View, found: Sequence[DailySpend], number: int, seats: Sequence[str]) -> Message:
    """The last days of these seats, or without any of the team: a table for each currency, and charts of the currency
    with the most seats (Slack draws two in a message)."""
    title = _title(view, number, seats, found)
    words = ("history", f"{number}d", *(seats if len(seats) < 2 else ("me",)))
    actions = () if view.public else buttons(*words)
    if not found:
        text = "Nothing is known about these days."
        return Message(title, f"{title}: {text}", text=text, actions=actions)
    total = amounts_text(days.total for days in found)
    rows = [row for row in view.report.rows if not seats or row.seat.name in seats]
    facts_of_days = [fact for days in found for fact in _facts(days)]
    facts = tuple(dict.fromkeys(filter(None, [*facts_of_days, not_in_sums(rows)])))
    renewals = _renewal_lines(dict.fromkeys(one for days in found for one in days.renewals))
    return Message(
        title=f"{title}: {total}",
        fallback=f"{title}: {' '.join(_summary(days) for days in found)}",
        text="\n".join(_summary(days) for days in found),
        tables=tuple(_table(days) for days in found),
        charts=(_spend_chart(found[0]), *_month_charts(found[0])),
        sections=filled(Section(facts), Section(renewals, "Plan renewals")),
        actions=actions,
        footer=f"Days in {view.tz}. As of {moment(view.report.as_of, view.tz)}",
    )


def _title(view: View, number: int, seats: Sequence[str], found: Sequence[DailySpend]) -> str:
    names = listed([one_line(seat, 40) for seat in seats], 3)
    whose = f"Extra usage of {names}" if seats else "The team's extra usage"
    if not seats and view.rows != "named":
        whose = "Extra usage"
    known = min((days.known for days in found), default=None)
    if known is not None and known > found[0].days[0]:
        return f"{whose} since {day_text(known)}"
    return f"{whose}, the last {number} days"


def _summary(days: DailySpend) -> str:
    """`$7.50 spent: ana $5.00 and bo $2.50. Most on Wed Apr 29: $5.00.`"""
    parts = [f"{one_line(one.label, _NAME)} {_amount(one.total, days)}" for one in days.series]
    most, day = max(zip(days.each, days.days, strict=True), key=lambda pair: pair[0])
    peak = f" Most on {day_text(day)}: {_amount(most, days)}." if most > 0 else ""
    since = f" since {day_text(days.known)}" if days.known > days.days[0] else ""
    return f"{amount_text(days.total)} spent{since}: {listed(parts)}.{peak}"


def _days_a_bucket(days: DailySpend) -> int:
    """One of a week, two of a month, five of a quarter."""
    return -(-len(days.days) // _MOST_BUCKETS)


def _buckets(days: DailySpend) -> dict[str, slice]:
    """Adjoining days that are shown as one, by their label: at most 20, of which the last ends today."""
    size = _days_a_bucket(days)
    ends = range(len(days.days), 0, -size)
    places = [slice(max(0, end - size), end) for end in reversed(ends)]
    return {_label(days.days[place][0], days.days[place][-1]): place for place in places}


def _label(first: date, last: date) -> str:
    """`Wed Apr 29`, `Apr 1–2`, `Apr 29–May 3`"""
    if first == last:
        return day_text(first)
    end = f"{last.day}" if first.month == last.month else f"{last:%b} {last.day}"
    return f"{first:%b} {first.day}–{end}"


def _per(days: DailySpend) -> str:
    size = _days_a_bucket(days)
    return "per day" if size == 1 else f"per {size} days"


def _in_buckets(spent: Sequence[Decimal], days: DailySpend) -> list[Decimal]:
    return [sum(spent[place], Decimal(0)) for place in _buckets(days).values()]


def _table(days: DailySpend) -> Table:
    """A row for each bucket in which something was spent."""
    spent = [(one_line(one.label, _NAME), _in_buckets(one.spent, days)) for one in days.series]
    if len(spent) > 1:
        spent.append(("Total", _in_buckets(days.each, days)))
    columns = [Column(name, numeric=True, before=f"{name} ") for name, _ in spent]
    rows = [
        (label, *(_amount(amount, days) if amount else "" for amount in amounts))
        for label, *amounts in zip(_buckets(days), *(each for _, each in spent), strict=True)
        if any(amounts)
    ]
    caption = f"Spent {_per(days)}, {days.currency}"
    return Table(caption, (Column("Days"), *columns), tuple(rows), "" if rows else "Nothing was spent.")


def _spend_chart(days: DailySpend) -> Chart:
    exponent, labels = days.total.exponent, tuple(_buckets(days))
    series = []
    for one in days.series:
        values = (rounded(amount, exponent) for amount in _in_buckets(one.spent, days))
        series.append(Series(one_line(one.label, _NAME), tuple(values)))
    title, said = f"Spent {_per(days)}", _summary(days)
    return Chart(title, ChartKind.BAR, labels, tuple(series), days.currency, said, in_table=True)


def _month_charts(days: DailySpend) -> tuple[Chart, ...]:
    """The month's sum at the end of each bucket, beside the cap. A single known point would draw no line."""
    places = [place.stop - 1 for place in _buckets(days).values()]
    ends = [days.so_far[place] for place in places]
    so_far = tuple(None if end is None else rounded(end, days.total.exponent) for end in ends)
    if sum(value is not None for value in so_far) < 2:
        return ()
    series, title = [Series("month so far", so_far)], "Month so far"
    now = so_far[-1]
    summary = "The month's sum is not known." if now is None else f"{_amount(now, days)} this month"
    if days.cap is not None:
        series.append(Series("cap", (days.cap.major,) * len(places)))
        title += " and cap"
        summary += "" if now is None else f", the cap is {amount_text(days.cap)}"
    labels = tuple(f"{days.days[place]:%b} {days.days[place].day}" for place in places)
    return (Chart(title, ChartKind.LINE, labels, tuple(series), days.currency, stopped(summary)),)


def _facts(days: DailySpend) -> list[str]:
    facts = []
    if days.left_out:
        facts.append("One other seat is left out: a sum of one seat would be that seat's own number.")
    if days.blocked:
        lengths = [f"{name} for about {span(length)}" for name, length in days.blocked.items()]
        facts.append(f"Blocked: {listed(lengths)}.")
    if days.known > days.days[0]:
        facts.append(f"Nothing is known before {day_text(days.known)}.")
    return facts


def _amount(major: Decimal, days: DailySpend) -> str:
    return amount_text(of_major(rounded(major, days.total.exponent), days.currency))


def _renewal_lines(renewals: Iterable[tuple[str, date]]) -> tuple[str, ...]:
    """`ana and bo on Wed Apr 15`, then `cleo on Mon Apr 20`; the soonest, and how many seats follow."""
    days: dict[str, list[str]] = {}
    for name, day in sorted(renewals, key=lambda one: one[1]):
        days.setdefault(name, []).append(day_text(day))
    same: dict[str, list[str]] = {}
    for name, on in days.items():
        same.setdefault(listed(on), []).append(name)
    lines = [f"{listed(names, _MOST_NAMES)} on {on}" for on, names in same.items()]
    more = sum(len(names) for names in [*same.values()][_MOST_RENEWALS:])
    return (*lines[:_MOST_RENEWALS], *([f"and {count(more, 'more seat')}"] if more else []))
