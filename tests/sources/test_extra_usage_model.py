"""Generated bodies, read by meterbot and by a small model of the rules that is written apart from it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.money import percent
from meterbot.rules.blocked import block_of
from meterbot.sources.extra_usage import metering_of
from meterbot.sources.fields import DriftNotes
from meterbot.sources.usage_statements import overage_row

NOW = datetime(2026, 11, 29, 10, tzinfo=UTC)
ORG = "11111111-1111-4111-8111-111111111111"
ACCOUNT = "22222222-2222-4222-8222-222222222221"
STANDARD = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}
CAP = {"self_selected_spend_limit_reached", "org_level_disabled_until", "org_spend_cap_reached"}
ADMIN = {"org_level_disabled", "member_zero_credit_limit", "seat_tier_level_disabled"}
NEVER = {"overage_not_provisioned", "no_limits_configured"}

LEFT_OUT = object()
GOOD = st.one_of(
    st.integers(0, 10_000),
    st.decimals(0, 10_000, places=4),
    st.integers(0, 10_000).map(str),
    st.sampled_from([Decimal("1234.5"), Decimal("0.25"), Decimal("-0.0")]),
)
BAD = st.sampled_from([True, False, "much", -1, Decimal("1e13"), [1], {}, "", "12.", Decimal("1e-30")])
AMOUNT = st.one_of(GOOD, GOOD, st.none(), BAD)
REASON = st.sampled_from([None, None, "out_of_credits", "something_new", *CAP, *ADMIN, *NEVER])


@dataclass(frozen=True)
class Bodies:
    """Every place states the same currency and exponent, or leaves them out."""

    currency: str | None
    exponent: int | None
    spend: dict[str, Any] | None
    extra: dict[str, Any] | None
    row: dict[str, Any] | None
    team: bool

    def usage(self) -> dict[str, object]:
        spend = self.spend
        if spend is not None:
            unit = {"currency": self.currency, "exponent": _decimal(self.exponent)}
            spend = {
                name: {"amount_minor": value, **unit}
                if name in {"used", "limit"} and value is not None
                else value
                for name, value in spend.items()
            }
        extra = self.extra
        if extra is not None:
            extra = {**extra, "currency": self.currency, "decimal_places": _decimal(self.exponent)}
        return {"extra_usage": extra, "spend": spend}


def _decimal(value: int | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _exact(value: Any) -> Any:
    """Numbers as the reader of JSON hands them on."""
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


@st.composite
def bodies(draw: st.DrawFn) -> Bodies:
    def section(**fields: st.SearchStrategy[Any]) -> dict[str, Any]:
        return {name: _exact(draw(values)) for name, values in fields.items()}

    flag = st.sampled_from([True, True, False, None])
    currency = draw(st.sampled_from(["USD", "eur", "JPY", "kwd", None]))
    spend = section(used=AMOUNT, limit=AMOUNT, enabled=flag, disabled_reason=REASON)
    extra = section(
        is_enabled=flag,
        monthly_limit=AMOUNT,
        used_credits=AMOUNT,
        disabled_reason=REASON,
        spend_limit_reached=flag,
    )
    row = section(
        is_enabled=flag,
        monthly_credit_limit=AMOUNT,
        used_credits=AMOUNT,
        disabled_reason=REASON,
        out_of_credits=flag,
    )
    row |= {"account_uuid": ACCOUNT, "organization_uuid": ORG, "currency": currency}
    row["limit_type"] = draw(st.sampled_from(["member", "organization"]))
    return Bodies(
        currency=currency,
        exponent=draw(st.sampled_from([0, 1, 2, 3, 4, None])),
        spend=draw(st.sampled_from([spend, None])),
        extra=draw(st.sampled_from([extra, None])),
        row=draw(st.sampled_from([row, None])),
        team=draw(st.booleans()),
    )


# --- the model


def number(value: Any) -> Decimal | None:
    """An amount, or None for what is none."""
    if isinstance(value, str) and value.isdigit():
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, Decimal):
        return None
    return abs(value) if 0 <= value <= 10**12 and value.as_tuple().exponent >= -18 else None  # type: ignore[operator]


@dataclass(frozen=True)
class Place:
    name: str
    used: Decimal | None
    cap: Decimal | None
    null_cap: bool
    enabled: bool | None
    reason: str | None


@dataclass(frozen=True)
class Expected:
    used: Decimal | None
    cap: Decimal | None
    blocked: bool


def model(given_: Bodies) -> Expected:
    """Domain rules: spend, then extra usage, then the row; on a team, a member's row that differs stands alone."""
    spend, extra, row = given_.spend, given_.extra, given_.row
    places = []
    if spend is not None:
        used, cap = number(spend["used"]), number(spend["limit"])
        places.append(
            Place("spend", used, cap, spend["limit"] is None, spend["enabled"], spend["disabled_reason"])
        )
    if extra is not None:
        used, cap = number(extra["used_credits"]), number(extra["monthly_limit"])
        null = extra["monthly_limit"] is None
        places.append(Place("extra", used, cap, null, extra["is_enabled"], extra["disabled_reason"]))
    counted = row is not None and not (given_.team and row["limit_type"] == "organization")
    if row is not None and counted:
        used, cap = number(row["used_credits"]), number(row["monthly_credit_limit"])
        null = row["monthly_credit_limit"] is None
        places.append(Place("row", used, cap, null, row["is_enabled"], row["disabled_reason"]))
    if spend is not None and places[0].cap is None and not places[0].used:
        places = [*places[1:], places[0]]
    said = [place for place in places if place.name != "spend" or place.cap is not None or place.used]
    in_usage = next((place.used for place in said if place.name != "row" and place.used is not None), None)
    in_row = next((place.used for place in places if place.name == "row"), None)
    alone = given_.team and in_usage is not None and in_row is not None and abs(in_usage - in_row) >= 1
    if alone:
        places = [place for place in places if place.name == "row"]
    used = next((place.used for place in places if place.used is not None), None)
    cap = None
    for place in places:
        if place.cap is not None:
            cap = place.cap
            break
        if place.name != "spend" and place.null_cap and place.enabled is True and place.used is not None:
            break
    flags = {} if alone or extra is None else extra
    out = row["out_of_credits"] if row is not None and counted else None
    ordered = [
        row["disabled_reason"] if row is not None and counted else None,
        *(place.reason for place in places),
    ]
    return Expected(used, cap, blocked(used, cap, ordered, flags.get("spend_limit_reached"), out))


