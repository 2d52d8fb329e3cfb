"""Stored sessions: the newest renewal stays, in whatever order they are written."""

import asyncio
import itertools
from datetime import datetime
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from meterbot.store import Store, StoredSession, forgetting, sessions
from meterbot.store.database import open_store
from tests.properties import examples
from tests.store.examples import NOW, emptied, later


def fresh(seat: str = "ana", fingerprint: str = "f1") -> StoredSession:
    return StoredSession(seat, fingerprint)


def renewed(at: datetime = NOW, ciphertext: str = "c1", fingerprint: str = "f1") -> StoredSession:
    return StoredSession("ana", fingerprint, ciphertext, at, later(days=28))


async def test_what_is_stored_of_a_session_is_read_back(store: Store) -> None:
    assert await store.read(sessions.read) == {}
    assert await store.run(lambda c: sessions.start(c, fresh(), None))
    assert await store.run(lambda c: sessions.start(c, fresh("bo"), None))
    assert await store.run(lambda c: sessions.renew(c, renewed(), ["f1"]))
    assert await store.read(lambda c: sessions.read(c, ["ana"])) == {"ana": renewed()}
    assert await store.read(sessions.read) == {"ana": renewed(), "bo": fresh("bo")}


async def test_nothing_older_replaces_a_renewal(store: Store) -> None:
    await store.run(lambda c: sessions.start(c, fresh(), None))
    assert await store.run(lambda c: sessions.renew(c, renewed(NOW, "new"), ["f1"]))
    assert not await store.run(lambda c: sessions.renew(c, renewed(later(seconds=-1), "old"), ["f1"]))
    assert not await store.run(lambda c: sessions.renew(c, renewed(NOW, "same instant"), ["f1"]))
    assert await store.read(sessions.read) == {"ana": renewed(NOW, "new")}


async def test_a_renewal_of_another_configured_key_is_not_stored(store: Store) -> None:
    await store.run(lambda c: sessions.start(c, fresh(fingerprint="f2"), None))
    assert not await store.run(lambda c: sessions.renew(c, renewed(), ["f1"]))
    assert await store.run(lambda c: sessions.renew(c, renewed(fingerprint="f3"), ["f1", "f2"]))
    assert (await store.read(sessions.read))["ana"].fingerprint == "f3"


async def test_a_renewal_of_a_seat_that_was_forgotten_does_not_bring_it_back(store: Store) -> None:
    await store.run(lambda c: sessions.start(c, fresh(), None))
    assert (await store.run(lambda c: forgetting.forget(c, "ana"))).sessions == 1
    assert not await store.run(lambda c: sessions.renew(c, renewed(), ["f1"]))
    assert await store.read(sessions.read) == {}


async def test_a_session_starts_again_only_instead_of_what_was_seen(store: Store) -> None:
    await store.run(lambda c: sessions.start(c, fresh(), None))
    await store.run(lambda c: sessions.renew(c, renewed(), ["f1"]))
    changed = fresh(fingerprint="f2")
    assert not await store.run(lambda c: sessions.start(c, changed, None))
    assert not await store.run(lambda c: sessions.start(c, changed, fresh()))
    assert await store.run(lambda c: sessions.start(c, changed, renewed()))
    assert await store.read(sessions.read) == {"ana": changed}


async def test_a_session_can_be_forgotten_alone(store: Store) -> None:
    await store.run(lambda c: sessions.start(c, fresh(), None))
    assert await store.run(lambda c: sessions.forget(c, "ana"))
    assert not await store.run(lambda c: sessions.forget(c, "ana"))
    assert await store.read(sessions.read) == {}


async def test_of_renewals_at_the_same_time_the_newest_stays(store: Store, database_url: str) -> None:
    await store.run(lambda c: sessions.start(c, fresh(), None))
    other = await open_store(database_url)
    renewals = [renewed(later(seconds=second), f"c{second}") for second in range(10)]
    writers = zip(itertools.cycle([store, other]), renewals, strict=False)
    await asyncio.gather(
        *(
            writer.run(partial(sessions.renew, renewed=renewal, descends_from=["f1"]))
            for writer, renewal in writers
        )
    )
    await other.close()
    assert await store.read(sessions.read) == {"ana": renewals[-1]}


@given(order=st.permutations(range(6)))
@examples(10)
async def test_in_whatever_order_renewals_arrive_the_newest_stays(store: Store, order: list[int]) -> None:
    await emptied(store)
    await store.run(lambda c: sessions.start(c, fresh(), None))
    stored = [
        await store.run(lambda c: sessions.renew(c, renewed(later(seconds=n), f"c{n}"), ["f1"]))
        for n in order
    ]
    assert (await store.read(sessions.read))["ana"].ciphertext == "c5"
    assert stored == [n > max(order[:place], default=-1) for place, n in enumerate(order)]
