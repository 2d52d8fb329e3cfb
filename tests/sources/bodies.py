"""Real bodies, and arbitrary JSON to put in any place of them."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from meterbot.sources.exact_json import parse

USAGE: dict[str, Any] = {
    "five_hour": {"utilization": 12.5, "resets_at": "2026-07-30T17:00:00.440902+00:00"},
    "seven_day": {"utilization": 41, "resets_at": "2026-08-03T09:00:00Z"},
    "seven_day_opus": {"utilization": 3, "resets_at": None},
    "limits": [
        {"kind": "session", "percent": 12, "resets_at": None, "scope": None},
        {
            "kind": "weekly_scoped",
            "percent": 7.5,
            "resets_at": "2026-08-03T09:00:00Z",
            "scope": {"model": {"id": None, "display_name": "Sonnet 5"}, "surface": None},
        },
    ],
    "extra_usage": {
        "is_enabled": True,
        "monthly_limit": 5000,
        "used_credits": 1720.5,
        "utilization": 34.4,
        "currency": "USD",
        "decimal_places": 2,
        "disabled_reason": None,
        "user_disabled": False,
        "spend_limit_reached": False,
        "credits_ever_enabled": True,
    },
    "spend": {
        "used": {"amount_minor": 1720, "currency": "USD", "exponent": 2},
        "limit": {"amount_minor": 5000, "currency": "USD", "exponent": 2},
        "percent": 34,
        "enabled": True,
        "disabled_reason": None,
    },
}
OVERAGE: dict[str, Any] = {
    "organization_uuid": "11111111-1111-4111-8111-111111111111",
    "limit_type": "organization",
    "account_uuid": None,
    "is_enabled": True,
    "monthly_credit_limit": 5000,
    "currency": "USD",
    "used_credits": 1720.5,
    "disabled_reason": None,
    "disabled_until": "2026-05-01T00:00:00Z",
    "out_of_credits": False,
    "discount_percent": None,
    "used_credits_basis": "post_discount",
}
SUBSCRIPTION: dict[str, Any] = {
    "status": "active",
    "next_charge_date": "2026-10-03",
    "next_charge_at": "2026-10-03T22:14:09Z",
    "billing_interval": "monthly",
    "payment_method": {"brand": "visa", "country": "US", "last4": "0000", "type": "card"},
    "plan_ending_before": None,
    "gift_details": None,
    "scheduled_downgrade": None,
    "has_schedule": False,
    "payment_paused_until": None,
}
ACCOUNT: dict[str, Any] = {
    "uuid": "22222222-2222-4222-8222-222222222221",
    "email_address": "dev@example.com",
    "memberships": [
        {
            "role": "admin",
            "seat_tier": None,
            "organization": {
                "uuid": "11111111-1111-4111-8111-111111111111",
                "name": "Dev One",
                "capabilities": ["claude_max", "chat"],
                "rate_limit_tier": "default_claude_max_5x",
            },
        }
    ],
}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()  # NaN and the infinities included: json.dumps writes them as such
    | st.text(max_size=20)
    | st.sampled_from(
        ["1720", "-5", "1e300", "USD", "2026-05-01", "2026-05-01T00:00:00Z", "0001-01-01", "NaN"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


def sent(body: object) -> Any:
    """The body after it was sent and parsed."""
    return parse(json.dumps(body).encode())


def places(body: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value in a body, sections included, the whole excluded."""
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def with_value(body: Any, path: tuple[str | int, ...], value: object) -> Any:
    """A copy of the body with one value replaced."""
    copy = json.loads(json.dumps(body))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


def numbers_in(value: object) -> set[Decimal]:
    """Every number of a parsed body, digit strings included."""
    if isinstance(value, Decimal):
        return {value}
    if isinstance(value, str):
        try:
            number = Decimal(value)
        except ArithmeticError:
            return set()
        return {number} if number.is_finite() else set()
    if isinstance(value, dict):
        return set().union(*(numbers_in(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(numbers_in(inner) for inner in value))
    return set()
