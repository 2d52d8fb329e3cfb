"""Rules about rolling windows that are full."""

from dataclasses import replace
from datetime import datetime

from meterbot.core.models import Event, EventKind, Severity, Window
from meterbot.core.text import window_label
from meterbot.rules.blocked import block_in
from meterbot.rules.clean_reading import CleanReading
from meterbot.rules.fact_json import instant, money_fact
from meterbot.rules.memory import CounterMemory, FullWindow
from meterbot.rules.window_trend import SAME_RESET


def watch_windows(memory: CounterMemory, reading: CleanReading) -> tuple[CounterMemory, list[Event]]:
    """A window reached 100 %, reported once until it resets; and it has reset."""
    if reading.windows is None:
        return memory, []
    events = []
    full = dict(memory.full)
    for window in reading.windows:
        last = full.get(window.name)
        if not window.full:
            if last is not None and window.utilization is not None:
                passed = last.resets_at is None or last.resets_at <= reading.at + SAME_RESET
                if passed and last.key is not None:
                    events.append(_reset(reading, window, last.key))
                full[window.name] = replace(last, cleared=True, key=None if passed else last.key)
            continue
        key = None if last is None else last.key
        if last is None or not _same_episode(last, window, reading.at):
            event = _full(reading, window, initial=memory.windows_at is None)
            events.append(event)
            if key is not None:
                events.append(replace(_reset(reading, window, key), muted_by=event.key))
            key = event.key
        resets_at = window.resets_at or (last.resets_at if last and not last.cleared else None)
        full[window.name] = FullWindow(resets_at, seen_at=reading.at, key=key)
    resets = tuple(window.resets_at for window in reading.windows if window.resets_at is not None)
    memory = replace(
        memory, full=full, full_at=last_full(memory, reading), windows_at=reading.at, window_resets=resets
    )
    return memory, events


def _same_episode(last: FullWindow, window: Window, at: datetime) -> bool:
    """Whether no reset is between the two readings. A reset time that only moves is none."""
    if last.resets_at is None or window.resets_at is None or last.seen_at is None:
        return not last.cleared
    if last.cleared:
        return abs(window.resets_at - last.resets_at) <= SAME_RESET
    passed = last.seen_at < last.resets_at <= at
    return not (passed and window.resets_at > last.resets_at + SAME_RESET)


def _full(reading: CleanReading, window: Window, *, initial: bool) -> Event:
    overdue = window.resets_at is not None and window.resets_at <= reading.now
    late = f", although its reset was due at {instant(window.resets_at)}" if overdue else ""
    return reading.event(
        EventKind.WINDOW_FULL,
        window.name,
        reading.stamp,
        reason=f"{window_label(window.name)} is at {window.utilization:f} %{late}",
        severity=Severity.WARNING,
        initial=initial,
        facts={
            "window": window.name,
            "resets_at": None if overdue else instant(window.resets_at),
            "reset_due": instant(window.resets_at) if overdue else None,
            "next": _next_prompt(reading),
            "used": money_fact(reading.used),
            "cap": money_fact(reading.limit),
        },
    )


def _reset(reading: CleanReading, window: Window, full: str) -> Event:
    return reading.event(
        EventKind.WINDOW_RESET,
        window.name,
        reading.stamp,
        reason=f"{window_label(window.name)} is at {window.utilization:f} % after it was full",
        severity=Severity.GOOD,
        resolves=full,
        facts={"window": window.name, "resets_at": instant(window.resets_at)},
    )


def _next_prompt(reading: CleanReading) -> str | None:
    """What happens to a prompt while a window is full; None if the state of extra usage was not read."""
    if reading.metering is None:
        return None
    known = reading.merged.snapshot.extra_usage  # credits are not read every time
    balance = None if known is None else known.balance
    paid = reading.metering == "on" and block_in(reading) is None and not (balance and balance.empty)
    return "billed" if paid else "refused"


def last_full(memory: CounterMemory, reading: CleanReading) -> datetime | None:
    """When a window may last have been full: now, or just before a reset that passed since the last reading."""
    if reading.full_windows:
        return reading.at
    before = memory.windows_at
    passed = [at for at in memory.window_resets if before is not None and before < at <= reading.at]
    return max([*passed, *([memory.full_at] if memory.full_at else [])], default=None)
