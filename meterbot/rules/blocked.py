"""Is a seat blocked, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from meterbot.core.models import ExtraUsage, ReasonClass, Window

_SWITCHED_OFF = {ReasonClass.ADMIN, ReasonClass.USER_OFF, ReasonClass.NEVER_SET_UP}


@dataclass(frozen=True, slots=True)
class Block:
    """`until` is set while the wire's date is ahead. `hard`: a plan window is full too, so the next prompt is
    refused; None when the windows are unknown."""

    reason: Literal["cap", "balance", "unknown"]
    until: datetime | None
    hard: bool | None


def block_of(extra: ExtraUsage | None, windows: Iterable[Window] | None, now: datetime) -> Block | None:
    """The block these facts prove, or None. None is "no evidence of a block", not a proof of its end."""
    if extra is None:
        return None
    over_cap = _spent_its_cap(extra)
    if extra.reason_class in {ReasonClass.CAP, ReasonClass.BALANCE}:
        reason: Literal["cap", "balance", "unknown"] = (
            "cap" if extra.reason_class is ReasonClass.CAP else "balance"
        )
    elif extra.spend_limit_reached or (over_cap and extra.reason_class not in _SWITCHED_OFF):
        reason = "cap"
    elif extra.out_of_credits:
        # Below the cap, the prepaid credits are what ran out; over it, either may be meant.
        reason = "cap" if over_cap else "unknown" if extra.used is None else "balance"
    else:
        return None
    until = extra.disabled_until
    return Block(
        reason=reason,
        until=until if until is not None and until > now else None,
        hard=_any_full(windows),
    )


def _any_full(windows: Iterable[Window] | None) -> bool | None:
    if windows is None:
        return None
    known = list(windows)
    if any(window.full for window in known):
        return True
    return None if any(window.utilization is None for window in known) else False


def _spent_its_cap(extra: ExtraUsage) -> bool:
    used, cap = extra.used, extra.cap
    if used is None or cap is None or not extra.comparable or used.currency != cap.currency:
        return False
    return used.minor > 0 and used.major >= cap.major
