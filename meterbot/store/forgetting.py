"""Deletes what is stored of a seat, and old events."""

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection, Delete, Table, delete, func, select

from meterbot.core.models import Counter, EventKind
from meterbot.rules.memory import balance_memory_name, seat_settings_name, source_memory_name
from meterbot.store import (
    alert_actions,
    deliveries,
    event_log,
    locks,
    notes,
    pull_requests,
    source_states,
    tables,
)
from meterbot.store.counter_states import ids
from meterbot.store.leases import lease_of
from meterbot.store.statements import is_wanted, select_in
from meterbot.store.values import Forgotten

_latest, _counters = tables.latest.c, tables.counters.c


def forget(connection: Connection, seat: str) -> Forgotten:
    """Deletes what is stored of a seat, waiting deliveries and history included; a counter that another seat reads
    stays. The result is false if nothing was stored.

    Foreign keys delete history, states and deliveries together with counters and events.
    """
    # A process that reads the seat at this moment loses its lease, and stores nothing.
    connection.execute(delete(tables.leases).where(tables.leases.c.name == lease_of(seat)))
    source_states.lock_sources(connection, [seat])
    own, shared = _counters_of(connection, seat)
    events = list(connection.scalars(select(tables.events.c.key).where(tables.events.c.seat == seat)))
    points = _count(connection, tables.history, "counter", own)
    deliveries = _count(connection, tables.deliveries, "event", events)
    organizations = set(connection.scalars(select(_counters.org).where(_counters.id.in_(sorted(own)))))
    memories = [source_memory_name(seat), seat_settings_name(seat)]
    others = [
        delete(tables.latest).where(_latest.seat == seat),
        delete(tables.sources).where(tables.sources.c.seat == seat),
        delete(tables.memories).where(tables.memories.c.name.in_(memories)),
        delete(tables.notes).where(tables.notes.c.name == notes.approval_of(seat)),
        delete(tables.join_codes).where(tables.join_codes.c.seat == seat),
        delete(tables.seat_agents).where(tables.seat_agents.c.seat == seat),
    ]
    invited = delete(tables.invited_seats).where(tables.invited_seats.c.name == seat)
    found = Forgotten(
        others=sum([_deleted(connection, statement) for statement in others]),
        counters=_deleted(connection, delete(tables.counters).where(_counters.id.in_(sorted(own)))),
        points=points,
        events=_deleted(connection, delete(tables.events).where(tables.events.c.seat == seat)),
        deliveries=deliveries,
        tokens=_deleted(connection, delete(tables.push_tokens).where(tables.push_tokens.c.seat == seat)),
        sessions=_deleted(connection, delete(tables.sessions).where(tables.sessions.c.seat == seat)),
        pull_requests=pull_requests.forget(connection, seat),
        shared=len(shared),
        invitations=_deleted(connection, invited),
    )
    # Counters are locked before balances.
    balances = _forget_unread_balances(connection, organizations)
    return replace(found, others=found.others + balances)


def forget_events(connection: Connection, event_keys: Iterable[str]) -> int:
    """Deletes these events and their deliveries, unless one still waits to be sent or a permanent mute needs the
    event. Returns how many."""
    kept = deliveries.waited_for(connection) | alert_actions.muted(connection)
    return event_log.delete_events(connection, set(event_keys) - kept)


def forget_claim(connection: Connection, counter: Counter, seats: Iterable[str]) -> bool:
    """Deletes the events of a counter that these seats only claimed, and their deliveries: the same alerts of the seat
    that it belongs to would have the same keys. Returns whether the organization's balance was reported among them;
    what is remembered of that goes, too."""
    query = select(tables.events.c.event).where(tables.events.c.seat.in_(sorted(seats)))
    claimed = [event for event in connection.scalars(query) if event.counter == counter]
    event_log.delete_events(connection, [event.key for event in claimed])
    balance = any(event.facts.get("shared") for event in claimed if event.kind is EventKind.BALANCE_LOW)
    if balance:
        _forget_balances(connection, {counter.org})
    return balance


def _counters_of(connection: Connection, seat: str) -> tuple[set[int], set[int]]:
    """The counters that only this seat reads or has read, and those that others read, too."""
    named = select(_counters.id).where(_counters.account == f"seat:{seat}")
    shown = select(_latest.counter).where(_latest.seat == seat)
    logged = connection.scalars(select(tables.events.c.event).where(tables.events.c.seat == seat))
    once = ids(connection, {event.counter for event in logged if event.counter is not None})
    found = {*connection.scalars(named), *connection.scalars(shown), *once.values()}
    elsewhere = {*connection.scalars(select(_latest.counter).where(_latest.seat != seat))}
    return found - elsewhere, found & elsewhere


def _forget_unread_balances(connection: Connection, organizations: set[str]) -> int:
    """Of those of these organizations of which no counter is stored any more. A reading that is stored at this moment
    may bring a new one, so this looks once it has the lock."""
    locks.names(connection, map(balance_memory_name, organizations))
    still = set(connection.scalars(select(_counters.org).where(_counters.org.in_(sorted(organizations)))))
    return _forget_balances(connection, organizations - still)


def _forget_balances(connection: Connection, organizations: set[str]) -> int:
    names = sorted(map(balance_memory_name, organizations))
    locks.names(connection, names)
    return _deleted(connection, delete(tables.memories).where(tables.memories.c.name.in_(names)))


def _count(connection: Connection, table: Table, column: str, values: set[int] | list[str]) -> int:
    query = select(func.count().label("number")).select_from(table).where(is_wanted(table.c[column]))
    return sum(row.number for row in select_in(connection, query, values))


def _deleted(connection: Connection, statement: Delete) -> int:
    return (connection.execute(statement)).rowcount
