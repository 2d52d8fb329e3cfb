"""A row of the report as text: its amount, its age, its price, its next charge."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import TypeVar

from meterbot.commands.privacy import View
from meterbot.commands.seat_lines import blocked_text, extra_usage_value, health_text, spend_value
from meterbot.commands.team_report import MissingSeat, SeatRow
from meterbot.core.inline import instant
from meterbot.core.messages import Column, Section, Table
from meterbot.core.models import Counter, Health, Seat
from meterbot.core.money import Money, percent, show, totals
from meterbot.core.plans import plan_name
from meterbot.core.text import age, amounts_text, bar, count, day_text, listed, one_line
from meterbot.rules.hours import Hour, by_this_day, last_month

Item = TypeVar("Item")
Columns = Sequence[tuple[Column, Callable[[Item], str]]]
"""A table's columns, each with what makes its cell of a row's item."""
Hourly = Mapping[Counter, Sequence[Hour]]
"""The hours of each counter."""

NAME_COLUMNS = 24
_name = attrgetter("seat.name")
_FRESH = timedelta(hours=1)
"""A number is shown without its age for so long, and for two intervals of its seat."""


def table(caption: str, columns: Columns[Item], items: Sequence[Item], note: str = "") -> tuple[Table, ...]:
    """A table with a row for each item, without the columns that would be empty in every row; none if there is nothing
    to show."""
    if not items and not note:
        return ()
    cells = [[cell(item) for item in items] for _, cell in columns]
    kept = [place for place, column in enumerate(cells) if not place or any(column)]
    rows = zip(*(cells[place] for place in kept), strict=True)
    return (Table(caption, tuple(columns[place][0] for place in kept), tuple(rows), note),)


def filled(*sections: Section) -> tuple[Section, ...]:
    """The sections that have lines."""
    return tuple(section for section in sections if section.lines)


def at_most(most: int, lines: Sequence[str], rest: str = "and {} more") -> tuple[str, ...]:
    """The first `most` lines, and a line with the number of the others."""
    more = len(lines) - most
    return (*lines[:most], rest.format(more)) if more > 0 else tuple(lines)


def row_value(row: SeatRow, view: View) -> str:
    """The value of the seat line, such as `$17.20 / $50.00 (34%)`, `unknown` or `not metered`."""
    if row.snapshot.org_spend is not None:
        return spend_value(row.snapshot.org_spend)
    if not row.extra_known:
        return "unknown"
    return extra_usage_value(row.snapshot, view.report.as_of, view.tz) or "not metered"


def not_in_sums(rows: Iterable[SeatRow]) -> str:
    """Says how many seats' spend is unknown, so that no sum contains it; empty if there is none."""
    number = len({row.seat.name for row in rows if not row.known and not row.beside})
    is_ = "is" if number == 1 else "are"
    return f"The spend of {count(number, 'seat')} {is_} not known and not in these numbers." if number else ""


def row_note(row: SeatRow, view: View) -> str:
    """How old the number is, and why there is no newer one."""
    health = row.health
    if row.read_at is None:
        return health_text(health) if health is not Health.OK else "never read"
    note = "not read this month" if row.outdated else age(row.read_at, view.report.as_of)
    if health is not Health.OK:
        note = f"{'' if row.outdated else 'last known '}{note} ({health_text(health)})"
    return ", ".join([note, *_same_account(row, view)])


def names_text(names: Iterable[str], view: View, most: int = 10) -> str:
    """`ana, bo and 2 seats`: by name as far as this reader may see the names."""
    seats = sorted(names)
    seen = [name for name in seats if view.may_see(name)]
    hidden = len(seats) - len(seen)
    shown = [one_line(name, NAME_COLUMNS) for name in seen[:most]]
    return listed([*shown, *seen[most:], *([count(hidden, "seat")] if hidden else [])], most)


def seat_name(row: SeatRow, view: View) -> str:
    """`ana`, `ana (Acme)` where the seat has several organizations, or `a seat` where its name is not for this
    reader."""
    if not view.may_see(row.seat.name):
        return "a seat"
    name = one_line(row.seat.name, NAME_COLUMNS)
    if row.counter is None or row.seat.name not in view.report.split:
        return name
    return f"{name} ({one_line(row.snapshot.org_name or row.counter.org, 12)})"


def amount_text(amount: Money | None) -> str:
    """`$1,021.40`, empty if it is not known."""
    return "" if amount is None else show(amount, grouped=True)


def spent_cell(row: SeatRow) -> str:
    if row.used is not None:
        return amount_text(row.used)
    return "unknown" if row.metered or not row.known else ""


def cap_cell(row: SeatRow) -> str:
    extra = row.snapshot.extra_usage
    if extra is None or not row.metered:
        return ""
    return amount_text(extra.cap) if extra.cap is not None or extra.cap_known else "unknown"


def credits_cell(row: SeatRow) -> str:
    """The prepaid credits that are left, where they are known."""
    extra = row.snapshot.extra_usage
    return "" if extra is None or extra.balance is None else amount_text(extra.balance.amount)


def used_cell(row: SeatRow) -> str:
    """`▰▰▰▱▱▱▱▱▱▱ 30%` or `no cap`"""
    extra = row.snapshot.extra_usage
    if row.metered and extra is not None and extra.cap is None and extra.cap_known:
        return "no cap"
    share = None if extra is None else percent(row.used, extra.cap)
    return "" if share is None else bar(share)


