"""One counter, one new snapshot: everything that happened, in the order in which it is told."""

from dataclasses import dataclass, replace
from datetime import datetime

from meterbot.core.models import Event, Known, Sample, Snapshot
from meterbot.rules import billing, limits, spend
from meterbot.rules.knowledge import from_future, merge, undated
from meterbot.rules.memory import CounterMemory, set_back
from meterbot.rules.settings import RuleSettings
from meterbot.rules.tick import Step, Tick, tick_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a snapshot. `changed` is False when it was old, repeated or future-dated: nothing is to be
    written then. `sample` is the reading's point in the history: None without a clean amount. `set_back`: what was known
    was from the future, and so is the end of the history. `risen`: the reading is higher than the one before, so that
    the pace is to be looked at."""

    memory: CounterMemory
    known: Known | None
    changed: bool
    events: tuple[Event, ...] = ()
    sample: Sample | None = None
    set_back: bool = False
    risen: bool = False


# The order matters: a period opens before its levels are watched, a block mutes the levels of its own tick.
_STEPS: tuple[Step, ...] = (
    spend.close_period,
    spend.watch_spend,
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
    merged, counter = merge(known, snapshot, now), snapshot.counter
    if merged is None or counter is None:
        return Verdict(memory, known, changed=False)
    known, memory, ahead = _present(known, memory, now)
    tick = tick_of(snapshot, counter, memory, known, merged=merged, settings=settings, now=now)
    events: list[Event] = []
    for step in _STEPS:
        memory, new = step(memory, tick)
        events += new
    told = tuple(event for event in events if event.kind in settings.kinds)
    sample = _sample(memory, tick)
    return Verdict(
        _remembered(memory, tick),
        merged,
        changed=True,
        events=told,
        sample=sample,
        set_back=ahead,
        risen=_risen(tick),
    )


def take_late(
    memory: CounterMemory,
    known: Known | None,
    snapshot: Snapshot,
    settings: RuleSettings,
    now: datetime,
) -> Verdict:
    """What is learned from a snapshot that is no news any more: what is known, and a point of the history. It neither
    fires nor re-arms."""
    merged, counter = merge(known, snapshot, now), snapshot.counter
    if merged is None or counter is None:
        return Verdict(memory, known, changed=False)
    known, memory, ahead = _present(known, memory, now)
    tick = tick_of(snapshot, counter, memory, known, merged=merged, settings=settings, now=now)
    return Verdict(memory, merged, changed=True, sample=_sample(memory, tick), set_back=ahead)


def _present(
    known: Known | None, memory: CounterMemory, now: datetime
) -> tuple[Known | None, CounterMemory, bool]:
    """What a reading of now is compared with, and whether it was from the future."""
    if known is None or not from_future(known, now):
        return known, memory, False
    return undated(known), set_back(memory, now), True


def _risen(tick: Tick) -> bool:
    if tick.used is None or tick.before is None or tick.extra is None or not tick.extra.comparable:
        return False
    return tick.switched is None and tick.used.major > tick.before.major


def _sample(memory: CounterMemory, tick: Tick) -> Sample | None:
    if tick.used is None:
        return None
    extra = tick.merged.snapshot.extra_usage
    return Sample(tick.at, tick.counter, tick.used, extra.cap if extra else None, memory.block is not None)


def _remembered(memory: CounterMemory, tick: Tick) -> CounterMemory:
    """What this tick read, as the base of the next."""
    why_known = tick.extra is not None and tick.extra.why_known
    return replace(
        memory,
        extra_seen=memory.extra_seen or tick.extra_read or tick.extra is not None,
        disabled_until=tick.extra.disabled_until if tick.extra and why_known else memory.disabled_until,
        used=memory.used if tick.used is None else tick.used,
        used_at=memory.used_at if tick.used is None else tick.at,
    )
