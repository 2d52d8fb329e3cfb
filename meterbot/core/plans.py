"""Claude's plans: names and monthly list prices."""

from collections.abc import Iterable
from decimal import Decimal

from meterbot.core.money import Money, of_major

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
