import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import ExtraUsage, ReasonClass
from meterbot.core.money import Money, plain
from meterbot.sources.exact_json import parse
from meterbot.sources.extra_usage import Metering, metering_of
from meterbot.sources.fields import DriftNotes
from meterbot.sources.responses import Missing
from meterbot.sources.usage_statements import overage_row
from tests.sources.bodies import (
    OVERAGE,
    USAGE,
    json_values,
    numbers_in,
    places,
    sent,
    with_value,
)

ACCOUNT = "22222222-2222-4222-8222-222222222221"
ORG = "11111111-1111-4111-8111-111111111111"
NOTHING: dict[str, Any] = {"five_hour": None, "extra_usage": None}


def parsed(
    usage: object = NOTHING, overage: object = None, *, team: bool = False
) -> tuple[Metering, list[str]]:
    """What comes out, and the notes. `overage` may say why there is no row."""
    notes = DriftNotes()
    row = overage
    if not isinstance(row, Missing):
        row = overage_row(sent(overage), notes, account=ACCOUNT, org=ORG, team=team)
    return metering_of(None if usage is None else sent(usage), row, notes), notes.drift


def metered(usage: object = NOTHING, overage: object = None) -> ExtraUsage:
    metering, _ = parsed(usage, overage)
    assert metering.extra is not None
    return metering.extra


def extra(**fields: object) -> dict[str, object]:
    body = {"is_enabled": True, "monthly_limit": 5000, "used_credits": 1720, "currency": "USD"}
    return {"extra_usage": {**body, "decimal_places": 2, **fields}}


def row(**fields: object) -> dict[str, object]:
    body = {"is_enabled": True, "monthly_credit_limit": 5000, "used_credits": 1720, "currency": "USD"}
    return {**body, **fields}


def spend(used: int | None, limit: int | None, **fields: object) -> dict[str, object]:
    def money(minor: int | None) -> object:
        return None if minor is None else {"amount_minor": minor, "currency": "USD", "exponent": 2}

    return {"spend": {"used": money(used), "limit": money(limit), "enabled": True, **fields}}


def amounts(extra_usage: ExtraUsage) -> tuple[str | None, str | None]:
    used, cap = (None if money is None else plain(money) for money in (extra_usage.used, extra_usage.cap))
    return used, cap


# Which place wins.


@pytest.mark.parametrize(
    ("usage", "overage", "used", "cap", "drift"),
    [
        (extra(), row(), "17.20", "50.00", []),
        (extra(monthly_limit=6000), row(), "17.20", "60.00", ["cap: usage 60.00, overage 50.00"]),
        (extra(used_credits=1800), row(), "18.00", "50.00", ["used: usage 18.00, overage 17.20"]),
        (extra(used_credits=1720.4), row(), "17.204", "50.00", []),
        (
            {**extra(), **spend(1720, 4000)},
            row(),
            "17.20",
            "40.00",
            ["cap: spend 40.00, extra_usage 50.00", "cap: usage 40.00, overage 50.00"],
        ),
        ({**extra(), **spend(0, None)}, None, "17.20", "50.00", []),
        ({**extra(), **spend(1720, None)}, None, "17.20", "50.00", []),
        ({**NOTHING, **spend(500, 4000)}, row(used_credits=500, monthly_credit_limit=4000), "5.00", "40.00", []),
        (extra(monthly_limit=None), row(), "17.20", None, ["cap: usage none, overage 50.00"]),
        (extra(monthly_limit=None, is_enabled=False), row(), "17.20", "50.00", []),
        (extra(used_credits=None), row(), "17.20", "50.00", []),
        (extra(used_credits="x"), row(), "17.20", "50.00", ["extra_usage.used_credits: expected a number, got a string"]),
        (extra(monthly_limit=None, used_credits=None), row(), "17.20", "50.00", []),
        (NOTHING, row(), "17.20", "50.00", []),
        (None, row(), "17.20", "50.00", []),
        (extra(currency="EUR"), row(), "17.20", "50.00", ["currency: usage EUR, overage USD"]),
    ],
)  # fmt: skip
def test_usage_wins_over_the_row_and_a_difference_is_said(
    usage: object, overage: object, used: str, cap: str | None, drift: list[str]
) -> None:
    metering, notes = parsed(usage, overage)
    assert metering.extra is not None
    assert amounts(metering.extra) == (used, cap)
    assert (metering.read, metering.lost) == (True, False)
    assert metering.extra.cap_known
    assert notes == drift


