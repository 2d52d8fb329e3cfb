"""Spend over time: what is kept of the samples, and how it is found again."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Row, Select, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from meterbot.core.models import Counter, Sample
from meterbot.rules.hours import hour_of
from meterbot.rules.months import calendar_month
from meterbot.store import bulk, tables
from meterbot.store.facts import ids
from meterbot.store.statements import insert_new, select_in, upsert
from meterbot.store.tables import instant_of, money_of, number_of, text_of

_history, _tails, _notes = tables.history.c, tables.tails.c, tables.notes.c
_ROLLED_UP_TO = "rolled_up_to"


_COLUMNS = ("at", "used", "cap", "blocked", "counter")


Point = tuple[int, str | None, str | None, bool]
"""A sample of a counter as it lies in its columns: at, used, cap, blocked."""
Tail = tuple[Point, int]
"""The end of a counter's history: its newest sample, and when the newest kept one was."""


def keep(tail: Tail | None, point: Point) -> tuple[Tail, list[Point]]:
    """The new end of the history, and the samples to keep: changes, and the ends of quiet stretches.

    No stretch is longer than its month: that a seat was read in it, and stood still, is known of each.
    """
    if tail is None:
        return (point, point[0]), [point]
    newest, kept_at = tail
    if point[0] <= newest[0]:
        return tail, []
    if _is_as(newest, point) and _month(newest) == _month(point):
        return (point, kept_at), []
    return (point, point[0]), [newest, point] if newest[0] > kept_at else [point]


def _is_as(one: Point, other: Point) -> bool:
    return _is_equal(one[1], other[1]) and _is_equal(one[2], other[2]) and bool(one[3]) == other[3]


def _is_equal(one: str | None, other: str | None) -> bool:
    """Whether two amounts are. The same may be written in several ways, as by an earlier version."""
    if one == other or one is None or other is None:
        return one == other
    whole_cents = one.isdigit() and other.isdigit()
    return not whole_cents and money_of(one) == money_of(other)


def _month(point: Point) -> str:
    return calendar_month(instant_of(point[0]))


async def append(connection: AsyncConnection, ids: dict[Counter, int], samples: Sequence[Sample]) -> None:
    """Appends samples, each counter's in order of time."""
    if not samples:
        return
    numbers = [ids[sample.counter] for sample in samples]
    after = await _ends(connection, {*numbers})
    kept: list[Point] = []
    rows: list[tuple[object, ...]] = []
    for number, sample in zip(numbers, samples, strict=True):
        after[number], new = keep(after.get(number), _point(sample))
        kept += new
        rows += [(*point, number) for point in new]
    await bulk.write(connection, tables.history, _COLUMNS, rows, replace=False)
    if kept:
        await _roll_up_again_from(connection, instant_of(min(point[0] for point in kept)))
    moved = [
        (*newest, number, 0 if kept_at == newest[0] else kept_at)
        for number, (newest, kept_at) in after.items()
    ]
    await bulk.write(connection, tables.tails, (*_COLUMNS, "kept_at"), moved, replace=True)


async def _ends(connection: AsyncConnection, numbers: Collection[int]) -> dict[int, Tail]:
    columns = (*_COLUMNS, "kept_at")
    rows = await bulk.read_in(connection, tables.tails, columns, "counter", sorted(numbers))
    return {row[4]: (row[:4], row[5] or row[0]) for row in rows}


def _point(sample: Sample) -> Point:
    used, cap = sample.used, sample.cap
    return (
        number_of(sample.at),
        None if used is None else text_of(used),
        None if cap is None else text_of(cap),
        sample.blocked,
    )


