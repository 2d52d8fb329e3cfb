"""The prepaid balance that was read last gets a place for what is known of it besides its amount."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from meterbot.store.migrations import stored_json

revision = "0017"
down_revision = "0016"

_TABLES = (("states", ("counter",)), ("latest", ("seat", "counter")))


def upgrade() -> None:
    connection = op.get_bind()
    for name, keys in _TABLES:
        table = sa.table(name, *map(sa.column, keys), sa.column("known"))
        for row in connection.execute(sa.select(table)).all():
            known = _with_balance(row.known)
            if known != row.known:
                itself = [table.c[key] == getattr(row, key) for key in keys]
                connection.execute(sa.update(table).where(*itself).values(known=known))


def _with_balance(known: str) -> str:
    """The same with `{"amount": …}` for a balance that was a bare amount."""
    values: Any = json.loads(known)
    extra = values["snapshot"].get("extra_usage") or {}
    balance = extra.get("balance")
    if not balance or "amount" in balance:
        return known
    extra["balance"] = {"amount": balance}
    return stored_json(values)
