"""The answer to `/claude-spend history`: what was spent on each day, in words for those who cannot see the picture."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial

from meterbot.chat import Answer
from meterbot.commands import charts
from meterbot.commands.context import NOT_SHOWN, CommandContext, Request
from meterbot.commands.daily import DailySpend, days_of, first_hour, stretch_of
from meterbot.commands.readings import hours_joined
from meterbot.commands.view import View
from meterbot.core.messages import Message, Picture, Section, buttons, notice
from meterbot.core.models import Counter
from meterbot.core.money import Money, of_major, rounded, show
from meterbot.core.text import day_text, listed, moment, one_line, sentence, span
from meterbot.rules.hours import Hour

SPANS = {"7d": 7, "30d": 30, "90d": 90}
_USAGE = "Ask “history 30d”, with 7d, 30d or 90d, and perhaps “me” or a seat behind it."
_MOST_LINES = 31
_MOST_NAMES = 20
_WEEK = 7


async def answer(context: CommandContext, request: Request) -> Answer:
    """`history [7d|30d|90d] [seat|me]`, in either order."""
    spans = [SPANS[word] for word in request.arguments if word in SPANS] or [SPANS["30d"]]
    name = " ".join(word for word in request.arguments if word not in SPANS)
    if len(spans) > 1 or re.fullmatch(r"(.* )?\d+d?", name):
        return Answer(notice("Which days?", _USAGE), request.public)
    question = request.question
    seats: list[str] = []
    if name == "me":
        seats = context.owned(question.platform, question.user)
        if not seats:
            return Answer(context.none_of_yours(question), request.public)
    elif name:
        seats = context.named(name, question.platform)
        if not seats:
            return Answer(context.no_such_seat(name), request.public)
    view = await context.view(request)
    if not all(map(view.may_see, seats)):
        return Answer(NOT_SHOWN, request.public)
    return await days(context, view, seats, spans[0], question.platform)


async def days(
    context: CommandContext, view: View, seats: Sequence[str], number: int, platform: str
) -> Answer:
    """So many days of these seats, or of the team."""
    since = first_hour(number, view.report.as_of, context.tz)
    rows = [row for row in view.report.rows if (not seats or row.seat.name in seats) and not row.beside]
    counters = {row.counter for row in rows if row.counter is not None}
    hours = await _hours(context, frozenset(counters), since)
    found = await asyncio.to_thread(days_of, view, hours, number, seats)
    picture, note = await _drawn(found, title_of(view, number, seats), dark=platform == "discord")
    return Answer(history_answer(view, found, number, seats, note), view.public, picture=picture)


async def _hours(context: CommandContext, counters: frozenset[Counter], since: datetime) -> list[Hour]:
    """The slow part of a team's history: people who ask for the same at the same time share one reading."""
    key = counters, since
    if (reading := context.hours_being_read.get(key)) is None:
        hours = hours_joined(context.store, counters, since, partial(stretch_of, tz=context.tz))
        reading = context.hours_being_read[key] = asyncio.ensure_future(hours)
        reading.add_done_callback(lambda _: context.hours_being_read.pop(key))
    return await asyncio.shield(reading)


async def _drawn(found: Sequence[DailySpend], title: str, *, dark: bool) -> tuple[Picture | None, str]:
    """The picture of the first currency; or none, and why."""
    if not found:
        return None, ""
    try:
        draw = partial(charts.draw, found[0], title, dark=dark)
        png = await asyncio.get_running_loop().run_in_executor(charts.PAINTER, draw)
    except charts.NoCharts as reason:
        return None, sentence(str(reason))
    return Picture(png, alt_text(found[0], title), "claude-spend.png"), ""


def history_answer(
    view: View, found: Sequence[DailySpend], number: int, seats: Sequence[str], note: str = ""
) -> Message:
    """Of these seats, or without any of the team. `note`: why there is no picture, where there is none."""
    title = title_of(view, number, seats)
    words = ("history", f"{number}d", *(seats if len(seats) < 2 else ("me",)))
    if not found:
        text = "Nothing is known of these days."
        return Message(title, f"{title}: {text}", text=text, actions=() if view.public else buttons(*words))
    text = "; ".join(f"{show(days.total, grouped=True)} spent" for days in found)
    sections = [section for days in found for section in _sections(days, several=len(found) > 1)]
    if len(found) > 1:
        note = f"{note} The picture shows {found[0].currency} alone.".strip()
    return Message(
        title=title,
        fallback=f"{title}: {text}",
        text="\n".join(line for line in (f"{text}.", note) if line),
        sections=tuple(sections),
        actions=() if view.public else buttons(*words),
        footer=f"Days in {view.tz}. As of {moment(view.report.as_of, view.tz)}",
    )


