"""PostgreSQL's advisory locks, held until the transaction ends. SQLite's write lock does the same for every
transaction.

Stored rows are locked where they are read. These locks are for what has no row yet, or no single one. To avoid
deadlocks, transactions lock in this order, each kind sorted: names, leases, seats, counters, shared balances. A
transaction locks a seat before it removes the seat's invitation and the access of its machine.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, text

_MIGRATION, _LEASES, _ROLLUP = 0x6D657401, 0x6D657403, 0x6D657404
_NAMES = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(CAST(:names AS text[])) AS name"
)


def names(connection: Connection, wanted: Iterable[str]) -> None:
    """Only one transaction at a time uses these names."""
    ordered = sorted(set(wanted))
    if ordered and _is_postgresql(connection):
        connection.execute(_NAMES, {"names": ordered})


def migration(connection: Connection) -> None:
    """Only one process upgrades the schema."""
    _lock(connection, "pg_advisory_xact_lock", _MIGRATION)


def leases(connection: Connection) -> None:
    """Only one transaction at a time takes over the leases of dead workers."""
    _lock(connection, "pg_advisory_xact_lock", _LEASES)


def adding_samples(connection: Connection) -> None:
    """Many transactions may add samples at once, but not while hours are calculated from them."""
    _lock(connection, "pg_advisory_xact_lock_shared", _ROLLUP)


def writing_hours(connection: Connection) -> None:
    """Waits for samples that are being added, so that none is missing in a calculated hour."""
    _lock(connection, "pg_advisory_xact_lock", _ROLLUP)


def _lock(connection: Connection, function: str, number: int) -> None:
    if _is_postgresql(connection):
        connection.execute(text(f"SELECT {function}(:number)"), {"number": number})


def _is_postgresql(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"
