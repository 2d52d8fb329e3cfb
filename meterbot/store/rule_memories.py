"""What the rules remember between two readings, by name, as JSON text."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, select

from meterbot.store import tables
from meterbot.store.statements import is_wanted, select_in, upsert

_MEMORIES = select(tables.memories).where(is_wanted(tables.memories.c.name))


def write_memories(connection: Connection, memories: Mapping[str, str]) -> None:
    rows = [{"name": name, "memory": memory} for name, memory in memories.items()]
    upsert(connection, tables.memories, rows)


def read_memories(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    rows = select_in(connection, _MEMORIES, names)
    return {row.name: row.memory for row in rows}
