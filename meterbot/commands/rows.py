"""How a row of the report is worded: its value, its age, its price, its next charge."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, tzinfo

from meterbot.commands.org_lines import spend_value
from meterbot.commands.seat_lines import extra_usage_value
from meterbot.commands.team_report import MissingSeat, SeatRow
from meterbot.commands.view import View
from meterbot.core.models import Counter, Health, Seat
from meterbot.core.money import Money, show
from meterbot.core.text import age, amounts_text, moment, one_line
from meterbot.rules.hours import Hour, by_this_day, last_month
from meterbot.rules.renewals import next_charge

Hourly = Mapping[Counter, Sequence[Hour]]
"""The hours of each counter."""

NAME_COLUMNS = 24


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
        return health_text(health) if health is not Health.OK else "never read"
    note = age(row.read_at, view.report.as_of)
    if row.outdated:
        note = "not read this month"
    if health is not Health.OK:
        note = f"{'' if row.outdated else 'last known '}{note} ({health_text(health)})"
    if row.used is not None and not row.counted and not row.beside:
        counted = next(
            (r.seat.name for r in view.report.rows if r.counted and r.counter == row.counter), None
        )
        named = counted is not None and view.may_see(counted)
        whose = f"as {one_line(counted or '', NAME_COLUMNS)}" if named else "as another seat"
        note += f", same account {whose}"
    return note


def health_text(health: Health) -> str:
    """`session expired`"""
    return health.value.replace("_", " ")


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


def as_configured(row: SeatRow) -> str:
    subscription = row.snapshot.subscription
    return "  as configured" if subscription is not None and subscription.configured else ""


def plan_price_text(seat: Seat) -> str:
    """`$200.00 (max_20x)`, as much of it as is configured, or `$200.00 (max_20x, list price)`."""
    price = [] if seat.plan_price is None else [show(seat.plan_price, grouped=True)]
    name = "" if seat.plan is None else one_line(seat.plan, NAME_COLUMNS)
    notes = [note for note in (name, "list price" if seat.list_price else "") if note]
    return " ".join(price + [f"({', '.join(notes)})"] * bool(notes))


def hours_of(row: SeatRow, hourly: Hourly) -> Sequence[Hour]:
    return () if row.counter is None else hourly.get(row.counter, ())


def spent_so_far_if_named(row: SeatRow, view: View, hourly: Hourly) -> str:
    """The day and the price of a charge tell whose it is to those who know: without a name there is no amount."""
    return spent_so_far(row, hourly, view.report.as_of) if view.may_see(row.seat.name) else ""


def spent_so_far(row: SeatRow, hourly: Hourly, now: datetime) -> str:
    """`$17.20 spent so far this month; $12.10 by this day of March`, as much of it as is known."""
    if row.used is None or row.outdated:
        return ""
    earlier = by_this_day(hours_of(row, hourly), row.used, now)
    return beside_last_month(show(row.used, grouped=True), [] if earlier is None else [earlier], now)


def beside_last_month(used: str, earlier: Iterable[Money], now: datetime) -> str:
    before = amounts_text(earlier)
    return f"{used} spent so far this month" + (
        f"; {before} by this day of {last_month(now):%B}" if before else ""
    )


def health_sentence(gone: MissingSeat, tz: tzinfo) -> str:
    """`session expired since Thu Apr 30 09:00 (the cookie is not accepted), next attempt Thu Apr 30 09:30. Sign in …`"""
    since = "" if gone.since is None else f" since {moment(gone.since, tz)}"
    detail = "" if gone.detail is None else f" ({one_line(gone.detail).rstrip('.')})"
    again = "" if gone.next_due is None else f", next attempt {moment(gone.next_due, tz)}"
    return f"{health_text(gone.health)}{since}{detail}{again}. {gone.remedy}"