def test_the_row_says_why_and_until_when() -> None:
    reached = "self_selected_spend_limit_reached"
    seat = metered(
        extra(), row(disabled_reason=reached, disabled_until="2026-05-01T00:00:00Z", out_of_credits=True)
    )
    assert (seat.reason, seat.reason_class, seat.out_of_credits) == (reached, ReasonClass.CAP, True)
    assert seat.disabled_until is not None
    assert seat.why_known


def test_a_known_reason_is_not_hidden_behind_an_unknown_one() -> None:
    seat = metered(extra(disabled_reason="out_of_credits"), row(disabled_reason="unknown"))
    assert seat.reason_class is ReasonClass.BALANCE


def test_without_the_row_silence_about_a_block_is_not_known() -> None:
    assert not metered(extra(), Missing.FAILED).why_known
    assert metered(extra(), Missing.ABSENT).why_known


# Currency and scale.


@pytest.mark.parametrize(
    ("usage", "overage", "money", "assumed"),
    [
        (extra(), None, Money(Decimal(1720), "USD", 2), ()),
        (extra(currency="usd", decimal_places=None), None, Money(Decimal(1720), "USD", 2), ("scale",)),
        (extra(currency="JPY", decimal_places=None), None, Money(Decimal(1720), "JPY", 0), ()),
        (extra(currency="kwd", decimal_places=None), None, Money(Decimal(1720), "KWD", 3), ()),
        (extra(currency="JPY", decimal_places=2), None, Money(Decimal(1720), "JPY", 2), ()),
        (extra(currency=None), row(currency="CAD"), Money(Decimal(1720), "CAD", 2), ()),
        (
            extra(currency=None, decimal_places=None),
            None,
            Money(Decimal(1720), "USD", 2),
            ("currency", "scale"),
        ),
        (extra(used_credits=None, decimal_places=3), row(), Money(Decimal(1720), "USD", 3), ()),
        (extra(used_credits=None, decimal_places=3), row(currency=None), Money(Decimal(1720), "USD", 3), ()),
        (
            extra(used_credits=None, decimal_places=3, currency="EUR", monthly_limit=None),
            row(currency="USD"),
            Money(Decimal(1720), "USD", 2),
            ("scale",),
        ),
        # The old fields are in hundredths, and so are the amounts beside them.
        (
            extra(currency="KWD", decimal_places=None),
            {"currency": "KWD", "spend_limit_amount_cents": 5000, "used_credits": 1720},
            Money(Decimal(1720), "KWD", 2),
            (),
        ),
        # A balance and a zero that says nothing are not among the amounts that count.
        (
            spend(1720, 5000, balance={"amount_minor": 100, "currency": "EUR"}),
            None,
            Money(Decimal(1720), "USD", 2),
            (),
        ),
        (
            {**extra(), "spend": {"used": {"amount_minor": 0, "currency": "EUR"}}},
            None,
            Money(Decimal(1720), "USD", 2),
            (),
        ),
        # Each place has one currency and one scale.
        (
            {
                "spend": {
                    "used": {"amount_minor": 1720, "currency": "USD", "exponent": 2},
                    "limit": {"amount_minor": None, "currency": "EUR", "exponent": 3},
                }
            },
            row(used_credits=None, monthly_credit_limit=5000, currency="EUR"),
            Money(Decimal(1720), "USD", 2),
            ("scale",),
        ),
        (extra(decimal_places=True), None, Money(Decimal(1720), "USD", 2), ("scale",)),
        (extra(decimal_places=-1), None, Money(Decimal(1720), "USD", 2), ("scale",)),
        (extra(decimal_places=99), None, Money(Decimal(1720), "USD", 2), ("scale",)),
        (extra(decimal_places=1.5), None, Money(Decimal(1720), "USD", 2), ("scale",)),
    ],
)
def test_currency_and_scale_are_the_bodys_else_the_siblings_else_the_standards_else_assumed(
    usage: object, overage: object, money: Money, assumed: tuple[str, ...]
) -> None:
    seat = metered(usage, overage)
    assert (seat.used, seat.assumed) == (money, assumed)
    assert seat.currency == money.currency


