"""The plan's own billing, from a `/subscription_details` body, and the prepaid credits that are left, from a
`/prepaid/credits` body."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from meterbot.core.models import Balance, Subscription
from meterbot.core.money import Money, default_places
from meterbot.sources.fields import DriftNotes, read
from meterbot.sources.wire import AmountShape, CreditsShape, SubscriptionShape

_NO_AMOUNT = Decimal(-1)
"""What some answers state instead of an amount."""


@dataclass(frozen=True, slots=True)
class Billing:
    """`subscription` None with `read` True: there is none. `read` False: this body does not say when the next charge
    is."""

    subscription: Subscription | None
    read: bool


def billing_of(body: object, notes: DriftNotes) -> Billing:
    """The subscription in a body. Neither the payment method nor its currency is read."""
    shape = read(SubscriptionShape, body, "subscription", notes)
    if shape is None:
        return Billing(None, read=body is None)
    if not shape.model_fields_set:
        notes.reject("subscription", "its fields", "none of them")
        return Billing(None, read=False)
    gift, downgrade = shape.gift_details, shape.scheduled_downgrade
    ends_on = _end(shape)
    if ends_on is None and gift is not None and _next_charge(shape) is None:
        ends_on = gift.paid_through
    renews = not _ends_first(shape)
    subscription = Subscription(
        status=shape.status,
        next_charge_date=_next_charge(shape) if renews else None,
        next_charge_at=shape.next_charge_at if renews else None,
        billing_interval=shape.billing_interval,
        ends_on=ends_on,
        gift=gift is not None or (bool(shape.has_schedule) and downgrade is None),
        changes_to=None if downgrade is None else downgrade.plan_type or downgrade.plan,
        paused_until=shape.payment_paused_until,
    )
    dates = {f"subscription.{name}" for name in ("next_charge_date", "next_charge_at")}
    unknown = subscription.next_charge_date is None and renews and bool(notes.rejected & dates)
    return Billing(subscription, read=not unknown)


def _next_charge(shape: SubscriptionShape) -> date | None:
    if shape.next_charge_date is None and shape.next_charge_at is not None:
        return shape.next_charge_at.date()
    return shape.next_charge_date


def _end(shape: SubscriptionShape) -> date | None:
    if shape.plan_ending_before is None and shape.plan_ending_at is not None:
        return shape.plan_ending_at.date()
    return shape.plan_ending_before


def _ends_first(shape: SubscriptionShape) -> bool:
    """A pending cancellation has the status `active` and names its end as the next charge."""
    if shape.plan_ending_at is not None and shape.next_charge_at is not None:
        return shape.next_charge_at >= shape.plan_ending_at
    end, charge = _end(shape), _next_charge(shape)
    return end is not None and (charge is None or charge >= end)


# Prepaid credits.


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
    stated = (shape.balance and shape.balance.money) or AmountShape()
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
