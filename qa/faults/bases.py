"""The databases of a campaign, a file for each schedule or one of a few on a real PostgreSQL, and their faults."""

import asyncio
import os
import shutil
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from meterbot.store import tables
from meterbot.store.database import upgrade
from meterbot.store.engine import for_writing, make_engine
from meterbot.store.url import parse_url
from qa.faults.stage import World
from qa.faults.weather import Fault

T = TypeVar("T")
_WAITING = "select count(*) from deliveries where claimable_at is not null"
_OTHERS = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


class Base(Protocol):
    """Where the bots of a schedule store their data."""

    @property
    def url(self) -> str: ...

    @property
    def crashes(self) -> int:
        """How often the server has crashed so far, by a fault of any schedule: those side by side share it."""
        ...

    async def waiting(self) -> int:
        """The number of deliveries that are not finished."""
        ...

    async def trouble(self, fault: Fault, world: World) -> None:
        """Applies a fault to the database."""
        ...

    async def run(self, work: Callable[[Connection], T], world: World) -> T:
        """Runs `work` as one write transaction, as soon as the database accepts one."""
        ...


@dataclass
class Sqlite:
    """A file of its own, copied from a migrated one."""

    path: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    @property
    def crashes(self) -> int:
        return 0

    async def waiting(self) -> int:
        with closing(sqlite3.connect(self.path, timeout=5)) as connection:
            return int(connection.execute(_WAITING).fetchone()[0])

    async def trouble(self, fault: Fault, world: World) -> None:
        if fault.kind == "locked":
            with closing(sqlite3.connect(self.path, timeout=0, isolation_level=None)) as connection:
                await _begin(connection)
                await asyncio.sleep(fault.number / 1000)
                connection.execute("ROLLBACK")
            return
        sizes = [each.stat().st_size for each in self.path.parent.iterdir() if each.is_file()]
        world.limit_files(max(sizes) + 8192)
        try:
            await world.sleep(fault.number)
        finally:
            world.limit_files(None)

    async def run(self, work: Callable[[Connection], T], world: World) -> T:
        return await _run(self.url, work, world)


async def _run(url: str, work: Callable[[Connection], T], world: World) -> T:
    def now() -> T:
        engine = for_writing(make_engine(parse_url(url)))
        try:
            with engine.begin() as connection:
                return work(connection)
        finally:
            engine.dispose()

    for _ in range(400):
        with suppress(OperationalError):
            return await asyncio.to_thread(now)
        await world.sleep(2)
    return await asyncio.to_thread(now)


async def _begin(connection: sqlite3.Connection) -> None:
    """Takes SQLite's write lock as soon as no bot has it. It does not wait inside SQLite, which would stop the
    director, for whom the bot with the lock may be waiting."""
    for left in reversed(range(500)):
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            if not left:
                raise
            await asyncio.sleep(0.01)
        else:
            return


@dataclass
class Postgres:
    """One of the databases of a server, emptied for each schedule."""

    url: str
    crash_log: Path
    """A file that gets a byte for each crash."""

    @property
    def crashes(self) -> int:
        return self.crash_log.stat().st_size if self.crash_log.exists() else 0

    async def empty(self) -> None:
        """Closes the connections that a killed bot may have left open, and deletes every row."""
        await _even_if_it_crashes(self._empty)

    async def _empty(self) -> None:
        names = ", ".join(table.name for table in tables.metadata.sorted_tables)
        await self._admit("true")
        async with self._connected() as connection:
            await connection.execute(f"select pg_terminate_backend(pid) {_OTHERS}")
            while await _number(connection, f"select count(*) {_OTHERS}"):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)
            await connection.execute(f"truncate {names}")
            await connection.execute("drop trigger if exists item_fault on latest")

    async def waiting(self) -> int:
        return await _even_if_it_crashes(self._waiting)

    async def _waiting(self) -> int:
        async with self._connected() as connection:
            return await _number(connection, _WAITING)

    async def trouble(self, fault: Fault, world: World) -> None:
        if fault.kind == "server crashed":
            # One process that dies takes all with it: the server starts again and recovers.
            async with self._connected("postgres") as connection:
                with self.crash_log.open("ab") as crash_log:
                    crash_log.write(b".")
                os.kill(connection.info.backend_pid, signal.SIGKILL)
            return
        if fault.kind == "database down":
            await self._admit("false")
        await _even_if_it_crashes(self._cut_connections)
        if fault.kind == "database down":
            await world.sleep(fault.number)
            await self._admit("true")

    async def _cut_connections(self) -> None:
        # From another database: nobody can close the one that they are connected to.
        async with self._connected("postgres") as connection:
            name = str(parse_url(self.url).database)
            await connection.execute(
                f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"  # noqa: S608 - our own name
            )

    async def run(self, work: Callable[[Connection], T], world: World) -> T:
        return await _run(self.url, work, world)

    async def _admit(self, anybody: str) -> None:
        async def alter() -> None:
            async with self._connected("postgres") as connection:
                name = parse_url(self.url).database
                await connection.execute(f"alter database {name} allow_connections {anybody}")

        await _even_if_it_crashes(alter)

    @asynccontextmanager
    async def _connected(self, database: str | None = None) -> AsyncIterator[Any]:
        other: dict[str, Any] = {} if database is None else {"dbname": database}
        for left in reversed(range(200)):
            try:
                connection = await psycopg.AsyncConnection.connect(self.url, autocommit=True, **other)
                break
            except psycopg.Error:  # it starts again
                if not left:
                    raise
                await asyncio.sleep(0.05)
        try:
            yield connection
        finally:
            await connection.close()


async def _number(connection: Any, query: str) -> int:
    row = await (await connection.execute(query)).fetchone()
    return int(row[0])


async def _even_if_it_crashes(work: Callable[[], Awaitable[T]]) -> T:
    """Repeats `work` if another schedule or another fault has crashed the server meanwhile."""
    for _ in range(10):
        with suppress(psycopg.Error):
            return await work()
    return await work()


async def make_databases(server: str, count: int) -> list[str]:
    """The URLs of `count` migrated databases."""
    url = parse_url(server)
    engine = make_engine(url).execution_options(isolation_level="AUTOCOMMIT")
    names = [f"meterbot_faults_{number}" for number in range(count)]
    urls = [url.set(database=name).render_as_string(hide_password=False) for name in names]
    with engine.connect() as connection:
        for number, name in enumerate(names):
            connection.execute(text(f"create database {name}"))
            await upgrade(urls[number])
    engine.dispose()
    return urls


def copy_of(template: Path, folder: Path) -> Sqlite:
    path = folder / "meterbot.db"
    shutil.copy(template, path)
    return Sqlite(path)
