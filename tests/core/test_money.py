"""Exact, per currency, and never scaled by guess."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.money import (
    LARGEST_MINOR,
    Money,
    add,
    default_exponent,
    of_major,
    percent,
    plain,
    rounded,
    show,
    split,
    subtract,
    totals,
)

minors = st.decimals(-LARGEST_MINOR, LARGEST_MINOR, places=6)
exponents = st.integers(0, 6)
euros = st.builds(Money, minors, st.just("EUR"), exponents)
mixed = st.builds(Money, minors, st.sampled_from(["USD", "EUR", "JPY"]), exponents)


def usd(cents: str) -> Money:
    return Money(Decimal(cents), "USD", 2)


@pytest.mark.parametrize(
    ("amount", "machine", "person"),
    [
        (usd("1720"), "17.20", "$17.20"),
        (usd("1720.0"), "17.20", "$17.20"),
        (usd("0"), "0.00", "$0.00"),
        (usd("1234.5"), "12.345", "$12.35"),
        (usd("12.3456"), "0.123456", "$0.12"),
        (usd("-50"), "-0.50", "-$0.50"),
        (usd("123456"), "1234.56", "$1234.56"),
        (Money(Decimal(5091), "KWD", 3), "5.091", "KWD 5.091"),
        (Money(Decimal(500), "JPY", 0), "500", "¥500"),
        (Money(Decimal(1000), "JPY", 0), "1000", "¥1000"),
        (Money(Decimal("1E+3"), "USD", 2), "10.00", "$10.00"),
        (Money(Decimal(6230), "CAD", 2), "62.30", "CA$62.30"),
        (Money(LARGEST_MINOR, "EUR", 2), "10000000000.00", "€10000000000.00"),
    ],
)
def test_an_amount_for_machines_and_for_people(amount: Money, machine: str, person: str) -> None:
    assert (plain(amount), show(amount), str(amount)) == (machine, person, person)


def test_thousands_are_grouped_where_asked() -> None:
    assert show(usd("123456789"), grouped=True) == "$1,234,567.89"


@pytest.mark.parametrize(
    ("value", "places", "result"), [("0.5", 0, "1"), ("1.5", 0, "2"), ("2.345", 2, "2.35"), ("-0.5", 0, "-1")]
)
def test_halves_are_rounded_away_from_zero(value: str, places: int, result: str) -> None:
    assert str(rounded(Decimal(value), places)) == result


def test_a_price_written_by_a_person_gets_its_currencys_scale() -> None:
    assert of_major(Decimal("200.00"), "USD") == usd("20000")
    assert of_major(Decimal(3000), "JPY") == Money(Decimal(3000), "JPY", 0)
    assert of_major(Decimal("1.5"), "KWD") == Money(Decimal(1500), "KWD", 3)


def test_a_scale_is_known_only_where_it_is_not_two() -> None:
    assert [default_exponent(code) for code in ("JPY", "KRW", "KWD", "USD", "XXX")] == [0, 0, 3, None, None]


@given(minors, exponents)
def test_what_machines_read_is_exactly_what_was_held(minor: Decimal, exponent: int) -> None:
    amount = Money(minor, "EUR", exponent)
    assert Decimal(plain(amount)) == amount.major
    assert amount.major.scaleb(exponent) == minor
    assert "E" not in plain(amount)


@given(st.lists(euros, max_size=30))
def test_a_sum_is_exact_in_any_order_and_scale(amounts: list[Money]) -> None:
    forwards, backwards = totals(amounts), totals(reversed(amounts))
    exact = sum((amount.major for amount in amounts), Decimal(0))
    assert [total.major for total in forwards.values()] == ([exact] if amounts else [])
    assert [total.major for total in backwards.values()] == [total.major for total in forwards.values()]


@given(euros, euros)
def test_subtraction_undoes_addition(a: Money, b: Money) -> None:
    assert subtract(add(a, b), b).major == a.major


def test_a_sum_longer_than_any_amount_is_subtracted_exactly() -> None:
    large, small = usd("999999999999.999999999999999999"), usd("0.000000000000000001")
    long = add(large, add(large, small))
    assert subtract(long, long).minor == 0


@pytest.mark.parametrize(
    ("amount", "ways", "parts"),
    [
        ("147", 1, ["147"]),
        ("147", 2, ["74", "73"]),
        ("147.00", 2, ["74", "73"]),
        ("2", 3, ["1", "1", "0"]),
        ("0.5", 2, ["0.3", "0.2"]),
        ("1E+2", 3, ["34", "33", "33"]),
        ("0", 2, ["0", "0"]),
    ],
)
def test_what_does_not_divide_goes_to_the_first_parts(amount: str, ways: int, parts: list[str]) -> None:
    assert [f"{part.minor:f}" for part in split(usd(amount), ways)] == parts


@given(
    st.builds(Money, st.decimals(0, LARGEST_MINOR, places=6), st.just("EUR"), exponents), st.integers(1, 50)
)
def test_the_parts_of_an_amount_add_up_to_it_exactly(amount: Money, ways: int) -> None:
    parts = split(amount, ways)
    assert len(parts) == ways
    assert sum((part.minor for part in parts), Decimal(0)) == amount.minor
    assert max(part.minor for part in parts) - min(part.minor for part in parts) <= 1


@given(st.lists(mixed))
def test_currencies_are_never_mixed(amounts: list[Money]) -> None:
    sums = totals(amounts)
    assert list(sums) == sorted({amount.currency for amount in amounts})
    for currency, total in sums.items():
        own = [amount.major for amount in amounts if amount.currency == currency]
        assert (total.currency, total.major) == (currency, sum(own, Decimal(0)))


def test_amounts_of_two_currencies_have_no_sum() -> None:
    with pytest.raises(ValueError, match="cannot add EUR to USD"):
        add(usd("1"), Money(Decimal(1), "EUR", 2))


@pytest.mark.parametrize(
    ("used", "cap", "share"),
    [
        (usd("1720"), usd("5000"), "34.4"),
        (usd("7500"), usd("5000"), "150"),
        (usd("0"), usd("5000"), "0"),
        (usd("50"), Money(Decimal(100_000), "USD", 3), "0.5"),
        (usd("150"), usd("0"), None),
        (usd("1"), Money(Decimal(100), "EUR", 2), None),
    ],
)
def test_percent_is_of_the_cap_and_never_clamped(used: Money, cap: Money, share: str | None) -> None:
    assert percent(used, cap) == (None if share is None else Decimal(share))


@given(st.integers(0, 10**12), st.integers(1, 10**12))
def test_percent_crosses_a_hundred_exactly_at_the_cap(used: int, cap: int) -> None:
    share = percent(usd(str(used)), usd(str(cap)))
    assert share is not None
    assert (share >= 100) == (used >= cap)
