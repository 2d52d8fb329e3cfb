"""Seats that an operator invited: their own machines push, and they need no entry in the configuration."""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from meterbot.core.models import Seat
from meterbot.store.statements import upsert
from meterbot.store.tables import invited_seats

PUSH_INTERVAL = 900.0
"""Seconds between two expected pushes."""


@dataclass(frozen=True, slots=True)
class InvitedSeat:
    """`owner`: platform → id there, as in the configuration."""

    name: str
    owner: dict[str, str]
    invited_at: datetime

    @property
    def seat(self) -> Seat:
        return Seat(self.name, "push", owner=self.owner, interval=PUSH_INTERVAL)


def read(connection: Connection) -> list[InvitedSeat]:
    """By name."""
    rows = connection.execute(select(invited_seats).order_by(invited_seats.c.name))
    return [InvitedSeat(row.name, json.loads(row.owner), row.invited_at) for row in rows]


def write(connection: Connection, seat: InvitedSeat) -> None:
    row = {"name": seat.name, "owner": json.dumps(seat.owner), "invited_at": seat.invited_at}
    upsert(connection, invited_seats, [row])


def remove(connection: Connection, name: str) -> bool:
    """Whether there was one. What is stored of its numbers stays."""
    return connection.execute(delete(invited_seats).where(invited_seats.c.name == name)).rowcount > 0
