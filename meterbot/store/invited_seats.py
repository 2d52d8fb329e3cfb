"""Seats that an operator invited: their own machines push, and they need no entry in the configuration."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
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
    rows = connection.execute(select(invited_seats).order_by(invited_seats.c.name)).mappings()
    return [InvitedSeat(**row) for row in rows]


def write(connection: Connection, seat: InvitedSeat) -> None:
    upsert(connection, invited_seats, [asdict(seat)])


def remove(connection: Connection, names: Iterable[str]) -> bool:
    """Removes invitations, and nothing else of these seats. Whether there was one."""
    return (
        connection.execute(delete(invited_seats).where(invited_seats.c.name.in_(sorted(names)))).rowcount > 0
    )
