from typing import Any

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
