"""For tests of what two transactions do at once on PostgreSQL."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from sqlalchemy import event as listening
from sqlalchemy import text

from meterbot.store import Store

A = TypeVar("A")
B = TypeVar("B")


async def somebody_waits(store: Store) -> None:
    """Until a transaction waits for a lock."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with store.engine.connect() as watch:
        async with asyncio.timeout(20):
            while not watch.scalar(waiting):  # noqa: ASYNC110 - another process waits
                await asyncio.sleep(0)


class Pause:
    """A store's transaction stops once before a statement that begins with these words, until `go_on` is set."""

    def __init__(self, store: Store, statement: str) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()

        def pause(_connection: Any, _cursor: Any, words: str, *_: Any) -> None:
            if words.startswith(statement) and not self.reached.is_set():
                self.reached.set()
                assert self.go_on.wait(20)

        listening.listen(store.engine, "before_cursor_execute", pause)

    async def wait(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, 20)


async def blocked(
    paused: Store, statement: str, first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B], watch: Store
) -> tuple[A, B]:
    """The results of both. `first` runs in `paused` and stops before `statement`; it goes on once `second` waits for
    it."""
    pause = Pause(paused, statement)
    one = asyncio.ensure_future(first)
    await pause.wait()
    other = asyncio.ensure_future(second)
    try:
        await somebody_waits(watch)
    finally:
        pause.go_on.set()
    return await one, await other
