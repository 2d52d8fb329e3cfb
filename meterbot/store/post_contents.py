"""What a post shows: its events, the events that ended them, and what people did about them."""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, or_, select

from meterbot.core.deliveries import DeliveryKind, DeliveryState, Destination, PostContent, Purpose
from meterbot.store import alert_actions, tables

# These statements run for every message: building one takes longer than running it.
_rows, _events = tables.deliveries.c, tables.events.c
_IN_BUNDLE = or_(_rows.id == bindparam("ref"), _rows.bundle_id == bindparam("ref"))
_BUNDLED_EVENTS = select(_rows.event).where(_rows.bundle_id == bindparam("ref"))
_EVENTS = (
    select(_rows.sequence, _events.key, _events.event, _events.ended_by)
    .join_from(tables.deliveries, tables.events, _events.key == _rows.event)
    .where(
        _rows.chat == bindparam("chat"),
        _rows.channel == bindparam("channel"),
        _rows.purpose == Purpose.ALERT,
        _rows.kind != DeliveryKind.EDIT,
        _rows.state != DeliveryState.FAILED,
        or_(_IN_BUNDLE, _rows.about.in_(bindparam("posted", expanding=True))),
    )
    .order_by(case((_IN_BUNDLE, 0), else_=1), _rows.sequence)
)
_ENDINGS = select(_events.key, _events.event).where(_events.key.in_(bindparam("keys", expanding=True)))


def of(connection: Connection, ref: str) -> PostContent | None:
    """The content of the post with this delivery id, or of the post that it was grouped into."""
    row = connection.execute(select(tables.deliveries).where(_rows.id == ref)).first()
    if row is not None and row.bundle_id is not None:
        return of(connection, row.bundle_id)
    return None if row is None or row.kind != DeliveryKind.POST else read(connection, row)


def of_event(connection: Connection, event: str, destination: Destination) -> PostContent | None:
    """The content of an event's post at a destination."""
    query = select(_rows.id).where(
        _rows.event == event,
        _rows.chat == destination.chat,
        _rows.channel == destination.channel,
        _rows.kind == DeliveryKind.POST,
    )
    ref = connection.scalar(query.order_by(_rows.sequence.desc()).limit(1))
    return None if ref is None else of(connection, ref)


def read(connection: Connection, post: Row[Any]) -> PostContent:
    """The content of a post, given its row."""
    posted = [post.event]
    if post.heading is not None:
        posted += connection.scalars(_BUNDLED_EVENTS, {"ref": post.id})
    here = {"ref": post.id, "chat": post.chat, "channel": post.channel, "posted": posted}
    rows = {row.key: row for row in connection.execute(_EVENTS, here)}
    ended = {row.ended_by: row.key for row in rows.values() if row.ended_by is not None}
    endings = connection.execute(_ENDINGS, {"keys": [*ended]}).all() if ended else []
    return PostContent(
        ref=post.id,
        # An end is shown with its alert; one that is posted by itself shows itself.
        events=tuple(
            row.event
            for row in rows.values()
            if post.heading or row.event.resolves is None or row.key == post.event
        ),
        endings={ended[row.key]: row.event for row in endings},
        actions=tuple(alert_actions.about(connection, rows)),
        heading=post.heading,
    )
