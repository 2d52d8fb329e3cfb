"""The kind of each `disabled_reason` of extra usage."""

import re
from collections.abc import Iterable

from meterbot.core.models import ReasonClass

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

FETCH_ERROR = "fetch_error"
"""The service itself could not fetch the numbers."""


def known_class(reason: str | None) -> ReasonClass | None:
    """None for a reason that is not listed: it is then shown as it is."""
    if reason is None:
        return None
    return _CLASSES.get(reason) or (ReasonClass.ADMIN if _ADMIN_FAMILIES.fullmatch(reason) else None)


def best_reason(reasons: Iterable[str | None]) -> str | None:
    """The first reason whose class is known, else the first one."""
    stated = [reason for reason in reasons if reason is not None]
    listed = [reason for reason in stated if known_class(reason) is not None]
    return next(iter([*listed, *stated]), None)
