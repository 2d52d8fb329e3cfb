"""The seats that meterbot knows: those of the configuration, and those that were invited."""

from meterbot.app.config import Config
from meterbot.core.errors import StartError
from meterbot.core.seats import SeatDirectory
from meterbot.core.text import listed
from meterbot.store import Store, invited_seats


async def known_seats(config: Config, store: Store) -> SeatDirectory:
    """Raises `StartError` for a name that is in the configuration and was invited, too."""
    seats = SeatDirectory(config.seat_list())
    invited = await store.read(invited_seats.read)
    if both := [each.name for each in invited if seats.is_configured(each.name)]:
        raise StartError(
            f"{listed(both)}: in the configuration, and invited, too. Remove the entry in the configuration, or keep it "
            f"and run `meterbot seat forget {both[0]} --invitation`"
        )
    seats.set_invited([each.seat for each in invited])
    return seats
