"""The state of each seat's source, and its next reading."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, or_, select

from meterbot.core.models import Health, SourceState
from meterbot.store import counter_states, locks, tables
from meterbot.store.statements import is_wanted, select_in, upsert
from meterbot.store.values import UnparsedLatest

_HEALTH = {health.value: health for health in Health}
_SOURCES = tables.sources.c
_SEAT = _SOURCES.seat
_COLUMNS = [column.name for column in _SOURCES]
_ALL = select(tables.sources).order_by(_SEAT)
_UNWELL = _ALL.where(_SOURCES.health != Health.OK.value)
_SOME = _ALL.where(is_wanted(_SEAT))
_LOCKED = _SOME.with_for_update(key_share=True)
_STORED = select(_SEAT).where(is_wanted(_SEAT))


def lock_sources(connection: Connection, seats: Iterable[str]) -> dict[str, SourceState]:
    """Like `read_sources`. No other transaction changes these seats, stored or not, until this one ends."""
    names = set(seats)
    if connection.dialect.name == "postgresql":
        stored = {row.seat for row in select_in(connection, _STORED, names)}
        locks.names(connection, (f"seat:{name}" for name in names - stored))
    return _by_seat(select_in(connection, _LOCKED, names))


def read_sources(connection: Connection, seats: Iterable[str] | None = None) -> dict[str, SourceState]:
    """Of these seats, or of all."""
    return _by_seat(connection.execute(_ALL) if seats is None else select_in(connection, _SOME, seats))


def _by_seat(rows: Iterable[Sequence[Any]]) -> dict[str, SourceState]:
    return {seat: SourceState(seat, _HEALTH[health], *others) for seat, health, *others in rows}


def read_failing_or_silent(connection: Connection, since: datetime, now: datetime) -> dict[str, SourceState]:
    """Of the seats that fail, whose last good reading is older than `since`, or that have an instant after `now`."""
    failing = _SOURCES.health.not_in([Health.OK.value, Health.NEVER_SEEN.value])
    ahead = or_(_SOURCES.since > now, _SOURCES.last_ok_at > now)
    return _by_seat(connection.execute(_ALL.where(or_(failing, _SOURCES.last_ok_at < since, ahead))))


def read_healthy(connection: Connection) -> set[str]:
    return {*connection.scalars(select(_SEAT).where(_SOURCES.health == Health.OK.value))}


def write_sources(connection: Connection, sources: Iterable[SourceState]) -> None:
    upsert(
        connection,
        tables.sources,
        [{name: getattr(one, name) for name in _COLUMNS} for one in sources],
    )


def read_unwell(connection: Connection) -> dict[str, SourceState]:
    """Of all seats whose source is not well."""
    return _by_seat(connection.execute(_UNWELL))


def read_team(connection: Connection) -> tuple[list[UnparsedLatest], dict[str, SourceState]]:
    """What is known of every seat and of its source, at the same moment."""
    return counter_states.read_unparsed(connection), read_sources(connection)
