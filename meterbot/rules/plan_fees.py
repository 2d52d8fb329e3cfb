"""What the plans of a team's seats cost a month."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from meterbot.core.models import Seat
from meterbot.core.money import Money, totals
from meterbot.core.plans import list_price


@dataclass(frozen=True, slots=True)
class PlanFees:
    """Per currency. `listed`: at least one is a list price, because nothing is configured for its seat."""

    sums: Mapping[str, Money]
    listed: bool


def priced(seat: Seat, tiers: Iterable[str | None]) -> Seat:
    """The seat; without a configured plan or price, with the plan that its account names, at its list price. `tiers`:
    those of its organizations."""
    if seat.plan is not None or seat.plan_price is not None or seat.beside:
        return seat
    listed = [(price.minor, tier, price) for tier in tiers if (price := list_price(tier)) is not None]
    if not listed:
        return seat
    _, plan, price = max(listed, key=lambda one: one[0])
    return replace(seat, plan=plan, plan_price=price, list_price=True)


def plan_fees(seats: Iterable[Seat], duplicates: Iterable[Collection[str]]) -> PlanFees:
    """One fee for each account: `duplicates` are the names of seats with one counter, which are one subscription."""
    by_trust = sorted(seats, key=lambda seat: (seat.list_price, seat.name))  # a configured price comes first
    paid = {seat.name: seat for seat in by_trust if seat.plan_price is not None}
    for group in duplicates:
        for again in [name for name in paid if name in group][1:]:
            del paid[again]
    prices = [seat.plan_price for seat in paid.values() if seat.plan_price is not None]
    return PlanFees(totals(prices), any(seat.list_price for seat in paid.values()))
