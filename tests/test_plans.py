import pytest

from meterbot.plans import LIST_PRICES, list_price, plan_name


@pytest.mark.parametrize(
    ("plan", "price"),
    [("free", "$0.00"), ("pro", "$20.00"), ("max_5x", "$100.00"), ("max_20x", "$200.00")],
)
def test_a_plan_of_one_person_has_a_list_price(plan: str, price: str) -> None:
    assert str(list_price(plan)) == price


@pytest.mark.parametrize("plan", ["team", "team_premium", "enterprise", "max", "max_40x", "", None])
def test_a_price_that_nobody_lists_is_unknown_not_zero(plan: str | None) -> None:
    assert list_price(plan) is None


def test_names_are_as_a_person_writes_them() -> None:
    assert [plan_name(plan) for plan in LIST_PRICES] == [
        "Free",
        "Pro",
        "Max 5x",
        "Max 20x",
        "Team",
        "Team Premium",
        "Enterprise",
    ]
    assert plan_name("max_40x") == "Max 40x"
    assert plan_name("_") == "_"
