"""Time that passes only when everybody waits: one page of memory that the bots of a schedule and its director share.

A bot's event loop reads the time from the page. Before it sleeps it writes until when; once everything waits, the
director sets the page's time to the earliest of those instants. So an hour of waiting takes no time, no time-out
fires because the machine is busy, and the timers of all libraries keep their order.
"""

import asyncio
import math
import mmap
import os
import selectors
import signal
import socket
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple, Unpack

from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from meterbot.store.store import DatabaseThreads

EPOCH = datetime(2026, 4, 14, 10, tzinfo=UTC)
"""The time at which a schedule begins: in the middle of a month and of a day."""
NEVER = 2**62

_NOW, _WALL = 0, 1
_SEQUENCE, _ASLEEP, _DEADLINE, _BUSY, _POINTS, _KILL_AT, _COMMITS, _KILL_COMMIT = range(8)
_FIRST, _EACH, _SLOTS = 2, 8, 2
_SIZE = 8 * (_FIRST + _EACH * _SLOTS)


T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Page:
    """The shared numbers, all 64 bits wide. Instants are microseconds since `EPOCH`."""

    def __init__(self, path: Path, *, new: bool = False) -> None:
        if new:
            path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._numbers = memoryview(mmap.mmap(file.fileno(), _SIZE)).cast("q")

    @property
    def now(self) -> int:
        return self._numbers[_NOW]

    @now.setter
    def now(self, instant: int) -> None:
        self._numbers[_NOW] = instant

    @property
    def wall(self) -> datetime:
        """The clock of the bots' machine."""
        return EPOCH + timedelta(microseconds=self._numbers[_NOW] + self._numbers[_WALL])

    @property
    def true_time(self) -> datetime:
        """The clock of everybody else."""
        return EPOCH + timedelta(microseconds=self._numbers[_NOW])

    def move_wall(self, by: timedelta) -> None:
        """Sets the machine's clock ahead or back."""
        self._numbers[_WALL] += by // timedelta(microseconds=1)

    def right_wall(self) -> None:
        self._numbers[_WALL] = 0

    def slot(self, number: int) -> "Slot":
        return Slot(self._numbers, _FIRST + _EACH * number)


class Slot:
    """What one bot reports, and at which exact point it kills itself."""

    def __init__(self, numbers: "memoryview[int]", first: int) -> None:
        self._numbers = numbers
        self._first = first

    def clear(self, *, kill_at: int = 0, kill_commit: int = 0) -> None:
        """Prepares the slot for a new bot. `kill_at`: the number of the callback before which it dies. `kill_commit`:
        2n is right before the n-th commit, 2n + 1 right after it. 0 is never."""
        for place in range(_EACH):
            self._numbers[self._first + place] = 0
        self._numbers[self._first + _KILL_AT] = kill_at
        self._numbers[self._first + _KILL_COMMIT] = kill_commit

    def kill_after(self, points: int) -> None:
        """Kills the bot after this many callbacks from now."""
        self._numbers[self._first + _KILL_AT] = self._numbers[self._first + _POINTS] + points

    def kill_at_commit(self, half: int) -> None:
        """Kills the bot at a commit, counted from now: 2n is right before the n-th commit, 2n + 1 right after it."""
        self._numbers[self._first + _KILL_COMMIT] = 2 * self._numbers[self._first + _COMMITS] + half

    def spare(self) -> None:
        self._numbers[self._first + _KILL_AT] = self._numbers[self._first + _KILL_COMMIT] = 0

    @property
    def points(self) -> int:
        return self._numbers[self._first + _POINTS]

    @property
    def commits(self) -> int:
        return self._numbers[self._first + _COMMITS]

    @property
    def rest(self) -> tuple[int, int] | None:
        """(sequence, deadline) while the bot has nothing to do but wait for the time or for a message."""
        first = self._first
        if not self._numbers[first + _ASLEEP] or self._numbers[first + _BUSY]:
            return None
        return self._numbers[first + _SEQUENCE], self._numbers[first + _DEADLINE]

    # What the bot itself does.

    def sleep(self, deadline: int) -> bool:
        """Writes the time until which the bot sleeps. True if nothing else is going on."""
        self._numbers[self._first + _DEADLINE] = deadline
        self._numbers[self._first + _ASLEEP] = 1
        return not self._numbers[self._first + _BUSY]

    def wake(self) -> None:
        self._numbers[self._first + _ASLEEP] = 0
        self._numbers[self._first + _SEQUENCE] += 1

    def busy(self, change: int) -> None:
        """Notes that work which the event loop does not see, as in a database, begins or ends."""
        self._numbers[self._first + _BUSY] += change

    def pass_point(self) -> None:
        self._numbers[self._first + _POINTS] += 1
        if self._numbers[self._first + _POINTS] == self._numbers[self._first + _KILL_AT]:
            os.kill(os.getpid(), signal.SIGKILL)

    def pass_commit(self, *, done: bool) -> None:
        if not done:
            self._numbers[self._first + _COMMITS] += 1
        here = 2 * self._numbers[self._first + _COMMITS] + done
        if here == self._numbers[self._first + _KILL_COMMIT]:
            os.kill(os.getpid(), signal.SIGKILL)


