"""Who gets a digest, with a real store and the ordinary queue."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Never

import pytest

from meterbot.commands.context import CommandContext
from meterbot.commands.digest import DigestReader, DigestSender, Schedule
from meterbot.core.clock import ManualClock
from meterbot.core.deliveries import Destination, Priority
from meterbot.core.models import Sample, Seat
from meterbot.delivery.alerts.message import renderer
from meterbot.delivery.routing import Quiet, RoutingSettings, Silence
from meterbot.delivery.worker import DeliveryWorker
from meterbot.store import FOR_EVER, Batch, Latest, Store, batches, deliveries, delivery_claims, workers
from meterbot.store.delivery_claims import Claim
from tests.e2e.wall import Trouble, Wall
from tests.teams import (
    extra,
    money,
    reading,
    seat,
    snapshot,
    state,
)

NINE = datetime(2026, 4, 15, 9, tzinfo=UTC)
DAY = timedelta(days=1)
SEATS = {name: seat(name) for name in ("ana", "bo")}
DAILY = Schedule("day", time(9))
CHANNEL = DigestReader(Destination("slack", "C1"), DAILY)
ANAS = DigestReader(Destination("slack", "@UANA"), replace(DAILY, at=time(10)), ("ana",))
BOS = DigestReader(Destination("slack", "@UBO"), DAILY, ("bo",))


class Desk:
    """A worker that sends digests to a wall; `spend` is what a reading brings."""

    def __init__(self, store: Store, *readers: DigestReader, routing: RoutingSettings | None = None) -> None:
        self.store, self.wall, self.woken = store, Wall("slack"), 0
        self.routing = routing or RoutingSettings()
        context = CommandContext(store, SEATS, lambda: NINE, UTC, "1", wake=self._wake)
        self.digests = DigestSender(context, self.routing, lambda: readers)

    def _wake(self) -> None:
        self.woken += 1

    async def spend(self, used: str, at: datetime, of: str = "ana") -> None:
        read = reading(snapshot(of, extra_usage=extra(used)))
        known = replace(
            read.known,
            snapshot=replace(read.known.snapshot, fetched_at=at),
            windows_at=at,
            extra_usage_at=at,
            subscription_at=at,
        )
        sample = Sample(at, read.counter, money(used), money("50"), blocked=False)
        source = replace(state(of), last_ok_at=at)
        batch = Batch(latest=[Latest(of, read.counter, known)], samples=[sample], sources=[source])
        await self.store.run(lambda c: batches.write(c, batch))

    async def look(self, now: datetime) -> list[tuple[str, str]]:
        """The posted messages: where, and their titles."""
        await self.digests.queue_due(now)
        clock = ManualClock(now)
        await self.store.run(lambda c: workers.beat(c, "one", now, FOR_EVER))
        render = renderer(SEATS, UTC, self.routing)
        notify = DeliveryWorker(self.store, {"slack": self.wall}, clock, worker="one", render=render)
        for _ in range(5):
            await notify.drain()
            clock.advance(timedelta(seconds=2))
        return [(each.channel, each.message.title) for each in self.wall.standing]


async def test_a_digest_says_what_was_spent_since_the_last_look(store: Store) -> None:
    desk = Desk(store, CHANNEL)
    await desk.spend("2", NINE - DAY)
    assert await desk.look(NINE - 0.9 * DAY) == []
    await desk.spend("12.50", NINE - DAY / 2)
    assert await desk.look(NINE - timedelta(seconds=1)) == []
    assert await desk.look(NINE) == [("C1", "The team's day: at least $10.50 spent")]
    assert desk.woken == 1
    await desk.spend("13", NINE + timedelta(hours=1))
    assert len(await desk.look(NINE + timedelta(hours=2))) == 1
    assert (await desk.look(NINE + DAY))[1:] == [("C1", "The team's day: at least $0.50 spent")]


async def test_where_nothing_changed_nothing_is_sent_and_what_comes_later_waits_for_its_day(
    store: Store,
) -> None:
    desk = Desk(store, CHANNEL)
    await desk.spend("2", NINE - DAY)
    await desk.look(NINE - DAY / 2)
    assert await desk.look(NINE) == []
    await desk.spend("3", NINE + timedelta(minutes=1))
    assert await desk.look(NINE + timedelta(minutes=2)) == []
    assert await desk.look(NINE + DAY) == [("C1", "The team's day: at least $1.00 spent")]


async def test_each_reader_has_their_own_hour_and_hears_of_their_own(store: Store) -> None:
    desk = Desk(store, CHANNEL, ANAS, BOS)
    for name in SEATS:
        await desk.spend("1", NINE - DAY, of=name)
    await desk.look(NINE - DAY / 2)
    await desk.spend("5", NINE - timedelta(hours=1))
    assert await desk.look(NINE) == [("C1", "The team's day: $4.00 spent")]
    later = await desk.look(NINE + timedelta(hours=1))
    assert later[1:] == [("@UANA", "Your day: $4.00 spent")]


async def test_a_restart_and_a_second_worker_send_none_again(store: Store) -> None:
    desk = Desk(store, CHANNEL)
    await desk.spend("1", NINE - DAY)
    await desk.look(NINE - DAY / 2)
    await desk.spend("5", NINE - timedelta(hours=1))
    other = Desk(store, CHANNEL)
    await desk.digests.queue_due(NINE)
    await other.digests.queue_due(NINE)
    assert (desk.woken, other.woken) == (1, 0)
    await Desk(store, CHANNEL).digests.queue_due(NINE + timedelta(minutes=5))
    (queue,) = await store.read(deliveries.read_queues)
    assert queue.waiting == 1


async def test_an_answer_that_was_lost_is_looked_for_and_not_posted_twice(store: Store) -> None:
    desk = Desk(store, CHANNEL)
    await desk.spend("1", NINE - DAY)
    await desk.look(NINE - DAY / 2)
    await desk.spend("5", NINE - timedelta(hours=1))
    desk.wall.troubles.append(Trouble.ANSWER_LOST)
    assert len(await desk.look(NINE)) == 1
    assert ("find", "C1") in desk.wall.calls or any(name == "find" for name, _ in desk.wall.calls)


async def test_what_was_due_while_nobody_ran_comes_once_when_somebody_does(
    store: Store,
) -> None:
    desk = Desk(store, CHANNEL)
    await desk.spend("1", NINE - DAY)
    await desk.look(NINE - DAY / 2)
    await desk.spend("5", NINE - timedelta(hours=1))
    assert len(await desk.look(NINE + timedelta(hours=12))) == 1
    await desk.spend("6", NINE + timedelta(hours=13))
    late = await desk.look(NINE + DAY + timedelta(hours=15, minutes=1))
    assert late[1:] == [("C1", "The team's day: at least $1.00 spent")]
    assert len(await desk.look(NINE + 2 * DAY)) == 2
    await desk.spend("8", NINE + 3 * DAY)
    assert (await desk.look(NINE + 9 * DAY))[2:] == [
        ("C1", "The team's spend since Fri Apr 17: at least $2.00 spent")
    ]


async def test_quiet_hours_do_not_hold_it_back_and_a_silence_does(store: Store) -> None:
    silence = Silence(NINE - DAY / 4, NINE + timedelta(hours=3))
    routing = RoutingSettings(quiet=Quiet(time(0), time(23)), silences=(silence,))
    desk = Desk(store, CHANNEL, routing=routing)
    await desk.spend("1", NINE - DAY)
    await desk.look(NINE - DAY / 2)
    await desk.spend("5", NINE - timedelta(hours=1))
    assert await desk.look(NINE) == []
    assert len(await desk.look(NINE + timedelta(hours=3))) == 1


async def test_it_leaves_behind_everything_else(store: Store) -> None:
    desk = Desk(store, CHANNEL)
    await desk.spend("1", NINE - DAY)
    await desk.look(NINE - DAY / 2)
    await desk.spend("5", NINE - timedelta(hours=1))
    await desk.digests.queue_due(NINE)
    await store.run(lambda c: workers.beat(c, "one", NINE, FOR_EVER))
    claimed = await store.run(lambda c: delivery_claims.claim(c, "slack", Claim("one", NINE, 60)).delivery)
    assert claimed is not None
    assert claimed.event.kind.value == "digest"
    assert max(Priority) == Priority.DIGEST


@pytest.mark.parametrize("again", [False, True])
async def test_a_look_that_fails_is_made_again(store: Store, again: bool) -> None:  # noqa: FBT001
    desk = Desk(store, CHANNEL)
    await desk.spend("1", NINE - DAY)
    await desk.look(NINE - DAY / 2)
    await desk.spend("5", NINE - timedelta(hours=1))

    class Away(dict[str, Seat]):
        def values(self) -> Never:
            raise ConnectionError

    if again:
        context = desk.digests.context
        desk.digests.context = replace(context, seats=Away())
        with pytest.raises(ConnectionError):
            await desk.digests.queue_due(NINE)
        desk.digests.context = context
    assert len(await desk.look(NINE + timedelta(minutes=1))) == 1


async def test_a_digest_that_was_never_sent_goes_into_the_next_one(store: Store) -> None:
    desk = Desk(store, CHANNEL)
    await desk.spend("1", NINE - DAY)
    await desk.look(NINE - DAY / 2)
    for day in range(3):
        await desk.spend(f"{day + 3}", NINE + day * DAY - timedelta(hours=1))
        await desk.digests.queue_due(NINE + day * DAY)
    (queue,) = await store.read(deliveries.read_queues)
    assert queue.waiting == 1
    later = NINE + 2 * DAY + timedelta(minutes=1)
    assert await desk.look(later) == [("C1", "The team's spend since Tue Apr 14: at least $4.00 spent")]


async def test_one_that_somebody_began_to_send_is_left_alone(store: Store) -> None:
    desk = Desk(store, CHANNEL)
    await desk.spend("1", NINE - DAY)
    await desk.look(NINE - DAY / 2)
    await desk.spend("3", NINE - timedelta(hours=1))
    await desk.digests.queue_due(NINE)
    await store.run(lambda c: workers.beat(c, "two", NINE, FOR_EVER))
    assert (
        await store.run(lambda c: delivery_claims.claim(c, "slack", Claim("two", NINE, 60)).delivery)
        is not None
    )
    await desk.spend("5", NINE + DAY - timedelta(hours=1))
    await desk.digests.queue_due(NINE + DAY)
    (queue,) = await store.read(deliveries.read_queues)
    assert queue.waiting == 2


async def test_it_says_where_the_month_is_heading(store: Store) -> None:
    desk = Desk(store, CHANNEL, replace(ANAS, schedule=DAILY))
    for day in range(9, 0, -1):
        await desk.spend(f"{10 - day}", NINE - day * DAY)
    await desk.look(NINE - DAY / 2)
    await desk.spend("10", NINE - timedelta(hours=1))
    await desk.look(NINE)
    team, own = sorted(desk.wall.standing, key=lambda each: each.channel, reverse=True)
    assert "\nThe month ends at about $" in (team.message.text or "")
    lines = [line for section in own.message.sections for line in section.lines]
    assert any(line.startswith("The month ends ") for line in lines)
