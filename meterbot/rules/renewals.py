"""When a plan renews by the operator's word, for the sources that cannot know it."""

from calendar import monthrange
from dataclasses import replace
from datetime import date

from meterbot.core.models import Snapshot, Subscription


def next_renewal(day: int, today: date) -> date:
    """The first such day of a month from today on; in a month without it, the last one."""
    this_month = _day_of(day, today.year, today.month)
    if this_month >= today:
        return this_month
    return _day_of(day, today.year + today.month // 12, today.month % 12 + 1)


def as_configured(snapshot: Snapshot, day: int | None, today: date) -> Snapshot:
    """The snapshot with the configured renewal, where no source has ever told one. It counts as not read."""
    told = snapshot.subscription is not None and not snapshot.subscription.configured
    if told or snapshot.subscription_read or snapshot.org_uuid is None:
        return snapshot
    configured = None if day is None else Subscription(None, next_renewal(day, today), configured=True)
    return snapshot if configured == snapshot.subscription else replace(snapshot, subscription=configured)


def _day_of(day: int, year: int, month: int) -> date:
    return date(year, month, min(day, monthrange(year, month)[1]))


def next_charge(subscription: Subscription) -> date | None:
    """The day of the next charge; None when unknown or when the subscription ends before it comes."""
    day = subscription.next_charge_date
    if day is None and subscription.next_charge_at is not None:
        day = subscription.next_charge_at.date()
    ends = subscription.ends_on
    return day if ends is None or (day is not None and day < ends) else None
