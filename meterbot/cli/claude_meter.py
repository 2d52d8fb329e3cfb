"""What `meterbot push --from FILE` sends of claude-meter's JSON: what the agent would send, and nothing else."""

import re
from typing import Any

from meterbot.agent.document import allowed, render
from meterbot.agent.storage import Problem, parse_json

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")


def document_of(text: bytes, *, email: bool = False) -> bytes:
    """The bytes to send for claude-meter's JSON, an object or a list. Raises `Problem`."""
    value = parse_json(text)
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, dict) for item in items):
        raise Problem("this is not what `claude-meter --json` prints: an object, or a list of them")
    sent = [_sent(item, email=email) for item in items]
    return render(sent if len(sent) > 1 else sent[0])


def _sent(item: dict[str, Any], *, email: bool) -> dict[str, Any]:
    """A snapshot. Of its errors only the number is sent."""
    errors = item.get("errors")
    names = ("org_uuid", "account_uuid", "fetched_at", "stale", "usage", "overage", "subscription")
    sent = {name: allowed(item.get(name), name) for name in names}
    sent["errors"] = [{}] * (len(errors) if isinstance(errors, list) else 0)
    address = item.get("account_email")
    if email and isinstance(address, str) and _EMAIL.fullmatch(address):
        sent["account_email"] = address
    return sent
