"""The seats that meterbot knows: those of the configuration, and those that were invited."""

from meterbot.app.config import Config
from meterbot.core.seats import SeatDirectory
from meterbot.store import Store, invited_seats


async def known_seats(config: Config, store: Store) -> SeatDirectory:
    """Of a seat that is in the configuration and was invited, the configuration counts."""
    invited = await store.read(invited_seats.read)
    return SeatDirectory(config.seat_list(), [each.seat for each in invited])


async def end_invitations(config: Config, store: Store) -> None:
    """Removes the invitations of seats that are in the configuration now: without their entry there, they are gone."""
    names = [seat.name for seat in config.seat_list()]
    await store.run(lambda tx: invited_seats.remove(tx, names))