async def set_back(
    connection: AsyncConnection, ids: dict[Counter, int], ends: Mapping[Counter, datetime]
) -> None:
    """Drops each of these counters' samples after its instant; the last one that stays is the newest again."""
    for counter, end in ends.items():
        number = ids[counter]
        await connection.execute(
            delete(tables.hours).where(tables.hours.c.counter == number, tables.hours.c.at >= hour_of(end))
        )
        await _roll_up_again_from(connection, end)
        for table in (tables.history, tables.tails):
            await connection.execute(delete(table).where(table.c.counter == number, table.c.at > end))
        last = select(tables.history).where(_history.counter == number).order_by(_history.at.desc()).limit(1)
        if (row := (await connection.execute(last)).first()) is not None:
            newest = {**_row(sample_of(row, counter), ids), "kept_at": row.at}
            await insert_new(connection, tables.tails, [newest])


async def rolled_up_to(connection: AsyncConnection) -> datetime | None:
    """Where the hours end that were written from the samples."""
    value = await connection.scalar(select(_notes.value).where(_notes.name == _ROLLED_UP_TO))
    return None if value is None else datetime.fromisoformat(value)


async def set_rolled_up_to(connection: AsyncConnection, end: datetime) -> None:
    await upsert(connection, tables.notes, [{"name": _ROLLED_UP_TO, "value": end.isoformat()}])


async def _roll_up_again_from(connection: AsyncConnection, at: datetime | None) -> None:
    """A sample came, or went, in an hour that was written already, as when a machine was offline."""
    if at is None or (end := await rolled_up_to(connection)) is None or at >= end:
        return
    await set_rolled_up_to(connection, hour_of(at))


async def read(connection: AsyncConnection, counters: Iterable[Counter], since: datetime) -> list[Sample]:
    """The kept samples from `since` on, the last one before (and the last one that knew an amount), and the newest
    reading, in order of time."""
    numbers = await ids(connection, counters)
    names = {number: counter for counter, number in numbers.items()}
    newest = [
        sample_of(row, names[row.counter])
        for row in await select_in(connection, select(tables.tails), _tails.counter, names)
    ]
    active = {numbers[sample.counter] for sample in newest if sample.at >= since}
    kept = select(tables.history).where(_history.at >= since)
    rows = await select_in(connection, kept, _history.counter, active)
    for before in (last_before(since), last_before(since, known=True)):
        rows += await select_in(connection, before, tables.counters.c.id, active)
    return await asyncio.to_thread(_in_order, newest, rows, names)


def _in_order(
    newest: Iterable[Sample], rows: Iterable[Row[Any]], names: Mapping[int, Counter]
) -> list[Sample]:
    """Each once."""
    found = {(sample.at, sample.counter): sample for sample in newest}
    found |= {(row.at, names[row.counter]): sample_of(row, names[row.counter]) for row in rows}
    return [found[key] for key in sorted(found, key=lambda key: (key[0], str(key[1])))]


def last_before(since: datetime | BindParameter[Any], *, known: bool = False) -> Select[Any]:
    """Of every counter the last kept sample before `since`; the last one that knew an amount, which is what a rise
    is a rise from, when asked for a known one."""
    # The subquery walks the primary key backwards and stops at the counter's first row; a GROUP BY would read the
    # whole history.
    earlier = tables.history.alias()
    last = select(earlier.c.at).where(earlier.c.counter == tables.counters.c.id, earlier.c.at < since)
    if known:
        last = last.where(earlier.c.used.is_not(None))
    newest = last.order_by(earlier.c.at.desc()).limit(1).correlate(tables.counters).scalar_subquery()
    return select(tables.history).join_from(
        tables.counters, tables.history, (_history.counter == tables.counters.c.id) & (_history.at == newest)
    )


def sample_of(row: Row[Any], counter: Counter) -> Sample:
    return Sample(at=row.at, counter=counter, used=row.used, cap=row.cap, blocked=row.blocked)


def _row(sample: Sample, ids: dict[Counter, int]) -> dict[str, Any]:
    return {
        "at": sample.at,
        "counter": ids[sample.counter],
        "used": sample.used,
        "cap": sample.cap,
        "blocked": sample.blocked,
    }
