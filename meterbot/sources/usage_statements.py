"""What the three places with the counter say: `spend`, `extra_usage`, and the overage row."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeVar

from meterbot.core.money import Money, default_exponent
from meterbot.sources.billing import auto_reload
from meterbot.sources.fields import DriftNotes, Shape, note_missing, read
from meterbot.sources.responses import Missing
from meterbot.sources.wire import AmountShape, ExtraUsageShape, OverageShape, SpendShape

FETCH_ERROR = "fetch_error"
"""The reason that says that the service itself could not fetch the numbers."""

_OVERAGE_FIELDS = {
    "is_enabled", "monthly_credit_limit", "used_credits", "out_of_credits", "disabled_reason", "disabled_until",
    "monthly_limit", "spend_limit_amount_cents", "balance_cents",
}  # fmt: skip

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class StatedAmount:
    """Minor units. `currency` and `scale` are None if the amount itself does not have them."""

    minor: Decimal
    currency: str | None
    scale: int | None


@dataclass(frozen=True, slots=True)
class Statement:
    """`null_cap`: the place has a cap, and it is null."""

    place: Literal["spend", "extra_usage", "overage"]
    used: StatedAmount | None
    cap: StatedAmount | None
    null_cap: bool
    enabled: bool | None
    reason: str | None
    currency: str | None
    scale: int | None
    balance: StatedAmount | None = None
    auto_reload: bool | None = None

    @property
    def unlimited(self) -> bool:
        """A null cap means "no cap" while money can be spent; otherwise perhaps none was ever set. A null cap in
        `spend` decides nothing, because real caps are in other places."""
        enabled = self.enabled is True and self.used is not None
        return self.null_cap and enabled and self.place != "spend"

    @property
    def silent(self) -> bool:
        """`spend` has a zero even if nothing was ever bought, so a zero alone contradicts no other place."""
        return self.place == "spend" and self.cap is None and (self.used is None or not self.used.minor)


class Scales:
    """Currencies and scales: the amount's own, else those of its siblings, else the standard's, else assumed.
    `assumed` names what no body stated of the amounts that were asked for: `currency`, `scale`."""

    def __init__(self, statements: Sequence[Statement]) -> None:
        self.currency = first(each.currency for each in statements)
        self.assumed: set[str] = set()
        self._scales: dict[str | None, int] = {}
        for statement in statements:
            if statement.scale is not None:
                self._scales.setdefault(statement.currency or self.currency, statement.scale)

    def money(self, amount: StatedAmount | None) -> Money | None:
        if amount is None:
            return None
        currency = amount.currency or self.currency
        if currency is None:
            currency = "USD"
            self.assumed.add("currency")
        siblings = self._scales.get(currency), self._scales.get(None)
        scale = first([amount.scale, *siblings, default_exponent(currency)])
        if scale is None:
            scale = 2
            self.assumed.add("scale")
        return Money(amount.minor, currency, scale)


def overage_row(
    value: object, notes: DriftNotes, *, account: str | None, org: str | None, team: bool
) -> OverageShape | Missing:
    """The seat's own row of an `/overage_spend_limit` body.

    `team`: several people share the organization, so its `limit_type: organization` row is everybody's. In a personal
    organization that row is the person's own.
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


def statements_of(
    spend: SpendShape | None, extra: ExtraUsageShape | None, row: OverageShape | None, notes: DriftNotes
) -> list[Statement]:
    """What each place says, the most trusted first."""
    statements = [] if spend is None else [_spend_statement(spend, notes)]
    statements += [] if extra is None else [_extra_usage_statement(extra, notes)]
    statements += [] if row is None else [_overage_statement(row, notes)]
    return sorted(statements, key=lambda each: each.silent)


