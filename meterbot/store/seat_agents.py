"""Which version of the agent each seat's machine runs."""

from sqlalchemy import Connection, delete, select

from meterbot.store.statements import upsert
from meterbot.store.tables import seat_agents


def read(connection: Connection) -> dict[str, str]:
    return {row.seat: row.version for row in connection.execute(select(seat_agents))}


def write(connection: Connection, seat: str, version: str) -> None:
    upsert(connection, seat_agents, [{"seat": seat, "version": version}])


def remove(connection: Connection, seat: str) -> None:
    connection.execute(delete(seat_agents).where(seat_agents.c.seat == seat))
