"""Renewed sessions, encrypted: a newer one replaces an older one, and never the other way round."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from meterbot.store import StoredSession
from meterbot.store.statements import insert_new, select_in
from meterbot.store.tables import sessions

_stored = sessions.c


async def read(connection: AsyncConnection, seats: Iterable[str] | None = None) -> dict[str, StoredSession]:
    """Of these seats, or of all."""
    query = select(sessions)
    if seats is None:
        rows: list[Row[Any]] = [*await connection.execute(query)]
    else:
        rows = await select_in(connection, query, _stored.seat, seats)
    return {
        row.seat: StoredSession(row.seat, row.fingerprint, row.ciphertext, row.renewed_at, row.ends_at)
        for row in rows
    }


async def start(connection: AsyncConnection, new: StoredSession, instead_of: StoredSession | None) -> bool:
    if instead_of is None:
        await insert_new(connection, sessions, [asdict(new)])
        return (await read(connection, [new.seat]))[new.seat] == new
    unchanged = (_stored[name].is_not_distinct_from(value) for name, value in asdict(instead_of).items())
    return await _replace(connection, new, *unchanged)


async def start_all(connection: AsyncConnection, new: Sequence[StoredSession]) -> None:
    await insert_new(connection, sessions, [asdict(one) for one in new])


async def renew(connection: AsyncConnection, renewed: StoredSession, descends_from: Iterable[str]) -> bool:
    older = or_(_stored.renewed_at.is_(None), _stored.renewed_at < renewed.renewed_at)
    return await _replace(connection, renewed, _stored.fingerprint.in_(list(descends_from)), older)


async def _replace(connection: AsyncConnection, new: StoredSession, *conditions: ColumnElement[bool]) -> bool:
    statement = update(sessions).where(_stored.seat == new.seat, *conditions).values(asdict(new))
    return (await connection.execute(statement)).rowcount == 1


async def forget(connection: AsyncConnection, seat: str) -> bool:
    return (await connection.execute(delete(sessions).where(_stored.seat == seat))).rowcount > 0
