"""Rules about pace: a cap that will be reached, and unusual spend. Both check only readings that are higher than the
one before, from three readings on.

`cap_forecast`: at the pace of the last 24 hours the cap is reached before the counter starts again, and the month's
forecast agrees or it is within two days. It is one episode and is reported once. It ends with the period, when
the cap is raised by enough, and after a week without the risk: a quiet weekend does not end it.

`spend_spike`: the last hour's spend is three times the 90th percentile of the busy hours in four weeks, and at least
a hundred minor units (a dollar). At most once a day, and only if ten busy hours are known.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meterbot.core import money
from meterbot.core.models import Counter, Event, EventKind, Sample, Severity
from meterbot.core.money import Money
from meterbot.core.text import span, stamp
from meterbot.rules.fact_json import instant, money_fact
from meterbot.rules.forecast import (
    RISK_LASTS,
    Forecast,
    cap_is_at_risk,
    forecast,
    rest_of_month,
    still_at_risk_up_to,
)
from meterbot.rules.hours import HOUR, Hour, hour_of
from meterbot.rules.memory import CapAlert, CounterMemory, Risk
from meterbot.rules.months import month_end
from meterbot.rules.pace import Pace, cap_eta, pace
from meterbot.rules.settings import RuleSettings

DAY = timedelta(hours=24)
_RISK_CHECK_INTERVAL = timedelta(hours=1)
"""How long a known risk need not be checked again."""
_SPIKE_FACTOR = 3
_PERCENTILE = 9, 10
_FEWEST_BUSY_HOURS = 10
_LEAST_MINOR = 100


def needs_samples(memory: CounterMemory, settings: RuleSettings, now: datetime) -> bool:
    """Whether the samples of the last 24 hours may cause an event, after a rise."""
    return _may_reach_cap(memory, settings, now) or _may_spike(memory, settings, now)


def needs_hours(
    memory: CounterMemory, samples: Sequence[Sample], settings: RuleSettings, now: datetime
) -> bool:
    """Whether the hours of four weeks are needed, to distinguish a risk from a busy day, or a spike from a habit."""
    risk = (
        _may_reach_cap(memory, settings, now)
        and _cap_reached_at(memory, pace(samples, now, (DAY,)), now) is not None
    )
    return risk or (_may_spike(memory, settings, now) and pace(samples, now, (HOUR,)) is not None)


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
    check = _PaceCheck(memory, rise, now)
    events: list[Event] = []
    if _may_reach_cap(memory, settings, now):
        memory, event = _check_cap(check)
        events += [] if event is None else [event]
    if _may_spike(memory, settings, now) and (event := _spike(check)) is not None:
        memory = replace(memory, spike_at=now)
        events.append(event)
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


@dataclass(frozen=True, slots=True)
class _PaceCheck:
    memory: CounterMemory
    rise: RisenCounter
    now: datetime

    def over(self, window: timedelta) -> Pace | None:
        return pace(self.rise.samples, self.now, (window,))

    @property
    def cap(self) -> Money | None:
        return self.memory.cap if isinstance(self.memory.cap, Money) else None

    def event(self, kind: EventKind, severity: Severity, reason: str, facts: dict[str, object]) -> Event:
        used, period = self.memory.used, self.memory.period
        share = None if used is None or self.cap is None else money.percent(used, self.cap)
        last = self.rise.samples[-2:]
        readings = [{"at": instant(sample.at), "used": money_fact(sample.used)} for sample in last]
        return Event(
            key=f"{kind.value}:{self.rise.counter}:{period}:{instant(last[-1].at)}",
            kind=kind,
            at=min(last[-1].at, self.now),
            severity=severity,
            reason=reason,
            seat=self.rise.seat,
            counter=self.rise.counter,
            facts={
                "used": money_fact(used),
                "cap": money_fact(self.cap),
                "percent": None if share is None else f"{share:f}",
                "period": period,
                **facts,
                "plan": self.rise.plan,
                "readings": readings,
            },
        )


def _check_cap(check: _PaceCheck) -> tuple[CounterMemory, Event | None]:
    memory, now, cap, risk = check.memory, check.now, check.cap, check.memory.risk
    used = memory.used
    speed = check.over(DAY)
    month_forecast = _month(memory, check.rise.hours, now)
    at = _cap_reached_at(memory, speed, now)
    if (
        used is None
        or speed is None
        or cap is None
        or at is None
        or not cap_is_at_risk(at, cap, month_forecast, now)
    ):
        return memory, None
    up_to = still_at_risk_up_to(used, speed.per_hour, month_forecast)
    seen = replace(memory, risk=Risk(memory.period, cap, now, up_to))
    if risk is not None and risk.period == memory.period and now - risk.seen_at < RISK_LASTS:
        return seen, None
    event = _cap_forecast(check, speed, at, month_forecast)
    return replace(seen, cap_alerts=(*memory.cap_alerts, CapAlert(event.key))), event


def _ends(memory: CounterMemory, now: datetime) -> datetime:
    return now if memory.period is None else month_end(memory.period[:7])


def _cap_reached_at(memory: CounterMemory, speed: Pace | None, now: datetime) -> datetime | None:
    """When the cap is reached at this pace; None if the counter starts again first."""
    cap, used = memory.cap, memory.used
    if used is None or not isinstance(cap, Money):
        return None
    return cap_eta(used, cap, speed, now, _ends(memory, now))


def _month(memory: CounterMemory, hours: Sequence[Hour], now: datetime) -> Forecast | None:
    used = memory.used
    own = [] if used is None else _in_currency(hours, used.currency)
    if used is None or not own:
        return None
    return forecast(used, rest_of_month(own, own[0].at, now), now)


def _in_currency(hours: Iterable[Hour], currency: str) -> list[Hour]:
    return [hour for hour in hours if hour.spent.currency == currency]


def _cap_forecast(check: _PaceCheck, speed: Pace, at: datetime, month_forecast: Forecast | None) -> Event:
    month = (
        ""
        if month_forecast is None
        else f", and the month would end at about {money.show(month_forecast.likely)}"
    )
    cap = "" if check.cap is None else f" of {money.show(check.cap)}"
    return check.event(
        EventKind.CAP_FORECAST,
        Severity.WARNING,
        f"at {money.show(speed.per_hour)} an hour over the last {span(speed.over)} the cap{cap} is reached at "
        f"{stamp(at)}{month}",
        {
            **_speed_facts(speed),
            "cap_eta": instant(at),
            "ends": instant(_ends(check.memory, check.now)),
            "low": None if month_forecast is None else money_fact(month_forecast.low),
            "likely": None if month_forecast is None else money_fact(month_forecast.likely),
            "high": None if month_forecast is None else money_fact(month_forecast.high),
        },
    )


def _speed_facts(speed: Pace) -> dict[str, object]:
    return {"pace": money_fact(speed.per_hour), "over_hours": f"{speed.over / HOUR:.2f}"}


def _spike(check: _PaceCheck) -> Event | None:
    speed = check.over(HOUR)
    if speed is None:
        return None
    busy = _busy(check.rise.hours, speed.per_hour.currency, hour_of(check.now - HOUR))
    if len(busy) < _FEWEST_BUSY_HOURS:
        return None
    part, whole = _PERCENTILE
    usual = sorted(busy, key=lambda spent: spent.major)[(len(busy) * part - 1) // whole]
    fast = speed.per_hour
    if fast.minor < _LEAST_MINOR or fast.major < usual.major * _SPIKE_FACTOR:
        return None
    times = fast.major / usual.major
    return check.event(
        EventKind.SPEND_SPIKE,
        Severity.INFO,
        f"{money.show(fast)} an hour over the last {span(speed.over)}; 90% of its {len(busy)} busy hours in "
        f"four weeks stay within {money.show(usual)}",
        {
            **_speed_facts(speed),
            "usual": money_fact(usual),
            "times": f"{times:.1f}",
            "hours": len(busy),
        },
    )


def _busy(hours: Iterable[Hour], currency: str, before: datetime) -> list[Money]:
    """The spend of each hour with spend that began before then."""
    return [hour.spent for hour in _in_currency(hours, currency) if hour.at < before and hour.spent.minor > 0]
