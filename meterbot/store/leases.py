"""Seats that are being read: each by one worker, and not again before its deadline."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from meterbot.store import Claims, facts, workers


def lease_of(seat: str) -> str:
    """Under which name a seat is taken."""
    return workers.SEAT_PREFIX + seat


async def claim(
    connection: AsyncConnection, worker: str, seen: Mapping[str, datetime | None], now: datetime
) -> Claims:
    """Takes the seats whose deadline is still the one that was seen, and that nobody is reading."""
    # A reading is stored, its deadline with it, under the lock that gives its seat back: behind it both are the latest.
    await workers.lock(connection)
    states = await facts.read_sources(connection, seen)
    unread = {
        seat for seat, due in seen.items() if due == (states[seat].next_due if seat in states else None)
    }
    taken = await workers.take(connection, worker, map(lease_of, unread), now)
    return Claims(frozenset(name.removeprefix(workers.SEAT_PREFIX) for name in taken), states)


async def release(connection: AsyncConnection, worker: str, seats: Iterable[str]) -> set[str]:
    """Gives seats back; returns the ones that the worker still had."""
    await workers.lock(connection)
    given = await workers.give_back(connection, worker, map(lease_of, seats))
    return {name.removeprefix(workers.SEAT_PREFIX) for name in given}
