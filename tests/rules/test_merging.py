from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from meterbot.core.models import Health, LastKnown, ReasonClass, Snapshot
from meterbot.core.money import Money
from meterbot.rules.merging import merge, missing_amount_as_drift
from tests.rules.builders import (
    HOUR,
    MINUTE,
    NOON,
    eur,
    extra,
    snapshot,
    subscription,
    usd,
    window,
)

MAY = datetime(2026, 5, 1, tzinfo=UTC)
FULL = snapshot(metered=extra("10"), windows=(window(),), billing=subscription())


def after(first: Snapshot, *others: Snapshot) -> LastKnown:
    known = merge(None, first, first.fetched_at)
    for other in others:
        known = merge(known, other, other.fetched_at)
    assert known is not None
    return known


def test_each_part_keeps_its_last_good_value_and_its_age() -> None:
    later = snapshot(NOON + HOUR, metered=extra("20"), health=Health.DRIFTED, account_email=None)
    known = after(FULL, later)
    assert known.snapshot.extra_usage == extra("20")
    assert known.snapshot.windows == FULL.windows
    assert known.snapshot.subscription == FULL.subscription
    assert (known.windows_at, known.extra_usage_at, known.subscription_at) == (NOON, NOON + HOUR, NOON)
    assert known.snapshot.health is Health.DRIFTED


def test_no_e_mail_address_is_known_of_a_counter() -> None:
    first = replace(FULL, account_email="ana@example.com")
    known = merge(None, first, NOON)
    assert known is not None
    assert known.snapshot.account_email is None
    assert after(first, snapshot(NOON + HOUR, account_email="ana@example.com")).snapshot.account_email is None


def test_the_first_reading_is_known_only_as_far_as_it_was_read() -> None:
    read = snapshot(metered=extra("10"), windows=(window(),))
    known = after(replace(read, windows_read=False, extra_usage_read=False))
    assert (known.windows_at, known.extra_usage_at, known.subscription_at, known.trail) == (None,) * 3 + ({},)
    assert known.snapshot.fetched_at == NOON
    assert known.snapshot.extra_usage is not None
    assert known.snapshot.extra_usage.used is None
    assert after(read).trail != {}


def test_a_part_that_is_absent_replaces_the_last_one() -> None:
    known = after(FULL, snapshot(NOON + HOUR, extra_usage_read=True, windows=()))
    assert known.snapshot.extra_usage is None
    assert known.snapshot.windows == ()


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (extra(None), extra("10")),
        (extra("20", None, cap_known=False), extra("20")),
        (extra("20", enabled=None), extra("20")),
        (extra("20", currency=None), extra("20")),
    ],
    ids=["used", "cap", "enabled", "currency"],
)
def test_a_field_that_was_rejected_keeps_its_last_good_value(later: object, expected: object) -> None:
    assert (
        after(FULL, snapshot(NOON + HOUR, extra_usage=later, extra_usage_read=True)).snapshot.extra_usage
        == expected
    )


def test_usage_is_a_total_until_a_reading_shows_otherwise() -> None:
    readings = [
        snapshot(NOON + n * HOUR, usage_is_total=found) for n, found in enumerate((True, None, False, None))
    ]
    known = [after(*readings[: n + 1]).snapshot.usage_is_total for n in range(4)]
    assert known == [True, True, False, False]


@pytest.mark.parametrize("read", [True, False], ids=["not metered", "not read"])
@pytest.mark.parametrize(
    ("source", "used", "later", "expected"),
    [
        ("claude_ai", "10", HOUR, (Health.DRIFTED, True)),
        ("claude_ai", "0", HOUR, (Health.OK, False)),
        ("claude_ai", "10", MAY - NOON, (Health.OK, False)),
        ("claude_ai", "10", timedelta(days=70), (Health.OK, False)),
        ("push", "10", HOUR, (Health.OK, True)),
        ("push", "10", timedelta(days=3), (Health.OK, True)),
        ("push", "10", timedelta(days=3, minutes=1), (Health.DRIFTED, True)),
        ("push", "0", timedelta(days=4), (Health.OK, False)),
        ("push", "10", timedelta(days=70), (Health.OK, False)),
    ],
)
def test_a_missing_amount_is_drift_while_money_was_spent_in_the_same_month(
    source: str, used: str, later: timedelta, expected: tuple[Health, bool], *, read: bool
) -> None:
    first = snapshot(metered=extra(used, used_field="spend.used.amount_minor"), windows=(window(),))
    lacking = snapshot(NOON + later, windows=(window(),), source=source, extra_usage_read=read)
    found = missing_amount_as_drift(after(first), lacking, timedelta(days=3))
    note = "spend.used.amount_minor: expected a number, got nothing"
    assert (found.health, found.drift == (note,)) == expected
    assert (note in (found.detail or "")) is (expected[0] is Health.DRIFTED)
    if not read or expected[1]:
        known = after(first, found)
        assert (known.snapshot.extra_usage, known.extra_usage_at) == (first.extra_usage, NOON)


def test_an_amount_that_is_kept_is_of_the_field_it_was_read_from() -> None:
    first = snapshot(metered=extra("10", used_field="overage.used_credits"))
    known = after(first, snapshot(NOON + HOUR, extra_usage=extra(None), extra_usage_read=True))
    assert known.snapshot.extra_usage == extra("10", used_field="overage.used_credits")


def test_a_rejected_amount_does_not_cost_the_fields_beside_it() -> None:
    partly = replace(snapshot(NOON + HOUR, metered=extra(None, "80")), extra_usage_read=False)
    known = after(FULL, partly)
    assert known.snapshot.extra_usage == extra("10", None, cap_known=False, comparable=False)
    assert known.extra_usage_at == NOON


