"""Transactions on the database's thread: what happens to one that nobody waits for, and to a thread that hangs."""

import asyncio
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from meterbot.store import Store, notes
from meterbot.store import store as module
from meterbot.store.database import open_store
from meterbot.store.errors import ClosedError, StoreTimeoutError


class Held:
    """Work that writes, says so, and returns when it may."""

    def __init__(self) -> None:
        self.wrote, self.may_end = Event(), Event()

    def __call__(self, connection: Connection) -> None:
        notes.write(connection, "held", "written")
        self.wrote.set()
        assert self.may_end.wait(20)


async def stored(store: Store) -> str | None:
    return await store.run(lambda tx: notes.read(tx, "held"))


async def test_a_caller_that_is_cancelled_while_its_work_runs_leaves_no_change(store: Store) -> None:
    held = Held()
    caller = asyncio.create_task(store.run(held))
    assert await asyncio.to_thread(held.wrote.wait, 20)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    held.may_end.set()
    assert await stored(store) is None


async def test_work_of_a_caller_that_is_cancelled_while_it_waits_never_begins(store: Store) -> None:
    first, second = Held(), Held()
    running = asyncio.create_task(store.run(first))
    assert await asyncio.to_thread(first.wrote.wait, 20)
    waiting = asyncio.create_task(store.run(second))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    first.may_end.set()
    await running
    assert await stored(store) == "written"
    assert not second.wrote.is_set()


async def test_a_caller_that_waits_too_long_gets_an_error_and_leaves_no_change(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WRITE_SECONDS", 0.2)
    held = Held()
    with pytest.raises(StoreTimeoutError):
        await store.run(held)
    held.may_end.set()
    monkeypatch.undo()
    assert await stored(store) is None


async def test_a_time_out_of_the_work_itself_is_not_taken_for_one_of_the_database(store: Store) -> None:
    def late(_: Connection) -> None:
        raise TimeoutError("of the work")

    with pytest.raises(TimeoutError, match="of the work") as failed:
        await store.run(late)
    assert not isinstance(failed.value, StoreTimeoutError)


async def test_a_thread_that_hangs_at_the_end_is_logged_and_does_not_hold_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CLOSE_SECONDS", 0.2)
    store, held = await open_store(f"sqlite:///{tmp_path}/meterbot.db"), Held()
    caller = asyncio.create_task(store.run(held))
    assert await asyncio.to_thread(held.wrote.wait, 20)
    with capture_logs() as logged:
        await store.close()
    assert [line["log_level"] for line in logged] == ["error"]
    with pytest.raises(ClosedError):
        await stored(store)
    held.may_end.set()
    await caller  # it ends when what it hung on lets it
    assert await asyncio.to_thread(store._write_thread.join, 20)
    store.engine.dispose()
