"""What one snapshot really read, for the rules of a counter."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from meterbot.core.models import (
    Counter,
    Event,
    EventKind,
    ExtraUsage,
    Health,
    LastKnown,
    ReasonClass,
    Severity,
    Snapshot,
    Subscription,
    Window,
)
from meterbot.core.money import Money
from meterbot.core.org_spend import OrgLimits
from meterbot.rules.fact_json import amount_facts, instant, money_fact
from meterbot.rules.memory import Cap, CounterMemory, Metering
from meterbot.rules.merging import fields_read, subscription_drifted
from meterbot.rules.settings import RuleSettings


@dataclass(frozen=True, slots=True)
class CleanReading:
    """The parts and fields that this snapshot read; None is "not read", never a carried-over value.

    Only `merged` has carried-over values, to mention them. `before` is the last amount before this reading that was in
    time, from `before_at`. `switched` is its currency if that is another one.
    """

    counter: Counter
    seat: str
    at: datetime
    now: datetime
    settings: RuleSettings
    merged: LastKnown
    extra_read: bool
    extra: ExtraUsage | None
    used: Money | None
    before: Money | None
    before_at: datetime | None
    cap: Cap | None
    switched: str | None
    windows: tuple[Window, ...] | None
    subscription_drifted: bool
    subscription: Subscription | None
    limits: OrgLimits | None
    """Those of an organization's members."""

    @property
    def limit(self) -> Money | None:
        """The cap, if there is one."""
        return self.cap if isinstance(self.cap, Money) else None

    @property
    def full_windows(self) -> list[Window] | None:
        return None if self.windows is None else [window for window in self.windows if window.full]

    @property
    def metering(self) -> Metering | None:
        """One word: can money be spent beyond the plan, and if not, who decided that?"""
        extra = self.extra
        if extra is None:
            return "unmetered" if self.extra_read else None
        if extra.reason_class is ReasonClass.NEVER_SET_UP:
            return "unmetered"
        if extra.reason_class is ReasonClass.ADMIN:
            return "paused"
        if extra.reason_class is ReasonClass.USER_OFF or extra.enabled is False:
            return "off"
        return "on" if extra.enabled else None

    @property
    def stamp(self) -> str:
        """The reading's part in keys; no two readings of a counter share one."""
        return instant(self.at) or ""

    @property
    def readings(self) -> list[dict[str, object]]:
        """The two readings that were compared, each with its time and amount; only one if there was none before."""
        now: dict[str, object] = {"at": instant(self.at), "used": money_fact(self.used)}
        if self.before_at is None:
            return [now]
        return [{"at": instant(self.before_at), "used": money_fact(self.before)}, now]

    def amounts(self) -> dict[str, object]:
        """The facts `used`, `cap` and `percent`."""
        return amount_facts(self.used, self.limit)

    def event(
        self,
        kind: EventKind,
        *what: str,
        reason: str,
        facts: Mapping[str, object],
        severity: Severity = Severity.INFO,
        level: str | None = None,
        resolves: str | None = None,
        muted_by: str | None = None,
        initial: bool = False,
    ) -> Event:
        """`what` ends the key: level, period or episode."""
        return Event(
            key=":".join([kind.value, str(self.counter), *what]),
            kind=kind,
            at=min(self.at, self.now),
            severity=severity,
            reason=reason,
            seat=self.seat,
            counter=self.counter,
            level=level,
            resolves=resolves,
            initial=initial,
            muted_by=muted_by,
            facts={"plan": self.merged.snapshot.tier, "readings": self.readings, **facts},
        )


Rule = Callable[[CounterMemory, CleanReading], tuple[CounterMemory, list[Event]]]
"""One rule: takes the memory, and returns it with the events."""


def clean_reading(
    snapshot: Snapshot,
    counter: Counter,
    memory: CounterMemory,
    known: LastKnown | None,
    *,
    merged: LastKnown,
    settings: RuleSettings,
    now: datetime,
) -> CleanReading:
    current = snapshot.health is not Health.STALE
    last = None if known is None else known.snapshot.extra_usage
    extra = fields_read(snapshot, last) if current else None
    used = None if extra is None else extra.used
    last_in_time = memory.late or memory
    before = last_in_time.used
    switched = before is not None and used is not None and before.currency != used.currency
    return CleanReading(
        counter=counter,
        seat=snapshot.seat,
        at=snapshot.fetched_at,
        now=now,
        settings=settings,
        merged=merged,
        extra_read=current and snapshot.extra_usage_read,
        extra=extra,
        used=used,
        before=before,
        before_at=last_in_time.used_at,
        cap=_cap(extra),
        switched=before.currency if before is not None and switched else None,
        windows=snapshot.windows if current and snapshot.windows_read else None,
        subscription_drifted=subscription_drifted(snapshot),
        subscription=snapshot.subscription if current and snapshot.subscription_read else None,
        limits=_limits(snapshot, merged) if current else None,
    )


def _limits(snapshot: Snapshot, merged: LastKnown) -> OrgLimits | None:
    """As they were read now; an amount that is only remembered is marked as old."""
    if snapshot.org_spend is None or snapshot.org_spend.limits is None or merged.snapshot.org_spend is None:
        return None
    return merged.snapshot.org_spend.limits


def _cap(extra: ExtraUsage | None) -> Cap | None:
    """Null means "no cap" only while extra usage is on: when it is off, null may also mean "never set up"."""
    if extra is None or not extra.cap_known:
        return None
    if extra.cap is not None:
        return extra.cap
    return "none" if extra.enabled else None


def window_facts(windows: Iterable[Window] | None) -> list[dict[str, object]] | None:
    if windows is None:
        return None
    return [
        {
            "window": window.name,
            "utilization": None if window.utilization is None else f"{window.utilization:f}",
            "resets_at": instant(window.resets_at),
        }
        for window in windows
    ]
