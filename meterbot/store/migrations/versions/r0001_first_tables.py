"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _facts()
    _history()
    _deliveries()


def _counter() -> "sa.Column[int]":
    key = sa.ForeignKey("counters.id", ondelete="CASCADE")
    return sa.Column("counter", _Id, key, primary_key=True, autoincrement=False, nullable=False)


def _facts() -> None:
    op.create_table(
        "counters",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=False),
        sa.UniqueConstraint("account", "org", name="counters_account_org"),
    )
    op.create_table(
        "states",
        _counter(),
        sa.Column("known", sa.Text(), nullable=False),
        sa.Column("memory", sa.Text(), nullable=False),
    )
    op.create_table(
        "latest",
        sa.Column("seat", sa.String(), primary_key=True),
        _counter(),
        sa.Column("known", sa.Text(), nullable=False),
    )
    op.create_table(
        "sources",
        sa.Column("seat", sa.String(), primary_key=True),
        sa.Column("health", sa.String(), nullable=False),
        sa.Column("since", sa.BigInteger()),
        sa.Column("detail", sa.Text()),
        sa.Column("last_ok_at", sa.BigInteger()),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_due", sa.BigInteger()),
    )
    op.create_table(
        "memories",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("memory", sa.Text(), nullable=False),
    )
    op.create_table(
        "notes",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
    )


def _history() -> None:
    op.create_table(
        "history",
        sa.Column("at", sa.BigInteger(), primary_key=True, autoincrement=False),
        _counter(),
        sa.Column("used", sa.Text()),
        sa.Column("cap", sa.Text()),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tails",
        _counter(),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.Text()),
        sa.Column("cap", sa.Text()),
        sa.Column("blocked", sa.Boolean(), nullable=False),
    )


def _deliveries() -> None:
    op.create_table(
        "events",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("seat", sa.String()),
        sa.Column("event", sa.Text(), nullable=False),
    )
    op.create_index("events_at", "events", ["at"])
    op.create_table(
        "deliveries",
        sa.Column("sequence", _Id, primary_key=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("event", sa.String(), sa.ForeignKey("events.key", ondelete="CASCADE"), nullable=False),
        sa.Column("about", sa.String()),
        sa.Column("chat", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("claimable_at", sa.BigInteger()),
        sa.Column("claimed_by", sa.String()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_tried_at", sa.BigInteger()),
        sa.Column("trouble", sa.Text()),
        sa.Column("delivered_at", sa.BigInteger()),
        sa.Column("posted_channel", sa.String()),
        sa.Column("posted_message", sa.String()),
    )
    op.create_index("deliveries_event", "deliveries", ["event"])
    waiting = sa.text("claimable_at IS NOT NULL")
    op.create_index(
        "deliveries_waiting",
        "deliveries",
        ["chat", "channel", "sequence"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
