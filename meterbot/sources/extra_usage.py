"""What the bodies of one organization say together about its extra usage.

One counter stands in up to three places: `spend` and `extra_usage` of `/usage`, and the overage row. The first that
states an amount wins, in that order (`spend` only with a limit or something used); the row alone knows until when
and whether the credits are out. Where two places differ, a note says so.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

from meterbot.core.models import ExtraUsage, ReasonClass
from meterbot.core.money import Money, default_exponent, plain
from meterbot.sources.fields import DriftNotes, read
from meterbot.sources.responses import Missing
from meterbot.sources.wire import AmountShape, ExtraUsageShape, OverageShape, SpendShape

_T = TypeVar("_T")

_REASONS = {
    **dict.fromkeys(
        ["self_selected_spend_limit_reached", "org_level_disabled_until", "org_spend_cap_reached"],
        ReasonClass.CAP,
    ),
    "out_of_credits": ReasonClass.BALANCE,
    **dict.fromkeys(["overage_not_provisioned", "no_limits_configured"], ReasonClass.NEVER_SET_UP),
    **dict.fromkeys(["org_level_disabled", "org_service_level_disabled"], ReasonClass.ADMIN),
}
"""What each known `disabled_reason` is, beside the families below; any other is unknown and claims no cause."""

_BY_AN_ADMIN = re.compile("(seat_tier|member|group)_.*|.*_zero_credit_limit")

_OVERAGE_FIELDS = {
    "is_enabled", "monthly_credit_limit", "used_credits", "out_of_credits", "disabled_reason", "disabled_until",
    "monthly_limit", "spend_limit_amount_cents", "balance_cents",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Metering:
    """`extra` None with `read` True: not metered. `read` False: the amount used is not known from these bodies, and
    `extra` holds what else is. `lost`: an amount was there but could not be read."""

    extra: ExtraUsage | None
    read: bool
    lost: bool


@dataclass(frozen=True, slots=True)
class _Amount:
    minor: Decimal
    currency: str | None
    scale: int | None


@dataclass(frozen=True, slots=True)
class _Statement:
    """What one place says of the counter. `null_cap`: the cap is stated, as null."""

    place: str
    used: _Amount | None
    cap: _Amount | None
    null_cap: bool
    enabled: bool | None
    reason: str | None
    currency: str | None
    scale: int | None

    @property
    def body(self) -> str:
        return "overage" if self.place == "overage" else "usage"

    @property
    def unlimited(self) -> bool:
        """Null while money can be spent is "no ceiling"; otherwise it may mean that no limit was ever set. That of
        `spend` stands beside real caps elsewhere and decides nothing."""
        enabled = self.enabled is True and self.used is not None
        return self.null_cap and enabled and self.place != "spend"


def overage_row(
    value: object, notes: DriftNotes, *, account: str | None, org: str | None, team: bool
) -> OverageShape | Missing:
    """The seat's own row of an `/overage_spend_limit` body.

    `team`: the organization is shared, so its `limit_type: organization` row counts everybody's spend and is nobody's
    seat. A personal organization's row of that type is the person's own.
    """
    row = read(OverageShape, value, "overage", notes)
    if row is None:
        return Missing.ABSENT if value is None else Missing.FAILED
    if not row.model_fields_set & _OVERAGE_FIELDS:
        notes.reject("overage", "its fields", "none of them")
        return Missing.FAILED
    if team and (row.limit_type == "organization" or "overage.limit_type" in notes.rejected):
        notes.add("overage: the whole organization's row, not counted for the seat")
        return Missing.FAILED
    if account is not None and row.account_uuid not in {None, account}:
        notes.add("overage: another account's row, not counted for the seat")
        return Missing.FAILED
    if org is not None and row.organization_uuid not in {None, org}:
        notes.add("overage: another organization's row, not counted for the seat")
        return Missing.FAILED
    return row


def metering_of(
    usage: dict[str, object] | None, overage: OverageShape | Missing, notes: DriftNotes
) -> Metering:
    """What is metered, from a `/usage` body (None: it could not be read) and the seat's overage row."""
    extra = None if usage is None else read(ExtraUsageShape, usage.get("extra_usage"), "extra_usage", notes)
    row = overage if isinstance(overage, OverageShape) else None
    statements = _in_order(
        None if usage is None else _spend(usage.get("spend"), notes),
        None if extra is None else _extra(extra, notes),
        None if row is None else _overage(row, notes),
    )
    result = _merge(statements, extra, row, notes, why_known=overage is not Missing.FAILED)
    unsure = "currency" in result.assumed and any(path.endswith("currency") for path in notes.rejected)
    lost = unsure or _amount_rejected(result, notes)
    if _not_metered(result) and not lost:
        answered = bool(statements) or (usage is not None and overage is Missing.ABSENT)
        return Metering(None, read=answered, lost=False)
    known = result.used is not None and not unsure
    return Metering(
        result if statements else None, read=known or (not lost and _tells_why(result)), lost=lost
    )


