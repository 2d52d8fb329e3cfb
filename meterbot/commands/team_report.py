"""The team as `/claude-spend` answers it: a row per seat and counter, totals, and the seats that are missing.

Amounts are summed exactly and per currency, each counter once. Unknown stays unknown: a number that could not be
read, or that belongs to an earlier month, is in no sum.
"""

import collections
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from meterbot.core.models import Counter, Health, LastKnown, Seat, Snapshot, WindowPoint
from meterbot.core.money import Money, percent
from meterbot.core.plans import plan_mismatch
from meterbot.rules.blocked import Block
from meterbot.rules.pace import Pace
from meterbot.rules.seat_facts import SeatFacts


@dataclass(frozen=True, slots=True)
class RowDetails:
    """What only a row that is shown needs. `windows_at` is when the windows were read. `through`: which parts are known
    through which other seat."""

    snapshot: Snapshot
    windows_at: datetime | None = None
    block: Block | None = None
    through: Mapping[str, str] = field(default_factory=dict)
    trail: Mapping[str, tuple[WindowPoint, ...]] = field(default_factory=dict)


class LatestReading(Protocol):
    """What is known from one seat about one counter, as the store keeps it."""

    @property
    def seat(self) -> str: ...

    @property
    def counter(self) -> Counter: ...

    @property
    def known(self) -> LastKnown: ...

    @property
    def facts(self) -> SeatFacts | None:
        """As `facts_to_store` makes them of `known`, or None if they are not stored."""


@dataclass(slots=True)
class SeatRow:
    """The newest state of one counter, as one seat has read it; `counter` is None for a seat never read.

    `facts` have amounts of this UTC month only; `outdated`: the last amount is older. `read_at` is when the money was
    last read, or else the windows. `counted` marks the one row of each counter that is in the totals, if it has an
    amount for them. `make` makes the details when somebody asks for them: most rows of a large team are only counted.
    """

    seat: Seat
    health: Health
    """The source's present one."""
    facts: SeatFacts
    make: Callable[["SeatRow"], RowDetails] = field(repr=False, compare=False)
    counter: Counter | None = None
    read_at: datetime | None = None
    outdated: bool = False
    counted: bool = False
    pace: Pace | None = None
    """How fast an API organization spends; only for rows that are `beside`."""
    reading: LatestReading | None = field(repr=False, compare=False, default=None)
    """For `make`."""
    # What every row is asked for many times while an answer is made:
    beside: bool = field(init=False, repr=False, compare=False)
    used: Money | None = field(init=False, repr=False, compare=False)
    """This month's amount, None when unknown or not metered."""
    known: bool = field(init=False, repr=False, compare=False)
    """Whether this month's amount is known, or known not to be metered."""
    metered: bool = field(init=False, repr=False, compare=False)
    blocked: bool = field(init=False, repr=False, compare=False)
    _made: RowDetails | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        facts = self.facts
        self.used, self.metered, self.blocked = facts.used, facts.metered, facts.blocked
        self.known = self.extra_known and not self.outdated and (self.used is not None or not self.metered)
        self.beside = self.seat.beside
        self.counted = self.counted and self.used is not None and not self.beside

    @property
    def details(self) -> RowDetails:
        if self._made is None:
            self._made = self.make(self)
        return self._made

    @property
    def snapshot(self) -> Snapshot:
        """With the source's present health, and amounts of this UTC month only."""
        return self.details.snapshot

    @property
    def block(self) -> Block | None:
        return self.details.block

    @property
    def extra_known(self) -> bool:
        return self.facts.extra_usage_at is not None

    @property
    def current(self) -> bool:
        """A healthy source may have stopped sending the amount."""
        at, newest = self.facts.extra_usage_at, self.facts.fetched_at
        aged = at is not None and newest - at > self.seat.stale_after
        return self.known and self.health is Health.OK and not aged


@dataclass(frozen=True, slots=True)
class Total:
    """One currency's sum. `used` is None when no amount is known. `cap` is None unless every counter in the sum has
    one: `uncapped` and `cap_unknown` name the seats that lack it."""

    currency: str
    used: Money | None
    cap: Money | None
    plan_fees: Money | None
    """The known prices alone: `TeamReport.unpriced` names the seats without one."""
    uncapped: tuple[str, ...] = ()
    cap_unknown: tuple[str, ...] = ()

    @property
    def percent(self) -> Decimal | None:
        """used / cap × 100, exact and not clamped."""
        return None if self.used is None or self.cap is None else percent(self.used, self.cap)


@dataclass(frozen=True, slots=True)
class MissingSeat:
    """A seat whose source does not deliver. `detail`: what is wrong, in a sentence. `next_due`: when it is read
    again."""

    seat: str
    health: Health
    since: datetime | None
    remedy: str
    detail: str | None = None
    next_due: datetime | None = None


@dataclass(frozen=True, slots=True)
class TeamReport:
    """Everything `/claude-spend` answers from. Rows: blocked first, then by amount, then by name.

    `current` of `seats` seats have a number that is known and fresh. `duplicates` are seats with one counter.
    """

    as_of: datetime
    rows: tuple[SeatRow, ...]
    totals: tuple[Total, ...]
    missing: tuple[MissingSeat, ...]
    duplicates: tuple[tuple[str, ...], ...]
    seats: int
    current: int
    split: frozenset[str] = field(init=False, compare=False)
    """Seats with several rows."""
    unpriced: tuple[str, ...] = field(init=False, compare=False)
    """The seats whose plan's price is not known, so that the plan fees are without it."""

    def __post_init__(self) -> None:
        rows = collections.Counter([row.seat.name for row in self.rows])
        object.__setattr__(self, "split", frozenset(name for name, number in rows.items() if number > 1))
        priced = {row.seat.name for row in self.rows if row.seat.plan_price is not None or row.seat.beside}
        paid = {name for group in self.duplicates if not priced.isdisjoint(group) for name in group}
        object.__setattr__(self, "unpriced", tuple(sorted(rows.keys() - priced - paid)))


def plan_troubles(rows: Iterable[SeatRow]) -> list[str]:
    """A sentence for each seat whose account has another plan than the configured one."""
    tiers_of: dict[str, tuple[str | None, list[str | None]]] = {}
    for row in rows:
        tiers_of.setdefault(row.seat.name, (row.seat.plan, []))[1].append(row.facts.tier)
    found = [plan_mismatch(name, plan, tiers) for name, (plan, tiers) in tiers_of.items()]
    return [sentence for sentence in found if sentence is not None]
