"""The subscription: its next charge, also of a renewal that the operator configured, and the rules about it."""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from meterbot.core.models import Event, EventKind, Severity, Snapshot, Subscription
from meterbot.core.text import count
from meterbot.rules.clean_reading import CleanReading
from meterbot.rules.endings import ending
from meterbot.rules.fact_json import instant, money_fact
from meterbot.rules.memory import CounterMemory, SeenSubscription
from meterbot.rules.merging import filled

_POSTED_AT = time(9)
_PAID = "active"
_TROUBLE = {"past_due", "unpaid", "expired"}
_NO_CHARGE = {*_TROUBLE, "canceled", "paused"}
"""Statuses without an ordinary next charge."""


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


def watch_subscription(memory: CounterMemory, reading: CleanReading) -> tuple[CounterMemory, list[Event]]:
    """The status, end, scheduled change or pause has changed, or the plan is unpaid when its status is first known."""
    new, old = reading.subscription, memory.subscription
    if new is None:
        return memory, []
    seen = _seen(new, old, drifted=reading.subscription_drifted)
    if seen == old:
        return memory, []
    alerts = memory.subscription_alerts
    memory = replace(memory, subscription=seen)
    changes = _changes(old, seen)
    if not changes:
        return memory, []
    unpaid, paid = seen.status in _TROUBLE, bool(alerts) and seen.status == _PAID
    event = reading.event(
        EventKind.SUBSCRIPTION_CHANGED,
        reading.stamp,
        reason="; ".join(_said(change) for change in changes),
        severity=Severity.WARNING if unpaid else Severity.GOOD if paid else Severity.INFO,
        initial=old is None,
        facts={"changes": changes},
    )
    if paid:
        return replace(memory, subscription_alerts=()), ending(event, alerts)
    if unpaid and event.kind in reading.settings.kinds:
        memory = replace(memory, subscription_alerts=(*alerts, event.key))
    return memory, [event]


def _changes(old: SeenSubscription | None, seen: SeenSubscription) -> list[dict[str, str | None]]:
    """What differs. When a status or the whole subscription is first known, only an unpaid plan is worth an alert."""
    if old is None:
        return [{"what": "status", "from": None, "to": seen.status}] if seen.status in _TROUBLE else []
    return [
        {"what": what, "from": _json(getattr(old, what)), "to": _json(getattr(seen, what))}
        for what in ("status", "ends_on", "changes_to", "paused_until")
        if getattr(old, what) != getattr(seen, what)
        and (what != "status" or old.status is not None or seen.status in _TROUBLE)
    ]


def _said(change: Mapping[str, str | None]) -> str:
    what, old, new = change["what"], change["from"], change["to"]
    return f"{what} is {new}" if what == "status" and old is None else f"{what} went from {old} to {new}"


def _seen(new: Subscription, old: SeenSubscription | None, *, drifted: bool) -> SeenSubscription:
    """A missing status is unknown. The other fields are absent if they do not apply; after a rejected field nothing
    is reported."""
    seen = SeenSubscription(new.status, new.ends_on, new.changes_to, new.paused_until)
    missing = ("status", "ends_on", "changes_to", "paused_until") if drifted else ("status",)
    return seen if old is None else filled(seen, old, *missing)


def _json(value: str | date | None) -> str | None:
    return value.isoformat() if isinstance(value, date) else value


def watch_renewal(memory: CounterMemory, reading: CleanReading) -> tuple[CounterMemory, list[Event]]:
    """The next charge is one of the configured numbers of days away, or closer and not yet reported.

    Each number is reported once per charge, only the smallest. `post_at` is nine of the day in the configured
    time zone, so that the renewals of all seats become one post; None after that hour. A charge from an earlier reading
    counts, too, with `known_at`.
    """
    subscription, known_at = reading.merged.snapshot.subscription, reading.merged.subscription_at
    local = reading.now.astimezone(reading.settings.timezone)
    if subscription is None or (subscription.configured and known_at is not None):
        return memory, []
    day = _charge_to_announce(subscription)
    if day is None:
        return memory, []
    today = local.date()
    days = (day - today).days
    alerted = memory.alerted_renewals.get(day, ())
    due = sorted(step for step in set(reading.settings.renewal_days) if 0 <= days <= step)
    new = [step for step in due if step not in alerted]
    if not new:
        return memory, []
    yesterday = today - timedelta(days=1)
    kept = {past: steps for past, steps in memory.alerted_renewals.items() if past >= yesterday}
    memory = replace(memory, alerted_renewals={**kept, day: (*alerted, *new)})
    if new[0] != due[0]:
        return memory, []
    extra = reading.merged.snapshot.extra_usage
    level = f"{new[0]}d"
    event = reading.event(
        EventKind.RENEWAL_NEAR,
        day.isoformat(),
        level,
        reason=f"the next charge is on {day.isoformat()}, {count(days, 'day')} after {today.isoformat()}",
        level=level,
        initial=memory.subscription is None and not subscription.configured,
        facts={
            "date": day.isoformat(),
            "days": days,
            "level": level,
            "also": [f"{step}d" for step in new[1:]],
            "billing_interval": subscription.billing_interval,
            "changes_to": subscription.changes_to,
            "configured": subscription.configured,
            "known_at": None if known_at == reading.at else instant(known_at),
            "post_at": _post_at(local),
            "used": money_fact(extra.used if extra else None),
            "previous_final": money_fact(memory.previous_final),
        },
    )
    return memory, [event]


def _post_at(local: datetime) -> str | None:
    at = datetime.combine(local.date(), _POSTED_AT, local.tzinfo)
    return instant(at.astimezone(UTC)) if local < at else None


def _charge_to_announce(subscription: Subscription) -> date | None:
    """None without an ordinary charge: set to end, a gift, ended, unpaid, or paused until later."""
    day = next_charge(subscription)
    if day is None or subscription.gift or subscription.status in _NO_CHARGE:
        return None
    paused = subscription.paused_until
    return None if paused is not None and paused > day else day
