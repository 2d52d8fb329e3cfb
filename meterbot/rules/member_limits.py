"""The rule about the spend limits of an API organization's members."""

from dataclasses import replace

from meterbot.core import money
from meterbot.core.models import Event, EventKind, Severity
from meterbot.core.money import Money
from meterbot.core.org_spend import PersonLimit
from meterbot.rules.clean_reading import CleanReading
from meterbot.rules.fact_json import instant, money_fact
from meterbot.rules.levels import in_order, reached
from meterbot.rules.memory import CounterMemory
from meterbot.rules.months import RESET_LAG, calendar_month, month_start

_PLAN = "enterprise"
"""No other plan has such limits."""


def watch_member_limits(memory: CounterMemory, reading: CleanReading) -> tuple[CounterMemory, list[Event]]:
    """A member reached a percentage of their monthly limit: each level once a month, and again after a raised limit.

    Without a limit, an amount or an amount of this reading, nothing is said. In the first hours of a month the service
    may still show the month before.
    """
    month = calendar_month(reading.at)
    if reading.limits is None or reading.at < month_start(month) + RESET_LAG:
        return memory, []
    first = memory.members_month is None
    alerted = memory.member_levels if memory.members_month == month else {}
    found, events = dict(alerted), list[Event]()
    for person in reading.limits.people:
        if person.used is None or person.used_old or not person.limit or not person.limit.minor:
            continue
        levels = [step for step in reading.settings.thresholds if step.percent is not None]
        crossed = in_order(
            [step for step in levels if reached(step, person.used, person.limit)], person.limit
        )
        before = [
            level for level in alerted.get(person.user, ()) if level in {each.level for each in crossed}
        ]
        found[person.user] = tuple(step.level for step in crossed)
        new = [step.level for step in crossed if step.level not in before]
        if new and new[-1] == crossed[-1].level:
            events.append(_crossed(reading, person, person.used, person.limit, new, initial=first))
    return replace(memory, members_month=month, member_levels=found), events


def _crossed(
    reading: CleanReading, person: PersonLimit, used: Money, limit: Money, new: list[str], *, initial: bool
) -> Event:
    level, month, share = new[-1], calendar_month(reading.at), money.percent(used, limit)
    return reading.event(
        EventKind.THRESHOLD_CROSSED,
        person.user,
        level,
        month,
        money.plain(limit),
        reason=f"{money.show(used)} of a member's limit of {money.show(limit)} reached the level {level}",
        severity=Severity.CRITICAL if share is not None and share >= 100 else Severity.WARNING,
        level=level,
        initial=initial,
        facts={
            "used": money_fact(used),
            "cap": money_fact(limit),
            "percent": None if share is None else f"{share:f}",
            "period": month,
            "level": level,
            "also": [] if initial else new[:-1],
            "member": person.user,
            "member_name": person.name,
            "plan": _PLAN,
            "readings": [{"at": instant(reading.at), "used": money_fact(used)}],
        },
    )
