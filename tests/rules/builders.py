"""Snapshots with good defaults, and a counter that is watched through restarts."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from meterbot.core.models import (
    Event,
    EventKind,
    ExtraUsage,
    Health,
    LastKnown,
    Sample,
    Snapshot,
    Subscription,
    Window,
)
from meterbot.core.money import Money
from meterbot.rules.counter_rules import watch_counter
from meterbot.rules.hours import hours_of
from meterbot.rules.memory import CounterMemory, dump, load
from meterbot.rules.pace import RisenCounter, watch_pace
from meterbot.rules.settings import RuleSettings

NOON = datetime(2026, 4, 15, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def usd(amount: str) -> Money:
    return Money(Decimal(amount) * 100, "USD", 2)


def eur(amount: str) -> Money:
    return Money(Decimal(amount) * 100, "EUR", 2)


def extra(used: str | Money | None = "10", cap: str | Money | None = "50", **fields: Any) -> ExtraUsage:
    """Enabled, in dollars, everything known. `cap` None: there is none."""
    amount = usd(used) if isinstance(used, str) else used
    limit = usd(cap) if isinstance(cap, str) else cap
    base = ExtraUsage(enabled=True, used=amount, cap=limit, currency="USD")
    return replace(base, **fields)


def window(
    utilization: str | None = "41", resets_at: datetime | None = None, name: str = "five_hour"
) -> Window:
    return Window(name, None if utilization is None else Decimal(utilization), resets_at)


def subscription(day: date | None = date(2026, 5, 14), **fields: Any) -> Subscription:
    return replace(Subscription("active", day, billing_interval="monthly"), **fields)


def snapshot(
    at: datetime = NOON,
    *,
    metered: ExtraUsage | None = None,
    windows: tuple[Window, ...] | None = None,
    billing: Subscription | None = None,
    **fields: Any,
) -> Snapshot:
    """A snapshot in which only the passed parts were read."""
    base = Snapshot(
        seat="ana",
        source="claude_ai",
        fetched_at=at,
        health=Health.OK,
        account_uuid="acc",
        account_email="ana@example.com",
        org_uuid="org",
        extra_usage=metered,
        extra_usage_read=metered is not None,
        windows=windows or (),
        windows_read=windows is not None,
        subscription=billing,
        subscription_read=billing is not None,
    )
    return replace(base, **fields)


class Watch:
    """One counter. The memory goes through its text form between any two snapshots, as in a restart."""

    def __init__(self, settings: RuleSettings | None = None) -> None:
        self.settings = settings or RuleSettings()
        self.memory = CounterMemory()
        self.known: LastKnown | None = None
        self.now = NOON
        self.samples: list[Sample] = []
        self.events: list[Event] = []

    def see(self, seen: Snapshot, now: datetime | None = None) -> list[Event]:
        self.now = now or max(self.now, seen.fetched_at)
        verdict = watch_counter(self.memory, self.known, seen, self.settings, self.now)
        self.memory = load(CounterMemory, dump(verdict.memory))
        assert self.memory == verdict.memory
        self.known = verdict.known
        self.samples += [verdict.sample] if verdict.sample else []
        self.events += verdict.events
        return list(verdict.events)

    def uses(self, used: str | Money | None, cap: str | Money | None = "50", **fields: Any) -> list[Event]:
        """Reads this amount a minute later."""
        self.now += MINUTE
        return self.see(snapshot(self.now, metered=extra(used, cap, **fields)))

    def at(self, at: datetime) -> "Watch":
        """Makes the next reading come a minute after this."""
        self.now = at
        return self


class Paced:
    """One counter with its history, watched like `ingest` does it: every reading, and its pace if it rose."""

    def __init__(self, settings: RuleSettings | None = None) -> None:
        self.watch = Watch(settings)
        self.found: list[Event] = []

    def see(self, seen: Snapshot, now: datetime | None = None) -> list[Event]:
        now = now or seen.fetched_at
        watch = self.watch
        verdict = watch_counter(watch.memory, watch.known, seen, watch.settings, now)
        events = watch.see(seen, now)
        counter = seen.counter
        if verdict.risen and counter is not None:
            hours = hours_of(watch.samples, watch.samples[0].at - HOUR)
            rise = RisenCounter(counter, seen.seat, watch.samples, hours)
            memory, paced = watch_pace(watch.memory, rise, watch.settings, now)
            watch.memory = load(CounterMemory, dump(memory))
            events += paced
        self.found += events
        return events

    def uses(self, used: str | None, at: datetime, cap: str | None = "50", **fields: Any) -> list[EventKind]:
        return kinds(self.see(snapshot(at, metered=extra(used, cap, **fields))))

    def count(self, kind: EventKind) -> int:
        return kinds(self.found).count(kind)


def kinds(events: list[Event]) -> list[EventKind]:
    return [event.kind for event in events]


def posted(events: list[Event]) -> list[EventKind]:
    """Without what is stored in silence."""
    return kinds([event for event in events if event.muted_by is None])


def only(events: list[Event], kind: EventKind) -> Event:
    found = [event for event in events if event.kind is kind]
    assert len(found) == 1, found or kinds(events)
    return found[0]
