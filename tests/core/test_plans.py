import pytest

from meterbot.core.plans import LIST_PRICES, list_price, plan_mismatch, plan_name


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


@pytest.mark.parametrize(
    ("configured", "tiers"),
    [
        ("max_20x", ["max_20x"]),
        ("max_20x", [None, "team", "max_20x"]),  # of several organizations one is the seat's own
        ("max_20x", ["max"]),
        ("team_premium", ["team"]),
        ("max_20x", [None]),
        ("max_20x", []),
        ("our own words", ["pro"]),
        (None, ["pro"]),
    ],
)
def test_a_plan_that_agrees_or_is_not_known_is_no_trouble(
    configured: str | None, tiers: list[str | None]
) -> None:
    assert plan_mismatch("ana", configured, tiers) is None


def test_a_plan_that_differs_is_reported_with_both() -> None:
    assert plan_mismatch("ana", "max_5x", ["pro", "max_20x", None]) == (
        "ana is configured with plan max_5x, and its account says max_20x and pro"
    )
