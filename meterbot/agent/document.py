"""What may leave this machine: numbers, flags, dates, ids and code words, each only in a field listed here for its
kind.

Everything else stays here: names, e-mail addresses, card details, free text, and every field that is new to this
version. Where a listed field holds something else, `{}` is sent in its place. meterbot judges what the values mean.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any

FLAG = re.compile("true|false")
NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
TIME = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:?\d\d))?", re.ASCII)
ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")
CURRENCY = re.compile(r"[A-Za-z]{3}")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .+_-]{0,39}")  # a model or a product, which may have several words
SECRET = re.compile(r"\bsk-|\bgh[a-z]_|github_pat_|glpat-|AKIA|mbpush_|xox[a-z]-|xapp-|\beyJ")

# Objects, and lists of objects.
OBJECTS = re.compile(
    "usage|limits|model_scoped|extra_usage|spend|used|limit|balance|overage|subscription|scheduled_downgrade"
    "|gift_details|scope|model|surface|(five_hour|seven_day)(?!_breakdown$)(_[a-z0-9_]{1,60})?"
)
KINDS = {
    FLAG: "stale is_active is_enabled user_disabled spend_limit_reached credits_ever_enabled enabled auto_reload "
    "out_of_credits has_schedule",
    NUMBER: "utilization percent limit_dollars used_dollars remaining_dollars monthly_limit used_credits "
    "decimal_places amount_minor exponent monthly_credit_limit discount_percent spend_limit_amount_cents balance_cents",
    TIME: "fetched_at resets_at disabled_until next_charge_at plan_ending_at payment_paused_until next_charge_date "
    "plan_ending_before paid_through",
    ID: "org_uuid account_uuid organization_uuid",
    CODE: "kind group severity disabled_reason limit_type used_credits_basis status billing_interval plan_type plan",
    CURRENCY: "currency spend_limit_currency",
    LABEL: "id display_name scope model surface",
}
FIELDS = {name: kind for kind, names in KINDS.items() for name in names.split()}
LARGEST_NUMBER = 1e15


def snapshot(usage: Any, org: str, account: str, fetched_at: float) -> dict[str, Any]:
    """What is sent for one body of `/usage`, read at `fetched_at` (seconds since 1970)."""
    moment = datetime.fromtimestamp(fetched_at, timezone.utc).isoformat(timespec="milliseconds")
    at = moment.replace("+00:00", "Z")
    body = {"org_uuid": org, "account_uuid": account, "fetched_at": at, "usage": usage}
    return {**{name: allowed(value, name) for name, value in body.items()}, "errors": []}


def render(document: Any) -> bytes:
    """The bytes to send."""
    return (json.dumps(document, indent=1) + "\n").encode()


def allowed(value: Any, name: str) -> Any:
    """The part of the field `name` that may be sent."""
    if OBJECTS.fullmatch(name) and isinstance(value, dict):
        return {
            key: allowed(part, key) for key, part in value.items() if key in FIELDS or OBJECTS.fullmatch(key)
        }
    if OBJECTS.fullmatch(name) and isinstance(value, list):
        return [allowed(item, name) for item in value[:40]]
    return value if value is None or (name in FIELDS and _fits(value, FIELDS[name])) else {}


def _fits(value: Any, kind: re.Pattern[str]) -> bool:
    if isinstance(value, bool):
        return kind is FLAG
    if isinstance(value, (int, float)):  # neither infinity nor NaN is smaller
        return kind in {NUMBER, TIME} and abs(value) < LARGEST_NUMBER
    return isinstance(value, str) and bool(kind.fullmatch(value)) and not SECRET.search(value)
