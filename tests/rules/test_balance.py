"""Prepaid credits that run low, or out."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Balance, Event, EventKind, ReasonClass, Severity
from meterbot.core.money import Money
from meterbot.rules.endings import EDITS_ONLY
from meterbot.rules.settings import RuleSettings, parse_threshold
from tests.rules.builders import MINUTE, Watch, extra, kinds, only, snapshot, usd, window

LEVELS = RuleSettings(balance_levels=(parse_threshold("$20"), parse_threshold("$5")))
FULL = (window("100"),)


class Credits(Watch):
    """One counter whose balance changes."""

    def has(self, left: str | Money | None, *, auto_reload: bool | None = None, **fields: Any) -> list[Event]:
        """A minute later."""
        self.now += MINUTE
        amount = usd(left) if isinstance(left, str) else left
        balance = None if amount is None else Balance(amount, auto_reload)
        windows = fields.pop("windows", (window("41"),))
        metered = extra("10", balance=balance, **fields)
        return self.see(snapshot(self.now, metered=metered, windows=windows))


def levels(events: list[Event]) -> list[str | None]:
    """Of the alerts, not of their ends."""
    return [event.level for event in events if event.kind is EventKind.BALANCE_LOW and event.resolves is None]


@pytest.mark.parametrize(
    ("balances", "alerted"),
    [
        (["30", "12", "11", "4", "0", "0"], ["20.00 USD", "5.00 USD", "0.00 USD"]),
        (["30", "0"], ["0.00 USD"]),
        (["4"], ["5.00 USD"]),
        (["30", "12", "25", "12"], ["20.00 USD", "20.00 USD"]),
        (["30", "4", "12", "4"], ["5.00 USD", "5.00 USD"]),
        (["30", "20", "19.99"], ["20.00 USD"]),
        (["30", None, "12", None, "12"], ["20.00 USD"]),
        (["0", None, "0"], ["0.00 USD"]),
    ],
)
def test_each_level_is_reported_once_until_credits_are_bought(
    balances: list[str | None], alerted: list[str]
) -> None:
    seen = Credits(LEVELS)
    assert [level for left in balances for level in levels(seen.has(left))] == alerted


def test_an_alert_ends_in_silence_once_the_balance_is_at_its_level_again() -> None:
    seen = Credits(LEVELS)
    twenty, five, empty = (only(seen.has(left), EventKind.BALANCE_LOW) for left in ("12", "4", "0"))
    found = [seen.has(left) for left in ("1", "6", "6", "20", "30", "19")]
    assert [[event.resolves for event in events] for events in found] == [
        [empty.key], [five.key], [], [twenty.key], [], [None]
    ]  # fmt: skip
    ends = [event for event in seen.events if event.resolves is not None]
    assert all(event.muted_by == EDITS_ONLY and event.severity is Severity.GOOD for event in ends)
    assert len({event.key for event in seen.events}) == len(seen.events)


def test_a_balance_that_is_going_to_fill_up_by_itself_is_still_low() -> None:
    seen = Credits(LEVELS)
    low = only(seen.has("4"), EventKind.BALANCE_LOW)
    assert seen.has("4", auto_reload=True) == []
    assert [event.resolves for event in seen.has("50", auto_reload=True)] == [low.key]


def test_low_credits_that_are_not_posted_leave_no_alert_to_end() -> None:
    seen = Credits(replace(LEVELS, kinds=LEVELS.kinds - {EventKind.BALANCE_LOW}))
    assert [seen.has(left) for left in ("4", "0", "50")] == [[], [], []]


def test_a_block_that_is_not_posted_mutes_nothing() -> None:
    seen = Credits(RuleSettings(kinds=frozenset(EventKind) - {EventKind.SEAT_BLOCKED}))
    seen.has("30")
    events = seen.has("0", reason_class=ReasonClass.BALANCE, reason="out_of_credits", enabled=False)
    assert [event.muted_by for event in events if event.kind is EventKind.BALANCE_LOW] == [None]


def test_a_window_that_fills_between_two_readings_of_the_credits_knows_that_none_are_left() -> None:
    seen = Credits(RuleSettings())
    seen.has("0")
    (full,) = [event for event in seen.has(None, windows=FULL) if event.kind is EventKind.WINDOW_FULL]
    assert full.facts["next"] == "refused"


@pytest.mark.parametrize(
    ("left", "level"),
    [
        (Money(Decimal(900), "EUR", 2), "10.00 EUR"),
        (Money(Decimal(900), "JPY", 0), "1000 JPY"),
        (Money(Decimal("999.9"), "USD", 2), "10.00 USD"),
        (Money(Decimal(1000), "USD", 2), None),
    ],
)
def test_the_default_level_is_in_the_currency_of_the_credits(left: Money, level: str | None) -> None:
    assert levels(Credits().has(left)) == ([] if level is None else [level])


def test_a_configured_level_holds_in_its_own_currency_alone() -> None:
    seen = Credits(LEVELS)
    assert levels(seen.has(Money(Decimal(400), "EUR", 2))) == []
    assert levels(seen.has(Money(Decimal(0), "EUR", 2))) == ["0.00 EUR"]


def test_a_balance_that_fills_up_by_itself_is_reported_only_when_it_is_empty() -> None:
    seen = Credits(LEVELS)
    assert levels(seen.has("4", auto_reload=True)) == []
    event = only(seen.has("0", auto_reload=True), EventKind.BALANCE_LOW)
    assert (event.facts["next"], event.severity) == (None, Severity.WARNING)


@pytest.mark.parametrize(
    ("windows", "following"),
    [(FULL, "refused"), ((window("99"),), "plan"), ((window(None),), None), (None, None)],
)
def test_at_zero_the_next_prompt_is_refused_while_a_window_is_full(
    windows: object, following: str | None
) -> None:
    event = only(Credits().has("0", windows=windows), EventKind.BALANCE_LOW)
    assert event.facts["next"] == following
    assert event.severity is (Severity.CRITICAL if following == "refused" else Severity.WARNING)


@pytest.mark.parametrize(
    ("left", "auto_reload", "following"),
    [
        ("0", None, "refused"),
        ("0", False, "refused"),
        ("0", True, "billed"),
        ("0.01", None, "billed"),
        (None, None, "billed"),
    ],
)
def test_a_full_window_says_that_nothing_is_billed_without_credits(
    left: str | None, *, auto_reload: bool | None, following: str
) -> None:
    event = only(Credits().has(left, auto_reload=auto_reload, windows=FULL), EventKind.WINDOW_FULL)
    assert event.facts["next"] == following


def test_a_block_for_the_balance_reports_the_balance_too() -> None:
    seen = Credits()
    seen.has("30")
    out = seen.has("0", reason_class=ReasonClass.BALANCE, reason="out_of_credits", enabled=False)
    blocked, low = only(out, EventKind.SEAT_BLOCKED), only(out, EventKind.BALANCE_LOW)
    assert low.muted_by == blocked.key


def test_a_block_for_the_cap_does_not_hide_that_the_credits_run_low() -> None:
    seen = Credits()
    seen.has("30")
    out = seen.has("4", reason_class=ReasonClass.CAP, reason="org_spend_cap_reached")
    assert only(out, EventKind.BALANCE_LOW).muted_by is None


def test_a_balance_that_was_not_read_is_kept_with_its_age_for_a_day() -> None:
    seen = Credits()
    seen.has("30")
    read_at = seen.now
    seen.has(None)

    def held() -> Balance | None:
        assert seen.known is not None
        assert seen.known.snapshot.extra_usage is not None
        return seen.known.snapshot.extra_usage.balance

    assert held() == Balance(usd("30"), at=read_at)
    seen.see(snapshot(seen.now + MINUTE, windows=(window(),)))
    assert held() == Balance(usd("30"), at=read_at)
    seen.now = read_at + timedelta(days=1)
    seen.has(None)
    assert held() is None


def test_a_muted_kind_is_not_reported() -> None:
    quiet = RuleSettings(kinds=frozenset(EventKind) - {EventKind.BALANCE_LOW})
    assert EventKind.BALANCE_LOW not in kinds(Credits(quiet).has("0"))


@given(st.lists(st.one_of(st.none(), st.integers(0, 3000)), max_size=12))
def test_no_level_is_reported_twice_without_a_purchase_between(cents: list[int | None]) -> None:
    seen, alerted, before = Credits(LEVELS), set[str | None](), 0
    for left in cents:
        if left is None:
            assert levels(seen.has(None)) == []
            continue
        new = levels(seen.has(Money(Decimal(left), "USD", 2)))
        if left > before:
            alerted = {
                level
                for level in alerted
                if left < {"0.00 USD": 1, "5.00 USD": 500, "20.00 USD": 2000}[str(level)]
            }
        below = [
            name
            for name, amount in (("0.00 USD", 1), ("5.00 USD", 500), ("20.00 USD", 2000))
            if left < amount
        ]
        assert new == (below[:1] if below and below[0] not in alerted else [])
        alerted |= set(below)
        before = left
    assert len({event.key for event in seen.events}) == len(seen.events)
