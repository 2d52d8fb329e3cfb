"""Claude's plans: names, monthly list prices, and what a team's plans cost a month."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from meterbot.core.models import Seat
from meterbot.core.money import Money, of_major, totals

LIST_PRICES = {
    "free": Decimal(0),
    "pro": Decimal(20),
    "max_5x": Decimal(100),
    "max_20x": Decimal(200),
    "team": None,
    "team_premium": None,
    "enterprise": None,
}
"""Monthly, in USD. None: depends on the contract."""


def list_price(plan: str | None) -> Money | None:
    """The monthly list price; None for no plan, an unknown plan, and a plan whose price depends on the contract."""
    price = LIST_PRICES.get(plan or "")
    return None if price is None else of_major(price, "USD")


def plan_mismatch(seat: str, configured: str | None, tiers: Iterable[str | None]) -> str | None:
    """The correction if the account's plan differs from the configured one. None if one of its organizations agrees,
    or if either is unknown."""
    known = sorted({plan for plan in tiers if plan is not None})
    if configured not in LIST_PRICES or not known or any(_agree(configured, plan) for plan in known):
        return None
    return f"{seat} is configured with plan {configured}, and its account says {' and '.join(known)}"


def _agree(configured: str, tier: str) -> bool:
    """`max` and `team` stand for plans whose exact size is unknown."""
    return configured == tier or configured.startswith(f"{tier}_")


def plan_name(plan: str) -> str:
    """`max_20x` → `Max 20x`"""
    words = plan.replace("_", " ").split()
    return " ".join(word if word[0].isdigit() else word.capitalize() for word in words) or plan


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
    paid = {seat.name: seat for seat in seats if seat.plan_price is not None}
    for group in duplicates:
        same = [paid[name] for name in group if name in paid]
        same.sort(key=lambda seat: (seat.list_price, seat.name))  # a configured price comes first
        for again in same[1:]:
            del paid[again.name]
    prices = [seat.plan_price for seat in paid.values() if seat.plan_price is not None]
    return PlanFees(totals(prices), any(seat.list_price for seat in paid.values()))
