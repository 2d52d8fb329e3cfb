"""What a sample is counted from where that is not the one before, and when exactly blocks began and ended."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("history", sa.Column("counted_from", sa.Text()))
    op.add_column("tails", sa.Column("counted_from", sa.Text()))
    op.add_column("hours", sa.Column("blocks", sa.Text()))
