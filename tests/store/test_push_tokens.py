"""Push tokens, and what is left of a seat that was forgotten."""

from dataclasses import replace

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
