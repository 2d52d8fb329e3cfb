import pytest

from meterbot.core.models import EventKind
from tests.delivery.alerts.events import said, usd, values
from tests.delivery.alerts.test_spend import evidence, lines


def test_a_level_that_was_crossed() -> None:
    message = said(EventKind.THRESHOLD_CROSSED, also=["50%", "25.00 USD"])
    assert message.title == "ana passed 80% of the cap: $42.00 of $50.00 (84%)"
    assert lines(message) == [
        (
            "Raise the cap (Settings → Usage (https://claude.ai/settings/usage)) if work must continue; "
            "otherwise extra usage stops at the cap."
        ),
        "It also crossed 50% and $25.00.",
    ]
    assert values(message) == {"Used of cap": "▰▰▰▰▰▰▰▰▱▱ 84%"}


def test_what_is_already_true_is_a_state_and_nothing_crossed() -> None:
    first = said(EventKind.THRESHOLD_CROSSED, initial=True, also=["50%"])
    assert first.title == "ana is at 84% of the cap: $42.00 of $50.00"
    assert "crossed" not in first.text
    uncapped = said(EventKind.THRESHOLD_CROSSED, initial=True, cap=None, level="25.00 USD")
    assert uncapped.title == "ana has spent $42.00 this month"
    team = said(EventKind.BUDGET_CROSSED, initial=True)
    assert team.title == "The team is at 84% of the budget: $42.00 of $50.00"


def test_a_level_that_a_new_cap_crossed_names_the_change() -> None:
    message = said(
        EventKind.THRESHOLD_CROSSED, changes=[{"what": "cap", "from": usd("100"), "to": usd("50")}]
    )
    assert "The cap was lowered from $100.00 to $50.00." in lines(message)


def test_an_amount_without_a_cap_says_that_nothing_stops_it() -> None:
    message = said(EventKind.THRESHOLD_CROSSED, cap=None, level="25.00 USD")
    assert message.title == "ana passed $25.00: $42.00"
    assert "No cap limits extra usage" in message.text
    assert values(message) == {}


def test_a_reached_cap_is_not_called_ahead() -> None:
    assert "To continue now, raise the cap" in said(EventKind.THRESHOLD_CROSSED, used=usd("60")).text


@pytest.mark.parametrize(
    ("period", "day"), [("2026-12", "Fri Jan 1"), ("2026-01", "Sun Feb 1"), ("2026-04.2", "Fri May 1")]
)
def test_the_end_of_the_period_is_the_first_of_the_next_month(period: str, day: str) -> None:
    assert evidence(EventKind.THRESHOLD_CROSSED, period=period) == [
        f"Extra usage starts again at 0 on {day} (UTC)."
    ]


def test_a_budget_that_was_crossed() -> None:
    message = said(EventKind.BUDGET_CROSSED, used=usd("1420"), cap=usd("1500"), complete=False)
    assert message.title == "The team passed 80% of the budget: $1,420.00 of $1,500.00 (95%)"
    assert lines(message) == [
        "See who spends with /claude-spend. A budget only warns: it does not stop extra usage.",
        "The real amount may be higher: not every seat could be read.",
    ]
    assert values(message) == {"Used of budget": "▰▰▰▰▰▰▰▰▰▱ 95%"}
