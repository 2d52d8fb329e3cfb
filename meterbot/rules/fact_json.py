"""Money and instants as JSON, for `Event.facts`."""

from datetime import UTC, datetime
from decimal import Decimal

from meterbot.core.money import Money, percent


def money_fact(amount: Money | None) -> dict[str, object] | None:
    """`{"minor": "1720", "currency": "USD", "exponent": 2}`."""
    if amount is None:
        return None
    return {"minor": str(amount.minor), "currency": amount.currency, "exponent": amount.exponent}


def amount_facts(used: Money | None, cap: Money | None) -> dict[str, object]:
    """The facts `used`, `cap` and `percent`."""
    share = percent(used, cap)
    return {
        "used": money_fact(used),
        "cap": money_fact(cap),
        "percent": None if share is None else f"{share:f}",
    }


def fact_money(fact: object) -> Money | None:
    """The reverse of `money_fact`. Raises ValueError for anything else."""
    match fact:
        case None:
            return None
        case {"minor": str(minor), "currency": str(currency), "exponent": int(exponent)}:
            return Money(Decimal(minor), currency, exponent)
        case _:
            raise ValueError("not an amount: expected minor, currency and exponent")


def instant(at: datetime | None) -> str | None:
    """`2026-05-01T00:00:00Z`."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
