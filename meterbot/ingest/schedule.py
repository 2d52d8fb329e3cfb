"""When a seat may be read again: each at its own phase of the interval, refusals on a ladder; pure."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from meterbot.core.models import REFUSALS, Health, Snapshot, SourceState

LONGEST_WAIT = 6 * 3600.0
"""Seconds. No refusal, whatever its `Retry-After`, keeps a seat unread for longer, unless its interval is longer."""

IDLE_AFTER = timedelta(hours=1)
"""How long nothing about a seat must have changed for it to be asked half as often."""
_NEARLY_FULL = 80
"""Per cent. A window that is fuller is watched, moving or not."""
_JITTER = 0.05
_FIRST_READS = 5.0
_FIRST_READ_EACH = 0.2
_CATCH_UP = 60.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_LADDERS = {
    # Health: (first wait, longest wait) in seconds; it doubles from refusal to refusal, and begins at the interval
    # where that is longer.
    Health.UNREACHABLE: (0.0, 900.0),  # heals by itself, and soon
    Health.RATE_LIMITED: (300.0, 3600.0),  # asking on prolongs it, and its Retry-After may be 0
    Health.SESSION_EXPIRED: (300.0, 1800.0),  # a person renews it; not long after, it should be seen
    Health.CHALLENGED: (900.0, LONGEST_WAIT),  # asking on makes it worse
    Health.REFUSED: (900.0, LONGEST_WAIT),  # waiting will not help
}


@dataclass(frozen=True, slots=True)
class PollSchedule:
    """What is particular to a kind of source.

    `swing`: the time from one read to the next varies by this share of the interval; None: reads keep to the seat's
    own places in time, and are moved from them a little.
    `rungs`: seconds to wait after the first, second, … refusal in a row, in place of the usual ladder; the last one
    holds for all that follow.
    `lag`: after a refusal with rungs, at most so many seconds more, at random, whatever the service asked for.
    `rests`: a seat whose numbers do not change is read half as often. Its numbers never get older than two and a half
    intervals, so they are not stale.
    `until_restart`: these refusals wait for a person, who replaces the credential and restarts meterbot again: then they are asked
    anew at once, whatever the deadline.
    """

    swing: float | None = None
    rungs: Mapping[Health, tuple[float, ...]] = field(default_factory=dict)
    lag: float = 0.0
    rests: bool = False
    until_restart: frozenset[Health] = frozenset({Health.SESSION_EXPIRED, Health.REFUSED})


_USUAL = PollSchedule()
_CADENCES = {
    "claude_ai": PollSchedule(rests=True),
    # Its budget is five requests in 300 seconds, for all programs of the account together. Who comes back at the very
    # second that Retry-After named was seen to be sent away for another hour. Its sign-in is replaced without a restart,
    # and restarts in a row must not use up what others need.
    "claude_code": PollSchedule(
        swing=0.2,
        rungs={Health.RATE_LIMITED: (300.0, 900.0, 1800.0, 3600.0)},
        lag=300.0,
        until_restart=frozenset(),
    ),
}


@dataclass(frozen=True, slots=True)
class Stillness:
    """What a seat's readings have said since an instant: `said` names it. `watched`: a window is nearly full."""

    said: int
    since: datetime
    watched: bool

    def is_idle(self, now: datetime) -> bool:
        return not self.watched and now - self.since >= IDLE_AFTER


def stillness(before: Stillness | None, tick: Sequence[Snapshot], at: datetime) -> Stillness:
    """With the reading of `at`. When a window resets is not looked at: that moves with the time of asking."""
    full = [(window.name, window.utilization) for one in tick for window in one.windows]
    said = hash((*full, *((one.health, one.org_uuid, one.extra_usage, one.subscription) for one in tick)))
    since = before.since if before is not None and before.said == said and before.since <= at else at
    return Stillness(said, since, any(share is not None and share >= _NEARLY_FULL for _, share in full))


def phase(seat: str, interval: float) -> float:
    """The seat's own place in an interval, in seconds from its start: always the same, evenly spread over seats."""
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
    """When a seat that was read at `now` may be read again. `state` is from before the read, `interval` in seconds.

    An answer to build on: the next of the seat's own places in time, moved a little; an `idle` seat may wait for the
    place after the next. A refusal: the ladder, with `retry_at` as a floor. `source` is the kind of source, which may
    have its own ways.
    """
    cadence = _CADENCES.get(source, _USUAL)
    lag = 0.0
    if health in cadence.rungs:
        rungs = cadence.rungs[health]
        due = now + timedelta(seconds=rungs[min(state.failures, len(rungs) - 1)])
        lag = rng.uniform(0, cadence.lag)
    elif health in REFUSALS:
        first, longest = _LADDERS[health]
        wait = min(max(first, interval) * 2.0 ** min(state.failures, 30), max(longest, interval))
        due = now + timedelta(seconds=wait * rng.uniform(1, 1 + 2 * _JITTER))
    elif cadence.swing is not None:
        due = now + timedelta(seconds=interval * rng.uniform(1 - cadence.swing, 1 + cadence.swing))
    else:
        due = _next_place(state.seat, interval, now) + timedelta(
            seconds=interval * (rng.uniform(-_JITTER, _JITTER) + (idle and cadence.rests))
        )
    if retry_at is not None:
        due = max(due, retry_at)
    return min(due + timedelta(seconds=lag), latest(interval, now))


def _next_place(seat: str, interval: float, now: datetime) -> datetime:
    """The seat's first place at least half an interval away, so that jitter neither doubles nor drops a read."""
    place = _EPOCH + timedelta(seconds=phase(seat, interval))
    step = timedelta(seconds=interval)
    passed = -((place - now - step / 2) // step)
    return place + passed * step


def latest(interval: float, now: datetime) -> datetime:
    """No deadline is beyond the longest wait: one that is, is from before the clock was set back."""
    return now + timedelta(seconds=max(LONGEST_WAIT, interval * (1.5 + _JITTER)))


def first_due(
    state: SourceState, interval: float, now: datetime, source: str = "", *, new_seats: int = 1
) -> datetime:
    """When a seat is read first after a start: not before its stored deadline, and not together with all the others.

    A new seat within seconds, where there are not `new_seats` too many to begin at once; one whose deadline passed
    meanwhile, or is none to keep, within a minute.
    """
    if state.next_due is None:
        spread = max(_FIRST_READS, _FIRST_READ_EACH * new_seats)
        return now + timedelta(seconds=phase(state.seat, min(interval, spread)))
    keep = state.health not in _CADENCES.get(source, _USUAL).until_restart
    if keep and now < state.next_due <= latest(interval, now):
        return state.next_due
    return now + timedelta(seconds=phase(state.seat, min(interval, _CATCH_UP)))
