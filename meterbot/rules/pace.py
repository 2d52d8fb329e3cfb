"""How fast a counter rises, and the rules about it. Both check only readings that are higher than the one before, from
three readings on.

`cap_forecast`: at the pace of the last 24 hours the cap is reached before the counter starts again, and the month's
forecast agrees or it is within two days. It is one episode and is reported once. It ends with the period, when
the cap is raised by enough, and after a week without the risk: a quiet weekend does not end it.

`spend_spike`: the last hour's spend is three times the 90th percentile of the busy hours in four weeks, and at least
a hundred minor units (a dollar). At most once a day, and only if ten busy hours are known.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from meterbot.core import money
from meterbot.core.models import Counter, Event, EventKind, Sample, Severity
from meterbot.core.money import Money
from meterbot.core.text import span, stamp
from meterbot.rules.fact_json import amount_facts, instant, money_fact
from meterbot.rules.forecast import (
    RISK_LASTS,
    cap_is_at_risk,
    forecast,
    rest_of_month,
    still_at_risk_up_to,
)
from meterbot.rules.hours import HOUR, Hour, hour_of
from meterbot.rules.increases import spend_between
from meterbot.rules.memory import CapAlert, CounterMemory, Risk
from meterbot.rules.months import month_end
from meterbot.rules.settings import RuleSettings

PACE_WINDOWS = (
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=24),
    timedelta(days=7),
)
_FEWEST_POINTS = 3
_LEAST_COVERED = 3
"""The readings must cover a third of the window: ten minutes of the shortest."""
_TICK = timedelta(microseconds=1)
_TICKS_PER_HOUR = timedelta(hours=1) // _TICK
DAY = timedelta(hours=24)
_RISK_CHECK_INTERVAL = timedelta(hours=1)
"""How long a known risk need not be checked again."""
_SPIKE_FACTOR = 3
_PERCENTILE = 9, 10
_FEWEST_BUSY_HOURS = 10
_LEAST_MINOR = 100


@dataclass(frozen=True, slots=True)
class Pace:
    """Spend per hour, measured over the last `over`."""

    per_hour: Money
    over: timedelta


def pace(
    samples: Sequence[Sample], now: datetime, windows: Iterable[timedelta] = PACE_WINDOWS
) -> Pace | None:
    """Over the shortest window with at least three readings that cover a third of it; None if there is none."""
    points = [sample for sample in samples if sample.at <= now]
    if not points:
        return None
    currency, end = points[-1].used.currency, points[-1].at
    for window in windows:
        inside = [sample for sample in points if sample.at > now - window]
        if len(inside) < _FEWEST_POINTS:
            continue
        start = _known_since(points, inside[0], now - window)
        if end - start < window / _LEAST_COVERED:
            continue
        spend = (spend_between(points, start, end) or {}).get(currency)
        if spend is not None:
            per_hour = spend.minor * _TICKS_PER_HOUR / ((end - start) // _TICK)
            return Pace(Money(per_hour, currency, spend.exponent), end - start)
    return None


def _known_since(points: Sequence[Sample], first: Sample, start: datetime) -> datetime:
    """Since when the window's spend is known: from its `first` reading, or from its `start` if the counter did not
    change until then. The history stores only the ends of a quiet time."""
    before = [sample for sample in points if sample.at <= start]
    return start if before and before[-1].used == first.used else first.at


def cap_eta(
    used: Money, cap: Money | None, pace: Pace | None, now: datetime, ends: datetime
) -> datetime | None:
    """When `used` reaches `cap` at this pace; `now` if it has. None without a cap, without spend, with two
    currencies, and if the counter starts again first, at `ends`."""
    if cap is None or pace is None or not used.currency == cap.currency == pace.per_hour.currency:
        return None
    left = money.subtract(cap, used).major
    if left <= 0:
        return now
    per_hour = pace.per_hour.major
    if per_hour <= 0:
        return None
    ticks = left * _TICKS_PER_HOUR / per_hour
    return now + int(ticks) * _TICK if ticks < (ends - now) // _TICK else None


def needs_samples(memory: CounterMemory, settings: RuleSettings, now: datetime) -> bool:
    """Whether the samples of the last 24 hours may cause an event, after a rise."""
    return _may_reach_cap(memory, settings, now) or _may_spike(memory, settings, now)


def needs_hours(
    memory: CounterMemory, samples: Sequence[Sample], settings: RuleSettings, now: datetime
) -> bool:
    """Whether the hours of four weeks are needed, to distinguish a risk from a busy day, or a spike from a habit."""
    if _may_reach_cap(memory, settings, now) and _cap_ahead(memory, samples, now) is not None:
        return True
    return _may_spike(memory, settings, now) and pace(samples, now, (HOUR,)) is not None


@dataclass(frozen=True, slots=True)
class RisenCounter:
    """A counter that rose: the seat that brought it, its samples of the last 24 hours with that reading, its hours of
    four weeks, and the account's plan."""

    counter: Counter
    seat: str
    samples: Sequence[Sample]
    hours: Sequence[Hour]
    plan: str | None = None


def watch_pace(
    memory: CounterMemory, rise: RisenCounter, settings: RuleSettings, now: datetime
) -> tuple[CounterMemory, list[Event]]:
    """Whether the cap will be reached, and whether this is a spike."""
    events: list[Event] = []
    if _may_reach_cap(memory, settings, now):
        memory, events = _watch_cap(memory, rise, now)
    if _may_spike(memory, settings, now) and (spike := _spike(memory, rise, now)) is not None:
        memory = replace(memory, spike_at=now)
        events = [*events, spike]
    return memory, events


