"""`renewals`: which subscription is charged when."""

import asyncio
from collections.abc import Sequence
from datetime import date

from meterbot.commands.context import CommandContext, Request
from meterbot.commands.privacy import View
from meterbot.commands.readings import two_months
from meterbot.commands.rows import (
    Columns,
    Hourly,
    amount_text,
    beside_last_month,
    charge_lines,
    filled,
    month_before,
    names_text,
    plan_price_text,
    seat_name,
    table,
    upcoming,
)
from meterbot.commands.team_report import SeatRow, TeamReport
from meterbot.commands.words.team import plan_fees_text
from meterbot.core.messages import Column, Message, Section, Table, buttons
from meterbot.core.models import by_counter
from meterbot.core.money import Money, totals
from meterbot.core.text import amounts_text, day_text, one_line
from meterbot.rules.hours import Hour, last_month

MOST_ROWS = 50
_MOST_LINES = 25


async def answer(context: CommandContext, request: Request) -> Message:
    view = await context.view(request)
    hours = await two_months(context.store, view.report.rows, view.report.as_of)
    return await asyncio.to_thread(renewals, view, hours)


def renewals(view: View, hours: Sequence[Hour] = ()) -> Message:
    """Every known charge in order of time, with what was spent so far beside the month before; which subscriptions end,
    and of which seats nothing is known."""
    report, hourly = view.report, by_counter(hours)
    rows = [row for row in report.rows if view.sees_rows_of(row.seat.name)]
    charges, endings = upcoming(view), _endings(rows, view)
    dated = {row.seat.name for _, row in charges} | {name for _, name in endings}
    accounts = {row.counter for _, row in charges}
    unknown = [
        row for row in rows if not row.beside and row.seat.name not in dated and row.counter not in accounts
    ]
    fees = plan_fees_text(view)
    first = next(charge_lines(charges, view), None)
    text = ["No next charge is known." if first is None else f"Next charge on {first}"]
    text += [f"Plan fees: {fees}"] if fees else []
    text += _team_so_far(report, hourly)
    ends = tuple(f"{one_line(name, 60)}: {day_text(on)}" for on, name in endings[:_MOST_LINES])
    unknowns = tuple(_unknown_renewals(unknown, view))
    return Message(
        title="Renewals",
        fallback=f"Renewals. {text[0]}",
        text="\n".join(text),
        tables=_table(charges, view, hourly),
        sections=filled(Section(ends, heading="Set to end"), Section(unknowns, heading="Not known")),
        actions=() if view.public else buttons("renewals"),
        footer="Plan fees are the configured prices, or else list prices",
    )


def _table(charges: Sequence[tuple[date, SeatRow]], view: View, hourly: Hourly) -> tuple[Table, ...]:
    now = view.report.as_of

    def spent(row: SeatRow, amount: Money | None) -> str:
        # Date and price tell who it is to those who know: beside an anonymous row they would give its amount away.
        known = row.used is not None and not row.outdated and view.may_see(row.seat.name)
        return amount_text(amount) if known else ""

    def when(one: tuple[date, SeatRow]) -> str:
        subscription = one[1].snapshot.subscription
        configured = subscription is not None and subscription.configured
        return f"{day_text(one[0])}{' (as configured)' if configured else ''}"

    columns: Columns[tuple[date, SeatRow]] = (
        (Column("Seat"), lambda one: seat_name(one[1], view)),
        (Column("Next charge"), when),
        (Column("Price", numeric=True), lambda one: plan_price_text(one[1].seat)),
        (
            Column(f"{now:%B} so far", numeric=True, after=" this month"),
            lambda one: spent(one[1], one[1].used),
        ),
        (
            Column(f"{last_month(now):%B} by now", numeric=True, after=f" by now in {last_month(now):%B}"),
            lambda one: spent(one[1], month_before(one[1], hourly, now)),
        ),
    )
    more = len(charges) - MOST_ROWS
    note = f"and {more} more: see /claude-spend seat NAME" if more > 0 else ""
    return table("Next charges", columns, charges[:MOST_ROWS], note)


def _endings(rows: Sequence[SeatRow], view: View) -> list[tuple[date, str]]:
    found = []
    for row in rows:
        subscription = row.snapshot.subscription
        if subscription is not None and subscription.ends_on is not None and view.may_see(row.seat.name):
            found.append((subscription.ends_on, row.seat.name))
    return sorted(found)


def _team_so_far(report: TeamReport, hourly: Hourly) -> list[str]:
    """The sums. Where one seat's month before is unknown, so is the team's."""
    counted = [row for row in report.rows if row.counted]
    if not counted:
        return []
    earlier = [month_before(row, hourly, report.as_of) for row in counted]
    known = [amount for amount in earlier if amount is not None]
    sums = totals(known).values() if len(known) == len(earlier) else ()
    used = amounts_text(totals(row.used for row in counted if row.used is not None).values())
    return [f"Extra usage: {beside_last_month(used, sums, report.as_of)}"]


def _unknown_renewals(rows: Sequence[SeatRow], view: View) -> list[str]:
    """Whose next charge is not known, and why."""
    whose: dict[str, set[str]] = {}
    for row in rows:
        whose.setdefault(_why_unknown(row), set()).add(row.seat.name)
    return [f"Unknown for {names_text(names, view)}: {why}." for why, names in whose.items()]


def _why_unknown(row: SeatRow) -> str:
    if row.counter is None:
        return "not read yet"
    if row.facts.next_charge is not None:
        return "the last known date has passed"
    if row.seat.source == "claude_ai":
        return "claude.ai names no date"
    return f"{row.seat.source} does not report it, so set renews_on in the configuration"
