"""Counters, what is known of them, sources, memories and events: rows to our values and back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, literal, select, tuple_

from meterbot.core.deliveries import Purpose
from meterbot.core.models import (
    Counter,
    Event,
    EventKind,
    Health,
    LastKnown,
    SourceState,
)
from meterbot.store import locks, tables
from meterbot.store.statements import dialect_insert, insert_new, select_all, select_in, upsert
from meterbot.store.values import CounterReader, CounterState, Latest

_counters = tables.counters.c
_HEALTH = {health.value: health for health in Health}


def ids(connection: Connection, wanted: Iterable[Counter]) -> dict[Counter, int]:
    """The stored ones among the counters, and their numbers."""
    wanted = set(wanted)
    accounts = {counter.account for counter in wanted}
    query = select(_counters.account, _counters.org, _counters.id)
    rows = select_in(connection, query, _counters.account, accounts)
    numbers = {(row.account, row.org): row.id for row in rows}
    found = ((counter, numbers.get((counter.account, counter.org))) for counter in wanted)
    return {counter: number for counter, number in found if number is not None}


def make_ids(connection: Connection, wanted: Iterable[Counter]) -> dict[Counter, int]:
    """The counters' numbers; new counters get one."""
    wanted = set(wanted)
    known = ids(connection, wanted)
    new = wanted - known.keys()
    if not new:
        return known
    insert_new(connection, tables.counters, [asdict(counter) for counter in sorted(new, key=str)])
    return known | ids(connection, new)


def lock_states(connection: Connection, wanted: Iterable[Counter]) -> dict[Counter, CounterState]:
    """As `read_states`. Until the transaction ends no other one changes these counters, stored or not."""
    wanted = set(wanted)
    if connection.dialect.name == "postgresql":
        new = wanted - ids(connection, wanted).keys()
        locks.names(connection, (f"counter:{counter}" for counter in new))
    return _states(connection, wanted, lock=True)


def read_states(connection: Connection, wanted: Iterable[Counter]) -> dict[Counter, CounterState]:
    return _states(connection, set(wanted), lock=False)


def _states(connection: Connection, wanted: set[Counter], *, lock: bool) -> dict[Counter, CounterState]:
    query = select(_counters.account, _counters.org, tables.states).join_from(tables.states, tables.counters)
    if lock:
        query = query.order_by(tables.states.c.counter).with_for_update(key_share=True, of=tables.states)
    rows = select_in(connection, query, _counters.account, (counter.account for counter in wanted))
    found = {Counter(row.account, row.org): CounterState(row.known, row.memory) for row in rows}
    return {counter: state for counter, state in found.items() if counter in wanted}


def write_states(
    connection: Connection,
    ids: dict[Counter, int],
    states: Mapping[Counter, CounterState],
) -> None:
    rows = [
        {"counter": ids[counter], "known": _private(state.known), "memory": state.memory}
        for counter, state in states.items()
    ]
    upsert(connection, tables.states, rows)


def read_latest(connection: Connection, seats: Iterable[str] | None = None) -> list[Latest]:
    """Of these seats, or of all."""
    seat = tables.latest.c.seat
    query = (
        select(seat, tables.latest.c.known, _counters.account, _counters.org)
        .join_from(tables.latest, tables.counters)
        .order_by(seat, _counters.account, _counters.org)
    )
    rows = select_all(connection, query) if seats is None else select_in(connection, query, seat, seats)
    return [Latest(row.seat, Counter(row.account, row.org), row.known) for row in rows]


def read_holders(connection: Connection, wanted: Iterable[Counter]) -> dict[Counter, list[str]]:
    """The seats that have read each of these counters, by name."""
    wanted, found = set(wanted), dict[Counter, list[str]]()
    query = select(tables.latest.c.seat, _counters.account, _counters.org).join_from(
        tables.latest, tables.counters
    )
    accounts = {counter.account for counter in wanted}
    for row in select_in(connection, query.order_by(tables.latest.c.seat), _counters.account, accounts):
        if (counter := Counter(row.account, row.org)) in wanted:
            found.setdefault(counter, []).append(row.seat)
    return found


def read_team(connection: Connection) -> tuple[list[Latest], dict[str, SourceState]]:
    """What is known of every seat, and how its source is, at one moment."""
    return read_latest(connection), read_sources(connection)


def read_readers(connection: Connection) -> list[CounterReader]:
    states = tables.latest.c.counter == tables.states.c.counter
    query = (
        select(tables.latest.c.seat, _counters.account, _counters.org, tables.states.c.memory)
        .join_from(tables.latest, tables.counters)
        .outerjoin(tables.states, states)
    )
    rows = select_all(connection, query)
    return [CounterReader(row.seat, Counter(row.account, row.org), row.memory) for row in rows]


def write_latest(connection: Connection, ids: dict[Counter, int], latest: Iterable[Latest]) -> None:
    rows = [{"seat": one.seat, "counter": ids[one.counter], "known": _private(one.known)} for one in latest]
    upsert(connection, tables.latest, rows)


