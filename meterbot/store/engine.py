"""Makes an engine for SQLite or PostgreSQL from a database's URL."""

import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from meterbot.store.errors import READ_ONLY, failure_of

READERS = 2
"""Several threads read, so that one long answer does not delay another."""
MOST_CONNECTIONS = READERS + 2
"""Connections of one process: a small hosted PostgreSQL allows twenty, and an old and a new release may overlap."""
_BUSY_MS = 10_000
"""Milliseconds that a SQLite connection waits for another's write."""
_PATIENT_MS = 60_000
"""Milliseconds that it waits for another's migrations: SQLite's queue is not fair, and several programs may start at
once."""
_WAL_PAUSE_MS = 50
_POOL: dict[str, Any] = {"pool_size": MOST_CONNECTIONS, "max_overflow": 0}
_PATIENCE: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""Seconds, to notice a server that disappeared."""


def make_engine(url: URL) -> Engine:
    """An engine whose errors contain no parameters, and which begins SQLite's transactions itself."""
    if url.get_backend_name() == "postgresql":
        return _postgresql_engine(url)
    engine = create_engine(url, hide_parameters=True, **_POOL)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgresql_engine(url: URL) -> Engine:
    import psycopg  # noqa: PLC0415 - only who uses it pays for it
    from psycopg.types.array import ListBinaryDumper  # noqa: PLC0415 - the same

    options = {**_PATIENCE, **url.translate_connect_args(username="user", database="dbname"), **url.query}

    def connect() -> Any:
        # A pooler in transaction mode may run each transaction on another connection, so nothing is prepared.
        connection = psycopg.connect(prepare_threshold=None, **options)
        # Arrays as text would take ten times as long: every quotation mark of a JSON text is escaped by itself.
        connection.adapters.register_dumper(list, ListBinaryDumper)
        return connection

    engine = create_engine(
        "postgresql+psycopg://", creator=connect, pool_pre_ping=True, hide_parameters=True, **_POOL
    )
    event.listen(engine, "handle_error", _end_read_only)
    event.listen(engine, "handle_error", _hide_details)
    return engine


def _end_read_only(context: ExceptionContext) -> None:
    """A provider whose disk is full sets a read-only default that a connection reads when it opens; only a new
    connection sees that there is room again."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True


def _hide_details(context: ExceptionContext) -> BaseException | None:
    """PostgreSQL's DETAIL contains the row that it refuses."""
    failed, original = context.sqlalchemy_exception, context.original_exception
    if not isinstance(failed, DBAPIError) or not str(original).strip().count("\n"):
        return None
    original.args = (failure_of(original), *original.args[1:])
    return type(failed)(
        failed.statement,
        failed.params,
        original,
        hide_parameters=True,
        connection_invalidated=context.is_disconnect,
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver would begin only at the first write
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    for statement in connection.get_execution_options().get("sqlite_begin", ("BEGIN",)):
        connection.exec_driver_sql(statement)


def prepare(engine: Engine) -> None:
    """Puts a SQLite file in WAL mode, which is permanent. Raises `sqlite3.Error` if the file cannot be opened."""
    if engine.dialect.name != "sqlite":
        return
    path = str(engine.url.database)
    with suppress(OSError):  # which sqlite3 words better
        Path(path).touch(0o600)  # a file that is there keeps its mode
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        for left in reversed(range(_BUSY_MS // _WAL_PAUSE_MS)):
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                # The switch needs the file for itself and does not wait for it, but several programs may start at
                # once.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or left == 0:  # of several kinds
                    raise
                time.sleep(_WAL_PAUSE_MS / 1000)
            else:
                return


def for_writing(engine: Engine, *, durable: bool = False) -> Engine:
    """Takes SQLite's write lock at the start, so what the transaction reads stays true until its end. `durable`: it is
    on the disk when it returns, even after a power cut."""
    synchronous = "FULL" if durable else "NORMAL"
    return engine.execution_options(sqlite_begin=(f"PRAGMA synchronous = {synchronous}", "BEGIN IMMEDIATE"))


def for_migrating(engine: Engine) -> Engine:
    """Like `for_writing`, but waits for another program's migration."""
    patient, again = (f"PRAGMA busy_timeout = {ms}" for ms in (_PATIENT_MS, _BUSY_MS))
    return engine.execution_options(sqlite_begin=(patient, "BEGIN IMMEDIATE", again))


def is_pooled(connection: Connection) -> bool:
    """Whether a connection pooler is in front of PostgreSQL: then another process answers than the one that was
    connected to."""
    if connection.dialect.name != "postgresql":
        return False
    driver: Any = connection.connection.driver_connection
    return bool(connection.scalar(text("SELECT pg_backend_pid()")) != driver.info.backend_pid)