def title_of(view: View, number: int, seats: Sequence[str]) -> str:
    """The picture's, too."""
    names = listed([one_line(seat, 40) for seat in seats], 3)
    whose = f"Extra usage of {names}" if seats else "The team's extra usage"
    if not seats and view.rows != "named":
        whose = "Extra usage"
    return f"{whose}, the last {number} days"


def alt_text(days: DailySpend, title: str) -> str:
    """The picture in a sentence, for those who hear it."""
    parts = [f"{one.label} {show(one.total, grouped=True)}" for one in days.series]
    most = max(zip(days.each, days.days, strict=True), key=lambda pair: pair[0], default=None)
    peak = ""
    if most is not None and most[0] > 0:
        peak = f" Most on {day_text(most[1])}: {_amount(most[0], days)}."
    blocked = f" Blocked: {_blocked_words(days)}." if days.blocked else ""
    return (
        f"{title}, as bars of each day stacked by seat: {show(days.total, grouped=True)} in all, "
        f"{listed(parts, 20)}.{peak}{blocked}"
    )


def _sections(days: DailySpend, *, several: bool) -> list[Section]:
    unit = f" ({days.currency})" if several else ""
    sections = [Section(tuple(_seat_lines(days)), heading=f"Seats{unit}", fixed=True)]
    lines = _day_lines(days)
    if lines:
        per = "Weeks" if len(days.days) > _MOST_LINES else "DailySpend"
        sections.append(Section(tuple(lines), heading=f"{per}{unit}", fixed=True))
    facts = []
    if days.blocked:
        facts.append(f"Blocked: {_blocked_words(days)}.")
    if days.renewals:
        facts.append(f"Plan renewals: {_renewed_words(days.renewals)}.")
    if days.known > days.days[0]:
        facts.append(f"Nothing is known before {day_text(days.known)}.")
    return [*sections, Section(tuple(facts))] if facts else sections


def _seat_lines(days: DailySpend) -> list[str]:
    amounts = [show(one.total, grouped=True) for one in days.series]
    names = [one_line(one.label, 24) for one in days.series]
    wide, long = max(map(len, names)), max(map(len, amounts))
    return [f"{name:<{wide}}  {amount:>{long}}" for name, amount in zip(names, amounts, strict=True)]


def _day_lines(days: DailySpend) -> list[str]:
    """Those on which something was spent; of many days the weeks."""
    rows = list(zip(days.days, days.each, strict=True))
    if len(rows) > _MOST_LINES:
        rows = list(_weeks(rows))
    spent = [(day, amount) for day, amount in rows if amount > 0]
    amounts = [_amount(amount, days) for _, amount in spent]
    long = max(map(len, amounts), default=0)
    return [f"{day_text(day):<10}  {amount:>{long}}" for (day, _), amount in zip(spent, amounts, strict=True)]


def _weeks(rows: Sequence[tuple[date, Decimal]]) -> Iterable[tuple[date, Decimal]]:
    """Sums of the weeks that end with the last day, by their first."""
    for end in range(len(rows) % _WEEK or _WEEK, len(rows) + 1, _WEEK):
        part = rows[max(0, end - _WEEK) : end]
        yield part[0][0], sum((amount for _, amount in part), Decimal(0))


def _amount(major: Decimal, days: DailySpend) -> str:
    return show(_money(major, days), grouped=True)


def _money(major: Decimal, days: DailySpend) -> Money:
    return of_major(rounded(major, days.total.exponent), days.currency)


def _blocked_words(days: DailySpend) -> str:
    lengths: dict[str, timedelta] = {}
    for stretch in days.blocked:
        lengths[stretch.label] = lengths.get(stretch.label, timedelta()) + stretch.end - stretch.start
    return listed([f"{name} for about {span(length)}" for name, length in lengths.items()])


def _renewed_words(renewals: Sequence[tuple[str, date]]) -> str:
    each: dict[str, list[str]] = {}
    for name, day in sorted(renewals, key=lambda one: one[1]):
        each.setdefault(name, []).append(day_text(day))
    return listed([f"{name} on {listed(on)}" for name, on in each.items()], _MOST_NAMES)
