from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.money import Money
from meterbot.rules.fact_json import fact_money, money_fact


@given(st.decimals(allow_nan=False, allow_infinity=False), st.sampled_from(["USD", "JPY"]), st.integers(0, 4))
def test_an_amount_survives_its_json_form(minor: Decimal, currency: str, exponent: int) -> None:
    amount = Money(minor, currency, exponent)
    assert fact_money(money_fact(amount)) == amount


def test_no_amount_stays_none() -> None:
    assert fact_money(money_fact(None)) is None


def test_what_is_no_amount_is_refused() -> None:
    with pytest.raises(ValueError, match="not an amount"):
        fact_money({"minor": 5, "currency": "USD", "exponent": 2})
