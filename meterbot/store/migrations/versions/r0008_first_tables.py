"""The tables of the oldest schema that a database can have. Those before it were never released."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = None

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _facts()
    _history()
    _deliveries()
    _credentials_and_workers()
    _pull_requests()


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
    op.create_table(
        "hours",
        sa.Column("at", sa.BigInteger(), primary_key=True),
        _counter(),
        sa.Column("currency", sa.String(), primary_key=True),
        sa.Column("spent", sa.Text(), nullable=False),
        sa.Column("used", sa.Text(), nullable=False),
        sa.Column("cap", sa.Text()),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sqlite_with_rowid=False,
    )


def _deliveries() -> None:
    op.create_table(
        "events",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("seat", sa.String()),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("ended_by", sa.String()),
        sa.Column("kind", sa.String()),
    )
    op.create_index("events_at", "events", ["at"])
    _create_partial_index("events_open", "events", ["kind"], "ended_by IS NULL")
    op.create_table(
        "deliveries",
        sa.Column("sequence", _Id, primary_key=True),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("event", sa.String(), sa.ForeignKey("events.key", ondelete="CASCADE"), nullable=False),
        sa.Column("about", sa.String()),
        sa.Column("chat", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("topic", sa.String()),
        sa.Column("message", sa.Text()),
        sa.Column("heading", sa.Text()),
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
        sa.Column("held", sa.Text()),
        sa.Column("told_in", sa.String()),
        sa.Column("told", sa.Text()),
        sa.Column("shown", sa.String()),
        sa.Column("unsure", sa.Boolean(), nullable=False),
        sa.UniqueConstraint("id", name="deliveries_id"),
    )
    for name in ("event", "about", "told_in", "topic"):
        op.create_index(f"deliveries_{name}", "deliveries", [name])
    waiting = ["chat", "channel", "sequence"]
    _create_partial_index("deliveries_waiting", "deliveries", waiting, "claimable_at IS NOT NULL")
    op.create_table(
        "lines",
        sa.Column("chat", sa.String(), primary_key=True),
        sa.Column("channel", sa.String(), primary_key=True),
        sa.Column("free_at", sa.BigInteger(), nullable=False),
        sa.Column("claimed_by", sa.String()),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.Text()),
        sa.Column("troubled_since", sa.BigInteger()),
        sa.Column("refused", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "acts",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("alert", sa.String(), sa.ForeignKey("events.key", ondelete="CASCADE"), nullable=False),
        sa.Column("deed", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("seat", sa.String()),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("until", sa.BigInteger()),
        sa.Column("undone_at", sa.BigInteger()),
    )
    op.create_index("acts_alert", "acts", ["alert"])


def _create_partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def _credentials_and_workers() -> None:
    op.create_table(
        "sessions",
        sa.Column("seat", sa.String(), primary_key=True),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("ciphertext", sa.Text()),
        sa.Column("renewed_at", sa.BigInteger()),
        sa.Column("ends_at", sa.BigInteger()),
    )
    op.create_table(
        "push_tokens",
        sa.Column("seat", sa.String(), primary_key=True),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "workers",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("alive_until", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("worker", sa.String(), nullable=False),
    )


def _pull_requests() -> None:
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
