"""The queue of deliveries: a line per (chat, channel), whose head alone may be claimed."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, Update, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from meterbot.messages import Posted
from meterbot.models import Event
from meterbot.store import Delivery, DeliveryKind, DeliveryState, NewDelivery, Queue, tables
from meterbot.store.statements import insert_new, select_in

Found = Row[Any]
"""A row of the deliveries as it was seen."""

_rows = tables.deliveries.c
_AT_ONCE = datetime.fromtimestamp(0, UTC)
_MAYBE_SENT = {DeliveryState.CLAIMED, DeliveryState.IN_DOUBT}


async def queue(
    connection: AsyncConnection, deliveries: Iterable[NewDelivery], events: Iterable[Event]
) -> None:
    """Puts the deliveries of these events at the end of their lines; others are left out."""
    created = {event.key: event.at for event in events}
    rows = [
        {
            "id": new.id,
            "event": new.event,
            "about": new.about,
            "chat": new.chat,
            "channel": new.channel,
            "kind": new.kind,
            "message": new.message,
            "created_at": created[new.event],
            "state": DeliveryState.QUEUED,
            "claimable_at": _AT_ONCE,
            "attempts": 0,
        }
        for new in deliveries
        if new.event in created
    ]
    await insert_new(connection, tables.deliveries, rows)


async def posts_of(connection: AsyncConnection, keys: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    query = select(_rows.event, _rows.chat, _rows.channel).where(_rows.kind == DeliveryKind.POST)
    places: dict[str, list[tuple[str, str]]] = {}
    for row in await select_in(connection, query.order_by(_rows.sequence), _rows.event, keys):
        places.setdefault(row.event, []).append((row.chat, row.channel))
    return places


def _heads() -> Select[Any]:
    """The first waiting row of each line."""
    return (
        select(func.min(_rows.sequence).label("sequence"))
        .where(_rows.claimable_at.is_not(None))
        .group_by(_rows.chat, _rows.channel)
    )


async def first_due(connection: AsyncConnection, chat: str, now: datetime) -> Found | None:
    """The longest waiting head that may be claimed now."""
    query = (
        select(tables.deliveries)
        .where(_rows.sequence.in_(_heads().where(_rows.chat == chat)), _rows.claimable_at <= now)
        .order_by(_rows.sequence)
        .limit(1)
    )
    return (await connection.execute(query)).first()


async def try_claim(
    connection: AsyncConnection, seen: Found, now: datetime, worker: str, seconds: float
) -> bool:
    """Claims the row if nobody touched it since it was seen."""
    claim = (
        update(tables.deliveries)
        .where(
            _rows.sequence == seen.sequence,
            _rows.state == seen.state,
            _rows.attempts == seen.attempts,
            _rows.claimable_at == seen.claimable_at,
        )
        .values(
            state=DeliveryState.CLAIMED,
            claimable_at=now + timedelta(seconds=seconds),
            claimed_by=worker,
            attempts=seen.attempts + 1,
            first_tried_at=seen.first_tried_at or now,
        )
    )
    return (await connection.execute(claim)).rowcount == 1


async def as_claimed(connection: AsyncConnection, seen: Found, now: datetime) -> Delivery:
    """The delivery as its claimer needs it, from the row as it was before the claim."""
    kind = DeliveryKind(seen.kind)
    return Delivery(
        id=seen.id,
        event=seen.event,
        chat=seen.chat,
        channel=seen.channel,
        kind=kind,
        message=seen.message,
        attempts=seen.attempts + 1,
        created_at=seen.created_at,
        settle=seen.state in _MAYBE_SENT,
        root=None if kind is DeliveryKind.POST else await _root(connection, seen),
        first_tried_at=seen.first_tried_at or now,
    )


async def _root(connection: AsyncConnection, seen: Found) -> Posted | None:
    query = select(_rows.posted_channel, _rows.posted_message).where(
        _rows.event == seen.about,
        _rows.chat == seen.chat,
        _rows.channel == seen.channel,
        _rows.kind == DeliveryKind.POST,
        _rows.state == DeliveryState.DELIVERED,
    )
    row = (await connection.execute(query)).first()
    return None if row is None else Posted(row.posted_channel, row.posted_message)


def mark_delivered(delivery: str, where: Posted, now: datetime) -> Update:
    # Also when the claim ran out meanwhile: the message stands, whoever recorded what since.
    return (
        update(tables.deliveries)
        .where(_rows.id == delivery, _rows.state != DeliveryState.DELIVERED)
        .values(
            state=DeliveryState.DELIVERED,
            claimable_at=None,
            claimed_by=None,
            trouble=None,
            delivered_at=now,
            posted_channel=where.channel,
            posted_message=where.message,
        )
    )


def mark_superseded(delivery: str, reason: str) -> Update:
    return (
        update(tables.deliveries)
        .where(_rows.id == delivery, _rows.state != DeliveryState.DELIVERED)
        .values(state=DeliveryState.SUPERSEDED, claimable_at=None, claimed_by=None, trouble=reason)
    )


def mark_waiting(
    delivery: str, state: DeliveryState, not_before: datetime, reason: str, attempt: int | None
) -> Update:
    mark = (
        update(tables.deliveries)
        .where(_rows.id == delivery, _rows.claimable_at.is_not(None))
        .values(state=state, claimable_at=not_before, claimed_by=None, trouble=reason)
    )
    return mark if attempt is None else mark.where(_rows.attempts == attempt)


async def waited_for(connection: AsyncConnection) -> set[str]:
    """The events that something waits to be sent of, or about."""
    rows = await connection.execute(select(_rows.event, _rows.about).where(_rows.claimable_at.is_not(None)))
    return {key for row in rows for key in row if key is not None}


async def read_queues(connection: AsyncConnection) -> list[Queue]:
    line = (
        _heads()
        .add_columns(func.count().label("waiting"), func.min(_rows.created_at).label("oldest"))
        .subquery()
    )
    query = (
        select(_rows.chat, _rows.channel, _rows.trouble, line.c.waiting, line.c.oldest)
        .join(line, line.c.sequence == _rows.sequence)
        .order_by(_rows.chat, _rows.channel)
    )
    return [
        Queue(chat=row.chat, channel=row.channel, waiting=row.waiting, oldest=row.oldest, trouble=row.trouble)
        for row in await connection.execute(query)
    ]
