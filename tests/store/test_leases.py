"""Seats that are claimed to be read: once, by one worker, and not before their deadline."""

import asyncio
import threading
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event as listening
from sqlalchemy.exc import IntegrityError

from meterbot.core.models import Health, SourceState
from meterbot.store import Batch, Connection, Store, batches, forgetting, workers
from meterbot.store.database import open_store
from tests.store.examples import NOW, later, write

DUE = later(seconds=-1)


async def alive(store: Store, *names: str) -> None:
    for name in names:
        await store.run(partial(workers.beat, worker=name, now=NOW, alive_until=NOW + timedelta(seconds=6)))


def read(seat: str, due: object = DUE) -> SourceState:
    return SourceState(seat, Health.OK, NOW, next_due=due)  # type: ignore[arg-type]  # an instant or None


async def test_a_seat_is_taken_by_one_worker_until_it_gives_it_back(store: Store) -> None:
    await alive(store, "one", "two")
    await write(store, Batch(sources=[read("ana")]))
    assert (
        await store.run(lambda c: workers.claim_seats(c, "one", {"ana": DUE, "new": None}, NOW))
    ).taken == {
        "ana",
        "new",
    }
    others = await store.run(lambda c: workers.claim_seats(c, "two", {"ana": DUE, "new": None}, NOW))
    assert (others.taken, others.states) == (frozenset(), {"ana": read("ana")})
    assert await store.run(lambda c: workers.release_seats(c, "one", ["ana"])) == {"ana"}
    assert (
        await store.run(lambda c: workers.claim_seats(c, "two", {"ana": DUE, "new": None}, NOW))
    ).taken == {"ana"}


async def test_a_seat_that_another_has_read_meanwhile_is_not_taken(store: Store) -> None:
    await alive(store, "one", "two")
    await write(store, Batch(sources=[read("ana", later(minutes=1))]))
    claims = await store.run(lambda c: workers.claim_seats(c, "two", {"ana": DUE}, NOW))
    assert (claims.taken, claims.states) == (frozenset(), {"ana": read("ana", later(minutes=1))})


async def test_reading_and_giving_back_are_one_step_for_everybody_else(
    store: Store, database_url: str
) -> None:
    await alive(store, "one", "two")
    await write(store, Batch(sources=[read("ana")]))
    await store.run(lambda c: workers.claim_seats(c, "one", {"ana": DUE}, NOW))
    other, released, go_on = await open_store(database_url), threading.Event(), threading.Event()

    def give_back(connection: Connection) -> None:
        assert workers.release_seats(connection, "one", ["ana", "bo"]) == {"ana"}
        released.set()
        go_on.wait()
        batches.write(connection, Batch(sources=[read("ana", later(minutes=1))]))

    giving = asyncio.create_task(store.run(give_back))
    await asyncio.to_thread(released.wait)
    waiting = asyncio.create_task(other.run(lambda c: workers.claim_seats(c, "two", {"ana": DUE}, NOW)))
    go_on.set()
    # Before the end of that transaction the other sees the lease, afterwards the new deadline: it never takes the seat.
    assert (await waiting).taken == frozenset()
    await giving
    claims = await other.run(lambda c: workers.claim_seats(c, "two", {"ana": DUE}, NOW))
    await other.close()
    assert (claims.taken, claims.states["ana"].next_due) == (frozenset(), later(minutes=1))


async def test_a_transaction_that_fails_gives_nothing_back(store: Store) -> None:
    await alive(store, "one", "two")
    await store.run(lambda c: workers.claim_seats(c, "one", {"ana": None}, NOW))

    def fail(connection: Connection) -> None:
        unfit: Any = {"team": None}
        workers.release_seats(connection, "one", ["ana"])
        batches.write(connection, Batch(memories=unfit))

    with pytest.raises(IntegrityError):
        await store.run(fail)
    assert (await store.run(lambda c: workers.claim_seats(c, "two", {"ana": None}, NOW))).taken == frozenset()


async def test_who_was_taken_for_dead_while_reading_has_nothing_to_give_back(store: Store) -> None:
    await alive(store, "one")
    await store.run(lambda c: workers.claim_seats(c, "one", {"ana": None}, NOW))
    assert (
        await store.run(lambda c: workers.claim_seats(c, "two", {"ana": None}, later(seconds=6)))
    ).taken == {"ana"}
    assert await store.run(lambda c: workers.release_seats(c, "one", ["ana"])) == set()


async def test_a_seat_that_is_forgotten_while_it_is_read_is_not_held_any_more(store: Store) -> None:
    await alive(store, "one")
    await store.run(lambda c: workers.claim_seats(c, "one", {"ana": None}, NOW))
    await store.run(lambda c: forgetting.forget(c, "ana"))
    assert await store.run(lambda c: workers.release_seats(c, "one", ["ana"])) == set()


async def test_claiming_costs_the_same_for_one_seat_and_for_many(store: Store) -> None:
    await alive(store, "one")
    said: list[str] = []
    listening.listen(store.engine, "before_cursor_execute", lambda _c, _x, words, *_: said.append(words))
    costs = []
    for seats in (["ana"], [f"seat-{number}" for number in range(500)]):
        said.clear()
        assert (
            await store.run(lambda c: workers.claim_seats(c, "one", dict.fromkeys(seats), NOW))
        ).taken == set(seats)
        costs.append(len(said))
    assert costs[0] == costs[1]


async def test_two_workers_that_claim_and_give_back_many_seats_never_wait_for_each_other_in_vain(
    store: Store,
) -> None:
    await alive(store, "one", "two")
    seats = [f"seat-{number}" for number in range(40)]

    async def work(worker: str, order: list[str]) -> None:
        for _ in range(10):
            taken = (
                await store.run(lambda c: workers.claim_seats(c, worker, dict.fromkeys(order), NOW))
            ).taken
            assert await store.run(lambda c: workers.release_seats(c, worker, taken)) == taken

    async with asyncio.timeout(30):
        await asyncio.gather(work("one", seats), work("two", seats[::-1]))
