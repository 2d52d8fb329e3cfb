"""The history hour by hour, calculated one hour late from the samples, so that a chart need not read every sample."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from meterbot.core.models import Counter, Sample, by_counter
from meterbot.rules.hours import Hour, hour_of, hours_of
from meterbot.store import history, locks, tables
from meterbot.store.counter_states import ids
from meterbot.store.history import last_before, sample_of
from meterbot.store.statements import select_in, upsert

_history, _hours, _notes = tables.history.c, tables.hours.c, tables.notes.c
_AT_ONCE = timedelta(hours=2)


def roll_up(connection: Connection, now: datetime) -> bool:
    """Calculates the next few hours that are over. False if there are none."""
    locks.writing_hours(connection)
    start = _next(connection, history.rolled_up_to(connection))
    end = None if start is None else min(start + _AT_ONCE, hour_of(now))
    if start is None or end is None or start >= end:
        return False
    inside = select(tables.history).where(_history.at >= start, _history.at < end)
    rows = (connection.execute(inside.order_by(_history.counter, _history.at))).all()
    numbers = {row.counter for row in rows}
    before = {
        row.counter: row
        for row in select_in(connection, last_before(start, known=True), tables.counters.c.id, numbers)
    }
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
    stored = select(tables.hours).where(_hours.at >= start, _hours.at < rolled_up_to)
    rows = select_in(connection, _last_before(start), tables.counters.c.id, names)
    rows += select_in(connection, stored.order_by(_hours.at, _hours.currency), _hours.counter, names)
    newest = history.read(connection, numbers, rolled_up_to)
    return _together(rows, names, newest, rolled_up_to)


def _together(
    rows: Iterable[Row[Any]], names: Mapping[int, Counter], newest: Sequence[Sample], rolled_up_to: datetime
) -> list[Hour]:
    found: dict[Counter, list[Hour]] = defaultdict(list)
    for row in rows:
        counter = names[row.counter]
        found[counter].append(_hour(row, counter))
    for counter, samples in by_counter(newest).items():
        found[counter] += hours_of(samples, rolled_up_to)
    return [hour for counter in sorted(found, key=str) for hour in found[counter]]


def _last_before(since: datetime) -> Select[Any]:
    earlier = tables.hours.alias()
    last = (
        select(earlier.c.at)
        .where(earlier.c.counter == tables.counters.c.id, earlier.c.at < since)
        .order_by(earlier.c.at.desc())
        .limit(1)
        .correlate(tables.counters)
        .scalar_subquery()
    )
    return select(tables.hours).join_from(
        tables.counters, tables.hours, (_hours.counter == tables.counters.c.id) & (_hours.at == last)
    )


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
