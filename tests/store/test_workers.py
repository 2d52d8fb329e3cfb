"""Workers and leases: one holder at a time, no living worker loses one, and dead workers keep none."""

import asyncio
import threading
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event as listening
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from meterbot.core.models import Health, SourceState
from meterbot.store import (
    ALIVE_SECONDS,
    BEAT_SECONDS,
    Batch,
    Connection,
    Store,
    Worker,
    batches,
    delivery_claims,
    forgetting,
    tables,
    workers,
)
from meterbot.store.database import open_store
from meterbot.store.delivery_claims import Claim
from meterbot.store.workers import is_gone, unbelievable
from tests.properties import examples
from tests.store.examples import (
    NOW,
    delivery,
    emptied,
    event,
    later,
    write,
)

GATEWAY = "discord.gateway"


async def beat(store: Store, worker: str, now: datetime, *leases: str) -> set[str]:
    return await store.run(
        lambda c: workers.beat(c, worker, now, now + timedelta(seconds=ALIVE_SECONDS), leases)
    )


async def test_a_lease_is_held_by_who_came_first_while_it_beats(store: Store) -> None:
    assert await beat(store, "one", NOW, GATEWAY) == {GATEWAY}
    for seconds in range(0, 60, 2):
        assert await beat(store, "two", later(seconds=seconds), GATEWAY) == set()
        assert await beat(store, "one", later(seconds=seconds), GATEWAY) == {GATEWAY}
    assert await store.read(lambda c: workers.read(c, later(seconds=60))) == [
        Worker("one", NOW, (GATEWAY,)),
        Worker("two", NOW),
    ]


async def test_a_dead_holder_is_replaced_and_finds_out_when_it_comes_back(store: Store) -> None:
    await beat(store, "one", NOW, GATEWAY)
    until = later(seconds=ALIVE_SECONDS)
    just_before = until - timedelta(microseconds=1)
    assert await beat(store, "two", just_before, GATEWAY) == set()
    assert await beat(store, "two", until, GATEWAY) == {GATEWAY}
    assert [worker.name for worker in await store.read(lambda c: workers.read(c, until))] == ["two"]
    assert await beat(store, "one", until, GATEWAY) == set()
    assert await store.read(lambda c: workers.read(c, until)) == [
        Worker("one", NOW),
        Worker("two", just_before, (GATEWAY,)),
    ]


async def test_who_died_before_the_clock_was_set_back_by_a_day_does_not_live_on_for_that_day(
    store: Store,
) -> None:
    await beat(store, "one", later(days=1), GATEWAY)
    assert await beat(store, "two", NOW, GATEWAY) == {GATEWAY}


async def test_who_was_taken_for_dead_and_robbed_of_nothing_goes_on(store: Store) -> None:
    await beat(store, "one", NOW, GATEWAY, "other")
    assert await beat(store, "one", later(hours=1), GATEWAY, "other") == {GATEWAY, "other"}


async def test_a_dead_holder_is_replaced_within_ten_seconds_though_the_clocks_differ_by_two(
    store: Store,
) -> None:
    dies, slow = NOW, timedelta(seconds=-2)
    await beat(store, "one", dies, GATEWAY)
    looks = [dies + timedelta(seconds=seconds) for seconds in (0, 2, 4, 6, 8)]
    found = [look for look in looks if await beat(store, "two", look + slow, GATEWAY)]
    assert found[0] - dies <= timedelta(seconds=10 - BEAT_SECONDS)


async def test_nobody_alive_is_replaced_though_the_clocks_differ_by_two_and_a_beat_is_late(
    store: Store,
) -> None:
    fast, late = timedelta(seconds=2), 1
    await beat(store, "one", NOW, GATEWAY)
    assert await beat(store, "two", later(seconds=BEAT_SECONDS + late) + fast, GATEWAY) == set()


