"""Where the time comes from. Only the edges hold a clock; everything else is told the time."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Protocol


class Clock(Protocol):
    """`now` is aware and in UTC. `speed` is how many seconds pass on it per real second."""

    @property
    def speed(self) -> float: ...

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's own time."""

    speed = 1.0

    def now(self) -> datetime:
        return datetime.now(UTC)


def ahead(date_header: str | None, now: datetime) -> timedelta | None:
    """By how much the clock of a server that sent this `Date` is ahead of ours; None where it says none."""
    try:
        return parsedate_to_datetime(date_header or "").astimezone(UTC) - now
    except ValueError:
        return None


class FastClock:
    """Starts at `start` and runs `speed` times as fast as the machine's: demonstrations. One that is `held` stands
    still until it begins: what it takes to be ready is no part of the story."""

    def __init__(self, start: datetime, speed: float, *, held: bool = False) -> None:
        self.speed = speed
        self._start = start
        self._real_start = None if held else monotonic()

    def begin(self) -> None:
        self._real_start = monotonic()

    def now(self) -> datetime:
        passed = 0.0 if self._real_start is None else monotonic() - self._real_start
        return self._start + timedelta(seconds=passed * self.speed)


class ManualClock:
    """A clock that a test or a demonstration moves."""

    speed = 0.0

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def set(self, to: datetime) -> None:
        self._now = to

    def advance(self, by: timedelta) -> datetime:
        self._now += by
        return self._now