def test_a_rejected_currency_costs_the_amounts() -> None:
    doubtful = snapshot(NOON + HOUR, metered=extra("99", "80", assumed=("currency",)), extra_usage_read=False)
    metered = after(
        snapshot(metered=extra(eur("10"), eur("50"), currency="EUR")), doubtful
    ).snapshot.extra_usage
    assert metered is not None
    assert (metered.used, metered.cap, metered.currency) == (eur("10"), eur("50"), "EUR")


def test_an_assumed_currency_and_scale_give_way_to_the_known_ones() -> None:
    yen = Money(extra("1").used.minor, "JPY", 0)  # type: ignore[union-attr]
    metered = extra("20", "50", assumed=("currency", "scale"))
    known = after(snapshot(metered=extra(yen, yen, currency="JPY")), snapshot(NOON + HOUR, metered=metered))
    assert known.snapshot.extra_usage is not None
    assert known.snapshot.extra_usage.used == Money(usd("20").minor, "JPY", 0)


def test_why_a_seat_is_blocked_is_kept_while_its_row_cannot_be_read_and_no_longer() -> None:
    why: dict[str, Any] = {
        "reason": "out_of_credits",
        "reason_class": ReasonClass.BALANCE,
        "out_of_credits": True,
    }
    blocked = snapshot(metered=extra("10", **why))
    unknown = snapshot(NOON + MINUTE, metered=extra("11", why_known=False))
    again = snapshot(NOON + 2 * MINUTE, metered=extra("12", why_known=False))
    over = snapshot(NOON + 3 * MINUTE, metered=extra("13"))
    assert after(blocked, unknown, again).snapshot.extra_usage == extra("12", **why)
    assert after(blocked, unknown, again, over).snapshot.extra_usage == extra("13")


def test_an_amount_that_is_carried_over_keeps_its_age_though_a_reason_was_read_beside_it() -> None:
    reason = extra(None, reason="out_of_credits", reason_class=ReasonClass.BALANCE)
    known = after(FULL, snapshot(NOON + HOUR, metered=reason))
    assert known.snapshot.extra_usage == replace(reason, used=usd("10"))
    assert known.extra_usage_at == NOON


def test_neither_amount_nor_block_is_carried_into_another_month() -> None:
    blocked = extra("50", reason="out_of_credits", reason_class=ReasonClass.BALANCE, disabled_until=MAY)
    april, reason = snapshot(metered=blocked), extra(None, out_of_credits=True)
    known = after(april, snapshot(MAY + HOUR, metered=reason))
    assert known.snapshot.extra_usage == reason
    assert known.extra_usage_at == MAY + HOUR
    unread = extra("1", why_known=False)
    assert after(april, snapshot(MAY + HOUR, metered=unread)).snapshot.extra_usage == unread


def test_a_reason_is_not_kept_where_the_row_is_never_read() -> None:
    blocked = snapshot(metered=extra("10", why_known=False, reason_class=ReasonClass.CAP))
    after_it = snapshot(NOON + MINUTE, metered=extra("1", why_known=False))
    assert after(blocked, after_it).snapshot.extra_usage == extra("1", why_known=False)


def test_a_rejected_field_of_the_subscription_keeps_its_last_good_value() -> None:
    drifted = snapshot(NOON + HOUR, billing=subscription(None), drift=("subscription.next_charge_date: …",))
    assert after(FULL, drifted).snapshot.subscription == subscription(date(2026, 5, 14))


def test_a_stale_snapshot_fills_only_what_was_never_known() -> None:
    stale = snapshot(NOON + HOUR, metered=extra("1"), windows=(window("9"),), health=Health.STALE)
    known = after(snapshot(metered=extra("10")), stale)
    assert known.snapshot.extra_usage == extra("10")
    assert known.snapshot.windows == (window("9"),)
    assert known.snapshot.health is Health.STALE


@pytest.mark.parametrize(
    ("at", "now"),
    [(NOON, NOON), (NOON - MINUTE, NOON), (NOON + 6 * MINUTE, NOON)],
    ids=["repeated", "old", "from the future"],
)
def test_such_a_snapshot_changes_nothing(at: object, now: object) -> None:
    assert merge(after(FULL), snapshot(at, metered=extra("20")), now) is None  # type: ignore[arg-type]


def test_what_is_known_from_the_future_gives_way_to_a_present_reading() -> None:
    ahead = after(replace(FULL, fetched_at=NOON + HOUR, tier="max_5x"))
    known = merge(ahead, snapshot(NOON, windows=(window("9"),)), NOON)
    assert known is not None
    assert known.snapshot.fetched_at == NOON
    assert (known.windows_at, known.extra_usage_at, known.subscription_at) == (NOON, None, None)
    assert (known.snapshot.windows, known.snapshot.tier) == ((window("9"),), "max_5x")
    assert (known.snapshot.extra_usage, known.snapshot.subscription) == (None, None)
    assert merge(known, snapshot(NOON), NOON) is None


def test_what_is_known_from_the_future_still_tells_the_currency() -> None:
    ahead = after(snapshot(NOON + HOUR, metered=extra(eur("10"), eur("50"), currency="EUR")))
    known = merge(ahead, snapshot(NOON, metered=extra("20", "50", assumed=("currency",))), NOON)
    assert known is not None
    assert known.snapshot.extra_usage is not None
    assert known.snapshot.extra_usage.used == eur("20")


def test_what_a_slightly_fast_clock_read_does_not_give_way() -> None:
    ahead = after(snapshot(NOON + 5 * MINUTE, metered=extra("10")))
    assert merge(ahead, snapshot(NOON, metered=extra("20")), NOON) is None


def test_a_clock_that_is_a_little_fast_is_believed() -> None:
    assert merge(None, snapshot(NOON + 4 * MINUTE), NOON) is not None
