import pytest

from meterbot.core.models import EventKind
from tests.delivery.alerts.events import said, usd, values


def test_a_blocked_seat() -> None:
    message = said(EventKind.SEAT_BLOCKED)
    assert message.title == "ana is blocked"
    assert message.text == (
        "Its extra usage cap is spent.\n"
        "Its plan quota is used up too (5-hour, resets Thu Apr 30 14:00): the next prompt is refused.\n"
        "To go on now, raise the cap in claude.ai under Settings, Usage.\n"
        "Otherwise it ends on Fri May 1 02:00."
    )
    assert values(message) == {"Spent": "$50.00 of $50.00 (100%)", "Until": "Fri May 1 02:00"}


def test_a_seat_out_of_credits_is_told_to_buy_some() -> None:
    text = said(EventKind.SEAT_BLOCKED, why="balance", hard=False, until=None, full_windows=[]).text
    assert text == (
        "Its prepaid credits are used up.\n"
        "Its plan quota still serves; once a window is full, prompts are refused.\n"
        "To go on now, buy credits in claude.ai under Settings, Usage."
    )


def test_a_block_of_unknown_cause_claims_none() -> None:
    text = said(EventKind.SEAT_BLOCKED, why="unknown", hard=None, until=None, full_windows=None).text
    assert text == (
        "Its cap or its credits ran out; Anthropic does not say which.\n"
        "Whether its plan quota still serves is unknown.\n"
        "What ran out can be seen in claude.ai under Settings, Usage."
    )


def test_a_seat_that_is_no_longer_blocked() -> None:
    message = said(EventKind.SEAT_UNBLOCKED)
    assert message.title == "ana is no longer blocked"
    assert message.text == "It had been blocked since Wed Apr 29 12:00."


@pytest.mark.parametrize(
    ("change", "title"),
    [
        (
            {"what": "cap", "from": usd("50"), "to": usd("100")},
            "ana: the cap was raised from $50.00 to $100.00",
        ),
        (
            {"what": "cap", "from": usd("50"), "to": usd("20")},
            "ana: the cap was lowered from $50.00 to $20.00",
        ),
        ({"what": "cap", "from": usd("50"), "to": None}, "ana: the cap was removed, it was $50.00"),
        ({"what": "cap", "from": None, "to": usd("20")}, "ana: a cap of $20.00 was set"),
        ({"what": "metering", "from": "off", "to": "on"}, "ana: extra usage was switched on"),
        ({"what": "metering", "from": "on", "to": "off"}, "ana: extra usage was switched off"),
        (
            {"what": "metering", "from": "on", "to": "paused"},
            "ana: extra usage was paused by an administrator",
        ),
        ({"what": "metering", "from": "on", "to": "unmetered"}, "ana: extra usage is no longer set up"),
        ({"what": "currency", "from": "USD", "to": "EUR"}, "ana: currency changed from USD to EUR"),
    ],
)
def test_a_changed_setting_goes_from_old_to_new(change: dict[str, object], title: str) -> None:
    assert said(EventKind.METERING_CHANGED, changes=[change]).title == title


def test_several_changes_are_one_message() -> None:
    message = said(
        EventKind.METERING_CHANGED,
        changes=[
            {"what": "cap", "from": usd("50"), "to": usd("20")},
            {"what": "metering", "from": "on", "to": "paused"},
        ],
        wire_reason="org_level_disabled",
    )
    assert message.title == "ana: extra usage has changed"
    assert message.text == (
        "The cap was lowered from $50.00 to $20.00.\n"
        "Extra usage was paused by an administrator.\n"
        "Once a window of the plan is full, prompts are refused.\n"
        "Anthropic's reason: org_level_disabled."
    )


@pytest.mark.parametrize(
    ("following", "text"),
    [
        ("billed", "Prompts are billed as extra usage until Thu Apr 30 14:00."),
        ("refused", "Prompts are refused until Thu Apr 30 14:00."),
        (None, "Whether prompts are billed or refused until Thu Apr 30 14:00 is unknown."),
    ],
)
def test_a_full_window_says_what_becomes_of_the_next_prompt(following: str | None, text: str) -> None:
    message = said(EventKind.WINDOW_FULL, next=following)
    assert message.title == "ana: the 5-hour window is now full"
    assert message.text == text
    assert values(message)["Resets"] == "Thu Apr 30 14:00"


def test_a_window_of_unknown_reset_says_so() -> None:
    message = said(EventKind.WINDOW_FULL, initial=True, resets_at=None)
    assert message.title == "ana: the 5-hour window is full"
    assert message.text == "Prompts are billed as extra usage.\nWhen it resets is unknown."
