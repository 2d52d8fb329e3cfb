"""Claude's plans: their names, and what a month of each is listed at."""

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
    """What a month is listed at; None for no plan, an unknown one, and one whose price depends on the contract."""
    price = LIST_PRICES.get(plan or "")
    return None if price is None else of_major(price, "USD")


def plan_mismatch(seat: str, configured: str | None, told: Iterable[str | None]) -> str | None:
    """What to correct where an account says, of all its organizations, that it is on another plan than the configured
    one. None where one agrees, or where either is not known: a plan of one's own naming is nobody's to compare."""
    known = sorted({plan for plan in told if plan is not None})
    if configured not in LIST_PRICES or not known or any(_agree(configured, plan) for plan in known):
        return None
    return f"{seat} is configured with plan {configured}, and its account says {' and '.join(known)}"


def _agree(configured: str, told: str) -> bool:
    """`max` and `team` are said where nobody tells which of them."""
    return configured == told or configured.startswith(f"{told}_")


def plan_name(plan: str) -> str:
    """`max_20x` → `Max 20x`"""
    words = plan.replace("_", " ").split()
    return " ".join(word if word[0].isdigit() else word.capitalize() for word in words) or plan
