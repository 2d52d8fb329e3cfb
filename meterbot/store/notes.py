"""Small facts that parts of the bot keep across restarts, such as the fingerprint of Discord's commands."""

import secrets

from sqlalchemy import Connection, select

from meterbot.store import tables
from meterbot.store.statements import insert_new, upsert

_SALT = "salt"
_notes = tables.notes.c


def read(connection: Connection, name: str) -> str | None:
    return connection.scalar(select(_notes.value).where(_notes.name == name))


def write(connection: Connection, name: str, value: str) -> None:
    upsert(connection, tables.notes, [{"name": name, "value": value}])


def salt(connection: Connection) -> str:
    """Random, drawn when it is first asked for; everybody gets the same one from then on."""
    insert_new(connection, tables.notes, [{"name": _SALT, "value": secrets.token_hex(16)}])
    return read(connection, _SALT) or ""
