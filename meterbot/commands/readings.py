"""What answers read from the store: the team's report, its forecasts, spend by the hour."""

import asyncio
from collections.abc import Callable, Hashable, Iterable
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import ParamSpec, TypeVar

from meterbot.commands.outlooks import Outlooks, outlooks
from meterbot.commands.reports import report_on, team_readings, with_paces
from meterbot.commands.team_report import SeatRow, TeamReport
from meterbot.core.models import Counter, Sample, Seat, by_counter
from meterbot.rules.forecast import HABIT
from meterbot.rules.hours import Hour, joined, last_month, this_day_of_last_month
from meterbot.rules.months import calendar_month
from meterbot.rules.pace import DAY, PACE_WINDOWS, pace
from meterbot.store import Connection, Store, counter_states, history, rollup, source_states

_MANY_SEATS = 200
_COUNTERS_AT_ONCE = 30

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


async def off_loop(
    seats: int, work: Callable[Parameters, Result], *values: Parameters.args, **named: Parameters.kwargs
) -> Result:
    """The result of pure work. For many seats it runs in a thread, so that the event loop stays free."""
    if seats < _MANY_SEATS:
        return work(*values, **named)
    return await asyncio.to_thread(work, *values, **named)


async def current_report(store: Store, seats: Iterable[Seat], now: datetime, tz: tzinfo = UTC) -> TeamReport:
    """The team as the store knows it. `tz`: the zone of configured renewal days."""
    members = tuple(seats)
    report = await store.read(lambda c: read_report(c, members, now, tz))
    beside = {row.counter for row in report.rows if row.beside and row.counter is not None}
    if not beside:
        return report
    return with_paces(report, await store.read(lambda c: history.read(c, beside, now - PACE_WINDOWS[-1])))


def read_report(connection: Connection, seats: Iterable[Seat], now: datetime, tz: tzinfo = UTC) -> TeamReport:
    """The same without the paces of API organizations."""
    readings = team_readings(counter_states.read_unparsed(connection), seats)
    # Of thousands of sources nearly all are well.
    sources = source_states.read_unwell(connection)
    sources |= source_states.read_sources(connection, readings.silent(now) - sources.keys())
    return report_on(readings, sources, now, tz)


async def current_outlooks(store: Store, report: TeamReport) -> Outlooks:
    """The outlooks of the report's seats."""
    return (await outlooks_with_hours(store, report))[0]


async def outlooks_with_hours(store: Store, report: TeamReport) -> tuple[Outlooks, list[Hour]]:
    """The outlooks of the report's seats, and the hours of four weeks on which they are based, joined by UTC day."""
    now = report.as_of
    counters = {row.counter for row in report.rows if row.counter is not None and not row.beside}
    recent = await store.read(lambda c: history.read(c, counters, now - DAY))
    samples = await asyncio.to_thread(_with_pace, recent, now)
    # A seat that was idle for hours has left few samples: read those of a longer time.
    idle = counters - {sample.counter for sample in samples}
    samples += await store.read(lambda c: history.read(c, idle, now - PACE_WINDOWS[-1]))
    hours = await hours_joined(store, counters, now - HABIT, datetime.date)
    return await asyncio.to_thread(outlooks, report, samples, hours), hours


def _with_pace(samples: Iterable[Sample], now: datetime) -> list[Sample]:
    """The samples of the counters for which they show a pace."""
    return [sample for own in by_counter(samples).values() if pace(own, now) for sample in own]


async def hours_joined(
    store: Store, counters: Iterable[Counter], since: datetime, key: Callable[[datetime], Hashable]
) -> list[Hour]:
    """The hours since then, joined where `key` is the same. Read a few counters at a time: a whole team's hours would
    block the event loop noticeably."""
    found: list[Hour] = []
    wanted = sorted(counters, key=str)
    for start in range(0, len(wanted), _COUNTERS_AT_ONCE):
        part = wanted[start : start + _COUNTERS_AT_ONCE]
        hours = await store.read(partial(rollup.read, counters=part, since=since))
        found += await asyncio.to_thread(joined, hours, key)
    return found


async def two_months(store: Store, rows: Iterable[SeatRow], now: datetime) -> list[Hour]:
    """The hours of this month and the one before."""
    counters = {row.counter for row in rows if row.counter is not None and not row.beside}
    then = this_day_of_last_month(now)
    return await hours_joined(store, counters, last_month(now), lambda at: (calendar_month(at), at < then))
