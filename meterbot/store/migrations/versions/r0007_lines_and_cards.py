"""Destinations have a row of their own, messages are rendered when they are sent, and people act on alerts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_WAITING = sa.text("claimable_at IS NOT NULL")

_KEPT = (
    "sequence, id, event, about, chat, channel, kind, message, created_at, state, claimable_at, claimed_by, attempts, "
    "first_tried_at, trouble, delivered_at, posted_channel, posted_message"
)
_ENDED = "UPDATE events SET ended_by = (SELECT max(ends.event) FROM deliveries AS ends WHERE ends.about = events.key)"

_TROUBLES = (
    "INSERT INTO lines (chat, channel, free_at, failures, trouble, troubled_since, refused) "
    "SELECT chat, channel, 0, 0, max(trouble), min(created_at), false FROM deliveries "
    "WHERE claimable_at IS NOT NULL AND trouble IS NOT NULL GROUP BY chat, channel"
)
_KIND = {"sqlite": "json_extract(event, '$.kind')", "postgresql": "event::json ->> 'kind'"}


def upgrade() -> None:
    op.add_column("events", sa.Column("ended_by", sa.String()))
    op.add_column("events", sa.Column("kind", sa.String()))
    op.execute(f"UPDATE events SET kind = {_KIND[op.get_bind().dialect.name]}")  # noqa: S608 - our own words
    is_open = sa.text("ended_by IS NULL")
    op.create_index("events_open", "events", ["kind"], sqlite_where=is_open, postgresql_where=is_open)
    # Before there were other reasons, whatever was about an alert had ended it.
    op.execute(_ENDED)
    _remake_deliveries()
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
    op.execute(_TROUBLES)
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


def _remake_deliveries() -> None:
    """A new table and not a changed one: SQLite cannot let a column be empty that had to be filled."""
    op.drop_index("deliveries_event", "deliveries")
    op.drop_index("deliveries_waiting", "deliveries")
    op.rename_table("deliveries", "deliveries_before")
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
    op.execute(
        f"INSERT INTO deliveries ({_KEPT}, lane, purpose, unsure) "  # noqa: S608 - our own names of columns
        f"SELECT {_KEPT}, 1, 'tell', false FROM deliveries_before ORDER BY sequence"
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "SELECT setval(pg_get_serial_sequence('deliveries', 'sequence'), "
            "(SELECT coalesce(max(sequence), 0) + 1 FROM deliveries), false)"
        )
    op.drop_table("deliveries_before")
    for name in ("event", "about", "told_in", "topic"):
        op.create_index(f"deliveries_{name}", "deliveries", [name])
    op.create_index(
        "deliveries_waiting",
        "deliveries",
        ["chat", "channel", "sequence"],
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    )
