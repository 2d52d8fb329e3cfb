"""The tables. The same on SQLite and PostgreSQL."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from meterbot.core.messages import Message
from meterbot.core.models import Event, LastKnown
from meterbot.rules.hours import BlockSpan
from meterbot.rules.pull_requests import PullRequest
from meterbot.store.column_types import Amount, Instant, Json

# SQLite numbers rows by itself only in a column of exactly this type.
_Id = BigInteger().with_variant(Integer, "sqlite")

# Arguments named sqlite_… apply to PostgreSQL, too; see `for_postgresql`.
metadata = MetaData()


def for_postgresql() -> None:
    """Gives PostgreSQL the indexes' conditions. Written in the tables, they would load its dialect and its driver on
    every start."""
    for table in metadata.tables.values():
        for index in table.indexes:
            if (where := index.dialect_options["sqlite"]["where"]) is not None:
                index.dialect_options["postgresql"]["where"] = where


counters = Table(
    "counters",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("account", String, nullable=False),
    Column("org", String, nullable=False),
    UniqueConstraint("account", "org", name="counters_account_org"),
)


def _counter(*, primary_key: bool = True) -> Column[int]:
    key = ForeignKey("counters.id", ondelete="CASCADE")
    return Column("counter", _Id, key, primary_key=primary_key, autoincrement=False, nullable=False)


states = Table(
    "states",
    metadata,
    _counter(),
    Column("known", Json(LastKnown), nullable=False),
    Column("memory", Text, nullable=False),
)

# `known` is a `LastKnown` as JSON. The columns after `known_crc32` are the `SeatFacts` of the JSON with this checksum,
# null where it has none. An earlier version, which still runs while the new one starts, may write `known` alone, or
# facts with another meaning: then the checksum is not the one that this version expects.
latest = Table(
    "latest",
    metadata,
    Column("seat", String, primary_key=True),
    _counter(),
    Column("known", Text, nullable=False),
    Column("known_crc32", BigInteger),
    Column("fetched_at", Instant),
    Column("extra_usage_at", Instant),
    Column("used", Amount),
    Column("cap", Amount),
    Column("cap_known", Boolean),
    Column("metered", Boolean),
    Column("blocked", Boolean),
    Column("next_charge", Date),
    Column("tier", String),
)

# Time first: rows with similar times are on the same page, so a round of readings changes only the last page.
history = Table(
    "history",
    metadata,
    Column("at", Instant, primary_key=True),
    _counter(),
    Column("used", Amount),
    Column("cap", Amount),
    Column("blocked", Boolean, nullable=False),
    Column("counted_from", Amount),
    sqlite_with_rowid=False,
)

# `history`, hour by hour.
hours = Table(
    "hours",
    metadata,
    Column("at", Instant, primary_key=True),
    _counter(),
    Column("currency", String, primary_key=True),
    Column("spent", Amount, nullable=False),
    Column("used", Amount, nullable=False),
    Column("cap", Amount),
    Column("blocked", Boolean, nullable=False),
    Column("blocks", Json(tuple[BlockSpan, ...])),
    sqlite_with_rowid=False,
)

# The newest sample of each counter, kept in `history` or not, and when the newest kept one was: 0 if it is this one.
tails = Table(
    "tails",
    metadata,
    _counter(),
    Column("kept_at", Instant, nullable=False),
    Column("at", Instant, nullable=False),
    Column("used", Amount),
    Column("cap", Amount),
    Column("blocked", Boolean, nullable=False),
    Column("counted_from", Amount),
)

sources = Table(
    "sources",
    metadata,
    Column("seat", String, primary_key=True),
    Column("health", String, nullable=False),
    Column("since", Instant),
    Column("detail", Text),
    Column("last_ok_at", Instant),
    Column("failures", Integer, nullable=False),
    Column("next_due", Instant),
)

memories = Table(
    "memories",
    metadata,
    Column("name", String, primary_key=True),
    Column("memory", Text, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("key", String, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("seat", String),
    Column("kind", String),
    Column("event", Json(Event), nullable=False),
    Column("ended_by", String),
    Index("events_at", "at"),
    Index(
        "events_open",
        "kind",
        sqlite_where=text("ended_by IS NULL"),
    ),
)

# `claimable_at` is when the message may be sent: at once, or once it is no longer held back or claimed. NULL: nothing
# is left to do. `bundle_id` is the delivery that said it together with others; `posted_events` are the events that a
# post named when it was posted, `content_hash` tells what it shows now.
deliveries = Table(
    "deliveries",
    metadata,
    Column("sequence", _Id, primary_key=True),
    Column("id", String, nullable=False),
    Column("event", String, ForeignKey("events.key", ondelete="CASCADE"), nullable=False),
    Column("about", String),
    Column("chat", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("purpose", String, nullable=False),
    Column("topic", String),
    Column("message", Json(Message)),
    Column("heading", Text),
    Column("created_at", Instant, nullable=False),
    Column("state", String, nullable=False),
    Column("claimable_at", Instant),
    Column("claimed_by", String),
    Column("attempts", Integer, nullable=False),
    Column("first_tried_at", Instant),
    Column("trouble", Text),
    Column("delivered_at", Instant),
    Column("posted_channel", String),
    Column("posted_message", String),
    Column("held", Text),
    Column("bundle_id", String),
    Column("posted_events", Json(tuple[str, ...])),
    Column("content_hash", String),
    Column("possible_duplicate", Boolean, nullable=False),
    Column("own_failures", Integer),
    Column("note", Text),
    UniqueConstraint("id", name="deliveries_id"),
    Index("deliveries_event", "event"),
    Index("deliveries_about", "about"),
    Index("deliveries_bundle_id", "bundle_id"),
    Index("deliveries_topic", "topic"),
)
Index(
    "deliveries_waiting",
    deliveries.c.chat,
    deliveries.c.channel,
    deliveries.c.sequence,
    sqlite_where=deliveries.c.claimable_at.is_not(None),
)

# A channel of a chat: who sends there now, when its next message may be sent, and what keeps messages from arriving.
channel_queues = Table(
    "channel_queues",
    metadata,
    Column("chat", String, primary_key=True),
    Column("channel", String, primary_key=True),
    Column("free_at", Instant, nullable=False),
    Column("claimed_by", String),
    Column("failures", Integer, nullable=False),
    Column("trouble", Text),
    Column("troubled_since", Instant),
    Column("refused", Boolean, nullable=False),
)

# What people did about alerts.
alert_actions = Table(
    "alert_actions",
    metadata,
    Column("id", String, primary_key=True),
    Column("alert", String, ForeignKey("events.key", ondelete="CASCADE"), nullable=False),
    Column("kind", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", String, nullable=False),
    Column("platform", String, nullable=False),
    Column("seat", String),
    Column("event_kind", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("until", Instant),
    Column("undone_at", Instant),
    Index("alert_actions_alert", "alert"),
)

notes = Table(
    "notes",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)

# The session keys that claude.ai renewed, encrypted with a key that is not in the database.
sessions = Table(
    "sessions",
    metadata,
    Column("seat", String, primary_key=True),
    Column("fingerprint", String, nullable=False),
    Column("ciphertext", Text),
    Column("renewed_at", Instant),
    Column("ends_at", Instant),
    Column("begun_at", Instant),
)

push_tokens = Table(
    "push_tokens",
    metadata,
    Column("seat", String, primary_key=True),
    Column("sha256", String, nullable=False),
    Column("made_at", Instant, nullable=False),
)

# Codes with which a machine gets its seat's push token once, as digests.
join_codes = Table(
    "join_codes",
    metadata,
    Column("sha256", String, primary_key=True),
    Column("seat", String, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

# The version of the agent that a seat's machine runs.
seat_agents = Table(
    "seat_agents",
    metadata,
    Column("seat", String, primary_key=True),
    Column("version", String, nullable=False),
)

# Seats that need no entry in the configuration. `owner`: platform → id there.
invited_seats = Table(
    "invited_seats",
    metadata,
    Column("name", String, primary_key=True),
    Column("owner", Json(dict[str, str]), nullable=False),
    Column("invited_at", Instant, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("name", String, primary_key=True),
    Column("since", Instant, nullable=False),
    Column("alive_until", Instant, nullable=False),
)

# What only one worker may do at a time. No foreign key: what counts is that its holder lives, not that its row
# exists.
leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("worker", String, nullable=False),
)

# `starts_at` and `ends_at` are the window, to find those that overlap.
pull_requests = Table(
    "pull_requests",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("repo", String, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("merge", String, nullable=False),
    Column("delivery", String, nullable=False),
    Column("pull", Json(PullRequest), nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("merged_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("reported_at", Instant),
    Column("open", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Instant),
    Column("failed_because", Text),
    UniqueConstraint("repo", "number", "merge", name="pull_requests_repo_number_merge"),
    UniqueConstraint("delivery", name="pull_requests_delivery"),
    Index("pull_requests_number", "number"),
    Index("pull_requests_ends_at", "ends_at"),
)
