"""SQLite as SQLAlchemy reaches it through aiosqlite, with one visit to the connection's thread for a statement.

The usual way makes four of them, to open a cursor, to execute, to fetch and to close it, and each wakes a thread and
the event loop: for statements as short as ours that is most of what they cost. What begins a transaction goes along
with its first statement, and one that is over is not rolled back once more before the connection rests. SQLAlchemy and
aiosqlite are held to the versions whose insides are used here.
"""

import sqlite3
from collections import deque
from collections.abc import Callable
from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
    SQLiteDialect_aiosqlite,
)

DRIVER = "sqlite+onehop"


class _Ran:
    """What is left of a cursor that has run a statement, and is closed."""

    __slots__ = ("arraysize", "description", "lastrowid", "rowcount", "rows")

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self.description = cursor.description
        self.rows = cursor.fetchall() if self.description else []
        self.rowcount, self.lastrowid, self.arraysize = cursor.rowcount, cursor.lastrowid, cursor.arraysize
        cursor.close()


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    __slots__ = ()

    def _make_new_cursor(self, _connection: Any) -> Any:
        return None  # it is opened with the statement

    def _aenter_cursor(self, cursor: Any) -> Any:
        return cursor

    async def _execute_async(self, operation: Any, parameters: Any) -> Any:
        await self._run(lambda cursor: cursor.execute(operation, parameters or ()))

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> Any:
        await self._run(lambda cursor: cursor.executemany(operation, seq_of_parameters))

    async def _run(self, execute: Callable[[sqlite3.Cursor], sqlite3.Cursor]) -> None:
        connection: Any = self._connection
        adapted: Any = self._adapt_connection
        async with adapted._execute_mutex:
            first = adapted.take_first()

            def visit() -> _Ran:
                while first:
                    connection._conn.execute(first[0])
                    first.popleft()
                return _Ran(execute(connection._conn.cursor()))

            try:
                ran = await connection._execute(visit)
            except sqlite3.Error:
                adapted.begin_later(first)
                raise
        self._cursor = ran
        self._rows = deque(ran.rows)

    @property
    def description(self) -> Any:
        ran: Any = self._cursor
        return None if ran is None else ran.description

    async def _async_soft_close(self) -> None:
        """There is nothing left to close."""

    def close(self) -> None:
        self._rows.clear()


class _Connection(AsyncAdapt_aiosqlite_connection):
    __slots__ = ("_alone", "_first", "_to_end")
    _cursor_cls = _Cursor

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._first: deque[str] = deque()
        self._alone = self._to_end = False

    def begin(self, *statements: str) -> None:
        """Runs these before the next statement; without any, each from now on is a transaction of its own."""
        self._first, self._alone = deque(statements), not statements

    def take_first(self) -> deque[str]:
        """For a statement that is on its way: whatever becomes of it, and of who waits for it, there is something to
        end from now on."""
        first, self._first = self._first, deque()
        self._to_end |= not self._alone
        return first

    def begin_later(self, left: deque[str]) -> None:
        """What could not be begun is begun with the next statement: none runs outside its transaction."""
        self._first = left

    def commit(self) -> None:
        self._end(super().commit)

    def rollback(self) -> None:
        self._end(super().rollback)

    def _end(self, end: Callable[[], None]) -> None:
        if self._to_end:
            end()
        self._first.clear()
        self._alone = self._to_end = False


class _Driver(AsyncAdapt_aiosqlite_dbapi):
    def connect(self, *arg: Any, **kw: Any) -> _Connection:
        return _Connection(self, super().connect(*arg, **kw)._connection)


class Dialect(SQLiteDialect_aiosqlite):
    driver = "onehop"
    supports_statement_cache = True
    supports_server_side_cursors = False  # those have a way of their own to the thread

    @classmethod
    def import_dbapi(cls) -> _Driver:
        return _Driver(__import__("aiosqlite"), sqlite3)


registry.register("sqlite.onehop", __name__, "Dialect")
