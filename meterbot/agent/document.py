"""What may leave this machine: numbers, flags, dates, ids and code words, in the fields that are listed here.

Everything else stays here: names, e-mail addresses, card details, free text, and every field that is new to this
version. Where a listed field holds something unexpected, `{}` is sent in its place, and meterbot decides what that
means.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from meterbot.agent.network import Problem

FLAG = re.compile("true|false")
NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:?\d\d)", re.ASCII)
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
CODE = re.compile(r"[a-z][a-z0-9_]{0,59}")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .+_-]{0,39}")  # the name of a model or of a product
CURRENCY = re.compile(r"[A-Za-z]{3}")
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
SECRET = re.compile(r"sk-ant-|mbpush_|xox[a-z]-|xapp-|\beyJ")

SNAPSHOT = ("org_uuid", "account_uuid", "fetched_at", "stale", "usage", "overage", "subscription")
# Objects and lists of objects. A scope, a model and a surface may also be a mere label.
OBJECTS = re.compile(
    "usage|limits|model_scoped|extra_usage|spend|used|limit|balance|overage|subscription|scheduled_downgrade"
    "|gift_details|scope|model|surface|(five_hour|seven_day)(?!_breakdown$)(_[a-z0-9_]{1,60})?"
)
VALUES = {
    FLAG: "stale is_active is_enabled user_disabled spend_limit_reached credits_ever_enabled enabled auto_reload "
    "out_of_credits has_schedule",
    NUMBER: "utilization percent limit_dollars used_dollars remaining_dollars monthly_limit used_credits "
    "decimal_places amount_minor exponent monthly_credit_limit discount_percent spend_limit_amount_cents "
    "balance_cents",
    TIME: "fetched_at resets_at disabled_until next_charge_at plan_ending_at payment_paused_until",
    DAY: "next_charge_date plan_ending_before paid_through",
    ID: "org_uuid account_uuid organization_uuid",
    CODE: "kind group severity disabled_reason limit_type used_credits_basis status billing_interval plan_type plan",
    LABEL: "id display_name scope model surface",
    CURRENCY: "currency spend_limit_currency",
    EMAIL: "account_email",
}
FIELDS = {name: pattern for pattern, names in VALUES.items() for name in names.split()}


def parse_json(text: bytes) -> Any:
    """The value of a JSON document. Raises `ValueError`.

    NaN, infinity, and a key that an object has twice become `...`, which no field accepts.
    """
    try:
        return json.loads(
            text.decode("utf-8-sig"),
            parse_float=_exact,
            parse_constant=lambda _: ...,
            object_pairs_hook=_object,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def snapshot(usage: Any, org: str, account: str, fetched_at: float) -> dict[str, Any]:
    """What is sent for one body of `/usage`, read at `fetched_at` (seconds since 1970)."""
    moment = datetime.fromtimestamp(fetched_at, timezone.utc).isoformat(timespec="milliseconds")
    at = moment.replace("+00:00", "Z")
    return only_listed({"org_uuid": org, "account_uuid": account, "fetched_at": at, "usage": usage}, SNAPSHOT)


def from_claude_meter(text: bytes, *, email: bool = False) -> list[dict[str, Any]]:
    """What is sent for claude-meter's JSON, an object or a list. Raises `Problem`."""
    try:
        value = parse_json(text)
    except ValueError:
        value = None
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, dict) for item in items):
        raise Problem("this is not what `claude-meter --json` prints: an object, or a list of them")
    return [only_listed(item, (*SNAPSHOT, "account_email") if email else SNAPSHOT) for item in items]


def render(snapshots: list[dict[str, Any]]) -> bytes:
    """The bytes to send."""
    return (json.dumps(snapshots[0] if len(snapshots) == 1 else snapshots, indent=1) + "\n").encode()


def only_listed(value: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """A snapshot without everything that is not listed. Of its errors only the number is sent."""
    errors = value.get("errors")
    number = len(errors) if isinstance(errors, list) else 0
    return {**{name: _allowed(value.get(name), name) for name in fields}, "errors": [{}] * number}


def _allowed(value: Any, name: str) -> Any:
    """The part of the field `name` that may be sent."""
    if OBJECTS.fullmatch(name):
        if isinstance(value, dict):
            known = [key for key in value if key in FIELDS or OBJECTS.fullmatch(key)]
            return {key: _allowed(value[key], key) for key in known}
        if isinstance(value, list):
            return [_allowed(item, name) for item in value[:40]]
    return value if value is None or (name in FIELDS and _fits(value, FIELDS[name])) else {}


def _fits(value: Any, pattern: re.Pattern[str]) -> bool:
    if isinstance(value, (bool, int, float)):
        return pattern is FLAG if isinstance(value, bool) else pattern in {NUMBER, TIME}
    return isinstance(value, str) and pattern.fullmatch(value) is not None and not SECRET.search(value)


def _exact(digits: str) -> float | str:
    """A number as it was written: as text where a float would change its value."""
    number = float(digits)
    return number if math.isfinite(number) and Decimal(repr(number)) == Decimal(digits) else digits


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    return {key: value if keys.count(key) == 1 else ... for key, value in pairs}
