"""Rate limits in bounded memory."""

from datetime import datetime, timedelta


class RateLimiter:
    """For each key, `burst` times at once and one more every `seconds`. At most `keys` are remembered; those that
    were quiet longest are forgotten."""

    def __init__(self, burst: int, seconds: float, keys: int = 10_000) -> None:
        self._step = timedelta(seconds=seconds)
        self._room = self._step * (burst - 1)
        self._keys = keys
        self._free_at: dict[str, datetime] = {}  # when the burst is whole again; the last used key last

    def wait(self, key: str, now: datetime) -> float:
        """Counts one use. Seconds to wait: 0.0 if it is allowed now; a use that is not allowed is not counted."""
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
        # No wait is longer than this, unless the clock was set back.
        return now if free_at > now + self._room + self._step else max(free_at, now)
