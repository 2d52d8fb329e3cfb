"""Deleting what is stored of a seat."""

from sqlalchemy import Delete, Table, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from meterbot.store import Forgotten, pull_requests, tables
from meterbot.store.facts import ids
from meterbot.store.leases import lease_of
from meterbot.store.statements import select_in

_latest, _counters = tables.latest.c, tables.counters.c


async def forget(connection: AsyncConnection, seat: str) -> Forgotten:
    """Deletes a seat; history, states and deliveries follow counters and events by their foreign keys."""
    # Who is reading it just now finds it taken away, and does not bring it back.
    await connection.execute(delete(tables.leases).where(tables.leases.c.name == lease_of(seat)))
    own, shared = await _counters_of(connection, seat)
    events = list(await connection.scalars(select(tables.events.c.key).where(tables.events.c.seat == seat)))
    points = await _count(connection, tables.history, "counter", own)
    deliveries = await _count(connection, tables.deliveries, "event", events)
    others = [
        delete(tables.latest).where(_latest.seat == seat),
        delete(tables.sources).where(tables.sources.c.seat == seat),
        delete(tables.memories).where(tables.memories.c.name.in_((f"source:{seat}", f"settings:{seat}"))),
        delete(tables.notes).where(tables.notes.c.name == f"join:{seat}"),
    ]
    return Forgotten(
        others=sum([await _deleted(connection, statement) for statement in others]),
        counters=await _deleted(connection, delete(tables.counters).where(_counters.id.in_(sorted(own)))),
        points=points,
        events=await _deleted(connection, delete(tables.events).where(tables.events.c.seat == seat)),
        deliveries=deliveries,
        tokens=await _deleted(
            connection, delete(tables.push_tokens).where(tables.push_tokens.c.seat == seat)
        ),
        sessions=await _deleted(connection, delete(tables.sessions).where(tables.sessions.c.seat == seat)),
        pull_requests=await pull_requests.forget(connection, seat),
        shared=len(shared),
    )


async def _counters_of(connection: AsyncConnection, seat: str) -> tuple[set[int], set[int]]:
    """The numbers of the counters that the seat alone reads or read, and of those that others read too."""
    named = select(_counters.id).where(_counters.account == f"seat:{seat}")
    shown = select(_latest.counter).where(_latest.seat == seat)
    told = await connection.scalars(select(tables.events.c.event).where(tables.events.c.seat == seat))
    once = await ids(connection, {event.counter for event in told if event.counter is not None})
    found = {*await connection.scalars(named), *await connection.scalars(shown), *once.values()}
    elsewhere = {*await connection.scalars(select(_latest.counter).where(_latest.seat != seat))}
    return found - elsewhere, found & elsewhere


async def _count(connection: AsyncConnection, table: Table, column: str, values: set[int] | list[str]) -> int:
    query = select(func.count().label("number")).select_from(table)
    return sum(row.number for row in await select_in(connection, query, table.c[column], values))


async def _deleted(connection: AsyncConnection, statement: Delete) -> int:
    return (await connection.execute(statement)).rowcount
