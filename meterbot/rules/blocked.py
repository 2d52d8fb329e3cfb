"""Is a seat blocked, and why."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from meterbot.core import money
from meterbot.core.models import Event, EventKind, ExtraUsage, ReasonClass, Severity, Window
from meterbot.rules.clean_reading import CleanReading, window_facts
from meterbot.rules.fact_json import instant
from meterbot.rules.memory import CounterMemory, OpenBlock
from meterbot.rules.months import month_of

_SWITCHED_OFF = {ReasonClass.ADMIN, ReasonClass.USER_OFF, ReasonClass.NEVER_SET_UP}
_REASONS = {
    "cap": "the cap is spent",
    "balance": "the prepaid credits are used up",
    "unknown": "the credits are used up or the cap is spent",
}


Reason = Literal["cap", "balance", "unknown"]


@dataclass(frozen=True, slots=True)
class Block:
    """`until` is set while the service's date is ahead. `hard`: a plan window is full too, so the next prompt is
    refused; None if the windows are unknown."""

    reason: Reason
    until: datetime | None
    hard: bool | None


def block_of(extra: ExtraUsage | None, windows: Iterable[Window] | None, now: datetime) -> Block | None:
    """The block that these facts prove, or None. None is no proof that there is no block."""
    reason = None if extra is None else block_reason(extra)
    if extra is None or reason is None:
        return None
    until = extra.disabled_until
    return Block(
        reason=reason,
        until=until if until is not None and until > now else None,
        hard=any_full(windows),
    )


def block_reason(extra: ExtraUsage) -> Reason | None:
    """Why the seat is blocked, as far as these amounts prove it."""
    if extra.reason_class is ReasonClass.CAP:
        return "cap"
    if extra.reason_class is ReasonClass.BALANCE:
        return "balance"
    over_cap = _spent_its_cap(extra)
    if extra.spend_limit_reached or (over_cap and extra.reason_class not in _SWITCHED_OFF):
        return "cap"
    if extra.out_of_credits:
        # Below the cap the prepaid credits must have run out; above it, it may be either.
        return "cap" if over_cap else "unknown" if extra.used is None else "balance"
    return None


def is_metered(extra: ExtraUsage, *, blocked: bool) -> bool:
    """Whether money can be spent, was spent, or its lack blocks the seat. Extra usage that is set up and unused counts
    as metered."""
    spent = extra.used is not None and extra.used.minor > 0
    usable = extra.enabled is not False and extra.reason_class is not ReasonClass.NEVER_SET_UP
    return spent or usable or blocked


def any_full(windows: Iterable[Window] | None) -> bool | None:
    """None: not known, because no window was read or one has no number."""
    if windows is None:
        return None
    known = list(windows)
    if any(window.full for window in known):
        return True
    return None if any(window.utilization is None for window in known) else False


def _spent_its_cap(extra: ExtraUsage) -> bool:
    used, cap = extra.used, extra.cap
    if used is None or cap is None or not extra.comparable or used.currency != cap.currency:
        return False
    return used.minor > 0 and used.major >= cap.major


def watch_block(memory: CounterMemory, reading: CleanReading) -> tuple[CounterMemory, list[Event]]:
    """A block begins, or ends. Its end needs evidence from the same place as its beginning."""
    block, open_block = block_in(reading), memory.block
    if block is not None and reading.extra is not None:
        why = reading.extra.why_known
        if open_block is not None:
            seen = replace(open_block, period=memory.period, why=open_block.why or why)
            return replace(memory, block=seen), []
        event = _blocked(reading, block, initial=not memory.extra_seen)
        return replace(memory, block=OpenBlock(event.key, reading.at, memory.period, why)), [event]
    if open_block is None or not _proves_the_end(open_block, memory, reading):
        return memory, []
    event = reading.event(
        EventKind.SEAT_UNBLOCKED,
        reading.stamp,
        reason=f"nothing blocks the seat any more: {_state(reading)}",
        severity=Severity.GOOD,
        resolves=open_block.key,
        facts={**reading.amounts(), "since": instant(open_block.since)},
    )
    return replace(memory, block=None), [event]


def block_in(reading: CleanReading) -> Block | None:
    """The block that this snapshot alone proves."""
    extra, carried = reading.extra, reading.merged.snapshot.extra_usage
    if extra is None:
        return None
    if (
        not extra.why_known
        and extra.reason_class is None
        and carried
        and carried.reason_class in _SWITCHED_OFF
    ):
        # Extra usage was last known to be off, which would explain a spent cap: no block until the reason can be
        # read.
        extra = replace(extra, reason_class=carried.reason_class)
    return block_of(extra, reading.windows, reading.now)


def _proves_the_end(block: OpenBlock, memory: CounterMemory, reading: CleanReading) -> bool:
    extra = reading.extra
    if extra is None:
        return reading.extra_read and _may_be_unmetered(memory, reading)
    if extra.used is None or not extra.cap_known:
        return False
    return extra.why_known or not block.why


def _may_be_unmetered(memory: CounterMemory, reading: CleanReading) -> bool:
    """Spend does not vanish before its month ends, so until then "nothing is metered" is doubtful."""
    if memory.used is None or memory.period is None or memory.used.minor == 0:
        return True
    return month_of(reading.at) > memory.period[:7]


def _blocked(reading: CleanReading, block: Block, *, initial: bool) -> Event:
    raw = None if reading.extra is None else reading.extra.reason
    quoted = f" (`{raw}`)" if raw else ""
    return reading.event(
        EventKind.SEAT_BLOCKED,
        reading.stamp,
        reason=f"{_REASONS[block.reason]}{quoted}: {_state(reading)}",
        severity=Severity.CRITICAL,
        initial=initial,
        facts={
            **reading.amounts(),
            "why": block.reason,
            "wire_reason": raw,
            "until": instant(block.until),
            "hard": block.hard,
            "full_windows": window_facts(reading.full_windows),
        },
    )


def _state(reading: CleanReading) -> str:
    if reading.extra is None:
        return "extra usage is not metered"
    used = "an unknown amount" if reading.used is None else money.show(reading.used)
    if reading.limit is not None:
        return f"used {used} of {money.show(reading.limit)}"
    return f"used {used}, no cap" if reading.cap == "none" else f"used {used}"


def muted_by_block(memory: CounterMemory, reading: CleanReading) -> str | None:
    """The open block of this period. An earlier period's block that no reading confirmed must not mute alerts for
    ever."""
    block = memory.block
    if block is None or block.period != memory.period or EventKind.SEAT_BLOCKED not in reading.settings.kinds:
        return None
    return block.key
