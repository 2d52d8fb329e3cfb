from decimal import Decimal

import pytest

from meterbot.core.money import Money, show
from meterbot.rules.settings import DEFAULT_THRESHOLDS
from meterbot.rules.thresholds import levels_for


@pytest.mark.parametrize(
    ("used", "levels"),
    [
        (Money(Decimal(2600), "USD", 2), ["$25.00", "$50.00", "$100.00"]),
        (Money(Decimal(260_000), "USD", 4), ["$25.00", "$50.00", "$100.00"]),
        (Money(Decimal(31_000), "EUR", 2), ["€25.00", "€50.00", "€100.00", "€300.00"]),
        (Money(Decimal(2600), "JPY", 0), ["¥2500", "¥5000", "¥10000"]),
        (Money(Decimal(31_000), "JPY", 0), ["¥2500", "¥5000", "¥10000", "¥30000"]),
        (Money(Decimal(26_000), "KWD", 3), ["KWD 25.000", "KWD 50.000", "KWD 100.000"]),
        (Money(Decimal(310_000), "KWD", 3), ["KWD 25.000", "KWD 50.000", "KWD 100.000", "KWD 300.000"]),
    ],
)
def test_a_seat_without_a_cap_has_levels_in_its_own_currency(used: Money, levels: list[str]) -> None:
    found = [step.amount for step in levels_for(DEFAULT_THRESHOLDS, used, "none") if step.default]
    assert [show(amount) for amount in found if amount is not None] == levels
