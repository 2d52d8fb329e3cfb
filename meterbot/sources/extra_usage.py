"""One organization's extra usage, combined from the bodies that show it.

One counter is in up to three places. The first that has an amount wins: `spend` (with a limit or a used amount),
`extra_usage`, the overage row. Only the row says until when a seat is blocked and whether its credits are used up. A
note says where two places differ. In a shared organization `/usage` may show everybody's total, so a member's own row
wins there.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from meterbot.core.models import Balance, ExtraUsage, ReasonClass
from meterbot.core.money import Money, plain
from meterbot.sources.fields import DriftNotes, read
from meterbot.sources.responses import Missing
from meterbot.sources.usage_statements import FETCH_ERROR, Scales, Statement, first, statements_of
from meterbot.sources.wire import ExtraUsageShape, OverageShape, SpendShape

_USED_FIELDS = {
    "extra_usage": "extra_usage.used_credits", "spend": "spend.used.amount_minor", "overage": "overage.used_credits",
}  # fmt: skip
_USED_PATHS = {*_USED_FIELDS.values(), "spend.used"}
_CAP_PATHS = {
    "extra_usage.monthly_limit", "spend.limit", "spend.limit.amount_minor",
    "overage.monthly_credit_limit", "overage.monthly_limit",
}  # fmt: skip
_SECTIONS = {"extra_usage", "spend", "overage"}

_CLASSES = {
    "self_selected_spend_limit_reached": ReasonClass.CAP,
    "org_level_disabled_until": ReasonClass.CAP,  # A monthly cap was reached, despite the name.
    "org_spend_cap_reached": ReasonClass.CAP,
    "out_of_credits": ReasonClass.BALANCE,
    "overage_not_provisioned": ReasonClass.NEVER_SET_UP,
    "no_limits_configured": ReasonClass.NEVER_SET_UP,
    "org_level_disabled": ReasonClass.ADMIN,
    "org_service_level_disabled": ReasonClass.ADMIN,
}
_ADMIN_FAMILIES = re.compile("(seat_tier|member|group)_.*|.*_zero_credit_limit")


@dataclass(frozen=True, slots=True)
class Metering:
    """`extra` None with `read` True: not metered. `read` False: the bodies do not contain the amount used, and
    `extra` has what else they say. `lost`: an amount was there but could not be parsed. `usage_is_total`: `/usage` has
    the organization's amounts, and only the row has the member's; None: the bodies do not tell."""

    extra: ExtraUsage | None
    read: bool
    lost: bool
    usage_is_total: bool | None = None


def metering_of(
    usage: dict[str, object] | None,
    overage: OverageShape | Missing,
    notes: DriftNotes,
    *,
    team: bool = False,
    enterprise: bool = False,
    usage_is_total: bool = False,
) -> Metering:
    """What is metered, from a `/usage` body (None: it could not be read) and the seat's overage row.

    `team`: several people share the organization. `enterprise`: its plan is Enterprise, where null amounts are
    hidden, not zero. `usage_is_total`: an earlier reading showed that `/usage` has the organization's amounts.
    """
    bodies = usage or {}
    extra = read(ExtraUsageShape, bodies.get("extra_usage"), "extra_usage", notes)
    spend = read(SpendShape, bodies.get("spend"), "spend", notes)
    row = overage if isinstance(overage, OverageShape) else None
    statements = statements_of(spend, extra, row, notes)
    scales = Scales(statements)
    _note_differences(statements, scales, notes)
    compared = _is_total(statements, scales)
    found = compared if team else None
    # Spend between the two requests makes them differ as well; the next agreeing reading corrects it.
    total = team and (usage_is_total if found is None else found)
    if total:
        statements, extra = [each for each in statements if each.place == "overage"], None
        notes.add("usage: not this member's own amounts, the member's row counts")
        if row is None:
            return Metering(None, read=False, lost=False, usage_is_total=found)
    result = _merge(
        statements,
        scales,
        extra,
        row,
        notes,
        why_known=overage is not Missing.FAILED,
        differ=bool(compared) or total,
        team=team,
    )
    unsure = "currency" in result.assumed and any(path.endswith("currency") for path in notes.rejected)
    lost = unsure or _amount_rejected(result, notes)
    if not lost and _is_not_metered(result):
        answered = bool(statements) or (usage is not None and overage is Missing.ABSENT)
        hidden = enterprise and _says_nothing(result)
        return Metering(None, read=answered and not hidden, lost=False, usage_is_total=found)
    known = result.used is not None and not unsure
    return Metering(
        result if statements else None,
        read=known or (not lost and _tells_why(result)),
        lost=lost,
        usage_is_total=found,
    )


def _merge(
    statements: Sequence[Statement],
    scales: Scales,
    extra: ExtraUsageShape | None,
    row: OverageShape | None,
    notes: DriftNotes,
    *,
    why_known: bool,
    differ: bool,
    team: bool,
) -> ExtraUsage:
    used_by = next((each for each in statements if each.used is not None), None)
    cap_by = _cap_statement(statements)
    if team and differ and cap_by is not None and cap_by.cap is None:
        cap_by = None  # A member's null cap may also mean that nobody set one.
    used = None if used_by is None else scales.money(used_by.used)
    cap = None if cap_by is None else scales.money(cap_by.cap)
    if extra is not None and extra.spend_limit_reached and used and cap:
        _compare_flag(used, cap, notes)
    assumed = tuple(sorted(scales.assumed))  # the balance has no part in it
    reason = _best_reason([row.disabled_reason if row else None, *(each.reason for each in statements)])
    return ExtraUsage(
        enabled=first(each.enabled for each in statements),
        used=used,
        cap=cap,
        cap_known=cap_by is not None,
        currency=used.currency if used else cap.currency if cap else scales.currency,
        assumed=assumed,
        out_of_credits=row.out_of_credits if row else None,
        spend_limit_reached=extra.spend_limit_reached if extra else None,
        reason=reason,
        reason_class=_class_of(reason, extra),
        disabled_until=row.disabled_until if row else None,
        why_known=why_known and not (row and row.disabled_reason == FETCH_ERROR),
        comparable=not _is_before_discount(row, used, notes, differ=differ),
        balance=_balance(statements, scales, shared=team),
        used_field=_USED_FIELDS["extra_usage" if used_by is None else used_by.place],
    )


def _cap_statement(statements: Sequence[Statement]) -> Statement | None:
    """The first place with a cap or with "no cap"; otherwise any place whose cap is null."""
    decided = next((each for each in statements if each.cap is not None or each.unlimited), None)
    return decided or next((each for each in statements if each.null_cap), None)


def _balance(statements: Sequence[Statement], scales: Scales, *, shared: bool) -> Balance | None:
    by = next((each for each in statements if each.balance is not None), None)
    if by is None or by.balance is None or by.balance.currency is None:
        return None
    amount = scales.money(by.balance)
    return None if amount is None else Balance(amount, by.auto_reload, shared)


# Where the places differ.


def _split(statements: Sequence[Statement]) -> tuple[list[Statement], Statement | None]:
    """Those of `/usage`, and the overage row."""
    usage = [each for each in statements if each.place != "overage" and not each.silent]
    return usage, next((each for each in statements if each.place == "overage"), None)


def _note_differences(statements: Sequence[Statement], scales: Scales, notes: DriftNotes) -> None:
    """Notes where two places differ."""
    usage, row = _split(statements)
    found: list[str | None] = []
    for one, other in pairwise(usage):
        cap, other_cap = scales.money(one.cap), scales.money(other.cap)
        used, other_used = scales.money(one.used), scales.money(other.used)
        found.append(_difference("cap", one.place, cap, other.place, other_cap))
        found.append(_difference("used", one.place, used, other.place, other_used))
    if row is not None:
        row_cap, row_used = scales.money(row.cap), scales.money(row.used)
        capped = next((each for each in usage if each.cap is not None or each.unlimited), None)
        if capped is not None and capped.cap is None and row_cap is not None:
            found.append(f"cap: usage none, overage {plain(row_cap)}")
        elif capped is not None:
            found.append(_difference("cap", "usage", scales.money(capped.cap), "overage", row_cap))
        usage_used = scales.money(first(each.used for each in usage))
        found.append(_difference("used", "usage", usage_used, "overage", row_used))
    for note in filter(None, found):
        notes.add(note)


def _is_total(statements: Sequence[Statement], scales: Scales) -> bool | None:
    """Whether `/usage` may have the organization's amounts: True if it and the row differ in the amount used, False if
    they agree in the cap and in money that was used. None if neither is shown: an amount of 0 is the same for the
    member and the organization."""
    usage, row = _split(statements)
    used = scales.money(first(each.used for each in usage))
    if row is None or row.used is None or used is None:
        return None
    if _difference("used", "usage", used, "overage", scales.money(row.used)) is not None:
        return True
    cap = scales.money(first(each.cap for each in usage))
    return False if used.minor > 0 and cap == scales.money(row.cap) else None


def _difference(what: str, here: str, a: Money | None, there: str, b: Money | None) -> str | None:
    """Less than one minor unit in `used` is rounding: some places have fractions."""
    if a is None or b is None:
        return None
    if a.currency != b.currency:
        return f"currency: {here} {a.currency}, {there} {b.currency}"
    gap = abs(a.major - b.major)
    rounding = Decimal(1).scaleb(-min(a.exponent, b.exponent)) if what == "used" else Decimal(0)
    if gap == 0 or gap < rounding:
        return None
    return f"{what}: {here} {plain(a)}, {there} {plain(b)}"


def _compare_flag(used: Money, cap: Money, notes: DriftNotes) -> None:
    if used.currency == cap.currency and used.major < cap.major:
        notes.add(
            f"extra_usage.spend_limit_reached: true although used {plain(used)} is below the cap {plain(cap)}"
        )


# What the whole means.


def _class_of(reason: str | None, extra: ExtraUsageShape | None) -> ReasonClass | None:
    known = _known_class(reason)
    if known is not None:
        return known
    if extra is not None and extra.user_disabled:
        return ReasonClass.USER_OFF
    if reason is not None:
        return ReasonClass.UNKNOWN
    never = extra is not None and extra.credits_ever_enabled is False
    return ReasonClass.NEVER_SET_UP if never else None


def _is_before_discount(
    row: OverageShape | None, used: Money | None, notes: DriftNotes, *, differ: bool
) -> bool:
    """Whether `used` contains what a discount later takes off, so that reaching the cap does not prove a block."""
    if row is None or row.used_credits_basis != "pre_discount" or not row.discount_percent:
        return False
    if used is None or differ:
        return False
    notes.add("overage.used_credits: before a discount, not comparable with the cap")
    return True


def _tells_why(extra: ExtraUsage) -> bool:
    """Whether there is a reason or a flag: that is an answer, even if every amount is null."""
    named = extra.reason_class not in {None, ReasonClass.UNKNOWN}
    return named or bool(extra.out_of_credits or extra.spend_limit_reached)


def _is_not_metered(extra: ExtraUsage) -> bool:
    """Whether extra usage was never set up, or was switched off by its owner without any spend."""
    if extra.used is not None and extra.used.minor > 0:
        return False
    if extra.reason_class is ReasonClass.NEVER_SET_UP:
        return True
    blocked = extra.out_of_credits or extra.spend_limit_reached
    silent = extra.reason_class in {None, ReasonClass.USER_OFF}
    return silent and extra.enabled is not True and extra.cap is None and not blocked


def _says_nothing(extra: ExtraUsage) -> bool:
    """Whether the bodies have no amount and no reason, only that extra usage was never enabled."""
    no_reason = extra.reason is None and extra.reason_class is not ReasonClass.USER_OFF
    return extra.used is None and extra.cap is None and no_reason


def _amount_rejected(extra: ExtraUsage, notes: DriftNotes) -> bool:
    """Whether an amount was in a body and was rejected."""
    if extra.used is not None and extra.cap_known:
        return False
    paths = _SECTIONS | (_USED_PATHS if extra.used is None else set())
    paths |= set() if extra.cap_known else _CAP_PATHS
    return not notes.rejected.isdisjoint(paths)


def _known_class(reason: str | None) -> ReasonClass | None:
    """None for a reason that is not listed: it is then shown as it is."""
    if reason is None:
        return None
    return _CLASSES.get(reason) or (ReasonClass.ADMIN if _ADMIN_FAMILIES.fullmatch(reason) else None)


def _best_reason(reasons: Sequence[str | None]) -> str | None:
    """The first reason whose class is known, else the first one."""
    stated = [reason for reason in reasons if reason is not None]
    listed = [reason for reason in stated if _known_class(reason) is not None]
    return next(iter([*listed, *stated]), None)
