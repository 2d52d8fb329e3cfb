"""Statements for many rows, for both databases.

PostgreSQL gets an array for each column: a statement for each row would be parsed and planned each time, because
prepared statements do not work behind every pooler.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Dialect,
    Row,
    Select,
    Table,
    Text,
    TypeDecorator,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

Rows = Sequence[Mapping[str, Any]]
"""All have the same columns, which the table has; else ValueError or KeyError, and nothing is written."""
StoredRows = Sequence[tuple[Any, ...]]
"""The values of a table's columns (of all, if none are named), in its order, in the form in which they are stored."""
Insert: TypeAlias = "sqlite.Insert | postgresql.Insert"


def dialect_insert(connection: Connection, table: Table) -> Insert:
    return _insert(connection.dialect.name, table)


def upsert(connection: Connection, table: Table, rows: Rows) -> None:
    """Inserts rows, or replaces those of the same primary key. Raises ValueError if two rows have the same."""
    if rows:
        names = _names(table, rows)
        upsert_stored(connection, table, _stored(connection, table, names, rows), names)


def upsert_stored(
    connection: Connection, table: Table, rows: StoredRows, names: tuple[str, ...] = ()
) -> None:
    """Like `upsert`."""
    names = names or tuple(table.c.keys())
    key = itemgetter(*(names.index(column.name) for column in table.primary_key))
    # SQLite would keep the last one.
    if len({*map(key, rows)}) != len(rows):
        raise ValueError(f"rows for {table.name} have the same primary key")
    _execute(connection, _upsert, table, names, rows)


def insert_new(connection: Connection, table: Table, rows: Rows) -> None:
    """Inserts the rows whose key is not stored yet."""
    if rows:
        names = _names(table, rows)
        _execute(connection, _insert_new, table, names, _stored(connection, table, names, rows))


def insert_new_stored(connection: Connection, table: Table, rows: StoredRows) -> None:
    """Like `insert_new`."""
    _execute(connection, _insert_new, table, tuple(table.c.keys()), rows)


def _stored_type(column: ColumnElement[Any]) -> TypeEngine[Any]:
    kind = column.type
    return kind.impl_instance if isinstance(kind, TypeDecorator) else kind


def _names(table: Table, rows: Rows) -> tuple[str, ...]:
    """The rows' columns in the table's order."""
    names = tuple(name for name in table.c.keys() if name in rows[0])  # noqa: SIM118 - a collection of columns
    if any(len(row) != len(names) for row in rows):
        given = ", ".join(sorted({*chain.from_iterable(rows)}))
        raise ValueError(f"{table.name} lacks one of these columns, or a row does: {given}")
    return names


def _stored(connection: Connection, table: Table, names: tuple[str, ...], rows: Rows) -> StoredRows:
    columns = []
    for name in names:
        values = [row[name] for row in rows]
        kind = table.c[name].type.dialect_impl(connection.dialect)
        if (convert := kind.bind_processor(connection.dialect)) is not None:
            values = [convert(value) for value in values]
        columns.append(values)
    return [*zip(*columns, strict=True)]


def _execute(
    connection: Connection,
    make: Callable[[str, Table, tuple[str, ...]], Insert],
    table: Table,
    names: tuple[str, ...],
    rows: StoredRows,
) -> None:
    if not rows:
        return
    insert = make(connection.dialect.name, table, names)
    if connection.dialect.name == "sqlite":
        # SQLAlchemy's own work on each value would take longer than SQLite's.
        connection.exec_driver_sql(_text(insert, names), [*rows])
    else:
        columns = zip(*rows, strict=True)
        connection.execute(insert, dict(zip(names, map(list, columns), strict=True)))


@cache
def _text(insert: Insert, names: tuple[str, ...]) -> str:
    return str(insert.compile(dialect=sqlite.dialect(), column_keys=names))


@cache  # made once each: to make one takes longer than to run it
def _upsert(dialect: str, table: Table, names: tuple[str, ...]) -> Insert:
    insert = _insert(dialect, table, names)
    changed = {column.name: insert.excluded[column.name] for column in table.c if not column.primary_key}
    return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)


@cache
def _insert_new(dialect: str, table: Table, names: tuple[str, ...]) -> Insert:
    return _insert(dialect, table, names).on_conflict_do_nothing()


def _insert(dialect: str, table: Table, names: tuple[str, ...] = ()) -> Insert:
    """With `names`, of these columns' arrays on PostgreSQL."""
    if dialect == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - only who uses it pays for it

    insert = postgresql.insert(table)
    if not names:
        return insert
    arrays = [bindparam(name, type_=ARRAY(_stored_type(table.c[name]))) for name in names]
    rows = func.unnest(*arrays).table_valued(*names).render_derived()
    return insert.from_select(names, select(*(rows.c[name] for name in names)))


class _Wanted(TypeDecorator[Any]):
    """Many values as one parameter: an array on PostgreSQL, JSON on SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: TypeEngine[Any]) -> None:
        super().__init__()
        self.kind = kind

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else ARRAY(self.kind))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return json.dumps(value) if dialect.name == "sqlite" else value


class _IsWanted(FunctionElement[Any]):
    # Without a type, because SQLAlchemy compares what is boolean with 1 on SQLite, which then uses no index.
    inherit_cache = True


@compiles(_IsWanted, "sqlite")
def _in_json(element: _IsWanted, compiler: SQLCompiler, **settings: Any) -> str:
    column, wanted = (compiler.process(each, **settings) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({wanted}))"  # noqa: S608 - two parts of a statement


@compiles(_IsWanted, "postgresql")
def _in_array(element: _IsWanted, compiler: SQLCompiler, **settings: Any) -> str:
    column, wanted = (compiler.process(each, **settings) for each in element.clauses)
    return f"{column} = ANY ({wanted})"


def is_wanted(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The condition of a statement that gets many `wanted` values, in one parameter, so that there may be any number.
    Such a statement is made once: to make one takes longer than to run it."""
    return _IsWanted(column, bindparam("wanted", type_=_Wanted(_stored_type(column))))


def select_in(
    connection: Connection, query: Select[Any], wanted: Iterable[Any], **parameters: Any
) -> list[Row[Any]]:
    """The rows of a query with `is_wanted`."""
    values = [*set(wanted)]
    return [*connection.execute(query, {**parameters, "wanted": values}).all()] if values else []
