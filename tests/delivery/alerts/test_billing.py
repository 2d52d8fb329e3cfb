import pytest

from meterbot.core.inline import plain
from meterbot.core.models import EventKind
from tests.delivery.alerts.events import said, values


@pytest.mark.parametrize(
    ("days", "date", "title"),
    [
        (7, "2026-05-07", "ana renews on Thu May 7, in 7 days: $200.00"),
        (1, "2026-05-01", "ana renews on Fri May 1, tomorrow: $200.00"),
        (0, "2026-04-30", "ana renews on Thu Apr 30, today: $200.00"),
    ],
)
def test_a_renewal_names_the_day_how_far_it_is_and_the_price(days: int, date: str, title: str) -> None:
    assert said(EventKind.RENEWAL_NEAR, days=days, date=date).title == title


def test_a_renewal_is_beside_what_was_spent() -> None:
    assert values(said(EventKind.RENEWAL_NEAR)) == {
        "Extra usage this month": "$12.00",
        "The month before": "$9.00",
    }


def test_a_renewal_on_another_plan_says_so() -> None:
    assert "The plan then changes to Pro." in said(EventKind.RENEWAL_NEAR, changes_to="pro").text


def test_a_configured_day_is_said_to_be_configured() -> None:
    assert "from the configuration" in said(EventKind.RENEWAL_NEAR, configured=True).text
    assert "configuration" not in said(EventKind.RENEWAL_NEAR, configured=False).text


def test_a_day_of_an_earlier_reading_is_said_with_its_age() -> None:
    earlier = said(EventKind.RENEWAL_NEAR, known_at="2026-04-28T09:30:00Z").text
    assert "The date was last read on Tue Apr 28 11:30." in plain(earlier)
    assert "last read" not in said(EventKind.RENEWAL_NEAR, known_at=None).text


@pytest.mark.parametrize(
    ("change", "title"),
    [
        (("status", "active", "past_due"), "ana: the subscription is past due (it was active)"),
        (("status", None, "canceled"), "ana: the subscription is canceled"),
        (("ends_on", None, "2026-05-14"), "ana: the subscription ends on Thu May 14"),
        (("ends_on", "2026-05-14", None), "ana: the subscription no longer ends"),
        (("changes_to", None, "max_5x"), "ana: the plan will change to Max 5x"),
        (("changes_to", "max_5x", None), "ana: the planned change of plan was cancelled"),
        (
            ("paused_until", None, "2026-06-01T00:00:00Z"),
            "ana: the subscription is paused until Mon Jun 1 02:00",
        ),
        (("paused_until", None, "2027-05-01"), "ana: the subscription is paused until Sat May 1"),
        (("paused_until", "2026-06-01T00:00:00Z", None), "ana: the subscription is no longer paused"),
    ],
)
def test_a_changed_subscription(change: tuple[str, str | None, str | None], title: str) -> None:
    what, old, new = change
    message = said(EventKind.SUBSCRIPTION_CHANGED, changes=[{"what": what, "from": old, "to": new}])
    assert plain(message.title) == title


def test_a_failed_payment_says_where_to_look() -> None:
    assert said(EventKind.SUBSCRIPTION_CHANGED).text.startswith("Check the payment method")


def test_several_changes_are_one_message() -> None:
    message = said(
        EventKind.SUBSCRIPTION_CHANGED,
        changes=[
            {"what": "status", "from": "active", "to": "canceled"},
            {"what": "ends_on", "from": None, "to": "2026-05-14"},
        ],
    )
    assert (
        message.title
        == "ana: the subscription is canceled (it was active); the subscription ends on Thu May 14"
    )