def _tells_why(extra: ExtraUsage) -> bool:
    """A stated reason or flag is an answer, even with every amount null."""
    named = extra.reason_class not in {None, ReasonClass.UNKNOWN}
    return named or bool(extra.out_of_credits or extra.spend_limit_reached)


def _in_order(
    spend: _Statement | None, extra: _Statement | None, overage: _Statement | None
) -> list[_Statement]:
    spend_first = spend is not None and (
        spend.cap is not None or (spend.used is not None and spend.used.minor > 0)
    )
    order = [spend, extra, overage] if spend_first else [extra, overage, spend]
    return [statement for statement in order if statement is not None]


def _spend(value: object, notes: DriftNotes) -> _Statement | None:
    shape = read(SpendShape, value, "spend", notes)
    if shape is None:
        return None
    if not shape.model_fields_set:
        notes.reject("spend", "its fields", "none of them")
    used = _spend_amount(shape.used, "spend.used", notes)
    cap = _spend_amount(shape.limit, "spend.limit", notes)
    stated = [amount for amount in (used, cap) if amount is not None]
    return _Statement(
        place="spend",
        used=used,
        cap=cap,
        null_cap=shape.limit is None and "limit" in shape.model_fields_set,
        enabled=shape.enabled,
        reason=shape.disabled_reason,
        currency=_first(amount.currency for amount in stated),
        scale=_first(amount.scale for amount in stated),
    )


def _spend_amount(value: object, path: str, notes: DriftNotes) -> _Amount | None:
    shape = read(AmountShape, value, path, notes)
    if shape is None:
        return None
    if "amount_minor" not in shape.model_fields_set:
        notes.reject(f"{path}.amount_minor", "a number", "nothing")
    if shape.amount_minor is None:
        return None
    return _Amount(shape.amount_minor, shape.currency, shape.exponent)


def _extra(shape: ExtraUsageShape, notes: DriftNotes) -> _Statement:
    stated = shape.model_fields_set
    if not stated:
        notes.reject("extra_usage", "its fields", "none of them")
    elif "used_credits" not in stated and "monthly_limit" in stated and shape.is_enabled is not False:
        notes.reject("extra_usage.used_credits", "a number", "nothing")
    used = None if _unfetched(shape) else shape.used_credits
    return _Statement(
        place="extra_usage",
        used=_amount(used, shape.currency, shape.decimal_places),
        cap=_amount(shape.monthly_limit, shape.currency, shape.decimal_places),
        null_cap=_is_null(shape, "monthly_limit", "extra_usage", notes),
        enabled=shape.is_enabled,
        reason=shape.disabled_reason,
        currency=shape.currency,
        scale=shape.decimal_places,
    )


def _overage(row: OverageShape, notes: DriftNotes) -> _Statement:
    used, cap, scale = None if _unfetched(row) else row.used_credits, row.monthly_credit_limit, None
    stated = row.model_fields_set
    if cap is None and row.monthly_limit is not None:
        cap = row.monthly_limit
        notes.add("overage.monthly_limit: taken for monthly_credit_limit")
    legacy = used is None and "used_credits" not in stated and row.balance_cents is not None
    if legacy or (cap is None and row.spend_limit_amount_cents is not None):
        used = row.balance_cents if legacy else used
        cap = row.spend_limit_amount_cents if cap is None else cap
        scale = 2
        notes.add("overage: amounts in old fields (…_cents), of low trust")
    elif "used_credits" not in stated and row.is_enabled is not False:
        notes.reject("overage.used_credits", "a number", "nothing")
    currency = row.currency or row.spend_limit_currency
    return _Statement(
        place="overage",
        used=_amount(used, currency, scale),
        cap=_amount(cap, currency, scale),
        null_cap=_is_null(row, "monthly_credit_limit", "overage", notes) and cap is None,
        enabled=row.is_enabled,
        reason=row.disabled_reason,
        currency=currency,
        scale=scale,
    )


