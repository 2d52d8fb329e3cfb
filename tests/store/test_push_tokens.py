"""Push tokens, and what is left of a seat that was forgotten."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from meterbot.core.models import Counter
from meterbot.store import (
    Batch,
    CounterState,
    Forgotten,
    Latest,
    PushToken,
    Store,
    event_log,
    forgetting,
    history,
    push_tokens,
)
from meterbot.store.database import open_store
from tests.store.examples import (
    ANA,
    NOW,
    delivery,
    event,
    known,
    later,
    sample,
    write,
)
from tests.transactions import Pause, blocked

TOKEN = PushToken("bo", "0" * 64, NOW)


async def test_a_seat_has_one_token_at_a_time(store: Store) -> None:
    assert await store.read(push_tokens.read) == []
    await store.run(lambda c: push_tokens.write(c, TOKEN))
    await store.run(lambda c: push_tokens.write(c, replace(TOKEN, seat="ana")))
    newer = PushToken("bo", "1" * 64, later(hours=1))
    await store.run(lambda c: push_tokens.write(c, newer))
    assert await store.read(push_tokens.read) == [replace(TOKEN, seat="ana"), newer]


async def test_a_revoked_token_is_gone(store: Store) -> None:
    await store.run(lambda c: push_tokens.write(c, TOKEN))
    assert await store.run(lambda c: push_tokens.revoke(c, "bo"))
    assert await store.read(push_tokens.read) == []
    assert not await store.run(lambda c: push_tokens.revoke(c, "bo"))


async def test_a_seat_has_one_code_which_ends_and_can_be_used_once(store: Store) -> None:
    for sha256, seat, ends in (("a", "bo", 10), ("b", "bo", 10), ("c", "ana", 1)):
        await store.run(
            partial(push_tokens.write_code, sha256=sha256, seat=seat, now=NOW, expires_at=later(minutes=ends))
        )
    soon, late = (partial(push_tokens.seat_of_code, now=later(minutes=minutes)) for minutes in (0.5, 1))
    assert [await store.read(partial(soon, sha256=each)) for each in "abcd"] == [None, "bo", "ana", None]
    assert [await store.read(partial(late, sha256=each)) for each in "bc"] == ["bo", None]
    use = partial(push_tokens.use_code, now=later(minutes=1))
    assert [await store.run(partial(use, sha256=each)) for each in "bbca"] == ["bo", None, None, None]


# SQLite has one writer at a time.
@pytest.mark.databases("postgresql")
async def test_of_two_that_use_a_code_at_once_one_gets_the_seat(store: Store, database_url: str) -> None:
    other = await open_store(database_url)
    await store.run(lambda c: push_tokens.write_code(c, "a", "bo", NOW, later(minutes=10)))
    use = partial(push_tokens.use_code, sha256="a", now=NOW)
    pause = Pause(store, "DELETE FROM join_codes")
    first = asyncio.ensure_future(store.run(use))
    await pause.wait()
    assert await other.run(use) == "bo"
    pause.go_on.set()
    assert await first is None
    await other.close()


async def test_the_access_of_a_seat_s_machine_ends(store: Store) -> None:
    for seat, sha256 in (("ana", "a"), ("bo", "b")):
        await store.run(partial(push_tokens.write, token=PushToken(seat, sha256 * 64, NOW)))
        await store.run(
            partial(push_tokens.write_code, sha256=sha256, seat=seat, now=NOW, expires_at=later(hours=1))
        )
        await store.run(partial(push_tokens.write_agent, seat=seat, version="1"))
    await store.run(partial(push_tokens.write_agent, seat="bo", version="2"))
    assert await store.read(push_tokens.read_agents) == {"ana": "1", "bo": "2"}
    assert await store.run(lambda c: push_tokens.end_access(c, "ana")) == (1, 2)
    assert [each.seat for each in await store.read(push_tokens.read)] == ["bo"]
    assert await store.read(push_tokens.read_agents) == {"bo": "2"}
    codes = [await store.read(partial(push_tokens.seat_of_code, sha256=each, now=NOW)) for each in "ab"]
    assert codes == [None, "bo"]
    assert await store.run(lambda c: push_tokens.end_access(c, "ana")) == (0, 0)
    assert await store.run(lambda c: forgetting.forget(c, "bo")) == Forgotten(tokens=1, others=2)


# SQLite has one writer at a time.
@pytest.mark.databases("postgresql")
async def test_a_seat_is_forgotten_while_the_access_of_its_machine_ends(
    store: Store, database_url: str
) -> None:
    other = await open_store(database_url)
    await store.run(partial(push_tokens.write, token=replace(TOKEN, seat="ana")))
    await store.run(partial(push_tokens.write_agent, seat="ana", version="1"))
    end = store.run(partial(push_tokens.end_access, seat="ana"))
    forget = other.run(partial(forgetting.forget, seat="ana"))
    results = await blocked(store, "DELETE FROM seat_agents", end, forget, watch=other)
    assert results == ((1, 1), Forgotten())
    await other.close()


async def test_forgetting_counts_what_it_deletes(store: Store) -> None:
    await write(
        store,
        Batch(
            latest=[Latest("ana", ANA, known())],
            states={ANA: CounterState(known(), "{}")},
            samples=[sample(0, "1"), sample(1, "2")],
            memories={"source:ana": "{}"},
            events=[event("e1"), event("e2"), event("e3", seat="bo")],
            deliveries=[delivery("d1", "e1"), delivery("d2", "e1", "C2"), delivery("d3", "e3")],
        ),
    )
    await store.run(lambda c: push_tokens.write(c, replace(TOKEN, seat="ana")))
    gone = await store.run(lambda c: forgetting.forget(c, "ana"))
    assert gone == Forgotten(counters=1, points=2, events=2, deliveries=2, tokens=1, others=2)
    assert [one.key for one in await store.read(lambda c: event_log.read_events(c, NOW))] == ["e3"]
    assert await store.run(lambda c: forgetting.forget(c, "ana")) == Forgotten()
    assert not Forgotten()


async def test_counters_that_a_seat_read_once_go_with_it(store: Store) -> None:
    left, nameless, others = Counter("left", "org"), Counter("seat:ana", "org"), Counter("seat:ana2", "org")
    alert = replace(event("e1"), counter=left)
    await write(
        store,
        Batch(
            samples=[sample(0, counter=one) for one in (left, nameless, others)],
            events=[alert],
        ),
    )
    assert (await store.run(lambda c: forgetting.forget(c, "ana"))).counters == 2
    assert await store.read(lambda c: history.read(c, [left, nameless, others], NOW)) == [
        sample(0, counter=others)
    ]


async def test_a_counter_that_another_seat_reads_now_is_kept_and_said(store: Store) -> None:
    alert = replace(event("e1"), counter=ANA)
    await write(store, Batch(latest=[Latest("bo", ANA, known("bo"))], samples=[sample(0)], events=[alert]))
    gone = await store.run(lambda c: forgetting.forget(c, "ana"))
    assert (gone.counters, gone.shared, gone.events) == (0, 1, 1)
    assert await store.read(lambda c: history.read(c, [ANA], NOW)) == [sample(0)]
