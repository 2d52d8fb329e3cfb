"""Counters, what is known of them, sources, memories and events: rows to our values and back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import bindparam, delete, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from meterbot.core.deliveries import Purpose
from meterbot.core.models import (
    Counter,
    Event,
    EventKind,
    Health,
    LastKnown,
    SourceState,
)
from meterbot.store import CounterReader, CounterState, Latest, bulk, tables
from meterbot.store.statements import insert_new, select_all, select_in
from meterbot.store.tables import json_of, number_of

_counters = tables.counters.c
_HEALTH = {health.value: health for health in Health}
_SOURCE = ("seat", "health", "since", "detail", "last_ok_at", "failures", "next_due")


async def ids(connection: AsyncConnection, wanted: Iterable[Counter]) -> dict[Counter, int]:
    """The stored ones among the counters, and their numbers."""
    wanted = set(wanted)
    accounts = sorted({counter.account for counter in wanted})
    rows = await bulk.read_in(connection, tables.counters, ("account", "org", "id"), "account", accounts)
    numbers = {(account, org): number for account, org, number in rows}
    found = ((counter, numbers.get((counter.account, counter.org))) for counter in wanted)
    return {counter: number for counter, number in found if number is not None}


async def make_ids(connection: AsyncConnection, wanted: Iterable[Counter]) -> dict[Counter, int]:
    """The counters' numbers; new counters get one."""
    wanted = set(wanted)
    known = await ids(connection, wanted)
    new = wanted - known.keys()
    if not new:
        return known
    await insert_new(connection, tables.counters, [asdict(counter) for counter in sorted(new, key=str)])
    return known | await ids(connection, new)


async def read_states(connection: AsyncConnection, wanted: Iterable[Counter]) -> dict[Counter, CounterState]:
    wanted = set(wanted)
    query = select(_counters.account, _counters.org, tables.states).join_from(tables.states, tables.counters)
    rows = await select_in(connection, query, _counters.account, (counter.account for counter in wanted))
    found = {Counter(row.account, row.org): CounterState(row.known, row.memory) for row in rows}
    return {counter: state for counter, state in found.items() if counter in wanted}


class Texts:
    """As what is known is stored, each made once while it is kept alive: a counter's is mostly its one seat's."""

    def __init__(self) -> None:
        self._made: dict[int, str] = {}

    def of(self, known: LastKnown) -> str:
        if id(known) not in self._made:
            self._made[id(known)] = json_of(LastKnown, _private(known))
        return self._made[id(known)]


async def write_states(
    connection: AsyncConnection,
    ids: dict[Counter, int],
    states: Iterable[tuple[Counter, CounterState]],
    texts: Texts,
) -> None:
    rows = [(ids[counter], texts.of(state.known), state.memory) for counter, state in states]
    await bulk.write(connection, tables.states, ("counter", "known", "memory"), rows, replace=True)


async def read_latest(connection: AsyncConnection, seats: Iterable[str] | None = None) -> list[Latest]:
    """Of these seats, or of all."""
    seat = tables.latest.c.seat
    query = (
        select(seat, tables.latest.c.known, _counters.account, _counters.org)
        .join_from(tables.latest, tables.counters)
        .order_by(seat, _counters.account, _counters.org)
    )
    if seats is None:
        rows = await select_all(connection, query)
    else:
        rows = await select_in(connection, query, seat, seats)
    return [Latest(row.seat, Counter(row.account, row.org), row.known) for row in rows]


async def read_readers(connection: AsyncConnection) -> list[CounterReader]:
    states = tables.latest.c.counter == tables.states.c.counter
    query = (
        select(tables.latest.c.seat, _counters.account, _counters.org, tables.states.c.memory)
        .join_from(tables.latest, tables.counters)
        .outerjoin(tables.states, states)
    )
    rows = await select_all(connection, query)
    return [CounterReader(row.seat, Counter(row.account, row.org), row.memory) for row in rows]


async def write_latest(
    connection: AsyncConnection, ids: dict[Counter, int], latest: Iterable[Latest], texts: Texts
) -> None:
    rows = [(one.seat, ids[one.counter], texts.of(one.known)) for one in latest]
    await bulk.write(connection, tables.latest, ("seat", "counter", "known"), rows, replace=True)


