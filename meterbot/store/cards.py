"""What a post shows: the events told by it, what ended them, and what people did about them."""

from typing import Any

from sqlalchemy import Row, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from meterbot.deliveries import Card, DeliveryKind, Place, Purpose
from meterbot.store import acts, tables
from meterbot.store.statements import select_in

_rows, _events = tables.deliveries.c, tables.events.c


async def of(connection: AsyncConnection, ref: str) -> Card | None:
    """The card of a delivery's id; one that was told with others is on theirs."""
    row = (await connection.execute(select(tables.deliveries).where(_rows.id == ref))).first()
    if row is not None and row.told_in is not None:
        return await of(connection, row.told_in)
    return None if row is None or row.kind != DeliveryKind.POST else await read(connection, row)


async def of_event(connection: AsyncConnection, event: str, place: Place) -> Card | None:
    """The card of the post that tells an event at a place."""
    query = select(_rows.id).where(
        _rows.event == event,
        _rows.chat == place.chat,
        _rows.channel == place.channel,
        _rows.kind == DeliveryKind.POST,
    )
    ref = await connection.scalar(query.order_by(_rows.sequence.desc()).limit(1))
    return None if ref is None else await of(connection, ref)


async def read(connection: AsyncConnection, post: Row[Any]) -> Card:
    """The card of a delivery's row that is a post."""
    told_in = or_(_rows.id == post.id, _rows.told_in == post.id)
    opened = (await connection.scalars(select(_rows.event).where(told_in))).all()
    here = and_(_rows.chat == post.chat, _rows.channel == post.channel)
    told = and_(_rows.purpose == Purpose.TELL, _rows.kind != DeliveryKind.EDIT)
    query = (
        select(_rows.sequence, _events.key, _events.event, _events.ended_by)
        .join_from(tables.deliveries, tables.events, _events.key == _rows.event)
        .where(here, told, or_(told_in, _rows.about.in_(opened)))
        .order_by(_rows.sequence)
    )
    rows = {row.key: row for row in await connection.execute(query)}
    ends = {row.ended_by: row.key for row in rows.values() if row.ended_by is not None}
    ending = await select_in(connection, select(_events.key, _events.event), _events.key, ends)
    return Card(
        ref=post.id,
        events=tuple(row.event for row in rows.values() if post.heading or row.event.resolves is None),
        endings={ends[row.key]: row.event for row in ending},
        acts=tuple(await acts.about(connection, rows)),
        heading=post.heading,
    )
