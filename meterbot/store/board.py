"""What `latest` and `sources` say, in the memory of a process that alone writes it: no answer reads all of it anew.

A command that runs beside the bot may only take away; it leaves a mark, and what is here is read again.
"""

from dataclasses import dataclass, field
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from meterbot.core.models import Counter, SourceState
from meterbot.store import Batch, Latest, facts, tables
from meterbot.store.statements import upsert

_MARK = "taken_away"

Key = tuple[str, Counter]


@dataclass(slots=True)
class Board:
    """As the database has it. `mark` is the one that was there when it was read; `ids` are the numbers of counters, as
    far as they were asked for."""

    mark: str | None
    rows: dict[Key, Latest]
    sources: dict[str, SourceState]
    ids: dict[Counter, int] = field(default_factory=dict)
    _sorted: list[Key] | None = field(default=None, repr=False)

    def take(self, batch: Batch) -> None:
        """What a batch has changed that is committed now. What it took away has left a mark."""
        for one in batch.latest:
            key = one.seat, one.counter
            if key not in self.rows:
                self._sorted = None
            self.rows[key] = facts.without_email(one)
        self.sources.update((state.seat, state) for state in batch.sources)

    def latest(self) -> list[Latest]:
        """In the order of the database."""
        if self._sorted is None:
            self._sorted = sorted(self.rows, key=lambda key: (key[0], key[1].account, key[1].org))
        return [self.rows[key] for key in self._sorted]


async def read(connection: AsyncConnection) -> Board:
    mark = await read_mark(connection)
    latest = await facts.read_latest(connection)
    return Board(mark, {(one.seat, one.counter): one for one in latest}, await facts.read_sources(connection))


async def read_mark(connection: AsyncConnection) -> str | None:
    return await connection.scalar(select(tables.notes.c.value).where(tables.notes.c.name == _MARK))


async def leave_mark(connection: AsyncConnection) -> None:
    """Says that something was taken away: whoever has it in memory has to read again."""
    await upsert(connection, tables.notes, [{"name": _MARK, "value": uuid4().hex}])
