"""From a `database_url` to an engine: SQLite or PostgreSQL, whichever way the URL is spelled."""

import asyncio
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from meterbot.core.errors import StartError
from meterbot.store import one_hop

MOST_CONNECTIONS = 6
"""How many a process holds at once: a small hosted PostgreSQL has twenty, and a new release meets the old one there."""
_BUSY_MS = 10_000
"""How long a SQLite connection waits for another's write to end."""
_PATIENT_MS = 60_000
"""How long it waits for another's migrations to end: SQLite's queue is not fair, and some programs may start at once."""
_WAL_PAUSE_MS = 50
_POOL: dict[str, Any] = {"pool_size": MOST_CONNECTIONS - 2, "max_overflow": 2}


def parse_url(text: str) -> URL:
    """The URL with `sqlite` or `postgresql` as its scheme. Raises `StartError`, which never repeats the text: it may
    hold a password."""
    url = None
    with suppress(ArgumentError, ValueError):
        url = make_url(text)
    if url is None:  # told here, where no chained exception can carry the text along
        raise StartError("database_url cannot be read: write sqlite:///meterbot.db or postgresql://…")
    backend = url.get_backend_name()
    if backend in {"postgres", "postgresql"}:
        return _for_libpq(url.set(drivername="postgresql"))
    if backend != "sqlite":
        raise StartError(f"database_url: {backend} is not supported, only sqlite and postgresql are")
    if url.database in {None, "", ":memory:"}:
        raise StartError("database_url: SQLite needs a file, such as sqlite:///meterbot.db")
    return url.set(drivername="sqlite", query={})


def _for_libpq(url: URL) -> URL:
    # `ssl` is SQLAlchemy's word for what every PostgreSQL tool, and Heroku, call `sslmode`.
    query = {"sslmode" if key == "ssl" else key: value for key, value in url.query.items()}
    return url.set(query=query)


def place_of(url: URL) -> str:
    """Where the database is, for a person: no user, no password, no options."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    host = url.host or url.query.get("host") or "localhost"
    return f"postgresql://{host}/{url.database or ''}"


def make_engine(url: URL) -> AsyncEngine:
    """An engine that names no parameter in its errors, and on SQLite says itself how a transaction begins."""
    if url.get_backend_name() == "postgresql":
        # asyncpg reads libpq's URLs whole, with sslmode and the rest; SQLAlchemy's own URL carries no secret then.
        dsn = url.render_as_string(hide_password=False)
        return create_async_engine(
            "postgresql+asyncpg://",
            connect_args={"dsn": dsn},
            pool_pre_ping=True,
            hide_parameters=True,
            **_POOL,
        )
    engine = create_async_engine(url.set(drivername=one_hop.DRIVER), hide_parameters=True, **_POOL)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver would begin only at the first write
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    driver: Any = connection.connection.dbapi_connection
    options = connection.get_execution_options()
    driver.begin(*options.get("sqlite_begin", _READ))


_READ = ("BEGIN",)
_WRITE = ("PRAGMA synchronous = NORMAL", "BEGIN IMMEDIATE")
_WRITE_DURABLY = ("PRAGMA synchronous = FULL", "BEGIN IMMEDIATE")


async def prepare(engine: AsyncEngine) -> None:
    """Puts a SQLite file in WAL mode, which it keeps. Raises `sqlite3.Error` where the file cannot be opened."""
    if engine.dialect.name == "sqlite":
        await asyncio.to_thread(_use_wal, str(engine.url.database))


def _use_wal(path: str) -> None:
    with suppress(OSError):  # which sqlite3 words better
        Path(path).touch(0o600)  # a file that is there keeps its mode
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        for left in reversed(range(_BUSY_MS // _WAL_PAUSE_MS)):
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                # The switch needs the file for itself and does not queue for it: programs that start together meet.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or left == 0:  # of several kinds
                    raise
                time.sleep(_WAL_PAUSE_MS / 1000)
            else:
                return


def for_writing(engine: AsyncEngine) -> AsyncEngine:
    """The write lock is taken at the start: what is read in the transaction stays true until its end."""
    return engine.execution_options(sqlite_begin=_WRITE)


def for_migrating(engine: AsyncEngine) -> AsyncEngine:
    """As `for_writing`, and waits for whoever is migrating already."""
    patient, again = (f"PRAGMA busy_timeout = {ms}" for ms in (_PATIENT_MS, _BUSY_MS))
    return engine.execution_options(sqlite_begin=(patient, *_WRITE, again))


def for_durable_writing(engine: AsyncEngine) -> AsyncEngine:
    """As `for_writing`, and on the disk when it returns, power cut or not."""
    return engine.execution_options(sqlite_begin=_WRITE_DURABLY)


def for_one_statement(engine: AsyncEngine) -> AsyncEngine:
    """One that reads: it sees one state in any case, and SQLite needs no transaction around it."""
    return engine.execution_options(sqlite_begin=())


def failure_of(error: Exception) -> str:
    """What went wrong, in the database's words, where those cannot carry a piece of the URL."""
    if isinstance(error, sqlite3.Error):
        return str(error)
    if isinstance(error, DBAPIError):
        return str(error.orig).rpartition(">: ")[2] or type(error.orig).__name__
    if isinstance(error, OSError):
        return error.strerror or str(error) or "no answer"
    return type(error).__name__
