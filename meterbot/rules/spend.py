"""Rules about money: the first dollar, and charges while the plan had room."""

from dataclasses import replace
from datetime import timedelta

from meterbot.core import money
from meterbot.core.models import Event, EventKind, Severity
from meterbot.rules.clean_reading import CleanReading, window_facts
from meterbot.rules.fact_json import instant, money_fact
from meterbot.rules.memory import CounterMemory
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
    if used is None or peak is None or used.major <= peak.major or memory.charge_alerted:
        return memory, []
    if not _had_room(memory, reading):
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
