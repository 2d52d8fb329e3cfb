"""Renewals that the operator configured, for sources that cannot know them."""

from calendar import monthrange
from dataclasses import replace
from datetime import date

from meterbot.core.models import Snapshot, Subscription


def next_renewal(day: int, today: date) -> date:
    """The next such day of a month, today included; in a shorter month, its last day."""
    this_month = _day_of(day, today.year, today.month)
    if this_month >= today:
        return this_month
    return _day_of(day, today.year + today.month // 12, today.month % 12 + 1)


def as_configured(snapshot: Snapshot, day: int | None, today: date) -> Snapshot:
    """The snapshot with the configured renewal, if no source has ever reported one. It counts as not read."""
    stated = snapshot.subscription is not None and not snapshot.subscription.configured
    if stated or snapshot.subscription_read or snapshot.org_uuid is None:
        return snapshot
    configured = None if day is None else Subscription(None, next_renewal(day, today), configured=True)
    return snapshot if configured == snapshot.subscription else replace(snapshot, subscription=configured)


def _day_of(day: int, year: int, month: int) -> date:
    return date(year, month, min(day, monthrange(year, month)[1]))


def next_charge(subscription: Subscription) -> date | None:
    """The day of the next charge; None if unknown, or if the subscription ends before."""
    day = subscription.next_charge_date
    if day is None and subscription.next_charge_at is not None:
        day = subscription.next_charge_at.date()
    ends = subscription.ends_on
    return day if ends is None or (day is not None and day < ends) else None
