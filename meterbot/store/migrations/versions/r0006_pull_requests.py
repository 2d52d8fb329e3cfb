"""Merged pull requests, and what they cost."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "pull_requests",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("repo", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("merge", sa.String(), nullable=False),
        sa.Column("delivery", sa.String(), nullable=False),
        sa.Column("pull", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("merged_at", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger()),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger()),
        sa.UniqueConstraint("repo", "number", "merge", name="pull_requests_repo_number_merge"),
        sa.UniqueConstraint("delivery", name="pull_requests_delivery"),
    )
    op.create_index("pull_requests_number", "pull_requests", ["number"])
    op.create_index("pull_requests_ends_at", "pull_requests", ["ends_at"])
