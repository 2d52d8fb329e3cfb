"""When to read and to send next. The budget of `/api/oauth/usage` is tiny, and every client of the account shares it."""

from datetime import datetime, timedelta

EVERY = timedelta(minutes=15)
SHORTEST = timedelta(minutes=5)
LONGEST = timedelta(hours=6)
"""No single wait is longer: neither asked for, nor found in a file that another clock wrote."""

_SPREAD = 0.2
_READ_LADDER = (300.0, 900.0, 1800.0, 3600.0)
_READ_JITTER = 300.0
_SEND_LADDER = (30.0, 60.0, 120.0, 300.0, 900.0)


def after_reading(now: datetime, every: timedelta, chance: float) -> datetime:
    """`every`, more or less a fifth. `chance` is 0 to 1: many machines must not ask at the same moment."""
    return now + every * (1 - _SPREAD + 2 * _SPREAD * chance)


def after_refused_reading(now: datetime, failures: int, retry_after: float | None, chance: float) -> datetime:
    """The longer of what was asked for and the ladder's rung, and something on top: a retry exactly on time was
    seen to cost another hour. "At once" is no permission."""
    wait = max(retry_after or 0.0, _rung(_READ_LADDER, failures)) + _READ_JITTER * chance
    return now + min(timedelta(seconds=wait), LONGEST)


def after_refused_sending(now: datetime, failures: int, retry_after: float | None, chance: float) -> datetime:
    """The same towards meterbot, which is ours and bears more."""
    rung = _rung(_SEND_LADDER, failures)
    return now + min(timedelta(seconds=max(retry_after or 0.0, rung) + rung * chance), LONGEST)


def is_due(at: datetime | None, now: datetime) -> bool:
    """Whether a deadline has passed. One further away than any wait was set by a clock that went wrong."""
    return at is None or now >= at or at - now > LONGEST


def _rung(ladder: tuple[float, ...], failures: int) -> float:
    return ladder[min(max(failures, 1), len(ladder)) - 1]
