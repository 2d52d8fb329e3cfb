"""One counter, one new snapshot: everything that happened, in the order in which it is told."""

from dataclasses import dataclass, replace
from datetime import datetime

from meterbot.models import Counter, Event, Known, Sample, Snapshot
from meterbot.rules import billing, limits, spend
from meterbot.rules.knowledge import merge
from meterbot.rules.memory import CounterMemory, LastSample
from meterbot.rules.settings import RuleSettings
from meterbot.rules.tick import Step, Tick, tick_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a snapshot. `changed` is False when it was old, repeated or future-dated: nothing is to be
    written then. `samples` are the points to keep of the history."""

    memory: CounterMemory
    known: Known | None
    changed: bool
    events: tuple[Event, ...] = ()
    samples: tuple[Sample, ...] = ()


# The order matters: a period opens before its levels are watched, a block mutes the levels of its own tick.
_STEPS: tuple[Step, ...] = (
    spend.close_period,
    spend.watch_first_dollar,
    spend.watch_charges_within_plan,
    limits.watch_windows,
    limits.watch_block,
    spend.watch_thresholds,
    limits.watch_metering,
    billing.watch_renewal,
    billing.watch_subscription,
)


def watch_counter(
    memory: CounterMemory,
    known: Known | None,
    snapshot: Snapshot,
    settings: RuleSettings,
    now: datetime,
) -> Verdict:
    """The events between what is known of the snapshot's (account, org) and the snapshot."""
    merged = merge(known, snapshot, now)
    if merged is None or snapshot.org_uuid is None:
        return Verdict(memory, known, changed=False)
    counter = Counter(snapshot.account_uuid or f"seat:{snapshot.seat}", snapshot.org_uuid)
    tick = tick_of(snapshot, counter, memory, known, merged=merged, settings=settings, now=now)
    events: list[Event] = []
    for step in _STEPS:
        memory, new = step(memory, tick)
        events += new
    memory, samples = _sampled(memory, tick)
    told = tuple(event for event in events if event.kind in settings.kinds)
    return Verdict(_remembered(memory, tick), merged, changed=True, events=told, samples=samples)


def take_late(
    memory: CounterMemory,
    known: Known | None,
    snapshot: Snapshot,
    settings: RuleSettings,
    now: datetime,
) -> Verdict:
    """What is learned from a snapshot that is no news any more: what is known, and a point of the history. It neither
    fires nor re-arms."""
    merged = merge(known, snapshot, now)
    if merged is None or snapshot.org_uuid is None:
        return Verdict(memory, known, changed=False)
    counter = Counter(snapshot.account_uuid or f"seat:{snapshot.seat}", snapshot.org_uuid)
    tick = tick_of(snapshot, counter, memory, known, merged=merged, settings=settings, now=now)
    memory, samples = _sampled(memory, tick)
    return Verdict(memory, merged, changed=True, samples=samples)


def _sampled(memory: CounterMemory, tick: Tick) -> tuple[CounterMemory, tuple[Sample, ...]]:
    """A point where something differs from the one before, and the end of the quiet stretch before it."""
    if tick.used is None:
        return memory, ()
    extra = tick.merged.snapshot.extra_usage
    cap = None if extra is None else extra.cap
    new = LastSample(tick.at, tick.used, cap, memory.block is not None, kept=True)
    last = memory.sample
    if last is not None and (last.used, last.cap, last.blocked) == (new.used, new.cap, new.blocked):
        return replace(memory, sample=replace(new, kept=False)), ()
    points = [new] if last is None or last.kept else [last, new]
    samples = tuple(Sample(point.at, tick.counter, point.used, point.cap, point.blocked) for point in points)
    return replace(memory, sample=new), samples


def _remembered(memory: CounterMemory, tick: Tick) -> CounterMemory:
    """What this tick read, as the base of the next."""
    if tick.extra_read or tick.extra is not None:
        memory = replace(memory, extra_seen=True)
    if tick.extra is not None and tick.extra.why_known:
        memory = replace(memory, disabled_until=tick.extra.disabled_until)
    if tick.used is not None:
        memory = replace(memory, used=tick.used, used_at=tick.at)
    return memory
