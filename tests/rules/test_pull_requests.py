"""What pull requests cost: exact, shared, and never a number where there is none."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core import money
from meterbot.core.models import (
    Counter,
    ExtraUsage,
    Health,
    LastKnown,
    Sample,
    Seat,
    Snapshot,
)
from meterbot.core.money import Money
from meterbot.rules.increases import increases, spend_between
from meterbot.rules.pull_requests import (
    Attribution,
    Bill,
    Commit,
    Commits,
    Merged,
    PullRequest,
    WorkWindow,
    bills,
    commits_of,
    month_of_pulls,
    seats_of,
)

NOON = datetime(2026, 4, 9, 12, tzinfo=UTC)
MAY = datetime(2026, 5, 1, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ANA, WORK = Counter("acc-ana", "org"), Counter("acc-work", "org")


def usd(cents: int | str) -> Money:
    return Money(Decimal(cents), "USD", 2)


def merged(number: int = 812, at: datetime = NOON + 5 * HOUR, author: str = "ana") -> Merged:
    return Merged("acme/app", number, f"{number:040x}", author, NOON - HOUR, at)


def pull(
    number: int = 812,
    start: float = 0,
    end: float = 4,
    counters: Sequence[Counter] = (ANA,),
    origin: datetime = NOON,
) -> PullRequest:
    """Its commits are so many hours after the origin; it was merged an hour after the last."""
    first, last = origin + start * HOUR, origin + end * HOUR
    return PullRequest(merged(number, last + HOUR), ("ana",), tuple(counters), commits=Commits(first, last))


def points(*values: tuple[float, int], counter: Counter = ANA, origin: datetime = NOON) -> list[Sample]:
    return [
        Sample(origin + hours * HOUR, counter, usd(cents), usd(5000), blocked=False)
        for hours, cents in values
    ]


def known(at: datetime, *, enabled: bool | None = True, metered: bool = True) -> LastKnown:
    extra = ExtraUsage(enabled=enabled, used=usd(0), cap=None) if metered else None
    snapshot = Snapshot("ana", "push", at, Health.OK, "acc-ana", org_uuid="org", extra_usage=extra)
    return LastKnown(snapshot, extra_usage_at=at)


def bill_of(one: PullRequest, samples: list[Sample], *others: PullRequest, **standing: LastKnown) -> Bill:
    return bills([one, *others], {ANA: samples}, {ANA: standing.get("now", known(NOON))})[one.key]


def cents(bill: Bill) -> str | None:
    if bill.amounts is None:
        return None
    return " + ".join(f"{amount.minor:f} {amount.currency}" for amount in bill.amounts)


# --- what it cost -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([(-1, 100), (1, 247), (5, 247)], "147 USD"),
        ([(0, 100), (4, 247), (5, 300)], "147 USD"),
        ([(-1, 100), (0, 147), (4, 247)], "100 USD"),
        ([(-1, 100), (5, 100)], "0 USD"),
        ([(-1, 300), (1, 200), (2, 250), (5, 250)], "50 USD"),
        ([(1, 100), (2, 247)], None),
        ([], None),
    ],
    ids=[
        "what rose within",
        "the end counts, what comes after does not",
        "what was read at the first commit was spent before",
        "the counter did not change",
        "a refund counts nothing",
        "no reading at or before the first commit",
        "no reading at all",
    ],
)
def test_it_costs_what_the_counter_rose_between_its_commits(
    values: list[tuple[float, int]], expected: str | None
) -> None:
    assert cents(bill_of(pull(), points(*values))) == expected


def test_a_month_that_ends_within_is_counted_to_its_end_and_from_its_beginning() -> None:
    over_night = pull(start=-10, end=10, origin=MAY)
    samples = points((-12, 3000), (-1, 3100), (0.1, 0), (9, 40), (11, 90), origin=MAY)
    assert cents(bill_of(over_night, samples)) == "140 USD"


def test_nothing_is_said_with_its_reason() -> None:
    still = points((-1, 100), (5, 100))
    assert bill_of(pull(), still).why == "no plan window was full"
    assert bill_of(pull(), still, now=known(NOON, enabled=False)).why == "extra usage is switched off"
    blocked = [Sample(one.at, ANA, one.used, one.cap, blocked=True) for one in still]
    assert bill_of(pull(), blocked).why == "extra usage was blocked"
    never = bills([pull()], {}, {ANA: known(NOON + 9 * HOUR, metered=False)})[pull().key]
    assert (cents(never), never.why, never.settled) == ("0 USD", "extra usage is not set up", True)


def test_what_the_next_reading_after_the_end_rose_is_reported_and_no_reason_is_claimed() -> None:
    bill = bill_of(pull(), points((-1, 100), (4.5, 247)))
    assert (cents(bill), bill.later, bill.why) == ("0 USD", (usd(147),), None)


def test_a_reading_minutes_after_the_end_is_nothing_to_tell_beside_an_amount() -> None:
    bill = bill_of(pull(), points((-1, 100), (3.98, 247), (4.02, 250)))
    assert (cents(bill), bill.later) == ("147 USD", ())


def test_a_seat_never_read_is_unknown_and_not_settled() -> None:
    bill = bills([pull(counters=())], {}, {})[pull().key]
    assert (bill.amounts, bill.why, bill.settled) == (None, "the seat has not been read yet", False)


def test_several_seats_of_a_person_count_together_and_one_unknown_makes_all_unknown() -> None:
    both = pull(counters=(ANA, WORK))
    here, there = points((-1, 100), (3, 200), (5, 200)), points((-1, 0), (2, 7), (5, 7), counter=WORK)
    assert cents(bills([both], {ANA: here, WORK: there}, {})[both.key]) == "107 USD"
    assert cents(bills([both], {ANA: here, WORK: there[1:]}, {})[both.key]) is None


@pytest.mark.parametrize(("last", "settled"), [(3.9, False), (4, True), (9, True)])
def test_it_is_settled_once_a_reading_from_its_end_or_later_is_there(last: float, settled: bool) -> None:  # noqa: FBT001 - a table
    assert bill_of(pull(), points((-1, 100), (last, 100))).settled is settled


# --- sharing ------------------------------------------------------------------------------------------------------


def test_what_was_spent_while_two_were_under_way_is_shared_in_equal_parts() -> None:
    first, second = pull(811, 0, 4), pull(812, 2, 6)
    samples = points((-1, 0), (1, 100), (3, 247), (5, 300), (8, 300))
    made = bills([second, first], {ANA: samples}, {})
    assert (cents(made[first.key]), cents(made[second.key])) == ("174 USD", "126 USD")
    assert (made[first.key].shared, made[second.key].shared) == (("acme/app#812",), ("acme/app#811",))


def test_who_met_but_spent_nothing_together_shares_nothing() -> None:
    made = bills([pull(811, 0, 4), pull(812, 2, 6)], {ANA: points((-1, 0), (1, 100), (8, 100))}, {})
    assert [bill.shared for bill in made.values()] == [(), ()]


def test_one_whose_cost_is_unknown_takes_no_share() -> None:
    old, new = pull(811, -9, 4), pull(812, 0, 4)
    made = bills([old, new], {ANA: points((-1, 0), (1, 100), (5, 100))}, {})
    assert (cents(made[old.key]), cents(made[new.key])) == (None, "100 USD")


def test_other_peoples_pull_requests_share_nothing_but_on_one_account_they_do() -> None:
    bo = PullRequest(merged(813, author="bo"), ("bo",), (WORK,), Commits(NOON, NOON + 4 * HOUR))
    samples = {ANA: points((-1, 0), (1, 100), (5, 100)), WORK: points((-1, 0), (1, 9), (5, 9), counter=WORK)}
    made = bills([pull(), bo], samples, {})
    assert (cents(made[pull().key]), cents(made[bo.key])) == ("100 USD", "9 USD")
    same = PullRequest(bo.merged, ("bo",), (ANA,), bo.commits)
    made = bills([pull(), same], samples, {})
    assert (cents(made[pull().key]), cents(made[same.key])) == ("50 USD", "50 USD")


def test_cents_that_do_not_divide_are_at_stake_once_and_not_at_every_reading() -> None:
    samples = points((-1, 0), *((hour / 100, hour) for hour in range(1, 101)), (5, 100))
    made = bills([pull(811, 0, 2), pull(812, 0, 3), pull(813, 0, 4)], {ANA: samples}, {})
    assert [cents(bill) for bill in made.values()] == ["34 USD", "33 USD", "33 USD"]


steps = st.lists(st.tuples(st.integers(1, 2000), st.decimals(0, 5000, places=2)), min_size=1, max_size=25)
spans = st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 20_000)), max_size=7)


@given(steps, spans)
def test_what_all_cost_and_what_falls_to_none_is_exactly_what_was_spent(
    steps: list[tuple[int, Decimal]], spans: list[tuple[int, int]]
) -> None:
    at, samples = datetime(2026, 4, 20, tzinfo=UTC), []
    for gap, used in steps:
        at += gap * MINUTE
        samples.append(Sample(at, ANA, usd(str(used)), None, blocked=False))
    windows = {
        ("o/r", number, "m"): WorkWindow(
            samples[0].at + begin * MINUTE, samples[0].at + (begin + length) * MINUTE
        )
        for number, (begin, length) in enumerate(spans)
    }
    found = Attribution()
    found.add(increases(samples), windows)
    every_part = [*found.rest, *(part for parts in found.shares.values() for part in parts)]
    spent = spend_between(samples, samples[0].at, samples[-1].at)
    assert spent is not None
    assert sum((part.minor for part in every_part), Decimal(0)) == sum(
        (amount.minor for amount in spent.values()), Decimal(0)
    )
    assert all(part.minor >= 0 for part in every_part)
    for key, window in windows.items():
        alone = spend_between(samples, window.start, window.end) if not found.partners[key] else None
        if alone is not None:
            assert money.totals(found.shares[key]).get("USD", usd(0)).minor == alone["USD"].minor


@given(steps, spans, st.randoms(use_true_random=False))
def test_the_order_in_which_they_come_changes_nothing(
    steps: list[tuple[int, Decimal]], spans: list[tuple[int, int]], mix: object
) -> None:
    at, samples = NOON - HOUR, []
    for gap, used in steps:
        at += gap * MINUTE
        samples.append(Sample(at, ANA, usd(str(used)), None, blocked=False))
    pulls = [pull(number, begin / 60, (begin + length) / 60) for number, (begin, length) in enumerate(spans)]
    mixed = list(pulls)
    mix.shuffle(mixed)  # type: ignore[attr-defined] # a random.Random
    assert bills(pulls, {ANA: samples}, {}) == bills(mixed, {ANA: samples}, {})


# --- the window ---------------------------------------------------------------------------------------------------


def test_without_commits_it_counts_from_its_opening_to_its_merge() -> None:
    opened = PullRequest(merged(), ("ana",), no_commits="no GitHub token is configured")
    assert opened.window == WorkWindow(NOON - HOUR, NOON + 5 * HOUR)


def test_a_single_commit_counts_to_the_merge_and_no_date_lies_behind_it() -> None:
    one = PullRequest(merged(), ("ana",), commits=Commits(NOON, NOON))
    assert one.window == WorkWindow(NOON, NOON + 5 * HOUR)
    ahead = PullRequest(merged(), ("ana",), commits=Commits(NOON, NOON + 90 * HOUR))
    assert ahead.window == WorkWindow(NOON, NOON + 5 * HOUR)


def commit(author: str | None, hours: float, committed: float | None = None) -> Commit:
    return Commit(author, NOON + hours * HOUR, NOON + (hours if committed is None else committed) * HOUR)


def test_the_span_is_of_the_authors_own_commits_or_of_all_where_none_is_known_to_be() -> None:
    listed = [commit("zed", -9), commit("ana", 0), commit("ana", 1, 3), commit("web-flow", 4)]
    assert commits_of(listed, merged()) == Commits(NOON, NOON + 3 * HOUR)
    assert commits_of([commit(None, -9), commit("zed", 2)], merged()) == Commits(
        NOON - 9 * HOUR, NOON + 2 * HOUR
    )
    assert commits_of([], merged()) is None


def test_of_a_list_that_was_cut_the_merge_stands_for_the_last_commit() -> None:
    assert commits_of([commit("ana", 0)] * 250, merged()) == Commits(NOON, NOON + 5 * HOUR)


def test_a_login_is_a_persons_in_any_case_and_an_api_organization_is_nobodys() -> None:
    seats = [
        Seat("ana-work", "push", owner={"github": "Ana"}),
        Seat("ana", "push", owner={"github": "ana"}),
        Seat("org", "admin_api", owner={"github": "ana"}),
        Seat("bo", "push"),
    ]
    assert seats_of("ana", seats) == ("ana", "ana-work")
    assert seats_of("", seats) == ()


# --- the month ----------------------------------------------------------------------------------------------------


def test_the_month_has_its_pull_requests_their_median_and_what_falls_to_none() -> None:
    pulls = [pull(811, 0, 2), pull(812, 4, 6), pull(813, 8, 9)]
    samples = points((-1, 50), (1, 150), (3, 180), (5, 200), (10, 300))
    made = bills(pulls, {ANA: samples}, {})
    billed = [
        PullRequest(one.merged, one.seats, one.counters, one.commits, bill=made[one.key]) for one in pulls
    ]
    window = WorkWindow(datetime(2026, 4, 1, tzinfo=UTC), NOON + 20 * HOUR)
    found = month_of_pulls("2026-04", window, billed, {ANA: samples}, ["ana"])
    assert [one.merged.number for one in found.pulls] == [813, 812, 811]
    assert found.medians == (usd(20),)
    assert (found.spent, found.unmerged) == ((usd(250),), (usd(130),))
    assert month_of_pulls("2026-04", window, billed, {}, ["bo"]).pulls == ()
