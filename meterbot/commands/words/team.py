"""The team view: what `/claude-spend` answers. Totals first, then who is blocked, the seats, who is missing, and
what is charged next."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice

from meterbot.commands.context import CommandContext, Request
from meterbot.commands.privacy import View
from meterbot.commands.readings import off_loop
from meterbot.commands.rows import (
    Columns,
    amount_text,
    at_most,
    cap_cell,
    charge_lines,
    credits_cell,
    filled,
    missing_lines,
    names_text,
    row_value,
    seat_name,
    spent_cell,
    state_cell,
    table,
    upcoming,
    used_cell,
)
from meterbot.commands.seat_lines import estimate_value
from meterbot.commands.team_report import SeatRow, TeamReport, Total
from meterbot.core.messages import Column, Message, Section, Table, buttons
from meterbot.core.models import Severity
from meterbot.core.money import totals
from meterbot.core.text import amounts_text, count, moment, percent_text

MOST_ROWS = 30
"""Seats listed one by one; the others are summed, so that the list still adds up to the total."""
_MOST_MISSING = 5
_MOST_CHARGES = 3
_MOST_BLOCKED = 3


async def answer(context: CommandContext, request: Request) -> Message:
    return await off_loop(len(context.seats), team, await context.view(request))


def team(view: View) -> Message:
    """The totals, the same for everyone, and the rows that this reader may see."""
    report = view.report
    blocked = [row for row in report.rows if row.blocked]
    severity = Severity.CRITICAL if blocked else Severity.WARNING if report.missing else Severity.INFO
    spent = amounts_text(total.used for total in report.totals if total.used is not None)
    title = f"Claude spend, {report.as_of:%B %Y}" + (f": {spent}" if spent else "")
    return Message(
        title=title,
        fallback=_fallback(report, title, blocked),
        severity=severity,
        text="\n".join([*_blocked_lines(blocked, view), *_total_lines(view)]),
        tables=seats_table(view),
        sections=filled(_api_organizations(view), _missing(view), _next_charges(view), _duplicates(view)),
        actions=() if view.public else buttons("team"),
        footer=f"Extra usage of this month (UTC), as of {moment(report.as_of, view.tz)}",
    )


# --- the totals ---------------------------------------------------------------------------------------------------


def _blocked_lines(blocked: Sequence[SeatRow], view: View) -> list[str]:
    """The seat line of each blocked seat that this reader may see by name, and how many more there are."""
    shown = [row for row in blocked if view.may_see(row.seat.name)][:_MOST_BLOCKED]
    lines = [f"{seat_name(row, view)}: {row_value(row, view)}" for row in shown]
    more = len(blocked) - len(shown)
    if more:
        also = "more " if shown else ""
        lines.append(f"{more} {also}{'seat is' if more == 1 else 'seats are'} BLOCKED")
    return lines


def total_line(total: Total) -> str:
    """`$121.40 spent of $300.00 (40%)`, or why there is no percentage."""
    if total.used is None:
        return f"{total.currency}: no amount is known yet"
    used = amount_text(total.used)
    if total.cap is None:
        return f"{used} spent{_why_uncapped(total)}"
    share = "" if total.percent is None else f" ({percent_text(total.percent)})"
    return f"{used} spent of {amount_text(total.cap)}{share}"


def _why_uncapped(total: Total) -> str:
    causes = []
    if total.uncapped:
        have = "has" if len(total.uncapped) == 1 else "have"
        causes.append(f"{count(len(total.uncapped), 'seat')} {have} no cap")
    if total.cap_unknown:
        causes.append(f"{count(len(total.cap_unknown), 'cap')} unknown")
    return f" (no cap for the team: {', '.join(causes)})" if causes else ""


def plan_fees_text(view: View) -> str:
    """`$420.00 (without cleo: its price is not known)`; empty where no price is known."""
    report, unpriced = view.report, view.report.unpriced
    fees = amounts_text(total.plan_fees for total in report.totals if total.plan_fees is not None)
    prices = " (at list prices)" if any(row.seat.list_price for row in report.rows) else ""
    known = "its price is" if len(unpriced) == 1 else "their prices are"
    without = f" (without {names_text(unpriced, view, 3)}: {known} not known)" if unpriced else ""
    return f"{fees}{prices}{without}" if fees else ""


def _total_lines(view: View) -> list[str]:
    if not view.report.rows:
        return ["No seats are configured."]
    lines = [total_line(total) for total in view.report.totals] or ["No amount is known yet."]
    fees = plan_fees_text(view)
    return [*lines, *[f"Plan fees on top: {fees}"] * bool(fees), _coverage(view.report)]


def _coverage(report: TeamReport) -> str:
    if report.current == report.seats:
        return f"{report.current} of {count(report.seats, 'seat')}, all up to date"
    rows = [row for row in report.rows if not row.beside]
    old = len({row.seat.name for row in rows if row.counted and not row.current})
    unknown = len({row.seat.name for row in rows if not row.known})
    parts = [f"{report.current} of {count(report.seats, 'seat')} up to date"]
    if old:
        parts.append(f"{old} counted with the last known amount")
    if unknown:
        parts.append(f"{unknown} unknown and not in the total")
    return "; ".join(parts)


def _fallback(report: TeamReport, title: str, blocked: Sequence[SeatRow]) -> str:
    number = len({row.seat.name for row in blocked})
    parts = [f"{count(number, 'seat')} BLOCKED"] if number else []
    parts += [total_line(total) for total in report.totals]
    parts.append(f"{report.current} of {count(report.seats, 'seat')} up to date")
    return f"{title}. {'; '.join(parts)}"


# --- the seats ----------------------------------------------------------------------------------------------------


def seats_table(view: View, lately: Mapping[str, str] | None = None) -> tuple[Table, ...]:
    """Blocked seats first. Seats that are not listed are summed, so that the table still adds up to the total.
    `lately`: what seats spent since the last digest, by name."""
    seats = [row for row in view.report.rows if not row.beside]
    listed_rows = view.rows_shown(seats)[:MOST_ROWS]
    shown = {id(row) for row in listed_rows}
    rest = [row for row in seats if id(row) not in shown]

    def since_then(row: SeatRow) -> str:
        seen = row.counted and view.may_see(row.seat.name)
        return lately.get(row.seat.name, "") if seen and lately else ""

    columns: Columns[SeatRow] = (
        (Column("Seat"), lambda row: seat_name(row, view)),
        (Column("Since then", numeric=True, before="since then "), since_then),
        (Column("Spent", numeric=True), spent_cell),
        (Column("Cap", numeric=True, before="of "), cap_cell),
        (Column("Used"), used_cell),
        (Column("Credits", numeric=True, after=" in credits left"), credits_cell),
        (Column("State"), lambda row: state_cell(row, view)),
    )
    return table("Seats", columns, listed_rows, rest_note(rest, view, among=bool(listed_rows)))


def rest_note(rest: Sequence[SeatRow], view: View, *, among: bool) -> str:
    """`and 280 more: $1,234.00 together (3 BLOCKED)`. A sum of one seat that this reader may not see is left out."""
    if not rest:
        return ""
    number = len({row.seat.name for row in rest})
    head = f"and {number} more" if among else count(number, "seat")
    spent: defaultdict[str, list[SeatRow]] = defaultdict(list)
    for row in rest:
        if row.counted and row.used is not None:
            spent[row.used.currency].append(row)
    sums = [rows for rows in spent.values() if len(rows) > 1 or view.sees_rows_of(rows[0].seat.name)]
    amounts = [row.used for rows in sums for row in rows if row.used is not None]
    known = amounts_text(totals(amounts).values())
    if len(sums) < len(spent):
        said = f"{known} together, and one amount" if known else "amount"
        return f"{head}: {said} not shown, because a sum of one seat would be that seat's own number"
    line = f"{head}: {known} together" if known else f"{head}: no known spend"
    blocked = len([row for row in rest if row.blocked])
    unknown = len([row for row in rest if not row.known])
    asides = [f"{blocked} BLOCKED"] * bool(blocked) + [f"{unknown} unknown"] * bool(unknown)
    return line + (f" ({', '.join(asides)})" if asides else "")


def _api_organizations(view: View) -> Section:
    beside = view.rows_shown([row for row in view.report.rows if row.beside])[:MOST_ROWS]
    heading = f"API {'organization' if len(beside) == 1 else 'organizations'} (not in the total)"
    lines = []
    for row in beside:
        state = state_cell(row, view)
        lines.append(f"{seat_name(row, view)}: {row_value(row, view)}" + (f", {state}" if state else ""))
        spend = row.snapshot.org_spend
        if spend is not None and spend.estimates is not None:
            lines.append(f"Claude Code use: {estimate_value(spend.estimates)}")
    return Section(tuple(lines), heading=heading)


# --- the rest -----------------------------------------------------------------------------------------------------


def _missing(view: View) -> Section:
    lines = missing_lines(view.report.missing, view.tz, brief=True)
    shown = at_most(_MOST_MISSING, lines, "For the others, type /claude-spend status.")
    return Section(shown, heading=f"Not read ({len(view.report.missing)})")


def _next_charges(view: View) -> Section:
    lines = list(islice(charge_lines(upcoming(view), view), _MOST_CHARGES + 1))
    shown = at_most(_MOST_CHARGES, lines, "Later charges: /claude-spend renewals")
    return Section(shown, heading="Next charges")


def _duplicates(view: View) -> Section:
    groups = [group for group in view.report.duplicates if all(map(view.may_see, group))]
    lines = [f"{names_text(group, view)} are one account: counted once" for group in groups[:5]]
    return Section(tuple(lines), heading="Configured twice")