async def delete_latest(
    connection: AsyncConnection, ids: dict[Counter, int], gone: Iterable[tuple[str, Counter]]
) -> None:
    rows = [{"gone_seat": seat, "gone_counter": ids[counter]} for seat, counter in gone]
    if rows:
        of_seat = tables.latest.c.seat == bindparam("gone_seat")
        of_counter = tables.latest.c.counter == bindparam("gone_counter")
        await connection.execute(delete(tables.latest).where(of_seat, of_counter), rows)


def without_email(one: Latest) -> Latest:
    """As it is stored."""
    known = _private(one.known)
    return one if known is one.known else replace(one, known=known)


def _private(known: LastKnown) -> LastKnown:
    if known.snapshot.account_email is None:
        return known
    return replace(known, snapshot=replace(known.snapshot, account_email=None))


async def read_sources(
    connection: AsyncConnection, seats: Iterable[str] | None = None
) -> dict[str, SourceState]:
    """Of these seats, or of all."""
    query = select(tables.sources).order_by(tables.sources.c.seat)
    if seats is None:
        rows = await select_all(connection, query)
    else:
        rows = await select_in(connection, query, tables.sources.c.seat, seats)
    return {
        row.seat: SourceState(
            row.seat, _HEALTH[row.health], row.since, row.detail, row.last_ok_at, row.failures, row.next_due
        )
        for row in rows
    }


async def write_sources(connection: AsyncConnection, sources: Iterable[SourceState]) -> None:
    rows = [
        (
            one.seat,
            one.health.value,
            number_of(one.since),
            one.detail,
            number_of(one.last_ok_at),
            one.failures,
            number_of(one.next_due),
        )
        for one in sources
    ]
    await bulk.write(connection, tables.sources, _SOURCE, rows, replace=True)


async def write_memories(connection: AsyncConnection, memories: Mapping[str, str]) -> None:
    await bulk.write(connection, tables.memories, ("name", "memory"), [*memories.items()], replace=True)


async def read_memories(connection: AsyncConnection, names: Iterable[str]) -> dict[str, str]:
    rows = await select_in(connection, select(tables.memories), tables.memories.c.name, names)
    return {row.name: row.memory for row in rows}


async def read_events(connection: AsyncConnection, since: datetime, limit: int) -> list[Event]:
    when = tables.events.c.at
    query = (
        select(tables.events.c.event).where(when >= since).order_by(when.desc(), tables.events.c.key.desc())
    )
    return list(reversed((await connection.scalars(query.limit(limit))).all()))


async def old_events(
    connection: AsyncConnection, before: datetime, after: Event | None, limit: int
) -> list[Event]:
    order = (tables.events.c.at, tables.events.c.key)
    query = select(tables.events.c.event).where(tables.events.c.at < before).order_by(*order).limit(limit)
    if after is not None:
        query = query.where(
            tuple_(*order) > tuple_(literal(after.at, tables.events.c.at.type), literal(after.key))
        )
    return list((await connection.scalars(query)).all())


async def delete_events(connection: AsyncConnection, keys: Iterable[str]) -> int:
    """Their deliveries follow by their foreign key."""
    gone = delete(tables.events).where(tables.events.c.key.in_(sorted(keys)))
    return (await connection.execute(gone)).rowcount


async def events_by_key(connection: AsyncConnection, keys: Iterable[str]) -> dict[str, Event]:
    query = select(tables.events.c.key, tables.events.c.event)
    rows = await select_in(connection, query, tables.events.c.key, keys)
    return {row.key: row.event for row in rows}


async def open_alerts(connection: AsyncConnection, kinds: Iterable[EventKind]) -> list[Event]:
    """Told, and not ended, in order of time."""
    wanted = {kind.value for kind in kinds}
    told = select(tables.deliveries.c.event).where(tables.deliveries.c.purpose == Purpose.TELL)
    query = select(tables.events.c.event).where(
        tables.events.c.ended_by.is_(None), tables.events.c.kind.in_(wanted), tables.events.c.key.in_(told)
    )
    return list((await connection.scalars(query.order_by(tables.events.c.at))).all())


async def write_events(connection: AsyncConnection, events: Sequence[Event]) -> list[Event]:
    """The ones whose key was not stored yet, each once."""
    if not events:
        return []
    query = select(tables.events.c.key)
    stored = await select_in(connection, query, tables.events.c.key, (event.key for event in events))
    seen = {row.key for row in stored}
    new = []
    for event in events:
        if event.key not in seen:
            seen.add(event.key)
            new.append(event)
    rows = [
        {"key": event.key, "at": event.at, "seat": event.seat, "kind": event.kind, "event": event}
        for event in new
    ]
    await insert_new(connection, tables.events, rows)
    return new
