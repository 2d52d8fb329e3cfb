from decimal import Decimal

import pytest

from meterbot.core.money import Money, of_major
from meterbot.rules.settings import Threshold, parse_threshold
from tests.rules.builders import eur, usd


@pytest.mark.parametrize(
    ("text", "expected", "level"),
    [
        ("80%", Threshold(percent=Decimal(80)), "80%"),
        (" 80.50 % ", Threshold(percent=Decimal("80.5")), "80.5%"),
        ("100.0%", Threshold(percent=Decimal(100)), "100%"),
        ("$25.00", Threshold(amount=usd("25.00")), "25.00 USD"),
        ("$25", Threshold(amount=usd("25.00")), "25.00 USD"),
        ("€25", Threshold(amount=eur("25")), "25.00 EUR"),
        ("25.00 eur", Threshold(amount=eur("25")), "25.00 EUR"),
        ("CA$5", Threshold(amount=of_major(Decimal(5), "CAD")), "5.00 CAD"),
        ("¥2500", Threshold(amount=Money(Decimal(2500), "JPY", 0)), "2500 JPY"),
    ],
)
def test_a_threshold_is_read_as_a_person_writes_it(text: str, expected: Threshold, level: str) -> None:
    threshold = parse_threshold(text)
    assert threshold == expected
    assert threshold.level == level


@pytest.mark.parametrize(
    "text", ["", "80", "0%", "-5%", "%", "$", "$0", "$-1", "25", "25 EURO", "Ω25", "NaN%", "1e3%"]
)
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r'like "80%" or an amount like "\$25.00"'):
        parse_threshold(text)
