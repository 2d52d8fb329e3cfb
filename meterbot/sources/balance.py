"""The prepaid credits that are left, from a `/prepaid/credits` body."""

from decimal import Decimal

from meterbot.core.models import Balance
from meterbot.core.money import Money, default_places
from meterbot.sources.fields import DriftNotes, read
from meterbot.sources.wire import AmountShape, CreditsBalanceShape, CreditsShape

_NO_AMOUNT = Decimal(-1)
"""What some answers state instead of an amount."""


def balance_of(body: object, notes: DriftNotes, *, shared: bool) -> Balance | None:
    """None where the body states no amount, or not in which currency. Nothing that was bought is no balance of 0.

    `shared`: several people share the organization, and with it the credits.
    """
    if isinstance(body, dict) and body.get("amount") == _NO_AMOUNT:
        body = {**body, "amount": None}
    shape = read(CreditsShape, body, "credits", notes)
    if shape is None:
        return None
    if not shape.model_fields_set:
        notes.reject("credits", "its fields", "none of them")
    balance = read(CreditsBalanceShape, shape.balance, "credits.balance", notes) or CreditsBalanceShape()
    stated = read(AmountShape, balance.money, "credits.balance.money", notes) or AmountShape()
    minor = shape.amount if stated.amount_minor is None else stated.amount_minor
    currency = stated.currency or shape.currency
    if minor is None or currency is None:
        return None
    scale = default_places(currency) if stated.exponent is None else stated.exponent
    reloads = auto_reload(shape.auto_reload_settings)
    if shape.auto_reload_settings is None and "auto_reload_settings" in shape.model_fields_set:
        reloads = False  # null: never set up
    return Balance(Money(minor, currency, scale), reloads, shared)


def auto_reload(settings: object) -> bool | None:
    """Whether the balance fills up by itself: a flag, or an object whose keys vary, in which only an explicit `false`
    means that it does not."""
    if settings is None or isinstance(settings, bool):
        return settings
    if not isinstance(settings, dict) or not settings:
        return None
    return not any(settings.get(name) is False for name in ("enabled", "is_enabled"))
