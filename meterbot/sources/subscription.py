"""The plan's own billing, from a `/subscription_details` body."""

from dataclasses import dataclass
from datetime import date

from meterbot.core.models import Subscription
from meterbot.sources.fields import DriftNotes, read
from meterbot.sources.wire import DowngradeShape, GiftShape, SubscriptionShape


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
    gift = read(GiftShape, shape.gift_details, "subscription.gift_details", notes)
    downgrade = read(DowngradeShape, shape.scheduled_downgrade, "subscription.scheduled_downgrade", notes)
    ends_on = _end(shape, gift)
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


def _end(shape: SubscriptionShape, gift: GiftShape | None) -> date | None:
    if shape.plan_ending_before is not None:
        return shape.plan_ending_before
    if shape.plan_ending_at is not None:
        return shape.plan_ending_at.date()
    return gift.paid_through if gift is not None and _next_charge(shape) is None else None


def _ends_first(shape: SubscriptionShape) -> bool:
    """A pending cancellation has the status `active` and names its end as the next charge."""
    if shape.plan_ending_at is not None and shape.next_charge_at is not None:
        return shape.next_charge_at >= shape.plan_ending_at
    end, charge = _end(shape, None), _next_charge(shape)
    return end is not None and (charge is None or charge >= end)
