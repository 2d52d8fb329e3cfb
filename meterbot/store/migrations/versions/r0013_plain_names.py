"""Columns, purposes and the rules' memories get the names that the code uses."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_COLUMNS = (
    ("deliveries", "unsure", "possible_duplicate"),
    ("alert_actions", "kind", "event_kind"),
    ("alert_actions", "action", "kind"),
    ("pull_requests", "told_at", "reported_at"),
    ("pull_requests", "taken_at", "received_at"),
)
_PURPOSES = (("tell", "alert"), ("remind", "reminder"), ("act", "action"))
_KEYS = {
    "told": "alerted_levels",
    "armed": "levels_reset_at",
    "charged_told": "charge_alerted",
    "renewals_told": "alerted_renewals",
    "session_told": "alerted_session_days",
}


def upgrade() -> None:
    for table, old, new in _COLUMNS:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    for old, new in _PURPOSES:
        op.execute(
            sa.text("UPDATE deliveries SET purpose = :new WHERE purpose = :old").bindparams(old=old, new=new)
        )
    for table, key in (("states", "counter"), ("memories", "name")):
        _rename_keys(sa.table(table, sa.column(key), sa.column("memory")), key)


def _rename_keys(table: sa.TableClause, key: str) -> None:
    connection = op.get_bind()
    for row in connection.execute(sa.select(table)).all():
        memory = renamed(row.memory)
        if memory != row.memory:
            connection.execute(sa.update(table).where(table.c[key] == row[0]).values(memory=memory))


def renamed(memory: str) -> str:
    """Some memories are no JSON object, such as the last month that was reported."""
    try:
        values: Any = json.loads(memory)
    except ValueError:
        return memory
    if not isinstance(values, dict):
        return memory
    return json.dumps({_KEYS.get(key, key): value for key, value in values.items()}, ensure_ascii=False)
