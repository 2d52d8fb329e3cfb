"""Stored sessions: the newest renewal stays, whoever writes last."""

import asyncio
import itertools
from datetime import datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterbot.store import StoredSession
from meterbot.store.database import Database, open_store
from tests.store.facts import NOW, emptied, later


def fresh(seat: str = "ana", fingerprint: str = "f1") -> StoredSession:
    return StoredSession(seat, fingerprint)


def renewed(at: datetime = NOW, ciphertext: str = "c1", fingerprint: str = "f1") -> StoredSession:
    return StoredSession("ana", fingerprint, ciphertext, at, later(days=28))


async def test_what_is_stored_of_a_session_is_read_back(store: Database) -> None:
    assert await store.sessions() == {}
    assert await store.start_session(fresh(), None)
    assert await store.start_session(fresh("bo"), None)
    assert await store.renew_session(renewed(), ["f1"])
    assert await store.sessions(["ana"]) == {"ana": renewed()}
    assert await store.sessions() == {"ana": renewed(), "bo": fresh("bo")}


async def test_nothing_older_replaces_a_renewal(store: Database) -> None:
    await store.start_session(fresh(), None)
    assert await store.renew_session(renewed(NOW, "new"), ["f1"])
    assert not await store.renew_session(renewed(later(seconds=-1), "old"), ["f1"])
    assert not await store.renew_session(renewed(NOW, "same instant"), ["f1"])
    assert await store.sessions() == {"ana": renewed(NOW, "new")}


async def test_a_renewal_of_another_configured_key_is_not_stored(store: Database) -> None:
    await store.start_session(fresh(fingerprint="f2"), None)
    assert not await store.renew_session(renewed(), ["f1"])
    assert await store.renew_session(renewed(fingerprint="f3"), ["f1", "f2"])
    assert (await store.sessions())["ana"].fingerprint == "f3"


async def test_a_renewal_of_a_seat_that_was_forgotten_does_not_bring_it_back(store: Database) -> None:
    await store.start_session(fresh(), None)
    assert (await store.forget("ana")).sessions == 1
    assert not await store.renew_session(renewed(), ["f1"])
    assert await store.sessions() == {}


async def test_a_session_starts_anew_only_instead_of_what_was_seen(store: Database) -> None:
    await store.start_session(fresh(), None)
    await store.renew_session(renewed(), ["f1"])
    changed = fresh(fingerprint="f2")
    assert not await store.start_session(changed, None)
    assert not await store.start_session(changed, fresh())
    assert await store.start_session(changed, renewed())
    assert await store.sessions() == {"ana": changed}


async def test_a_session_can_be_forgotten_alone(store: Database) -> None:
    await store.start_session(fresh(), None)
    assert await store.forget_session("ana")
    assert not await store.forget_session("ana")
    assert await store.sessions() == {}


async def test_of_renewals_at_the_same_time_the_newest_stays(store: Database, database_url: str) -> None:
    await store.start_session(fresh(), None)
    other = await open_store(database_url)
    renewals = [renewed(later(seconds=second), f"c{second}") for second in range(10)]
    writers = zip(itertools.cycle([store, other]), renewals, strict=False)
    await asyncio.gather(*(writer.renew_session(renewal, ["f1"]) for writer, renewal in writers))
    await other.close()
    assert await store.sessions() == {"ana": renewals[-1]}


@given(order=st.permutations(range(6)))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_in_whatever_order_renewals_arrive_the_newest_stays(store: Database, order: list[int]) -> None:
    await emptied(store)
    await store.start_session(fresh(), None)
    stored = [await store.renew_session(renewed(later(seconds=n), f"c{n}"), ["f1"]) for n in order]
    assert (await store.sessions())["ana"].ciphertext == "c5"
    assert stored == [n > max(order[:place], default=-1) for place, n in enumerate(order)]
