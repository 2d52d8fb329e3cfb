"""Renewed session keys, encrypted."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("seat", sa.String(), primary_key=True),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("ciphertext", sa.Text()),
        sa.Column("renewed_at", sa.BigInteger()),
        sa.Column("ends_at", sa.BigInteger()),
    )
