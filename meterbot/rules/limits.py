"""The rules about what stops or bills the next prompt: blocks, the metering switch and cap, full windows."""

from dataclasses import replace
from datetime import datetime, timedelta

from meterbot.core import money
from meterbot.core.models import Event, EventKind, ReasonClass, Severity, Window
from meterbot.core.money import Money
from meterbot.rules.blocked import Block, block_of
from meterbot.rules.facts import fact_money, instant, money_fact
from meterbot.rules.memory import Cap, CounterMemory, FullWindow, OpenBlock
from meterbot.rules.pace_and_caps import month_of
from meterbot.rules.tick import Tick, window_facts

_SAME_RESET = timedelta(minutes=5)
"""The wire's reset times of one and the same reset differ from poll to poll."""
_SWITCHED_OFF = {ReasonClass.ADMIN, ReasonClass.USER_OFF, ReasonClass.NEVER_SET_UP}
_REASONS = {
    "cap": "the cap is spent",
    "balance": "the prepaid credits are used up",
    "unknown": "the credits are used up or the cap is spent",
}


def watch_block(memory: CounterMemory, tick: Tick) -> tuple[CounterMemory, list[Event]]:
    """Blocked, and no longer. The end needs evidence from the same quarter as the beginning."""
    block, open_block = _block(tick), memory.block
    if block is not None and tick.extra is not None:
        why = tick.extra.why_known
        if open_block is not None:
            seen = replace(open_block, period=memory.period, why=open_block.why or why)
            return replace(memory, block=seen), []
        event = _blocked(tick, block, initial=not memory.extra_seen)
        return replace(memory, block=OpenBlock(event.key, tick.at, memory.period, why)), [event]
    if open_block is None or not _proves_the_end(open_block, memory, tick):
        return memory, []
    event = tick.event(
        EventKind.SEAT_UNBLOCKED,
        tick.stamp,
        reason=f"nothing blocks the seat any more: {_state(tick)}",
        severity=Severity.GOOD,
        resolves=open_block.key,
        facts={**tick.amounts(), "since": instant(open_block.since)},
    )
    return replace(memory, block=None), [event]


def _block(tick: Tick) -> Block | None:
    """The block that this snapshot proves by itself."""
    extra, carried = tick.extra, tick.merged.snapshot.extra_usage
    if extra is None:
        return None
    if (
        not extra.why_known
        and extra.reason_class is None
        and carried
        and carried.reason_class in _SWITCHED_OFF
    ):
        # Last known to be switched off, which would explain a spent cap: no block until the reason can be read.
        extra = replace(extra, reason_class=carried.reason_class)
    return block_of(extra, tick.windows, tick.now)


def _proves_the_end(block: OpenBlock, memory: CounterMemory, tick: Tick) -> bool:
    extra = tick.extra
    if extra is None:
        return tick.extra_read and _may_be_unmetered(memory, tick)
    if extra.used is None or not extra.cap_known:
        return False
    return extra.why_known or not block.why


def _may_be_unmetered(memory: CounterMemory, tick: Tick) -> bool:
    """Money that was spent does not vanish before its month ends: until then, "nothing is metered" is doubtful."""
    if memory.used is None or memory.period is None or memory.used.minor == 0:
        return True
    return month_of(tick.at) > memory.period[:7]


def _blocked(tick: Tick, block: Block, *, initial: bool) -> Event:
    raw = None if tick.extra is None else tick.extra.reason
    told = f" (`{raw}`)" if raw else ""
    return tick.event(
        EventKind.SEAT_BLOCKED,
        tick.stamp,
        reason=f"{_REASONS[block.reason]}{told}: {_state(tick)}",
        severity=Severity.CRITICAL,
        initial=initial,
        facts={
            **tick.amounts(),
            "why": block.reason,
            "wire_reason": raw,
            "until": instant(block.until),
            "hard": block.hard,
            "full_windows": window_facts(tick.full_windows),
        },
    )


def _state(tick: Tick) -> str:
    if tick.extra is None:
        return "extra usage is not metered"
    used = "an unknown amount" if tick.used is None else money.show(tick.used)
    if tick.limit is not None:
        return f"used {used} of {money.show(tick.limit)}"
    return f"used {used}, no cap" if tick.cap == "none" else f"used {used}"


