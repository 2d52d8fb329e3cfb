"""Amounts against levels: a seat's spend, an API organization's members, and the team's total against its budgets."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from meterbot.core import money
from meterbot.core.models import Counter, Event, EventKind, Severity
from meterbot.core.money import Money, default_places
from meterbot.core.org_spend import PersonLimit
from meterbot.rules.blocked import muted_by_block
from meterbot.rules.clean_reading import CleanReading
from meterbot.rules.fact_json import amount_facts, instant, money_fact
from meterbot.rules.memory import Cap, CapAlert, CounterMemory, TeamMemory
from meterbot.rules.months import RESET_LAG, calendar_month, month_start
from meterbot.rules.settings import UNCAPPED_STEP, Budget, RuleSettings, Threshold, parse_threshold

_API_PLAN = "enterprise"
"""The only plan whose members have limits of their own."""


def reached(step: Threshold, used: Money, cap: Money | None) -> bool:
    """Whether `used` is at or above the level. A percentage of no cap, or of a cap of 0, is never reached."""
    if step.amount is not None:
        return step.amount.currency == used.currency and used.major >= step.amount.major
    share = money.percent(used, cap)
    return share is not None and step.percent is not None and share >= step.percent


def level_severity(used: Money | None, cap: Money | None) -> Severity:
    """The severity of an alert about a level: critical if the whole cap is used, otherwise a warning."""
    share = money.percent(used, cap)
    return Severity.CRITICAL if share is not None and share >= 100 else Severity.WARNING


def levels_for(steps: Iterable[Threshold], used: Money, cap: Cap | None) -> list[Threshold]:
    """The levels of a seat with this cap. Default amounts for seats without a cap are converted to the seat's
    currency; above the highest there is one more at every further `UNCAPPED_STEP`, of which only the last one reached
    is listed."""
    held, uncapped = [], []
    for step in steps:
        if not step.default:
            held.append(step)
        elif cap == "none" and step.amount is not None:
            uncapped.append(step.amount.minor)
    if uncapped:
        unit, places = UNCAPPED_STEP.minor, min(default_places(used.currency), 2)
        last = used.minor.scaleb(places - used.exponent) // unit * unit
        uncapped += [last] if last > max(uncapped) else []
    return [*held, *(Threshold(amount=restated(amount, used), default=True) for amount in uncapped)]


def restated(hundredths: Decimal, used: Money) -> Money:
    """The level's number of hundredths in the currency of `used`, also of yen or won, which have none: $25.00 is
    ¥2,500."""
    places = default_places(used.currency)
    return Money(hundredths.scaleb(max(places - 2, 0)), used.currency, places)


def raised(old: Cap | None, new: Cap | None) -> bool:
    """Whether a cap was raised, or removed."""
    if isinstance(old, Money) and isinstance(new, Money):
        return old.currency == new.currency and new.major > old.major
    return isinstance(old, Money) and new == "none"


def _crossed(steps: Iterable[Threshold], used: Money, cap: Money | None) -> list[Threshold]:
    """The levels that are reached, the lowest first; percentages are compared with amounts by what they amount to."""

    def comes_to(step: Threshold) -> tuple[Decimal, bool]:
        if step.amount is not None:
            return step.amount.major, False
        share = (step.percent or Decimal(0)) / 100
        return share * (cap.major if cap else 1), True

    return sorted((step for step in steps if reached(step, used, cap)), key=comes_to)


def watch_thresholds(memory: CounterMemory, reading: CleanReading) -> tuple[CounterMemory, list[Event]]:
    """The highest of the newly reached levels, once a period; percentages again after the cap was raised above them.

    A refund resets no level. While the seat is blocked, its levels are stored and not posted.
    """
    used, cap = reading.used, reading.limit
    if used is None or (reading.extra is not None and not reading.extra.comparable):
        return memory, []
    steps = levels_for(reading.settings.thresholds, used, reading.cap)
    crossed = _crossed(steps, used, cap)
    if raised(memory.measured_cap, reading.cap):
        below = {step.level for step in steps if step.percent is not None and step not in crossed}
        if below & set(memory.alerted_levels):
            alerted = tuple(level for level in memory.alerted_levels if level not in below)
            memory = replace(memory, alerted_levels=alerted, levels_reset_at=reading.stamp)
    first = reading.switched is not None or memory.measured_cap is None
    unalerted = [step for step in crossed if step.level not in memory.alerted_levels]
    news = [step for step in unalerted if not _outdone(step, crossed, memory.alerted_levels)]
    measured = memory.measured_cap if reading.cap is None else reading.cap
    if unalerted or measured != memory.measured_cap:
        memory = replace(
            memory,
            alerted_levels=(*memory.alerted_levels, *(step.level for step in unalerted)),
            measured_cap=measured,
        )
    if not news:
        return memory, []
    highest = news[-1]
    seen_before = reading.before is not None and not (highest.percent is not None and first)
    event = _seat_event(memory, reading, news, initial=reading.switched is not None or not seen_before)
    posted = event.muted_by is None and EventKind.THRESHOLD_CROSSED in reading.settings.kinds
    if highest.percent is not None and posted:
        memory = replace(memory, cap_alerts=(*memory.cap_alerts, CapAlert(event.key, highest.level)))
    return memory, [event]


def _seat_event(
    memory: CounterMemory, reading: CleanReading, news: list[Threshold], *, initial: bool
) -> Event:
    highest, also = news[-1], [] if initial else [step.level for step in news[:-1]]
    used, cap = reading.used, reading.limit
    of = f" of {money.show(cap)}" if cap else ""
    return reading.event(
        EventKind.THRESHOLD_CROSSED,
        *[part for part in (highest.level, memory.period, memory.levels_reset_at) if part],
        reason=f"{used}{of} {'is at or above' if initial else 'reached'} the level {highest.level}",
        severity=level_severity(used, cap),
        level=highest.level,
        initial=initial,
        muted_by=muted_by_block(memory, reading),
        facts={**reading.amounts(), "period": memory.period, "level": highest.level, "also": also},
    )


def _outdone(step: Threshold, crossed: list[Threshold], alerted: tuple[str, ...]) -> bool:
    """Whether a higher level of the same kind was posted already: this one was added to the configuration since, or the
    counter has dipped and rises again."""
    if step.percent is not None:
        posted = [other.percent for other in crossed if other.level in alerted and other.percent is not None]
        return any(percent > step.percent for percent in posted)
    amounts = [parse_threshold(level).amount for level in alerted]
    return step.default and any(_is_above(amount, step.amount) for amount in amounts)


def _is_above(higher: Money | None, lower: Money | None) -> bool:
    if higher is None or lower is None or higher.currency != lower.currency:
        return False
    return higher.major > lower.major


def watch_member_limits(memory: CounterMemory, reading: CleanReading) -> tuple[CounterMemory, list[Event]]:
    """A member reached a percentage of their monthly limit: each level once a month, and again after a raised limit.

    Without a limit, an amount or an amount of this reading, nothing is said. In the first hours of a month the service
    may still show the month before.
    """
    month = calendar_month(reading.at)
    if reading.limits is None or reading.at < month_start(month) + RESET_LAG:
        return memory, []
    first = memory.members_month is None
    levels = [step for step in reading.settings.thresholds if step.percent is not None]
    alerted = memory.member_levels if memory.members_month == month else {}
    found, events = dict(alerted), list[Event]()
    for person in reading.limits.people:
        if person.used is None or person.used_old or not person.limit or not person.limit.minor:
            continue
        crossed = _crossed(levels, person.used, person.limit)
        found[person.user] = tuple(step.level for step in crossed)
        new = [step.level for step in crossed if step.level not in alerted.get(person.user, ())]
        if new and new[-1] == crossed[-1].level:
            events.append(_member_event(reading, person, person.used, person.limit, new, initial=first))
    return replace(memory, members_month=month, member_levels=found), events


def _member_event(
    reading: CleanReading, person: PersonLimit, used: Money, limit: Money, new: list[str], *, initial: bool
) -> Event:
    level, month = new[-1], calendar_month(reading.at)
    return reading.event(
        EventKind.THRESHOLD_CROSSED,
        person.user,
        level,
        month,
        money.plain(limit),
        reason=f"{money.show(used)} of a member's limit of {money.show(limit)} reached the level {level}",
        severity=level_severity(used, limit),
        level=level,
        initial=initial,
        facts={
            **amount_facts(used, limit),
            "period": month,
            "level": level,
            "also": [] if initial else new[:-1],
            "member": person.user,
            "member_name": person.name,
            "plan": _API_PLAN,
            "readings": [{"at": instant(reading.at), "used": money_fact(used)}],
        },
    )


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
        total = sums.get(budget.amount.currency, money.zero(budget.amount))
        memory, event = _watch_budget(memory, budget, total, now, complete=complete, initial=first)
        events += [] if event is None else [event]
    return memory, settings.enabled(*events)


def _watch_budget(
    memory: TeamMemory, budget: Budget, total: Money, now: datetime, *, complete: bool, initial: bool
) -> tuple[TeamMemory, Event | None]:
    name = f"{money.plain(budget.amount)} {budget.amount.currency}"
    crossed = _crossed(budget.thresholds, total, budget.amount)
    alerted = memory.alerted_levels.get(name, ())
    if complete and (gone := set(alerted) - {step.level for step in crossed}):
        alerted = tuple(level for level in alerted if level not in gone)
        memory = replace(memory, levels_reset_at={**memory.levels_reset_at, name: f":{instant(now)}"})
    new = [step for step in crossed if step.level not in alerted]
    memory = replace(
        memory, alerted_levels={**memory.alerted_levels, name: (*alerted, *(step.level for step in new))}
    )
    if not new:
        return memory, None
    highest = new[-1]
    bound = "" if complete else "at least "
    return memory, Event(
        key=f"budget_crossed:{name}:{highest.level}:{memory.month}{memory.levels_reset_at.get(name, '')}",
        kind=EventKind.BUDGET_CROSSED,
        at=now,
        severity=level_severity(total, budget.amount),
        reason=f"the team's {bound}{money.show(total)} reached {highest.level} of the budget of {money.show(budget.amount)}",
        level=highest.level,
        initial=initial,
        facts={
            **amount_facts(total, budget.amount),
            "period": memory.month,
            "level": highest.level,
            "also": [step.level for step in new[:-1]],
            "complete": complete,
        },
    )
