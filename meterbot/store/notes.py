"""Small facts that parts of the bot keep across restarts, such as the fingerprint of Discord's commands."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, select

from meterbot.store import tables
from meterbot.store.statements import insert_new, upsert

_SALT, _CLOCK = "salt", "clock_confirmed_at"
_notes = tables.notes.c
_VALUE = select(_notes.value).where(_notes.name == bindparam("note"))


def approval_of(seat: str) -> str:
    """The name of the note about a request, or an approval, to join this seat."""
    return f"join:{seat}"


def read(connection: Connection, name: str) -> str | None:
    return connection.scalar(_VALUE, {"note": name})


def write(connection: Connection, name: str, value: str) -> None:
    upsert(connection, tables.notes, [{"name": name, "value": value}])


def remove(connection: Connection, name: str) -> None:
    connection.execute(delete(tables.notes).where(_notes.name == name))


def confirm_clock(connection: Connection, now: datetime) -> None:
    """Notes that a person has checked the clock: it is right, and later times in the database are wrong."""
    write(connection, _CLOCK, now.isoformat())


def clock_is_confirmed(connection: Connection, now: datetime) -> bool:
    """Whether a person has said so within the last day."""
    at = read(connection, _CLOCK)
    return at is not None and timedelta(0) <= now - datetime.fromisoformat(at) <= timedelta(days=1)


def salt(connection: Connection) -> str:
    """A random value, created when first needed and the same for everybody from then on."""
    insert_new(connection, tables.notes, [{"name": _SALT, "value": secrets.token_hex(16)}])
    return read(connection, _SALT) or ""
