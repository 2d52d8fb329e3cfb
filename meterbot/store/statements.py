"""Statements for many rows, in the words that both dialects have."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, bindparam
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

MOST_VALUES = 10_000
"""Values in one IN list: SQLite takes 32,766 parameters in a statement, PostgreSQL 32,767."""

Rows = Sequence[Mapping[str, Any]]


Insert: TypeAlias = "sqlite.Insert | postgresql.Insert"


def dialect_insert(connection: Connection, table: Table) -> Insert:
    return _insert(connection.dialect.name, table)


def upsert(connection: Connection, table: Table, rows: Rows) -> None:
    """Inserts rows, or replaces those of the same primary key."""
    if rows:
        connection.execute(_upsert(connection.dialect.name, table), rows)


def insert_new(connection: Connection, table: Table, rows: Rows) -> None:
    """Inserts the rows whose key is not stored yet."""
    if rows:
        connection.execute(_insert_new(connection.dialect.name, table), rows)


def _insert(dialect: str, table: Table) -> Insert:
    if dialect == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - only who uses it pays for it

    return postgresql.insert(table)


@cache  # made once each: to make one takes longer than to run it
def _upsert(dialect: str, table: Table) -> Insert:
    insert = _insert(dialect, table)
    changed = {column.name: insert.excluded[column.name] for column in table.c if not column.primary_key}
    return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)


@cache
def _insert_new(dialect: str, table: Table) -> Insert:
    return _insert(dialect, table).on_conflict_do_nothing()


def is_wanted(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """The condition of a query for `select_in`. Such a query is made once: to make one takes longer than to run it."""
    return column.in_(bindparam("wanted", expanding=True, type_=column.type))


def select_in(
    connection: Connection, query: Select[Any], wanted: Iterable[Any], **parameters: Any
) -> list[Row[Any]]:
    """The rows of a query with `is_wanted`, in parts: a statement takes a limited number of values."""
    rows: list[Row[Any]] = []
    for part in _parts(sorted(set(wanted))):
        rows += connection.execute(query, {**parameters, "wanted": part})
    return rows


def _parts(values: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(values), MOST_VALUES):
        yield values[start : start + MOST_VALUES]
