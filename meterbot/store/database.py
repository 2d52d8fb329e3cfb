"""Opens a database on SQLite or PostgreSQL and upgrades its schema."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, Table, inspect
from sqlalchemy.exc import SQLAlchemyError

from meterbot.core.errors import StartError
from meterbot.core.log import get_logger
from meterbot.core.models import Seat
from meterbot.store import backup, invited_seats, lock_file, locks, source_states, tables, workers
from meterbot.store.engine import for_migrating, for_writing, is_pooled, make_engine, prepare
from meterbot.store.errors import URL_NAMES, explained, start_error
from meterbot.store.migrations import (
    bring_up_to_date,
    found_schema,
    make,
    newest_schema,
    schemas,
    why_unknown,
)
from meterbot.store.store import DatabaseThreads, Store
from meterbot.store.url import parse_url, place_of, same_place
from meterbot.store.values import Glance

_SILENT_SECONDS = 2.0
"""After so many seconds the log says what the start waits for."""
_PEEK_SECONDS = 15.0
"""Longer than SQLite waits for another program's write."""

T = TypeVar("T")
log = get_logger(__name__)


async def open_store(url: str, *, as_worker: bool = False) -> Store:
    """Opens the database and upgrades its schema. Raises `StartError` without the URL's secrets. `as_worker`: for a
    bot, because a SQLite file takes only one."""
    return Store(*await _open(parse_url(url), as_worker=as_worker))


async def _open(url: URL, *, as_worker: bool) -> tuple[Engine, TextIOWrapper | None]:
    # Not on a thread: a caller that is cancelled would leave the lock behind. It waits for nobody.
    hold = lock_file.hold(url) if as_worker else None
    engine = make_engine(url)
    try:
        await _upgrade(engine, url)
        if hold is not None:
            with explained(place_of(url)):
                await _aside(lambda: _end_all_workers(engine))
    except BaseException:
        _close(engine, hold)
        raise
    return engine, hold


def _close(engine: Engine, hold: TextIOWrapper | None) -> None:
    engine.dispose()
    if hold is not None:
        hold.close()


async def _aside(work: Callable[[], T]) -> T:
    """Like `asyncio.to_thread`, but once the caller is cancelled, nothing waits for the thread, not even the end of the
    process: a silent server may hang it for long."""
    thread = DatabaseThreads("database opener")
    try:
        return await asyncio.wrap_future(thread.submit(work))
    finally:
        thread.close()


def _end_all_workers(engine: Engine) -> None:
    with for_writing(engine).begin() as connection:
        workers.leave_all(connection)


def database_explained(url: str) -> AbstractContextManager[None]:
    """Raises an outage in the block as `StartError`, with what to do."""
    return explained(place_of(parse_url(url)))


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    """The database, until the end of the block. Raises `StartError`, also for an outage in the block."""
    store = await open_store(url)
    try:
        with database_explained(url):
            yield store
    finally:
        await store.close()


async def upgrade(url: str) -> None:
    """Upgrades the database's schema; harmless if it is new already, and while others do the same."""
    store = await open_store(url)
    await store.close()


async def try_another(url: str, own: Iterable[str]) -> None:
    """Opens the database as a bot would, unless it is one of this bot's own, and closes it. Raises `StartError`."""
    parsed = parse_url(url)
    if not any(same_place(parsed, parse_url(each)) for each in own):
        _close(*await _open(parsed, as_worker=True))


async def is_there(url: str) -> bool:
    """Whether there is a database: a file; PostgreSQL is assumed to be there. Raises `StartError`."""
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite":
        return True
    return await asyncio.to_thread(Path(str(parsed.database)).exists)


async def peek_invited(url: str) -> list[Seat]:
    found = await peek(url, tables.invited_seats, invited_seats.read)
    return [each.seat for each in found or ()]


async def peek(url: str, table: Table, read: Callable[[Connection], T]) -> T | None:
    """What `read` finds in a table; None where there is no database or no such table. Changes nothing, and does not
    create the database. Raises `StartError` without the URL's secrets."""

    def look(connection: Connection) -> T | None:
        return read(connection) if inspect(connection).has_table(table.name) else None

    return await _look(url, look)


async def glance(url: str) -> Glance:
    """The schema and the sources. Raises `StartError` without the URL's secrets."""
    return await _look(url, _seen) or Glance(None, newest_schema(), there=False)


async def _look(url: str, look: Callable[[Connection], T]) -> T | None:
    if not await is_there(url):
        return None
    parsed = parse_url(url)
    engine = make_engine(parsed)

    def connect_and_look() -> T:
        with engine.connect() as connection:
            return look(connection)

    try:
        async with asyncio.timeout(_PEEK_SECONDS):
            return await asyncio.to_thread(connect_and_look)
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        failure = start_error(error, f"cannot read the database {place_of(parsed)}")
    finally:
        engine.dispose()
    raise failure


def _seen(connection: Connection) -> Glance:
    found = found_schema(connection)
    unknown = found is not None and found not in schemas()
    seen = Glance(found, newest_schema(), unknown=unknown, pooled=is_pooled(connection))
    return replace(seen, sources=source_states.read_sources(connection)) if found == seen.newest else seen


_START_IT = f"Start PostgreSQL, or correct {URL_NAMES}"


async def _upgrade(engine: Engine, url: URL) -> None:
    failure = None
    waiting = asyncio.get_running_loop().call_later(
        _SILENT_SECONDS,
        lambda: log.warning(
            "waiting for the database, which another program may hold", database=place_of(url)
        ),
    )
    try:
        await _aside(lambda: _migrate(engine, url))
    except (SQLAlchemyError, sqlite3.Error, OSError, ValueError) as error:
        step = "`meterbot check` says what to do" if url.get_backend_name() == "sqlite" else _START_IT
        failure = start_error(error, f"cannot open the database {place_of(url)}", step)
    finally:
        waiting.cancel()
    if failure is not None:
        raise failure  # A chained exception would contain the connection's options


def _migrate(engine: Engine, url: URL) -> None:
    prepare(engine)
    with for_migrating(engine).begin() as connection:
        locks.migration(connection)
        found, newest = found_schema(connection), newest_schema()
        if found is None:
            make(connection)
        elif found not in schemas():
            why = why_unknown(
                found,
                if_newer="install the newer version again",
                if_older=f"set another database in {URL_NAMES}",
            )
            raise StartError(f"the database has schema {found}, {why}")
        elif found != newest:
            copy = None
            if url.get_backend_name() == "sqlite":
                # This lock keeps others from writing, not from reading.
                copy = str(backup.before_migration(Path(str(url.database)), found, datetime.now(UTC)))
            log.info("bringing the database up to date", schema=found, to=newest, copy=copy)
            bring_up_to_date(connection)
