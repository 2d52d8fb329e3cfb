"""How often somebody may do something, in memory that is bounded."""

from datetime import datetime, timedelta


class RateLimiter:
    """`burst` times at once, and once more every `seconds` after that, for each key.

    At most `keys` are remembered; of more than that, those who were quiet longest are forgiven.
    """

    def __init__(self, burst: int, seconds: float, keys: int = 10_000) -> None:
        self._step = timedelta(seconds=seconds)
        self._room = self._step * (burst - 1)
        self._keys = keys
        self._free_at: dict[str, datetime] = {}  # when all is forgiven; the key used last stands last

    def wait(self, key: str, now: datetime) -> float:
        """Counts once. Seconds to wait: 0.0 when it may be done now; what may not is not counted."""
        free_at = self._known(key, now)
        ahead = free_at - now - self._room
        if ahead > timedelta(0):
            return ahead.total_seconds()
        self._free_at.pop(key, None)
        if len(self._free_at) >= self._keys:
            del self._free_at[next(iter(self._free_at))]
        self._free_at[key] = free_at + self._step
        return 0.0

    def blocked(self, key: str, now: datetime) -> float:
        """As `wait`, without counting."""
        return max((self._known(key, now) - now - self._room).total_seconds(), 0.0)

    def _known(self, key: str, now: datetime) -> datetime:
        free_at = self._free_at.get(key, now)
        # Nobody is ever farther ahead than this, unless the clock was set back since.
        return now if free_at > now + self._room + self._step else max(free_at, now)
