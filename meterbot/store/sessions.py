"""Renewed sessions, encrypted: only a newer one replaces an older one."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, or_, select, update

from meterbot.store.statements import insert_new, is_wanted, select_in
from meterbot.store.tables import sessions
from meterbot.store.values import StoredSession

_stored = sessions.c
_OF_SEATS = select(sessions).where(is_wanted(_stored.seat))


def read(connection: Connection, seats: Iterable[str] | None = None) -> dict[str, StoredSession]:
    """Of these seats, or of all."""
    rows = connection.execute(select(sessions)) if seats is None else select_in(connection, _OF_SEATS, seats)
    return {row.seat: StoredSession(*row) for row in rows}


def start(connection: Connection, new: StoredSession, instead_of: StoredSession | None) -> bool:
    if instead_of is None:
        insert_new(connection, sessions, [asdict(new)])
        return (read(connection, [new.seat]))[new.seat] == new
    unchanged = (_stored[name].is_not_distinct_from(value) for name, value in asdict(instead_of).items())
    return _replace(connection, new, *unchanged)


def start_all(connection: Connection, new: Iterable[StoredSession]) -> None:
    """Stores each of these unless something is stored of its seat already."""
    insert_new(connection, sessions, [asdict(one) for one in new])


def begin(connection: Connection, seat: str, fingerprints: Iterable[str], at: datetime) -> None:
    """Notes when the configured key was first used, once."""
    mine = (_stored.seat == seat, _stored.fingerprint.in_(list(fingerprints)))
    connection.execute(update(sessions).where(*mine, _stored.begun_at.is_(None)).values(begun_at=at))


def renew(connection: Connection, renewed: StoredSession, descends_from: Iterable[str]) -> bool:
    older = or_(_stored.renewed_at.is_(None), _stored.renewed_at < renewed.renewed_at)
    return _replace(connection, renewed, _stored.fingerprint.in_(list(descends_from)), older)


def _replace(connection: Connection, new: StoredSession, *conditions: ColumnElement[bool]) -> bool:
    statement = update(sessions).where(_stored.seat == new.seat, *conditions).values(asdict(new))
    return (connection.execute(statement)).rowcount == 1


def forget(connection: Connection, seat: str) -> bool:
    return (connection.execute(delete(sessions).where(_stored.seat == seat))).rowcount > 0
