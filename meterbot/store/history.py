"""Spend over time: what is kept of the samples, and how it is found again."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from meterbot.forecast import calendar_month
from meterbot.hours import hour_of
from meterbot.models import Counter, Sample
from meterbot.store import tables
from meterbot.store.facts import ids
from meterbot.store.statements import insert_new, select_in, upsert

_history, _tails, _notes = tables.history.c, tables.tails.c, tables.notes.c
_ROLLED_UP_TO = "rolled_up_to"


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a counter's history: its newest sample, and when the newest kept one was."""

    newest: Sample
    kept_at: datetime


def keep(tail: Tail | None, sample: Sample) -> tuple[Tail, list[Sample]]:
    """The new end of the history, and the samples to keep: changes, and the ends of quiet stretches.

    No stretch is longer than its month: that a seat was read in it, and stood still, is known of each.
    """
    if tail is None:
        return Tail(sample, sample.at), [sample]
    if sample.at <= tail.newest.at:
        return tail, []
    same_month = calendar_month(sample.at) == calendar_month(tail.newest.at)
    if same_month and sample == replace(tail.newest, at=sample.at):
        return Tail(sample, tail.kept_at), []
    kept = [tail.newest, sample] if tail.newest.at > tail.kept_at else [sample]
    return Tail(sample, sample.at), kept


async def append(connection: AsyncConnection, ids: dict[Counter, int], samples: Sequence[Sample]) -> None:
    """Appends samples, each counter's in order of time."""
    if not samples:
        return
    counters = {sample.counter for sample in samples}
    before = await _read_tails(connection, {counter: ids[counter] for counter in counters})
    after = dict(before)
    kept: list[Sample] = []
    for sample in samples:
        after[sample.counter], new = keep(after.get(sample.counter), sample)
        kept += new
    await insert_new(connection, tables.history, [_row(sample, ids) for sample in kept])
    await _roll_up_again_from(connection, min((sample.at for sample in kept), default=None))
    moved = [
        {**_row(tail.newest, ids), "kept_at": tail.kept_at}
        for counter, tail in after.items()
        if tail != before.get(counter)
    ]
    await upsert(connection, tables.tails, moved)


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
    tails = await _read_tails(connection, numbers)
    names = {number: counter for counter, number in numbers.items()}
    active = {numbers[counter]: counter for counter, tail in tails.items() if tail.newest.at >= since}
    kept = select(tables.history).where(_history.at >= since)
    rows = await select_in(connection, kept, _history.counter, active)
    for before in (last_before(since), last_before(since, known=True)):
        rows += await select_in(connection, before, tables.counters.c.id, active)
    newest = [tail.newest for tail in tails.values()]
    return await asyncio.to_thread(_in_order, newest, rows, names)


def _in_order(
    newest: Iterable[Sample], rows: Iterable[Row[Any]], names: Mapping[int, Counter]
) -> list[Sample]:
    """Each once."""
    found = {(sample.at, sample.counter): sample for sample in newest}
    found |= {(row.at, names[row.counter]): sample_of(row, names[row.counter]) for row in rows}
    return [found[key] for key in sorted(found, key=lambda key: (key[0], str(key[1])))]


def last_before(since: datetime, *, known: bool = False) -> Select[Any]:
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


async def _read_tails(connection: AsyncConnection, numbers: dict[Counter, int]) -> dict[Counter, Tail]:
    names = {number: counter for counter, number in numbers.items()}
    rows = await select_in(connection, select(tables.tails), _tails.counter, names)
    return {names[row.counter]: Tail(sample_of(row, names[row.counter]), row.kept_at) for row in rows}


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
