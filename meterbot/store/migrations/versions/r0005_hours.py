"""The history hour by hour. It fills by itself from what is there."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "hours",
        sa.Column("at", sa.BigInteger(), primary_key=True),
        sa.Column(
            "counter",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.ForeignKey("counters.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("currency", sa.String(), primary_key=True),
        sa.Column("spent", sa.Text(), nullable=False),
        sa.Column("used", sa.Text(), nullable=False),
        sa.Column("cap", sa.Text()),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sqlite_with_rowid=False,
    )
