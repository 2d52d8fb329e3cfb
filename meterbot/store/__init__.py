"""The database: `Store` runs functions in transactions; the other modules hold those functions, grouped by noun."""

from sqlalchemy import Connection

from meterbot.store.store import Store
from meterbot.store.values import (
    ALIVE_SECONDS,
    BEAT_SECONDS,
    CONNECTIONS,
    FOR_EVER,
    LAST_TICK,
    Batch,
    Claims,
    CounterReader,
    CounterState,
    FailedPull,
    Forgotten,
    Glance,
    Latest,
    PullRecord,
    PushToken,
    StoredSession,
    Worker,
)

__all__ = [
    "ALIVE_SECONDS",
    "BEAT_SECONDS",
    "CONNECTIONS",
    "FOR_EVER",
    "LAST_TICK",
    "Batch",
    "Claims",
    "Connection",
    "CounterReader",
    "CounterState",
    "FailedPull",
    "Forgotten",
    "Glance",
    "Latest",
    "PullRecord",
    "PushToken",
    "Store",
    "StoredSession",
    "Worker",
]
