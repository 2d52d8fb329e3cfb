"""A process among others: what it holds, and that it stops in time."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError
from structlog.testing import capture_logs

from meterbot.app.heartbeat import Heartbeat
from meterbot.chat import Connection
from meterbot.core.clock import ManualClock, SystemClock
from meterbot.core.lease import Lease
from meterbot.store import ALIVE_SECONDS, CONNECTIONS, Store, notes, tables, workers
from meterbot.store.database import open_store
from tests.store.examples import NOW, later


async def test_the_first_holds_the_lease_and_the_second_when_the_first_leaves(store: Store) -> None:
    clock, leases = ManualClock(NOW), (Lease("gateway"), Lease("gateway"))
    one, two = (Heartbeat(store, f"w{n}", clock, [lease]) for n, lease in enumerate(leases))
    await one.join()
    await two.join()
    assert [lease.held for lease in leases] == [True, False]
    await one.leave()
    assert not one.alive()
    await two.beat()
    assert [lease.held for lease in leases] == [False, True]
    assert [worker.name for worker in await store.read(lambda c: workers.read(c, NOW))] == ["w1"]
    await two.leave()


async def test_only_the_last_to_leave_says_that_no_chat_is_connected(store: Store) -> None:
    one, two = (Heartbeat(store, name, ManualClock(NOW)) for name in ("one", "two"))
    await one.join()
    await two.join()
    await two.ticked(NOW, {"slack": Connection(up=True)})
    await one.leave()
    assert '"up":true' in (await store.read(lambda c: notes.read(c, CONNECTIONS)) or "")
    await two.leave()
    assert await store.read(lambda c: notes.read(c, CONNECTIONS)) == "{}"


async def test_who_finds_itself_replaced_lets_go(store: Store) -> None:
    clock, lease = ManualClock(NOW), Lease("gateway")
    one = Heartbeat(store, "one", clock, [lease])
    await one.beat()
    await store.run(
        lambda c: workers.beat(c, "two", later(seconds=ALIVE_SECONDS), later(minutes=1), ["gateway"])
    )
    clock.set(later(seconds=ALIVE_SECONDS))
    with capture_logs() as logs:
        await one.beat()
    assert [(entry["event"], entry["lease"]) for entry in logs] == [("another process's turn", "gateway")]
    assert (lease.held, one.alive()) == (False, True)
    await one.leave()


async def test_who_cannot_say_that_it_is_alive_stops_before_others_take_over(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meterbot.app.heartbeat.BEAT_SECONDS", 0.01)
    monkeypatch.setattr("meterbot.app.heartbeat.ALIVE_SECONDS", 2.0)
    lease, stopped = Lease("gateway"), asyncio.Event()
    presence = Heartbeat(store, "one", SystemClock(), [lease])
    presence.when_lost = stopped.set
    await presence.join()
    assert presence.alive()
    with capture_logs() as logs:
        with store._writer.begin() as connection:
            tables.workers.drop(connection)
        await asyncio.wait_for(stopped.wait(), 5)
        assert (lease.held, presence.alive()) == (False, False)
        with store._writer.begin() as connection:
            tables.workers.create(connection)
        await asyncio.wait_for(lease.gained(), 5)
    assert presence.alive()
    assert [entry["event"] for entry in logs] == [
        "a job fails, it will be tried again",
        "it is this process's turn",
        "a job works again",
    ]
    await presence.leave()


async def test_a_goodbye_that_nobody_hears_ends_all_the_same(store: Store) -> None:
    presence = Heartbeat(store, "one", SystemClock())
    await presence.join()
    with store._writer.begin() as connection:
        tables.workers.drop(connection)
    with capture_logs() as logs:
        await presence.leave()
    assert [entry["event"] for entry in logs][
        -1
    ] == "could not sign off: others take over a few seconds later"


async def test_joining_a_database_that_does_not_answer_raises(store: Store) -> None:
    with store._writer.begin() as connection:
        tables.workers.drop(connection)
    with pytest.raises(SQLAlchemyError):
        await Heartbeat(store, "one", SystemClock()).join()


async def test_on_a_file_of_its_own_nothing_is_said_again_and_nothing_runs_out(tmp_path: Path) -> None:
    store, lease = await open_store(f"sqlite:///{tmp_path}/m.db", as_worker=True), Lease("gateway")
    presence = Heartbeat(store, "one", ManualClock(NOW), [lease])
    await presence.join()
    assert (lease.held, presence.alive(), presence._end) == (True, True, None)
    assert [worker.name for worker in await store.read(lambda c: workers.read(c, later(days=10_000)))] == [
        "one"
    ]
    await presence.leave()
    await store.close()
