"""Compares the team's total with its budgets."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from meterbot.core import money
from meterbot.core.models import Counter, Event, EventKind, Severity
from meterbot.core.money import Money
from meterbot.rules.fact_json import instant, money_fact
from meterbot.rules.levels import in_order, reached
from meterbot.rules.memory import CounterMemory, TeamMemory
from meterbot.rules.months import calendar_month
from meterbot.rules.settings import Budget, RuleSettings


@dataclass(frozen=True, slots=True)
class TeamShare:
    """One counter's share of the total: `used` in the period that began in `month` (`2026-05`). `complete` is False
    if there may be more: nothing was read, or not recently. Without `metered` nothing was added since that month."""

    counter: Counter
    used: Money | None
    month: str | None
    complete: bool
    metered: bool = True


def team_share(counter: Counter, memory: CounterMemory, *, fresh: bool) -> TeamShare:
    """A counter's share, from its memory. `fresh`: its source is healthy."""
    month = None if memory.period is None else memory.period[:7]
    metered = memory.metering != "unmetered"
    known = memory.used is not None or not metered
    return TeamShare(counter, memory.used, month, complete=fresh and known, metered=metered)


def watch_team(
    memory: TeamMemory, readings: Iterable[TeamShare], settings: RuleSettings, now: datetime
) -> tuple[TeamMemory, tuple[Event, ...]]:
    """The budgets of this UTC month. A counter counts once, and not while it still shows last month's amount. An
    incomplete total is a lower bound: it may cross a level, but only a complete one below the level resets it."""
    month = calendar_month(now)
    first = memory.month is None
    if memory.month != month:
        memory = TeamMemory(month=month)
    by_counter = {reading.counter: reading for reading in readings}.values()
    current = [reading for reading in by_counter if reading.month == month]
    complete = all(one.complete and (one.month == month or not one.metered) for one in by_counter)
    sums = money.totals(reading.used for reading in current if reading.used is not None)
    events = []
    for budget in settings.budgets:
        currency = budget.amount.currency
        total = sums.get(currency, replace(budget.amount, minor=budget.amount.minor * 0))
        memory, event = _watch(memory, budget, total, now, complete=complete, initial=first)
        events += [] if event is None else [event]
    return memory, settings.enabled(*events)


def _watch(
    memory: TeamMemory, budget: Budget, total: Money, now: datetime, *, complete: bool, initial: bool
) -> tuple[TeamMemory, Event | None]:
    name = f"{money.plain(budget.amount)} {budget.amount.currency}"
    crossed = [step for step in budget.thresholds if reached(step, total, budget.amount)]
    alerted = memory.alerted_levels.get(name, ())
    if complete and (gone := set(alerted) - {step.level for step in crossed}):
        alerted = tuple(level for level in alerted if level not in gone)
        memory = replace(memory, levels_reset_at={**memory.levels_reset_at, name: f":{instant(now)}"})
    new = in_order([step for step in crossed if step.level not in alerted], budget.amount)
    memory = replace(
        memory, alerted_levels={**memory.alerted_levels, name: (*alerted, *(step.level for step in new))}
    )
    if not new:
        return memory, None
    highest = new[-1]
    share = money.percent(total, budget.amount)
    bound = "" if complete else "at least "
    return memory, Event(
        key=f"budget_crossed:{name}:{highest.level}:{memory.month}{memory.levels_reset_at.get(name, '')}",
        kind=EventKind.BUDGET_CROSSED,
        at=now,
        severity=Severity.WARNING if share is None or share < 100 else Severity.CRITICAL,
        reason=f"the team's {bound}{money.show(total)} reached {highest.level} of the budget of {money.show(budget.amount)}",
        level=highest.level,
        initial=initial,
        facts={
            "used": money_fact(total),
            "cap": money_fact(budget.amount),
            "percent": None if share is None else f"{share:f}",
            "period": memory.month,
            "level": highest.level,
            "also": [step.level for step in new[:-1]],
            "complete": complete,
        },
    )
