"""What a post shows: the events told by it, what ended them, and what people did about them."""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, or_, select

from meterbot.core.deliveries import DeliveryKind, Destination, PostContent, Purpose
from meterbot.store import alert_actions, tables

# Statements that every message needs are made once: to build one takes longer than to run it.
_rows, _events = tables.deliveries.c, tables.events.c
_IN_BUNDLE = or_(_rows.id == bindparam("ref"), _rows.bundle_id == bindparam("ref"))
_OPENED = select(_rows.event).where(_rows.bundle_id == bindparam("ref"))
_TOLD = (
    select(_rows.sequence, _events.key, _events.event, _events.ended_by)
    .join_from(tables.deliveries, tables.events, _events.key == _rows.event)
    .where(
        _rows.chat == bindparam("chat"),
        _rows.channel == bindparam("channel"),
        _rows.purpose == Purpose.TELL,
        _rows.kind != DeliveryKind.EDIT,
        or_(_IN_BUNDLE, _rows.about.in_(bindparam("opened", expanding=True))),
    )
    .order_by(_rows.sequence)
)
_ENDINGS = select(_events.key, _events.event).where(_events.key.in_(bindparam("keys", expanding=True)))


def of(connection: Connection, ref: str) -> PostContent | None:
    """The card of a delivery's id; one that was told with others is on theirs."""
    row = (connection.execute(select(tables.deliveries).where(_rows.id == ref))).first()
    if row is not None and row.bundle_id is not None:
        return of(connection, row.bundle_id)
    return None if row is None or row.kind != DeliveryKind.POST else read(connection, row)


def of_event(connection: Connection, event: str, place: Destination) -> PostContent | None:
    """The card of the post that tells an event at a place."""
    query = select(_rows.id).where(
        _rows.event == event,
        _rows.chat == place.chat,
        _rows.channel == place.channel,
        _rows.kind == DeliveryKind.POST,
    )
    ref = connection.scalar(query.order_by(_rows.sequence.desc()).limit(1))
    return None if ref is None else of(connection, ref)


def read(connection: Connection, post: Row[Any]) -> PostContent:
    """The card of a delivery's row that is a post."""
    opened = [post.event]
    if post.heading is not None:
        opened += connection.scalars(_OPENED, {"ref": post.id})
    here = {"ref": post.id, "chat": post.chat, "channel": post.channel, "opened": opened}
    rows = {row.key: row for row in connection.execute(_TOLD, here)}
    ends = {row.ended_by: row.key for row in rows.values() if row.ended_by is not None}
    ending = (connection.execute(_ENDINGS, {"keys": [*ends]})).all() if ends else []
    return PostContent(
        ref=post.id,
        events=tuple(row.event for row in rows.values() if post.heading or row.event.resolves is None),
        endings={ends[row.key]: row.event for row in ending},
        acts=tuple(alert_actions.about(connection, rows)),
        heading=post.heading,
    )
