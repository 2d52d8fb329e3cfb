"""The team view: what `/claude-spend` answers. Totals first, then who is blocked, the seats, who is missing, and
what is charged next."""

from collections.abc import Sequence
from datetime import date

from meterbot.commands.org_lines import estimate_value, spend_value
from meterbot.commands.report import SeatRow, TeamReport, Total
from meterbot.commands.seat_lines import extra_usage_value
from meterbot.commands.view import View
from meterbot.core.messages import Message, Section, buttons
from meterbot.core.models import Health, Seat, Severity
from meterbot.core.money import show, totals
from meterbot.core.text import age, amounts_text, count, day_text, listed, moment, one_line, percent_text
from meterbot.rules.renewals import next_charge

MOST_ROWS = 20
"""Seats listed one by one; the others are summed, so that the list still adds up to the total."""
_MOST_MISSING = 8
_MOST_RENEWALS = 3
_NAME_COLUMNS = 24


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
    name = one_line(row.seat.name, _NAME_COLUMNS)
    if not organization or row.counter is None:
        return name
    where = row.snapshot.org_name or row.counter.org
    return f"{name} ({one_line(where, 12)})"


def row_value(row: SeatRow, view: View) -> str:
    """The seat line's value, or what stands in its place."""
    if row.snapshot.org_spend is not None:
        return spend_value(row.snapshot.org_spend.costs)
    if not row.extra_known:
        return "unknown"
    return extra_usage_value(row.snapshot, view.report.as_of, view.tz) or "not metered"


def row_note(row: SeatRow, view: View) -> str:
    """How old the number is and what keeps it from being new."""
    health = row.snapshot.health
    if row.read_at is None:
        return words_of(health) if health is not Health.OK else "never read"
    note = age(row.read_at, view.report.as_of)
    if row.outdated:
        note = "not read this month"
    if health is not Health.OK:
        note = f"{'' if row.outdated else 'last known '}{note} ({words_of(health)})"
    if row.used is not None and not row.counted and not row.beside:
        counted = next(
            (r.seat.name for r in view.report.rows if r.counted and r.counter == row.counter), None
        )
        named = counted is not None and view.may_see(counted)
        whose = f"as {one_line(counted or '', _NAME_COLUMNS)}" if named else "as another seat"
        note += f", same account {whose}"
    return note


def words_of(health: Health) -> str:
    """`session expired`"""
    return health.value.replace("_", " ")


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
        name = one_line(gone.seat, _NAME_COLUMNS)
        lines.append(f"{name}: {words_of(gone.health)}{since}. {one_line(gone.remedy)}".rstrip())
    if len(report.missing) > _MOST_MISSING:
        lines.append(f"and {len(report.missing) - _MOST_MISSING} more: ask for status")
    return [Section(tuple(lines), heading=f"Not read ({len(report.missing)})")]


def upcoming(view: View) -> list[tuple[date, SeatRow]]:
    """Charges from today on that this reader may see, the next first; one for each account."""
    today = view.report.as_of.astimezone(view.tz).date()
    rows = view.rows_shown(sorted(view.report.rows, key=lambda row: row.seat.name))
    dated: dict[object, tuple[date, SeatRow]] = {}
    for row in rows:
        day = None if row.snapshot.subscription is None else next_charge(row.snapshot.subscription)
        if day is not None and day >= today:
            dated.setdefault(row.counter, (day, row))
    return sorted(dated.values(), key=lambda pair: pair[0])


def charge_lines(
    charges: Sequence[tuple[date, SeatRow]], view: View, so_far: Sequence[str] = ()
) -> list[str]:
    """`Thu May 14  ana  $200.00 (max_20x)`, and behind it what was spent so far."""
    names = [
        one_line(row.seat.name, _NAME_COLUMNS) if view.may_see(row.seat.name) else "a seat"
        for _, row in charges
    ]
    prices = [f"{price_of(row.seat)}{_as_configured(row)}" for _, row in charges]
    wide, long = max(map(len, names), default=0), max(map(len, prices), default=0)
    more = so_far or [""] * len(charges)
    return [
        f"{day_text(day):<10}  {name:<{wide}}  {price:<{long}}  {spent}".rstrip()
        for (day, _), name, price, spent in zip(charges, names, prices, more, strict=True)
    ]


def _as_configured(row: SeatRow) -> str:
    subscription = row.snapshot.subscription
    return "  as configured" if subscription is not None and subscription.configured else ""


def price_of(seat: Seat) -> str:
    """`$200.00 (max_20x)`, as much of it as is configured, or `$200.00 (max_20x, list price)`."""
    price = [] if seat.plan_price is None else [show(seat.plan_price, grouped=True)]
    name = "" if seat.plan is None else one_line(seat.plan, _NAME_COLUMNS)
    notes = [note for note in (name, "list price" if seat.list_price else "") if note]
    return " ".join(price + [f"({', '.join(notes)})"] * bool(notes))


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
        f"{listed([one_line(name, _NAME_COLUMNS) for name in group])} are one account: counted once"
        for group in groups[:5]
    ]
    return [Section(tuple(lines), heading="Configured twice")]
