"""One behaviour, two databases."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import event as listening
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from meterbot.core.deliveries import (
    Choice,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Destination,
    DestinationTrouble,
    NewDelivery,
    Posting,
    Priority,
    WaitingDelivery,
)
from meterbot.core.errors import StartError
from meterbot.core.messages import Action, Field, Message, Posted, Section
from meterbot.core.models import (
    Counter,
    ExtraUsage,
    Health,
    LastKnown,
    ReasonClass,
    Sample,
    Severity,
    Snapshot,
    SourceState,
    Subscription,
    Window,
)
from meterbot.core.money import Money
from meterbot.store import (
    FOR_EVER,
    Batch,
    Connection,
    CounterReader,
    CounterState,
    Latest,
    Store,
    batches,
    counter_states,
    deliveries,
    delivery_claims,
    delivery_outcomes,
    event_log,
    forgetting,
    history,
    locks,
    notes,
    post_contents,
    rule_memories,
    source_states,
    tables,
    workers,
)
from meterbot.store.database import is_there, open_store, peek, upgrade
from meterbot.store.delivery_claims import Claim
from tests.store.examples import (
    ANA,
    BO,
    NOW,
    delivery,
    event,
    known,
    later,
    put_back,
    sample,
    write,
)


class BrokenError(Exception):
    pass


def _everything() -> LastKnown:
    return LastKnown(
        Snapshot(
            seat="ana",
            source="claude_ai",
            fetched_at=datetime(2026, 4, 30, 10, 0, 0, 123456, tzinfo=UTC),
            health=Health.DRIFTED,
            account_uuid="account-ana",
            org_uuid="org-1",
            org_name='Ana & "Söhne" <!channel>',
            windows=(Window("five_hour", Decimal("99.999999999999999999"), later(hours=1)),),
            windows_read=True,
            extra_usage=ExtraUsage(
                enabled=False,
                used=Money(Decimal("1720.0000000000000000000000000000001"), "USD", 2),
                cap=Money(Decimal("1E+3"), "JPY", 0),
                assumed=("scale",),
                reason="overage_limit",
                reason_class=ReasonClass.CAP,
                disabled_until=later(days=1),
                comparable=False,
            ),
            extra_usage_read=True,
            subscription=Subscription("active", date(2026, 5, 14), paused_until=later(days=3).date()),
            subscription_read=True,
            retry_at=later(minutes=5),
            drift=("cap: usage 60.00, overage 50.00",),
        ),
        windows_at=NOW,
        subscription_at=later(minutes=-5),
    )


async def test_knowledge_comes_back_exactly_as_it_was_written(store: Store) -> None:
    one, state = Latest("ana", ANA, _everything()), CounterState(_everything(), '{"fired":["a"]}')
    await write(store, Batch(latest=[one], states={ANA: state}))
    assert await store.read(counter_states.read_latest) == [one]
    assert await store.read(lambda c: counter_states.read_states(c, [ANA, BO])) == {ANA: state}
    assert await store.read(lambda c: counter_states.read_latest(c, ["ana"])) == [one]
    assert await store.read(counter_states.read_readers) == [CounterReader("ana", ANA, state.memory)]


async def test_an_amount_keeps_the_digits_it_came_with(store: Store) -> None:
    await write(store, Batch(latest=[Latest("ana", ANA, _everything())]))
    extra = (await store.read(counter_states.read_latest))[0].known.snapshot.extra_usage
    assert extra is not None
    assert extra.used is not None
    assert str(extra.used.minor) == "1720.0000000000000000000000000000001"


async def test_an_email_address_is_never_stored(store: Store) -> None:
    planted = known(account_email="ana@example.com")
    await write(store, Batch(latest=[Latest("ana", ANA, planted)], states={ANA: CounterState(planted, "{}")}))
    assert (await store.read(counter_states.read_latest))[0].known.snapshot.account_email is None
    with store.engine.connect() as connection:
        for table in tables.metadata.sorted_tables:
            raw = connection.exec_driver_sql(f"SELECT * FROM {table.name}")  # noqa: S608 - our own names
            assert "ana@example.com" not in str(raw.all())


async def test_newer_knowledge_replaces_older_row_by_row(store: Store) -> None:
    await write(store, Batch(latest=[Latest("ana", ANA, known(used="1")), Latest("bo", BO, known("bo"))]))
    await write(store, Batch(latest=[Latest("ana", ANA, known(used="2"))], states={}))
    assert await store.read(counter_states.read_latest) == [
        Latest("ana", ANA, known(used="2")),
        Latest("bo", BO, known("bo")),
    ]


async def test_two_seats_may_read_one_counter(store: Store) -> None:
    both = [Latest("ana", ANA, known("ana")), Latest("ana-work", ANA, known("ana-work"))]
    await write(store, Batch(latest=both))
    assert await store.read(counter_states.read_latest) == both


async def test_an_account_in_two_organizations_is_two_counters(store: Store) -> None:
    other = Counter(ANA.account, "org-2")
    await write(store, Batch(states={ANA: CounterState(known(), "1"), other: CounterState(known(), "2")}))
    assert {
        c: s.memory for c, s in (await store.read(lambda c: counter_states.read_states(c, [other]))).items()
    } == {other: "2"}


async def test_sources_memories_and_notes_are_kept_and_replaced(store: Store) -> None:
    first = SourceState("ana", Health.CHALLENGED, NOW, "use push", later(hours=-1), 3, later(minutes=4))
    second = SourceState("ana", Health.OK, later(minutes=5))
    await write(store, Batch(sources=[first, SourceState("bo")], memories={"team": "1", "source:ana": "2"}))
    assert await store.read(source_states.read_sources) == {"ana": first, "bo": SourceState("bo")}
    await write(store, Batch(sources=[second], memories={"team": "3"}))
    assert (await store.read(source_states.read_sources))["ana"] == second
    assert await store.read(lambda c: rule_memories.read_memories(c, ["team", "source:ana", "nobody"])) == {
        "team": "3",
        "source:ana": "2",
    }
    await store.run(lambda c: notes.write(c, "fingerprint", "a"))
    await store.run(lambda c: notes.write(c, "fingerprint", "b"))
    assert (
        await store.read(lambda c: notes.read(c, "fingerprint")),
        await store.read(lambda c: notes.read(c, "other")),
    ) == ("b", None)


async def test_a_transaction_that_fails_leaves_nothing_behind(store: Store) -> None:
    def fail(connection: Connection) -> None:
        batches.write(
            connection,
            Batch(latest=[Latest("ana", ANA, known())], samples=[sample(0)], events=[event()],
                  deliveries=[delivery("d1")], sources=[SourceState("ana")])
        )  # fmt: skip
        raise BrokenError

    with pytest.raises(BrokenError):
        await store.run(fail)
    assert (
        await store.read(counter_states.read_latest),
        await store.read(source_states.read_sources),
        await store.read(lambda c: event_log.read_events(c, NOW)),
    ) == ([], {}, [])
    assert await store.read(lambda c: history.read(c, [ANA], NOW)) == []
    assert await store.read(deliveries.read_queues) == []


async def test_a_naive_instant_is_refused(store: Store) -> None:
    with pytest.raises(TypeError, match="offset-naive"):
        await write(store, Batch(sources=[SourceState("ana", since=datetime(2026, 4, 30))]))  # noqa: DTZ001 - that is the point


async def test_what_a_statement_carried_is_not_in_its_error(store: Store) -> None:
    planted = Message(title="secret-title", fallback="")
    new = NewDelivery("d1", "e1", "slack", "C1", DeliveryKind.POST, planted)
    await store.run(lambda c: batches.write(c, Batch(events=[event()], deliveries=[new])))
    broken = tables.deliveries.update().values(id=None, message=planted)
    with pytest.raises(SQLAlchemyError) as failed:
        await store.run(lambda c: c.execute(broken))
    assert "secret-title" not in str(failed.value)


# Events


async def test_an_event_is_stored_once_and_its_deliveries_with_it(store: Store) -> None:
    first = Batch(events=[event("e1")], deliveries=[delivery("d1", "e1")])
    assert await write(store, first) == [event("e1")]
    again = Batch(
        events=[event("e1", later(hours=1)), event("e2", later(hours=1))],
        deliveries=[delivery("d9", "e1"), delivery("d2", "e2")],
    )
    assert await write(store, again) == [event("e2", later(hours=1))]
    assert await store.read(lambda c: event_log.read_events(c, NOW)) == [
        event("e1"),
        event("e2", later(hours=1)),
    ]
    assert [queue.waiting for queue in await store.read(deliveries.read_queues)] == [2]


async def test_the_same_event_twice_in_one_batch_is_one(store: Store) -> None:
    twice = [event("e1"), event("e2"), event("e1", later(hours=1))]
    assert await write(store, Batch(events=twice)) == [event("e1"), event("e2")]


async def test_events_are_found_by_time_and_by_key(store: Store) -> None:
    wanted = [event(f"e{n}", later(minutes=n)) for n in range(4)]
    await write(store, Batch(events=wanted))
    assert await store.read(lambda c: event_log.read_events(c, later(minutes=1))) == wanted[1:]
    assert await store.read(lambda c: event_log.read_events(c, NOW, limit=2)) == wanted[2:]
    assert await store.read(lambda c: event_log.events_by_key(c, ["e1", "e7"])) == {"e1": wanted[1]}


# History


async def test_a_sample_equal_to_the_one_before_is_not_kept_but_the_end_of_its_stretch_is(
    store: Store,
) -> None:
    quiet = [sample(0), sample(1), sample(2), sample(3)]
    await write(store, Batch(samples=quiet[:2]))
    await write(store, Batch(samples=quiet[2:]))
    assert await store.read(lambda c: history.read(c, [ANA], NOW)) == [quiet[0], quiet[3]]
    await write(store, Batch(samples=[sample(4, "2")]))
    assert await store.read(lambda c: history.read(c, [ANA], NOW)) == [quiet[0], quiet[3], sample(4, "2")]
    with store.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.history)) == 3


@pytest.mark.parametrize("changed", [sample(1, "1.0000001"), sample(1, cap=None), sample(1, blocked=True)])
async def test_any_change_is_kept(store: Store, changed: Sample) -> None:
    await write(store, Batch(samples=[sample(0), changed]))
    assert await store.read(lambda c: history.read(c, [ANA], NOW)) == [sample(0), changed]


async def test_an_older_or_repeated_sample_changes_nothing(store: Store) -> None:
    await write(store, Batch(samples=[sample(5)]))
    await write(store, Batch(samples=[sample(5, "7"), sample(4, "7")]))
    assert await store.read(lambda c: history.read(c, [ANA], NOW)) == [sample(5)]


async def test_where_the_clock_was_set_back_later_samples_are_dropped_and_new_ones_taken(
    store: Store,
) -> None:
    await write(store, Batch(samples=[sample(0, "1"), sample(1, "2"), sample(1, "2", BO)]))
    await write(store, Batch(samples=[sample(900, "3"), sample(901, "3"), sample(900, "3", BO)]))
    await write(store, Batch(set_back={ANA: later(minutes=2)}))
    assert await store.read(lambda c: history.read(c, [ANA], NOW)) == [sample(0, "1"), sample(1, "2")]
    await write(store, Batch(samples=[sample(3, "4")], set_back={ANA: later(minutes=3)}))
    assert await store.read(lambda c: history.read(c, [ANA], NOW)) == [
        sample(0, "1"),
        sample(1, "2"),
        sample(3, "4"),
    ]
    assert (await store.read(lambda c: history.read(c, [BO], NOW)))[-1] == sample(900, "3", BO)


async def test_a_history_that_was_all_in_the_future_begins_again(store: Store) -> None:
    await write(store, Batch(samples=[sample(900, "3"), sample(901, "3")]))
    await write(store, Batch(samples=[sample(3, "4")], set_back={ANA: later(minutes=3)}))
    assert await store.read(lambda c: history.read(c, [ANA], NOW)) == [sample(3, "4")]


async def test_samples_come_with_the_last_one_before_per_counter(store: Store) -> None:
    ana = [sample(n, str(n)) for n in range(5)]
    bo = [sample(n + 0.5, str(n), BO) for n in range(2)]
    await write(store, Batch(samples=[*ana, *bo]))
    assert await store.read(lambda c: history.read(c, [ANA, BO], later(minutes=3))) == [
        bo[1],
        ana[2],
        ana[3],
        ana[4],
    ]
    assert await store.read(lambda c: history.read(c, [BO], later(minutes=1))) == bo
    assert await store.read(lambda c: history.read(c, [Counter("nobody", "x")], NOW)) == []


# Deliveries


async def _queue(store: Store, *deliveries: NewDelivery) -> None:
    """Queues them for workers that live for a year."""
    for worker in ("w1", "w2", "w3", "w4"):
        await store.run(lambda c: workers.beat(c, worker, NOW, FOR_EVER))
    events = [event(new.event) for new in deliveries]
    await write(store, Batch(events=events, deliveries=deliveries))


async def _take(store: Store, minutes: float = 0, worker: str = "w1", chat: str = "slack") -> Delivery:
    """The next message, which there must be."""
    claimed = await store.run(
        lambda c: delivery_claims.claim(c, chat, Claim(worker, later(minutes=minutes), 60)).delivery
    )
    assert claimed is not None
    return claimed


async def _claim(store: Store, minutes: float = 0, worker: str = "w1", chat: str = "slack") -> str | None:
    claimed = await store.run(
        lambda c: delivery_claims.claim(c, chat, Claim(worker, later(minutes=minutes), 60)).delivery
    )
    return None if claimed is None else claimed.id


async def test_a_message_comes_back_as_it_was_queued(store: Store) -> None:
    message = Message(
        title="Ana <!channel> is blocked",
        fallback="blocked",
        severity=Severity.CRITICAL,
        text="ünïcode",
        fields=(Field("Used", "$1"),),
        sections=(Section(("a", "b"), "Heading", fixed=True),),
        actions=(Action("ack:d1", "Got it"),),
        owner={"slack": "U1"},
        footer="small",
    )
    await _queue(store, NewDelivery("d1", "e1", "slack", "C1", DeliveryKind.POST, message))
    claimed = await store.run(lambda c: delivery_claims.claim(c, "slack", Claim("w1", NOW, 60)).delivery)
    assert claimed is not None
    assert claimed.message == message
    assert (claimed.attempts, claimed.in_doubt, claimed.root) == (1, False, None)
    assert (claimed.created_at, claimed.first_tried_at) == (NOW, NOW)


async def test_only_one_message_of_a_line_is_claimed_at_a_time(store: Store) -> None:
    await _queue(store, delivery("d1", "e1"), delivery("d2", "e2"))
    first = await _take(store)
    assert first.id == "d1"
    assert await _claim(store) is None
    await store.run(lambda c: delivery_outcomes.mark_delivered(c, first, Posted("C1", "1.0"), NOW))
    assert await _claim(store) == "d2"


async def test_a_line_that_rests_holds_back_its_channel_and_no_other(store: Store) -> None:
    await _queue(
        store,
        delivery("d1", "e1"),
        delivery("d2", "e2"),
        delivery("d3", "e3", "C2"),
        delivery("d4", "e4", chat="discord"),
    )
    first = await _take(store)
    assert first.id == "d1"
    await put_back(store, first, DeliveryState.QUEUED, later(minutes=5))
    assert [await _claim(store), await _claim(store)] == ["d3", None]
    assert await _claim(store, chat="discord") == "d4"
    assert await _claim(store, 4.9) == "d3"  # its claim ran out, so somebody is taking care of it
    assert await _claim(store, 5) == "d1"


async def test_a_message_rests_after_another_as_long_as_its_platform_wants(store: Store) -> None:
    await _queue(store, delivery("d1", "e1"), delivery("d2", "e2"))
    taken = await _take(store)
    await store.run(lambda c: delivery_outcomes.mark_delivered(c, taken, Posted("C1", "1.0"), NOW, pause=1.0))
    assert (
        await store.run(
            lambda c: delivery_claims.claim(c, "slack", Claim("w1", later(seconds=0.9), 60)).delivery
        )
        is None
    )
    assert (
        await store.run(
            lambda c: delivery_claims.claim(c, "slack", Claim("w1", later(seconds=1), 60)).delivery
        )
        is not None
    )


async def test_what_is_blocked_leaves_before_levels_renewals_and_digests(store: Store) -> None:
    lanes = (Priority.DIGEST, Priority.RENEWAL, Priority.THRESHOLD, Priority.BLOCKED, Priority.THRESHOLD)
    queued = [replace(delivery(f"d{n}", f"e{n}"), priority=lane) for n, lane in enumerate(lanes)]
    await _queue(store, *queued)
    left = []
    for _ in lanes:
        one = await _take(store)
        await store.run(lambda c: delivery_outcomes.mark_delivered(c, one, Posted("C1", one.id), NOW))
        left.append(one.id)
    assert left == ["d3", "d2", "d4", "d1", "d0"]


async def test_what_is_held_back_leaves_when_it_may_or_when_it_is_released(store: Store) -> None:
    held = replace(delivery("d1", "e1"), not_before=later(hours=8), held="quiet hours")
    await _queue(store, held, replace(delivery("d2", "e2"), not_before=later(hours=8)))
    assert await _claim(store) is None
    await write(store, Batch(release=[("e2", Destination("slack", "C1"))]))
    second = await _take(store)
    assert second.id == "d2"
    await store.run(lambda c: delivery_outcomes.mark_delivered(c, second, Posted("C1", "2.0"), NOW))
    assert await _claim(store, 8 * 60 - 1) is None
    assert await _claim(store, 8 * 60) == "d1"


async def test_a_claim_that_ran_out_and_a_doubt_are_to_be_settled(store: Store) -> None:
    await _queue(store, delivery("d1"))
    await store.run(lambda c: delivery_claims.claim(c, "slack", Claim("w1", NOW, 60)).delivery)
    assert (
        await store.run(
            lambda c: delivery_claims.claim(c, "slack", Claim("w2", later(seconds=59), 60)).delivery
        )
        is None
    )
    second = await store.run(
        lambda c: delivery_claims.claim(c, "slack", Claim("w2", later(seconds=60), 60)).delivery
    )
    assert second is not None
    assert (second.in_doubt, second.attempts, second.first_tried_at) == (True, 2, NOW)
    await put_back(store, second, DeliveryState.IN_DOUBT, later(minutes=3))
    third = await _take(store, 3)
    assert third.in_doubt
    await put_back(store, third, DeliveryState.QUEUED, later(minutes=4))
    fourth = await _take(store, 4)
    assert not fourth.in_doubt


async def test_a_clock_that_is_set_back_by_a_day_keeps_no_line_waiting_for_that_day(store: Store) -> None:
    await _queue(store, delivery("d1"))
    claimed = await store.run(
        lambda c: delivery_claims.claim(c, "slack", Claim("w1", later(days=1), 60)).delivery
    )
    assert claimed is not None
    await put_back(store, claimed, DeliveryState.QUEUED, later(days=1, minutes=5))
    assert await _claim(store, 0) == "d1"


async def test_a_first_try_that_a_clock_noted_ahead_is_noted_again_once_the_clock_is_right(
    store: Store,
) -> None:
    await _queue(store, delivery("d1"))
    ahead = await store.run(
        lambda c: delivery_claims.claim(c, "slack", Claim("w1", later(days=1), 60)).delivery
    )
    assert ahead is not None
    assert ahead.first_tried_at == later(days=1)
    await put_back(store, ahead, DeliveryState.IN_DOUBT, later(days=1))
    assert (await _take(store)).first_tried_at == NOW


async def test_a_doubt_is_settled_before_anything_else_leaves(store: Store) -> None:
    await _queue(store, replace(delivery("d1", "e1"), priority=Priority.DIGEST))
    await put_back(store, await _take(store), DeliveryState.IN_DOUBT, NOW)
    await _queue(store, replace(delivery("d2", "e2"), priority=Priority.BLOCKED))
    assert (await _take(store)).id == "d1"


async def test_a_worker_that_lost_its_claim_cannot_put_the_delivery_back(store: Store) -> None:
    await _queue(store, delivery("d1"), delivery("d2", "e2"))
    first = await _take(store)
    second = await _take(store, 2, "w2")
    await put_back(store, first, DeliveryState.QUEUED, later(minutes=2))
    assert await _claim(store, 2) is None
    await store.run(
        lambda c: delivery_outcomes.mark_superseded(c, first, "late", later(minutes=2))
    )  # nor free the line that another has
    assert await _claim(store, 2) is None
    await put_back(store, second, DeliveryState.QUEUED, later(minutes=2))
    assert await _claim(store, 2) == "d1"


async def test_the_line_of_a_dead_worker_is_free_at_once(store: Store) -> None:
    await _queue(store, delivery("d1"))
    await store.run(lambda c: workers.beat(c, "mortal", NOW, later(seconds=6)))
    await store.run(lambda c: delivery_claims.claim(c, "slack", Claim("mortal", NOW, 60)).delivery)
    assert (
        await store.run(
            lambda c: delivery_claims.claim(c, "slack", Claim("w2", later(seconds=5), 60)).delivery
        )
        is None
    )
    taken = await store.run(
        lambda c: delivery_claims.claim(c, "slack", Claim("w2", later(seconds=6), 60)).delivery
    )
    assert taken is not None
    assert (taken.id, taken.in_doubt) == ("d1", True)


async def test_a_line_that_rests_by_a_clock_that_was_a_day_ahead_rests_no_longer(store: Store) -> None:
    await _queue(store, delivery("d1"))
    await put_back(store, await _take(store, 24 * 60), DeliveryState.QUEUED, later(days=1, minutes=5))
    assert await _claim(store) == "d1"


async def test_what_was_delivered_stays_delivered(store: Store) -> None:
    await _queue(store, delivery("d1"))
    claimed = await _take(store)
    await store.run(lambda c: delivery_outcomes.mark_delivered(c, claimed, Posted("C1", "1.0"), NOW))
    await put_back(store, claimed, DeliveryState.QUEUED, NOW)
    await store.run(lambda c: delivery_outcomes.mark_superseded(c, claimed, "late", NOW))
    await store.run(
        lambda c: delivery_outcomes.mark_delivered(c, claimed, Posted("C1", "2.0"), later(minutes=1))
    )
    assert await _claim(store, 60) is None
    with store.engine.connect() as connection:
        row = (connection.execute(select(tables.deliveries))).one()
    assert (row.state, row.posted_message, row.delivered_at) == ("delivered", "1.0", NOW)


async def test_an_edit_knows_where_the_post_stands_at_its_own_destination(store: Store) -> None:
    await _queue(store, delivery("p1"), delivery("p2", channel="C2"))
    await _queue(
        store,
        delivery("d1", "e2", kind=DeliveryKind.EDIT, about="e1"),
        delivery("d2", "e2", "C2", kind=DeliveryKind.REPLY, about="e1"),
    )
    for id_, where in (("p1", Posted("D1", "1.0")), ("p2", Posted("C2", "2.0"))):
        post = await _take(store)
        assert post.id == id_
        await store.run(lambda c: delivery_outcomes.mark_delivered(c, post, where, NOW))
    first, second = await _take(store), await _take(store)
    assert (first.kind, first.root) == (DeliveryKind.EDIT, Posted("D1", "1.0"))
    assert (second.kind, second.root) == (DeliveryKind.REPLY, Posted("C2", "2.0"))


async def test_nothing_of_a_thread_leaves_before_its_post(store: Store) -> None:
    post = replace(delivery("p1"), priority=Priority.DIGEST)
    await _queue(
        store,
        post,
        replace(delivery("d1", "e2", kind=DeliveryKind.REPLY, about="e1"), priority=Priority.BLOCKED),
    )
    first = await _take(store)
    assert first.id == "p1"
    await store.run(lambda c: delivery_outcomes.mark_delivered(c, first, Posted("C1", "1.0"), NOW))
    assert await _claim(store) == "d1"


async def test_an_edit_of_a_post_that_never_was_has_no_root(store: Store) -> None:
    await _queue(store, delivery("p1"), delivery("d1", "e2", kind=DeliveryKind.EDIT, about="e1"))
    taken = await _take(store)
    await store.run(lambda c: delivery_outcomes.mark_superseded(c, taken, "nothing to say", NOW))
    claimed = await _take(store)
    assert (claimed.id, claimed.root) == ("d1", None)


async def test_where_an_alert_was_reported_is_known_while_it_still_waits(store: Store) -> None:
    await _queue(
        store,
        replace(delivery("p1"), topic="spend"),
        delivery("p2", chat="discord"),
        delivery("d3", "e2", kind=DeliveryKind.EDIT, about="e1"),
        replace(delivery("d4", "e2", kind=DeliveryKind.REPLY, about="e1"), topic="spend"),
    )
    slack, discord = Destination("slack", "C1"), Destination("discord", "C1")
    first = Posting("e1", "e1", slack, "spend", waits=True)
    line = Posting("e2", "e1", slack, "spend", waits=True)
    assert await store.read(lambda c: deliveries.postings(c, ["e1"])) == [
        first,
        Posting("e1", "e1", discord, None, waits=True),
    ]
    assert await store.read(lambda c: deliveries.postings(c, ["e2"])) == [line]
    assert await store.read(lambda c: deliveries.postings(c, [], ["spend"])) == [first, line]


async def test_queues_tell_how_much_waits_since_when_and_why(store: Store) -> None:
    await write(
        store,
        Batch(
            events=[event("e1", NOW), event("e2", later(minutes=1))],
            deliveries=[
                delivery("d1", "e1"),
                replace(delivery("d2", "e2"), not_before=later(hours=1)),
                delivery("d3", "e2", "C2"),
            ],
        ),
    )
    await put_back(store, await _take(store, 1), DeliveryState.REFUSED, later(minutes=9), "not_in_channel")
    first, second = await store.read(lambda c: deliveries.read_queues(c, later(minutes=2)))
    assert (first.channel, first.waiting, first.oldest, first.trouble) == ("C1", 2, NOW, "not_in_channel")
    assert (first.refused, first.held, first.troubled_since) == (True, 1, NOW)
    assert (second.channel, second.waiting, second.trouble) == ("C2", 1, None)
    for _ in range(3):
        one = await _take(store, 90)
        await store.run(lambda c: delivery_outcomes.mark_delivered(c, one, Posted("C1", one.id), NOW))
    assert await store.read(deliveries.read_queues) == []


# Several in one message


def _all_together(
    waiting: Sequence[WaitingDelivery], _trouble: DestinationTrouble | None, _now: datetime
) -> Choice:
    return Choice(tuple(each.id for each in waiting if each.groupable), "together")


def _rendered(number: int) -> NewDelivery:
    return replace(delivery(f"d{number}", f"e{number}"), message=None)


async def _bundle(store: Store, minutes: float = 0) -> Delivery:
    claimed = await store.run(
        lambda c: (
            delivery_claims.claim(c, "slack", Claim("w1", later(minutes=minutes), 60), _all_together).delivery
        )
    )
    assert claimed is not None
    return claimed


async def test_what_is_reported_together_is_one_message_and_each_event_is_on_its_card(store: Store) -> None:
    await _queue(store, *[_rendered(number) for number in range(3)])
    together = await _bundle(store)
    assert together.content.heading == "together"
    assert [event.key for event in together.content.events] == ["e0", "e1", "e2"]
    await store.run(lambda c: delivery_outcomes.mark_delivered(c, together, Posted("C1", "1.0"), NOW))
    assert await store.read(deliveries.read_queues) == []
    card = await store.read(lambda c: post_contents.of(c, "d1"))
    assert card == together.content


async def test_a_post_is_found_and_taken_back_by_its_event_whatever_its_id_was_made_of(
    store: Store,
) -> None:
    await _queue(store, _rendered(1))
    card = await store.read(lambda c: post_contents.of(c, "d1"))
    assert card is not None
    place = Destination("slack", "C1")
    assert await store.read(lambda c: post_contents.of_event(c, "e1", place)) == card
    assert await store.read(lambda c: post_contents.of_event(c, "e1", Destination("slack", "C2"))) is None
    assert not await store.run(lambda c: deliveries.withdraw(c, "e1", Destination("slack", "C2"), "why"))
    assert await store.run(lambda c: deliveries.withdraw(c, "e1", place, "why"))
    assert not await store.run(lambda c: deliveries.withdraw(c, "e1", place, "why"))


async def test_an_edit_of_what_was_reported_together_edits_that_message(store: Store) -> None:
    await _queue(store, *[_rendered(number) for number in range(2)])
    together = await _bundle(store)
    await store.run(lambda c: delivery_outcomes.mark_delivered(c, together, Posted("C1", "1.0"), NOW))
    end = replace(event("end"), resolves="e1")
    edit = replace(delivery("x", "end", kind=DeliveryKind.EDIT, about="e1"), message=None)
    await write(store, Batch(events=[end], deliveries=[edit]))
    claimed = await _take(store)
    assert (claimed.root, claimed.content.ref) == (Posted("C1", "1.0"), together.id)
    assert claimed.content.endings == {"e1": end}
    assert claimed.shown_hash == together.content.content_hash != claimed.content.content_hash


async def test_what_was_not_sent_together_is_chosen_again(store: Store) -> None:
    await _queue(store, *[_rendered(number) for number in range(2)])
    together = await _bundle(store)
    await put_back(store, together, DeliveryState.QUEUED, NOW)
    await _queue(store, _rendered(2))
    again = await _bundle(store, 1)
    assert again.id != together.id
    assert len(again.content.events) == 3
    assert [queue.waiting for queue in await store.read(deliveries.read_queues)] == [1]


async def test_what_may_have_been_sent_together_stays_together(store: Store) -> None:
    await _queue(store, *[_rendered(number) for number in range(2)])
    together = await _bundle(store)
    await put_back(store, together, DeliveryState.IN_DOUBT, NOW)
    again = await _bundle(store, 1)
    assert (again.id, again.in_doubt, again.content.heading) == (together.id, True, "together")


async def test_racing_workers_claim_each_delivery_once_and_in_order(store: Store, database_url: str) -> None:
    other = await open_store(database_url)
    count = 12
    await _queue(store, *[delivery(f"d{n:02}", f"e{n}", f"C{n % 3}") for n in range(count)])
    claimed: list[tuple[str, str]] = []

    async def work(mine: Store, worker: str) -> None:
        while len(claimed) < count:
            one = await mine.run(lambda c: delivery_claims.claim(c, "slack", Claim(worker, NOW, 60)).delivery)
            if one is not None:
                claimed.append((one.channel, one.id))
                await mine.run(
                    lambda c: delivery_outcomes.mark_delivered(c, one, Posted(one.channel, one.id), NOW)
                )

    async with asyncio.timeout(30):
        await asyncio.gather(work(store, "w1"), work(other, "w2"), work(store, "w3"), work(other, "w4"))
    await other.close()
    assert len(claimed) == len(set(claimed)) == count
    for channel in ("C0", "C1", "C2"):
        mine = [id_ for where, id_ in claimed if where == channel]
        assert mine == sorted(mine)


async def test_transactions_of_two_processes_do_not_overlap(store: Store, database_url: str) -> None:
    other = await open_store(database_url)

    async def count_up(mine: Store) -> None:
        def add_one(connection: Connection) -> None:
            locks.names(connection, ["count"])
            before = rule_memories.read_memories(connection, ["count"]).get("count", "0")
            rule_memories.write_memories(connection, {"count": str(int(before) + 1)})

        for _ in range(10):
            await mine.run(add_one)

    await asyncio.gather(count_up(store), count_up(other), count_up(store))
    await other.close()
    assert await store.read(lambda c: rule_memories.read_memories(c, ["count"])) == {"count": "30"}


# Forgetting


async def test_a_forgotten_seat_leaves_nothing_but_what_others_read_too(store: Store) -> None:
    shared, own = Counter("shared", "org"), ANA
    await write(
        store,
        Batch(
            latest=[
                Latest("ana", own, known()),
                Latest("ana", shared, known()),
                Latest("bo", shared, known("bo")),
            ],
            states={own: CounterState(known(), "{}"), shared: CounterState(known(), "{}")},
            samples=[sample(0, counter=own), sample(0, counter=shared)],
            sources=[SourceState("ana"), SourceState("bo")],
            memories={"source:ana": "1", "source:bo": "2"},
            events=[event("e1", seat="ana"), event("e2", seat="bo")],
            deliveries=[delivery("d1", "e1"), delivery("d2", "e2")],
        ),
    )
    assert await store.run(lambda c: forgetting.forget(c, "ana"))
    assert [one.seat for one in await store.read(counter_states.read_latest)] == ["bo"]
    assert list(await store.read(source_states.read_sources)) == ["bo"]
    assert await store.read(lambda c: history.read(c, [own, shared], NOW)) == [sample(0, counter=shared)]
    assert [one.key for one in await store.read(lambda c: event_log.read_events(c, NOW))] == ["e2"]
    assert [queue.waiting for queue in await store.read(deliveries.read_queues)] == [1]
    assert list(await store.read(lambda c: counter_states.read_states(c, [own, shared]))) == [shared]
    assert await store.read(lambda c: rule_memories.read_memories(c, ["source:ana", "source:bo"])) == {
        "source:bo": "2"
    }
    assert not await store.run(lambda c: forgetting.forget(c, "ana"))


# Cost


def full_batch(seats: int, minute: int) -> Batch:
    names = [f"s{n}" for n in range(seats)]
    counters = {name: Counter(f"account-{name}", "org") for name in names}
    return Batch(
        latest=[Latest(name, counters[name], known(name)) for name in names],
        states={counters[name]: CounterState(known(name), "{}") for name in names},
        samples=[sample(minute, str(minute), counters[name]) for name in names],
        sources=[SourceState(name) for name in names],
        memories={f"source:{name}": "{}" for name in names},
        events=[event(f"{name}-{minute}") for name in names],
        deliveries=[delivery(f"d-{name}-{minute}", f"{name}-{minute}") for name in names],
    )


async def test_the_number_of_statements_does_not_grow_with_the_number_of_seats(store: Store) -> None:
    statements: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    listening.listen(store.engine, "before_cursor_execute", note)

    async def cost(seats: int, minute: int) -> int:
        statements.clear()
        await store.read(counter_states.read_readers)
        await store.read(
            lambda c: counter_states.read_states(c, [Counter(f"account-s{n}", "org") for n in range(seats)])
        )
        await store.run(lambda c: batches.write(c, full_batch(seats, minute)))
        return len(statements)

    await cost(300, 0)
    assert await cost(1, 1) == await cost(300, 2) <= 20


async def test_answers_about_now_never_touch_the_history(store: Store) -> None:
    await write(store, full_batch(3, 0))
    statements: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    listening.listen(store.engine, "before_cursor_execute", note)
    await store.read(counter_states.read_latest)
    await store.read(source_states.read_sources)
    await store.read(deliveries.read_queues)
    assert any("latest" in statement for statement in statements)
    assert not any("history" in statement or "tails" in statement for statement in statements)


async def test_more_counters_than_a_statement_has_parameters(store: Store) -> None:
    many = {Counter(f"account-{n}", "org"): CounterState(known(), "{}") for n in range(10_050)}
    await write(store, Batch(memories={str(n): "" for n in range(33_000)}))
    assert (
        len(await store.read(lambda c: rule_memories.read_memories(c, [str(n) for n in range(33_000)])))
        == 33_000
    )
    assert await store.read(lambda c: counter_states.read_states(c, many)) == {}


async def test_the_salt_is_drawn_once_for_everybody(store: Store) -> None:
    first, second = await asyncio.gather(store.run(notes.salt), store.run(notes.salt))
    assert first == second == await store.run(notes.salt)
    assert len(first) == 32


# What `meterbot check` reads of a database that a bot may be using.


async def wanted_of(url: str) -> dict[str, str]:
    names = ["settings:ana", "settings:bo"]
    return await peek(url, tables.memories, lambda c: rule_memories.read_memories(c, names)) or {}


async def test_memories_are_found_by_name_and_stay_as_they_are(database_url: str) -> None:
    await upgrade(database_url)
    opened = await open_store(database_url)
    stored = {"settings:ana": '{"thresholds": ["80%"]}', "settings:cy": "{}"}
    await opened.run(lambda c: rule_memories.write_memories(c, stored))
    assert await wanted_of(database_url) == {"settings:ana": stored["settings:ana"]}
    assert await opened.read(lambda c: rule_memories.read_memories(c, stored)) == stored
    await opened.close()


async def test_a_database_without_tables_has_none_and_gets_none(database_url: str) -> None:
    assert await wanted_of(database_url) == {}
    await upgrade(database_url)  # which refuses tables that it did not make
    opened = await open_store(database_url)
    await opened.run(lambda c: c.execute(text("DROP TABLE memories")))
    await opened.close()
    assert await wanted_of(database_url) == {}


async def test_a_database_that_is_not_there_is_not_created(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/meterbot.db"
    assert await wanted_of(url) == {}
    assert not await is_there(url)


async def test_a_server_that_does_not_answer_is_said_without_its_password() -> None:
    with pytest.raises(StartError, match="cannot read the database") as refused:
        await wanted_of("postgresql://bot:planted-password@127.0.0.1:1/meterbot")
    assert "planted-password" not in str(refused.value)