def blocked(
    used: Decimal | None, cap: Decimal | None, reasons: list[str | None], reached: Any, out_of_credits: Any
) -> bool:
    listed = [reason for reason in reasons if reason in CAP | ADMIN | NEVER | {"out_of_credits"}]
    reason = listed[0] if listed else None
    if reason in CAP or reason == "out_of_credits" or reached is True or out_of_credits is True:
        return True
    over = used is not None and cap is not None and used > 0 and used >= cap
    return over and reason not in ADMIN | NEVER


@given(bodies())
def test_amount_cap_percent_and_block_are_those_of_the_model(given_: Bodies) -> None:
    notes = DriftNotes()
    row = overage_row(given_.row, notes, account=ACCOUNT, org=ORG, team=given_.team)
    found = metering_of(given_.usage(), row, notes, team=given_.team)
    expected = model(given_)
    extra = found.extra
    if extra is None:
        assert not expected.used, "money that was spent is never called not metered"
        return
    assert (extra.used and extra.used.minor) == expected.used
    assert (extra.cap and extra.cap.minor) == expected.cap
    code = (given_.currency or "USD").upper()
    scale = given_.exponent if given_.exponent is not None else STANDARD[code]
    for amount in (extra.used, extra.cap):
        if amount is not None:
            assert (amount.currency, amount.exponent) == (code, _scale(given_, scale, code))
    assert (block_of(extra, (), NOW) is not None) is expected.blocked
    if extra.used is not None and extra.cap is not None and expected.cap:
        assert expected.used is not None
        found_percent = percent(extra.used, extra.cap)
        assert found_percent is not None
        assert abs(found_percent - expected.used / expected.cap * 100) < Decimal("1e-15")
    if expected.used is None:
        assert not found.read or extra.reason_class or extra.out_of_credits or extra.spend_limit_reached


def _scale(given_: Bodies, stated: int, code: str) -> int:
    """The row states no scale: where nothing else is beside it, the currency's own holds."""
    spend = given_.spend or {}
    in_spend = any(
        isinstance(spend.get(name), dict) or spend.get(name) is not None for name in ("used", "limit")
    )
    return stated if given_.extra is not None or in_spend else STANDARD[code]
