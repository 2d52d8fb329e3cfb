"""Seats that an operator invited, which need no entry in the configuration."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "invited_seats",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("invited_at", sa.BigInteger(), nullable=False),
    )
