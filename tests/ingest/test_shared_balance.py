"""Prepaid credits that the members of an organization share: one alert, whichever seats read them."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlalchemy import event as listening

from meterbot.core.models import (
    Balance,
    Counter,
    Event,
    EventKind,
    ExtraUsage,
    Health,
    ReasonClass,
    Seat,
    Snapshot,
)
from meterbot.core.money import Money
from meterbot.ingest.changes import Changes
from meterbot.rules.settings import RuleSettings, parse_threshold
from meterbot.store import CounterState, Store, forgetting, rule_memories
from meterbot.store.database import open_store
from tests.ingest.test_ingest import Door, store
from tests.transactions import somebody_waits

__all__ = ["store"]

A = TypeVar("A")
B = TypeVar("B")

NOW = datetime(2026, 11, 12, 9, tzinfo=UTC)
SEATS = {name: Seat(name, "claude_ai", plan="team", interval=900) for name in ("ana", "bo", "cy")}
RULES = RuleSettings(balance_levels=(parse_threshold("$20"), parse_threshold("$5")))


def reading(name: str, cents: int, minutes: int, *, org: str = "acme", **extra: object) -> Snapshot:
    """One member's: $10 of $50 used, and what the organization has left."""
    balance = Balance(Money(Decimal(cents), "USD", 2), shared=True)
    used, cap = Money(Decimal(1000), "USD", 2), Money(Decimal(5000), "USD", 2)
    metered = replace(ExtraUsage(enabled=True, used=used, cap=cap, currency="USD", balance=balance), **extra)  # type: ignore[arg-type]  # a factory passes what it is given
    return Snapshot(
        name,
        "claude_ai",
        NOW + timedelta(minutes=minutes),
        Health.OK,
        account_uuid=f"account of {name}",
        org_uuid=org,
        extra_usage=metered,
        extra_usage_read=True,
    )


def low(events: Sequence[Event]) -> list[str | None]:
    return [event.level for event in events if event.kind is EventKind.BALANCE_LOW and event.muted_by is None]


def played(*readings: Snapshot) -> list[str | None]:
    """Each with what the last one left stored, as after a restart."""
    memories, states = dict[str, str](), dict[Counter, CounterState]()
    found: list[str | None] = []
    for one in readings:
        changes = Changes(RULES, memories=memories, states=states)
        changes.apply(SEATS[one.seat], [one], one.fetched_at)
        memories, states = dict(changes.memories), dict(changes.states)
        found += low(changes.events)
    return found


async def test_one_alert_is_stored_for_all_seats_of_an_organization(store: Store) -> None:
    door = Door(store, *SEATS.values(), rules=RULES)
    kinds = await door.take(*[reading(name, 400, 0) for name in SEATS])
    kinds += await door.take(*[reading(name, 300, 15) for name in SEATS])
    assert kinds.count("balance_low") == 1


async def test_what_is_remembered_of_an_organization_goes_with_the_last_of_its_seats(store: Store) -> None:
    door, name = Door(store, *SEATS.values(), rules=RULES), "balance:acme"
    await door.take(*[reading(each, 400, 0) for each in SEATS])
    left = []
    for each in SEATS:
        await store.run(partial(forgetting.forget, seat=each))
        left.append(list(await store.read(lambda c: rule_memories.read_memories(c, [name]))))
    assert left == [[name], [name], []]


@pytest.mark.databases("postgresql")
async def test_a_seat_is_forgotten_while_another_of_its_organization_is_stored(database_url: str) -> None:
    """What the other one reported is still remembered, or it would be reported again."""
    stores = [await open_store(database_url) for _ in range(3)]
    doors = [Door(each, *SEATS.values(), rules=RULES) for each in stores]
    await doors[0].take(reading("ana", 9000, 0))
    forget = partial(forgetting.forget, seat="ana")
    kinds, forgotten = await _during_commit(
        stores, doors[0].take(reading("bo", 490, 1)), stores[1].run(forget)
    )
    assert (kinds, bool(forgotten)) == (["balance_low"], True)
    assert await doors[2].take(reading("cy", 490, 2)) == []
    for each in stores:
        await each.close()


