"""The history hour by hour, calculated one hour late from the samples, so that a chart need not read every sample."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from meterbot.core.models import Counter, by_counter
from meterbot.rules.hours import Hour, hour_of, hours_of
from meterbot.store import history, locks, tables
from meterbot.store.counter_states import ids
from meterbot.store.history import LAST_BEFORE, SINCE, last_before, sample_of
from meterbot.store.statements import is_wanted, select_in, upsert

_history, _hours = tables.history.c, tables.hours.c
_LAST_BEFORE = last_before(tables.hours)
_STORED = (
    select(tables.hours)
    .where(
        _hours.at >= SINCE, _hours.at < bindparam("until", type_=_hours.at.type), is_wanted(_hours.counter)
    )
    .order_by(_hours.at, _hours.currency)
)
_AT_ONCE = timedelta(hours=2)


def roll_up(connection: Connection, now: datetime) -> bool:
    """Calculates the next few hours that are over. False if there are none."""
    locks.writing_hours(connection)
    start = _next(connection, history.rolled_up_to(connection))
    end = None if start is None else min(start + _AT_ONCE, hour_of(now))
    if start is None or end is None or start >= end:
        return False
    inside = select(tables.history).where(_history.at >= start, _history.at < end)
    rows = connection.execute(inside.order_by(_history.counter, _history.at)).all()
    numbers = {row.counter for row in rows}
    before = {row.counter: row for row in select_in(connection, LAST_BEFORE, numbers, since=start)}
    written: list[dict[str, Any]] = []
    for number, own in groupby(rows, key=lambda row: row.counter):
        counter = Counter("", str(number))
        earlier = [before[number]] if number in before else []
        samples = [sample_of(row, counter) for row in (*earlier, *own)]
        written += [_row(hour, number) for hour in hours_of(samples, start)]
    upsert(connection, tables.hours, written)
    history.set_rolled_up_to(connection, end)
    return True


def _next(connection: Connection, since: datetime | None) -> datetime | None:
    first = select(func.min(_history.at, type_=_history.at.type))
    if since is not None:
        first = first.where(_history.at >= since)
    at = connection.scalar(first)
    return None if at is None else hour_of(at)


def read(connection: Connection, counters: Iterable[Counter], since: datetime) -> list[Hour]:
    """The hours since `since`, and the last one before; the newest are calculated from the samples."""
    start = hour_of(since)
    numbers = ids(connection, counters)
    names = {number: counter for counter, number in numbers.items()}
    rolled_up_to = max(history.rolled_up_to(connection) or start, start)
    rows = select_in(connection, _LAST_BEFORE, names, since=start)
    rows += select_in(connection, _STORED, names, since=start, until=rolled_up_to)
    newest = history.read(connection, numbers, rolled_up_to)
    found: dict[Counter, list[Hour]] = defaultdict(list)
    for row in rows:
        found[names[row.counter]].append(_hour(row, names[row.counter]))
    for counter, samples in by_counter(newest).items():
        found[counter] += hours_of(samples, rolled_up_to)
    return [hour for counter in sorted(found, key=str) for hour in found[counter]]


def _row(hour: Hour, number: int) -> dict[str, Any]:
    return {
        "at": hour.at,
        "counter": number,
        "currency": hour.used.currency,
        "spent": hour.spent,
        "used": hour.used,
        "cap": hour.cap,
        "blocked": hour.blocked,
        "blocks": hour.blocks or None,
    }


def _hour(row: Any, counter: Counter) -> Hour:
    return Hour(row.at, counter, row.spent, row.used, row.cap, row.blocked, row.blocks or ())
