"""The team view: what `/claude-spend` answers. Totals first, then who is blocked, the seats, who is missing, and
what is charged next."""

from collections.abc import Sequence

from meterbot.chat import Answer
from meterbot.commands.context import CommandContext, Request
from meterbot.commands.org_lines import estimate_value
from meterbot.commands.readings import off_loop
from meterbot.commands.rows import NAME_COLUMNS, health_text, row_note, row_value, upcoming
from meterbot.commands.team_report import SeatRow, TeamReport, Total
from meterbot.commands.view import View
from meterbot.commands.words.renewals import charge_lines
from meterbot.core.messages import Message, Section, buttons
from meterbot.core.models import Severity
from meterbot.core.money import show, totals
from meterbot.core.text import amounts_text, count, listed, moment, one_line, percent_text

MOST_ROWS = 20
"""Seats listed one by one; the others are summed, so that the list still adds up to the total."""
_MOST_MISSING = 8
_MOST_RENEWALS = 3


async def answer(context: CommandContext, request: Request) -> Answer:
    view = await context.view(request)
    return Answer(await off_loop(len(context.seats), team, view), request.public)


def team(view: View) -> Message:
    """The totals, the same for everyone, and the rows that this reader may see."""
    report = view.report
    text = "\n".join(_headlines(report))
    blocked = len({row.seat.name for row in report.rows if row.block})
    severity = Severity.CRITICAL if blocked else Severity.WARNING if report.missing else Severity.INFO
    title = f"Claude spend, {report.as_of:%B %Y}"
    return Message(
        title=title,
        fallback=_fallback(report, title, blocked),
        severity=severity,
        text=text,
        sections=(
            *_tables(view),
            *_missing(view),
            *_renewals(view),
            *_duplicates(view),
        ),
        actions=() if view.public else buttons("team"),
        footer=f"Extra usage of this month (UTC), as of {moment(report.as_of, view.tz)}",
    )


# --- the totals ---------------------------------------------------------------------------------------------------


def total_line(total: Total) -> str:
    """`$121.40 spent of $300.00 (40%)`, or why there is no percentage."""
    if total.used is None:
        return f"{total.currency}: no amount is known yet"
    used = show(total.used, grouped=True)
    if total.cap is None:
        return f"{used} spent{_why_uncapped(total)}"
    share = "" if total.percent is None else f" ({percent_text(total.percent)})"
    return f"{used} spent of {show(total.cap, grouped=True)}{share}"


def _why_uncapped(total: Total) -> str:
    causes = []
    if total.uncapped:
        have = "has" if len(total.uncapped) == 1 else "have"
        causes.append(f"{count(len(total.uncapped), 'seat')} {have} no cap")
    if total.cap_unknown:
        causes.append(f"{count(len(total.cap_unknown), 'cap')} unknown")
    return f" (no cap for the team: {', '.join(causes)})" if causes else ""


def _headlines(report: TeamReport) -> list[str]:
    if not report.rows:
        return ["No seats are configured."]
    lines = [total_line(total) for total in report.totals] or ["No amount is known yet."]
    fees = [total.plan_fees for total in report.totals if total.plan_fees is not None]
    if fees:
        lines.append(f"Plan fees on top: {amounts_text(fees)}")
    return [*lines, _coverage(report)]


def _coverage(report: TeamReport) -> str:
    if report.current == report.seats:
        return f"{report.current} of {count(report.seats, 'seat')}, all up to date"
    rows = [row for row in report.rows if not row.beside]
    old = len({row.seat.name for row in rows if row.counted and not row.current})
    unknown = len({row.seat.name for row in rows if not row.known})
    parts = [f"{report.current} of {count(report.seats, 'seat')} up to date"]
    if old:
        parts.append(f"{old} counted with the last known number")
    if unknown:
        parts.append(f"{unknown} unknown and not in the total")
    return "; ".join(parts)


def _fallback(report: TeamReport, title: str, blocked: int) -> str:
    parts = [total_line(total) for total in report.totals]
    parts += [f"{count(blocked, 'seat')} blocked"] if blocked else []
    parts.append(f"{report.current} of {count(report.seats, 'seat')} up to date")
    return f"{title}: {'; '.join(parts)}"


# --- the seats ----------------------------------------------------------------------------------------------------


