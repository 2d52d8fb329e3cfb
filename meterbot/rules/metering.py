"""The rule about the metering switch and the cap."""

from dataclasses import replace

from meterbot.core import money
from meterbot.core.models import Event, EventKind, Severity
from meterbot.core.money import Money
from meterbot.rules.clean_reading import CleanReading
from meterbot.rules.endings import ending
from meterbot.rules.fact_json import fact_money, money_fact
from meterbot.rules.forecast import RISK_LASTS
from meterbot.rules.memory import Cap, CapAlert, CounterMemory
from meterbot.rules.settings import parse_threshold
from meterbot.rules.thresholds import raised, reached


def watch_metering(memory: CounterMemory, reading: CleanReading) -> tuple[CounterMemory, list[Event]]:
    """Extra usage was switched on, off or paused; the cap was raised, lowered, set or removed; the currency changed.

    A block switches extra usage off by itself, and is reported as a block, so only states without a block are
    compared. A raised cap ends the alerts about the old one, unless it was raised by too little: then the level is
    still reached, or the cap still at risk.
    """
    before = memory
    changes = []
    if reading.switched is not None and reading.used is not None:
        changes.append(_change("currency", reading.switched, reading.used.currency))
    old_cap, new_cap = memory.cap, reading.cap
    if new_cap is not None:
        risk = memory.risk if _is_at_risk(memory, reading) or not raised(old_cap, new_cap) else None
        if new_cap != old_cap or risk is not memory.risk:
            memory = replace(memory, cap=new_cap, risk=risk)
        if reading.switched is None and old_cap is not None and not _same_cap(old_cap, new_cap):
            changes.append(_change("cap", _cap_fact(old_cap), _cap_fact(new_cap)))
    old = memory.metering
    memory = _metering(memory, reading)
    if old is not None and memory.metering != old and {old, memory.metering} != {"off", "unmetered"}:
        changes.append(_change("metering", old, memory.metering))
    if not changes:
        return memory, []
    still, ended = _cap_alerts(before, reading)
    raw = None if reading.extra is None else reading.extra.reason
    event = reading.event(
        EventKind.METERING_CHANGED,
        reading.stamp,
        reason="; ".join(_said(change) for change in changes),
        severity=Severity.WARNING if memory.metering == "paused" != old else Severity.INFO,
        facts={
            "changes": changes,
            "used": money_fact(reading.used),
            "cap": money_fact(reading.limit),
            "wire_reason": raw,
        },
    )
    return replace(memory, cap_alerts=still), ending(event, ended)


def _cap_alerts(memory: CounterMemory, reading: CleanReading) -> tuple[tuple[CapAlert, ...], list[str]]:
    """The alerts about the cap that stay open, and the keys of those that a raised one ends, the oldest first."""
    used = reading.used or memory.used
    if used is None or not raised(memory.cap, reading.cap):
        return memory.cap_alerts, []
    still = tuple(
        alert
        for alert in memory.cap_alerts
        if (
            _is_at_risk(memory, reading)
            if alert.level is None
            else reached(parse_threshold(alert.level), used, reading.limit)
        )
    )
    return still, [alert.key for alert in memory.cap_alerts if alert not in still]


def _is_at_risk(memory: CounterMemory, reading: CleanReading) -> bool:
    """Whether the forecast that was posted in this period holds for this cap, too."""
    risk, cap = memory.risk, reading.limit
    if risk is None or cap is None or risk.period != memory.period:
        return False
    if reading.now - risk.seen_at >= RISK_LASTS:
        return False
    return cap.currency == risk.up_to.currency and cap.major <= risk.up_to.major


def _metering(memory: CounterMemory, reading: CleanReading) -> CounterMemory:
    word, extra = reading.metering, reading.extra
    if word is None or memory.block is not None:
        return memory
    why = extra is None or extra.why_known or extra.reason_class is not None
    if word == "off" and not why and memory.metering_why and memory.metering is not None:
        # Off for an unreadable reason: it may be a block, or the pause that was already reported.
        return memory
    why = why or (memory.metering_why and word == memory.metering)
    if (word, why) == (memory.metering, memory.metering_why):
        return memory
    return replace(memory, metering=word, metering_why=why)


def _same_cap(a: Cap, b: Cap) -> bool:
    if isinstance(a, Money) and isinstance(b, Money):
        # A cap in another currency is reported with the first amount in it.
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
