"""Messages that this version of meterbot cannot read: they fail, and hold up no other."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Text, and_, select, type_coerce, update

from meterbot.core.deliveries import DeliveryState
from meterbot.core.messages import Message
from meterbot.core.models import Event
from meterbot.store import tables
from meterbot.store.column_types import is_readable
from meterbot.store.deliveries import WAITING

_rows = tables.deliveries.c
UNREADABLE = "this version of meterbot cannot read what is stored of it"


def fail_waiting(connection: Connection, chat: str, channel: str) -> list[str]:
    """Fails the waiting messages of a channel whose event or text cannot be read; returns their ids."""
    event, message = (type_coerce(column, Text) for column in (tables.events.c.event, _rows.message))
    query = select(_rows.sequence, event.label("happened"), message.label("message")).join_from(
        tables.deliveries, tables.events, tables.events.c.key == _rows.event
    )
    waiting = connection.execute(query.where(_rows.chat == chat, _rows.channel == channel, WAITING))
    unreadable = [row.sequence for row in waiting if not _is_readable(row)]
    return _fail(connection, _rows.sequence.in_(unreadable))


def fail_with_post(connection: Connection, row: Row[Any]) -> list[str]:
    """Fails a message whose post cannot be read, with the others of that post; returns their ids."""
    of_post = and_(_rows.about == row.about, _rows.chat == row.chat, _rows.channel == row.channel)
    return _fail(connection, _rows.id == row.id if row.about is None else of_post)


def _is_readable(row: Row[Any]) -> bool:
    return is_readable(Event, row.happened) and (row.message is None or is_readable(Message, row.message))


def _fail(connection: Connection, which: ColumnElement[bool]) -> list[str]:
    values = {"state": DeliveryState.FAILED, "claimable_at": None, "claimed_by": None, "trouble": UNREADABLE}
    failed = update(tables.deliveries).where(which, WAITING).values(values)
    return list(connection.scalars(failed.returning(_rows.id)))
