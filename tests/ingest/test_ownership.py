"""No push with one token changes another owner's alerts, levels, totals or history."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meterbot.commands.readings import current_report
from meterbot.core.models import Balance, Counter, Event, Seat, Snapshot
from meterbot.core.money import Money
from meterbot.rules.settings import RuleSettings, parse_threshold
from meterbot.store import Store, counter_states, event_log, history
from meterbot.store.database import open_store
from tests.ingest.test_ingest import NOW, Door, seat, snapshot
from tests.properties import examples
from tests.store.examples import emptied

ANA = seat("ana", "push", owner={"slack": "U1"})
COOKIE = seat("ana", "claude_ai", owner={"slack": "U1"})
BO = seat("bo", "push", owner={"slack": "U2"})
COUNTER = Counter("account-1", "org-1")


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    store = await open_store(url)
    try:
        yield store
    finally:
        await store.close()


class Team:
    def __init__(self, store: Store, *seats: Seat) -> None:
        self.store, self.door = store, Door(store, *seats)
        self.events: list[Event] = []

    async def push(self, name: str, shot: Snapshot) -> str | None:
        return (await self.door.ingest.store_push(name, [shot], shot.fetched_at)).refused

    async def known_of_ana(self) -> tuple[object, ...]:
        """Her readings, what the rules remember of her counter, its history, her events, and her rows in the report, in
        which `counted` says what is in the team's total."""
        rows = await self.store.read(lambda c: counter_states.read_latest(c, ["ana"]))
        states = await self.store.read(lambda c: counter_states.read_states(c, [COUNTER]))
        samples = await self.store.read(lambda c: history.read(c, [COUNTER], NOW - timedelta(days=90)))
        events = [
            one for one in await self.store.read(lambda c: event_log.read_events(c, NOW)) if one.seat == "ana"
        ]
        report = await current_report(self.store, [ANA, BO], rows[0].known.snapshot.fetched_at)
        rows_of_ana = [row for row in report.rows if row.seat.name == "ana"]
        return rows, states, samples, events, rows_of_ana


async def test_a_push_that_names_another_owners_account_is_refused(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/one.db") as store:
        team = Team(store, ANA, BO)
        assert await team.push("ana", snapshot("10")) is None
        before = await team.known_of_ana()
        refused = await team.push("bo", snapshot("0", NOW + timedelta(minutes=5), of="bo"))
        assert refused == "another owner's seat already reports this account"
        assert await team.known_of_ana() == before
        assert await store.read(lambda c: counter_states.read_latest(c, ["bo"])) == []


async def test_an_account_that_was_only_claimed_goes_to_the_seat_that_proves_it(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/one.db") as store:
        team = Team(store, COOKIE, BO)
        assert await team.push("bo", snapshot("49", of="bo")) is None
        kinds = await team.door.take(snapshot("1", NOW + timedelta(minutes=5)))
        assert kinds == []  # as on a first reading: nothing fell, nothing was told of her before
        rows, _, samples, *_ = await team.known_of_ana()
        assert isinstance(samples, list)
        assert [sample.used for sample in samples] == [snapshot("1").extra_usage.used]  # type: ignore[union-attr]  # it has one
        assert rows
        assert await store.read(lambda c: counter_states.read_latest(c, ["bo"])) == []
        assert await team.push("bo", snapshot("2", NOW + timedelta(minutes=9), of="bo")) is not None


def with_credits(shot: Snapshot, cents: int, *, shared: bool = False) -> Snapshot:
    extra = shot.extra_usage
    assert extra is not None
    return replace(
        shot, extra_usage=replace(extra, balance=Balance(Money(Decimal(cents), "USD", 2), shared=shared))
    )


async def test_what_a_claim_told_of_a_seat_is_told_again_when_it_is_true(store: Store) -> None:
    """What waits to be posted for the claim is not posted any more."""
    rules = RuleSettings(balance_levels=(parse_threshold("$20"),))
    door = Door(store, COOKIE, BO, rules=rules)
    for minute, used in enumerate(("10", "41")):
        claim = with_credits(snapshot(used, NOW + timedelta(minutes=minute), of="bo"), 100)
        await door.ingest.store_push("bo", [claim], claim.fetched_at)
    claimed = await store.read(lambda c: event_log.read_events(c, NOW))
    assert {event.kind.value for event in claimed} == {"balance_low", "threshold_crossed"}
    assert await door.take(with_credits(snapshot("1", NOW + timedelta(minutes=5)), 9000)) == []
    assert await door.waiting() == []
    kinds = await door.take(with_credits(snapshot("42", NOW + timedelta(minutes=10)), 400))
    assert sorted(kinds) == ["balance_low", "threshold_crossed"]
    assert {event.seat for event in await store.read(lambda c: event_log.read_events(c, NOW))} == {"ana"}


@pytest.mark.parametrize("shared", [False, True])
async def test_low_credits_that_a_claim_reported_are_reported_when_the_seat_proves_them(
    store: Store, *, shared: bool
) -> None:
    door = Door(store, COOKIE, BO, rules=RuleSettings(balance_levels=(parse_threshold("$20"),)))
    claim = with_credits(snapshot("10", of="bo"), 400, shared=shared)
    await door.ingest.store_push("bo", [claim], claim.fetched_at)
    own = with_credits(snapshot("1", NOW + timedelta(minutes=5)), 400, shared=shared)
    assert "balance_low" in await door.take(own)
    assert "balance_low" not in await door.take(replace(own, fetched_at=NOW + timedelta(minutes=6)))


async def test_two_seats_of_one_person_may_report_one_account(tmp_path: Path) -> None:
    laptop = seat("laptop", "push", owner={"slack": "U1"})
    async with opened(f"sqlite:///{tmp_path}/one.db") as store:
        team = Team(store, COOKIE, laptop)
        await team.door.take(snapshot("1"))
        assert await team.push("laptop", snapshot("2", NOW + timedelta(minutes=1), of="laptop")) is None


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(f"sqlite:///{tmp_path}/one.db") as store:
        yield store


_moves = st.lists(
    st.tuples(
        st.sampled_from(["ana", "bo"]),
        st.integers(0, 70),
        st.integers(1, 3000),
        st.sampled_from(["account-1", "account-2", None]),
        st.sampled_from(["org-1", "org-2"]),
    ),
    min_size=2,
    max_size=6,
)


@examples(20)
@given(moves=_moves)
@example(moves=[("bo", 0, 1, "account-1", "org-2"), ("bo", 0, 1, None, "org-1")])
async def test_whatever_bo_sends_ana_is_as_if_he_had_sent_nothing(
    store: Store, moves: Sequence[tuple[str, int, int, str | None, str]]
) -> None:
    found = []
    for present in (True, False):
        await emptied(store)
        team, at = Team(store, ANA, BO), NOW
        await team.push("ana", snapshot("5", at))
        for name, used, minutes, account, org in moves:
            at += timedelta(minutes=minutes)
            if name == "ana":
                await team.push("ana", snapshot(str(used), at))
            elif present:
                await team.push("bo", snapshot(str(used), at, of="bo", account=account, org=org))
        found.append(await team.known_of_ana())
    assert found[0] == found[1]
