"""A session whose cookie does not say when it ends is expected to end some weeks after it was first used."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("begun_at", sa.BigInteger()))
