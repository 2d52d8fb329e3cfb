"""The queue of deliveries: what waits, where, and what became of it. How the next one is sent, `delivery_queue` says."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, func, or_, select, update

from meterbot.core.deliveries import (
    DeliveryKind,
    DeliveryState,
    Destination,
    NewDelivery,
    PossibleDuplicate,
    Posting,
    Purpose,
    Queue,
)
from meterbot.core.messages import Posted
from meterbot.core.models import Event
from meterbot.store import tables
from meterbot.store.statements import insert_new, select_in

Found = Row[Any]
"""A row as it was seen."""


def as_found(row: Any) -> Found | None:
    """SQLAlchemy types rows by their columns; what is read of them here is named."""
    found: Found | None = row
    return found


_rows, _queues, _events = tables.deliveries.c, tables.channel_queues.c, tables.events.c
AT_ONCE = datetime.fromtimestamp(0, UTC)
WAITING = _rows.claimable_at.is_not(None)
MESSAGES = select(tables.deliveries, _events.event.label("happened"), _events.ended_by).join_from(
    tables.deliveries, tables.events, _events.key == _rows.event
)
_POST_OF = (
    select(tables.deliveries)
    .where(
        _rows.event == bindparam("about"),
        _rows.chat == bindparam("chat"),
        _rows.channel == bindparam("channel"),
        or_(_rows.kind == DeliveryKind.POST, _rows.bundle_id.is_not(None)),
        _rows.heading.is_(None),
    )
    .order_by(_rows.sequence.desc())
    .limit(1)
)


def queue(connection: Connection, deliveries: Iterable[NewDelivery], created: Mapping[str, datetime]) -> None:
    """Puts deliveries at the end of their lines. Those whose event is not among `created` are left out."""
    rows = [
        {
            "id": new.id,
            "event": new.event,
            "about": new.about,
            "chat": new.chat,
            "channel": new.channel,
            "kind": new.kind,
            "priority": int(new.lane),
            "purpose": new.purpose,
            "topic": new.topic,
            "message": new.message,
            "created_at": created[new.event],
            "state": DeliveryState.QUEUED,
            "claimable_at": new.not_before or AT_ONCE,
            "held": new.held,
            "attempts": 0,
            "unsure": False,
        }
        for new in deliveries
        if new.event in created
    ]
    insert_new(connection, tables.deliveries, rows)


def release(connection: Connection, posts: Iterable[tuple[str, Destination]]) -> None:
    """Lets posts go that are held back: what is to stand in their thread may not wait. Each is (event, place)."""
    for event, place in posts:
        statement = update(tables.deliveries).where(
            _rows.event == event,
            _rows.chat == place.chat,
            _rows.channel == place.channel,
            _rows.kind == DeliveryKind.POST,
            _rows.state == DeliveryState.QUEUED,
        )
        connection.execute(statement.values(claimable_at=AT_ONCE, held=None))


def tellings(connection: Connection, keys: Iterable[str], topics: Iterable[str] = ()) -> list[Posting]:
    """Where these events, and what belongs to these topics, were told or will be, in the order of queueing."""
    told = or_(_rows.kind == DeliveryKind.POST, _rows.kind == DeliveryKind.REPLY)
    stands = or_(_rows.state != DeliveryState.SUPERSEDED, _rows.bundle_id.is_not(None))
    query = select(tables.deliveries).where(
        told, stands, _rows.purpose == Purpose.TELL, _rows.heading.is_(None)
    )
    found = select_in(connection, query, _rows.event, keys)
    found += select_in(connection, query, _rows.topic, topics)
    return [
        Posting(
            row.event,
            row.about or row.event,
            Destination(row.chat, row.channel),
            row.topic,
            row.delivered_at,
            row.claimable_at is not None,
        )
        for _, row in sorted({row.sequence: row for row in found}.items())
    ]


def post_of(connection: Connection, row: Found) -> Found | None:
    """The post that an edit or a line belongs to: its own, or the one that told it with others."""
    where = {"about": row.about, "chat": row.chat, "channel": row.channel}
    own = (connection.execute(_POST_OF, where)).first()
    if own is None or own.bundle_id is None:
        return own
    return (connection.execute(select(tables.deliveries).where(_rows.id == own.bundle_id))).first()


def waited_for(connection: Connection) -> set[str]:
    """The events that something waits to be sent of, or about."""
    rows = connection.execute(select(_rows.event, _rows.about).where(_rows.claimable_at.is_not(None)))
    return {key for row in rows for key in row if key is not None}


def read_queues(connection: Connection, now: datetime | None = None) -> list[Queue]:
    """Every destination at which something waits. With `now`, what is held back on purpose is told apart."""
    late = _rows.claimable_at <= now if now is not None else WAITING
    waiting = (
        select(
            _rows.chat,
            _rows.channel,
            func.count().label("waiting"),
            func.count().filter(~late).label("held"),
            func.max(_rows.claimable_at).filter(~late).label("held_until"),
            func.min(_rows.created_at).filter(late).label("oldest"),
        )
        .where(WAITING)
        .group_by(_rows.chat, _rows.channel)
        .subquery()
    )
    here = and_(_queues.chat == waiting.c.chat, _queues.channel == waiting.c.channel)
    query = (
        select(waiting, _queues.trouble, _queues.troubled_since, _queues.refused)
        .join_from(waiting, tables.channel_queues, here, isouter=True)
        .order_by(waiting.c.chat, waiting.c.channel)
    )
    return [
        Queue(
            chat=row.chat,
            channel=row.channel,
            waiting=row.waiting,
            oldest=row.oldest,
            trouble=row.trouble,
            troubled_since=row.troubled_since,
            refused=bool(row.refused),
            held=row.held,
            held_until=row.held_until,
        )
        for row in connection.execute(query)
    ]


def end_alerts(connection: Connection, events: Iterable[Event]) -> None:
    """Notes which alerts these events end."""
    for event in events:
        if event.resolves is not None:
            ended = update(tables.events).where(_events.key == event.resolves)
            connection.execute(ended.values(ended_by=event.key))


def unsure(connection: Connection, chat: str, limit: int = 20) -> list[PossibleDuplicate]:
    query = select(tables.deliveries).where(_rows.chat == chat, _rows.unsure.is_(True))
    found = []
    for row in (connection.execute(query.order_by(_rows.sequence.desc()).limit(limit))).all():
        post = post_of(connection, row) if row.about is not None else None
        found.append(
            PossibleDuplicate(
                id=row.id,
                channel=row.channel,
                where=Posted(row.posted_channel, row.posted_message),
                since=row.first_tried_at,
                about=None if post is None else Posted(post.posted_channel, post.posted_message),
            )
        )
    return found


def settle(connection: Connection, delivery: str) -> None:
    connection.execute(update(tables.deliveries).where(_rows.id == delivery).values(unsure=False))
