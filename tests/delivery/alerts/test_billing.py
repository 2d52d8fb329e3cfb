import pytest

from meterbot.core.models import EventKind
from tests.delivery.alerts.events import said, values


@pytest.mark.parametrize(
    ("days", "date", "title"),
    [
        (7, "2026-05-07", "ana renews on Thu May 7, in 7 days"),
        (1, "2026-05-01", "ana renews on Fri May 1, tomorrow"),
        (0, "2026-04-30", "ana renews on Thu Apr 30, today"),
    ],
)
def test_a_renewal_names_the_day_and_how_far_it_is(days: int, date: str, title: str) -> None:
    assert said(EventKind.RENEWAL_NEAR, days=days, date=date).title == title


def test_a_renewal_compares_the_price_with_what_was_spent() -> None:
    assert values(said(EventKind.RENEWAL_NEAR)) == {
        "Plan fee": "$200.00",
        "Spent this month": "$12.00",
        "The period before": "$9.00",
    }


def test_a_renewal_on_another_plan_says_so() -> None:
    assert said(EventKind.RENEWAL_NEAR, changes_to="pro").text.startswith("The plan changes to pro then.")


@pytest.mark.parametrize(
    ("change", "title"),
    [
        (("status", "active", "past_due"), "ana: the subscription is past due, it was active"),
        (("status", None, "canceled"), "ana: the subscription is canceled, it was unknown"),
        (("ends_on", None, "2026-05-14"), "ana: the subscription ends on Thu May 14"),
        (("ends_on", "2026-05-14", None), "ana: the subscription will not end"),
        (("changes_to", None, "max_5x"), "ana: the plan will change to max 5x"),
        (("changes_to", "max_5x", None), "ana: no change of plan is scheduled"),
        (("paused_until", None, "2026-06-01"), "ana: the subscription pauses until Mon Jun 1"),
        (("paused_until", "2026-06-01", None), "ana: the pause is over"),
    ],
)
def test_a_changed_subscription(change: tuple[str, str | None, str | None], title: str) -> None:
    what, old, new = change
    message = said(EventKind.SUBSCRIPTION_CHANGED, changes=[{"what": what, "from": old, "to": new}])
    assert message.title == title


def test_a_failed_payment_says_where_to_look() -> None:
    assert "A payment has failed" in said(EventKind.SUBSCRIPTION_CHANGED).text


def test_several_changes_are_one_message() -> None:
    message = said(
        EventKind.SUBSCRIPTION_CHANGED,
        changes=[
            {"what": "status", "from": "active", "to": "canceled"},
            {"what": "ends_on", "from": None, "to": "2026-05-14"},
        ],
    )
    assert message.title == "ana: the subscription has changed"
    assert (
        message.text == "The subscription is canceled, it was active.\nThe subscription ends on Thu May 14."
    )


def test_a_configured_day_is_said_to_be_configured() -> None:
    assert said(EventKind.RENEWAL_NEAR, configured=True).text.startswith("The day is as configured")
    assert "as configured" not in said(EventKind.RENEWAL_NEAR, configured=False).text
