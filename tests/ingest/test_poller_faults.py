"""One bad reading holds up no other, and a seat never drops out of the poller."""

from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as listening
from structlog.testing import capture_logs

from meterbot.core.models import Health, Snapshot
from meterbot.store import Store, source_states
from meterbot.store.database import open_store
from tests.ingest.test_poller import FakeSource, House


class Unstorable(FakeSource):
    """While `bad`, answers with something that no column accepts."""

    bad = True

    async def read(self, now: datetime) -> tuple[Snapshot, ...]:
        (good,) = await super().read(now)
        unfit: Any = object()
        return (replace(good, detail=unfit) if self.bad else good,)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/meterbot.db")
    yield opened
    await opened.close()


async def test_a_reading_that_cannot_be_stored_becomes_a_health_and_the_seat_is_read_again(
    store: Store,
) -> None:
    house = House(store, "ana", "bo", "cy")
    bad = Unstorable("bo")
    house.sources["bo"] = bad
    house.restarted()
    with capture_logs() as logs:
        await house.pass_time(40)
    states = await store.read(source_states.read_sources)
    assert {name: state.health for name, state in states.items()} == {
        "ana": Health.OK,
        "bo": Health.UNREACHABLE,
        "cy": Health.OK,
    }
    assert states["bo"].detail == "what was read could not be stored; the log says more"
    tries = [line["tries"] for line in logs if line["event"] == "a reading could not be stored"]
    assert tries == [1, 2, 3]
    bad.bad, before = False, len(bad.starts)
    await house.pass_time(600)
    assert len(bad.starts) > before
    assert (await store.read(source_states.read_sources))["bo"].health is Health.OK


async def test_a_reading_that_cannot_be_stored_does_not_make_others_transactions_of_their_own(
    store: Store,
) -> None:
    names = [f"seat-{number}" for number in range(30)]
    house = House(store, *names, concurrency=30)
    house.sources["bad"] = Unstorable("bad")
    house.restarted()
    begun: list[object] = []
    await house.pass_time(120, step=10)
    listening.listen(store.engine, "begin", begun.append)
    await house.pass_time(240, step=60)
    assert sum(len(house.sources[name].starts) for name in names) >= 30 * 4
    assert len(begun) < 4 * 30


async def test_a_read_that_is_cancelled_before_its_first_step_leaves_the_seat_in_the_heap(
    store: Store,
) -> None:
    house = House(store)
    house.clock.advance(timedelta(seconds=10))
    await house.poller.tick(house.clock.now())
    house.clock.advance(timedelta(seconds=10))
    await house.poller.tick(house.clock.now())
    assert not house.sources["ana"].starts
    house.poller.let_go()  # presence is lost in the same turn of the event loop
    await house.pass_time(90)
    assert len(house.sources["ana"].starts) >= 1


async def test_no_read_begins_when_presence_was_lost_while_the_seats_were_claimed(store: Store) -> None:
    house = House(store)
    alive = True

    async def lose(_: Collection[str]) -> None:
        nonlocal alive
        alive = False

    house.poller._alive = lambda: alive
    house.poller._prepare = lose
    await house.pass_time(10)
    assert not house.sources["ana"].starts
    alive, house.poller._prepare = True, None
    await house.pass_time(5)
    assert len(house.sources["ana"].starts) == 1
