"""The events of one new snapshot of a counter, in the order in which they are posted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from meterbot.core.models import Event, EventKind, LastKnown, Sample, Snapshot
from meterbot.rules import balance, billing, blocked, metering, spend, windows
from meterbot.rules.clean_reading import CleanReading, Rule, clean_reading
from meterbot.rules.memory import CounterMemory, set_back
from meterbot.rules.merging import from_future, merge, undated
from meterbot.rules.periods import counted_from, watch_late_period, watch_period, with_amount
from meterbot.rules.settings import RuleSettings
from meterbot.rules.thresholds import watch_member_limits, watch_thresholds


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


_REPORT_CHANGES = (EventKind.SEAT_BLOCKED, EventKind.SEAT_UNBLOCKED, EventKind.THRESHOLD_CROSSED)
"""The first of these that a reading causes also says what changed."""

# The order matters: a period begins before its levels are checked, and a block mutes the levels of its own reading.
_STEPS: tuple[Rule, ...] = (
    watch_period,
    spend.watch_spend,
    windows.watch_windows,
    blocked.watch_block,
    watch_thresholds,
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
    *,
    late: bool = False,
) -> CounterUpdate:
    """The events between the known values of the snapshot's (account, organization) and the snapshot. A `late` one
    arrived too long after it was read: it changes the known values and the history, and brings no event."""
    merged, counter = merge(known, snapshot, now), snapshot.counter
    if merged is None or counter is None:
        return CounterUpdate(memory, known, changed=False)
    ahead = False
    if known is not None and from_future(known, now):
        known, memory, ahead = undated(known), set_back(memory, now), True
    reading = clean_reading(snapshot, counter, memory, known, merged=merged, settings=settings, now=now)
    after, events = (watch_late_period if late else _watched)(memory, reading)
    return CounterUpdate(
        _with_disabled_until(after, reading),
        merged,
        changed=True,
        events=mark_duplicates(settings.enabled(*events)),
        sample=_sample(reading, memory, after),
        set_back=ahead,
        risen=not late and _risen(reading),
    )


def _watched(memory: CounterMemory, reading: CleanReading) -> tuple[CounterMemory, list[Event]]:
    """The events, and this reading as the base of the next."""
    events = list[Event]()
    for step in _STEPS:
        memory, new = step(memory, reading)
        events += new
    if not memory.extra_seen and (reading.extra_read or reading.extra is not None):
        memory = replace(memory, extra_seen=True)
    return memory if reading.used is None else with_amount(memory, reading.used, reading), events


def mark_duplicates(events: Sequence[Event]) -> tuple[Event, ...]:
    """The same events, with `muted_by` on those that another one includes. A spend that starts because a window is
    full includes the window. A block, its end, or the level that a new cap crosses includes the changed cap."""
    found = {event.kind: event for event in events if event.muted_by is None}
    started, changed = found.get(EventKind.SPEND_STARTED), found.get(EventKind.METERING_CHANGED)
    reporter = next((found[kind] for kind in _REPORT_CHANGES if kind in found), None)

    def marked(event: Event) -> Event:
        if started is not None and event.kind is EventKind.WINDOW_FULL and event.muted_by is None:
            return replace(event, muted_by=started.key)
        if changed is not None and reporter is not None:
            if event is changed:
                return replace(event, muted_by=reporter.key)
            if event is reporter:
                return replace(event, facts={**event.facts, "changes": changed.facts["changes"]})
        return event

    return tuple(marked(event) for event in events)


def _risen(reading: CleanReading) -> bool:
    extra, used, before = reading.extra, reading.used, reading.before
    if used is None or before is None or extra is None or not extra.comparable:
        return False
    return reading.switched is None and used.major > before.major


def _sample(reading: CleanReading, before: CounterMemory, after: CounterMemory) -> Sample | None:
    if reading.used is None:
        return None
    extra, blocked = reading.merged.snapshot.extra_usage, after.block is not None
    base = counted_from(before, after, reading.used)
    return Sample(reading.at, reading.counter, reading.used, extra.cap if extra else None, blocked, base)


def _with_disabled_until(memory: CounterMemory, reading: CleanReading) -> CounterMemory:
    extra = reading.extra
    if extra is None or not extra.why_known or extra.disabled_until == memory.disabled_until:
        return memory
    return replace(memory, disabled_until=extra.disabled_until)
