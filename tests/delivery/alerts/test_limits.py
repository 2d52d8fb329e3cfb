from typing import Any

import pytest

from meterbot.core.inline import plain
from meterbot.core.models import EventKind
from meterbot.delivery.alerts.message import alert
from tests.delivery.alerts.events import BERLIN, FULL, changed, said, usd
from tests.teams import seat

BUY_NOW = "To continue now, buy credits (Settings → Usage (https://claude.ai/settings/usage))."
BUY_LATER = (
    "Buy credits (Settings → Usage (https://claude.ai/settings/usage)) if work must continue; "
    "otherwise extra usage stops at 0."
)


def lines(kind: EventKind, **facts: Any) -> list[str]:
    return plain(said(kind, **facts).text).splitlines()


def test_a_blocked_seat_says_who_how_much_what_to_do_and_until_when() -> None:
    message = said(EventKind.SEAT_BLOCKED)
    assert message.title == "ana is BLOCKED: $50.00 of $50.00"
    assert plain(message.text).splitlines() == [
        (
            "To continue now, raise the cap (Settings → Usage (https://claude.ai/settings/usage)). "
            "Otherwise the block lifts on Fri May 1 02:00."
        ),
        (
            "The extra usage cap is reached. "
            "The plan quota is used up too (5-hour until Thu Apr 30 14:00): the next prompt is refused."
        ),
    ]
    assert message.fallback.startswith(message.title)


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({}, "$50.00 / $50.00 (100%)  BLOCKED until Fri May 1"),
        ({"until": None}, "$50.00 / $50.00 (100%)  BLOCKED"),
        ({"until": "2026-04-01T00:00:00Z"}, "$50.00 / $50.00 (100%)  BLOCKED"),
        ({"until": None, "cap": None}, "$50.00 used  BLOCKED"),
        ({"until": None, "used": None, "cap": None}, "unknown  BLOCKED"),
        ({"until": None, "used": usd("1234.5")}, "$1234.50 / $50.00 (2469%)  BLOCKED"),
    ],
)
def test_the_seat_line_has_its_label(facts: dict[str, Any], line: str) -> None:
    (section,) = said(EventKind.SEAT_BLOCKED, **facts).sections
    assert (section.labels, section.lines) == (("Extra usage",), (line,))


def test_a_seat_out_of_credits_is_advised_to_buy_some() -> None:
    found = lines(EventKind.SEAT_BLOCKED, why="balance", hard=False, until=None, full_windows=[])
    assert found == [
        "To continue now, buy credits (Settings → Usage (https://claude.ai/settings/usage)).",
        "The prepaid credits are used up. The plan still works until one of its windows is full.",
    ]


def test_a_block_of_unknown_cause_claims_none() -> None:
    found = lines(EventKind.SEAT_BLOCKED, why="unknown", hard=None, until=None, full_windows=None)
    assert found[1] == (
        "The cap is reached or the credits are used up; Anthropic does not say which. "
        "It is unknown whether the plan quota still works."
    )


def test_an_end_that_has_passed_is_no_until() -> None:
    assert "lifts" not in said(EventKind.SEAT_BLOCKED, until="2026-04-01T00:00:00Z").text


def test_a_seat_that_is_no_longer_blocked() -> None:
    message = said(EventKind.SEAT_UNBLOCKED)
    assert message.title == "ana is no longer blocked: $0.00 of $50.00 (0%)"
    raised = said(EventKind.SEAT_UNBLOCKED, changes=[{"what": "cap", "from": usd("50"), "to": usd("100")}])
    assert raised.text == "The cap was raised from $50.00 to $100.00."


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
        ({"what": "cap", "from": usd("50"), "to": None}, "ana: the cap was removed (it was $50.00)"),
        ({"what": "cap", "from": None, "to": usd("20")}, "ana: a cap of $20.00 was set"),
        ({"what": "metering", "from": "off", "to": "on"}, "ana: extra usage was switched on"),
        ({"what": "metering", "from": "on", "to": "off"}, "ana: extra usage was switched off"),
        (
            {"what": "metering", "from": "on", "to": "paused"},
            "ana: extra usage was paused by an administrator",
        ),
        ({"what": "metering", "from": "on", "to": "unmetered"}, "ana: extra usage is no longer set up"),
        ({"what": "currency", "from": "USD", "to": "EUR"}, "ana: the currency changed from USD to EUR"),
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
        plan="team",
    )
    assert message.title == (
        "ana: the cap was lowered from $50.00 to $20.00; extra usage was paused by an administrator"
    )
    assert message.text.splitlines()[1:] == ["Once a plan window is full, prompts are refused."]
    assert "org_level_disabled" not in message.text