class WallClock:
    """The bot's clock."""

    speed = 1.0

    def __init__(self, page: Page) -> None:
        self._page = page

    def now(self) -> datetime:
        return self._page.wall


class TrueClock:
    """The simulated platforms' clock."""

    speed = 1.0

    def __init__(self, page: Page) -> None:
        self._page = page

    def now(self) -> datetime:
        return self._page.true_time


class _Selector(selectors.EpollSelector):
    """Waits only for files: the director decides the time. The director hears of it when there is nothing else to
    do."""

    def __init__(self, page: Page, slot: Slot, director: socket.socket) -> None:
        super().__init__()
        self._page, self._slot, self._director = page, slot, director

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        deadline = NEVER if timeout is None else self._page.now + math.ceil(timeout * 1e6) + 1
        if self._slot.sleep(deadline):
            _tell(self._director)
        ready = super().select(None)
        self._slot.wake()
        return ready


class Loop(asyncio.SelectorEventLoop):
    """The bot's event loop; `director` is a socket to it."""

    def __init__(self, page: Page, slot: Slot, director: socket.socket) -> None:
        self._page, self._slot = page, slot
        super().__init__(_Selector(page, slot, director))
        director.setblocking(False)
        self.add_reader(director, _drain, director)

    def time(self) -> float:
        return self._page.now / 1e6

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        self._slot.busy(1)
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(lambda _: self._slot.busy(-1))
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        # In the schedule's time, the five minutes that asyncio.Runner allows are over at once.
        await super().shutdown_default_executor()


def _tell(director: socket.socket) -> None:
    try:
        director.send(b".")
    except (BlockingIOError, BrokenPipeError, ConnectionResetError):
        return  # it has enough to read, or is gone and we with it


def _drain(director: socket.socket) -> None:
    try:
        director.recv(4096)
    except BlockingIOError:
        return


def count_points(slot: Slot) -> None:
    """Makes every callback of the event loop (every `await` that continues) and every commit a point at which the
    process may die, and reports when the database works. For a process of its own, because it changes libraries."""
    run = asyncio.Handle._run

    def counted_run(handle: asyncio.Handle) -> None:
        slot.pass_point()
        run(handle)

    setattr(asyncio.Handle, "_run", counted_run)  # noqa: B010 - mypy lets nobody assign to a method

    for dialect in (SQLiteDialect_pysqlite, PGDialect_psycopg):
        setattr(dialect, "do_commit", _counted_commit(dialect.do_commit, slot))  # noqa: B010

    submit = DatabaseThreads.submit

    def counted_submit(threads: DatabaseThreads, work: Callable[[], T]) -> Future[T]:
        slot.busy(1)
        future: Future[T] = submit(threads, work)
        future.add_done_callback(lambda _: slot.busy(-1))
        return future

    setattr(DatabaseThreads, "submit", counted_submit)  # noqa: B010


def _counted_commit(commit: Callable[[Any, Any], None], slot: Slot) -> Callable[[Any, Any], None]:
    def counted(dialect: Any, connection: Any) -> None:
        slot.pass_commit(done=False)
        commit(dialect, connection)
        slot.pass_commit(done=True)

    return counted
