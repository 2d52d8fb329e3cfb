"""PostgreSQL's advisory locks, held until the transaction ends. SQLite's write lock does the same for every transaction.

Rows that a transaction changes are locked where they are read, always in the same order; these are for the rest.
"""

from sqlalchemy import Connection, text

_MIGRATION, _FACTS, _LEASES = 0x6D657401, 0x6D657402, 0x6D657403


def migration(connection: Connection) -> None:
    """One process brings the schema up to date."""
    _take(connection, _MIGRATION)


def facts(connection: Connection) -> None:
    """One transaction at a time reads and changes facts."""
    _take(connection, _FACTS)


def leases(connection: Connection) -> None:
    """One transaction at a time takes leases over from dead workers."""
    _take(connection, _LEASES)


def _take(connection: Connection, number: int) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
