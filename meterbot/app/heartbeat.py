"""The heartbeat of this process among the others on its database, and the leases that it holds.

A process that cannot write its heartbeat gives up its leases before another process takes them. A process that has the
database to itself writes no heartbeat and holds every lease from the start.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy

from meterbot.app.jobs import PeriodicJobs
from meterbot.chat import Connection
from meterbot.core.clock import Clock
from meterbot.core.json_values import json_of
from meterbot.core.lease import Lease
from meterbot.core.log import get_logger
from meterbot.store import (
    ALIVE_SECONDS,
    BEAT_SECONDS,
    CONNECTIONS,
    FOR_EVER,
    LAST_TICK,
    Store,
    notes,
    workers,
)

_ANSWER_SECONDS = 2.0
_GOODBYE_SECONDS = 2.0

log = get_logger(__name__)


class Heartbeat:
    """`worker` names this process among those that share the database."""

    def __init__(self, store: Store, worker: str, clock: Clock, leases: Sequence[Lease] = ()) -> None:
        self.worker = worker
        self._store = store
        self._clock = clock
        self._leases = leases
        self._alive = False
        self.when_lost: Callable[[], object] = lambda: None
        """Is called when another process may take over."""
        self._end: asyncio.TimerHandle | None = None
        self._jobs = PeriodicJobs()

    def alive(self) -> bool:
        """Whether no other process can consider this one dead."""
        return self._alive

    async def join(self) -> None:
        """Starts the heartbeat. Raises what the store raises."""
        await self.beat()
        if not self._store.sole:
            self._jobs.add(self.beat, BEAT_SECONDS)
            self._jobs.start(BEAT_SECONDS / 4)

    async def ticked(self, at: datetime, connections: Mapping[str, Connection]) -> None:
        """Stores, for `status` in any process, that this one works and how its chats are connected. Raises
        what the store raises."""

        def write(transaction: sqlalchemy.Connection) -> None:
            notes.write(transaction, LAST_TICK, at.isoformat())
            notes.write(transaction, CONNECTIONS, json_of(dict[str, Connection], connections))

        await self._store.run(write)

    async def leave(self) -> None:
        """Ends the heartbeat, so that others take over at once. Never raises."""
        await self._jobs.stop()
        self._lose()
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                now = self._clock.now()
                await self._store.run(lambda tx: self._sign_off(tx, now))
        except Exception:
            log.exception("could not sign off: others take over a few seconds later")

    def _sign_off(self, transaction: sqlalchemy.Connection, now: datetime) -> None:
        workers.leave(transaction, self.worker, now)
        if not workers.read(transaction, now):
            notes.write(transaction, CONNECTIONS, "{}")  # or `status` would show its chats as connected

    async def beat(self) -> None:
        """Stores one heartbeat. Raises what the store raises, or `TimeoutError`."""
        began, now = asyncio.get_running_loop().time(), self._clock.now()
        until = FOR_EVER if self._store.sole else now + timedelta(seconds=ALIVE_SECONDS)
        async with asyncio.timeout(None if self._store.sole else _ANSWER_SECONDS):
            wanted = [lease.name for lease in self._leases]
            held = await self._store.run(
                lambda tx: workers.beat(tx, self.worker, now, until, wanted), urgent=True
            )
        self._lives_from(began)
        for lease in self._leases:
            if lease.held != (lease.name in held) and not self._store.sole:
                log.info(
                    "it is this process's turn" if lease.name in held else "another process's turn",
                    lease=lease.name,
                )
            lease.turn(held=lease.name in held)

    def _lives_from(self, began: float) -> None:
        self._alive = True
        if self._end is not None:
            self._end.cancel()
        if not self._store.sole:
            self._end = asyncio.get_running_loop().call_at(began + ALIVE_SECONDS, self._lose)

    def _lose(self) -> None:
        self._alive = False
        if self._end is not None:
            self._end.cancel()
        for lease in self._leases:
            lease.turn(held=False)
        self.when_lost()
