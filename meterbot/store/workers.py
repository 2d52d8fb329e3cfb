"""Who works on this database, and what each has taken for itself: workers and leases.

A worker is one running process. With every beat it says until when it is to be taken for alive; one that lets that
time pass is dead, and whatever it had taken is free. A lease is what one worker at a time has, by name: Discord's
gateway, or a seat while it is read. It ends when it is given back, or with its holder's life: nobody renews it.

A claim in a table of its own rests on the same. Keep the worker's name in a column, and let `is_gone` say in the
claiming statement whether that worker still lives:

    or_(rows.claimable_at <= now, is_gone(rows.claimed_by, now, unbelievable(now)))

Who claims so must have beaten before, or is taken for dead at once: in the bot, `presence.py` sees to it.

Clocks: `now` is the worker's own, and one machine's is not another's. A worker beats every `BEAT_SECONDS` and is alive
for `ALIVE_SECONDS` from then on, so that clocks may differ by two seconds, and a beat be late by one more, until
somebody alive is taken for dead; and a dead one is found out ten seconds after its last beat at the latest, two of
them for the clocks and two until somebody looks. Who cannot beat any more stops in time by its own clock.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, not_, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from meterbot.store import FOR_EVER, Worker
from meterbot.store.statements import dialect_insert
from meterbot.store.tables import leases, workers

SEAT_PREFIX = "seat:"
"""Of the lease of a seat that is being read, of which there may be hundreds."""
_LONG_DEAD = timedelta(hours=1)
_LEASE_LOCK = 0x6D657403


At = datetime | ColumnElement[datetime]
"""An instant, or where one is to be filled in."""


def is_gone(holder: ColumnElement[str], now: At, unbelievable: At) -> ColumnElement[bool]:
    """Whether a column names a worker, and a dead one. `unbelievable` is that of now."""
    alive = select(workers.c.name).where(_lives(now, unbelievable))
    return and_(holder.is_not(None), not_(holder.in_(alive)))


def unbelievable(now: datetime) -> datetime:
    """Who says to live beyond this said so before the clock was set back, or is alone here."""
    return now + _LONG_DEAD


def _lives(now: At, unbelievable: At) -> ColumnElement[bool]:
    until = workers.c.alive_until
    return and_(until > now, or_(until < unbelievable, until == FOR_EVER))


async def beat(connection: AsyncConnection, worker: str, now: datetime, alive_until: datetime) -> None:
    """Says that a worker is alive, which is how it begins, too."""
    insert = dialect_insert(connection, workers).values(name=worker, since=now, alive_until=alive_until)
    await connection.execute(
        insert.on_conflict_do_update(index_elements=["name"], set_={"alive_until": alive_until})
    )


async def leave(connection: AsyncConnection, worker: str, now: datetime) -> None:
    """Ends a worker's life, and sweeps out the long dead."""
    await lock(connection)
    await connection.execute(delete(leases).where(leases.c.worker == worker))
    ended = or_(workers.c.name == worker, workers.c.alive_until < now - _LONG_DEAD)
    await connection.execute(delete(workers).where(ended))


async def leave_all(connection: AsyncConnection) -> None:
    """Ends every life, where somebody knows that there is none any more."""
    await connection.execute(delete(leases))
    await connection.execute(delete(workers))


async def read(connection: AsyncConnection, now: datetime) -> list[Worker]:
    """Who is alive, the oldest first, and what each holds; the seats that it is reading are not told."""
    query = (
        select(workers.c.name, workers.c.since, leases.c.name.label("lease"))
        .join_from(
            workers,
            leases,
            and_(leases.c.worker == workers.c.name, not_(leases.c.name.startswith(SEAT_PREFIX))),
            isouter=True,
        )
        .where(workers.c.alive_until > now)
        .order_by(workers.c.since, workers.c.name, leases.c.name)
    )
    held: dict[tuple[str, datetime], list[str]] = {}
    for row in await connection.execute(query):
        held.setdefault((row.name, row.since), []).extend([] if row.lease is None else [row.lease])
    return [Worker(name, since, tuple(names)) for (name, since), names in held.items()]


async def lock(connection: AsyncConnection) -> None:
    """Lets one transaction at a time change leases until it ends: else two that change several wait for each other.

    On SQLite the write lock says so already. Who takes other locks, too, takes this one last.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LEASE_LOCK})


async def take(connection: AsyncConnection, worker: str, names: Iterable[str], now: datetime) -> set[str]:
    """Takes what is free of these leases; returns which of them the worker holds then. Needs `lock`."""
    rows = [{"name": name, "worker": worker} for name in set(names)]
    if not rows:
        return set()
    insert = dialect_insert(connection, leases)
    free = or_(leases.c.worker == worker, is_gone(leases.c.worker, now, unbelievable(now)))
    taking = insert.on_conflict_do_update(
        index_elements=["name"], set_={"worker": insert.excluded.worker}, where=free
    )
    return {*await connection.scalars(taking.returning(leases.c.name), rows)}


async def give_back(connection: AsyncConnection, worker: str, names: Iterable[str]) -> set[str]:
    """Frees these leases; returns the ones that the worker still held. Needs `lock`."""
    mine = delete(leases).where(leases.c.worker == worker, leases.c.name.in_(list(names)))
    return {*await connection.scalars(mine.returning(leases.c.name))}
