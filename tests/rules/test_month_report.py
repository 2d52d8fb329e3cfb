from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Counter, Event
from meterbot.core.money import Money
from meterbot.core.plans import PlanFees
from meterbot.rules.fact_json import fact_money
from meterbot.rules.hours import Hour
from meterbot.rules.memory import CounterMemory
from meterbot.rules.month_report import AccountMonth, is_settled, month_report, month_to_report
from tests.rules.builders import HOUR, eur, usd

MAY = datetime(2026, 5, 1, tzinfo=UTC)
APRIL, MARCH = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
NOTHING = usd("0")
NO_FEES = PlanFees({}, listed=False)


def hour(at: datetime, spent: str = "0", *, blocked: bool = False) -> Hour:
    return Hour(at, Counter("a", "o"), usd(spent), usd(spent), None, blocked=blocked)


def account(
    seat: str = "ana",
    final: Money | None = NOTHING,
    hours: tuple[Hour, ...] | None = None,
    *,
    period: str = "2026-05",
    used: Money | None = NOTHING,
) -> AccountMonth:
    memory = CounterMemory(period=period, used=used, previous_final=final)
    return AccountMonth(seat, memory, hours or (hour(MARCH, "3"), hour(APRIL + 40 * HOUR, "2")))


def closed(*accounts: AccountMonth, named: bool = True) -> Event:
    event = month_report("2026-04", accounts, NO_FEES, MAY + HOUR, named=named)
    assert event is not None
    return event


def test_a_month_is_closed_once_and_the_one_before_the_first_is_nobodys() -> None:
    assert month_to_report(None, MAY) is None
    assert month_to_report("2026-03", MAY) == "2026-04"
    assert month_to_report("2026-04", MAY) is None
    assert month_to_report("2025-12", datetime(2026, 2, 1, tzinfo=UTC)) == "2026-01"


def test_it_waits_for_counters_that_have_not_started_again_but_not_for_ever() -> None:
    still = CounterMemory(period="2026-04", used=usd("5"))
    unused = CounterMemory(period="2026-04", used=usd("0"))
    again = CounterMemory(period="2026-05", used=usd("0"))
    assert is_settled("2026-04", [again, unused, CounterMemory()], MAY)
    assert not is_settled("2026-04", [again, still], MAY + 5 * HOUR)
    assert is_settled("2026-04", [again, still], MAY + 6 * HOUR)


def test_the_report_has_each_seat_beside_the_month_before_the_most_first() -> None:
    event = closed(account("bo", usd("2")), account("ana", usd("48.20")))
    rows = event.facts["seats"]
    assert isinstance(rows, list)
    assert [(row["seat"], fact_money(row["final"]), fact_money(row["previous"])) for row in rows] == [
        ("ana", usd("48.20"), usd("3")),
        ("bo", usd("2"), usd("3")),
    ]
    assert event.seat is None
    assert event.key == "period_closed:team:2026-04"


def test_a_month_before_that_is_not_known_whole_is_not_compared() -> None:
    late = (hour(MARCH + 30 * HOUR, "3"), hour(APRIL + HOUR, "2"))
    event = closed(account("ana", usd("4")), account("bo", usd("2"), late))
    rows = event.facts["seats"]
    assert isinstance(rows, list)
    assert rows[1]["previous"] is None
    assert event.facts["previous"] is None


def test_what_the_plans_covered_are_the_days_without_spend_since_a_seat_is_known() -> None:
    late = (hour(APRIL + timedelta(days=20)), hour(APRIL + timedelta(days=21), "2"))
    event = closed(account("ana", usd("2")), account("bo", usd("2"), late))
    assert (event.facts["seat_days"], event.facts["covered_days"]) == (40, 38)


def test_the_hours_of_a_block_count_as_far_as_they_lie_in_the_month() -> None:
    hours = (
        hour(MARCH),
        hour(APRIL - 5 * HOUR, blocked=True),
        hour(APRIL + 3 * HOUR),
        hour(MAY - 2 * HOUR, blocked=True),
    )
    assert closed(account("ana", usd("2"), hours)).facts["blocked_hours"] == 5


def test_a_seat_where_nothing_is_metered_is_not_one_that_could_not_be_read() -> None:
    free = AccountMonth("fay", CounterMemory(metering="unmetered"), ())
    hidden = AccountMonth("ent", CounterMemory(), ())
    assert closed(account("ana", usd("1")), free).facts["unknown"] == 0
    assert closed(account("ana", usd("1")), free, hidden).facts["unknown"] == 1


def test_a_counter_that_was_not_read_is_said_to_be_in_no_sum_and_one_that_has_not_started_again_to_be_open() -> (
    None
):
    unread = account("cy", hours=(hour(MARCH, "1"),))
    still = account("bo", period="2026-04", used=usd("7"))
    event = closed(account("ana", usd("1")), unread, still)
    assert (event.facts["unknown"], event.facts["open"]) == (1, 1)
    assert event.facts["totals"] == [{"minor": "800", "currency": "USD", "exponent": 2}]


def test_a_final_amount_of_an_earlier_month_is_not_this_ones() -> None:
    old = account("ana", usd("9"), period="2026-07")
    assert month_report("2026-04", [old], NO_FEES, MAY, named=True) is None


def test_of_a_month_of_which_nothing_is_known_nothing_is_said() -> None:
    assert month_report("2026-04", [account(hours=(hour(MARCH),))], NO_FEES, MAY, named=True) is None
    assert month_report("2026-04", [], NO_FEES, MAY, named=True) is None


@pytest.mark.parametrize("name", ["ana", "bo"])
def test_where_channels_read_no_names_the_report_has_none_and_no_amount_of_one(name: str) -> None:
    event = closed(account("ana", usd("1.11")), account("bo", usd("2.22")), named=False)
    assert event.facts["seats"] is None
    assert name not in str(event)
    assert "111" not in str(event.facts)


AMOUNTS = st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(["USD", "EUR"])), min_size=2, max_size=8)


@given(finals=AMOUNTS)
def test_the_sums_are_those_of_the_seats_currency_by_currency(finals: list[tuple[int, str]]) -> None:
    made = [usd("0.01") if code == "USD" else eur("0.01") for _, code in finals]
    amounts = [Money(Decimal(cents), unit.currency, 2) for (cents, _), unit in zip(finals, made, strict=True)]
    event = closed(*[account(f"seat{place}", amount) for place, amount in enumerate(amounts)])
    totals = event.facts["totals"]
    assert isinstance(totals, list)
    for total in map(fact_money, totals):
        assert total is not None
        assert total.minor == sum(one.minor for one in amounts if one.currency == total.currency)


@given(cents=st.lists(st.integers(0, 10**6), min_size=3, max_size=3), moved=st.integers(0, 10**6))
def test_without_names_money_that_moves_between_two_seats_changes_nothing(
    cents: list[int], moved: int
) -> None:
    moved = min(moved, cents[0])
    worlds = [cents, [cents[0] - moved, cents[1] + moved, cents[2]]]
    reports = [
        closed(*[account(f"s{n}", Money(Decimal(c), "USD", 2)) for n, c in enumerate(world)], named=False)
        for world in worlds
    ]
    assert reports[0] == reports[1]
