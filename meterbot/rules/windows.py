"""The rules about rolling windows: full ones."""

from dataclasses import replace
from datetime import datetime, timedelta

from meterbot.core.models import Event, EventKind, Severity, Window
from meterbot.rules.blocked import block_in
from meterbot.rules.clean_reading import CleanReading
from meterbot.rules.facts import instant, money_fact
from meterbot.rules.memory import CounterMemory, FullWindow

_SAME_RESET = timedelta(minutes=5)
"""The wire's reset times of one and the same reset differ from poll to poll."""


def watch_windows(memory: CounterMemory, reading: CleanReading) -> tuple[CounterMemory, list[Event]]:
    """A window reached 100 %. Once until it resets, however often it is seen there."""
    if reading.windows is None:
        return memory, []
    events = []
    full = dict(memory.full)
    for window in reading.windows:
        last = full.get(window.name)
        if not window.full:
            if last is not None and not last.cleared and window.utilization is not None:
                full[window.name] = replace(last, cleared=True)
            continue
        if last is None or not _same_episode(last, window):
            events.append(_full(reading, window, initial=memory.windows_at is None))
        resets_at = window.resets_at or (last.resets_at if last and not last.cleared else None)
        full[window.name] = FullWindow(resets_at)
    resets = tuple(window.resets_at for window in reading.windows if window.resets_at is not None)
    memory = replace(
        memory, full=full, full_at=last_full(memory, reading), windows_at=reading.at, window_resets=resets
    )
    return memory, events


def _same_episode(last: FullWindow, window: Window) -> bool:
    if last.resets_at is None or window.resets_at is None:
        return not last.cleared
    return abs(window.resets_at - last.resets_at) <= _SAME_RESET


def _full(reading: CleanReading, window: Window, *, initial: bool) -> Event:
    return reading.event(
        EventKind.WINDOW_FULL,
        window.name,
        reading.stamp,
        reason=f"{window.name} is at {window.utilization:f} %",
        severity=Severity.WARNING,
        initial=initial,
        facts={
            "window": window.name,
            "resets_at": instant(window.resets_at),
            "next": _next_prompt(reading),
            "used": money_fact(reading.used),
            "cap": money_fact(reading.limit),
        },
    )


def _next_prompt(reading: CleanReading) -> str | None:
    """What becomes of a prompt while a window is full; None when the state of extra usage was not read."""
    if reading.metering is None:
        return None
    return "billed" if reading.metering == "on" and block_in(reading) is None else "refused"


def last_full(memory: CounterMemory, reading: CleanReading) -> datetime | None:
    """When a window may last have been full: now, or just before a reset that passed since the last reading."""
    if reading.full_windows:
        return reading.at
    before = memory.windows_at
    passed = [at for at in memory.window_resets if before is not None and before < at <= reading.at]
    return max([*passed, *([memory.full_at] if memory.full_at else [])], default=None)
