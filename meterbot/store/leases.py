"""Seats that are being read: each by one worker, and not again before its deadline."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from meterbot.store import facts, locks, workers
from meterbot.store.values import Claims


def lease_of(seat: str) -> str:
    """Under which name a seat is taken."""
    return workers.SEAT_PREFIX + seat


def claim(connection: Connection, worker: str, seen: Mapping[str, datetime | None], now: datetime) -> Claims:
    """Takes the seats whose deadline is still the one that was seen, and that nobody is reading."""
    # A reading is stored, its deadline with it, under the lock that gives its seat back: behind it both are the latest.
    locks.leases(connection)
    states = facts.read_sources(connection, seen)
    unread = {
        seat for seat, due in seen.items() if due == (states[seat].next_due if seat in states else None)
    }
    taken = workers.take(connection, worker, map(lease_of, unread), now)
    return Claims(frozenset(name.removeprefix(workers.SEAT_PREFIX) for name in taken), states)


def release(connection: Connection, worker: str, seats: Iterable[str]) -> set[str]:
    """Gives seats back; returns the ones that the worker still had."""
    locks.leases(connection)
    given = workers.give_back(connection, worker, map(lease_of, seats))
    return {name.removeprefix(workers.SEAT_PREFIX) for name in given}
