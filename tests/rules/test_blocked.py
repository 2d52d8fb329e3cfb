"""Which facts prove a block, which do not, and what the alert says."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import ExtraUsage, ReasonClass, Window
from meterbot.core.money import Money
from meterbot.rules.blocked import Block, block_of

NOW = datetime(2026, 4, 20, tzinfo=UTC)
NEXT_MONTH = datetime(2026, 5, 1, tzinfo=UTC)


def usd(cents: float) -> Money:
    return Money(Decimal(str(cents)), "USD", 2)


def seat(used: float | None = 1720, cap: float | None = 5000, **facts: object) -> ExtraUsage:
    base: dict[str, object] = {
        "enabled": True,
        "used": None if used is None else usd(used),
        "cap": None if cap is None else usd(cap),
    }
    return ExtraUsage(**{**base, **facts})  # type: ignore[arg-type]


def reason(extra: ExtraUsage | None) -> str | None:
    block = block_of(extra, (), NOW)
    return None if block is None else block.reason


@pytest.mark.parametrize(
    ("extra", "blocked"),
    [
        (None, None),
        (seat(), None),
        (seat(4999.99), None),
        (seat(5000), "cap"),
        (seat(7500), "cap"),
        (seat(0, 0), None),
        (seat(1, 0), "cap"),
        (seat(1, 0, enabled=False), "cap"),
        (seat(9999, None), None),
        (seat(None, 5000), None),
        (seat(5000, enabled=False), "cap"),
        (seat(5000, enabled=None), "cap"),
        (seat(enabled=False), None),
        # Someone's decision explains why nothing is spent any more; the cap then proves nothing.
        (seat(5000, reason_class=ReasonClass.ADMIN), None),
        (seat(5000, reason_class=ReasonClass.USER_OFF), None),
        (seat(5000, reason_class=ReasonClass.NEVER_SET_UP), None),
        (seat(5000, reason_class=ReasonClass.UNKNOWN), "cap"),
        (seat(reason_class=ReasonClass.UNKNOWN), None),
        (seat(reason_class=ReasonClass.CAP), "cap"),
        (seat(2524, reason_class=ReasonClass.BALANCE), "balance"),
        (seat(None, None, reason_class=ReasonClass.BALANCE), "balance"),
        (seat(500, 2000, spend_limit_reached=True), "cap"),
        (seat(500, 2000, spend_limit_reached=True, reason_class=ReasonClass.ADMIN), "cap"),
        (seat(spend_limit_reached=False, out_of_credits=False), None),
        (seat(out_of_credits=True), "balance"),
        (seat(5000, out_of_credits=True), "cap"),
        (seat(None, out_of_credits=True), "unknown"),
        # Before a discount, `used` is not what the cap is compared with.
        (seat(5200, comparable=False), None),
        (seat(5200, comparable=False, out_of_credits=True), "balance"),
        (ExtraUsage(enabled=True, used=usd(5000), cap=Money(Decimal(50), "EUR", 2)), None),
        (ExtraUsage(enabled=True, used=usd(5000), cap=Money(Decimal(50_000), "USD", 3)), "cap"),
        # A date alone is no block.
        (seat(disabled_until=NEXT_MONTH), None),
    ],
)
def test_which_facts_prove_a_block(extra: ExtraUsage | None, blocked: str | None) -> None:
    assert reason(extra) == blocked


def test_a_seat_over_its_own_cap_is_blocked_although_no_flag_says_so() -> None:
    captured = ExtraUsage(
        enabled=True,
        used=Money(Decimal(6230), "CAD", 2),
        cap=Money(Decimal(6000), "CAD", 2),
        out_of_credits=False,
        reason="self_selected_spend_limit_reached",
        reason_class=ReasonClass.CAP,
        disabled_until=NEXT_MONTH,
    )
    assert block_of(captured, (), NOW) == Block("cap", NEXT_MONTH, hard=False)


@pytest.mark.parametrize(
    ("until", "shown"),
    [(None, None), (NEXT_MONTH, NEXT_MONTH), (NOW, None), (NOW - timedelta(seconds=1), None)],
)
def test_a_block_is_dated_only_while_its_date_is_ahead(
    until: datetime | None, shown: datetime | None
) -> None:
    block = block_of(seat(5000, disabled_until=until), (), NOW)
    assert block is not None
    assert block.until == shown


@pytest.mark.parametrize(
    ("utilizations", "hard"),
    [(None, None), ([], False), ([41], False), ([41, 100], True), ([None, 130], True), ([None, 41], None)],
)
def test_a_block_is_hard_when_a_plan_window_is_full_too(
    utilizations: list[int | None] | None, *, hard: bool | None
) -> None:
    windows = None
    if utilizations is not None:
        shares = (None if value is None else Decimal(value) for value in utilizations)
        windows = [Window("five_hour", share, None) for share in shares]
    block = block_of(seat(5000), windows, NOW)
    assert block is not None
    assert block.hard is hard


flags = st.none() | st.booleans()
amounts = st.none() | st.integers(0, 10_000).map(usd)
seats = st.builds(
    ExtraUsage,
    enabled=flags,
    used=amounts,
    cap=amounts,
    out_of_credits=flags,
    spend_limit_reached=flags,
    reason_class=st.none() | st.sampled_from(ReasonClass),
    disabled_until=st.none() | st.just(NEXT_MONTH),
    comparable=st.booleans(),
)


@given(seats)
def test_a_date_never_makes_or_ends_a_block(extra: ExtraUsage) -> None:
    before, after = (block_of(extra, (), now) for now in (NOW, NEXT_MONTH + timedelta(days=1)))
    assert (before is None) == (after is None)
    assert after is None or after.until is None


@given(seats)
def test_no_block_without_a_flag_a_reason_or_a_cap_that_is_spent(extra: ExtraUsage) -> None:
    stated = extra.out_of_credits or extra.spend_limit_reached
    stated = stated or extra.reason_class in {ReasonClass.CAP, ReasonClass.BALANCE}
    spent = extra.used is not None and extra.cap is not None and extra.used.minor >= extra.cap.minor
    if not stated and not spent:
        assert reason(extra) is None
    if stated:
        assert reason(extra) is not None
