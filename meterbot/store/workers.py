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
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, delete, not_, or_, select

from meterbot.store import locks
from meterbot.store.statements import dialect_insert, select_in
from meterbot.store.tables import leases, workers
from meterbot.store.values import FOR_EVER, Worker

SEAT_PREFIX = "seat:"
"""Of the lease of a seat that is being read, of which there may be hundreds."""
_LONG_DEAD = timedelta(hours=1)


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


def beat(
    connection: Connection, worker: str, now: datetime, alive_until: datetime, wanted: Iterable[str] = ()
) -> set[str]:
    """Says that a worker is alive, which is how it begins, too, and takes those of the wanted leases that are free.
    Returns which of them it holds."""
    # First of all: who takes this worker for dead does so before the beat is seen, or not at all.
    locks.leases(connection)
    insert = dialect_insert(connection, workers).values(name=worker, since=now, alive_until=alive_until)
    connection.execute(
        insert.on_conflict_do_update(index_elements=["name"], set_={"alive_until": alive_until})
    )
    return take(connection, worker, wanted, now)


def leave(connection: Connection, worker: str, now: datetime) -> None:
    """Ends a worker's life, and sweeps out the long dead."""
    locks.leases(connection)
    connection.execute(delete(leases).where(leases.c.worker == worker))
    ended = or_(workers.c.name == worker, workers.c.alive_until < now - _LONG_DEAD)
    connection.execute(delete(workers).where(ended))


def leave_all(connection: Connection) -> None:
    """Ends every life, where somebody knows that there is none any more."""
    connection.execute(delete(leases))
    connection.execute(delete(workers))


def read(connection: Connection, now: datetime) -> list[Worker]:
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
    for row in connection.execute(query):
        held.setdefault((row.name, row.since), []).extend([] if row.lease is None else [row.lease])
    return [Worker(name, since, tuple(names)) for (name, since), names in held.items()]


def take(connection: Connection, worker: str, wanted: Iterable[str], now: datetime) -> set[str]:
    """Takes what is free of these leases; returns which of them the worker holds then."""
    names = set(wanted)
    if not names:
        return set()
    held = {
        row.name: row
        for row in select_in(connection, _holders(now), leases.c.name, names)
        if row.worker != worker
    }
    dead = {name for name, row in held.items() if row.gone}
    if dead:
        # A worker that comes back to life beats under the same lock: it is seen, or its leases are gone when it looks.
        locks.leases(connection)
    free = names - held.keys() | dead
    return _take(connection, worker, free, now, from_dead=bool(dead)) if free else set()


def _holders(now: datetime) -> Select[Any]:
    return select(
        leases.c.name, leases.c.worker, is_gone(leases.c.worker, now, unbelievable(now)).label("gone")
    )


def _take(
    connection: Connection, worker: str, names: Iterable[str], now: datetime, *, from_dead: bool
) -> set[str]:
    insert = dialect_insert(connection, leases)
    mine = leases.c.worker == worker
    free = or_(mine, is_gone(leases.c.worker, now, unbelievable(now))) if from_dead else mine
    taking = insert.on_conflict_do_update(
        index_elements=["name"], set_={"worker": insert.excluded.worker}, where=free
    )
    # In order, so that two workers that take several never wait for each other in a circle.
    rows = [{"name": name, "worker": worker} for name in sorted(names)]
    return {*connection.scalars(taking.returning(leases.c.name), rows)}


def give_back(connection: Connection, worker: str, names: Iterable[str]) -> set[str]:
    """Frees these leases; returns the ones that the worker still held."""
    query = select(leases.c.name).where(leases.c.worker == worker).order_by(leases.c.name).with_for_update()
    mine = {row.name for row in select_in(connection, query, leases.c.name, names)}
    if mine:
        rows = [{"given": name} for name in sorted(mine)]
        connection.execute(delete(leases).where(leases.c.name == bindparam("given")), rows)
    return mine