def _unfetched(shape: ExtraUsageShape | OverageShape) -> bool:
    """The service itself could not fetch the numbers, and a zero beside that is no reading."""
    return shape.disabled_reason == "fetch_error" and not shape.used_credits


def _amount(minor: Decimal | None, currency: str | None, scale: int | None) -> _Amount | None:
    return None if minor is None else _Amount(minor, currency, scale)


def _is_null(shape: ExtraUsageShape | OverageShape, name: str, path: str, notes: DriftNotes) -> bool:
    """Stated as null, as opposed to left out or rejected."""
    return (
        name in shape.model_fields_set
        and getattr(shape, name) is None
        and f"{path}.{name}" not in notes.rejected
    )


def _merge(
    statements: list[_Statement],
    extra: ExtraUsageShape | None,
    row: OverageShape | None,
    notes: DriftNotes,
    *,
    why_known: bool,
) -> ExtraUsage:
    money = _Scales(statements)
    used = next((s for s in statements if s.used is not None), None)
    cap = _cap_stated(statements)
    used_money = None if used is None else money.of(used.used)
    cap_money = None if cap is None else money.of(cap.cap)
    disagreed = _compare(statements, money, notes)
    if extra is not None and extra.spend_limit_reached and used_money and cap_money:
        _compare_flag(used_money, cap_money, notes)
    reason = _reason([row.disabled_reason if row else None, *(s.reason for s in statements)])
    return ExtraUsage(
        enabled=_first(s.enabled for s in statements),
        used=used_money,
        cap=cap_money,
        cap_known=cap is not None,
        currency=used_money.currency if used_money else cap_money.currency if cap_money else money.currency,
        assumed=money.assumed,
        out_of_credits=row.out_of_credits if row else None,
        spend_limit_reached=extra.spend_limit_reached if extra else None,
        reason=reason,
        reason_class=_class_of(reason, extra),
        disabled_until=row.disabled_until if row else None,
        why_known=why_known and not (row and row.disabled_reason == "fetch_error"),
        comparable=not _before_discount(row, used, notes, disagreed=disagreed),
    )


def _cap_stated(statements: list[_Statement]) -> _Statement | None:
    """The first with a cap, or with the word that there is none; failing both, any whose cap is null."""
    decided = next((s for s in statements if s.cap is not None or s.unlimited), None)
    return decided or next((s for s in statements if s.null_cap), None)


def _reason(reasons: Iterable[str | None]) -> str | None:
    """The first reason whose class is known, else the first at all."""
    stated = [reason for reason in reasons if reason is not None]
    return _first([*(reason for reason in stated if _listed(reason)), *stated])


def _listed(reason: str) -> ReasonClass | None:
    known = _REASONS.get(reason)
    return known or (ReasonClass.ADMIN if _BY_AN_ADMIN.fullmatch(reason) else None)


class _Scales:
    """Currencies and scales: each amount's own, else its siblings', else the standard's, else assumed."""

    def __init__(self, statements: list[_Statement]) -> None:
        self.currency = _first(s.currency for s in statements)
        self._marks: set[str] = set()
        self._scales: dict[str | None, int] = {}
        for statement in statements:
            if statement.scale is not None:
                self._scales.setdefault(statement.currency or self.currency, statement.scale)

    def of(self, amount: _Amount | None) -> Money | None:
        if amount is None:
            return None
        currency = amount.currency or self.currency
        if currency is None:
            currency = "USD"
            self._marks.add("currency")
        own = [amount.scale, self._scales.get(currency), self._scales.get(None), default_exponent(currency)]
        scale = _first(own)
        if scale is None:
            scale = 2
            self._marks.add("scale")
        return Money(amount.minor, currency, scale)

    @property
    def assumed(self) -> tuple[str, ...]:
        """What no body stated."""
        return tuple(sorted(self._marks))


