"""The processes on this database, and what each does alone: workers and leases.

A worker is one running process. With every heartbeat it stores until when it counts as alive; after that time it is
dead, and everything that it held is free.

A lease is something that one worker does at a time, by name: Discord's gateway, or reading a seat. It ends when it is
given back or when its holder dies; nobody renews it.

A claim in another table uses the same rule. Keep the worker's name in a column, and let `is_gone` decide in the
claiming statement whether that worker is alive: or_(rows.claimable_at <= now, is_gone(rows.claimed_by, now,
unbelievable(now))). A worker must have stored a heartbeat before its first claim, or it counts as dead; in the bot,
`app/heartbeat.py` does that.

Clocks: `now` is the worker's own clock, and machines' clocks differ. A heartbeat comes every `BEAT_SECONDS` and is
valid for `ALIVE_SECONDS`, so clocks may differ by two seconds, and a heartbeat may be one second late, before a
living worker counts as dead. A dead one is noticed at most ten seconds after its last heartbeat: two for the clocks,
two until somebody looks. A worker that cannot store its heartbeat stops in time by its own clock.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, not_, or_, select

from meterbot.store import locks, source_states
from meterbot.store.statements import dialect_insert, is_wanted, select_in
from meterbot.store.tables import leases, workers
from meterbot.store.values import FOR_EVER, Claims, Worker

_SEAT = "seat:"
"""A worker that reads a seat holds a lease with this prefix and the seat's name. There may be hundreds."""
_LONG_DEAD = timedelta(hours=1)


At = datetime | ColumnElement[datetime]
"""An instant, or a parameter for one."""


def is_gone(holder: ColumnElement[str], now: At, unbelievable: At) -> ColumnElement[bool]:
    """Whether a column names a dead worker. `unbelievable` is what the function below returns for `now`."""
    alive = select(workers.c.name).where(_lives(now, unbelievable))
    return and_(holder.is_not(None), not_(holder.in_(alive)))


def unbelievable(now: datetime) -> datetime:
    """A worker that claims to live beyond this instant stored that before the clock was set back, or is alone here."""
    return now + _LONG_DEAD


def _lives(now: At, unbelievable: At) -> ColumnElement[bool]:
    until = workers.c.alive_until
    return and_(until > now, or_(until < unbelievable, until == FOR_EVER))


_NOW, _UNBELIEVABLE = (bindparam(name, type_=workers.c.alive_until.type) for name in ("now", "unbelievable"))
_HOLDERS = select(
    leases.c.name, leases.c.worker, is_gone(leases.c.worker, _NOW, _UNBELIEVABLE).label("gone")
).where(is_wanted(leases.c.name))
_MINE = (
    select(leases.c.name)
    .where(leases.c.worker == bindparam("worker"), is_wanted(leases.c.name))
    .order_by(leases.c.name)
    .with_for_update()
)
_GIVE_BACK = delete(leases).where(is_wanted(leases.c.name))


def beat(
    connection: Connection, worker: str, now: datetime, alive_until: datetime, wanted: Iterable[str] = ()
) -> set[str]:
    """Stores that a worker is alive, which also begins its life, and takes the free ones of the wanted leases.
    Returns those that it holds."""
    # First of all: another worker that considers this one dead decides before the heartbeat is visible, or not at
    # all.
    locks.leases(connection)
    insert = dialect_insert(connection, workers).values(name=worker, since=now, alive_until=alive_until)
    connection.execute(
        insert.on_conflict_do_update(index_elements=["name"], set_={"alive_until": alive_until})
    )
    return claim_leases(connection, worker, wanted, now)


def leave(connection: Connection, worker: str, now: datetime) -> None:
    """Ends a worker's life, and deletes workers that died long ago."""
    locks.leases(connection)
    connection.execute(delete(leases).where(leases.c.worker == worker))
    ended = or_(workers.c.name == worker, workers.c.alive_until < now - _LONG_DEAD)
    connection.execute(delete(workers).where(ended))


def leave_all(connection: Connection) -> None:
    """Ends every life; only for when certainly none is alive."""
    connection.execute(delete(leases))
    connection.execute(delete(workers))


def read(connection: Connection, now: datetime) -> list[Worker]:
    """The living workers, the oldest first, with their leases except those of seats."""
    query = (
        select(workers.c.name, workers.c.since, leases.c.name.label("lease"))
        .join_from(
            workers,
            leases,
            and_(leases.c.worker == workers.c.name, not_(leases.c.name.startswith(_SEAT))),
            isouter=True,
        )
        .where(workers.c.alive_until > now)
        .order_by(workers.c.since, workers.c.name, leases.c.name)
    )
    held: dict[tuple[str, datetime], list[str]] = {}
    for row in connection.execute(query):
        held.setdefault((row.name, row.since), []).extend([] if row.lease is None else [row.lease])
    return [Worker(name, since, tuple(names)) for (name, since), names in held.items()]


def claim_leases(connection: Connection, worker: str, wanted: Iterable[str], now: datetime) -> set[str]:
    """Takes the free ones of these leases; returns those that the worker holds then."""
    names = set(wanted)
    held = {
        row.name: row
        for row in select_in(connection, _HOLDERS, names, now=now, unbelievable=unbelievable(now))
        if row.worker != worker
    }
    dead = {name for name, row in held.items() if row.gone}
    if dead:
        # A worker that comes back to life stores its heartbeat under the same lock: either it is seen, or its leases
        # are gone when it looks.
        locks.leases(connection)
    # In order, so that two workers never wait for each other.
    rows = [{"name": name, "worker": worker} for name in sorted(names - held.keys() | dead)]
    if not rows:
        return set()
    insert = dialect_insert(connection, leases)
    mine = leases.c.worker == worker
    free = or_(mine, is_gone(leases.c.worker, now, unbelievable(now))) if dead else mine
    taking = insert.on_conflict_do_update(
        index_elements=["name"], set_={"worker": insert.excluded.worker}, where=free
    )
    return {*connection.scalars(taking.returning(leases.c.name), rows)}


def give_back(connection: Connection, worker: str, names: Iterable[str]) -> set[str]:
    """Frees these leases; returns those that the worker still held."""
    mine = {row.name for row in select_in(connection, _MINE, names, worker=worker)}
    if mine:
        connection.execute(_GIVE_BACK, {"wanted": [*mine]})
    return mine


def lease_of(seat: str) -> str:
    return _SEAT + seat


def claim_seats(
    connection: Connection, worker: str, seen: Mapping[str, datetime | None], now: datetime
) -> Claims:
    """Takes the seats that are still due at the known deadline and that nobody is reading."""
    names = claim_leases(connection, worker, map(lease_of, seen), now)
    taken = {name.removeprefix(_SEAT) for name in names}
    # A reading is stored together with its deadline and the end of its lease, so after taking the seat this is the
    # newest.
    states = source_states.read_sources(connection, seen)
    read_since = {seat for seat in taken if seen[seat] != (states[seat].next_due if seat in states else None)}
    if read_since:
        give_back(connection, worker, map(lease_of, read_since))
    return Claims(frozenset(taken - read_since), states)


def release_seats(connection: Connection, worker: str, seats: Iterable[str]) -> set[str]:
    """Gives seats back. Returns those that the worker still held: others may have been taken over meanwhile."""
    return {name.removeprefix(_SEAT) for name in give_back(connection, worker, map(lease_of, seats))}
