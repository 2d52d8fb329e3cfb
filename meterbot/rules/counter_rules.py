"""One counter, one new snapshot: everything that happened, in the order in which it is told."""

from dataclasses import dataclass, replace
from datetime import datetime

from meterbot.core.models import Event, LastKnown, Sample, Snapshot
from meterbot.rules import billing, blocked, metering, spend, windows
from meterbot.rules.clean_reading import CleanReading, Rule, clean_reading
from meterbot.rules.memory import CounterMemory, set_back
from meterbot.rules.merging import from_future, merge, undated
from meterbot.rules.settings import RuleSettings


@dataclass(frozen=True, slots=True)
class CounterUpdate:
    """What follows from a snapshot. `changed` is False when it was old, repeated or future-dated: nothing is to be
    written then. `sample` is the reading's point in the history: None without a clean amount. `set_back`: what was known
    was from the future, and so is the end of the history. `risen`: the reading is higher than the one before, so that
    the pace is to be looked at."""

    memory: CounterMemory
    known: LastKnown | None
    changed: bool
    events: tuple[Event, ...] = ()
    sample: Sample | None = None
    set_back: bool = False
    risen: bool = False


# The order matters: a period opens before its levels are watched, a block mutes the levels of its own reading.
_STEPS: tuple[Rule, ...] = (
    spend.close_period,
    spend.watch_spend,
    windows.watch_windows,
    blocked.watch_block,
    spend.watch_thresholds,
    metering.watch_metering,
    billing.watch_renewal,
    billing.watch_subscription,
)


def watch_counter(
    memory: CounterMemory,
    known: LastKnown | None,
    snapshot: Snapshot,
    settings: RuleSettings,
    now: datetime,
) -> CounterUpdate:
    """The events between what is known of the snapshot's (account, org) and the snapshot."""
    merged, counter = merge(known, snapshot, now), snapshot.counter
    if merged is None or counter is None:
        return CounterUpdate(memory, known, changed=False)
    known, memory, ahead = _present(known, memory, now)
    reading = clean_reading(snapshot, counter, memory, known, merged=merged, settings=settings, now=now)
    events: list[Event] = []
    for step in _STEPS:
        memory, new = step(memory, reading)
        events += new
    told = settings.enabled(*events)
    sample = _sample(memory, reading)
    return CounterUpdate(
        _remembered(memory, reading),
        merged,
        changed=True,
        events=told,
        sample=sample,
        set_back=ahead,
        risen=_risen(reading),
    )


def record_late(
    memory: CounterMemory,
    known: LastKnown | None,
    snapshot: Snapshot,
    settings: RuleSettings,
    now: datetime,
) -> CounterUpdate:
    """What is learned from a snapshot that is no news any more: what is known, and a point of the history. It neither
    fires nor re-arms."""
    merged, counter = merge(known, snapshot, now), snapshot.counter
    if merged is None or counter is None:
        return CounterUpdate(memory, known, changed=False)
    known, memory, ahead = _present(known, memory, now)
    reading = clean_reading(snapshot, counter, memory, known, merged=merged, settings=settings, now=now)
    return CounterUpdate(memory, merged, changed=True, sample=_sample(memory, reading), set_back=ahead)


def _present(
    known: LastKnown | None, memory: CounterMemory, now: datetime
) -> tuple[LastKnown | None, CounterMemory, bool]:
    """What a reading of now is compared with, and whether it was from the future."""
    if known is None or not from_future(known, now):
        return known, memory, False
    return undated(known), set_back(memory, now), True


def _risen(reading: CleanReading) -> bool:
    if (
        reading.used is None
        or reading.before is None
        or reading.extra is None
        or not reading.extra.comparable
    ):
        return False
    return reading.switched is None and reading.used.major > reading.before.major


def _sample(memory: CounterMemory, reading: CleanReading) -> Sample | None:
    if reading.used is None:
        return None
    extra = reading.merged.snapshot.extra_usage
    return Sample(
        reading.at, reading.counter, reading.used, extra.cap if extra else None, memory.block is not None
    )


def _remembered(memory: CounterMemory, reading: CleanReading) -> CounterMemory:
    """What this reading read, as the base of the next."""
    why_known = reading.extra is not None and reading.extra.why_known
    return replace(
        memory,
        extra_seen=memory.extra_seen or reading.extra_read or reading.extra is not None,
        disabled_until=reading.extra.disabled_until if reading.extra and why_known else memory.disabled_until,
        used=memory.used if reading.used is None else reading.used,
        used_at=memory.used_at if reading.used is None else reading.at,
    )