def _may_reach_cap(memory: CounterMemory, settings: RuleSettings, now: datetime) -> bool:
    if EventKind.CAP_FORECAST not in settings.kinds or memory.block is not None:
        return False
    used, cap, risk = memory.used, memory.cap, memory.risk
    if used is None or not isinstance(cap, Money) or cap.currency != used.currency or used.major >= cap.major:
        return False
    known = risk is not None and risk.period == memory.period and risk.cap == cap
    return risk is None or not known or now - risk.seen_at >= _RISK_CHECK_INTERVAL


def _may_spike(memory: CounterMemory, settings: RuleSettings, now: datetime) -> bool:
    if EventKind.SPEND_SPIKE not in settings.kinds or memory.used is None:
        return False
    return memory.spike_at is None or now - memory.spike_at >= DAY


class _CapAhead(NamedTuple):
    """The cap is reached `at`, at this pace."""

    used: Money
    cap: Money
    speed: Pace
    at: datetime


def _cap_ahead(memory: CounterMemory, samples: Sequence[Sample], now: datetime) -> _CapAhead | None:
    """At the pace of the last day; None if the counter starts again first."""
    used, cap, speed = memory.used, memory.cap, pace(samples, now, (DAY,))
    if used is None or not isinstance(cap, Money) or speed is None:
        return None
    ends = now if memory.period is None else month_end(memory.period[:7])
    at = cap_eta(used, cap, speed, now, ends)
    return None if at is None else _CapAhead(used, cap, speed, at)


def _watch_cap(memory: CounterMemory, rise: RisenCounter, now: datetime) -> tuple[CounterMemory, list[Event]]:
    ahead, risk = _cap_ahead(memory, rise.samples, now), memory.risk
    if ahead is None:
        return memory, []
    month = forecast(ahead.used, rest_of_month(rise.hours, ahead.used.currency, now), now)
    if not cap_is_at_risk(ahead.at, ahead.cap, month, now):
        return memory, []
    up_to = still_at_risk_up_to(ahead.used, ahead.speed.per_hour, month)
    seen = replace(memory, risk=Risk(memory.period, ahead.cap, now, up_to))
    if risk is not None and risk.period == memory.period and now - risk.seen_at < RISK_LASTS:
        return seen, []
    likely = "" if month is None else f", and the month would end at about {money.show(month.likely)}"
    event = _event(
        EventKind.CAP_FORECAST,
        memory,
        rise,
        now,
        severity=Severity.WARNING,
        reason=f"at {money.show(ahead.speed.per_hour)} an hour over the last {span(ahead.speed.over)} the cap of "
        f"{money.show(ahead.cap)} is reached at {stamp(ahead.at)}{likely}",
        facts={
            "pace": money_fact(ahead.speed.per_hour),
            "cap_eta": instant(ahead.at),
            "low": None if month is None else money_fact(month.low),
            "likely": None if month is None else money_fact(month.likely),
            "high": None if month is None else money_fact(month.high),
        },
    )
    return replace(seen, cap_alerts=(*memory.cap_alerts, CapAlert(event.key))), [event]


def _spike(memory: CounterMemory, rise: RisenCounter, now: datetime) -> Event | None:
    speed = pace(rise.samples, now, (HOUR,))
    if speed is None:
        return None
    fast, before = speed.per_hour, hour_of(now - HOUR)
    spent = [hour.spent for hour in rise.hours if hour.at < before and hour.spent.minor > 0]
    busy = sorted((one for one in spent if one.currency == fast.currency), key=lambda one: one.major)
    if len(busy) < _FEWEST_BUSY_HOURS:
        return None
    part, whole = _PERCENTILE
    usual = busy[(len(busy) * part - 1) // whole]
    if fast.minor < _LEAST_MINOR or fast.major < usual.major * _SPIKE_FACTOR:
        return None
    return _event(
        EventKind.SPEND_SPIKE,
        memory,
        rise,
        now,
        severity=Severity.INFO,
        reason=f"{money.show(fast)} an hour over the last {span(speed.over)}; 90% of its {len(busy)} busy hours in "
        f"four weeks stay within {money.show(usual)}",
        facts={
            "pace": money_fact(fast),
            "usual": money_fact(usual),
            "times": f"{fast.major / usual.major:.1f}",
            "hours": len(busy),
        },
    )


def _event(
    kind: EventKind,
    memory: CounterMemory,
    rise: RisenCounter,
    now: datetime,
    *,
    severity: Severity,
    reason: str,
    facts: dict[str, object],
) -> Event:
    last = rise.samples[-2:]
    cap = memory.cap if isinstance(memory.cap, Money) else None
    readings = [{"at": instant(sample.at), "used": money_fact(sample.used)} for sample in last]
    return Event(
        key=f"{kind.value}:{rise.counter}:{memory.period}:{instant(last[-1].at)}",
        kind=kind,
        at=min(last[-1].at, now),
        severity=severity,
        reason=reason,
        seat=rise.seat,
        counter=rise.counter,
        facts={
            **amount_facts(memory.used, cap),
            "period": memory.period,
            **facts,
            "plan": rise.plan,
            "readings": readings,
        },
    )
