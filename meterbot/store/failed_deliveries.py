"""Failed messages: those that this version of meterbot cannot read, and what happens to the thread and to the members
of a failed post."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Text, and_, or_, select, type_coerce, update

from meterbot.core.deliveries import MAY_REPEAT, DeliveryKind, DeliveryState, Purpose
from meterbot.core.messages import Message
from meterbot.core.models import Event
from meterbot.store import tables
from meterbot.store.column_types import is_readable, value_of
from meterbot.store.deliveries import MAYBE_SENT, QUEUED, WAITING, superseded

_rows, _events = tables.deliveries.c, tables.events.c
_end = tables.events.alias("its_end").c
_END = select(type_coerce(_end.event, Text)).where(_end.key == _events.ended_by).scalar_subquery()
AS_STORED: tuple[ColumnElement[Any], ...] = (
    *(_rows[name] for name in ("id", "event", "about", "chat", "channel", "kind", "heading", "state")),
    type_coerce(_events.event, Text).label("happened"),
    type_coerce(_rows.message, Text).label("message"),
    _END.label("end"),
)
"""The columns of a delivery and its event that show what cannot be read. Reading them never fails."""
UNREADABLE = "this version of meterbot cannot read what is stored of it"


def unreadable(rows: Iterable[Row[Any]]) -> list[Row[Any]]:
    """Those of the rows (`AS_STORED`) whose event, its end or text cannot be read."""
    return [row for row in rows if not _is_readable(row)]


def set_aside(connection: Connection, rows: Sequence[Row[Any]]) -> tuple[str, ...]:
    """Fails messages; returns their ids. What waits for one of them is sent without it, and each member of a group
    alone."""
    groups = [row for row in rows if row.heading is not None]
    failed = _fail(connection, _rows.id.in_([row.id for row in rows if row.heading is None]))
    for group in groups:
        _send_members_alone(connection, group)
    for row in rows:
        if row.id in failed and row.kind == DeliveryKind.POST:
            hand_over_thread(connection, row.event, row.chat, row.channel)
    return failed


def set_aside_for_post(connection: Connection, row: Row[Any]) -> tuple[str, ...]:
    """Fails what makes the content of the message's post unreadable, or else what cannot be sent without that post;
    returns the ids. An alert that was to be a reply to it becomes a post."""
    if row.heading is not None:
        return set_aside(connection, [row])
    here = and_(_rows.chat == row.chat, _rows.channel == row.channel, WAITING)
    thread = and_(here, _rows.about == (row.about or row.event))
    stored = select(*AS_STORED).join_from(tables.deliveries, tables.events, _events.key == _rows.event)
    if bad := unreadable(connection.execute(stored.where(or_(thread, and_(here, _rows.id == row.id))))):
        return set_aside(connection, bad)
    if row.about is None:
        return set_aside(connection, [row])
    alert = and_(_rows.kind == DeliveryKind.REPLY, _rows.purpose == Purpose.ALERT, _rows.message.is_(None))
    failed = _fail(connection, and_(thread, ~alert))
    hand_over_thread(connection, row.about, row.chat, row.channel)
    return failed + _fail(connection, thread)


def _is_readable(row: Row[Any]) -> bool:
    events = [text for text in (row.happened, row.end) if text is not None]
    return all(is_readable(Event, text) for text in events) and (
        row.message is None or is_readable(Message, row.message)
    )


def _send_members_alone(connection: Connection, group: Row[Any]) -> None:
    """Those that can be read are sent; if the group may have been posted, with a note that they may be repeats."""
    alone = update(tables.deliveries).where(_rows.id == group.id).values(superseded("not sent together"))
    connection.execute(alone)
    note = {"note": MAY_REPEAT} if group.state in MAYBE_SENT else {}
    queue_members(connection, group.id, own_failures=1, **note)


def _fail(connection: Connection, which: ColumnElement[bool]) -> tuple[str, ...]:
    values = {"state": DeliveryState.FAILED, "claimable_at": None, "claimed_by": None, "trouble": UNREADABLE}
    failed = update(tables.deliveries).where(which, WAITING).values(values)
    return tuple(connection.scalars(failed.returning(_rows.id)))


def hand_over_thread(connection: Connection, event: str, chat: str, channel: str) -> None:
    """Makes a post of the first alert that was to be a reply to the event's post; the rest belongs to that post."""
    thread = and_(_rows.about == event, _rows.chat == chat, _rows.channel == channel, WAITING)
    replies = (
        select(_rows.sequence, _rows.event, type_coerce(_events.event, Text).label("happened"))
        .join_from(tables.deliveries, tables.events, _events.key == _rows.event)
        .where(thread, _rows.kind == DeliveryKind.REPLY, _rows.purpose == Purpose.ALERT)
        .where(_rows.message.is_(None))
        .order_by(_rows.sequence)
    )
    for row in connection.execute(replies):
        if is_readable(Event, row.happened) and not value_of(Event, row.happened).only_ends:
            # Nobody would look for one in its old thread.
            doubtful = update(tables.deliveries).where(thread, _rows.state.in_(MAYBE_SENT))
            connection.execute(doubtful.values(**QUEUED, note=MAY_REPEAT))
            first = update(tables.deliveries).where(_rows.sequence == row.sequence)
            connection.execute(first.values(kind=DeliveryKind.POST, about=None))
            connection.execute(update(tables.deliveries).where(thread).values(about=row.event))
            return


def queue_members(connection: Connection, bundle: str, **changes: object) -> None:
    """Queues the messages again that one post was to say together."""
    members = update(tables.deliveries).where(_rows.bundle_id == bundle)
    connection.execute(members.values(**QUEUED, bundle_id=None, **changes))
