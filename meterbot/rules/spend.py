"""Rules about money: the first dollar, levels, and charges while the plan had room."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from meterbot.core import money
from meterbot.core.models import Event, EventKind, Severity
from meterbot.rules.blocked import muted_by_block
from meterbot.rules.clean_reading import CleanReading, window_facts
from meterbot.rules.fact_json import instant, money_fact
from meterbot.rules.levels import in_order, levels_for, raised, reached
from meterbot.rules.memory import CapAlert, CounterMemory
from meterbot.rules.settings import Threshold, parse_threshold
from meterbot.rules.windows import last_full

_LATE_CHARGE = timedelta(minutes=15)
"""How long after a full window a charge may still be its consequence."""
_SHORTEST_WINDOW = timedelta(hours=5)


def watch_spend(memory: CounterMemory, reading: CleanReading) -> tuple[CounterMemory, list[Event]]:
    """The first dollar, and charges while the plan had room. If one charge is both, the first dollar includes the
    other."""
    memory, charged = _watch_charges_within_plan(memory, reading)
    memory, started = _watch_first_dollar(memory, reading, within_plan=bool(charged))
    if started and EventKind.SPEND_STARTED in reading.settings.kinds:
        charged = [replace(event, muted_by=started[0].key) for event in charged]
    return memory, [*started, *charged]


def _watch_first_dollar(
    memory: CounterMemory, reading: CleanReading, *, within_plan: bool
) -> tuple[CounterMemory, list[Event]]:
    """Used went from 0 to more. Spend that was there at the first reading does not count."""
    if memory.spend is None and reading.metering == "unmetered":
        return replace(memory, spend=False), []
    if reading.used is None or reading.used.minor <= 0 or memory.spend is not False:
        return memory, []
    event = reading.event(
        EventKind.SPEND_STARTED,
        memory.period or "",
        reason=f"used went from 0 to {money.show(reading.used)} in the period {memory.period}",
        severity=Severity.WARNING if within_plan else Severity.INFO,
        facts={
            **reading.amounts(),
            "before_at": instant(reading.before_at),
            "period": memory.period,
            "windows": window_facts(reading.windows),
            "full_windows": window_facts(reading.full_windows),
            "within_plan": within_plan,
        },
    )
    return replace(memory, spend=True), [event]


def _watch_charges_within_plan(
    memory: CounterMemory, reading: CleanReading
) -> tuple[CounterMemory, list[Event]]:
    """Used rose above the period's peak although every window had room meanwhile. Once a period."""
    used, peak = reading.used, memory.peak
    if used is None or (peak is not None and used.major <= peak.major):
        return memory, []
    room = peak is not None and not memory.charge_alerted and _had_room(memory, reading)
    if peak is None or not room:
        return memory, []
    rise = money.subtract(used, peak)
    event = reading.event(
        EventKind.CHARGED_WITHIN_PLAN,
        memory.period or "",
        reason=f"used went from {money.show(peak)} to {money.show(used)} while none of the windows that were read was "
        "full",
        severity=Severity.WARNING,
        facts={
            "used": money_fact(used),
            "before": money_fact(peak),
            "before_at": instant(memory.used_at),
            "rise": money_fact(rise),
            "period": memory.period,
            "windows": window_facts(reading.windows),
        },
    )
    return replace(memory, charge_alerted=True), [event]


def _had_room(memory: CounterMemory, reading: CleanReading) -> bool:
    """Whether no window can have been full between the two readings, nor shortly before the first."""
    if not reading.windows or any(window.utilization is None for window in reading.windows):
        return False
    if memory.windows_at is None or memory.used_at is None:
        return False
    earlier = min(memory.windows_at, memory.used_at)
    full_at = last_full(memory, reading)
    return reading.at - earlier <= _SHORTEST_WINDOW and (full_at is None or full_at < earlier - _LATE_CHARGE)


def watch_thresholds(memory: CounterMemory, reading: CleanReading) -> tuple[CounterMemory, list[Event]]:
    """The highest of the newly reached levels, once a period; percentages again after the cap was raised above them.

    A refund resets no level. While the seat is blocked, its levels are stored and not posted.
    """
    used, cap = reading.used, reading.limit
    if used is None or (reading.extra is not None and not reading.extra.comparable):
        return memory, []
    steps = levels_for(reading.settings.thresholds, used, reading.cap)
    crossed = [step for step in steps if reached(step, used, cap)]
    if raised(memory.measured_cap, reading.cap):
        below = {step.level for step in steps if step.percent is not None and step not in crossed}
        if below & set(memory.alerted_levels):
            alerted = tuple(level for level in memory.alerted_levels if level not in below)
            memory = replace(memory, alerted_levels=alerted, levels_reset_at=reading.stamp)
    first = reading.switched is not None or memory.measured_cap is None
    unalerted = in_order([step for step in crossed if step.level not in memory.alerted_levels], cap)
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
    event = _crossed(memory, reading, news, initial=reading.switched is not None or not seen_before)
    posted = event.muted_by is None and EventKind.THRESHOLD_CROSSED in reading.settings.kinds
    if highest.percent is not None and posted:
        memory = replace(memory, cap_alerts=(*memory.cap_alerts, CapAlert(event.key, highest.level)))
    return memory, [event]


def _crossed(memory: CounterMemory, reading: CleanReading, news: list[Threshold], *, initial: bool) -> Event:
    highest, also = news[-1], [] if initial else [step.level for step in news[:-1]]
    used, cap = reading.used, reading.limit
    share = money.percent(used, cap) if used and cap else None
    of = f" of {money.show(cap)}" if cap else ""
    return reading.event(
        EventKind.THRESHOLD_CROSSED,
        *[part for part in (highest.level, memory.period, memory.levels_reset_at) if part],
        reason=f"{used}{of} {'is at or above' if initial else 'reached'} the level {highest.level}",
        severity=Severity.CRITICAL if share is not None and share >= 100 else Severity.WARNING,
        level=highest.level,
        initial=initial,
        muted_by=muted_by_block(memory, reading),
        facts={**reading.amounts(), "period": memory.period, "level": highest.level, "also": also},
    )


def _outdone(step: Threshold, crossed: list[Threshold], alerted: tuple[str, ...]) -> bool:
    """Whether a higher level of the same kind was posted already: this one was added to the configuration since."""
    higher = [other.level for other in crossed if _above(other, step)]
    return any(level in alerted for level in higher) or (step.default and _passed(step, alerted))


def _above(other: Threshold, step: Threshold) -> bool:
    if other.percent is not None and step.percent is not None:
        return other.percent > step.percent
    return False


def _passed(step: Threshold, alerted: Iterable[str]) -> bool:
    """Whether a higher amount was posted: the counter has dipped and rises again."""
    amounts = [parse_threshold(level).amount for level in alerted if not level.endswith("%")]
    return any(
        amount is not None
        and step.amount is not None
        and amount.currency == step.amount.currency
        and amount.major > step.amount.major
        for amount in amounts
    )