def watch_metering(memory: CounterMemory, tick: Tick) -> tuple[CounterMemory, list[Event]]:
    """Extra usage switched on, off or paused; the cap raised, lowered, set or removed; another currency.

    A block switches extra usage off by itself: that is told as a block, and only a state without one is compared.
    """
    changes = []
    if tick.switched is not None and tick.used is not None:
        changes.append(_change("currency", tick.switched, tick.used.currency))
    old_cap, new_cap = memory.cap, tick.cap
    if new_cap is not None:
        risk = None if new_cap == "none" else memory.risk
        if new_cap != old_cap or risk is not memory.risk:
            memory = replace(memory, cap=new_cap, risk=risk)
        if tick.switched is None and old_cap is not None and not _same_cap(old_cap, new_cap):
            changes.append(_change("cap", _cap_fact(old_cap), _cap_fact(new_cap)))
    old = memory.metering
    memory = _metering(memory, tick)
    if old is not None and memory.metering != old and {old, memory.metering} != {"off", "unmetered"}:
        changes.append(_change("metering", old, memory.metering))
    if not changes:
        return memory, []
    raw = None if tick.extra is None else tick.extra.reason
    event = tick.event(
        EventKind.METERING_CHANGED,
        tick.stamp,
        reason="; ".join(_said(change) for change in changes),
        severity=Severity.WARNING if memory.metering == "paused" != old else Severity.INFO,
        facts={
            "changes": changes,
            "used": money_fact(tick.used),
            "cap": money_fact(tick.limit),
            "wire_reason": raw,
        },
    )
    return memory, [event]


def _metering(memory: CounterMemory, tick: Tick) -> CounterMemory:
    word, extra = tick.metering, tick.extra
    if word is None or memory.block is not None:
        return memory
    why = extra is None or extra.why_known or extra.reason_class is not None
    if word == "off" and not why and memory.metering_why and memory.metering is not None:
        # Off for a reason that could not be read: it may be a block, or the pause already told.
        return memory
    why = why or (memory.metering_why and word == memory.metering)
    if (word, why) == (memory.metering, memory.metering_why):
        return memory
    return replace(memory, metering=word, metering_why=why)


def _same_cap(a: Cap, b: Cap) -> bool:
    if isinstance(a, Money) and isinstance(b, Money):
        # A cap in another currency is told with the first amount in it.
        return a.currency != b.currency or a.major == b.major
    return a == b


def _cap_fact(cap: Cap) -> dict[str, object] | None:
    return money_fact(cap) if isinstance(cap, Money) else None


def _change(what: str, old: object, new: object) -> dict[str, object]:
    return {"what": what, "from": old, "to": new}


def _said(change: dict[str, object]) -> str:
    def word(value: object) -> str:
        if change["what"] != "cap":
            return str(value)
        amount = fact_money(value)
        return "none" if amount is None else money.show(amount)

    return f"{change['what']} went from {word(change['from'])} to {word(change['to'])}"


def watch_windows(memory: CounterMemory, tick: Tick) -> tuple[CounterMemory, list[Event]]:
    """A window reached 100 %. Once until it resets, however often it is seen there."""
    if tick.windows is None:
        return memory, []
    events = []
    full = dict(memory.full)
    for window in tick.windows:
        last = full.get(window.name)
        if not window.full:
            if last is not None and not last.cleared and window.utilization is not None:
                full[window.name] = replace(last, cleared=True)
            continue
        if last is None or not _same_episode(last, window):
            events.append(_full(tick, window, initial=memory.windows_at is None))
        resets_at = window.resets_at or (last.resets_at if last and not last.cleared else None)
        full[window.name] = FullWindow(resets_at)
    resets = tuple(window.resets_at for window in tick.windows if window.resets_at is not None)
    memory = replace(
        memory, full=full, full_at=last_full(memory, tick), windows_at=tick.at, window_resets=resets
    )
    return memory, events


def _same_episode(last: FullWindow, window: Window) -> bool:
    if last.resets_at is None or window.resets_at is None:
        return not last.cleared
    return abs(window.resets_at - last.resets_at) <= _SAME_RESET


def _full(tick: Tick, window: Window, *, initial: bool) -> Event:
    return tick.event(
        EventKind.WINDOW_FULL,
        window.name,
        tick.stamp,
        reason=f"{window.name} is at {window.utilization:f} %",
        severity=Severity.WARNING,
        initial=initial,
        facts={
            "window": window.name,
            "resets_at": instant(window.resets_at),
            "next": _next_prompt(tick),
            "used": money_fact(tick.used),
            "cap": money_fact(tick.limit),
        },
    )


def _next_prompt(tick: Tick) -> str | None:
    """What becomes of a prompt while a window is full; None when the state of extra usage was not read."""
    if tick.metering is None:
        return None
    return "billed" if tick.metering == "on" and _block(tick) is None else "refused"


def last_full(memory: CounterMemory, tick: Tick) -> datetime | None:
    """When a window may last have been full: now, or just before a reset that passed since the last reading."""
    if tick.full_windows:
        return tick.at
    before = memory.windows_at
    passed = [at for at in memory.window_resets if before is not None and before < at <= tick.at]
    return max([*passed, *([memory.full_at] if memory.full_at else [])], default=None)
