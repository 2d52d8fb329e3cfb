"""Whether this machine's clock is behind what is stored."""

from datetime import datetime

from meterbot.rules.untimed import FAR_BEHIND
from meterbot.store import Connection, history, notes


def newest_if_behind(connection: Connection, now: datetime) -> datetime | None:
    """The newest stored reading, while the clock is far behind it and nobody has said that the clock is right."""
    newest = history.newest(connection)
    if newest is None or newest - now <= FAR_BEHIND or notes.clock_is_confirmed(connection, now):
        return None
    return newest
