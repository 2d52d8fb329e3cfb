"""Many rows in one statement, as they lie in their columns.

SQLAlchemy's way from a value to a column costs more than the column's own database does. What every reading writes takes
this way instead; the words are SQLite's or PostgreSQL's, the rows are tuples of plain numbers and texts.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Boolean, Integer, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from meterbot.store.tables import Instant

Rows = Sequence[tuple[Any, ...]]


async def read_in(
    connection: AsyncConnection, table: Table, columns: Sequence[str], column: str, values: Sequence[object]
) -> Rows:
    """These columns of the rows whose `column` is one of `values`."""
    query = _query(connection.dialect.name, table, tuple(columns), column)
    parameter = json.dumps(values) if connection.dialect.name == "sqlite" else list(values)
    return (await connection.exec_driver_sql(query, (parameter,))).all()


async def write(
    connection: AsyncConnection, table: Table, columns: Sequence[str], rows: Rows, *, replace: bool
) -> None:
    """Inserts the rows, of which no two have the same primary key; one of the same as a stored one replaces that, or is
    left out."""
    if not rows:
        return
    statement = _insert(connection.dialect.name, table, tuple(columns), replace)
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql(statement, list(rows))
    else:
        await connection.exec_driver_sql(statement, tuple(map(list, zip(*rows, strict=True))))


@cache
def _query(dialect: str, table: Table, columns: tuple[str, ...], column: str) -> str:
    among = "IN (SELECT value FROM json_each(?))"
    if dialect == "postgresql":
        among = f"= ANY ($1::{_array(table, column)})"
    return f"SELECT {', '.join(columns)} FROM {table.name} WHERE {column} {among}"  # noqa: S608 - our own names


@cache
def _insert(dialect: str, table: Table, columns: tuple[str, ...], replace: bool) -> str:  # noqa: FBT001 - for the cache
    named = ", ".join(columns)
    values = f"VALUES ({', '.join('?' * len(columns))})"
    if dialect == "postgresql":
        arrays = (f"${number}::{_array(table, column)}" for number, column in enumerate(columns, 1))
        values = f"SELECT * FROM unnest({', '.join(arrays)})"  # noqa: S608 - our own names
    keys = [column.name for column in table.primary_key]
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in keys)
    collision = f"({', '.join(keys)}) DO UPDATE SET {changed}" if replace else "DO NOTHING"
    return f"INSERT INTO {table.name} ({named}) {values} ON CONFLICT {collision}"


def _array(table: Table, column: str) -> str:
    kind = table.c[column].type
    if isinstance(kind, Boolean):
        return "boolean[]"
    return "bigint[]" if isinstance(kind, Integer | Instant) else "text[]"
