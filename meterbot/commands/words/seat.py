"""`seat` and `me`: one seat in full, or all seats of a person."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, tzinfo

from meterbot.commands.context import NOT_SHOWN, CommandContext, Request
from meterbot.commands.outlooks import NOWHERE, Outlooks
from meterbot.commands.privacy import View
from meterbot.commands.readings import current_outlooks, two_months
from meterbot.commands.rows import (
    Hourly,
    amount_text,
    at_most,
    filled,
    health_sentence,
    plan_price_text,
    row_note,
    row_value,
    spent_so_far,
)
from meterbot.commands.seat_lines import people_lines, seat_values
from meterbot.commands.team_report import MissingSeat, SeatRow
from meterbot.commands.words.forecast import seat_outlook_sentences
from meterbot.core.messages import Message, Section, buttons
from meterbot.core.models import Severity, by_counter
from meterbot.core.plans import plan_name
from meterbot.core.text import day_text, listed, moment, one_line, sentence, span
from meterbot.rules.blocked import Block
from meterbot.rules.hours import Hour

_MOST_LINES = 25


async def mine(context: CommandContext, request: Request) -> Message:
    """`me`"""
    return await own_seats(context, request, await context.view(request))


async def own_seats(context: CommandContext, request: Request, view: View) -> Message:
    if not view.own:
        return context.none_of_yours(request.question)
    return await _detail(context, view, sorted(view.own), ("me",))


async def answer(context: CommandContext, request: Request) -> Message:
    """`seat NAME`"""
    names = context.seats_asked_for(" ".join(request.arguments), request)
    if isinstance(names, Message):
        return names
    view = await context.view(request)
    if not all(map(view.may_ask_for, names)):
        return NOT_SHOWN
    return await _detail(context, view, names, request.words)


async def _detail(context: CommandContext, view: View, names: Sequence[str], words: Sequence[str]) -> Message:
    rows = tuple(row for row in view.report.rows if row.seat.name in names)
    outlooks = await current_outlooks(context.store, replace(view.report, rows=rows))
    hours = await two_months(context.store, rows, view.report.as_of)
    return await asyncio.to_thread(seat_detail, view, names, words, outlooks, hours)


def seat_detail(
    view: View,
    names: Sequence[str],
    words: Sequence[str],
    outlooks: Outlooks = NOWHERE,
    hours: Sequence[Hour] = (),
) -> Message:
    """All that is known of these seats. `words` are what the buttons ask again. `outlooks` are their forecasts;
    `hours`, of this month and the one before, say what they had spent by this day of it."""
    report = view.report
    rows = [row for row in report.rows if row.seat.name in names]
    title = listed([one_line(name, 60) for name in names])
    if len(rows) == 1 and rows[0].used is not None:
        title = f"{title}: {row_value(rows[0], view)}"
    gone, hourly = {missing.seat: missing for missing in report.missing}, by_counter(hours)
    first, sections = [], []
    for row in rows:
        first.append(f"{one_line(row.seat.name, 60)}: {row_value(row, view)}, {row_note(row, view)}")
        facts = [
            line for one in outlooks.seats if one.row is row for line in seat_outlook_sentences(one, view)
        ]
        facts += _facts(row, view, hourly, gone.get(row.seat.name))
        lines = _lines(row, view, _heading(row, view) if len(rows) > 1 else None)
        api = row.snapshot.org_spend if view.rows == "named" else None
        people = Section(at_most(_MOST_LINES, people_lines(api) if api else ()), heading="People")
        sections += [lines, *filled(people), Section(tuple(facts))]
    severity = Severity.INFO if gone.keys().isdisjoint(names) else Severity.WARNING
    return Message(
        title=title,
        fallback="; ".join(first),
        severity=Severity.CRITICAL if any(row.block for row in rows) else severity,
        sections=tuple(sections),
        actions=() if view.public else buttons(*words),
        footer=f"As of {moment(report.as_of, view.tz)}",
    )


def _charge(row: SeatRow, view: View, hourly: Hourly) -> list[str]:
    """`Next charge Thu May 14: $200.00 (max_20x), and $17.20 spent so far this month; $12.10 by this day of March.`"""
    day, today = row.facts.next_charge, view.report.as_of.astimezone(view.tz).date()
    spent = spent_so_far(row, hourly, view.report.as_of)
    price = "" if row.seat.plan_price is None else plan_price_text(row.seat)
    if day is None or day < today:
        fee = [f"Plan fee on top: {price}."] if price else []
        return [*fee, *([f"Extra usage: {spent}."] if spent else [])]
    with_it = ", and ".join(part for part in (price, spent) if part)
    return [f"Next charge {day_text(day)}{': ' * bool(with_it)}{with_it}."]


def _heading(row: SeatRow, view: View) -> str:
    name = one_line(row.seat.name, 60)
    if row.seat.name not in view.report.split:
        return name
    where = row.snapshot.org_name or (row.counter.org if row.counter else "never read")
    return f"{name}, {one_line(where, 60)}"


def _lines(row: SeatRow, view: View, heading: str | None) -> Section:
    values = seat_values(row.snapshot, view.report.as_of, view.tz, row.details.windows_at)
    if row.pace is not None:
        per_hour, over = amount_text(row.pace.per_hour), span(row.pace.over)
        values.append(("Rate", f"{per_hour} an hour over the last {over}"))
    if not row.metered and not row.beside:
        values.append(("Extra usage", row_value(row, view)))
    return Section(tuple(value for _, value in values), heading, labels=tuple(label for label, _ in values))


def _facts(row: SeatRow, view: View, hourly: Hourly, gone: MissingSeat | None) -> list[str]:
    facts = [f"Read from {row.seat.source}: {row_note(row, view)}."]
    facts += _sharing(row, view)
    if row.block is not None:
        facts.append(block_sentence(row.block, view.tz))
    if gone is not None:
        facts.append(sentence(health_sentence(gone, view.tz)))
    if row.snapshot.tier is not None:
        facts.append(f"Plan: {plan_name(row.snapshot.tier)}.")
    facts += _charge(row, view, hourly)
    facts += _of_the_machine(row, view)
    return facts + [f"Note: {one_line(note)}" for note in _notes(row)]


def _of_the_machine(row: SeatRow, view: View) -> list[str]:
    """The rows with what only the seat's own machine knows. It is never spend and in no sum."""
    facts, estimate, throttle = [], row.snapshot.estimate, row.snapshot.throttle
    if estimate is not None:
        month = date.fromisoformat(f"{estimate.month}-01")
        facts.append(
            f"List-price estimate, not charged: {amount_text(estimate.amount)} ({estimate.by}, {month:%B}). "
            "It prices the tokens in one machine's logs, most of which the plan covers; "
            "extra usage is what Anthropic counts beyond the plan, on every device."
        )
    if throttle is not None and throttle.on is not False:
        pause = f" by {throttle.delay_seconds:f} s a step" if throttle.delay_seconds else ""
        does = f"slows this machine down{pause}" if throttle.throttling else "does not slow this machine down"
        facts.append(f"{throttle.tool} {does} (as of {moment(throttle.decided_at, view.tz)}).")
    return facts