@pytest.mark.parametrize("currency", [5, True, ["USD"], "", "dollars", "U$D", "€"])
def test_a_currency_that_is_none_leaves_the_amount_in_doubt_unless_a_sibling_states_it(
    currency: object,
) -> None:
    metering, drift = parsed(extra(currency=currency))
    assert (metering.read, metering.lost) == (False, True)
    assert drift[0].startswith("extra_usage.currency: expected a currency code, got ")
    metering, _ = parsed(extra(currency=currency), row(currency="EUR"))
    assert metering.extra is not None
    assert (metering.read, metering.lost, metering.extra.currency) == (True, False, "EUR")


# Metered or not, known or not.

NEVER = {"is_enabled": False, "monthly_limit": None, "used_credits": None, "currency": None}


@pytest.mark.parametrize(
    ("usage", "overage"),
    [
        (NOTHING, None),
        ({"five_hour": None}, Missing.ABSENT),
        ({"extra_usage": NEVER}, Missing.ABSENT),
        ({"extra_usage": NEVER}, Missing.FAILED),
        ({"extra_usage": {**NEVER, "used_credits": 0}}, None),
        ({"extra_usage": {**NEVER, "user_disabled": True}}, None),
        (extra(is_enabled=False, used_credits=0, disabled_reason="overage_not_provisioned"), None),
        (extra(is_enabled=False, used_credits=0, disabled_reason="no_limits_configured"), None),
        (extra(is_enabled=False, used_credits=0, credits_ever_enabled=False), None),
        ({**NOTHING, **spend(0, None, enabled=False)}, None),
        (NOTHING, row(is_enabled=False, monthly_credit_limit=None, used_credits=None)),
        (None, row(is_enabled=False, monthly_credit_limit=None, used_credits=None)),
    ],
)
def test_never_set_up_is_an_answer(usage: object, overage: object) -> None:
    assert parsed(usage, overage) == (Metering(None, read=True, lost=False), [])


@pytest.mark.parametrize(
    ("usage", "overage"),
    [
        (NOTHING, Missing.FAILED),
        (None, Missing.ABSENT),
        (None, Missing.FAILED),
        (
            NOTHING,
            row(
                is_enabled=False, monthly_credit_limit=None, used_credits=None, disabled_reason="fetch_error"
            ),
        ),
        (
            NOTHING,
            row(is_enabled=False, monthly_credit_limit=None, used_credits=0, disabled_reason="fetch_error"),
        ),
        (extra(is_enabled=False, used_credits=0.0, disabled_reason="fetch_error"), None),
        (extra(used_credits=None), None),
    ],
)
def test_what_could_not_be_read_is_unknown_and_not_unmetered(usage: object, overage: object) -> None:
    metering, _ = parsed(usage, overage)
    assert not metering.read
    assert metering.extra is None or metering.extra.used is None


