"""Recording an attempt locks the channel's queue before its messages, as claiming does."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import select

from meterbot.core.deliveries import Delivery, DeliveryState, DestinationTrouble
from meterbot.core.messages import Posted
from meterbot.store import Batch, Store, delivery_claims, delivery_outcomes, tables
from meterbot.store.delivery_claims import Claim
from tests.store.examples import NOW, delivery, event, write
from tests.transactions import somebody_waits

Outcome = Callable[[Store, Delivery], Awaitable[None]]


async def stands(store: Store, sent: Delivery) -> None:
    await store.run(
        lambda c: delivery_outcomes.mark_delivered(c, sent, Posted("C1", "1.0"), NOW, held="the one before")
    )


async def is_superseded(store: Store, sent: Delivery) -> None:
    await store.run(lambda c: delivery_outcomes.mark_superseded(c, sent, "over", NOW))


async def is_reposted(store: Store, sent: Delivery) -> None:
    await store.run(lambda c: delivery_outcomes.repost(c, sent, NOW))


async def waits_again(store: Store, sent: Delivery) -> None:
    await store.run(
        lambda c: delivery_outcomes.mark_waiting(
            c, sent, DeliveryState.QUEUED, NOW, DestinationTrouble("no answer", NOW)
        )
    )


# SQLite locks the whole file: there is no order of locks.
@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("outcome", [stands, is_superseded, is_reposted, waits_again])
async def test_a_message_is_not_locked_before_its_line(store: Store, outcome: Outcome) -> None:
    await write(store, Batch(events=[event()], deliveries=[delivery("d1")]))
    sent = await store.run(lambda c: delivery_claims.claim(c, "slack", Claim("one", NOW, 60)).delivery)
    assert sent is not None
    with store.engine.connect() as heir:
        heir.execute(select(tables.channel_queues).with_for_update())
        noting = asyncio.ensure_future(outcome(store, sent))
        await somebody_waits(store)
        heir.execute(select(tables.deliveries).with_for_update(nowait=True))  # which fails on a locked row
        heir.rollback()
        await noting
