"""What may leave this machine: numbers, flags, and single words such as dates, ids and codes, in the fields listed here.

Everything else stays here: names, e-mail addresses, card details, free text, and every field that is new to this
version. Where a listed field holds something else, `{}` is sent in its place. meterbot judges what the values mean.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any

WORD = re.compile(r"[A-Za-z0-9-][A-Za-z0-9.:+_-]{0,39}")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .+_-]{0,39}")
SECRET = re.compile(r"sk-ant-|mbpush_|xox[a-z]-|xapp-|eyJ")

# Objects, and lists of objects.
OBJECTS = re.compile(
    "usage|limits|model_scoped|extra_usage|spend|used|limit|balance|overage|subscription|scheduled_downgrade"
    "|gift_details|scope|model|surface|(five_hour|seven_day)(?!_breakdown$)(_[a-z0-9_]{1,60})?"
)
# Names of models and products, which may have several words.
LABELS = re.compile("id|display_name|scope|model|surface")
WORDS = re.compile(
    "is_active|is_enabled|user_disabled|spend_limit_reached|credits_ever_enabled|enabled|auto_reload|out_of_credits"
    "|has_schedule|utilization|percent|limit_dollars|used_dollars|remaining_dollars|monthly_limit|used_credits"
    "|decimal_places|amount_minor|exponent|monthly_credit_limit|discount_percent|spend_limit_amount_cents|balance_cents"
    "|resets_at|disabled_until|next_charge_at|plan_ending_at|payment_paused_until|next_charge_date|plan_ending_before"
    "|paid_through|account_uuid|organization_uuid|kind|group|severity|disabled_reason|limit_type|used_credits_basis"
    "|status|billing_interval|plan_type|plan|currency|spend_limit_currency"
)
FIELDS = re.compile("|".join(each.pattern for each in (OBJECTS, LABELS, WORDS)))
LARGEST_NUMBER = 1e15


def snapshot(usage: Any, org: str, account: str, fetched_at: float) -> dict[str, Any]:
    """What is sent for one body of `/usage`, read at `fetched_at` (seconds since 1970)."""
    moment = datetime.fromtimestamp(fetched_at, timezone.utc).isoformat(timespec="milliseconds")
    whose = {"org_uuid": word(org), "account_uuid": word(account)}
    return {
        **whose,
        "fetched_at": moment.replace("+00:00", "Z"),
        "usage": allowed(usage, "usage"),
        "errors": [],
    }


def render(document: Any) -> bytes:
    """The bytes to send."""
    return (json.dumps(document, indent=1) + "\n").encode()


def allowed(value: Any, name: str) -> Any:
    """The part of the field `name` that may be sent."""
    if OBJECTS.fullmatch(name) and isinstance(value, dict):
        return {key: allowed(part, key) for key, part in value.items() if FIELDS.fullmatch(key)}
    if OBJECTS.fullmatch(name) and isinstance(value, list):
        return [allowed(item, name) for item in value[:40]]
    if LABELS.fullmatch(name):
        return word(value, LABEL)
    return word(value) if value is None or WORDS.fullmatch(name) else {}


def word(value: Any, pattern: re.Pattern[str] = WORD) -> Any:
    """A number, a flag, null, or a text that fits the pattern; `{}` for anything else."""
    if isinstance(value, str):
        return value if pattern.fullmatch(value) and not SECRET.search(value) else {}
    if isinstance(value, (int, float)):
        return value if abs(value) < LARGEST_NUMBER else {}  # neither infinity nor NaN is smaller
    return None if value is None else {}
