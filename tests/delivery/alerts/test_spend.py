from typing import Any

import pytest

from meterbot.core.inline import plain
from meterbot.core.messages import Message
from meterbot.core.models import EventKind
from meterbot.delivery.alerts import text_of
from tests.delivery.alerts.events import BERLIN, ROOM, changed, month_closed, said, usd, values
from tests.teams import seat


def lines(message: Message) -> list[str]:
    return plain(message.text).splitlines()


def evidence(kind: EventKind, **facts: Any) -> list[str]:
    return [plain(line) for line in text_of(changed(kind, **facts), seat("ana"), BERLIN).evidence]


def test_the_first_extra_usage_with_a_full_window() -> None:
    message = said(EventKind.SPEND_STARTED)
    assert message.title == "ana started extra usage: $0.42 of $50.00 (1%)"
    assert lines(message) == [
        "Pause until the window resets if this is not wanted.",
        "The plan quota is used up (5-hour until Thu Apr 30 14:00), so prompts are billed.",
    ]
    assert message.fallback == (
        "ana started extra usage: $0.42 of $50.00 (1%). Pause until the window resets if this is not wanted."
    )
    assert evidence(EventKind.SPEND_STARTED) == ["Extra usage starts again at 0 on Fri May 1 (UTC)."]


def test_the_first_extra_usage_while_the_plan_had_room_keeps_its_evidence_for_why() -> None:
    facts: dict[str, Any] = {"windows": ROOM, "full_windows": [], "within_plan": True}
    assert lines(said(EventKind.SPEND_STARTED, **facts)) == [
        (
            "Check what ran: some models and features are billed from the first prompt. "
            "If nothing explains it, report it to Anthropic support; Why? shows the evidence."
        ),
        "The plan still had room.",
    ]
    assert evidence(EventKind.SPEND_STARTED, **facts)[0] == (
        "Of the windows that were read, none was full since Thu Apr 30 11:58 (5-hour at 42% and 7-day all at 12%)."
    )


def test_the_first_extra_usage_that_may_be_late_does_not_claim_that_the_plan_had_room() -> None:
    text = said(EventKind.SPEND_STARTED, windows=ROOM, full_windows=[], within_plan=False).text
    assert text.endswith("No plan window is full.")
    assert "had room" not in text
    assert "evidence" not in text


def test_the_first_extra_usage_when_the_windows_are_unknown_claims_neither() -> None:
    assert lines(said(EventKind.SPEND_STARTED, full_windows=None)) == [
        "Check whether the plan quota is used up: this reading did not say."
    ]


def test_a_charge_within_the_plan_keeps_its_evidence_for_why() -> None:
    assert said(EventKind.CHARGED_WITHIN_PLAN).title == "ana was charged $0.80 while the plan had room"
    assert evidence(EventKind.CHARGED_WITHIN_PLAN) == [
        "Extra usage went from $0.40 to $1.20 since Thu Apr 30 11:58.",
        "Of the windows that were read, none was full since Thu Apr 30 11:58 (5-hour at 42% and 7-day all at 12%).",
    ]


def test_a_closed_period_is_beside_the_one_before() -> None:
    message = said(EventKind.PERIOD_CLOSED)
    assert message.title == "ana closed April at $48.20"
    assert values(message) == {"The month before": "$31.00"}
    assert evidence(EventKind.PERIOD_CLOSED) == ["The final amount was read Fri May 1 01:58."]
    assert values(said(EventKind.PERIOD_CLOSED, previous_final=None)) == {}


def test_a_closed_month_is_a_report_by_seat() -> None:
    message = month_closed()
    assert message.title == "The team closed April at $130.10 + €30.40"
    assert "ana: $90.00, $60.40 the month before, blocked for 20 hours" in message.text
    assert "bo: €30.40\n" in message.text
    assert "61 of 90 seat-days needed no extra usage." in message.text
    assert values(message) == {
        "The month before": "$98.40 + €22.10",
        "Blocked": "20 hours",
        "Plan fees on top": "$500.00",
    }


def test_a_report_of_many_seats_sums_what_it_does_not_list() -> None:
    rows = [{"seat": f"seat{number}", "final": usd("40.10")} for number in range(300)]
    assert "\nand 280 more: $11,228.00 together\n" in month_closed(seats=rows).text
    unknown = [*rows[:298], *({"seat": f"seat{number}", "final": None} for number in (298, 299))]
    not_summed = "together, without 2 seats whose amount is unknown"
    assert f"\nand 280 more: $11,147.80 {not_summed}\n" in month_closed(seats=unknown).text
    assert "\nand 2 more: unknown\n" in month_closed(seats=unknown[278:]).text


def test_what_a_report_does_not_know_it_says() -> None:
    text = month_closed(unknown=2, open=1, previous=None).text
    assert "Not in the sum, because they could not be read: 2 seats." in text
    assert "Not yet in the new month, so their amounts may still change: 1 seat." in text


def test_a_report_for_those_who_may_not_see_seats_has_the_sums() -> None:
    assert "ana" not in month_closed(seats=None).text
    assert "$130.10" in month_closed(seats=None).title


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


def test_a_cap_that_will_be_reached_says_when_at_which_pace_and_what_the_month_would_come_to() -> None:
    message = said(EventKind.CAP_FORECAST)
    assert plain(message.title) == "ana will reach the $50.00 cap around Thu Apr 30 20:20"
    assert message.text.splitlines()[1:] == [
        "$41.40 of $50.00 (83%) so far, at $1.03/h.",
        "Without the cap the month would end between $54.10 and $72.20.",
    ]


def test_without_a_months_forecast_none_is_made_up() -> None:
    assert "Without the cap" not in said(EventKind.CAP_FORECAST, low=None, likely=None, high=None).text


def test_a_forecast_in_another_currency_than_the_cap_is_not_compared() -> None:
    euros = {"minor": "9900", "currency": "EUR", "exponent": 2}
    assert "Without the cap" not in said(EventKind.CAP_FORECAST, likely=euros).text


def test_a_spike_says_what_is_usual() -> None:
    message = said(EventKind.SPEND_SPIKE)
    assert message.title == "ana is spending 7.0 times faster than usual: $12.60/h"
    assert "Normally under $1.80/h (90th percentile)." in message.text
    assert "Normally" not in said(EventKind.SPEND_SPIKE, usual=None).text
    assert said(EventKind.SPEND_SPIKE, pace=None, times=None).title == "ana is spending far faster than usual"
    assert "$1.00" in said(EventKind.SPEND_SPIKE, used=usd("1")).text
