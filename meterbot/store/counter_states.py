"""Counters, and what is known of each: by the rules (`states`), and by each seat that reads it (`latest`)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from zlib import crc32

from sqlalchemy import Connection, Select, bindparam, delete, select

from meterbot.core.models import Counter, LastKnown
from meterbot.rules.seat_facts import FACTS_VERSION, SeatFacts
from meterbot.store import locks, tables
from meterbot.store.column_types import json_of, value_of
from meterbot.store.statements import insert_new, is_wanted, select_in, upsert
from meterbot.store.values import CounterReader, CounterState, Latest, UnparsedLatest

_counters = tables.counters.c
_latest = tables.latest.c
_IDS = select(_counters.account, _counters.org, _counters.id).where(is_wanted(_counters.account))
_STATES = (
    select(_counters.account, _counters.org, tables.states)
    .join_from(tables.states, tables.counters)
    .where(is_wanted(_counters.account))
)
_LOCKED_STATES = _STATES.order_by(tables.states.c.counter).with_for_update(key_share=True, of=tables.states)
_READERS = select(_latest.seat, _counters.account, _counters.org).join_from(tables.latest, tables.counters)
_ALL_LATEST = _READERS.add_columns(_latest.known).order_by(_latest.seat, _counters.account, _counters.org)
_LATEST = _ALL_LATEST.where(is_wanted(_latest.seat))
_FACTS = [_latest[name] for name in SeatFacts._fields]
_UNPARSED = _READERS.add_columns(_latest.known, _latest.known_crc32, *_FACTS)
_AT_ONCE = 500
_HOLDERS = _READERS.where(is_wanted(_counters.account)).order_by(_latest.seat)
_MEMORIES = _READERS.add_columns(tables.states.c.memory).outerjoin(
    tables.states, _latest.counter == tables.states.c.counter
)


def ids(connection: Connection, wanted: Iterable[Counter]) -> dict[Counter, int]:
    """The stored ones among the counters, and their numbers."""
    wanted = set(wanted)
    rows = select_in(connection, _IDS, {counter.account for counter in wanted})
    numbers = {(account, org): number for account, org, number in map(tuple, rows)}
    return {one: numbers[key] for one in wanted if (key := (one.account, one.org)) in numbers}


def make_ids(connection: Connection, wanted: Iterable[Counter]) -> dict[Counter, int]:
    """The counters' numbers; new counters get one."""
    wanted = set(wanted)
    known = ids(connection, wanted)
    new = wanted - known.keys()
    insert_new(connection, tables.counters, [counter._asdict() for counter in sorted(new, key=str)])
    return known | ids(connection, new)


def lock_states(connection: Connection, wanted: Iterable[Counter]) -> dict[Counter, CounterState]:
    """Like `read_states`. No other transaction changes these counters, stored or not, until this one ends."""
    wanted = set(wanted)
    if connection.dialect.name == "postgresql":
        new = wanted - ids(connection, wanted).keys()
        locks.names(connection, (f"counter:{counter}" for counter in new))
    return _states(connection, _LOCKED_STATES, wanted)


def read_states(connection: Connection, wanted: Iterable[Counter]) -> dict[Counter, CounterState]:
    return _states(connection, _STATES, set(wanted))


def _states(connection: Connection, query: Select[Any], wanted: set[Counter]) -> dict[Counter, CounterState]:
    rows = select_in(connection, query, (counter.account for counter in wanted))
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
    rows = connection.execute(_ALL_LATEST) if seats is None else select_in(connection, _LATEST, seats)
    return [Latest(row.seat, Counter(row.account, row.org), value_of(LastKnown, row.known)) for row in rows]


def read_unparsed(connection: Connection) -> list[UnparsedLatest]:
    """Of all seats, in any order."""
    return [
        UnparsedLatest(
            seat, Counter(account, org), SeatFacts._make(facts) if checksum == _checksum(text) else None, text
        )
        # Not all at once: the garbage collector would look at every row, again and again.
        for rows in connection.execute(_UNPARSED).partitions(_AT_ONCE)
        for seat, account, org, text, checksum, *facts in rows
    ]


def read_holders(connection: Connection, wanted: Iterable[Counter]) -> dict[Counter, list[str]]:
    """The seats that have read each of these counters, by name."""
    wanted, found = set(wanted), dict[Counter, list[str]]()
    for row in select_in(connection, _HOLDERS, (counter.account for counter in wanted)):
        if (counter := Counter(row.account, row.org)) in wanted:
            found.setdefault(counter, []).append(row.seat)
    return found


def read_readers(connection: Connection) -> list[CounterReader]:
    rows = connection.execute(_MEMORIES)
    return [CounterReader(row.seat, Counter(row.account, row.org), row.memory) for row in rows]


def write_latest(connection: Connection, ids: dict[Counter, int], latest: Iterable[Latest]) -> None:
    upsert(connection, tables.latest, [_latest_row(one, ids[one.counter]) for one in latest])


def _latest_row(one: Latest, counter: int) -> dict[str, object]:
    text, facts = json_of(LastKnown, _private(one.known)), one.facts
    row = {"seat": one.seat, "counter": counter, "known": text}
    if facts is None:
        return row | dict.fromkeys(["known_crc32", *SeatFacts._fields])
    return row | {"known_crc32": _checksum(text)} | facts._asdict()


def _checksum(known: str) -> int:
    return crc32(known.encode(), FACTS_VERSION)


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
