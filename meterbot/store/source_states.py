"""The state of each seat's source, and its next reading."""

from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy import Connection, select

from meterbot.core.models import Health, SourceState
from meterbot.store import counter_states, locks, tables
from meterbot.store.statements import select_all, select_in, upsert
from meterbot.store.values import Latest

_HEALTH = {health.value: health for health in Health}


def lock_sources(connection: Connection, seats: Iterable[str]) -> dict[str, SourceState]:
    """Like `read_sources`. No other transaction changes these seats, stored or not, until this one ends."""
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


def read_team(connection: Connection) -> tuple[list[Latest], dict[str, SourceState]]:
    """What is known of every seat and of its source, at the same moment."""
    return counter_states.read_latest(connection), read_sources(connection)