def delete_latest(
    connection: Connection, ids: dict[Counter, int], gone: Iterable[tuple[str, Counter]]
) -> None:
    rows = [{"gone_seat": seat, "gone_counter": ids[counter]} for seat, counter in gone]
    if rows:
        of_seat = tables.latest.c.seat == bindparam("gone_seat")
        of_counter = tables.latest.c.counter == bindparam("gone_counter")
        connection.execute(delete(tables.latest).where(of_seat, of_counter), rows)


def _private(known: LastKnown) -> LastKnown:
    if known.snapshot.account_email is None:
        return known
    return replace(known, snapshot=replace(known.snapshot, account_email=None))


def lock_sources(connection: Connection, seats: Iterable[str]) -> dict[str, SourceState]:
    """As `read_sources`. Until the transaction ends no other one changes what is known of these seats, stored or not."""
    names = set(seats)
    if connection.dialect.name == "postgresql":
        query = select(tables.sources.c.seat)
        stored = {row.seat for row in select_in(connection, query, tables.sources.c.seat, names)}
        locks.names(connection, (f"seat:{name}" for name in names - stored))
    return _sources(connection, names, lock=True)


def read_sources(connection: Connection, seats: Iterable[str] | None = None) -> dict[str, SourceState]:
    """Of these seats, or of all."""
    return _sources(connection, seats, lock=False)


def _sources(connection: Connection, seats: Iterable[str] | None, *, lock: bool) -> dict[str, SourceState]:
    query = select(tables.sources).order_by(tables.sources.c.seat)
    if lock:
        query = query.with_for_update(key_share=True)
    if seats is None:
        rows = select_all(connection, query)
    else:
        rows = select_in(connection, query, tables.sources.c.seat, seats)
    return {
        row.seat: SourceState(
            row.seat, _HEALTH[row.health], row.since, row.detail, row.last_ok_at, row.failures, row.next_due
        )
        for row in rows
    }


def write_sources(connection: Connection, sources: Iterable[SourceState]) -> None:
    upsert(connection, tables.sources, [asdict(one) for one in sources])


def write_memories(connection: Connection, memories: Mapping[str, str]) -> None:
    rows = [{"name": name, "memory": memory} for name, memory in memories.items()]
    upsert(connection, tables.memories, rows)


def read_memories(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    rows = select_in(connection, select(tables.memories), tables.memories.c.name, names)
    return {row.name: row.memory for row in rows}


def read_events(connection: Connection, since: datetime, limit: int = 1000) -> list[Event]:
    """The newest `limit` events at or after `since`, in order of time."""
    when = tables.events.c.at
    query = (
        select(tables.events.c.event).where(when >= since).order_by(when.desc(), tables.events.c.key.desc())
    )
    return list(reversed((connection.scalars(query.limit(limit))).all()))


def old_events(connection: Connection, before: datetime, after: Event | None, limit: int) -> list[Event]:
    order = (tables.events.c.at, tables.events.c.key)
    query = select(tables.events.c.event).where(tables.events.c.at < before).order_by(*order).limit(limit)
    if after is not None:
        query = query.where(
            tuple_(*order) > tuple_(literal(after.at, tables.events.c.at.type), literal(after.key))
        )
    return list((connection.scalars(query)).all())


def delete_events(connection: Connection, keys: Iterable[str]) -> int:
    """Their deliveries follow by their foreign key."""
    gone = delete(tables.events).where(tables.events.c.key.in_(sorted(keys)))
    return (connection.execute(gone)).rowcount


def events_by_key(connection: Connection, keys: Iterable[str]) -> dict[str, Event]:
    query = select(tables.events.c.key, tables.events.c.event)
    rows = select_in(connection, query, tables.events.c.key, keys)
    return {row.key: row.event for row in rows}


def lock_event(connection: Connection, key: str) -> None:
    """Until the transaction ends no other one acts on this event or deletes it."""
    query = select(tables.events.c.key).where(tables.events.c.key == key)
    connection.execute(query.with_for_update())


def open_alerts(connection: Connection, kinds: Iterable[EventKind]) -> list[Event]:
    """Told, and not ended, in order of time."""
    wanted = {kind.value for kind in kinds}
    told = select(tables.deliveries.c.event).where(tables.deliveries.c.purpose == Purpose.TELL)
    query = select(tables.events.c.event).where(
        tables.events.c.ended_by.is_(None), tables.events.c.kind.in_(wanted), tables.events.c.key.in_(told)
    )
    return list((connection.scalars(query.order_by(tables.events.c.at))).all())


def write_events(connection: Connection, events: Sequence[Event]) -> list[Event]:
    """The ones whose key was not stored yet, each once."""
    if not events:
        return []
    first: dict[str, Event] = {}
    for event in events:
        first.setdefault(event.key, event)
    rows = [
        {"key": event.key, "at": event.at, "seat": event.seat, "kind": event.kind, "event": event}
        for event in first.values()
    ]
    insert = dialect_insert(connection, tables.events).on_conflict_do_nothing()
    new = {*connection.scalars(insert.returning(tables.events.c.key), rows)}
    return [event for event in first.values() if event.key in new]
