"""One database for one test after the other, with its connections and the statements that are compiled already: to make
them again for each takes longer than most tests."""

import asyncio
import shutil
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError

from meterbot.store import Store
from meterbot.store.engine import for_migrating, for_writing, make_engine
from meterbot.store.migrations import make
from meterbot.store.tables import metadata
from meterbot.store.url import parse_url

_TABLES = [table.name for table in reversed(metadata.sorted_tables)]
# To delete a few rows takes far less time than to truncate, which creates every file again.
_DELETIONS = [f"DELETE FROM {table}" for table in _TABLES]  # noqa: S608 - names of our own
_END_OTHERS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND NOT (state = 'idle' AND pid = ANY(:ours))"
)


class Shared(ABC):
    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = make_engine(parse_url(url))

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Store]:
        """For one test, which may close it; empty again at the end."""
        store = _lent(self._engine)
        try:
            yield store
        finally:
            await store.close()
            await asyncio.to_thread(self._empty)

    @abstractmethod
    def _empty(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


class SharedSqlite(Shared):
    def __init__(self, template: Path, path: Path) -> None:
        super().__init__(f"sqlite:///{path}")
        self._template, self._path = template, path
        self._start()

    def _empty(self) -> None:
        """Deletes every row. Where tables have changed, or the test left a lock behind, it begins with another file."""
        try:
            with for_writing(self._engine).begin() as connection:
                same = _schema_version(connection) == self._schema
                for deletion in _DELETIONS if same else ():
                    connection.exec_driver_sql(deletion)
        except OperationalError:
            same = False
        if not same:
            self.close()
            self._start()

    def close(self) -> None:
        self._engine.dispose()
        for file in self._path.parent.glob(f"{self._path.name}*"):
            file.unlink()

    def _start(self) -> None:
        shutil.copyfile(self._template, self._path)
        with self._engine.connect() as connection:
            self._schema = _schema_version(connection)


def _schema_version(connection: Connection) -> Any:
    return connection.exec_driver_sql("PRAGMA schema_version").scalar_one()


class SharedPostgres(Shared):
    def __init__(self, url: str) -> None:
        """The database is empty."""
        super().__init__(url)
        self._ours: list[int] = []
        event.listen(self._engine, "connect", lambda made, _: self._ours.append(made.info.backend_pid))
        self._make()

    def _empty(self) -> None:
        """Deletes every row, and ends the connections that the test made or left in the middle of something. Makes the
        tables again if one was missing."""
        # A terminated session may still be committing: the lock waits for it.
        lock = f"LOCK TABLE {', '.join(_TABLES)} IN ACCESS EXCLUSIVE MODE"
        count_from_1 = "SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'"
        try:
            with for_writing(self._engine).begin() as connection:
                connection.execute(_END_OTHERS, {"ours": self._ours})
                connection.exec_driver_sql("; ".join([lock, *_DELETIONS, count_from_1]))
        except DBAPIError:
            with self._engine.begin() as connection:
                connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            self._make()

    def close(self) -> None:
        self._engine.dispose()

    def _make(self) -> None:
        with for_migrating(self._engine).begin() as connection:
            make(connection)


def file_of(store: Store) -> Path:
    return Path(str(store.engine.url.database))


def _lent(engine: Engine) -> Store:
    # Listeners on this engine see only this test.
    lent = engine.execution_options()
    # The connections outlive the store.
    lent.dispose = lambda *_: None  # type: ignore[method-assign]  # its pool is the shared one
    return Store(lent)