async def test_who_leaves_frees_everything_at_once(store: Store) -> None:
    await beat(store, "one", NOW, GATEWAY)
    await store.run(lambda c: workers.claim_seats(c, "one", {"ana": None}, NOW))
    await store.run(lambda c: workers.leave(c, "one", NOW))
    assert await store.read(lambda c: workers.read(c, NOW)) == []
    assert await beat(store, "two", NOW, GATEWAY) == {GATEWAY}
    assert (await store.run(lambda c: workers.claim_seats(c, "two", {"ana": None}, NOW))).taken == {"ana"}


async def test_the_long_dead_are_swept_out_by_who_leaves(store: Store) -> None:
    await beat(store, "killed", NOW)
    await beat(store, "just killed", later(hours=2))
    await beat(store, "one", later(hours=2))
    await store.run(lambda c: workers.leave(c, "one", later(hours=2)))
    with store.engine.connect() as connection:
        assert [*connection.scalars(select(tables.workers.c.name))] == ["just killed"]


async def test_of_many_at_once_one_gets_it(store: Store) -> None:
    workers = [f"w{number}" for number in range(8)]
    held = await asyncio.gather(*(beat(store, worker, NOW, GATEWAY) for worker in workers))
    assert sum(GATEWAY in each for each in held) == 1


async def test_a_claim_in_a_table_of_its_own_falls_to_others_when_its_holder_is_dead(store: Store) -> None:
    rows = tables.deliveries.c
    await write(store, Batch(events=[event()], deliveries=[delivery("d1"), delivery("d2", channel="C2")]))
    await beat(store, "one", NOW)
    assert (
        await store.run(lambda c: delivery_claims.claim(c, "slack", Claim("one", NOW, 60)).delivery)
        is not None
    )

    async def orphans(now: datetime) -> list[str]:
        with store.engine.connect() as connection:
            return [
                *connection.scalars(select(rows.id).where(is_gone(rows.claimed_by, now, unbelievable(now))))
            ]

    assert await orphans(NOW) == []
    assert await orphans(later(seconds=ALIVE_SECONDS)) == ["d1"]
    await store.run(lambda c: workers.leave(c, "one", NOW))
    assert await orphans(NOW) == ["d1"]


_moves = st.lists(
    st.tuples(
        st.sampled_from(["beat", "leave", "claim", "release"]),
        st.sampled_from(["one", "two", "three"]),
        st.sets(st.sampled_from(["ana", "bo", "cy"]), min_size=1),
        st.sampled_from([0.0, 1.0, 2.5, 6.0, 20.0]),
    ),
    max_size=30,
)


@examples(20)
@given(_moves)
async def test_whatever_happens_nobody_takes_what_the_living_hold(
    store: Store, moves: list[tuple[str, str, set[str], float]]
) -> None:
    await emptied(store)
    now, alive_until, holds = NOW, dict[str, datetime](), dict[str, str]()
    for what, worker, seats, seconds in moves:
        now += timedelta(seconds=seconds)
        if what == "beat":
            await beat(store, worker, now)
            alive_until[worker] = now + timedelta(seconds=ALIVE_SECONDS)
        elif what == "leave":
            await store.run(lambda c: workers.leave(c, worker, now))
            alive_until.pop(worker, None)
            holds = {seat: holder for seat, holder in holds.items() if holder != worker}
        elif what == "release":
            assert await store.run(lambda c: workers.release_seats(c, worker, seats)) == {
                s for s in seats if holds.get(s) == worker
            }
            holds = {s: holder for s, holder in holds.items() if (s not in seats or holder != worker)}
        else:
            alive = {name for name, until in alive_until.items() if until > now}
            free = {s for s in seats if holds.get(s) == worker or holds.get(s) not in alive}
            claims = await store.run(lambda c: workers.claim_seats(c, worker, dict.fromkeys(seats), now))
            assert claims.taken == free
            holds |= dict.fromkeys(free, worker)


# --- seats are claimed to be read: once, by one worker, and not before their deadline -------------------------------

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
