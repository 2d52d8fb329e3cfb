"""The clock. Only the outermost code reads it; everything else gets the time as an argument."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Protocol


class Clock(Protocol):
    """`now` is aware and in UTC. `speed`: seconds of this clock in one real second."""

    @property
    def speed(self) -> float: ...

    def now(self) -> datetime: ...


class SystemClock:
    speed = 1.0

    def now(self) -> datetime:
        return datetime.now(UTC)


def ahead(date_header: str | None, now: datetime) -> timedelta | None:
    """How far the clock of the server that sent this `Date` is ahead of ours; None if it sent none."""
    try:
        return parsedate_to_datetime(date_header or "").astimezone(UTC) - now
    except ValueError:
        return None


class FastClock:
    """For demonstrations: starts at `start` and runs `speed` times as fast as the machine's clock. A clock that is
    `held` waits until the demonstration is ready."""

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
