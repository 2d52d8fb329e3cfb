"""Never lost, never twice, in order: deliveries from a real store to chats with every kind of trouble."""

import asyncio
import itertools
import random
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import event as listening
from sqlalchemy import text
from structlog.testing import capture_logs
from structlog.typing import EventDict

from meterbot.chat import Chat
from meterbot.core.clock import ManualClock
from meterbot.core.counters import ProcessCounters
from meterbot.core.deliveries import (
    MAY_REPEAT,
    MOST_NAMED,
    ChannelQueue,
    Delivery,
    DeliveryKind,
    Destination,
    NewDelivery,
    Priority,
)
from meterbot.core.errors import LOOKUP_EXHAUSTED, Outcome, SendError
from meterbot.core.messages import Message
from meterbot.core.models import Event, EventKind, Severity
from meterbot.delivery import worker as module
from meterbot.delivery.grouping import grouping
from meterbot.delivery.worker import CLAIM_SECONDS, MOST_TRIES, DeliveryWorker
from meterbot.store import (
    FOR_EVER,
    Batch,
    Connection,
    Store,
    batches,
    deliveries,
    delivery_claims,
    delivery_outcomes,
    workers,
)
from meterbot.store.database import open_store
from meterbot.store.delivery_claims import Claim
from tests.chat.discord import rig as discord_rig
from tests.chat.slack import rig as slack_rig
from tests.e2e.wall import KilledError, Standing, Trouble, Wall
from tests.properties import examples
from tests.shared_store import file_of
from tests.simulator import discord_faults
from tests.simulator.slack import SlackSimulator
from tests.simulator.slack_faults import Fault, dropped, hanging, rate_limited, refused

NOW = datetime(2026, 4, 30, 10, tzinfo=UTC)
POST, EDIT, REPLY = DeliveryKind.POST, DeliveryKind.EDIT, DeliveryKind.REPLY
A_CLAIM = timedelta(seconds=CLAIM_SECONDS + 1)
LONG = timedelta(hours=1)
"""Longer than any pause of ours."""


def rendered(delivery: Delivery) -> Message:
    """A post without a text here names its events."""
    return Message(delivery.content.heading or ", ".join(delivery.content.named_keys), "")


@dataclass
class Line:
    """A store with deliveries queued on demand, and the workers that send them."""

    store: Store
    clock: ManualClock
    ids: Iterator[int] = field(default_factory=itertools.count)

    async def queue(
        self,
        title: str,
        *,
        chat: str = "wall",
        channel: str = "C1",
        kind: DeliveryKind = POST,
        about: str | None = None,
    ) -> str:
        """Queues one delivery under an event of its own; returns the event's key, for edits and replies."""
        number = next(self.ids)
        key = f"event-{number}"
        event = Event(key, EventKind.SPEND_STARTED, self.clock.now(), Severity.WARNING, "because")
        delivery = NewDelivery(f"{number:020d}", key, chat, channel, kind, Message(title, title), about)
        await self.store.run(lambda c: batches.write(c, Batch(events=[event], deliveries=[delivery])))
        return key

    async def happen(
        self, *keys: str, ends: str | None = None, about: str | None = None, channels: Sequence[str] = ("C1",)
    ) -> None:
        """Queues a post, in the words of its moment, for each of these events; or the end of one, without any. Those
        that are `about` an earlier event are replies to its post."""
        now = self.clock.now()
        events = [Event(key, EventKind.SPEND_STARTED, now, Severity.WARNING, "because") for key in keys]
        if ends is not None:
            over = Event(f"end of {ends}", EventKind.SPEND_STARTED, now, Severity.GOOD, "so", resolves=ends)
            events.append(over)
        kind = POST if about is None else REPLY
        posts = [
            NewDelivery(f"{next(self.ids):020d}", key, "wall", channel, kind, about=about)
            for key in keys
            for channel in channels
        ]
        await self.store.run(lambda c: batches.write(c, Batch(events=events, deliveries=posts)))

    async def make_unreadable(self, *keys: str) -> None:
        """These events are now stored as a later version stores them."""
        later = text(
            "update events set event = replace(event, 'spend_started', 'of_the_future') where key = :key"
        )
        await self.store.run(lambda tx: tx.execute(later, [{"key": key} for key in keys]))

    async def failed(self) -> list[str]:
        """The events of the messages that were given up."""
        return [each.event for each in await self.store.read(deliveries.failed)]

    async def notify(self, title: str, owner: dict[str, str]) -> None:
        """Queues a direct message to a person, on the first chat where they are known."""
        number, (chat, who) = next(self.ids), next(iter(owner.items()))
        event = Event(f"notice-{number}", EventKind.NOTICE, self.clock.now(), Severity.INFO, "so", "ana")
        words = Message(title, title, owner=owner)
        notice = NewDelivery(f"{number:020d}", event.key, chat, f"@{who}", POST, words)
        await self.store.run(lambda c: batches.write(c, Batch(events=[event], deliveries=[notice])))

    async def come_alive(self, *names: str) -> None:
        """These workers run from now on."""

        def beat(connection: Connection) -> None:
            for name in names:
                workers.beat(connection, name, NOW, FOR_EVER)

        await self.store.run(beat)

    def worker(self, *chats: Chat, name: str = "one") -> DeliveryWorker:
        jitter = random.Random(7)  # noqa: S311 - not a secret
        return DeliveryWorker(
            self.store,
            {chat.name: chat for chat in chats},
            self.clock,
            worker=name,
            render=rendered,
            rng=jitter,
        )

    async def waiting(self, chat: str = "wall") -> ChannelQueue | None:
        return next(
            (queue for queue in await self.store.read(deliveries.read_queues) if queue.chat == chat), None
        )


@pytest.fixture
async def line(sqlite_store: Store) -> Line:
    made = Line(sqlite_store, ManualClock(NOW))
    await made.come_alive("one", "other", "next", "slow", "quick", "third")
    return made