async def _during_commit(
    stores: Sequence[Store], first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]
) -> tuple[A, B]:
    """The results of both: `second` begins while `first`, of the first store, commits, and has to wait for it."""
    before_commit, may_commit = threading.Event(), threading.Event()

    def pause(_: Connection) -> None:
        before_commit.set()
        may_commit.wait(20)

    listening.listen(stores[0].engine, "commit", pause)
    one = asyncio.ensure_future(first)
    await asyncio.to_thread(before_commit.wait, 20)
    other = asyncio.ensure_future(second)
    await somebody_waits(stores[-1])
    may_commit.set()
    return await one, await other


# SQLite has one writer at a time.
@pytest.mark.databases("postgresql")
async def test_a_worker_waits_until_another_has_stored_what_it_posted(database_url: str) -> None:
    """Otherwise bo's older reading would take back that $5 was reported, and cy's would report it again."""
    stores = [await open_store(database_url) for _ in range(3)]
    doors = [Door(each, *SEATS.values(), rules=RULES) for each in stores]
    first, second = doors[0].take(reading("ana", 490, 1)), doors[1].take(reading("bo", 510, 0))
    kinds = [*await _during_commit(stores, first, second), await doors[2].take(reading("cy", 490, 2))]
    assert kinds == [["balance_low"], [], []]
    for each in stores:
        await each.close()


def test_it_comes_again_after_credits_were_bought() -> None:
    readings = [
        reading("ana", 400, 0),
        reading("bo", 400, 1),
        reading("bo", 9000, 10),
        reading("ana", 400, 20),
    ]
    assert played(*readings, reading("bo", 400, 21)) == ["5.00 USD", "5.00 USD"]


def test_a_reading_from_before_the_last_change_proves_nothing() -> None:
    late = replace(reading("bo", 9000, 9))
    assert played(reading("ana", 9000, 0), reading("ana", 400, 10), late, reading("cy", 400, 12)) == [
        "5.00 USD"
    ]


def test_a_reading_from_the_future_silences_nobody_once_the_clock_is_right() -> None:
    month = 30 * 24 * 60
    levels = played(
        reading("ana", 1500, month), reading("bo", 400, 0), reading("cy", 400, 15), reading("bo", 0, 30)
    )
    assert levels == ["20.00 USD", "5.00 USD", "0.00 USD"]


def test_two_processes_that_see_it_at_once_make_one_event() -> None:
    seen = [Changes(RULES, memories={}) for _ in range(2)]
    for changes, name in zip(seen, ("ana", "bo"), strict=True):
        changes.apply(SEATS[name], [reading(name, 400, 0)], NOW)
    one, other = (
        [event.key for event in each.events if event.kind is EventKind.BALANCE_LOW] for each in seen
    )
    assert one == other == ["balance_low:acme:5.00 USD"]


def test_organizations_are_distinguished() -> None:
    assert played(reading("ana", 400, 0), reading("bo", 400, 0, org="other")) == ["5.00 USD", "5.00 USD"]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("out_of_credits", []), ("org_level_disabled", ["5.00 USD"]), ("org_spend_cap_reached", ["5.00 USD"])],
)
def test_only_a_block_by_the_balance_says_it_for_everybody(reason: str, expected: list[str]) -> None:
    kinds = {
        "out_of_credits": ReasonClass.BALANCE,
        "org_level_disabled": ReasonClass.ADMIN,
        "org_spend_cap_reached": ReasonClass.CAP,
    }
    assert played(reading("ana", 400, 0, reason=reason, reason_class=kinds[reason])) == expected


@given(st.lists(st.tuples(st.sampled_from(sorted(SEATS)), st.integers(0, 30)), max_size=10))
def test_many_seats_tell_what_one_would(readings: list[tuple[str, int]]) -> None:
    dollars = [each for _, each in readings]
    levels = [[0] * (each == 0) + [level for level in (5, 20) if each < level] for each in dollars]
    expected = [f"{now[0]}.00 USD" for before, now in pairwise([[], *levels]) if now and now[0] not in before]
    seen = [reading(name, each * 100, at) for at, (name, each) in enumerate(readings)]
    assert played(*seen) == expected
