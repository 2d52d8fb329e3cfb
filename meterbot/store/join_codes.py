"""One-time codes with which a machine gets its seat's push token, as digests."""

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from meterbot.store.tables import join_codes


def write(connection: Connection, sha256: str, seat: str, now: datetime, expires_at: datetime) -> None:
    """Makes this the seat's only code. Expired codes are deleted."""
    gone = (join_codes.c.seat == seat) | (join_codes.c.expires_at <= now)
    connection.execute(delete(join_codes).where(gone))
    connection.execute(insert(join_codes).values(sha256=sha256, seat=seat, expires_at=expires_at))


def remove(connection: Connection, seat: str) -> None:
    connection.execute(delete(join_codes).where(join_codes.c.seat == seat))


def read(connection: Connection, sha256: str, now: datetime) -> str | None:
    """The seat of a valid code."""
    good = (join_codes.c.sha256 == sha256) & (join_codes.c.expires_at > now)
    seat: str | None = connection.scalar(select(join_codes.c.seat).where(good))
    return seat


def use(connection: Connection, sha256: str, now: datetime) -> str | None:
    """The same, and uses the code up: if two use it at once, only one gets the seat."""
    seat = read(connection, sha256, now)
    gone = connection.execute(delete(join_codes).where(join_codes.c.sha256 == sha256)).rowcount
    return seat if gone == 1 else None
