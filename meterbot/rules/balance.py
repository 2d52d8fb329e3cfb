"""The rule about prepaid credits: they run low, or out."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from meterbot.core import money
from meterbot.core.models import Balance, Event, EventKind, Severity
from meterbot.core.money import Money
from meterbot.rules.blocked import Block, any_full, block_in, muted_by_block
from meterbot.rules.clean_reading import CleanReading, window_facts
from meterbot.rules.endings import silent_end
from meterbot.rules.fact_json import instant, money_fact
from meterbot.rules.memory import BalanceMemory, CounterMemory
from meterbot.rules.months import CLOCK_SKEW
from meterbot.rules.settings import Threshold
from meterbot.rules.thresholds import restated


def watch_balance(memory: CounterMemory, reading: CleanReading) -> tuple[CounterMemory, list[Event]]:
    """The balance fell below a level, or to 0. Each level is reported once until credits are bought; of several, only
    the lowest. With auto-reload only 0 counts. A seat that is blocked because of its balance gets no second alert. An
    alert ends in silence once the balance is at its level again.

    For a shared balance the caller passes the organization's memory, so only one seat reports it."""
    balance = None if reading.extra is None else reading.extra.balance
    if balance is None:
        return memory, []
    below = _levels_above(balance, reading.settings.balance_levels)
    last = memory.balance
    low = _levels_above(replace(balance, auto_reload=None), reading.settings.balance_levels)
    over = [level for level in last.alerts if level not in low]
    if (tuple(below) == last.levels and not over) or _is_before(reading, last.changed_at):
        return memory, []
    alerts = {level: key for level, key in last.alerts.items() if level in low}
    events = [
        silent_end(
            _low(memory, reading, balance, level, last),
            last.alerts[level],
            f"{money.show(balance.amount)} of prepaid credits are left, the level was {level}",
        )
        for level in over
    ]
    if below and below[0] not in last.levels:
        event = _low(memory, reading, balance, below[0], last)
        events.append(event)
        if event.muted_by is None and event.kind in reading.settings.kinds:
            alerts[below[0]] = event.key
    return replace(memory, balance=BalanceMemory(tuple(below), reading.at, alerts)), events


def _is_before(reading: CleanReading, changed_at: datetime | None) -> bool:
    """A change from the future was read while the clock was ahead, so every reading is newer."""
    return changed_at is not None and reading.at < changed_at <= reading.now + CLOCK_SKEW


def _levels_above(balance: Balance, steps: tuple[Threshold, ...]) -> list[str]:
    """The levels that the balance is below, the lowest first, as `5.00 USD`; a balance of 0 adds the level 0."""
    left = balance.amount
    levels = [] if balance.auto_reload else [_in_currency(step, left) for step in steps]
    above = [level for level in levels if level is not None and left.major < level.major]
    zero = [restated(Decimal(0), left)] if left.minor == 0 else []
    return [
        f"{money.plain(level)} {level.currency}"
        for level in [*zero, *sorted(above, key=lambda each: each.major)]
    ]


def _in_currency(step: Threshold, left: Money) -> Money | None:
    if step.amount is None or step.default:
        return None if step.amount is None else restated(step.amount.minor, left)
    return step.amount if step.amount.currency == left.currency else None


def _low(
    memory: CounterMemory, reading: CleanReading, balance: Balance, level: str, last: BalanceMemory
) -> Event:
    block = block_in(reading)
    next_prompt = _next_prompt(reading, balance)
    # Seats that read a shared balance at the same time make the same key, and the store keeps one of their events.
    owner_key = reading.counter.org if balance.shared else str(reading.counter)
    since = "" if last.changed_at is None else f":{instant(last.changed_at)}"
    event = reading.event(
        EventKind.BALANCE_LOW,
        reason=f"{money.show(balance.amount)} of prepaid credits are left, the level is {level}",
        severity=Severity.CRITICAL if next_prompt == "refused" else Severity.WARNING,
        level=level,
        muted_by=muted_by_block(memory, reading) if _block_says_the_same(block, balance) else None,
        initial=not memory.extra_seen,
        facts={
            "balance": money_fact(balance.amount),
            "level": level,
            "auto_reload": balance.auto_reload,
            "shared": balance.shared,
            "next": next_prompt,
            "full_windows": window_facts(reading.full_windows),
        },
    )
    return replace(event, key=f"{event.kind.value}:{owner_key}:{level}{since}")


def _block_says_the_same(block: Block | None, balance: Balance) -> bool:
    """The alert about a block of the seat says what this one would. Of a shared balance only a block by that balance
    does."""
    reason = None if block is None else block.reason
    return reason == "balance" if balance.shared else reason != "cap"


def _next_prompt(reading: CleanReading, balance: Balance) -> str | None:
    """What happens to a prompt once nothing is left: `refused` while a window is full, `plan` while none is."""
    if not balance.empty:
        return None
    return {True: "refused", False: "plan", None: None}[any_full(reading.windows)]
