"""Seats that are being read: each by one worker, and not before its next deadline."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from meterbot.store import source_states, workers
from meterbot.store.values import Claims


def lease_of(seat: str) -> str:
    return workers.SEAT_PREFIX + seat


def claim(connection: Connection, worker: str, seen: Mapping[str, datetime | None], now: datetime) -> Claims:
    """Takes the seats that are still due at the known deadline and that nobody is reading."""
    taken = {
        name.removeprefix(workers.SEAT_PREFIX)
        for name in workers.claim_leases(connection, worker, map(lease_of, seen), now)
    }
    # A reading is stored together with its deadline and the end of its lease, so after taking the seat this is the
    # newest.
    states = source_states.read_sources(connection, seen)
    read_since = {seat for seat in taken if seen[seat] != (states[seat].next_due if seat in states else None)}
    if read_since:
        workers.give_back(connection, worker, map(lease_of, read_since))
    return Claims(frozenset(taken - read_since), states)


def release(connection: Connection, worker: str, seats: Iterable[str]) -> set[str]:
    """Gives seats back. Returns those that the worker still held: others may have been taken over meanwhile."""
    given = workers.give_back(connection, worker, map(lease_of, seats))
    return {name.removeprefix(workers.SEAT_PREFIX) for name in given}
