"""Threads that run functions for an event loop, in order."""

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, TypeVar

from meterbot.store.errors import ClosedError

T = TypeVar("T")


class WorkerThreads:
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
