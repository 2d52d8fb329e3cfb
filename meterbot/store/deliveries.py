"""The deliveries: queued with their events, looked up by event or destination, retried by people.

`delivery_claims` hands the next one to a worker, `delivery_outcomes` records its result.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, exists, func, or_, select, update

from meterbot.core.deliveries import (
    ChannelQueue,
    DeliveryKind,
    DeliveryState,
    Destination,
    FailedDelivery,
    NewDelivery,
    PossibleDuplicate,
    Posting,
    PostState,
    Purpose,
)
from meterbot.core.messages import Posted
from meterbot.store import tables
from meterbot.store.statements import insert_new, is_wanted, select_in

_rows, _queues, _events = tables.deliveries.c, tables.channel_queues.c, tables.events.c
AT_ONCE = datetime.fromtimestamp(0, UTC)
MAYBE_SENT = (DeliveryState.CLAIMED, DeliveryState.IN_DOUBT)
QUEUED = {"state": DeliveryState.QUEUED, "claimable_at": AT_ONCE, "claimed_by": None}
"""The columns of a delivery that may be sent at once."""
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
    """Puts deliveries at the end of their queues, except those whose event is not among `created`.

    A delivery that is planned for later, and not held back, counts as created then: it is not late before.
    """
    rows = [
        {
            "id": new.id,
            "event": new.event,
            "about": new.about,
            "chat": new.chat,
            "channel": new.channel,
            "kind": new.kind,
            "priority": int(new.priority),
            "purpose": new.purpose,
            "topic": new.topic,
            "message": new.message,
            "created_at": created[new.event] if new.held or new.not_before is None else new.not_before,
            **QUEUED,
            "claimable_at": new.not_before or AT_ONCE,
            "held": new.held,
            "attempts": 0,
            "possible_duplicate": False,
        }
        for new in deliveries
        if new.event in created
    ]
    insert_new(connection, tables.deliveries, rows)


def superseded(reason: str) -> dict[str, object]:
    """The columns of a delivery that is not sent any more."""
    return {"state": DeliveryState.SUPERSEDED, "claimable_at": None, "claimed_by": None, "trouble": reason}


def release(connection: Connection, posts: Iterable[tuple[str, Destination]]) -> None:
    """Lets posts (event, destination) be sent that are held back, because a reply in their thread may not wait."""
    for event, destination in posts:
        statement = update(tables.deliveries).where(_queued_post(event, destination))
        connection.execute(statement.values(claimable_at=AT_ONCE, held=None))


def withdraw(connection: Connection, event: str, destination: Destination, reason: str) -> bool:
    """Takes back an event's post that nobody has tried to send. False when there is none, or somebody has."""
    statement = update(tables.deliveries).where(_queued_post(event, destination), _rows.attempts == 0)
    return connection.execute(statement.values(superseded(reason))).rowcount == 1


def _queued_post(event: str, destination: Destination) -> ColumnElement[bool]:
    return and_(
        _rows.event == event,
        _rows.chat == destination.chat,
        _rows.channel == destination.channel,
        _rows.kind == DeliveryKind.POST,
        _rows.state == DeliveryState.QUEUED,
    )


def postings(connection: Connection, keys: Iterable[str], topics: Iterable[str] = ()) -> list[Posting]:
    """Where these events, and those of these topics, were posted or are queued, in the order of queueing."""
    named = or_(_rows.kind == DeliveryKind.POST, _rows.kind == DeliveryKind.REPLY)
    given_up = _rows.state.in_((DeliveryState.SUPERSEDED, DeliveryState.FAILED))
    valid = or_(~given_up, _rows.bundle_id.is_not(None), _is_shown_in_its_post())
    query = select(tables.deliveries).where(
        named, valid, _rows.purpose == Purpose.ALERT, _rows.heading.is_(None)
    )
    found = select_in(connection, query.where(is_wanted(_rows.event)), keys)
    found += select_in(connection, query.where(is_wanted(_rows.topic)), topics)
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


def _is_shown_in_its_post() -> ColumnElement[bool]:
    """A reply that was not sent, because its post said so already."""
    post = tables.deliveries.alias()
    its_post = exists().where(
        post.c.event == _rows.about,
        post.c.chat == _rows.chat,
        post.c.channel == _rows.channel,
        post.c.kind == DeliveryKind.POST,
        or_(post.c.state == DeliveryState.DELIVERED, post.c.bundle_id.is_not(None)),
    )
    return and_(_rows.kind == DeliveryKind.REPLY, _rows.state == DeliveryState.SUPERSEDED, its_post)


def post_of(connection: Connection, row: Row[Any]) -> Row[Any] | None:
    """The post that an edit or a reply belongs to, or the post that it was grouped into."""
    where = {"about": row.about, "chat": row.chat, "channel": row.channel}
    own = connection.execute(_POST_OF, where).first()
    if own is None or own.bundle_id is None:
        return own
    return connection.execute(select(tables.deliveries).where(_rows.id == own.bundle_id)).first()


def post_state(connection: Connection, event: str) -> PostState | None:
    """Of the only post of an event; None if there is none."""
    query = select(_rows.chat, _rows.state, _rows.trouble)
    row = connection.execute(query.where(_rows.event == event, _rows.kind == DeliveryKind.POST)).first()
    if row is None:
        return None
    return PostState(
        row.chat, row.state == DeliveryState.DELIVERED, row.state == DeliveryState.FAILED, row.trouble
    )


def waited_for(connection: Connection) -> set[str]:
    """The keys of the events that a waiting delivery names or belongs to."""
    rows = connection.execute(select(_rows.event, _rows.about).where(WAITING))
    return {key for row in rows for key in row if key is not None}


def read_queues(connection: Connection, now: datetime | None = None) -> list[ChannelQueue]:
    """Every destination for which something waits. With `now`, what is held back on purpose is counted apart."""
    # One that is being sent, or failed before, is not held back on purpose.
    late = or_(_rows.claimable_at <= now, _rows.attempts > 0) if now is not None else WAITING
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
        ChannelQueue(**{**row, "refused": bool(row["refused"])})
        for row in connection.execute(query).mappings()
    ]


def possible_duplicates(connection: Connection, chat: str, limit: int = 20) -> list[PossibleDuplicate]:
    """The newest `limit` messages that may have been posted twice."""
    query = select(tables.deliveries).where(_rows.chat == chat, _rows.possible_duplicate.is_(True))
    found = []
    for row in connection.execute(query.order_by(_rows.sequence.desc()).limit(limit)).all():
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


def clear_possible_duplicate(connection: Connection, delivery: str) -> None:
    """Records that a message is in its channel once."""
    connection.execute(update(tables.deliveries).where(_rows.id == delivery).values(possible_duplicate=False))


def failed(connection: Connection) -> list[FailedDelivery]:
    """The messages that were given up, the oldest first."""
    # Without the message itself, which may be what cannot be read.
    columns = (_rows.id, _rows.chat, _rows.channel, _rows.event, _rows.attempts, _rows.created_at)
    reason = func.coalesce(_rows.trouble, "").label("reason")
    query = select(*columns, reason).where(_rows.state == DeliveryState.FAILED).order_by(_rows.sequence)
    return [FailedDelivery(**row) for row in connection.execute(query).mappings()]


def retry_failed(connection: Connection, delivery: str | None = None) -> int:
    """Queues a failed message again, or all of them; returns how many."""
    which = _rows.state == DeliveryState.FAILED
    if delivery is not None:
        which = and_(which, _rows.id == delivery)
    again = update(tables.deliveries).where(which).values(**QUEUED, own_failures=0)
    return connection.execute(again).rowcount
