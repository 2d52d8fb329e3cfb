"""The tokens with which seats' machines push, as digests."""

from dataclasses import asdict

from sqlalchemy import Connection, delete, select

from meterbot.store.statements import upsert
from meterbot.store.tables import push_tokens
from meterbot.store.values import PushToken


def read(connection: Connection) -> list[PushToken]:
    rows = connection.execute(select(push_tokens).order_by(push_tokens.c.seat))
    return [PushToken(row.seat, row.sha256, row.made_at) for row in rows]


def write(connection: Connection, token: PushToken) -> None:
    upsert(connection, push_tokens, [asdict(token)])


def revoke(connection: Connection, seat: str) -> bool:
    return (connection.execute(delete(push_tokens).where(push_tokens.c.seat == seat))).rowcount > 0
