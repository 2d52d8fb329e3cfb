"""The rules remember every alert that a raised cap ends, not only the newest."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_STATES = sa.table("states", *map(sa.column, ("counter", "memory")))


def upgrade() -> None:
    connection = op.get_bind()
    for row in connection.execute(sa.select(_STATES)).all():
        memory = json.loads(row.memory)
        if "cap_alert" in memory:
            memory["cap_alerts"] = [memory.pop("cap_alert")]
            text = json.dumps(memory, ensure_ascii=False, separators=(",", ":"))
            connection.execute(sa.update(_STATES).where(_STATES.c.counter == row.counter).values(memory=text))
