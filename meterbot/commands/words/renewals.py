"""`renewals`: which subscription is charged when."""

import asyncio
from collections.abc import Sequence
from datetime import date

from meterbot.chat import Answer
from meterbot.commands.context import CommandContext, Request
from meterbot.commands.readings import two_months
from meterbot.commands.rows import (
    NAME_COLUMNS,
    Hourly,
    as_configured,
    beside_last_month,
    hours_of,
    plan_price_text,
    spent_so_far_if_named,
    upcoming,
)
from meterbot.commands.team_report import SeatRow, TeamReport
from meterbot.commands.view import View
from meterbot.core.messages import Message, Section, buttons
from meterbot.core.models import by_counter
from meterbot.core.money import totals
from meterbot.core.text import amounts_text, count, day_text, listed, one_line
from meterbot.rules.hours import Hour, by_this_day
from meterbot.rules.renewals import next_charge

_MOST_LINES = 25


async def answer(context: CommandContext, request: Request) -> Answer:
    view = await context.view(request)
    hours = await two_months(context.store, view.report.rows, view.report.as_of)
    return Answer(await asyncio.to_thread(renewals, view, hours), request.public)


def renewals(view: View, hours: Sequence[Hour] = ()) -> Message:
    """Every known charge in order of time, with what was spent so far beside the month before; who ends, and how many
    are unknown."""
    report, hourly = view.report, by_counter(hours)
    rows = [row for row in report.rows if view.sees_rows_of(row.seat.name)]
    dated = upcoming(view)
    first = dated[:_MOST_LINES]
    lines = charge_lines(first, view, [spent_so_far_if_named(row, view, hourly) for _, row in first])
    if len(dated) > _MOST_LINES:
        lines.append(f"and {len(dated) - _MOST_LINES} more")
    sections = [Section(tuple(lines), heading="Next charges", fixed=True)] if lines else []
    endings = sorted(
        (row.snapshot.subscription.ends_on, row.seat.name)
        for row in rows
        if row.snapshot.subscription is not None
        and row.snapshot.subscription.ends_on is not None
        and view.may_see(row.seat.name)
    )
    if endings:
        ends = tuple(f"{day_text(on):<10}  {one_line(name, 60)}" for on, name in endings[:_MOST_LINES])
        sections.append(Section(ends, heading="Set to end", fixed=True))
    known = {row.seat.name for _, row in dated} | {name for _, name in endings}
    accounts = {row.counter for _, row in dated}
    unknown = [
        row for row in rows if not row.beside and row.seat.name not in known and row.counter not in accounts
    ]
    fees = [total.plan_fees for total in report.totals if total.plan_fees is not None]
    text = [f"Plan fees: {amounts_text(fees)}"] if fees else []
    text += _team_so_far(report, hourly)
    text += _unknown_renewals(unknown, view)
    return Message(
        title="Renewals",
        fallback=f"Renewals: {lines[0] if lines else 'no date is known'}",
        text="\n".join(text),
        sections=tuple(sections),
        actions=() if view.public else buttons("renewals"),
        footer="Plan fees are the configured prices, or else list prices",
    )


def charge_lines(
    charges: Sequence[tuple[date, SeatRow]], view: View, so_far: Sequence[str] = ()
) -> list[str]:
    """`Thu May 14  ana  $200.00 (max_20x)`, and behind it what was spent so far."""
    names = [
        one_line(row.seat.name, NAME_COLUMNS) if view.may_see(row.seat.name) else "a seat"
        for _, row in charges
    ]
    prices = [f"{plan_price_text(row.seat)}{as_configured(row)}" for _, row in charges]
    wide, long = max(map(len, names), default=0), max(map(len, prices), default=0)
    more = so_far or [""] * len(charges)
    return [
        f"{day_text(day):<10}  {name:<{wide}}  {price:<{long}}  {spent}".rstrip()
        for (day, _), name, price, spent in zip(charges, names, prices, more, strict=True)
    ]


def _team_so_far(report: TeamReport, hourly: Hourly) -> list[str]:
    """The sums. Where one seat's month before is unknown, so is the team's."""
    counted = [(row, row.used) for row in report.rows if row.counted and row.used is not None]
    if not counted:
        return []
    earlier = [by_this_day(hours_of(row, hourly), used, report.as_of) for row, used in counted]
    known = [amount for amount in earlier if amount is not None]
    sums = totals(known).values() if len(known) == len(earlier) else ()
    used = amounts_text(totals(used for _, used in counted).values())
    return [f"Extra usage: {beside_last_month(used, sums, report.as_of)}"]


def _unknown_renewals(rows: Sequence[SeatRow], view: View) -> list[str]:
    """Whose next charge is not known, and why."""
    whose: dict[str, set[str]] = {}
    for row in rows:
        whose.setdefault(_why_unknown(row), set()).add(row.seat.name)
    lines = []
    for why, names in whose.items():
        named = [one_line(name, 60) for name in sorted(names)]
        seen = all(view.may_see(name) for name in names)
        who = listed(named) if seen else count(len(names), "seat")
        lines.append(f"Unknown for {who}: {why}.")
    return lines


def _why_unknown(row: SeatRow) -> str:
    if row.counter is None:
        return "not read yet"
    if row.snapshot.subscription is not None and next_charge(row.snapshot.subscription) is not None:
        return "the last known date has passed"
    if row.seat.source == "claude_ai":
        return "claude.ai names no date"
    return f"{row.seat.source} cannot tell it, so set renews_on in the configuration"