@pytest.mark.parametrize(
    ("following", "first"),
    [
        ("billed", "Prompts are billed as extra usage until Thu Apr 30 14:00. Pause if this is not wanted."),
        ("refused", "Prompts are refused until Thu Apr 30 14:00."),
        (None, "It is unknown whether prompts are billed or refused until Thu Apr 30 14:00."),
    ],
)
def test_a_full_window_says_what_happens_to_the_next_prompt(following: str | None, first: str) -> None:
    message = said(EventKind.WINDOW_FULL, next=following)
    assert message.title == "ana: the 5-hour window is full"
    assert plain(message.text).splitlines()[0] == first


@pytest.mark.parametrize("resets", [None, "2026-04-30T09:00:00Z"])
def test_a_window_whose_reset_is_unknown_or_has_passed_has_no_until(resets: str | None) -> None:
    assert "until" not in said(EventKind.WINDOW_FULL, resets_at=resets, next="refused").text


@pytest.mark.parametrize(
    ("facts", "title", "text"),
    [
        (
            {},
            "ana has $4.20 in prepaid credits left",
            [BUY_LATER, "Once they are used up, prompts are refused while a plan window is full."],
        ),
        (
            {"balance": usd("0"), "next": "refused", "full_windows": FULL},
            "ana has no prepaid credits left",
            [
                BUY_NOW,
                "The plan quota is used up too (5-hour until Thu Apr 30 14:00): the next prompt is refused.",
            ],
        ),
        (
            {"balance": usd("0"), "next": "plan"},
            "ana has no prepaid credits left",
            [
                BUY_NOW,
                "The plan still works until one of its windows is full. Then the next prompt is refused.",
            ],
        ),
        (
            {"balance": usd("0"), "next": None},
            "ana has no prepaid credits left",
            [BUY_NOW, "The next prompt is refused if a plan window is full; the windows were not read."],
        ),
        (
            {"balance": usd("0"), "auto_reload": True},
            "ana has no prepaid credits left",
            ["Auto-reload is on. If the balance stays at 0, check the payment method."],
        ),
        (
            {"shared": True},
            "ana's organization has $4.20 in prepaid credits left",
            [BUY_LATER, "Once they are used up, prompts are refused while a plan window is full."],
        ),
    ],
)
def test_credits_that_run_low_say_what_becomes_of_the_next_prompt(
    facts: dict[str, Any], title: str, text: list[str]
) -> None:
    message = said(EventKind.BALANCE_LOW, **facts)
    assert (plain(message.title), plain(message.text).splitlines()) == (title, text)


@pytest.mark.parametrize(
    ("plan", "who"),
    [
        ("max_5x", None),
        ("team", "owner or admin"),
        ("enterprise", "owner or admin"),
        (None, "owner or admin"),
    ],
)
@pytest.mark.parametrize("left", ["4.20", "0"])
def test_who_buys_credits_depends_on_the_plan(plan: str | None, who: str | None, left: str) -> None:
    text = alert(changed(EventKind.BALANCE_LOW, balance=usd(left), next="plan"), seat(plan=plan), BERLIN).text
    assert ("owner or admin" in text) is (who is not None)
    assert "buy credits" in text.lower()