@contextmanager
def impatient() -> Iterator[None]:
    """A platform that does not answer is given up at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SEND_SECONDS", 0.02)
        yield


# --- order ----------------------------------------------------------------------------------------------------------


async def test_messages_stand_in_the_order_in_which_they_were_queued(line: Line) -> None:
    wall = Wall()
    for number in range(20):
        await line.queue(f"{number}", channel=f"C{number % 2}")
    await line.worker(wall).drain()
    assert wall.titles("C0") == [f"{number}" for number in range(0, 20, 2)]
    assert wall.titles("C1") == [f"{number}" for number in range(1, 20, 2)]
    assert await line.waiting() is None


async def test_a_message_that_waits_holds_back_what_comes_after_it_in_its_channel_only(line: Line) -> None:
    wall = Wall()
    wall.troubles.append(Trouble.NOT_SENT)
    for title, channel in (("first", "C1"), ("second", "C1"), ("elsewhere", "C2")):
        await line.queue(title, channel=channel)
    worker = line.worker(wall)
    await worker.drain()
    assert (wall.titles("C1"), wall.titles("C2")) == ([], ["elsewhere"])
    line.clock.advance(timedelta(seconds=2))
    await worker.drain()
    assert wall.titles("C1") == ["first", "second"]


async def test_an_edit_and_a_reply_follow_the_post_even_when_they_were_queued_before_it_stood(
    line: Line,
) -> None:
    wall = Wall()
    alert = await line.queue("blocked")
    await line.queue("resolved", kind=EDIT, about=alert)
    await line.queue("is no longer blocked", kind=REPLY, about=alert)
    await line.queue("another alert")
    await line.worker(wall).drain()
    blocked = wall.standing[0]
    assert wall.titles() == ["blocked", "another alert"]
    assert [message.title for message in blocked.edits] == ["resolved"]
    assert wall.titles(thread=blocked.delivery) == ["is no longer blocked"]
    assert [what for what, _ in wall.calls] == ["post", "edit", "reply", "post"]


async def test_what_refers_to_a_post_that_never_was_is_superseded(line: Line) -> None:
    wall = Wall()
    await line.queue("resolved", kind=EDIT, about="an event of another channel")
    await line.queue("no longer blocked", kind=REPLY, about="an event of another channel")
    await line.queue("an alert")
    await line.worker(wall).drain()
    assert wall.calls == [("post", f"{2:020d}")]
    assert await line.waiting() is None


async def test_two_workers_never_take_the_same_message_nor_overtake_each_other(line: Line) -> None:
    wall = Wall()
    for number in range(30):
        await line.queue(f"{number}")
    one, other = line.worker(wall, name="one"), line.worker(wall, name="other")
    await asyncio.gather(one.drain(), other.drain())
    # The one that finds the head of the line claimed leaves it to its claimer.
    await asyncio.gather(one.drain(), other.drain())
    assert wall.titles() == [f"{number}" for number in range(30)]


# --- platforms fail alone -------------------------------------------------------------------------------------------


async def test_a_platform_that_hangs_delays_no_other(line: Line) -> None:
    stuck, well = Wall("stuck"), Wall("well")
    stuck.troubles.append(Trouble.HANGS_BEFORE)
    worker = line.worker(stuck, well)
    for number in range(3):
        await line.queue(f"{number}", chat="stuck")
        await line.queue(f"{number}", chat="well")
    running = asyncio.create_task(worker.run())
    try:
        await asyncio.wait_for(stuck.hanging.wait(), 5)
        await well.until(3)
        assert stuck.standing == []
    finally:
        stuck.go_on.set()
        worker.stop()
        await running
    assert well.titles() == ["0", "1", "2"]


async def test_a_platform_that_does_not_answer_in_time_leaves_a_doubt(line: Line) -> None:
    wall = Wall()
    wall.troubles.append(Trouble.HANGS_AFTER)
    await line.queue("alert")
    worker = line.worker(wall)
    with impatient():
        await worker.drain()
    line.clock.advance(LONG)
    await worker.drain()
    assert wall.titles() == ["alert"]
    assert [what for what, _ in wall.calls] == ["post", "find"]


async def test_stopping_lets_the_message_that_is_being_sent_arrive(line: Line) -> None:
    wall = Wall()
    wall.troubles.append(Trouble.HANGS_BEFORE)
    for title in ("being sent", "next"):
        await line.queue(title)
    worker = line.worker(wall)
    running = asyncio.create_task(worker.run())
    await asyncio.wait_for(wall.hanging.wait(), 5)
    worker.stop()
    wall.go_on.set()
    await asyncio.wait_for(running, 5)
    assert [what for what, _ in wall.calls] == ["post"]
    queue = await line.waiting()
    assert queue is not None
    assert queue.waiting == 1


async def test_waking_sends_what_was_queued_meanwhile(line: Line) -> None:
    wall = Wall()
    worker = line.worker(wall)
    running = asyncio.create_task(worker.run())
    for number in range(3):
        await line.queue(f"{number}")
        worker.wake()
        await wall.until(number + 1)
    worker.stop()
    await asyncio.wait_for(running, 5)
    assert wall.titles() == ["0", "1", "2"]


# --- what a failure leaves ------------------------------------------------------------------------------------------


async def settled_after(line: Line, trouble: Trouble | SendError) -> list[str]:
    """What the chat was asked for until the message stood, once and for all."""
    wall = Wall()
    wall.troubles.append(trouble)
    await line.queue("alert")
    worker = line.worker(wall)
    await worker.drain()
    line.clock.advance(LONG)
    await worker.drain()
    assert wall.titles() == ["alert"]
    assert await line.waiting() is None
    return [what for what, _ in wall.calls]


@pytest.mark.parametrize("trouble", [Trouble.NOT_SENT, Trouble.REFUSED])
async def test_what_was_certainly_not_sent_is_sent_again_without_looking(
    line: Line, trouble: Trouble
) -> None:
    assert await settled_after(line, trouble) == ["post", "post"]


async def test_what_is_found_is_not_sent_again(line: Line) -> None:
    assert await settled_after(line, Trouble.ANSWER_LOST) == ["post", "find"]


@pytest.mark.parametrize("trouble", [Trouble.LOST_ON_THE_WAY, Trouble.BROKEN])
async def test_what_is_not_found_is_sent(line: Line, trouble: Trouble) -> None:
    assert await settled_after(line, trouble) == ["post", "find", "post"]


async def test_a_doubt_stays_a_doubt_until_it_can_be_looked_at(line: Line) -> None:
    wall = Wall()
    wall.troubles.append(Trouble.ANSWER_LOST)
    wall.finding.extend([Trouble.NOT_SENT, Trouble.LOST_ON_THE_WAY, Trouble.BROKEN])
    await line.queue("alert")
    worker = line.worker(wall)
    for _ in range(5):
        await worker.drain()
        line.clock.advance(LONG)
    assert [what for what, _ in wall.calls] == ["post", "find", "find", "find", "find"]
    assert wall.titles() == ["alert"]


async def test_a_doubt_stays_a_doubt_when_the_next_attempt_is_refused(line: Line) -> None:
    """The first attempt may still be on its way."""
    wall = Wall()
    wall.troubles.extend([Trouble.LOST_ON_THE_WAY, Trouble.REFUSED])
    await line.queue("alert")
    worker = line.worker(wall)
    for _ in range(2):
        await worker.drain()
        line.clock.advance(LONG)
    wall.standing.append(Standing(f"{0:020d}", "C1", Message("alert", "alert")))  # arrives late
    await worker.drain()
    assert wall.titles() == ["alert"]


async def test_where_nobody_may_look_a_second_post_is_better_than_none(line: Line) -> None:
    wall = Wall()
    wall.troubles.append(Trouble.LOST_ON_THE_WAY)
    wall.finding.append(Trouble.REFUSED)
    await line.queue("alert")
    worker = line.worker(wall)
    with capture_logs() as logged:
        await worker.drain()
        line.clock.advance(LONG)
        await worker.drain()
    assert wall.titles() == ["alert"]
    assert "cannot check whether a message arrived, so it is sent" in {each["event"] for each in logged}


async def test_an_edit_in_doubt_is_repeated_without_looking(line: Line) -> None:
    wall = Wall()
    alert = await line.queue("blocked")
    await line.queue("resolved", kind=EDIT, about=alert)
    wall.troubles.extend([Trouble.NONE, Trouble.ANSWER_LOST])
    worker = line.worker(wall)
    await worker.drain()
    line.clock.advance(LONG)
    await worker.drain()
    assert [what for what, _ in wall.calls] == ["post", "edit", "edit"]


async def test_a_bug_in_a_chat_is_reported_and_holds_up_no_other(line: Line) -> None:
    broken, well = Wall("broken"), Wall("well")
    broken.troubles.append(Trouble.BROKEN)
    for chat in ("broken", "well"):
        await line.queue("alert", chat=chat)
    with capture_logs() as logged:
        await line.worker(broken, well).drain()
    assert well.titles() == ["alert"]
    assert [each["chat"] for each in logged if each["log_level"] == "error"] == ["broken"]
    queue = await line.waiting("broken")
    assert queue is not None
    assert queue.trouble == "meterbot itself failed to send it"


# --- when again -----------------------------------------------------------------------------------------------------


async def pause_after(line: Line, worker: DeliveryWorker, wall: Wall) -> float:
    """Seconds until the head of the line is tried again, to the tenth."""
    calls, began = len(wall.calls), line.clock.now()
    while len(wall.calls) == calls:
        line.clock.advance(timedelta(seconds=0.1))
        assert line.clock.now() - began < timedelta(hours=2)
        await worker.drain()
    return (line.clock.now() - began).total_seconds()


async def test_pauses_double_up_to_five_minutes(line: Line) -> None:
    wall = Wall()
    wall.troubles.extend([Trouble.NOT_SENT] * 12)
    await line.queue("alert")
    worker = line.worker(wall)
    await worker.drain()
    expected = 1.0
    for _ in range(6):
        assert expected * 0.8 <= await pause_after(line, worker, wall) <= expected * 1.2 + 0.1
        expected *= 2
    for _ in range(5):
        line.clock.advance(timedelta(seconds=300 * 1.2))
        await worker.drain()
    assert len(wall.calls) == 12
    line.clock.advance(timedelta(seconds=300 * 0.8 - 0.1))
    await worker.drain()
    assert len(wall.calls) == 12


async def test_pauses_differ_so_that_lines_do_not_march_in_step(line: Line) -> None:
    wall = Wall()
    wall.troubles.extend([Trouble.REFUSED] * 4)
    for number in range(4):
        await line.queue("alert", channel=f"C{number}")
    worker = line.worker(wall)
    await worker.drain()
    tried = []
    for _ in range(600):
        line.clock.advance(timedelta(seconds=1.5))
        before = len(wall.standing)
        await worker.drain()
        tried += [line.clock.now()] * (len(wall.standing) - before)
    assert len(set(tried)) == 4


@pytest.mark.parametrize("outcome", [Outcome.NOT_SENT, Outcome.IN_DOUBT])
async def test_what_the_platform_asks_to_wait_is_a_floor(line: Line, outcome: Outcome) -> None:
    wall = Wall()
    wall.troubles.append(SendError(outcome, "asked to wait", retry_after=90))
    await line.queue("alert")
    worker = line.worker(wall)
    await worker.drain()
    line.clock.advance(timedelta(seconds=89))
    await worker.drain()
    assert len(wall.calls) == 1
    line.clock.advance(timedelta(seconds=1))
    await worker.drain()
    assert wall.titles() == ["alert"]


async def test_a_refusal_is_tried_again_slowly_and_heals_by_itself(line: Line) -> None:
    wall = Wall()
    wall.troubles.append(SendError(Outcome.REFUSED, "not_in_channel"))
    await line.queue("alert")
    worker = line.worker(wall)
    await worker.drain()
    queue = await line.waiting()
    assert queue is not None
    assert (queue.waiting, queue.trouble, queue.oldest) == (1, "not_in_channel", NOW)
    line.clock.advance(timedelta(minutes=7))
    await worker.drain()
    assert len(wall.calls) == 1
    line.clock.advance(timedelta(minutes=6))
    await worker.drain()
    assert wall.titles() == ["alert"]


async def test_what_is_over_after_an_outage_says_why_it_comes_late_though_something_else_was_reported_first(
    line: Line,
) -> None:
    wall = Wall()
    wall.troubles.append(SendError(Outcome.NOT_SENT, "connection refused", retry_after=3600.0))
    await line.happen("over", "holds")
    worker = line.worker(wall)
    await worker.drain()
    await line.happen(ends="over")
    line.clock.advance(3 * LONG)
    await worker.drain()
    assert wall.titles() == ["holds", "While wall was unreachable, 3h"]


async def test_trouble_is_logged_once_when_it_begins_and_once_when_it_ends(line: Line) -> None:
    wall = Wall()
    wall.troubles.extend([Trouble.NOT_SENT] * 6)
    for title in ("first", "second"):
        await line.queue(title)
    worker = line.worker(wall)
    with capture_logs() as logged:
        for _ in range(8):
            await worker.drain()
            line.clock.advance(LONG)
    assert [each["event"] for each in logged] == ["a message has to wait", "messages arrive again"]
    assert (logged[0]["chat"], logged[0]["reason"]) == ("wall", "not_sent")
    assert wall.titles() == ["first", "second"]


# --- ends and new beginnings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "calls"),
    [(Trouble.HANGS_BEFORE, ["post", "find", "post"]), (Trouble.HANGS_AFTER, ["post", "find"])],
)
async def test_a_cancelled_send_is_in_doubt_and_settled_by_the_next_start(
    line: Line, trouble: Trouble, calls: list[str]
) -> None:
    wall = Wall()
    wall.troubles.append(trouble)
    await line.queue("alert")
    sending = asyncio.create_task(line.worker(wall).deliver_next("wall"))
    await asyncio.wait_for(wall.hanging.wait(), 5)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    # The claim of the dead one is not waited for.
    line.clock.advance(timedelta(seconds=2))
    await line.worker(wall, name="next").drain()
    assert [what for what, _ in wall.calls] == calls
    assert wall.titles() == ["alert"]


async def test_a_cancelled_send_ends_even_when_its_doubt_cannot_be_noted(line: Line) -> None:
    wall = Wall()
    wall.troubles.append(Trouble.HANGS_AFTER)
    await line.queue("alert")
    running = asyncio.create_task(line.worker(wall).run())
    await asyncio.wait_for(wall.hanging.wait(), 5)
    with refusing(line.store, "in_doubt"), capture_logs() as logged:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(running, 5)
    assert "could not record that a message may have arrived" in {each["event"] for each in logged}
    line.clock.advance(A_CLAIM)
    await line.worker(wall, name="next").drain()
    assert wall.titles() == ["alert"]


async def test_a_message_whose_arrival_could_not_be_recorded_is_not_sent_twice(line: Line) -> None:
    wall = Wall()
    await line.queue("alert")
    worker = line.worker(wall)
    with refusing(line.store, "delivered"), pytest.raises(Exception, match="disk full"):
        await worker.deliver_next("wall")
    await worker.drain()
    assert [what for what, _ in wall.calls] == ["post"]
    line.clock.advance(A_CLAIM)
    await worker.drain()
    assert [what for what, _ in wall.calls] == ["post", "find"]
    assert await line.waiting() is None


async def test_a_database_that_is_away_is_reported_and_waited_for(line: Line) -> None:
    wall = Wall()
    await line.queue("alert")
    worker = line.worker(wall)
    logged: list[str] = []
    heard = asyncio.Event()

    def hear(_logger: object, _method: str, entry: EventDict) -> EventDict:
        logged.append(entry["event"])
        heard.set()
        raise structlog.DropEvent

    structlog.configure(processors=[hear])
    with refusing(line.store, "claimed"):
        running = asyncio.create_task(worker.run())
        await asyncio.wait_for(heard.wait(), 5)
        worker.wake()
        with pytest.raises(Exception, match="disk full"):  # meanwhile the worker tries again, without success
            await worker.drain()
    worker.wake()
    await wall.until(1)
    worker.stop()
    await asyncio.wait_for(running, 5)
    assert logged == ["deliveries stopped for now", "deliveries go on"]


async def test_a_worker_that_lost_its_claim_does_not_undo_what_the_next_one_did(line: Line) -> None:
    slow, quick = Wall(), Wall()
    slow.troubles.append(Trouble.HANGS_BEFORE)
    await line.queue("alert")
    sending = asyncio.create_task(line.worker(slow, name="slow").deliver_next("wall"))
    await asyncio.wait_for(slow.hanging.wait(), 5)
    line.clock.advance(A_CLAIM)
    quick.troubles.append(Trouble.HANGS_BEFORE)
    taking_over = asyncio.create_task(line.worker(quick, name="quick").deliver_next("wall"))
    await asyncio.wait_for(quick.hanging.wait(), 5)
    sending.cancel()
    with suppress(asyncio.CancelledError):
        await sending
    line.clock.advance(timedelta(seconds=5))
    third = Wall()
    assert not await line.worker(third, name="third").deliver_next("wall")
    quick.go_on.set()
    await asyncio.wait_for(taking_over, 5)
    assert await line.waiting() is None
    assert third.calls == []


@contextmanager
def refusing(store: Store, state: str) -> Iterator[None]:
    """The disk is full for every delivery that is to enter this state."""
    with closing(sqlite3.connect(file_of(store), timeout=10)) as database, database:
        database.execute(
            f"create trigger full before update on deliveries when new.state = '{state}' "
            "begin select raise(abort, 'disk full'); end"
        )
        database.commit()
        yield
        database.execute("drop trigger full")
    database.close()


# --- whatever happens -----------------------------------------------------------------------------------------------

Step = tuple[int, DeliveryKind, int]
"""(channel, kind, which of the posts so far it refers to)"""

steps = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([POST, POST, EDIT, REPLY]), st.integers(0, 5)),
    min_size=1,
    max_size=8,
)
troubles = st.lists(st.sampled_from(Trouble), max_size=12)


@examples(25)
@given(steps=steps, sending=troubles, finding=troubles, seed=st.integers())
async def test_in_the_end_each_message_stands_exactly_once_and_in_order(
    line: Line, steps: list[Step], sending: list[Trouble], finding: list[Trouble], seed: int
) -> None:
    # A message that our own bugs hit again and again is given up, which is tested on its own.
    broken = [each for each in [*sending, *finding] if each is Trouble.BROKEN]
    assume(len(broken) < MOST_TRIES)
    wall = Wall(f"wall-{next(line.ids)}")
    expected = await queue_all(line, wall.name, steps)
    wall.troubles.extend(sending)
    # A refusal to look is the one trouble that may cost a second post, and is tested on its own.
    wall.finding.extend(trouble for trouble in finding if trouble is not Trouble.REFUSED)
    chance = random.Random(seed)  # noqa: S311 - not a secret
    with impatient(), capture_logs():
        for round_ in itertools.count():
            assert round_ < 60, "it does not come to an end"
            await line.come_alive(f"{round_}")
            worker = line.worker(wall, name=f"{round_}")
            with suppress(KilledError):
                while await worker.deliver_next(wall.name):
                    line.clock.advance(timedelta(seconds=chance.uniform(0, 40)))
            if await line.waiting(wall.name) is None:
                break
            line.clock.advance(timedelta(seconds=chance.uniform(1, 700)))
    for channel in ("C0", "C1"):
        stood = [each for each in wall.standing if each.channel == channel]
        assert [(each.message.title, each.thread) for each in stood] == [
            (title, thread) for where, title, thread in expected.standing if where == channel
        ]
    shown = {each.delivery: each.edits[-1].title for each in wall.standing if each.edits}
    assert shown == expected.edits


@dataclass
class Expected:
    """What must stand: (channel, title, thread) in order, and the last edit of each post."""

    standing: list[tuple[str, str, str | None]] = field(default_factory=list)
    edits: dict[str, str] = field(default_factory=dict)


async def queue_all(line: Line, chat: str, steps: list[Step]) -> Expected:
    expected = Expected()
    posts: dict[str, list[str]] = {"C0": [], "C1": []}
    for number, (where, kind, which) in enumerate(steps):
        channel, title = f"C{where}", f"message {number}"
        earlier = posts[channel]
        if kind is POST or not earlier:
            key = await line.queue(title, chat=chat, channel=channel)
            earlier.append(key)
            expected.standing.append((channel, title, None))
            continue
        about = earlier[which % len(earlier)]
        root = f"{int(about.removeprefix('event-')):020d}"
        await line.queue(title, chat=chat, channel=channel, kind=kind, about=about)
        if kind is REPLY:
            expected.standing.append((channel, title, root))
        else:
            expected.edits[root] = title
    return expected


# --- real chats -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def slack(line: Line) -> AsyncIterator[tuple[SlackSimulator, Chat]]:
    workspace = SlackSimulator(clock=lambda: line.clock.now().timestamp())
    async with slack_rig.rig(workspace, start=False) as rig:
        yield rig.slack, rig.chat


SLACK_DOUBTS: list[tuple[Callable[[], Fault], list[str]]] = [
    (dropped, ["chat.postMessage", "auth.test", *["conversations.history"] * 2]),
    (
        lambda: dropped(accept=False),
        ["chat.postMessage", "auth.test", *["conversations.history"] * 2, "chat.postMessage"],
    ),
]


@pytest.mark.parametrize(("fault", "calls"), SLACK_DOUBTS, ids=["arrived", "did not arrive"])
async def test_a_broken_connection_to_slack_is_settled_by_looking(
    line: Line, slack: tuple[SlackSimulator, Chat], fault: Callable[[], Fault], calls: list[str]
) -> None:
    workspace, chat = slack
    workspace.fail("chat.postMessage", fault())
    await line.queue("alert", chat="slack", channel=workspace.channel)
    worker = line.worker(chat)
    await worker.drain()
    line.clock.advance(LONG)
    await worker.drain()
    assert [message.text for message in workspace.messages()] == ["alert"]
    assert [call.method for call in workspace.calls] == calls


async def test_slack_that_throttles_is_obeyed_and_one_that_refuses_heals(
    line: Line, slack: tuple[SlackSimulator, Chat]
) -> None:
    workspace, chat = slack
    workspace.fail("chat.postMessage", rate_limited("90"), refused("not_in_channel"))
    for title in ("first", "second"):
        await line.queue(title, chat="slack", channel=workspace.channel)
    worker = line.worker(chat)
    await worker.drain()
    line.clock.advance(timedelta(seconds=89))
    await worker.drain()
    assert len(workspace.calls) == 1
    line.clock.advance(timedelta(seconds=2))
    await worker.drain()
    queue = await line.waiting("slack")
    assert queue is not None
    assert "not_in_channel" in str(queue.trouble)
    line.clock.advance(LONG)
    await worker.drain()
    assert [message.text for message in workspace.messages()] == ["first"]
    line.clock.advance(timedelta(seconds=chat.pause))
    await worker.drain()
    assert [message.text for message in workspace.messages()] == ["first", "second"]


async def test_on_slack_an_end_edits_the_alert_and_is_in_its_thread_once(
    line: Line, slack: tuple[SlackSimulator, Chat]
) -> None:
    workspace, chat = slack
    alert = await line.queue("blocked", chat="slack", channel=workspace.channel)
    await line.queue("resolved", chat="slack", channel=workspace.channel, kind=EDIT, about=alert)
    await line.queue("no longer blocked", chat="slack", channel=workspace.channel, kind=REPLY, about=alert)
    workspace.fail("chat.update", dropped())
    worker = line.worker(chat)
    for _ in range(2):  # the post, and an edit whose answer is lost
        await worker.drain()
        line.clock.advance(LONG)
    workspace.fail("chat.postMessage", dropped())
    for _ in range(3):
        await worker.drain()
        line.clock.advance(LONG)
    (root,) = workspace.messages()
    assert root.text == "resolved"
    assert [reply.text for reply in workspace.replies(root)] == ["no longer blocked"]


@pytest.mark.parametrize("done", [True, False], ids=["arrived", "did not arrive"])
async def test_a_broken_connection_to_discord_is_settled_by_looking(line: Line, *, done: bool) -> None:
    async with (
        discord_rig.simulated(clock=line.clock) as server,
        discord_rig.running(server, clock=line.clock) as chat,
    ):
        server.fail("POST", discord_rig.POST_MESSAGE, discord_faults.dropped(done=done))
        alert = await line.queue("blocked", chat="discord", channel=server.channel_id)
        await line.queue("resolved", chat="discord", channel=server.channel_id, kind=EDIT, about=alert)
        await line.queue("no longer", chat="discord", channel=server.channel_id, kind=REPLY, about=alert)
        worker = line.worker(chat)
        for _ in range(2):
            await worker.drain()
            line.clock.advance(LONG)
        await worker.drain()
        assert [shown(message) for message in server.messages()] == ["resolved", "no longer"]


def shown(message: dict[str, Any]) -> str:
    """The first line, without the invisible mark of its delivery."""
    said = str(message["content"].splitlines()[0])
    return said.strip("\u200b\u200c")


async def test_a_message_that_a_person_deleted_holds_up_nothing_behind_it(
    line: Line, slack: tuple[SlackSimulator, Chat]
) -> None:
    workspace, slack_chat = slack
    async with (
        discord_rig.simulated(clock=line.clock) as server,
        discord_rig.running(server, clock=line.clock) as discord_chat,
    ):
        worker = line.worker(slack_chat, discord_chat)
        places = {"slack": workspace.channel, "discord": server.channel_id}
        alerts = {
            chat: await line.queue("blocked", chat=chat, channel=place) for chat, place in places.items()
        }
        await worker.drain()
        workspace.channels[workspace.channel].messages.clear()
        server.delete(server.messages()[0]["id"])
        for chat, place in places.items():
            await line.queue("resolved", chat=chat, channel=place, kind=EDIT, about=alerts[chat])
            await line.queue("no longer", chat=chat, channel=place, kind=REPLY, about=alerts[chat])
            await line.queue("the next alert", chat=chat, channel=place)
        for _ in range(4):
            line.clock.advance(LONG)
            await worker.drain()
        assert workspace.messages()[-1].text == "the next alert"
        assert shown(server.messages()[-1]) == "the next alert"
    assert await line.store.read(deliveries.read_queues) == []


async def test_slack_hangs_and_discord_gets_its_alerts(
    line: Line, slack: tuple[SlackSimulator, Chat]
) -> None:
    workspace, slack_chat = slack
    until = asyncio.Event()
    workspace.fail("chat.postMessage", hanging(until))
    async with (
        discord_rig.simulated(clock=line.clock) as server,
        discord_rig.running(server, clock=line.clock) as discord_chat,
    ):
        for chat, channel in (("slack", workspace.channel), ("discord", server.channel_id)):
            await line.queue("alert", chat=chat, channel=channel)
        worker = line.worker(slack_chat, discord_chat)
        running = asyncio.create_task(worker.run())
        await server.until(server.messages)
        await workspace.until(workspace.messages)
        assert await line.waiting("slack") is not None
        until.set()
        await workspace.until(lambda: workspace.called("chat.postMessage"))
        worker.stop()
        await asyncio.wait_for(running, 5)
        line.clock.advance(LONG)
        await line.worker(slack_chat).drain()
    assert [message.text for message in workspace.messages()] == ["alert"]


# --- gone, or twice -------------------------------------------------------------------------------------------------


async def test_news_whose_thread_is_gone_is_posted_again(
    line: Line, slack: tuple[SlackSimulator, Chat]
) -> None:
    workspace, chat = slack
    alert = await line.queue("started", chat="slack", channel=workspace.channel)
    worker = line.worker(chat)
    await worker.drain()
    await line.queue("80%", chat="slack", channel=workspace.channel, kind=REPLY, about=alert)
    workspace.fail("chat.postMessage", refused("thread_not_found"))
    for _ in range(3):
        line.clock.advance(LONG)
        await worker.drain()
    assert [message.text for message in workspace.messages()] == ["started", "80%"]
    assert await line.waiting("slack") is None


async def test_a_doubt_that_is_found_twice_leaves_one(line: Line) -> None:
    wall = Wall()
    wall.troubles.append(Trouble.ANSWER_LOST)
    await line.queue("alert")
    worker = line.worker(wall)
    await worker.drain()
    wall.standing.append(Standing(f"{0:020d}", "C1", Message("alert", "alert")))  # a former attempt, late
    line.clock.advance(LONG)
    await worker.drain()
    assert [what for what, _ in wall.calls] == ["post", "find", "delete"]
    assert wall.titles() == ["alert"]
    assert await line.waiting() is None


async def test_on_slack_a_second_post_is_taken_away_once_looking_is_allowed(
    line: Line, slack: tuple[SlackSimulator, Chat]
) -> None:
    workspace, chat = slack
    may_look, workspace.scopes = workspace.scopes, ("chat:write",)
    workspace.fail("chat.postMessage", dropped())
    await line.queue("alert", chat="slack", channel=workspace.channel)
    worker = line.worker(chat)
    await worker.drain()
    line.clock.advance(LONG)
    await worker.drain()
    await worker.delete_duplicates()
    assert len(workspace.messages()) == 2
    (possible,) = await line.store.read(lambda c: deliveries.possible_duplicates(c, "slack"))
    workspace.scopes = may_look
    await worker.delete_duplicates()
    assert [message.ts for message in workspace.messages()] == [possible.where.message]
    assert await line.store.read(lambda c: deliveries.possible_duplicates(c, "slack")) == []


async def test_on_discord_a_second_post_is_taken_away_once_looking_is_allowed(line: Line) -> None:
    async with (
        discord_rig.simulated(clock=line.clock) as server,
        discord_rig.running(server, clock=line.clock) as chat,
    ):
        server.history_readable = False
        server.fail("POST", discord_rig.POST_MESSAGE, discord_faults.dropped(done=True))
        await line.queue("alert", chat="discord", channel=server.channel_id)
        worker = line.worker(chat)
        await worker.drain()
        line.clock.advance(LONG)
        await worker.drain()
        await worker.delete_duplicates()
        assert len(server.messages()) == 2
        (possible,) = await line.store.read(lambda c: deliveries.possible_duplicates(c, "discord"))
        server.history_readable = True
        await worker.delete_duplicates()
        assert [message["id"] for message in server.messages()] == [possible.where.message]
        assert await line.store.read(lambda c: deliveries.possible_duplicates(c, "discord")) == []


# --- items that cannot be handled -------------------------------------------------------------------------------------


INVALID = SendError(Outcome.INVALID, "Slack refuses chat.postMessage: invalid_blocks (blocks[2].text)")


async def test_a_message_refused_for_its_content_fails_after_some_tries_and_holds_up_nobody(
    line: Line,
) -> None:
    wall = Wall()
    wall.troubles.append(INVALID)
    await line.queue("bad")
    await line.queue("good")
    worker = line.worker(wall)
    await worker.drain()
    assert wall.titles() == ["good"]
    for _ in range(MOST_TRIES - 1):
        wall.troubles.append(INVALID)
        line.clock.advance(LONG)
        await worker.drain()
    (failed,) = await line.store.read(deliveries.failed)
    assert failed.reason == INVALID.reason
    line.clock.advance(LONG)
    assert not await worker.deliver_next("wall")
    assert await line.waiting() is None
    assert await line.store.run(lambda tx: deliveries.retry_failed(tx, failed.id)) == 1
    await worker.drain()
    assert wall.titles() == ["good", "bad"]
    assert await line.store.read(deliveries.failed) == []


async def test_the_thread_of_a_post_that_failed_becomes_a_post_of_its_own(line: Line) -> None:
    """Later levels of a seat are replies to its first post: they must not be lost with it."""
    wall = Wall()
    await line.happen("first")
    await line.happen("second", about="first")
    await line.happen("third", about="first")
    worker = line.worker(wall)
    for _ in range(MOST_TRIES):
        wall.troubles.append(INVALID)
        await worker.drain()
        line.clock.advance(LONG)
    await worker.drain()
    (post,) = [each for each in wall.standing if each.thread is None]
    assert "second" in post.message.title
    assert len(await line.store.read(deliveries.failed)) == 1


async def test_a_post_that_is_refused_because_of_a_later_event_is_sent_without_it(line: Line) -> None:
    wall = Wall()
    wall.refused_word = "bad"
    await line.happen("good")
    await line.happen("bad", about="good")
    worker = line.worker(wall)
    for _ in range(2 * MOST_TRIES):
        await worker.drain()
        line.clock.advance(LONG)
    assert wall.titles() == ["good"]
    assert [each.event for each in await line.store.read(deliveries.failed)] == ["bad"]


async def test_a_message_that_this_version_cannot_read_fails_and_the_others_are_sent(line: Line) -> None:
    wall = Wall()
    await line.happen("of another version")
    await line.happen("good")
    future = "update events set event = replace(event, 'spend_started', 'of_the_future') where key like 'of%'"
    await line.store.run(lambda tx: tx.execute(text(future)))
    with capture_logs() as logs:
        await line.worker(wall).drain()
    assert wall.titles() == ["good"]
    (failed,) = await line.store.read(deliveries.failed)
    assert failed.reason == "this version of meterbot cannot read what is stored of it"
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["gave up on a message"]


async def test_of_several_in_one_refused_message_each_is_tried_alone(line: Line) -> None:
    wall = Wall()
    wall.troubles.append(INVALID)
    await line.happen("a", "b", "c", "d")
    await line.worker(wall).drain()
    assert sorted(wall.titles()) == ["a", "b", "c", "d"]


async def test_an_alert_that_cannot_be_rendered_is_posted_in_plain_words_and_the_next_as_it_is(
    line: Line,
) -> None:
    def render(delivery: Delivery) -> Message:
        if delivery.event.key == "bad":
            raise TypeError("facts of another version")
        return rendered(delivery)

    wall = Wall()
    await line.happen("bad")
    await line.happen("good")
    worker = DeliveryWorker(line.store, {"wall": wall}, line.clock, worker="one", render=render)
    with capture_logs() as logs:
        await worker.drain()
    assert wall.titles() == ["meterbot could not format an alert", "good"]
    assert [entry["exc_info"] for entry in logs if entry["event"] == "an alert cannot be rendered"] == [True]


async def test_a_message_that_waits_for_its_next_attempt_is_not_held_back_on_purpose(line: Line) -> None:
    wall = Wall()
    wall.refused_word = "bad"
    await line.queue("bad")
    await line.worker(wall).drain()
    (queue,) = await line.store.read(lambda c: deliveries.read_queues(c, line.clock.now()))
    assert (queue.waiting, queue.held, queue.oldest) == (1, 0, NOW)


async def test_a_bug_of_ours_in_sending_is_tried_a_few_times_and_the_next_message_goes_on(line: Line) -> None:
    wall = Wall()
    wall.troubles.extend([Trouble.BROKEN] * MOST_TRIES)
    await line.queue("bad")
    worker = line.worker(wall)
    for _ in range(MOST_TRIES):
        line.clock.advance(LONG)
        await worker.deliver_next("wall")
    await line.queue("good")
    await worker.drain()
    assert wall.titles() == ["good"]
    assert len(await line.store.read(deliveries.failed)) == 1


async def test_a_doubt_that_cannot_be_looked_up_is_sent_again_and_marked_as_a_possible_repeat(
    line: Line,
) -> None:
    """There are only ever more messages to look through, so waiting would hold up the channel for nothing."""
    wall = Wall()
    wall.troubles.append(Trouble.LOST_ON_THE_WAY)
    await line.queue("doubtful")
    await line.queue("urgent")
    worker = line.worker(wall)
    await worker.deliver_next("wall")
    wall.finding.append(SendError(Outcome.IN_DOUBT, "more than 4000 messages since", code=LOOKUP_EXHAUSTED))
    line.clock.advance(LONG)
    await worker.drain()
    assert [each.message.text for each in wall.standing] == [MAY_REPEAT, ""]
    assert MAY_REPEAT in wall.standing[0].message.fallback  # which is all that a thread shows


async def test_who_takes_no_direct_messages_has_the_alert_posted_in_the_channel(line: Line) -> None:
    wall = Wall()
    wall.troubles.append(SendError(Outcome.NO_DIRECT, "Discord refuses: 50007"))
    await line.happen("blocked", channels=["@UANA"])
    await line.happen("no longer blocked", channels=["@UANA"], about="blocked")
    await line.worker(wall).drain()
    assert wall.titles() == ["blocked, no longer blocked"]
    (post,) = wall.standing  # which shows what the waiting reply would have said
    assert "does not accept direct messages" in post.message.text
    assert await line.waiting() is None


async def test_a_later_direct_message_that_is_refused_is_posted_in_the_channel(line: Line) -> None:
    """The person has read the alert, and then takes no more direct messages."""
    wall = Wall()
    worker = line.worker(wall)
    await line.happen("blocked", channels=["@UANA"])
    await worker.drain()
    wall.takes_no_direct = True
    await line.happen("95%", about="blocked", channels=["@UANA"])
    edit = NewDelivery("e" * 20, "95%", "wall", "@UANA", EDIT, about="blocked", priority=Priority.BLOCKED)
    await line.store.run(lambda c: deliveries.queue(c, [edit], {"95%": NOW}))
    await line.happen("100%", about="blocked", channels=["C1", "@UANA"])
    with capture_logs() as logs:
        await worker.drain()
    assert [
        entry for entry in logs if entry["log_level"] == "error"
    ] == []  # the reply says what the edit would
    assert [(each.channel, each.message.title) for each in wall.standing] == [
        ("@UANA", "blocked"),
        ("C1", "95%"),
        ("C1", "100%"),
    ]
    assert "does not accept direct messages" in wall.standing[1].message.text
    assert await line.waiting() is None


async def test_what_was_written_for_a_person_alone_is_set_aside_and_never_posted_in_the_channel(
    line: Line,
) -> None:
    wall = Wall()
    worker = line.worker(wall)
    await line.happen("read", "unread", channels=["@UANA"])
    await worker.deliver_next("wall")
    wall.takes_no_direct = True
    for alert in ("read", "unread"):
        await line.queue(f"Reminder: {alert}", channel="@UANA", kind=REPLY, about=alert)
    await line.queue("a new level", channel="@UANA", kind=EDIT, about="read")
    await worker.drain()
    assert wall.titles() == ["unread"]
    assert wall.titles("@UANA") == ["read"]
    reminder, edit = await line.store.read(deliveries.failed)
    assert (edit.event, wall.standing[0].edits) == ("event-4", [])
    assert (reminder.event, reminder.reason) == (
        "event-2",
        "the person does not accept direct messages from the bot",
    )
    assert await line.waiting() is None


async def test_a_group_of_direct_messages_that_is_refused_goes_to_the_channel_one_by_one_and_once(
    line: Line,
) -> None:
    """One of them is in the channel already."""
    wall = Wall()
    await line.happen("both", channels=("C1", "@UANA"))
    await line.happen("one", "two", "three", channels=["@UANA"])
    wall.takes_no_direct = True
    await line.worker(wall).drain()
    assert sorted(wall.titles()) == ["both", "one", "three", "two"]
    assert await line.waiting() is None


@pytest.mark.parametrize("kind", [EventKind.NOTICE, EventKind.DIGEST])
async def test_a_notice_or_digest_that_is_refused_never_goes_to_the_channel(
    line: Line, kind: EventKind
) -> None:
    wall = Wall()
    wall.takes_no_direct = True
    event = Event("connected:ana", kind, NOW, Severity.GOOD, "so", "ana")
    words = Message("ana is connected: $4.20", "ana is connected: $4.20")
    notice = NewDelivery(f"{1:020d}", event.key, "wall", "@UANA", POST, words)
    await line.store.run(lambda c: batches.write(c, Batch(events=[event], deliveries=[notice])))
    await line.worker(wall).drain()
    assert wall.standing == []
    assert await line.waiting() is None
    assert [each.event for each in await line.store.read(deliveries.failed)] == [event.key]


async def test_a_notice_that_is_refused_goes_to_the_next_chat_of_its_person(line: Line) -> None:
    first, second = Wall(), Wall("second")
    first.takes_no_direct = second.takes_no_direct = True
    await line.notify("Connect 0", {"wall": "UANA", "second": "7"})
    await line.notify("Connect 1", {"wall": "UBO"})
    worker = line.worker(first, second)
    second.takes_no_direct = False
    for _ in first, second:
        await worker.drain()
    assert first.standing == []
    assert [(each.channel, each.message.title) for each in second.standing] == [("@7", "Connect 0")]
    assert [each.event for each in await line.store.read(deliveries.failed)] == ["notice-1"]
    assert await line.waiting() is None


async def test_a_direct_message_mentions_nobody_and_a_channel_the_owner(line: Line) -> None:
    def render(delivery: Delivery) -> Message:
        return replace(rendered(delivery), owner={"wall": "UANA"})

    wall = Wall()
    await line.notify("Connect", {"wall": "UANA"})
    await line.happen("blocked", channels=["@UANA"])
    await line.happen("blocked here", channels=["C1"])
    await DeliveryWorker(line.store, {"wall": wall}, line.clock, worker="one", render=render).drain()
    mentioned = {each.message.title: each.message.owner for each in wall.standing}
    assert mentioned == {"Connect": {}, "blocked": {}, "blocked here": {"wall": "UANA"}}


async def test_a_notice_in_doubt_that_goes_to_the_next_chat_says_that_it_may_be_a_repeat(line: Line) -> None:
    """It did arrive on the first chat, which then no longer lets the bot look."""
    first, second = Wall(), Wall("second")
    await line.notify("Connect", {"wall": "UANA", "second": "7"})
    worker = line.worker(first, second)
    first.troubles.append(Trouble.ANSWER_LOST)
    await worker.deliver_next("wall")
    first.takes_no_direct = True
    first.finding.append(SendError(Outcome.NO_DIRECT, "50007"))
    line.clock.advance(LONG)
    for _ in first, second:
        await worker.drain()
    assert first.titles("@UANA") == ["Connect"]
    assert [each.message.text for each in second.standing] == [MAY_REPEAT]


def _moves_to_the_channel(tx: Connection, delivery: Delivery) -> None:
    delivery_outcomes.move(tx, delivery, "C1", "refused", NOW)


def _moves_to_the_next_chat(tx: Connection, delivery: Delivery) -> None:
    delivery_outcomes.move_to_chat(tx, delivery, Destination("second", "@7"), None, NOW)


def _is_posted_again(tx: Connection, delivery: Delivery) -> None:
    delivery_outcomes.repost(tx, delivery, NOW)


@pytest.mark.parametrize("late", [_moves_to_the_channel, _moves_to_the_next_chat, _is_posted_again])
async def test_what_a_slow_worker_records_too_late_does_not_send_a_delivered_message_again(
    line: Line, late: Callable[[Connection, Delivery], None]
) -> None:
    wall, second = Wall(), Wall("second")
    await line.happen("alert", channels=["@UANA"])
    claim = Claim("slow", NOW, CLAIM_SECONDS)
    slow = await line.store.run(lambda tx: delivery_claims.claim(tx, "wall", claim).delivery)
    assert slow is not None
    line.clock.advance(A_CLAIM)
    worker = line.worker(wall, second)
    await worker.drain()
    await line.store.run(lambda tx: late(tx, slow))
    line.clock.advance(LONG)
    await worker.drain()
    assert [(each.channel, each.message.title) for each in wall.standing] == [("@UANA", "alert")]
    assert second.standing == []


async def test_an_alert_in_the_thread_of_a_post_that_cannot_be_read_is_posted_and_edits_and_reminders_fail(
    line: Line,
) -> None:
    wall = Wall()
    worker = line.worker(wall)
    await line.happen("posted")
    await worker.drain()
    edit = await line.queue("shows more", kind=EDIT, about="posted")
    await line.happen("80%", "95%", about="posted")
    reminder = await line.queue("still so", kind=REPLY, about="posted")
    await line.queue("elsewhere", channel="C2")
    await line.queue("good")
    await line.make_unreadable("posted")
    await worker.drain()
    assert wall.titles("C2") == ["elsewhere"]
    assert wall.titles() == ["posted", "80%, 95%", "good"]
    assert await line.failed() == [edit, reminder]
    assert await line.waiting() is None


async def test_an_end_in_the_thread_of_a_post_that_cannot_be_read_is_reported_as_failed(line: Line) -> None:
    """A post of its own that something is over, of which people know nothing, helps nobody."""
    wall = Wall()
    worker = line.worker(wall)
    await line.happen("posted")
    await worker.drain()
    await line.happen(ends="posted")
    reply = NewDelivery("e" * 20, "end of posted", "wall", "C1", REPLY, about="posted")
    await line.store.run(lambda c: deliveries.queue(c, [reply], {reply.event: NOW}))
    await line.make_unreadable("posted")
    await worker.drain()
    assert (wall.titles(), await line.failed()) == (["posted"], ["end of posted"])


async def test_an_alert_that_may_be_in_a_thread_that_cannot_be_read_says_that_it_may_be_a_repeat(
    line: Line,
) -> None:
    wall = Wall()
    worker = line.worker(wall)
    await line.happen("posted")
    await worker.drain()
    await line.happen("80%", about="posted")
    wall.troubles.append(Trouble.ANSWER_LOST)
    await worker.drain()
    await line.make_unreadable("posted")
    line.clock.advance(LONG)
    await worker.drain()
    assert [(each.message.title, each.message.text) for each in wall.standing if each.thread is None] == [
        ("posted", ""),
        ("80%", MAY_REPEAT),
    ]


async def test_the_thread_of_a_post_that_cannot_be_read_becomes_a_post_of_its_own(line: Line) -> None:
    """Later levels of a seat are replies to its first post: they must not be lost with it."""
    wall = Wall()
    await line.happen("bad")
    await line.happen("also bad", "95%", "100%", about="bad")
    await line.make_unreadable("bad", "also bad")
    await line.worker(wall).drain()
    assert wall.titles() == ["95%, 100%"]
    assert sorted(await line.failed()) == ["also bad", "bad"]
    assert await line.waiting() is None


async def test_a_post_that_cannot_be_read_costs_the_same_however_many_replies_wait(line: Line) -> None:
    statements: list[str] = []
    listening.listen(
        line.store.engine, "before_cursor_execute", lambda _c, _x, words, *_: statements.append(words)
    )

    async def cost(*replies: str) -> int:
        post = f"post of {replies}"
        await line.happen(post)
        await line.worker(Wall()).drain()
        for reply in replies:
            await line.queue(reply, kind=REPLY, about=post)
        await line.make_unreadable(post)
        statements.clear()
        await line.worker(Wall()).drain()
        assert await line.waiting() is None
        return len(statements)

    assert await cost("1") == await cost(*"23456789")
    assert len(await line.failed()) == 9


async def test_unreadable_messages_are_set_aside_a_few_in_a_transaction_and_each_is_counted(
    line: Line,
) -> None:
    names = [f"bad {number}" for number in range(450)]
    await line.happen(*names, "good")
    await line.make_unreadable(*names)
    claim = Claim("one", NOW, CLAIM_SECONDS)
    claimed = await line.store.run(lambda tx: delivery_claims.claim(tx, "wall", claim))
    assert (claimed.delivery, len(claimed.unreadable)) == (None, 200)
    wall, counters = Wall(), ProcessCounters()
    worker = DeliveryWorker(
        line.store, {"wall": wall}, line.clock, worker="one", render=rendered, counters=counters
    )
    await worker.drain()
    assert wall.titles() == ["good"]
    assert await line.failed() == names
    outcome = {"chat": "wall", "outcome": "failed"}
    assert counters.registry.get_sample_value("meterbot_deliveries_total", outcome) == 250


async def test_posts_whose_end_cannot_be_read_are_set_aside_one_in_a_transaction(line: Line) -> None:
    for alert in "abc":
        await line.happen(alert)
        await line.happen(ends=alert)
        await line.make_unreadable(f"end of {alert}")
    claim = Claim("one", NOW, CLAIM_SECONDS)
    claimed = await line.store.run(lambda tx: delivery_claims.claim(tx, "wall", claim))
    assert (claimed.delivery, len(claimed.unreadable)) == (None, 1)
    await line.worker(Wall()).drain()
    assert await line.failed() == ["a", "b", "c"]


async def test_a_channel_whose_messages_cannot_be_read_is_free_for_the_next_one(line: Line) -> None:
    wall = Wall()
    await line.happen("bad")
    future = "update events set event = replace(event, 'spend_started', 'of_the_future')"
    await line.store.run(lambda tx: tx.execute(text(future)))
    await line.worker(wall).drain()
    await line.happen("good")
    await line.worker(wall, name="other").drain()
    assert wall.titles() == ["good"]


def meet_at(statement: str, *stores: Store) -> set[Store]:
    """Each of the stores waits for the others before it first executes the statement. Returns those that have met."""
    barrier, met = threading.Barrier(len(stores)), set[Store]()

    def wait(store: Store, words: str) -> None:
        if words.startswith(statement) and store not in met:
            barrier.wait(timeout=20)
            met.add(store)

    for store in stores:
        listening.listen(
            store.engine, "before_cursor_execute", lambda _c, _x, words, *_, mine=store: wait(mine, words)
        )
    return met


# SQLite lets one transaction after the other write: no two workers find the same.
@pytest.mark.databases("postgresql")
async def test_two_workers_that_find_the_same_unreadable_message_both_go_on(
    store: Store, database_url: str
) -> None:
    """The second one finds nothing left to fail."""
    wall, other = Wall(), await open_store(database_url)
    lines = [Line(each, ManualClock(NOW)) for each in (store, other)]
    first = lines[0]
    for name in ("one", "other"):
        await store.run(lambda c: workers.beat(c, name, NOW, FOR_EVER))
    await first.happen("bad", "good")
    await first.make_unreadable("bad")
    with capture_logs() as logged:
        workers_ = [each.worker(wall, name=name) for each, name in zip(lines, ("one", "other"), strict=True)]
        found = meet_at("INSERT INTO channel_queues", store, other)
        await asyncio.gather(*(each.drain() for each in workers_))
    await other.close()
    assert found == {store, other}
    assert wall.titles() == ["good"]
    assert [entry["event"] for entry in logged if entry["log_level"] == "error"] == ["gave up on a message"]


async def test_what_a_grouped_post_does_not_name_is_said_in_its_thread(line: Line) -> None:
    """A post may be so long that its last events are not named in it: they must not count as posted."""

    def render(delivery: Delivery) -> Message:
        if delivery.kind is REPLY:
            return Message(delivery.event.key, "")
        named = ", ".join(event.key for event in delivery.content.named)
        return Message(named, "")

    wall = Wall()
    first, later = (
        [f"post {number}" for number in range(3)],
        [f"level {number}" for number in range(MOST_NAMED)],
    )
    await line.happen(*first)
    await line.happen(*later, about="post 0")
    await line.happen("post 3")
    await DeliveryWorker(line.store, {"wall": wall}, line.clock, worker="one", render=render).drain()
    (post,) = (each for each in wall.standing if each.thread is None)
    assert post.message.title.split(", ") == [*first, "post 3", *later[:-4]]
    assert wall.titles(thread=post.delivery) == later[-4:]


@pytest.mark.parametrize("bad", ["c", "end of c"])
async def test_of_a_group_whose_post_cannot_be_read_only_what_cannot_be_read_fails(
    line: Line, bad: str
) -> None:
    """An alert, or its end, is an event that only a newer version can read."""
    wall = Wall()
    await line.happen(*"abcde")
    await line.happen(ends="c")
    await line.make_unreadable(bad)
    await line.worker(wall).drain()
    assert await line.failed() == ["c"]
    assert ", ".join(sorted(wall.titles())) in {"a, b, d, e", "at once"}


@pytest.mark.parametrize("bad", ["a", "c", "end of c"])
async def test_of_a_group_in_doubt_that_cannot_be_read_the_others_are_sent_as_possible_repeats(
    line: Line, bad: str
) -> None:
    wall = Wall()
    await line.happen(*"abcde")
    choose, dead = grouping(4, "wall"), Claim("dead", NOW, 1.0)
    claimed = await line.store.run(lambda tx: delivery_claims.claim(tx, "wall", dead, choose))
    assert claimed.delivery is not None
    assert len(claimed.delivery.content.events) == 5
    await line.happen(ends="c")
    await line.make_unreadable(bad)
    line.clock.advance(LONG)
    with capture_logs() as logged:
        await line.worker(wall).drain()
    alone = set("abcde") - {bad[-1]}
    assert {each.message.title.split(",")[0]: each.message.text for each in wall.standing} == dict.fromkeys(
        alone, MAY_REPEAT
    )
    assert await line.failed() == [bad[-1]]
    assert [entry["event"] for entry in logged if entry["log_level"] == "error"] == ["gave up on a message"]


async def test_a_message_whose_own_text_cannot_be_read_fails_and_the_others_are_sent(line: Line) -> None:
    wall = Wall()
    await line.queue("bad")
    await line.queue("good")
    broken = "update deliveries set message = '{\"title\": 1}' where message like '%bad%'"
    await line.store.run(lambda tx: tx.execute(text(broken)))
    await line.worker(wall).drain()
    assert wall.titles() == ["good"]
    assert len(await line.store.read(deliveries.failed)) == 1


async def test_a_scope_that_is_missing_for_an_hour_is_logged_when_that_begins_and_ends(
    line: Line, slack: tuple[SlackSimulator, Chat]
) -> None:
    workspace, chat = slack
    workspace.fail("chat.postMessage", *[refused("missing_scope", needed="chat:write")] * 4)
    await line.queue("alert", chat="slack", channel=workspace.channel)
    worker = line.worker(chat)
    with capture_logs() as lines:
        for _ in range(5):
            await worker.drain()
            line.clock.advance(LONG)
    assert [message.text for message in workspace.messages()] == ["alert"]
    expected = ["a message has to wait", "messages arrive again"]
    assert [entry["event"] for entry in lines if entry["event"] in expected] == expected
