"""What the rules remember of a prepaid balance gets its new form, and a shared one is remembered for its
organization."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from meterbot.store.migrations import stored_json

revision = "0018"
down_revision = "0017"

_STATES = sa.table("states", *map(sa.column, ("counter", "known", "memory")))
_MEMORIES = sa.table("memories", *map(sa.column, ("name", "memory")))
_OLD_KEY = "alerted_balance_levels"


def upgrade() -> None:
    connection = op.get_bind()
    shared: dict[str, str] = {}
    for row in _oldest_first(connection.execute(sa.select(_STATES)).all()):
        memory = json.loads(row.memory)
        if _OLD_KEY not in memory:
            continue
        memory["balance"] = balance = {"levels": memory.pop(_OLD_KEY)}
        changed = sa.update(_STATES).where(_STATES.c.counter == row.counter)
        connection.execute(changed.values(memory=stored_json(memory)))
        snapshot = json.loads(row.known)["snapshot"]
        if ((snapshot.get("extra_usage") or {}).get("balance") or {}).get("shared"):
            shared[f"balance:{snapshot['org_uuid']}"] = stored_json(balance)
    present = set(connection.scalars(sa.select(_MEMORIES.c.name)))
    new = [{"name": name, "memory": memory} for name, memory in shared.items() if name not in present]
    if new:
        connection.execute(sa.insert(_MEMORIES), new)


def _oldest_first(rows: Any) -> list[Any]:
    """Of the members of an organization, the one that was read last knows best what was posted."""
    return sorted(rows, key=lambda row: str(json.loads(row.known)["snapshot"]["fetched_at"]))
