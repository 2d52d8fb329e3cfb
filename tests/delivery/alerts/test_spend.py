import pytest

from meterbot.core.models import EventKind
from tests.delivery.alerts.events import ROOM, month_closed, said, usd, values


def test_the_first_dollar_with_a_full_window() -> None:
    message = said(EventKind.SPEND_STARTED)
    assert message.title == "ana has started to spend extra"
    assert message.text == (
        "Its plan quota is used up (5-hour, resets Thu Apr 30 14:00), so what it uses now is billed.\n"
        "If that is not wanted, pause until the window resets.\n"
        "The counter starts again at 0 on Fri May 1 (UTC)."
    )
    assert values(message) == {"Spent": "$0.42 of $50.00 (1%)"}
    assert message.fallback == (
        "ana has started to spend extra. $0.42 of $50.00 (1%) spent. "
        "Its plan quota is used up (5-hour, resets Thu Apr 30 14:00), so what it uses now is billed."
    )


def test_the_first_dollar_while_the_plan_had_room_shows_its_evidence() -> None:
    message = said(EventKind.SPEND_STARTED, windows=ROOM, full_windows=[], within_plan=True)
    assert message.text == (
        "No window of its plan was full since Thu Apr 30 11:58 (5-hour at 42% and 7-day all at 12%): "
        "this was billed while the plan had room.\n"
        "Look at what it ran: some models and features are billed from the first prompt.\n"
        "If nothing explains it, this message is evidence for Anthropic's support.\n"
        "The counter starts again at 0 on Fri May 1 (UTC)."
    )


def test_the_first_dollar_that_may_be_late_does_not_claim_that_the_plan_had_room() -> None:
    text = said(EventKind.SPEND_STARTED, windows=ROOM, full_windows=[], within_plan=False).text
    assert text.startswith("No window of its plan is full (5-hour at 42% and 7-day all at 12%).\nLook at")
    assert "had room" not in text
    assert "evidence" not in text


def test_the_first_dollar_when_the_windows_are_unknown_claims_neither() -> None:
    text = said(EventKind.SPEND_STARTED, full_windows=None).text
    assert text.splitlines()[0] == "Whether its plan quota is used up is unknown."


def test_a_level_that_was_crossed() -> None:
    message = said(EventKind.THRESHOLD_CROSSED, also=["50%", "25.00 USD"])
    assert message.title == "ana has reached 80% of its cap"
    assert message.text == (
        "It passed 50% and $25.00 at once.\n"
        "Extra usage stops when the cap is spent. "
        "If the work must go on, raise it in claude.ai under Settings, Usage.\n"
        "The counter starts again at 0 on Fri May 1 (UTC)."
    )
    assert values(message) == {"Spent": "$42.00 of $50.00 (84%)"}


def test_what_is_already_true_is_worded_as_a_state() -> None:
    assert said(EventKind.THRESHOLD_CROSSED, initial=True).title == "ana is at 84% of its cap"
    uncapped = said(EventKind.THRESHOLD_CROSSED, initial=True, cap=None, level="25.00 USD")
    assert uncapped.title == "ana has spent $42.00 this month"
    assert said(EventKind.BUDGET_CROSSED, initial=True).title == "The team is at 84% of its budget"


def test_an_amount_without_a_cap_says_that_nothing_stops_it() -> None:
    message = said(EventKind.THRESHOLD_CROSSED, cap=None, level="25.00 USD")
    assert message.title == "ana has reached $25.00"
    assert "No known cap will stop it" in message.text
    assert values(message) == {"Spent": "$42.00"}


def test_a_spent_cap_is_not_called_ahead() -> None:
    assert (
        "Extra usage has stopped: the cap is spent." in said(EventKind.THRESHOLD_CROSSED, used=usd("60")).text
    )


@pytest.mark.parametrize(
    ("period", "day"), [("2026-12", "Fri Jan 1"), ("2026-01", "Sun Feb 1"), ("2026-04.2", "Fri May 1")]
)
def test_the_end_of_the_period_is_the_first_of_the_next_month(period: str, day: str) -> None:
    text = said(EventKind.THRESHOLD_CROSSED, period=period).text
    assert text.endswith(f"The counter starts again at 0 on {day} (UTC).")


def test_a_budget_that_was_crossed() -> None:
    message = said(EventKind.BUDGET_CROSSED, used=usd("1420"), cap=usd("1500"), complete=False)
    assert message.title == "The team has reached 80% of its budget"
    assert message.text == (
        "It may be more: not every seat could be read.\n"
        "A budget stops nothing by itself. Ask /claude-spend for the seats.\n"
        "The counter starts again at 0 on Fri May 1 (UTC)."
    )
    assert values(message) == {"Spent": "$1,420.00 of $1,500.00 (95%)"}


def test_a_charge_within_the_plan_shows_its_evidence() -> None:
    message = said(EventKind.CHARGED_WITHIN_PLAN)
    assert message.title == "ana was charged $0.80 while its plan had room"
    assert message.text.splitlines()[:2] == [
        "Its counter went from $0.40 to $1.20 since Thu Apr 30 11:58.",
        "No window of its plan was full (5-hour at 42% and 7-day all at 12%).",
    ]


def test_a_closed_period_is_told_beside_the_one_before() -> None:
    message = said(EventKind.PERIOD_CLOSED)
    assert message.title == "ana closed April at $48.20"
    assert values(message) == {"Spent in all": "$48.20", "The period before": "$31.00"}
    assert "was read Fri May 1 01:58" in message.text
    assert "The period before" not in values(said(EventKind.PERIOD_CLOSED, previous_final=None))


def test_a_closed_month_is_a_report_by_seat() -> None:
    message = month_closed()
    assert message.title == "The team closed April at $130.10 + €30.40"
    assert "ana: $90.00, $60.40 the month before, blocked for 20 hours" in message.text
    assert "bo: €30.40\n" in message.text
    assert "The plans alone covered 61 of 90 seat-days." in message.text
    assert values(message) == {
        "Spent in all": "$130.10 + €30.40",
        "The month before": "$98.40 + €22.10",
        "Blocked": "20 hours",
        "Plan fees on top": "$500.00",
    }


def test_what_a_report_does_not_know_it_says() -> None:
    text = month_closed(unknown=2, open=1, previous=None).text
    assert "2 could not be read and are in no sum." in text
    assert "1 have not started again yet" in text


def test_a_report_for_those_who_may_not_see_seats_has_the_sums() -> None:
    assert "ana" not in month_closed(seats=None).text
    assert "Spent in all" in values(month_closed(seats=None))
