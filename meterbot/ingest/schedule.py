"""When a seat may be read again: each seat at its own moment of the interval, and later after refusals. Pure
functions."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from meterbot.core.health import REFUSALS
from meterbot.core.models import Health, Snapshot, SourceState

LONGEST_WAIT = 6 * 3600.0
"""Seconds. No refusal, whatever its `Retry-After`, leaves a seat unread for longer, unless its interval is longer."""

IDLE_AFTER = timedelta(hours=1)
"""After so long without a change a seat is read half as often."""
_NEARLY_FULL = 80
"""Per cent. A fuller window is read at the full rate."""
_JITTER = 0.05
_FIRST_READS = 5.0
_FIRST_READ_EACH = 0.2
_CATCH_UP = 60.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_LADDERS = {
    # Health: (first wait, longest wait) in seconds; it doubles with each refusal, and begins at the interval if that
    # is longer.
    Health.UNREACHABLE: (0.0, 900.0),  # ends by itself, and soon
    Health.RATE_LIMITED: (300.0, 3600.0),  # more requests prolong it, and its Retry-After may be 0
    Health.SESSION_EXPIRED: (300.0, 1800.0),  # a person renews it, which should be noticed soon
    Health.CHALLENGED: (900.0, LONGEST_WAIT),  # more requests make it worse
    Health.REFUSED: (900.0, LONGEST_WAIT),  # waiting will not help
}


@dataclass(frozen=True, slots=True)
class PollSchedule:
    """What differs between kinds of sources.

    `variation`: the time between two readings varies by this share of the interval; None: readings keep to the seat's
    own moments, with a little jitter. `waits`: seconds to wait after the first, second, … refusal in a row, instead of
    the usual waits; the last one is repeated. `lag`: after a refusal with waits, at most so many random seconds more.
    `slows_down`: a seat whose numbers do not change is read half as often; its numbers never get older than two and a
    half intervals, so they are not stale. `until_restart`: these refusals wait for a person, who replaces the
    credential and restarts meterbot: then the seat is read at once.
    """

    variation: float | None = None
    waits: Mapping[Health, tuple[float, ...]] = field(default_factory=dict)
    lag: float = 0.0
    slows_down: bool = False
    until_restart: frozenset[Health] = frozenset({Health.SESSION_EXPIRED, Health.REFUSED})


_USUAL = PollSchedule()
_SCHEDULES = {
    "claude_ai": PollSchedule(slows_down=True),
    # Its limit is five requests in 300 seconds, for all programs of the account together. A client that returned at
    # exactly the second of Retry-After was refused for another hour. Its sign-in is replaced without a restart, and
    # several restarts must not use up the limit.
    "claude_code": PollSchedule(
        variation=0.2,
        waits={Health.RATE_LIMITED: (300.0, 900.0, 1800.0, 3600.0)},
        lag=300.0,
        until_restart=frozenset(),
    ),
}


@dataclass(frozen=True, slots=True)
class IdleState:
    """Since when a seat's readings have been the same: `said` identifies their content. `watched`: a window is nearly
    full."""

    said: int
    since: datetime
    watched: bool

    def is_idle(self, now: datetime) -> bool:
        return not self.watched and now - self.since >= IDLE_AFTER


def idle_state(before: IdleState | None, reading: Sequence[Snapshot], at: datetime) -> IdleState:
    """The state after the reading of `at`. Reset times are ignored, because they change with every reading."""
    full = [(window.name, window.utilization) for one in reading for window in one.windows]
    said = hash((*full, *((one.health, one.org_uuid, one.extra_usage, one.subscription) for one in reading)))
    since = before.since if before is not None and before.said == said and before.since <= at else at
    return IdleState(said, since, any(share is not None and share >= _NEARLY_FULL for _, share in full))


def phase(seat: str, interval: float) -> float:
    """The seat's own moment in an interval, in seconds from its start: always the same, evenly spread over seats."""
    return int.from_bytes(sha256(seat.encode()).digest()[:8]) / 2**64 * interval


def next_due(
    state: SourceState,
    health: Health,
    retry_at: datetime | None,
    interval: float,
    now: datetime,
    *,
    rng: random.Random,
    source: str = "",
    idle: bool = False,
) -> datetime:
    """When a seat that was read at `now` may be read again. `state` is from before the reading, `interval` in
    seconds.

    After a usable answer: the seat's next own moment, with a little jitter; an `idle` seat may skip one. After a
    refusal: growing waits, with `retry_at` as the earliest time. `source` is the kind of source, which may have rules
    of its own.
    """
    schedule = _SCHEDULES.get(source, _USUAL)
    lag = 0.0
    if health in schedule.waits:
        waits = schedule.waits[health]
        due = now + timedelta(seconds=waits[min(state.failures, len(waits) - 1)])
        lag = rng.uniform(0, schedule.lag)
    elif health in REFUSALS:
        first, longest = _LADDERS[health]
        wait = min(max(first, interval) * 2.0 ** min(state.failures, 30), max(longest, interval))
        due = now + timedelta(seconds=wait * rng.uniform(1, 1 + 2 * _JITTER))
    elif schedule.variation is not None:
        due = now + timedelta(seconds=interval * rng.uniform(1 - schedule.variation, 1 + schedule.variation))
    else:
        due = _next_phase(state.seat, interval, now) + timedelta(
            seconds=interval * (rng.uniform(-_JITTER, _JITTER) + (idle and schedule.slows_down))
        )
    if retry_at is not None:
        due = max(due, retry_at)
    return min(due + timedelta(seconds=lag), latest(interval, now))


def _next_phase(seat: str, interval: float, now: datetime) -> datetime:
    """The seat's first moment at least half an interval away, so that jitter neither doubles nor skips a reading."""
    place = _EPOCH + timedelta(seconds=phase(seat, interval))
    step = timedelta(seconds=interval)
    passed = -((place - now - step / 2) // step)
    return place + passed * step


def latest(interval: float, now: datetime) -> datetime:
    """No deadline is later than the longest wait: such a one is from before the clock was set back."""
    return now + timedelta(seconds=max(LONGEST_WAIT, interval * (1.5 + _JITTER)))


def first_due(
    state: SourceState, interval: float, now: datetime, source: str = "", *, new_seats: int = 1
) -> datetime:
    """When a seat is first read after a start: not before its stored deadline, and not together with all the others.
    A new seat within seconds, unless there are too many `new_seats`; one whose deadline has passed or is invalid,
    within a minute."""
    if state.next_due is None:
        spread = max(_FIRST_READS, _FIRST_READ_EACH * new_seats)
        return now + timedelta(seconds=phase(state.seat, min(interval, spread)))
    keep = state.health not in _SCHEDULES.get(source, _USUAL).until_restart
    if keep and now < state.next_due <= latest(interval, now):
        return state.next_due
    return now + timedelta(seconds=phase(state.seat, min(interval, _CATCH_UP)))
