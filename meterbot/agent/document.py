"""What may leave the machine, and its bytes.

Numbers, flags, instants, ids and code words, each only at a place that is listed here. Names, addresses, card
details, texts and everything new stay behind. A value that is not what its place holds is left out, and `errors`
says which place it was, never what stood there.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from meterbot.agent.trouble import PushError
from meterbot.core import secret
from meterbot.sources.exact_json import NotJsonError, parse

LARGEST = 256 * 1024
"""Bytes that meterbot takes at most."""

_MOST_ITEMS = 40


def _matching(pattern: str) -> Callable[[object], bool]:
    form = re.compile(pattern)
    return lambda value: (
        isinstance(value, str) and bool(form.fullmatch(value)) and not secret.looks_secret(value)
    )


def _number(value: object) -> bool:
    return isinstance(value, Decimal) or _digits(value)


_digits = _matching(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


def _flag(value: object) -> bool:
    return isinstance(value, bool)


_rfc3339 = _matching(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:?[0-9]{2})"
)


def _instant(value: object) -> bool:
    return isinstance(value, Decimal) or _rfc3339(value)


_day = _matching(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_id = _matching(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_word = _matching(r"[a-z][a-z0-9_]{0,59}")
_model = _matching(r"[A-Za-z0-9][A-Za-z0-9 .+-]{0,39}")
_currency = _matching(r"[A-Za-z]{3}")
_email = _matching(r"[^@\s]{1,64}@[^@\s]{1,255}")

_WINDOW_NAME = re.compile(r"five_hour|seven_day(?!_breakdown$)(_[a-z0-9_]{1,60})?")

_WINDOW = {
    "utilization": _number,
    "resets_at": _instant,
    "limit_dollars": _number,
    "used_dollars": _number,
    "remaining_dollars": _number,
}
_AMOUNT = {"amount_minor": _number, "currency": _currency, "exponent": _number}
_USAGE: dict[str, Any] = {
    "limits": [
        {
            "kind": _word,
            "group": _word,
            "percent": _number,
            "severity": _word,
            "resets_at": _instant,
            "is_active": _flag,
            "scope": ({"model": {"id": _model, "display_name": _model}, "surface": _word}, _word),
        }
    ],
    "extra_usage": {
        "is_enabled": _flag,
        "monthly_limit": _number,
        "used_credits": _number,
        "utilization": _number,
        "currency": _currency,
        "decimal_places": _number,
        "disabled_reason": _word,
        "user_disabled": _flag,
        "spend_limit_reached": _flag,
        "credits_ever_enabled": _flag,
    },
    "spend": {
        "used": _AMOUNT,
        "limit": _AMOUNT,
        "percent": _number,
        "severity": _word,
        "enabled": _flag,
        "disabled_reason": _word,
        "balance": _AMOUNT,
        "auto_reload": _flag,
    },
}
_OVERAGE = {
    "organization_uuid": _id,
    "account_uuid": _id,
    "limit_type": _word,
    "is_enabled": _flag,
    "monthly_credit_limit": _number,
    "used_credits": _number,
    "currency": _currency,
    "out_of_credits": _flag,
    "disabled_reason": _word,
    "disabled_until": _instant,
    "discount_percent": _number,
    "used_credits_basis": _word,
    "monthly_limit": _number,
    "spend_limit_amount_cents": _number,
    "balance_cents": _number,
    "spend_limit_currency": _currency,
}
_SUBSCRIPTION = {
    "status": _word,
    "next_charge_date": _day,
    "next_charge_at": _instant,
    "billing_interval": _word,
    "plan_ending_before": _day,
    "plan_ending_at": _instant,
    "has_schedule": _flag,
    "scheduled_downgrade": {"plan_type": _word, "plan": _word},
    "gift_details": {"paid_through": _day},
    "payment_paused_until": _instant,
}
_SNAPSHOT: dict[str, Any] = {
    "org_uuid": _id,
    "account_uuid": _id,
    "fetched_at": _rfc3339,
    "stale": _flag,
    "usage": _USAGE,
    "overage": _OVERAGE,
    "subscription": _SUBSCRIPTION,
}


def snapshot(
    usage: object, *, org_uuid: str, account_uuid: str | None, fetched_at: datetime
) -> dict[str, object]:
    """What is sent for one `/usage` body (parsed by `exact_json.parse`). Raises `PushError` if nothing in it is known."""
    told = {
        "org_uuid": org_uuid,
        "account_uuid": account_uuid,
        "fetched_at": instant(fetched_at),
        "usage": usage,
    }
    return _snapshot(told, _SNAPSHOT)


def from_claude_meter(text: bytes, *, email: bool = False) -> list[dict[str, object]]:
    """What is sent for claude-meter's JSON: an object or a list of them. `email`: the account's address goes along.

    Raises `PushError` when it is not claude-meter's.
    """
    try:
        value = parse(text)
    except (NotJsonError, RecursionError):
        raise PushError(
            "the input is not JSON: give what `claude-meter --json` prints, or its file"
        ) from None
    items = value if isinstance(value, list) else [value]
    if not items:
        raise PushError("the input is an empty list: claude-meter had nothing to read")
    form = {**_SNAPSHOT, "account_email": _email} if email else _SNAPSHOT
    return [_snapshot(item, form) for item in items]


def is_id(text: str) -> bool:
    """Whether a text is an account's or organization's id."""
    return _id(text)


def instant(moment: datetime) -> str:
    """In UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def render(document: object) -> bytes:
    """The bytes that are sent: JSON, one value per line, numbers exactly as they were read.

    Raises `PushError` when meterbot would not take that many.
    """
    text = _json(document, "\n") + "\n"
    if len(text) > LARGEST:
        raise PushError(
            f"the snapshots are larger than the {LARGEST // 1024} KiB that meterbot takes at once"
        )
    return text.encode()


