"""Claude's plans: their names, and what a month of each is listed at."""

from decimal import Decimal

from meterbot.money import Money, of_major

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


def plan_name(plan: str) -> str:
    """`max_20x` → `Max 20x`"""
    words = plan.replace("_", " ").split()
    return " ".join(word if word[0].isdigit() else word.capitalize() for word in words) or plan