def _compare(statements: list[_Statement], money: _Scales, notes: DriftNotes) -> bool:
    """Notes where two places differ; True when they differ in what was used."""
    ours = [s for s in statements if s.body == "usage" and _speaks(s)]
    row = next((s for s in statements if s.body == "overage"), None)
    for one, other in pairwise(ours):
        _differ("cap", (one.place, money.of(one.cap)), (other.place, money.of(other.cap)), notes)
        _differ("used", (one.place, money.of(one.used)), (other.place, money.of(other.used)), notes)
    if row is None:
        return False
    used = next((s for s in ours if s.used is not None), None)
    cap = next((s for s in ours if s.cap is not None or s.unlimited), None)
    row_cap = money.of(row.cap)
    if cap is not None and cap.cap is None and row_cap is not None:
        notes.add(f"cap: usage none, overage {plain(row_cap)}")
    elif cap is not None:
        _differ("cap", ("usage", money.of(cap.cap)), ("overage", row_cap), notes)
    return used is not None and _differ(
        "used", ("usage", money.of(used.used)), ("overage", money.of(row.used)), notes
    )


def _speaks(statement: _Statement) -> bool:
    """`spend` states a zero even where nothing was ever bought: that is no contradiction."""
    if statement.place != "spend":
        return True
    return statement.cap is not None or (statement.used is not None and statement.used.minor > 0)


def _differ(
    what: str, one: tuple[str, Money | None], other: tuple[str, Money | None], notes: DriftNotes
) -> bool:
    """Notes a difference. Less than one minor unit in `used` is rounding: some places carry fractions."""
    (here, a), (there, b) = one, other
    if a is None or b is None:
        return False
    if a.currency != b.currency:
        notes.add(f"currency: {here} {a.currency}, {there} {b.currency}")
        return True
    gap = abs(a.major - b.major)
    rounding = Decimal(1).scaleb(-min(a.exponent, b.exponent)) if what == "used" else Decimal(0)
    if gap == 0 or gap < rounding:
        return False
    notes.add(f"{what}: {here} {plain(a)}, {there} {plain(b)}")
    return True


def _compare_flag(used: Money, cap: Money, notes: DriftNotes) -> None:
    if used.currency == cap.currency and used.major < cap.major:
        notes.add(
            f"extra_usage.spend_limit_reached: true although used {plain(used)} is below the cap {plain(cap)}"
        )


def _class_of(reason: str | None, extra: ExtraUsageShape | None) -> ReasonClass | None:
    known = None if reason is None else _listed(reason)
    if known is not None:
        return known
    if extra is not None and extra.user_disabled:
        return ReasonClass.USER_OFF
    if reason is not None:
        return ReasonClass.UNKNOWN
    never = extra is not None and extra.credits_ever_enabled is False
    return ReasonClass.NEVER_SET_UP if never else None


def _before_discount(
    row: OverageShape | None, used: _Statement | None, notes: DriftNotes, *, disagreed: bool
) -> bool:
    """Whether `used` is what it was before a discount, so that reaching the cap proves nothing."""
    if row is None or row.used_credits_basis != "pre_discount" or not row.discount_percent:
        return False
    if used is None or disagreed:
        return False
    notes.add("overage.used_credits: before a discount, not comparable with the cap")
    return True


def _not_metered(extra: ExtraUsage) -> bool:
    """Never set up, or switched off by its owner, with nothing spent."""
    if extra.used is not None and extra.used.minor > 0:
        return False
    if extra.reason_class is ReasonClass.NEVER_SET_UP:
        return True
    blocked = extra.out_of_credits or extra.spend_limit_reached
    silent = extra.reason_class in {None, ReasonClass.USER_OFF}
    return silent and extra.enabled is not True and extra.cap is None and not blocked


def _amount_rejected(extra: ExtraUsage, notes: DriftNotes) -> bool:
    """An amount that is not known stood in a body and was refused."""
    if extra.used is not None and extra.cap_known:
        return False
    fields = ["extra_usage", "spend", "overage"]
    if extra.used is None:
        fields += [
            "extra_usage.used_credits",
            "spend.used",
            "spend.used.amount_minor",
            "overage.used_credits",
        ]
    if not extra.cap_known:
        fields += ["extra_usage.monthly_limit", "spend.limit", "spend.limit.amount_minor"]
        fields += ["overage.monthly_credit_limit", "overage.monthly_limit"]
    return not notes.rejected.isdisjoint(fields)


def _first(values: Iterable[_T | None]) -> _T | None:
    return next((value for value in values if value is not None), None)
