"""What a seat's machine needs to push: a token, or a one-time code to get one, both as digests. And which version of
the agent it runs."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from meterbot.store.statements import upsert
from meterbot.store.tables import join_codes, push_tokens, seat_agents
from meterbot.store.values import PushToken


def read(connection: Connection) -> list[PushToken]:
    rows = connection.execute(select(push_tokens).order_by(push_tokens.c.seat)).mappings()
    return [PushToken(**row) for row in rows]


def write(connection: Connection, token: PushToken) -> None:
    upsert(connection, push_tokens, [asdict(token)])


def revoke(connection: Connection, seat: str) -> bool:
    return connection.execute(delete(push_tokens).where(push_tokens.c.seat == seat)).rowcount > 0


def write_code(connection: Connection, sha256: str, seat: str, now: datetime, expires_at: datetime) -> None:
    """Makes this the seat's only code. Expired codes are deleted."""
    gone = (join_codes.c.seat == seat) | (join_codes.c.expires_at <= now)
    connection.execute(delete(join_codes).where(gone))
    connection.execute(insert(join_codes).values(sha256=sha256, seat=seat, expires_at=expires_at))


def seat_of_code(connection: Connection, sha256: str, now: datetime) -> str | None:
    good = (join_codes.c.sha256 == sha256) & (join_codes.c.expires_at > now)
    seat: str | None = connection.scalar(select(join_codes.c.seat).where(good))
    return seat


def use_code(connection: Connection, sha256: str, now: datetime) -> str | None:
    """The seat of a valid code, which is used up then: if two use it at once, only one gets the seat."""
    seat = seat_of_code(connection, sha256, now)
    gone = connection.execute(delete(join_codes).where(join_codes.c.sha256 == sha256)).rowcount
    return seat if gone == 1 else None


def read_agents(connection: Connection) -> dict[str, str]:
    """The agent's version by seat."""
    return {row.seat: row.version for row in connection.execute(select(seat_agents))}


def write_agent(connection: Connection, seat: str, version: str) -> None:
    upsert(connection, seat_agents, [{"seat": seat, "version": version}])


def end_access(connection: Connection, seat: str) -> tuple[int, int]:
    """The seat's machine has no token and no code any more, and no agent is known of it. Returns how many tokens, and
    how many codes and agents, were deleted."""
    # Codes before tokens, like a machine that trades its code: in another order the two would be a deadlock.
    codes, tokens, agents = (
        connection.execute(delete(table).where(table.c.seat == seat)).rowcount
        for table in (join_codes, push_tokens, seat_agents)
    )
    return tokens, codes + agents
