"""The events of one new snapshot of a counter, in the order in which they are posted."""

from dataclasses import dataclass, replace
from datetime import datetime

from meterbot.core.models import Event, LastKnown, Sample, Snapshot
from meterbot.rules import balance, billing, blocked, metering, spend, windows
from meterbot.rules.clean_reading import CleanReading, Rule, clean_reading
from meterbot.rules.duplicate_alerts import mark_duplicates
from meterbot.rules.late_readings import counted_from, with_amount, with_late_amount
from meterbot.rules.member_limits import watch_member_limits
from meterbot.rules.memory import CounterMemory, set_back
from meterbot.rules.merging import from_future, merge, undated
from meterbot.rules.periods import move_on, watch_period
from meterbot.rules.settings import RuleSettings


@dataclass(frozen=True, slots=True)
class CounterUpdate:
    """The result of a snapshot. `changed` is False if it was old, repeated or future-dated, so nothing is stored.
    `sample` is the history's new point; None without a clean amount. `set_back`: the known values were from the
    future, and so is the end of the history. `risen`: the amount is higher than before, so the pace must be checked."""

    memory: CounterMemory
    known: LastKnown | None
    changed: bool
    events: tuple[Event, ...] = ()
    sample: Sample | None = None
    set_back: bool = False
    risen: bool = False


# The order matters: a period begins before its levels are checked, and a block mutes the levels of its own reading.
_STEPS: tuple[Rule, ...] = (
    watch_period,
    spend.watch_spend,
    windows.watch_windows,
    blocked.watch_block,
    spend.watch_thresholds,
    balance.watch_balance,
    metering.watch_metering,
    billing.watch_renewal,
    billing.watch_subscription,
    watch_member_limits,
)


def watch_counter(
    memory: CounterMemory,
    known: LastKnown | None,
    snapshot: Snapshot,
    settings: RuleSettings,
    now: datetime,
) -> CounterUpdate:
    """The events between the known values of the snapshot's (account, organization) and the snapshot."""
    merged, counter = merge(known, snapshot, now), snapshot.counter
    if merged is None or counter is None:
        return CounterUpdate(memory, known, changed=False)
    known, memory, ahead = _present(known, memory, now)
    reading = clean_reading(snapshot, counter, memory, known, merged=merged, settings=settings, now=now)
    before, events = memory, list[Event]()
    for step in _STEPS:
        memory, new = step(memory, reading)
        events += new
    marked = mark_duplicates(settings.enabled(*events))
    return CounterUpdate(
        _remembered(memory, reading),
        merged,
        changed=True,
        events=marked,
        sample=_sample(reading, before, memory),
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
    """The result of a snapshot that arrived too late for alerts: known values and a point of the history, but no
    event."""
    merged, counter = merge(known, snapshot, now), snapshot.counter
    if merged is None or counter is None:
        return CounterUpdate(memory, known, changed=False)
    known, memory, ahead = _present(known, memory, now)
    reading = clean_reading(snapshot, counter, memory, known, merged=merged, settings=settings, now=now)
    after, sample = memory, None
    if reading.used is not None:
        period, closed = move_on(memory, reading, reading.used)
        after = with_late_amount(memory, period, closed, reading.used, reading)
        sample = _sample(reading, memory, period)
    after = replace(after, disabled_until=_disabled_until(memory, reading))
    return CounterUpdate(after, merged, changed=True, sample=sample, set_back=ahead)


def _present(
    known: LastKnown | None, memory: CounterMemory, now: datetime
) -> tuple[LastKnown | None, CounterMemory, bool]:
    """The values to compare with, and whether they were from the future."""
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


def _sample(reading: CleanReading, before: CounterMemory, after: CounterMemory) -> Sample | None:
    if reading.used is None:
        return None
    extra, blocked = reading.merged.snapshot.extra_usage, after.block is not None
    base = counted_from(before, after, reading.used)
    return Sample(reading.at, reading.counter, reading.used, extra.cap if extra else None, blocked, base)


def _remembered(memory: CounterMemory, reading: CleanReading) -> CounterMemory:
    """This reading as the base of the next."""
    if reading.used is not None:
        memory = with_amount(memory, reading.used, reading)
    return replace(
        memory,
        extra_seen=memory.extra_seen or reading.extra_read or reading.extra is not None,
        disabled_until=_disabled_until(memory, reading),
    )


def _disabled_until(memory: CounterMemory, reading: CleanReading) -> datetime | None:
    extra = reading.extra
    return extra.disabled_until if extra is not None and extra.why_known else memory.disabled_until
