"""The database for the bot's event loop: functions over a connection, run on threads."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from io import TextIOWrapper
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from meterbot.core.log import get_logger
from meterbot.store.engine import READERS, for_writing
from meterbot.store.errors import ClosedError, StoreTimeoutError

WRITE_SECONDS = 60.0
"""Seconds that a caller waits for its transaction. SQLite itself gives up earlier if another program locks the file."""
_CLOSE_SECONDS = 12.0
"""Longer than SQLite waits for a lock."""

T = TypeVar("T")
log = get_logger(__name__)


class DatabaseThreads:
    """`count` threads that share one queue. They are daemons, so one that hangs on a dead disk or server does not
    keep the process from ending."""

    def __init__(self, name: str, count: int = 1) -> None:
        self._queue: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._closed = False
        self._threads = [
            Thread(target=self._work, name=f"{name} {number}", daemon=True) for number in range(1, count + 1)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """The future can be cancelled until a thread begins with it. Raises `ClosedError` after `close`."""
        if self._closed:
            raise ClosedError("the database is closed")
        future: Future[T] = Future()
        self._queue.put((future, work))
        return future

    def close(self) -> None:
        """Accepted work is still done."""
        if not self._closed:
            self._closed = True
            for _ in self._threads:
                self._queue.put(None)

    def join(self, seconds: float) -> bool:
        """Waits for the threads to end, after `close`. False if one still hangs."""
        end = monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            future, work = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - the caller gets it, whatever it is
                future.set_exception(error)
            else:
                future.set_result(result)
            del job, future, work


class _AbandonedError(Exception):
    """Nobody waits for this transaction any more, so it is rolled back."""


class Store:
    """An open database. `hold` keeps other bots off a SQLite file."""

    def __init__(self, engine: Engine, hold: TextIOWrapper | None = None) -> None:
        self.engine = engine
        self._hold = hold
        self._file = _file_of(engine)
        self._writer, self._durable_writer = for_writing(engine), for_writing(engine, durable=True)
        self._write_thread = DatabaseThreads("database writer")
        # SQLite has one writer at a time, however many threads ask.
        shared = engine.dialect.name == "sqlite"
        self._urgent_thread = self._write_thread if shared else DatabaseThreads("database heartbeat")
        self._read_threads = DatabaseThreads("database reader", READERS)

    def is_replaced(self) -> bool:
        """Whether another file is now at the SQLite database's path, so that what is written is lost."""
        return self._file != _file_of(self.engine)

    @property
    def sole(self) -> bool:
        """No other bot can use this database while it is open."""
        return self._hold is not None

    async def run(self, work: Callable[[Connection], T], *, durable: bool = False, urgent: bool = False) -> T:
        """Runs `work` as one write transaction: committed when it returns, rolled back when it raises.

        Transactions of one process run one after the other. A caller that is cancelled, or gives up after
        `WRITE_SECONDS`, leaves no change behind, unless the commit has already begun. `durable`: the change survives
        a power cut once this returns. `urgent`: on PostgreSQL it does not wait for the other transactions of this
        process. Raises `StoreTimeoutError` and the database's errors.
        """
        abandoned = Event()
        engine = self._durable_writer if durable else self._writer
        thread = self._urgent_thread if urgent else self._write_thread

        def transact() -> T:
            with engine.begin() as connection:
                result = work(connection)
                if abandoned.is_set():
                    raise _AbandonedError
                return result

        try:
            async with asyncio.timeout(WRITE_SECONDS) as deadline:
                return await asyncio.wrap_future(thread.submit(transact))
        except asyncio.CancelledError:
            abandoned.set()
            raise
        except TimeoutError as error:
            if not deadline.expired():  # the work itself raised it
                raise
            abandoned.set()
            raise StoreTimeoutError("the database did not answer in time") from error

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Runs `work`, which only reads, in parallel with the writer."""

        def look() -> T:
            with self.engine.connect() as connection:
                return work(connection)

        return await asyncio.wrap_future(self._read_threads.submit(look))

    async def close(self) -> None:
        """Finishes accepted work; later calls raise `ClosedError`."""
        threads = (self._write_thread, self._urgent_thread, self._read_threads)
        for each in threads:
            each.close()
        if await asyncio.to_thread(lambda: all(each.join(_CLOSE_SECONDS) for each in threads)):
            self.engine.dispose()
            if self._hold is not None:
                self._hold.close()
        else:  # it may still write, so the lock on the file stays until the process ends
            log.error("the database hangs, and its current work is abandoned")


def _file_of(engine: Engine) -> tuple[int, int] | None:
    """Device and inode of a SQLite file; None where there is none."""
    if engine.dialect.name != "sqlite":
        return None
    try:
        found = Path(str(engine.url.database)).stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
