"""Deletes what is stored of a seat, and old events."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select

from meterbot.core.models import Counter, EventKind
from meterbot.rules.memory import balance_memory_name, seat_settings_name, source_memory_name
from meterbot.store import (
    alert_actions,
    deliveries,
    event_log,
    locks,
    notes,
    pull_requests,
    push_tokens,
    source_states,
    tables,
)
from meterbot.store.counter_states import ids
from meterbot.store.statements import is_wanted, select_in
from meterbot.store.values import Forgotten
from meterbot.store.workers import lease_of

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
        _delete(connection, tables.latest, "seat", [seat]),
        _delete(connection, tables.sources, "seat", [seat]),
        _delete(connection, tables.memories, "name", memories),
        _delete(connection, tables.notes, "name", [notes.approval_of(seat)]),
    ]
    tokens, codes_and_agents = push_tokens.end_access(connection, seat)
    found = Forgotten(
        others=sum(others) + codes_and_agents,
        counters=_delete(connection, tables.counters, "id", own),
        points=points,
        events=_delete(connection, tables.events, "seat", [seat]),
        deliveries=deliveries,
        tokens=tokens,
        sessions=_delete(connection, tables.sessions, "seat", [seat]),
        pull_requests=pull_requests.forget(connection, seat),
        shared=len(shared),
        invitations=_delete(connection, tables.invited_seats, "name", [seat]),
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
    names = [*map(balance_memory_name, organizations)]
    locks.names(connection, names)
    return _delete(connection, tables.memories, "name", names)


def _count(connection: Connection, table: Table, column: str, values: set[int] | list[str]) -> int:
    query = select(func.count().label("number")).select_from(table).where(is_wanted(table.c[column]))
    return sum(row.number for row in select_in(connection, query, values))


def _delete(connection: Connection, table: Table, column: str, values: Iterable[Any]) -> int:
    return connection.execute(delete(table).where(table.c[column].in_(sorted(values)))).rowcount