def state_cell(row: SeatRow, view: View) -> str:
    """`BLOCKED until Fri May 1`, what is wrong with the number, its age unless it is fresh; else nothing."""
    parts = []
    if row.block is not None:
        parts.append(blocked_text(row.block, view.tz))
    elif row.known and not row.metered and not row.beside:
        parts.append("not metered")
    # The list of missing seats is for everyone: beside an anonymous row its health or age would give the name away.
    if view.may_see(row.seat.name):
        parts += _freshness(row, view.report.as_of)
        parts += _same_account(row, view)
    return ", ".join(parts)


def _freshness(row: SeatRow, now: datetime) -> list[str]:
    health = row.health
    # The list of missing seats says why a blocked seat is not read; here the block comes first.
    parts = [] if health is Health.OK or row.blocked else [health_text(health)]
    if row.read_at is None:
        return parts or ["never read"]
    if row.outdated:
        return [*parts, "not read this month"]
    fresh = max(_FRESH, timedelta(seconds=2 * row.seat.interval))
    return [*parts, f"read {age(row.read_at, now)}"] if parts or now - row.read_at > fresh else []


def _same_account(row: SeatRow, view: View) -> list[str]:
    if row.used is None or row.counted or row.beside:
        return []
    counted = next(
        (one.seat.name for one in view.report.rows if one.counted and one.counter == row.counter), None
    )
    shown = counted is not None and view.may_see(counted)
    return [f"same account as {one_line(counted or '', NAME_COLUMNS) if shown else 'another seat'}"]


def upcoming(view: View) -> list[tuple[date, SeatRow]]:
    """Charges from today on that this reader may see, the next one first; one for each account."""
    today = view.report.as_of.astimezone(view.tz).date()
    dated: dict[object, tuple[date, SeatRow]] = {}
    for row in view.rows_shown(sorted(view.report.rows, key=_name)):
        day = row.facts.next_charge
        if day is not None and day >= today:
            dated.setdefault(row.counter, (day, row))
    return sorted(dated.values(), key=itemgetter(0))


def charge_lines(charges: Sequence[tuple[date, SeatRow]], view: View) -> Iterator[str]:
    """A line for each day, the next one first: `Thu May 14: ana, $200.00 (Max 20x)` or `Fri May 15: bo and cy,
    $400.00`."""
    by_day = groupby(charges, key=itemgetter(0))
    return (f"{day_text(day)}: {_charged([row for _, row in same], view)}" for day, same in by_day)


def _charged(rows: Sequence[SeatRow], view: View) -> str:
    whose = names_text([row.seat.name for row in rows], view, 5)
    if len(rows) == 1:
        price = plan_price_text(rows[0].seat)
    else:
        prices = [row.seat.plan_price for row in rows if row.seat.plan_price is not None]
        least = "at least " if prices and len(prices) < len(rows) else ""
        price = f"{least}{amounts_text(totals(prices).values())}" if prices else ""
    return f"{whose}, {price}" if price else whose


def plan_price_text(seat: Seat) -> str:
    """`$200.00 (Max 20x)`, as much of it as is known, or `$200.00 (Max 20x, list price)`."""
    price = [] if seat.plan_price is None else [amount_text(seat.plan_price)]
    name = "" if seat.plan is None else one_line(plan_name(seat.plan), NAME_COLUMNS)
    notes = [note for note in (name, "list price" if seat.list_price else "") if note]
    return " ".join(price + [f"({', '.join(notes)})"] * bool(notes))


def month_before(row: SeatRow, hourly: Hourly, now: datetime) -> Money | None:
    """What the seat had spent by this day of the month before; None if not known."""
    if row.counter is None or row.used is None:
        return None
    return by_this_day(hourly.get(row.counter, ()), row.used, now)


def spent_so_far(row: SeatRow, hourly: Hourly, now: datetime) -> str:
    """`$17.20 spent so far this month; $12.10 by this day of March`, as much of it as is known."""
    if row.used is None or row.outdated:
        return ""
    earlier = month_before(row, hourly, now)
    return beside_last_month(amount_text(row.used), [] if earlier is None else [earlier], now)


def beside_last_month(used: str, earlier: Iterable[Money], now: datetime) -> str:
    before = amounts_text(earlier)
    then = f"; {before} by this day of {last_month(now):%B}" if before else ""
    return f"{used} spent so far this month{then}"


def missing_lines(missing: Iterable[MissingSeat], tz: tzinfo, *, brief: bool = False) -> list[str]:
    """What is wrong with each missing seat and what to do; seats with the same trouble share a line. `brief`: without
    the next attempt, without details other than which field has changed its form, and without the beginning where seats
    of one line differ in it."""
    groups: dict[str, list[MissingSeat]] = {}
    for gone in missing:
        key = replace(_briefly(gone), since=None) if brief else gone
        groups.setdefault(health_sentence(key, tz), []).append(gone)
    lines = []
    for text, group in groups.items():
        names = listed([one_line(gone.seat, NAME_COLUMNS) for gone in group], 5)
        together = brief and len({gone.since for gone in group}) == 1
        lines.append(f"{names}: {health_sentence(_briefly(group[0]), tz) if together else text}".rstrip())
    return lines


def _briefly(gone: MissingSeat) -> MissingSeat:
    return replace(gone, detail=gone.detail if gone.health is Health.DRIFTED else None, next_due=None)


def health_sentence(gone: MissingSeat, tz: tzinfo) -> str:
    """`session expired since Thu Apr 30 09:00 (not accepted), next attempt Thu Apr 30 09:30. Sign in …`"""
    since = "" if gone.since is None else f" since {instant(gone.since, tz)}"
    detail = "" if gone.detail is None else f" ({one_line(gone.detail).rstrip('.')})"
    again = "" if gone.next_due is None else f", next attempt {instant(gone.next_due, tz)}"
    return f"{health_text(gone.health)}{since}{detail}{again}. {gone.remedy}"