def _sharing(row: SeatRow, view: View) -> list[str]:
    """Which other seats read the same counter, and what is known through them."""
    same = [other.seat.name for other in view.report.rows if other.counter == row.counter]
    others = [name for name in same if name != row.seat.name]
    if row.counter is None or row.beside or not others:
        return []

    def shown_name(name: str) -> str:
        return one_line(name, 60) if view.may_see(name) else "another seat"

    through = row.details.through
    parts = [f"{words} ({shown_name(through[part])})" for part, words in _PARTS.items() if part in through]
    read = f", known through others: {listed(parts)}" if parts else ""
    return [f"One account with {listed(list(dict.fromkeys(map(shown_name, others))))}: counted once{read}."]


_PARTS = {
    "windows": "the windows",
    "spend": "the spend",
    "subscription": "the renewal",
    "block": "why it is blocked",
}


def _notes(row: SeatRow) -> list[str]:
    extra = row.snapshot.extra_usage
    notes = [f"the {what} is assumed: no answer contains it" for what in (extra.assumed if extra else ())]
    if extra is not None and not extra.comparable:
        notes.append("the amount is before a discount and cannot be compared with the cap")
    if extra is not None and extra.reason is not None and row.block is None:
        notes.append(f"Anthropic's reason for switching it off: {extra.reason}")
    return [*notes, *row.snapshot.drift[:5], *row.snapshot.errors[:5]]


def block_sentence(block: Block, tz: tzinfo) -> str:
    """Which limit blocks the seat, whether prompts are refused, and until when."""
    why = {
        "cap": "its extra usage cap is reached",
        "balance": "its prepaid credits are used up",
        "unknown": "Anthropic does not say why",
    }[block.reason]
    force = {
        True: "The plan's own quota is full too: the next prompt is refused.",
        False: "The plan's own quota still works.",
        None: "It is not known whether the plan's own quota still works.",
    }[block.hard]
    until = "" if block.until is None else f" until {moment(block.until, tz)}"
    return f"Blocked{until}: {why}. {force}"
