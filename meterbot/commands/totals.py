"""The team's totals: exact, per currency, each counter once."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from decimal import Decimal

from meterbot.commands.team_report import SeatRow, Total
from meterbot.core.models import Counter, Seat
from meterbot.core.money import Money, totals
from meterbot.core.plans import plan_fees


def count_once(rows: Iterable[SeatRow], shared: Collection[Counter]) -> None:
    """Marks one row for each counter that several seats read: the freshest."""
    best: dict[Counter, SeatRow] = {}
    for row in rows if shared else ():
        if row.counter is None or row.counter not in shared or row.beside or row.used is None:
            continue
        held = best.get(row.counter)
        if held is None or _freshness(row) > _freshness(held):
            best[row.counter] = row
    for row in best.values():
        row.counted = True


def _freshness(row: SeatRow) -> tuple[datetime, bool]:
    return row.read_at or datetime.min.replace(tzinfo=UTC), row.current


def totals_of(
    rows: list[SeatRow], seats: list[Seat], duplicates: tuple[tuple[str, ...], ...]
) -> tuple[Total, ...]:
    counted = [row for row in rows if row.counted]
    spent = totals([row.used for row in counted if row.used is not None])
    fees = plan_fees(seats, duplicates).sums
    sums = []
    for currency in sorted({*spent, *fees}):
        used = spent.get(currency)
        if used is None and all(row.known or row.beside for row in rows):
            used = Money(Decimal(0), currency, fees[currency].exponent)
        own = [row for row in counted if row.used is not None and row.used.currency == currency]
        sums.append(_total(currency, used, own, fees.get(currency)))
    return tuple(sums)


def _total(currency: str, used: Money | None, rows: list[SeatRow], fees: Money | None) -> Total:
    caps: list[Money] = []
    uncapped: list[str] = []
    unknown: list[str] = []
    for row in rows:
        cap = row.facts.cap
        if cap is not None and cap.currency == currency:
            caps.append(cap)
        else:
            (uncapped if cap is None and row.facts.cap_known else unknown).append(row.seat.name)
    complete = bool(caps) and len(caps) == len(rows)
    whole = totals(caps)[currency] if complete else None
    return Total(currency, used, whole, fees, tuple(sorted(set(uncapped))), tuple(sorted(set(unknown))))
