"""Random lives of a store, compared with a list and a dictionary that do the same the simple way."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.deliveries import DeliveryKind, DeliveryState, NewDelivery
from meterbot.core.messages import Posted
from meterbot.core.models import Sample
from meterbot.core.money import Money
from meterbot.store import (
    FOR_EVER,
    Batch,
    Store,
    deliveries,
    delivery_claims,
    delivery_outcomes,
    history,
    workers,
)
from meterbot.store.delivery_claims import Claim
from tests.properties import examples
from tests.store.examples import (
    ANA,
    BO,
    NOW,
    delivery,
    emptied,
    event,
    later,
    put_back,
    sample,
    write,
)

_settings = examples(15)


# The queue


@dataclass
class Line:
    """One delivery in the oracle's queue."""

    id: str
    event: str
    chat: str
    channel: str
    about: str | None
    state: str = "queued"
    attempts: int = 0
    posted: Posted | None = None

    @property
    def waits(self) -> bool:
        return self.state not in {"delivered", "superseded"}

    @property
    def in_doubt(self) -> bool:
        return self.state in {"claimed", "in_doubt"}


@dataclass
class Queue:
    """The deliveries in one list, in the order in which they were queued, and when each line is free again."""

    lines: list[Line] = field(default_factory=list)
    events: set[str] = field(default_factory=set)
    free: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def write(self, key: str, deliveries: Sequence[NewDelivery]) -> None:
        if key in self.events:
            return
        self.events.add(key)
        self.lines += [Line(new.id, new.event, new.chat, new.channel, new.about) for new in deliveries]

    def claim(self, chat: str, now: datetime, seconds: float) -> tuple[str, int, bool, Posted | None] | None:
        ready = [
            line
            for line in self.lines
            if line.chat == chat
            and line.waits
            and self.free.get((chat, line.channel), NOW) <= now
            and (line.in_doubt or not any(post.waits for post in self._posts(line)))
        ]
        if not ready:
            return None
        here = [line for line in ready if line.channel == ready[0].channel]
        line = next((line for line in here if line.in_doubt), here[0])
        settle = line.in_doubt
        line.state, line.attempts = "claimed", line.attempts + 1
        self.free[chat, line.channel] = now + timedelta(seconds=seconds)
        return line.id, line.attempts, settle, self._root(line)

    def _posts(self, line: Line) -> list[Line]:
        place = (line.about, line.chat, line.channel)
        return [
            one for one in self.lines if (one.event, one.chat, one.channel) == place and one.about is None
        ]

    def _root(self, line: Line) -> Posted | None:
        return next((one.posted for one in self._posts(line) if one.state == "delivered"), None)

    def finish(self, id_: str, how: str, free: datetime, posted: Posted) -> None:
        line = next(one for one in self.lines if one.id == id_)
        line.state = how
        line.posted = posted if how == "delivered" else None
        self.free[line.chat, line.channel] = free


_events = st.tuples(
    st.just("write"),
    st.integers(0, 7),
    st.lists(st.sampled_from(["C1", "C2"]), min_size=1, max_size=2, unique=True),
    st.none() | st.integers(0, 7),
)
_claims = st.tuples(
    st.just("claim"),
    st.integers(0, 90),
    st.sampled_from(["slack", "discord"]),
    st.sampled_from(["forget", "delivered", "superseded", "queued", "in_doubt", "refused"]),
)


@_settings
@given(ops=st.lists(_events | _claims, min_size=3, max_size=30))
async def test_deliveries_move_as_in_a_simple_list(
    store: Store, ops: list[tuple[str, int, list[str] | str, int | str | None]]
) -> None:
    await emptied(store)
    await store.run(lambda c: workers.beat(c, "w", NOW, FOR_EVER))
    oracle, now = Queue(), NOW
    for count, (what, number, where, how) in enumerate(ops):
        if what == "write":
            key, about = f"e{number}", None if how is None else f"e{how}"
            kind = DeliveryKind.POST if about is None else DeliveryKind.EDIT
            new = [
                delivery(f"{key}-{chat}-{channel}", key, channel, chat=chat, kind=kind, about=about)
                for channel in where
                for chat in ("slack", "discord")
            ]
            await write(store, Batch(events=[event(key)], deliveries=new))
            oracle.write(key, new)
            continue
        now += timedelta(seconds=number)
        claimed = await store.run(
            lambda c: delivery_claims.claim(c, str(where), Claim("w", now, 60)).delivery
        )
        seen = claimed and (claimed.id, claimed.attempts, claimed.in_doubt, claimed.root)
        assert seen == oracle.claim(str(where), now, 60)
        if claimed is None or how == "forget":
            continue
        posted, again = Posted("posted", str(count)), now + timedelta(seconds=30)
        oracle.finish(claimed.id, str(how), now if how in {"delivered", "superseded"} else again, posted)
        if how == "delivered":
            await store.run(lambda c: delivery_outcomes.mark_delivered(c, claimed, posted, now))
        elif how == "superseded":
            await store.run(lambda c: delivery_outcomes.mark_superseded(c, claimed, "over", now))
        else:
            await put_back(store, claimed, DeliveryState(str(how)), again)
    waiting = [one for one in oracle.lines if one.waits]
    assert sum(queue.waiting for queue in await store.read(deliveries.read_queues)) == len(waiting)


# The history


def _used_at(samples: Sequence[Sample], at: datetime) -> tuple[Money, Money | None, bool] | None:
    before = [one for one in samples if one.at <= at]
    return None if not before else (before[-1].used, before[-1].cap, before[-1].blocked)


@_settings
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([ANA, BO]),
            st.integers(1, 3),
            st.sampled_from(["0", "1", "1.000000000000000000001"]),
            st.booleans(),
        ),
        max_size=30,
    ),
    cuts=st.lists(st.integers(0, 90), max_size=3),
    since=st.integers(-1, 95),
)
async def test_the_kept_samples_tell_what_all_of_them_told(
    store: Store, steps: list[tuple[object, int, str, bool]], cuts: list[int], since: int
) -> None:
    await emptied(store)
    minute, given_samples = 0, []
    for counter, pause, used, blocked in steps:
        minute += pause
        assert counter in (ANA, BO)
        given_samples.append(sample(minute, used, ANA if counter == ANA else BO, blocked=blocked))
    edges = [0, *sorted(cuts), len(given_samples)]
    for start, end in pairwise(edges):
        await write(store, Batch(samples=given_samples[start:end]))
    for counter in (ANA, BO):
        own_samples = [one for one in given_samples if one.counter == counter]
        kept = await store.read(lambda c: history.read(c, [counter], later(minutes=since)))
        assert kept == sorted(kept, key=lambda one: one.at)
        assert set(kept) <= set(own_samples)
        for at in range(max(since, 0), minute + 2):
            assert _used_at(kept, later(minutes=at)) == _used_at(own_samples, later(minutes=at))
        assert [one for one in own_samples if one.at <= later(minutes=since)] == [] or kept[0].at <= later(
            minutes=since
        )
        assert not own_samples or kept[-1] == own_samples[-1]
