"""The facts that a team's sums, counts and order need of a counter's newest state get columns of their own. They stay
empty until its seat is read again."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "known_crc32": sa.BigInteger(),
    "fetched_at": sa.BigInteger(),
    "extra_usage_at": sa.BigInteger(),
    "used": sa.Text(),
    "cap": sa.Text(),
    "cap_known": sa.Boolean(),
    "metered": sa.Boolean(),
    "blocked": sa.Boolean(),
    "next_charge": sa.Date(),
    "tier": sa.String(),
}


def upgrade() -> None:
    for name, kind in _COLUMNS.items():
        op.add_column("latest", sa.Column(name, kind))
