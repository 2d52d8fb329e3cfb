"""One-time codes to join, as digests, and which version of the agent each seat's machine runs."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "join_codes",
        sa.Column("sha256", sa.String(), primary_key=True),
        sa.Column("seat", sa.String(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "seat_agents",
        sa.Column("seat", sa.String(), primary_key=True),
        sa.Column("version", sa.String(), nullable=False),
    )