def _spend_statement(shape: SpendShape, notes: DriftNotes) -> Statement:
    if not shape.model_fields_set:
        notes.reject("spend", "its fields", "none of them")
    for name, amount in (("used", shape.used), ("limit", shape.limit)):
        if amount is not None and amount.amount_minor is None:
            note_missing(amount, "amount_minor", f"spend.{name}", "a number", notes)
    amounts = [amount for amount in (shape.used, shape.limit) if amount is not None]
    return Statement(
        place="spend",
        used=_of_shape(shape.used),
        cap=_of_shape(shape.limit),
        null_cap=_is_null(shape, "limit", "spend", notes),
        enabled=shape.enabled,
        reason=shape.disabled_reason,
        # An amount that cannot be parsed still has its currency and scale, which others need.
        currency=first(amount.currency for amount in amounts),
        scale=first(amount.exponent for amount in amounts),
        balance=_of_shape(shape.balance),
        auto_reload=auto_reload(shape.auto_reload),
    )


def _of_shape(shape: AmountShape | None) -> StatedAmount | None:
    return None if shape is None else _stated(shape.amount_minor, shape.currency, shape.exponent)


def _extra_usage_statement(shape: ExtraUsageShape, notes: DriftNotes) -> Statement:
    fields = shape.model_fields_set
    if not fields:
        notes.reject("extra_usage", "its fields", "none of them")
    elif "used_credits" not in fields and "monthly_limit" in fields and shape.is_enabled is not False:
        notes.reject("extra_usage.used_credits", "a number", "nothing")
    used = None if _could_not_fetch(shape) else shape.used_credits
    return Statement(
        place="extra_usage",
        used=_stated(used, shape.currency, shape.decimal_places),
        cap=_stated(shape.monthly_limit, shape.currency, shape.decimal_places),
        null_cap=_is_null(shape, "monthly_limit", "extra_usage", notes),
        enabled=shape.is_enabled,
        reason=shape.disabled_reason,
        currency=shape.currency,
        scale=shape.decimal_places,
    )


def _overage_statement(row: OverageShape, notes: DriftNotes) -> Statement:
    used, cap, scale = None if _could_not_fetch(row) else row.used_credits, row.monthly_credit_limit, None
    fields = row.model_fields_set
    if cap is None and row.monthly_limit is not None:
        cap = row.monthly_limit
        notes.add("overage.monthly_limit: taken for monthly_credit_limit")
    old_used = used is None and "used_credits" not in fields and row.balance_cents is not None
    if old_used or (cap is None and row.spend_limit_amount_cents is not None):
        used = row.balance_cents if old_used else used
        cap = row.spend_limit_amount_cents if cap is None else cap
        scale = 2
        notes.add("overage: amounts in old fields (…_cents), of low trust")
    elif "used_credits" not in fields and row.is_enabled is not False:
        notes.reject("overage.used_credits", "a number", "nothing")
    currency = row.currency or row.spend_limit_currency
    return Statement(
        place="overage",
        used=_stated(used, currency, scale),
        cap=_stated(cap, currency, scale),
        null_cap=_is_null(row, "monthly_credit_limit", "overage", notes) and cap is None,
        enabled=row.is_enabled,
        reason=row.disabled_reason,
        currency=currency,
        scale=scale,
    )


def _could_not_fetch(shape: ExtraUsageShape | OverageShape) -> bool:
    """With this reason, zero is no reading."""
    return shape.disabled_reason == FETCH_ERROR and not shape.used_credits


def _stated(minor: Decimal | None, currency: str | None, scale: int | None) -> StatedAmount | None:
    return None if minor is None else StatedAmount(minor, currency, scale)


def _is_null(shape: Shape, name: str, path: str, notes: DriftNotes) -> bool:
    """Present and null, not missing or rejected."""
    stated = name in shape.model_fields_set and getattr(shape, name) is None
    return stated and f"{path}.{name}" not in notes.rejected


def first(values: Iterable[_T | None]) -> _T | None:
    """The first that is not None."""
    return next((value for value in values if value is not None), None)