@pytest.mark.parametrize(
    ("usage", "overage"),
    [
        ({**NOTHING, "extra_usage": [1]}, Missing.ABSENT),
        ({**NOTHING, "extra_usage": {}}, None),
        ({**NOTHING, "spend": 17.2}, None),
        ({**NOTHING, "spend": {"used": 17.2}}, None),
        ({**NOTHING, "spend": {"used": {"currency": "USD"}}}, None),
        (NOTHING, []),
        (NOTHING, {}),
        (extra(used_credits=-1), None),
        (extra(used_credits=10**13), None),
        (extra(used_credits=True), None),
        (extra(monthly_limit="fifty"), None),
    ],
)
def test_a_rejected_amount_is_lost_and_noted(usage: object, overage: object) -> None:
    metering, drift = parsed(usage, overage)
    assert metering.lost
    assert len(drift) == 1


def test_enabled_and_unused_is_metered() -> None:
    assert amounts(metered(extra(used_credits=0))) == ("0.00", "50.00")


@pytest.mark.parametrize("reason", [None, "out_of_credits", "org_level_disabled", "overage_not_provisioned"])
def test_money_spent_stays_when_metering_is_switched_off(reason: str | None) -> None:
    seat = metered(extra(is_enabled=False, disabled_reason=reason, user_disabled=reason is None))
    assert amounts(seat) == ("17.20", "50.00")
    assert seat.enabled is False


def test_a_reason_is_reported_even_when_every_amount_is_null() -> None:
    metering, _ = parsed({"extra_usage": {**NEVER, "disabled_reason": "out_of_credits"}})
    assert metering.read
    assert metering.extra is not None
    assert (metering.extra.reason_class, metering.extra.used) == (ReasonClass.BALANCE, None)


def test_no_ceiling_is_distinguished_from_an_unknown_cap() -> None:
    assert metered(extra(monthly_limit=None)).cap_known
    unknown = extra()
    del unknown["extra_usage"]["monthly_limit"]  # type: ignore[attr-defined]
    assert not metered(unknown).cap_known


# Reasons.


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("self_selected_spend_limit_reached", ReasonClass.CAP),
        ("org_level_disabled_until", ReasonClass.CAP),
        ("org_spend_cap_reached", ReasonClass.CAP),
        ("out_of_credits", ReasonClass.BALANCE),
        ("org_level_disabled", ReasonClass.ADMIN),
        ("org_service_level_disabled", ReasonClass.ADMIN),
        ("org_service_zero_credit_limit", ReasonClass.ADMIN),
        ("seat_tier_level_disabled", ReasonClass.ADMIN),
        ("seat_tier_zero_credit_limit", ReasonClass.ADMIN),
        ("member_level_disabled", ReasonClass.ADMIN),
        ("member_zero_credit_limit", ReasonClass.ADMIN),
        ("group_zero_credit_limit", ReasonClass.ADMIN),
        ("group_level_disabled", ReasonClass.ADMIN),
        ("team_zero_credit_limit", ReasonClass.ADMIN),
        ("groupless", ReasonClass.UNKNOWN),
        ("overage_not_provisioned", ReasonClass.NEVER_SET_UP),
        ("no_limits_configured", ReasonClass.NEVER_SET_UP),
        ("fetch_error", ReasonClass.UNKNOWN),
        ("unknown", ReasonClass.UNKNOWN),
        ("capacity_protection", ReasonClass.UNKNOWN),
        (None, None),
    ],
)
def test_every_reason_has_its_class(reason: str | None, kind: ReasonClass | None) -> None:
    assert metered(extra(disabled_reason=reason)).reason_class is kind
    assert metered(overage=row(disabled_reason=reason)).reason_class is kind


def test_the_raw_reason_is_one_short_printable_line() -> None:
    reason = metered(extra(disabled_reason="a\nb\x1b[31m\u202e" + "x" * 500)).reason
    assert reason is not None
    assert reason.startswith("ab[31mx")
    assert reason.isprintable()
    assert len(reason) == 80


