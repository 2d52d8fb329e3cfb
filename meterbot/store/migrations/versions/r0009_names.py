"""Tables and columns get the names of what they hold."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_COLUMNS = (
    ("deliveries", "lane", "priority"),
    ("deliveries", "told_in", "bundle_id"),
    ("deliveries", "told", "posted_events"),
    ("deliveries", "shown", "content_hash"),
    ("alert_actions", "deed", "action"),
)
_ON_POSTGRESQL = (
    "ALTER INDEX lines_pkey RENAME TO channel_queues_pkey",
    "ALTER INDEX acts_pkey RENAME TO alert_actions_pkey",
    "ALTER TABLE alert_actions RENAME CONSTRAINT acts_alert_fkey TO alert_actions_alert_fkey",
)


def upgrade() -> None:
    op.drop_index("deliveries_told_in", "deliveries")
    op.drop_index("acts_alert", "acts")
    op.rename_table("lines", "channel_queues")
    op.rename_table("acts", "alert_actions")
    for table, old, new in _COLUMNS:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    op.create_index("deliveries_bundle_id", "deliveries", ["bundle_id"])
    op.create_index("alert_actions_alert", "alert_actions", ["alert"])
    if op.get_bind().dialect.name == "postgresql":
        for statement in _ON_POSTGRESQL:
            op.execute(sa.text(statement))
