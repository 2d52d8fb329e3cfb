"""Spend over time: which samples are kept, and how they are found."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, Table, bindparam, delete, func, select, type_coerce
from sqlalchemy.types import NullType, TypeEngine

from meterbot.core.models import Counter, Sample
from meterbot.rules.hours import hour_of
from meterbot.rules.months import calendar_month
from meterbot.store import locks, notes, tables
from meterbot.store.column_types import instant_of, number_of, text_of
from meterbot.store.counter_states import ids
from meterbot.store.statements import insert_new_stored, is_wanted, select_in, upsert_stored

_history, _tails = tables.history.c, tables.tails.c
_ROLLED_UP_TO = "rolled_up_to"
SINCE = bindparam("since", type_=_history.at.type)


def last_before(table: Table) -> Select[Any]:
    """For `select_in`: each wanted counter's last row before `since`."""
    # The subquery walks the primary key backwards and stops at the counter's first row; a GROUP BY would read the
    # whole history.
    earlier = table.alias()
    newest = (
        select(earlier.c.at)
        .where(earlier.c.counter == tables.counters.c.id, earlier.c.at < SINCE)
        .order_by(earlier.c.at.desc())
        .limit(1)
        .correlate(tables.counters)
        .scalar_subquery()
    )
    is_newest = (table.c.counter == tables.counters.c.id) & (table.c.at == newest)
    return select(table).join_from(tables.counters, table, is_newest).where(is_wanted(tables.counters.c.id))


_ENDS = select(tables.tails).where(is_wanted(_tails.counter))
_RAW: TypeEngine[Any] = NullType()
_TAILS = select(*(type_coerce(column, _RAW) for column in _tails)).where(is_wanted(_tails.counter))
_KEPT = select(tables.history).where(_history.at >= SINCE, is_wanted(_history.counter))
LAST_BEFORE = last_before(tables.history)
"""A rise starts from it."""


class Tail(NamedTuple):
    """The end of a counter's history, its newest sample, as it is stored. `kept_at` is when the newest kept sample was:
    0 if it is this one."""

    counter: int
    kept_at: int
    at: int
    used: str | None
    cap: str | None
    blocked: bool
    counted_from: str | None


def keep(tail: Tail | None, sample: Tail) -> tuple[Tail, list[Tail]]:
    """The new end of the history, and the samples to keep: changes, and the ends of quiet times. A quiet time ends
    with its month, so each month with a reading has a sample."""
    if tail is None:
        return sample, [sample]
    if sample.at <= tail.at:
        return tail, []
    if sample[3:] == tail[3:] and _month(tail) == _month(sample):
        return sample._replace(kept_at=tail.kept_at or tail.at), []
    return sample, [tail, sample] if tail.kept_at else [sample]


def _month(tail: Tail) -> str:
    return calendar_month(instant_of(tail.at))


def append(connection: Connection, ids: dict[Counter, int], samples: Sequence[Sample]) -> None:
    """Appends samples, each counter's in order of time."""
    if not samples:
        return
    locks.adding_samples(connection)
    added = [_tail(sample, ids[sample.counter]) for sample in samples]
    known = map(Tail._make, select_in(connection, _TAILS, {sample.counter for sample in added}))
    ends, kept = {tail.counter: tail for tail in known}, list[Tail]()
    new: dict[int, Tail] = {}
    for sample in added:
        before = ends.get(sample.counter)
        end, keeping = keep(before, sample)
        if end is not before:
            ends[end.counter] = new[end.counter] = end
        kept += keeping
    if kept:
        rows = [
            (at, counter, used, cap, blocked, counted_from)
            for counter, _, at, used, cap, blocked, counted_from in kept
        ]
        insert_new_stored(connection, tables.history, rows)
        _roll_up_again_from(connection, instant_of(min(tail.at for tail in kept)))
    upsert_stored(connection, tables.tails, [*new.values()])


def _tail(sample: Sample, counter: int) -> Tail:
    used, cap, counted_from = text_of(sample.used), text_of(sample.cap), text_of(sample.counted_from)
    return Tail(counter, 0, number_of(sample.at), used, cap, sample.blocked, counted_from)


def set_back(connection: Connection, ids: dict[Counter, int], ends: Mapping[Counter, datetime]) -> None:
    """Deletes each counter's samples after its instant; the last remaining one is the newest again."""
    for counter, end in ends.items():
        number = ids[counter]
        connection.execute(
            delete(tables.hours).where(tables.hours.c.counter == number, tables.hours.c.at >= hour_of(end))
        )
        _roll_up_again_from(connection, end)
        for table in (tables.history, tables.tails):
            connection.execute(delete(table).where(table.c.counter == number, table.c.at > end))
        last = select(tables.history).where(_history.counter == number).order_by(_history.at.desc()).limit(1)
        if (row := connection.execute(last).first()) is not None:
            insert_new_stored(connection, tables.tails, [_tail(sample_of(row, counter), number)])


def rolled_up_to(connection: Connection) -> datetime | None:
    """Until when hours have been calculated from the samples."""
    value = notes.read(connection, _ROLLED_UP_TO)
    return None if value is None else datetime.fromisoformat(value)


def set_rolled_up_to(connection: Connection, end: datetime) -> None:
    notes.write(connection, _ROLLED_UP_TO, end.isoformat())


def _roll_up_again_from(connection: Connection, at: datetime) -> None:
    """A sample was added or deleted in an hour that was calculated already, for example after a machine was offline."""
    if (end := rolled_up_to(connection)) is not None and at < end:
        set_rolled_up_to(connection, hour_of(at))


def read(connection: Connection, counters: Iterable[Counter], since: datetime) -> list[Sample]:
    """The kept samples since `since`, the last one before, and the newest reading, in order of time."""
    numbers = ids(connection, counters)
    names = {number: counter for counter, number in numbers.items()}
    newest = [sample_of(row, names[row.counter]) for row in select_in(connection, _ENDS, names)]
    active = {numbers[sample.counter] for sample in newest if sample.at >= since}
    rows = select_in(connection, _KEPT, active, since=since)
    rows += select_in(connection, LAST_BEFORE, active, since=since)
    found = {(sample.at, sample.counter): sample for sample in newest}
    found |= {(row.at, names[row.counter]): sample_of(row, names[row.counter]) for row in rows}
    return [found[key] for key in sorted(found, key=lambda key: (key[0], str(key[1])))]


def newest(connection: Connection) -> datetime | None:
    """The time of the newest reading of any counter."""
    at: datetime | None = connection.scalar(select(func.max(_tails.at, type_=_tails.at.type)))
    return at


def sample_of(row: Row[Any], counter: Counter) -> Sample:
    return Sample(row.at, counter, row.used, row.cap, row.blocked, row.counted_from)
