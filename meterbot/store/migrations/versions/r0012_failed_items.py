"""Deliveries count the failures that are their own, and can carry a note to their readers."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("own_failures", sa.Integer))
    op.add_column("deliveries", sa.Column("note", sa.Text))
