"""The tokens with which seats' machines push, as digests."""

from dataclasses import asdict

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from meterbot.store import PushToken
from meterbot.store.statements import upsert
from meterbot.store.tables import push_tokens


async def read(connection: AsyncConnection) -> list[PushToken]:
    rows = await connection.execute(select(push_tokens).order_by(push_tokens.c.seat))
    return [PushToken(row.seat, row.sha256, row.made_at) for row in rows]


async def write(connection: AsyncConnection, token: PushToken) -> None:
    await upsert(connection, push_tokens, [asdict(token)])


async def revoke(connection: AsyncConnection, seat: str) -> bool:
    return (await connection.execute(delete(push_tokens).where(push_tokens.c.seat == seat))).rowcount > 0