def _tables(view: View) -> list[Section]:
    """One budget of rows for all tables, the blocked ones first."""
    seats = [row for row in view.report.rows if not row.beside]
    visible = view.rows_shown(seats)[:MOST_ROWS]
    cells = _cells(visible, view)
    blocked = [line for row, line in zip(visible, cells, strict=True) if row.block]
    others = [line for row, line in zip(visible, cells, strict=True) if not row.block]
    shown = {id(row) for row in visible}
    rest = [row for row in seats if id(row) not in shown]
    more = [_more(rest, among=bool(visible))] if rest else []
    sections = []
    if blocked:
        number = len(blocked)
        sections.append(Section(tuple(blocked), heading=f"Blocked ({number})", fixed=True))
    if others or more:
        sections.append(Section((*others, *more), heading="Seats", fixed=True))
    beside = view.rows_shown(row for row in view.report.rows if row.beside)[:MOST_ROWS]
    if beside:
        heading = f"API {'organization' if len(beside) == 1 else 'organizations'} (not in the total)"
        lines = [
            line
            for row, cell in zip(beside, _cells(beside, view), strict=True)
            for line in (cell, *_estimate(row))
        ]
        sections.append(Section(tuple(lines), heading=heading, fixed=True))
    return sections


def _estimate(row: SeatRow) -> list[str]:
    spend = row.snapshot.org_spend
    if spend is None or spend.estimates is None:
        return []
    return [f"  Claude Code use: {estimate_value(spend.estimates)}"]


def _cells(rows: Sequence[SeatRow], view: View) -> list[str]:
    several = {row.seat.name for row in rows if sum(other.seat.name == row.seat.name for other in rows) > 1}
    names = [
        _name(row, organization=row.seat.name in several) if view.may_see(row.seat.name) else "a seat"
        for row in rows
    ]
    values = [row_value(row, view) for row in rows]
    wide, long = max(map(len, names), default=0), max(map(len, values), default=0)
    # How old a number is and what ails its source would name the seat: that list is for everyone.
    notes = [row_note(row, view) if view.may_see(row.seat.name) else "" for row in rows]
    return [
        f"{name:<{wide}}  {value:<{long}}  {note}".rstrip()
        for name, value, note in zip(names, values, notes, strict=True)
    ]


def _name(row: SeatRow, *, organization: bool) -> str:
    name = one_line(row.seat.name, NAME_COLUMNS)
    if not organization or row.counter is None:
        return name
    where = row.snapshot.org_name or row.counter.org
    return f"{name} ({one_line(where, 12)})"


def _more(rest: Sequence[SeatRow], *, among: bool) -> str:
    known = totals(row.used for row in rest if row.counted and row.used is not None).values()
    number = len({row.seat.name for row in rest})
    head = f"and {number} more" if among else count(number, "seat")
    line = f"{head}: {amounts_text(known)} together" if known else f"{head}: no known spend"
    blocked = sum(row.block is not None for row in rest)
    unknown = sum(not row.known for row in rest)
    asides = [f"{blocked} BLOCKED"] * bool(blocked) + [f"{unknown} unknown"] * bool(unknown)
    return line + (f" ({', '.join(asides)})" if asides else "")


# --- the rest -----------------------------------------------------------------------------------------------------


def _missing(view: View) -> list[Section]:
    report = view.report
    if not report.missing:
        return []
    lines = []
    for gone in report.missing[:_MOST_MISSING]:
        since = "" if gone.since is None else f" since {moment(gone.since, view.tz)}"
        name = one_line(gone.seat, NAME_COLUMNS)
        lines.append(f"{name}: {health_text(gone.health)}{since}. {one_line(gone.remedy)}".rstrip())
    if len(report.missing) > _MOST_MISSING:
        lines.append(f"and {len(report.missing) - _MOST_MISSING} more: ask for status")
    return [Section(tuple(lines), heading=f"Not read ({len(report.missing)})")]


def _renewals(view: View) -> list[Section]:
    dated = upcoming(view)
    if not dated:
        return []
    lines = charge_lines(dated[:_MOST_RENEWALS], view)
    if len(dated) > _MOST_RENEWALS:
        lines.append(f"and {len(dated) - _MOST_RENEWALS} more: ask for renewals")
    return [Section(tuple(lines), heading="Next charges", fixed=True)]


def _duplicates(view: View) -> list[Section]:
    groups = [group for group in view.report.duplicates if all(view.may_see(name) for name in group)]
    if not groups:
        return []
    lines = [
        f"{listed([one_line(name, NAME_COLUMNS) for name in group])} are one account: counted once"
        for group in groups[:5]
    ]
    return [Section(tuple(lines), heading="Configured twice")]