def compose(rendered: str, extra: Mapping[str, object]) -> bytes:
    """The bytes for a list of snapshots as `render` wrote it, each with `extra` members; one goes without its list.

    Raises `PushError` when it is no such list, or has become too large.
    """
    try:
        snapshots = parse(rendered.encode())
    except (NotJsonError, RecursionError):
        snapshots = None
    if not isinstance(snapshots, list) or not all(isinstance(each, dict) for each in snapshots):
        raise PushError("the remembered reading is damaged: the next one replaces it")
    whole = [{**snapshot, **extra} for snapshot in snapshots]
    return render(whole[0] if len(whole) == 1 else whole)


def _snapshot(value: object, form: dict[str, Any]) -> dict[str, object]:
    if not isinstance(value, dict):
        raise PushError(
            "the input holds something else than snapshots: each is an object with org_uuid and usage"
        )
    left_out: list[str] = []
    kept = {key: _cut(value.get(key), inner, key, left_out) for key, inner in form.items()}
    for key in ("org_uuid", "fetched_at"):
        if kept[key] in {None, _LEFT_OUT}:
            raise PushError(f"a snapshot has no {key}, or none that can be one")
    if not any(isinstance(kept[key], dict) and kept[key] for key in ("usage", "overage")):
        raise PushError("a snapshot holds no number that meterbot knows: is this claude-meter's JSON?")
    theirs = value.get("errors")
    if isinstance(theirs, list) and theirs:
        left_out.append(f"the sender had {len(theirs)} errors; their texts are not sent")
    kept = {key: None if held is _LEFT_OUT else held for key, held in kept.items()}
    return {**kept, "stale": kept["stale"] is True, "errors": left_out}


_LEFT_OUT: Any = object()


def _cut(value: object, form: Any, path: str, left_out: list[str]) -> Any:
    if value is None:
        return None
    if isinstance(form, tuple):  # what it is as an object, and otherwise
        form = form[0] if isinstance(value, dict) else form[1]
    if isinstance(form, dict) and isinstance(value, dict):
        inner = {
            key: _cut(value[key], _form_of(key, form), f"{path}.{key}", left_out)
            for key in value
            if _form_of(key, form) is not None
        }
        return {key: held for key, held in inner.items() if held is not _LEFT_OUT}
    if isinstance(form, list) and isinstance(value, list):
        items = [
            _cut(item, form[0], f"{path}[{at}]", left_out) for at, item in enumerate(value[:_MOST_ITEMS])
        ]
        return [held for held in items if held is not _LEFT_OUT]
    if callable(form) and form(value):
        return value
    left_out.append(f"{path}: left out, not what belongs there")
    return _LEFT_OUT


def _form_of(key: str, form: dict[str, Any]) -> Any:
    if form is _USAGE and _WINDOW_NAME.fullmatch(key):
        return _WINDOW
    return form.get(key)


def _json(value: object, line: str) -> str:
    """The standard library would make a binary float of a `Decimal`."""
    deeper = line + " "
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict) and value:
        inner = (f"{json.dumps(key)}: {_json(held, deeper)}" for key, held in value.items())
        return "{" + deeper + f",{deeper}".join(inner) + line + "}"
    if isinstance(value, list) and value:
        return "[" + deeper + f",{deeper}".join(_json(held, deeper) for held in value) + line + "]"
    return json.dumps(value)
