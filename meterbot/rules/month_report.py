"""The report on a month, once the team's counters have started again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterbot.core import money
from meterbot.core.models import Event, EventKind, Severity
from meterbot.core.money import Money
from meterbot.core.plans import PlanFees
from meterbot.rules.fact_json import money_fact
from meterbot.rules.hours import HOUR, Hour, blocked_for, last_month, spent_in
from meterbot.rules.memory import CounterMemory
from meterbot.rules.months import RESET_LAG, calendar_month, month_end, month_start

_TWO_MONTHS = timedelta(days=32)


@dataclass(frozen=True, slots=True)
class AccountMonth:
    """One counter in the team's total: its seat, the rules' memory of it, and its hours of the month and of the one
    before."""

    seat: str
    memory: CounterMemory
    hours: Sequence[Hour]


def month_report_key(month: str) -> str:
    """The report's key, which mutes the seats' own reports."""
    return f"{EventKind.PERIOD_CLOSED.value}:team:{month}"


def month_to_report(reported: str | None, now: datetime) -> str | None:
    """The month before this one, if it was not reported yet. None at first, because earlier months were not watched."""
    before = calendar_month(last_month(now))
    return before if reported is not None and reported < before else None


def is_settled(month: str, memories: Sequence[CounterMemory], now: datetime) -> bool:
    """Whether every counter with spend has started again, or is too late to."""
    return now >= month_end(month) + RESET_LAG or not any(_still_open(month, each) for each in memories)


def _still_open(month: str, memory: CounterMemory) -> bool:
    begun = memory.period is not None and memory.period[:7] <= month
    return begun and memory.used is not None and memory.used.minor > 0


def month_report(
    month: str, accounts: Sequence[AccountMonth], fees: PlanFees, now: datetime, *, named: bool
) -> Event | None:
    """The report; None if nothing is known of the month. Includes single seats if channels may see them."""
    start, end = month_start(month), month_end(month)
    rows = [_row(month, one) for one in accounts]
    known = [row for row in rows if row is not None]
    if not known:
        return None
    finals = money.totals(row.final for row in known)
    before = [row.previous for row in known if row.previous is not None]
    days = sum(row.days for row in known)
    spending = sum(row.spending_days for row in known)
    most_first = sorted(known, key=lambda row: (-row.final.major, row.seat))
    together = " and ".join(money.show(amount) for amount in finals.values())
    facts: dict[str, object] = {
        "period": month,
        "totals": _facts(finals),
        "previous": _facts(money.totals(before)) if len(before) == len(known) else None,
        "seats": [row.facts for row in most_first] if named else None,
        "unknown": sum(
            row is None and not _unmetered(one.memory) for row, one in zip(rows, accounts, strict=True)
        ),
        "open": sum(_still_open(month, one.memory) for one in accounts),
        "blocked_hours": sum(row.blocked_hours for row in known),
        "fees": _facts(fees.sums),
        "fees_listed": fees.listed,
        "seat_days": days,
        "covered_days": days - spending,
    }
    return Event(
        key=month_report_key(month),
        kind=EventKind.PERIOD_CLOSED,
        at=now,
        severity=Severity.INFO,
        reason=f"the counters of {len(known)} of {len(rows)} accounts came to {together} between {start:%Y-%m-%d} and "
        f"{end:%Y-%m-%d} (UTC)",
        facts=facts,
    )


@dataclass(frozen=True, slots=True)
class _Row:
    seat: str
    final: Money
    previous: Money | None
    blocked_hours: int
    days: int
    spending_days: int

    @property
    def facts(self) -> dict[str, object]:
        return {
            "seat": self.seat,
            "final": money_fact(self.final),
            "previous": money_fact(self.previous),
            "blocked_hours": self.blocked_hours,
        }


def _unmetered(memory: CounterMemory) -> bool:
    """Whether extra usage was never set up, so that nothing could be read."""
    return memory.used is None and memory.metering == "unmetered"


def _row(month: str, one: AccountMonth) -> _Row | None:
    """None if the month's amount is not known."""
    start, end = month_start(month), month_end(month)
    began = last_month(start)
    inside = [hour for hour in one.hours if start <= hour.at < end]
    final = _final(month, one)
    if not inside or final is None:
        return None
    first = one.hours[0].at
    before = spent_in(one.hours, began, start).get(final.currency, money.zero(final))
    return _Row(
        one.seat,
        final,
        before if first <= began else None,
        round(blocked_for(one.hours, start, end) / HOUR),
        (end.date() - max(start, first).date()).days,
        len({hour.at.date() for hour in inside if hour.spent.minor > 0}),
    )


def _final(month: str, one: AccountMonth) -> Money | None:
    """The counter's last amount before it started again, or now."""
    memory = one.memory
    if memory.period is None:
        return None
    if memory.period[:7] <= month:
        return memory.used
    return memory.previous_final if month_end(memory.period[:7]) - month_end(month) < _TWO_MONTHS else None


def _facts(amounts: Mapping[str, Money]) -> list[dict[str, object] | None]:
    return [money_fact(amount) for amount in amounts.values()]
