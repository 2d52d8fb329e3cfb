"""What is noted of an attempt waits for the line before it touches a message, as whoever claims does."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import select, text

from meterbot.core.deliveries import Delivery, DeliveryState, DestinationTrouble
from meterbot.core.messages import Posted
from meterbot.store import Batch, tables
from meterbot.store.database import Database
from tests.store.facts import NOW, delivery, event, write

Outcome = Callable[[Database, Delivery], Awaitable[None]]


async def stands(store: Database, sent: Delivery) -> None:
    await store.delivered(sent, Posted("C1", "1.0"), NOW, held="the one before")


async def is_superseded(store: Database, sent: Delivery) -> None:
    await store.superseded(sent, "over", NOW)


async def is_reposted(store: Database, sent: Delivery) -> None:
    await store.repost(sent, NOW)


async def waits_again(store: Database, sent: Delivery) -> None:
    await store.put_back(sent, DeliveryState.QUEUED, NOW, DestinationTrouble("no answer", NOW))


@pytest.mark.parametrize("outcome", [stands, is_superseded, is_reposted, waits_again])
async def test_a_message_is_not_locked_before_its_line(store: Database, outcome: Outcome) -> None:
    if store._engine.dialect.name == "sqlite":
        pytest.skip("SQLite locks the whole file: there is no order of locks")
    await write(store, Batch(events=[event()], deliveries=[delivery("d1")]))
    sent = await store.claim("slack", NOW, "one", 60)
    assert sent is not None
    async with store._engine.connect() as heir, store._engine.connect() as watch:
        await heir.execute(select(tables.lines).with_for_update())
        noting = asyncio.ensure_future(outcome(store, sent))
        async with asyncio.timeout(20):
            waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            while not await watch.scalar(waiting):
                pass
        await heir.execute(
            select(tables.deliveries).with_for_update(nowait=True)
        )  # which fails on a locked row
        await heir.rollback()
        await noting