def test_switched_off_by_its_owner() -> None:
    assert metered(extra(user_disabled=True)).reason_class is ReasonClass.USER_OFF
    assert (
        metered(extra(user_disabled=True, disabled_reason="out_of_credits")).reason_class
        is ReasonClass.BALANCE
    )


# Whose row it is.


@pytest.mark.parametrize(
    ("fields", "team", "counted"),
    [
        ({"limit_type": "organization"}, False, True),
        ({"limit_type": "organization"}, True, False),
        ({"limit_type": ["organization"]}, True, False),
        ({"limit_type": "member", "account_uuid": ACCOUNT.upper()}, True, True),
        ({"limit_type": "seat_tier"}, True, True),
        ({}, True, True),
        ({"account_uuid": ORG}, False, False),
        ({"organization_uuid": ACCOUNT}, False, False),
        ({"organization_uuid": ORG}, False, True),
    ],
)
def test_only_the_seats_own_row_is_counted(fields: dict[str, object], *, team: bool, counted: bool) -> None:
    metering, drift = parsed(NOTHING, row(**fields), team=team)
    assert metering.read is counted
    assert bool(drift) is not counted
    assert metering.lost is False


def test_an_amount_before_a_discount_proves_no_cap() -> None:
    discounted = row(used_credits_basis="pre_discount", discount_percent=20)
    assert not metered(overage=discounted).comparable
    assert not metered(extra(), discounted).comparable
    assert metered(extra(used_credits=1376), discounted).comparable
    assert metered(overage=row(used_credits_basis="pre_discount", discount_percent=None)).comparable
    assert metered(overage=row(used_credits_basis="post_discount", discount_percent=20)).comparable


# Any body at all.


@given(st.decimals(0, 10**12, places=6), st.integers(0, 6))
def test_every_amount_is_kept_to_the_last_digit(minor: Decimal, scale: int) -> None:
    body = f'{{"extra_usage": {{"is_enabled": true, "monthly_limit": {minor:f}, "used_credits": {minor:f},'
    body += f' "currency": "EUR", "decimal_places": {scale}}}}}'
    usage = parse(body.encode())
    assert isinstance(usage, dict)
    seat = metering_of(usage, Missing.ABSENT, DriftNotes()).extra
    assert seat is not None
    assert seat.used == seat.cap == Money(minor, "EUR", scale)
    assert seat.used is not None
    assert Decimal(plain(seat.used)).scaleb(scale) == minor


WHOLE = {"usage": USAGE, "overage": OVERAGE}


@given(st.sampled_from([*places(WHOLE)]), json_values)
def test_one_strange_value_yields_no_number_that_was_not_sent(
    path: tuple[str | int, ...], value: Any
) -> None:
    bodies = json.loads(json.dumps(with_value(WHOLE, path, value)))
    usage = bodies["usage"] if isinstance(bodies["usage"], dict) else None
    metering, drift = parsed(usage, bodies["overage"])
    seen = numbers_in(sent(bodies))
    if metering.extra is not None:
        for money in (metering.extra.used, metering.extra.cap):
            assert money is None or (money.minor in seen and 0 <= money.minor <= 10**12)
    assert all(note.isprintable() and len(note) < 200 for note in drift)


@given(
    st.sampled_from([path for path in places(USAGE) if path[0] not in {"extra_usage", "spend"}]), json_values
)
def test_a_broken_window_costs_no_money(path: tuple[str | int, ...], value: Any) -> None:
    assert parsed(with_value(USAGE, path, value), OVERAGE) == parsed(USAGE, OVERAGE)


@given(extra_usage=json_values, spend=json_values, overage=json_values, team=st.booleans())
def test_no_bodies_raise(extra_usage: Any, spend: Any, overage: Any, *, team: bool) -> None:
    _, drift = parsed({"extra_usage": extra_usage, "spend": spend}, overage, team=team)
    assert all(note.isprintable() and len(note) < 200 for note in drift)
