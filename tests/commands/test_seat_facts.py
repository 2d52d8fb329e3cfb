"""A report made from stored facts is the one that is made from all that is known."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, update

from meterbot.commands.privacy import View
from meterbot.commands.readings import read_report
from meterbot.commands.reports import team_report
from meterbot.commands.team_report import LatestReading, RowDetails, SeatRow, TeamReport
from meterbot.commands.words.team import MOST_ROWS, team
from meterbot.core.models import Counter, Health, LastKnown, ReasonClass, Seat, SourceState, Subscription
from meterbot.core.money import Money
from meterbot.core.operators import Rows
from meterbot.rules.seat_facts import FACTS_VERSION, SeatFacts
from meterbot.store import Batch, Latest, Store, source_states, tables
from meterbot.store.column_types import json_of
from tests.properties import examples
from tests.store.examples import write
from tests.teams import NOW, Reading, api_snapshot, extra, money, org_spend, reading, seat, snapshot, state

NAMES = ("ana", "bo", "cy", "dee", "eve")
AMOUNTS = st.none() | st.builds(
    Money,
    st.decimals(0, 99_999, places=1),
    st.sampled_from(["USD", "USD", "EUR"]),
    st.sampled_from([2, 2, 3]),
)
AGES = st.sampled_from([timedelta(), timedelta(minutes=30), timedelta(days=2), timedelta(days=31)])
EXTRAS = st.none() | st.builds(
    extra,
    enabled=st.sampled_from([True, False, None]),
    cap_known=st.booleans(),
    reason_class=st.none() | st.sampled_from(ReasonClass),
    spend_limit_reached=st.none() | st.booleans(),
    out_of_credits=st.none() | st.booleans(),
    why_known=st.booleans(),
    comparable=st.booleans(),
    disabled_until=st.sampled_from([None, NOW - timedelta(days=1), NOW + timedelta(days=1)]),
)
DUE = st.sampled_from([None, NOW + timedelta(minutes=5)])
HEALTHS = st.just(Health.OK) | st.sampled_from(Health)
SUBSCRIPTIONS = st.none() | st.builds(
    Subscription,
    st.just("active"),
    st.none() | st.dates(date(2026, 4, 28), date(2026, 5, 3)),
    ends_on=st.none() | st.just(date(2026, 5, 2)),
    configured=st.booleans(),
)
Member = tuple[Seat, list[Reading], SourceState | None]


@st.composite
def members(draw: st.DrawFn, name: str) -> Member:
    configured = seat(
        name,
        draw(st.sampled_from(["claude_ai", "claude_ai", "push", "admin_api"])),
        draw(st.sampled_from([None, "200.00"])),
        renews_on=draw(st.sampled_from([None, None, 14])),
        organizations=draw(st.sampled_from([(), (), ("org-1",)])),
    )
    orgs = draw(st.lists(st.sampled_from(["org-1", "org-2"]), unique=True, max_size=2))
    seen = st.none() | st.builds(lambda age: NOW - age, AGES)
    source = draw(st.none() | st.builds(state, st.just(name), HEALTHS, last_ok_at=seen, next_due=DUE))
    return configured, [draw(readings(name, org)) for org in orgs], source


@st.composite
def readings(draw: st.DrawFn, name: str, org: str) -> Reading:
    if draw(st.integers(0, 7)) == 0:
        spend = org_spend(month=draw(st.sampled_from(["2026-03", "2026-04"])))
        return reading(api_snapshot(spend, seat=name, org_uuid=org), ago=draw(AGES))
    usage = draw(EXTRAS)
    if usage is not None:
        usage = replace(usage, used=draw(AMOUNTS), cap=draw(AMOUNTS))
    shot = snapshot(
        name,
        org_uuid=org,
        account_uuid=draw(st.sampled_from([f"account-{name}", f"account-{name}", "shared"])),
        extra_usage=usage,
        extra_usage_read=draw(st.sampled_from([True, True, False])),
        windows_read=draw(st.booleans()),
        subscription=draw(SUBSCRIPTIONS),
        subscription_read=draw(st.booleans()),
        tier=draw(st.sampled_from([None, "pro", "max_20x", "team"])),
    )
    return reading(shot, ago=draw(AGES))


TEAMS = st.tuples(*(members(name) for name in NAMES))


class WithoutFacts(Reading):
    @property
    def facts(self) -> SeatFacts | None:
        return None


def in_order(team_: tuple[Member, ...]) -> list[Reading]:
    """All readings as the database sorts them."""
    every = [one for _, own, _ in team_ for one in own]
    return sorted(every, key=lambda one: (one.seat, one.counter.account, one.counter.org))


def report(team_: tuple[Member, ...], latest: Iterable[LatestReading]) -> TeamReport:
    sources = {source.seat: source for _, _, source in team_ if source is not None}
    return team_report(latest, sources, [seat for seat, _, _ in team_], NOW)


def whole(team_: tuple[Member, ...]) -> TeamReport:
    """From all that is known, without facts."""
    return report(team_, [WithoutFacts(one.seat, one.counter, one.known) for one in in_order(team_)])


@examples(60)
@given(TEAMS, st.sampled_from(["named", "anonymous", "self"]))
def test_totals_order_and_every_row_are_the_same(team_: tuple[Member, ...], rows: Rows) -> None:
    one, other = whole(team_), report(team_, in_order(team_))
    assert _same(one, other)
    assert _same([row.details for row in one.rows], [row.details for row in other.rows])
    views = [View(each, rows=rows, own=frozenset({"ana"})) for each in (one, other)]
    assert team(views[0]) == team(views[1])


@examples(25)
@given(TEAMS)
async def test_what_the_database_keeps_makes_the_same_report(store: Store, team_: tuple[Member, ...]) -> None:
    """Also without the sources that are well."""
    for table in (tables.latest, tables.sources):
        await store.run(partial(Connection.execute, statement=delete(table)))
    latest = [Latest(one.seat, one.counter, one.known) for one in in_order(team_)]
    sources = [source for _, _, source in team_ if source is not None]
    await write(store, Batch(latest=latest, sources=sources))
    one = whole(team_)
    other = await store.read(lambda c: read_report(c, [seat for seat, _, _ in team_], NOW))
    assert _same(one, other)
    assert _same([_without_email(row) for row in one.rows], [row.details for row in other.rows])


async def test_facts_are_stored_with_every_reading(store: Store) -> None:
    first, second = (reading(snapshot(extra_usage=extra(used))) for used in ("10.00", "20.00"))
    billed = reading(api_snapshot(seat="ana", account_uuid="account-ana", org_uuid="org-ana"))
    for one, facts in ((first, first.facts), (billed, None), (second, second.facts)):
        await write(store, Batch(latest=[Latest(one.seat, one.counter, one.known)]))
        rows, _ = await store.read(source_states.read_team)
        assert [row.facts for row in rows] == [facts]


async def test_facts_count_for_what_they_were_made_of_alone(store: Store) -> None:
    """An earlier version that still runs while this one starts writes `known` without them."""
    old, new = (reading(snapshot(extra_usage=extra(used))) for used in ("10.00", "20.00"))
    for one in (new, old):
        await write(store, Batch(latest=[Latest(one.seat, one.counter, one.known)]))
    rows, _ = await store.read(source_states.read_team)
    assert [row.facts for row in rows] == [old.facts]
    later = update(tables.latest).values(known=json_of(LastKnown, new.known))
    await store.run(lambda c: c.execute(later))
    rows, _ = await store.read(source_states.read_team)
    assert [row.facts for row in rows] == [None]
    assert report_of(rows[0]).totals == report_of(new).totals != report_of(old).totals


async def test_facts_of_another_version_do_not_count(store: Store) -> None:
    """While a new version starts, the old one still writes the facts that it knows."""
    one = reading(snapshot(extra_usage=extra("10.00")))
    await write(store, Batch(latest=[Latest(one.seat, one.counter, one.known)]))
    (kept,), _ = await store.read(source_states.read_team)
    checksum = crc32(kept.text.encode(), FACTS_VERSION + 1)
    others = update(tables.latest).values(known_crc32=checksum, used=money("99.00"))
    await store.run(lambda c: c.execute(others))
    (row,), _ = await store.read(source_states.read_team)
    assert row.facts is None
    assert report_of(row).totals == report_of(one).totals


def test_another_meaning_of_the_facts_is_another_version() -> None:
    """Raise `FACTS_VERSION` where these become others: what is stored already would be read with the new meaning."""
    blocked = extra("50.00", "50.00", enabled=False)
    off = extra("0.00", None, enabled=False, cap_known=False)
    shots = [
        snapshot(tier="pro"),
        snapshot(extra_usage=blocked),
        snapshot(extra_usage=off, subscription=None),
    ]
    day, usage = date(2026, 5, 14), (money("17.20"), money("50.00"))
    assert (FACTS_VERSION, [reading(shot).facts for shot in shots]) == (
        0,
        [
            (NOW, NOW, *usage, True, True, False, day, "pro"),
            (NOW, NOW, money("50.00"), money("50.00"), True, True, True, day, None),
            (NOW, NOW, None, None, False, False, False, None, None),
        ],
    )


def report_of(latest: LatestReading) -> TeamReport:
    return team_report([latest], {}, [seat(latest.seat)], NOW)


def _without_email(row: SeatRow) -> RowDetails:
    return replace(row.details, snapshot=replace(row.snapshot, account_email=None))


def _same(one: object, other: object) -> bool:
    """pytest would compare the texts of two whole teams for minutes."""
    return one == other


def test_only_the_seats_that_are_shown_are_parsed() -> None:
    parsed = set()

    @dataclass(frozen=True)
    class Noting:
        of: Reading

        @property
        def seat(self) -> str:
            return self.of.seat

        @property
        def counter(self) -> Counter:
            return self.of.counter

        @property
        def facts(self) -> SeatFacts | None:
            return self.of.facts

        @property
        def known(self) -> LastKnown:
            parsed.add(self.seat)
            return self.of.known

    names = [f"seat{number:03}" for number in range(200)]
    latest = [
        Noting(reading(snapshot(name, extra_usage=extra(str(number))))) for number, name in enumerate(names)
    ]
    team(View(team_report(latest, {}, [seat(name) for name in names], NOW)))
    assert len(parsed) == MOST_ROWS
