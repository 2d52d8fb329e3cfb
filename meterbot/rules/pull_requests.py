"""The cost of a pull request: what its author's counters rose between its first and its last commit.

A reading belongs to the window (start, end]. Pull requests of one counter that overlap share what it rises in equal
parts. All of them and the rest add up exactly to what the counter rose.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Generic, TypeVar

from meterbot.core import money
from meterbot.core.models import (
    Counter,
    Event,
    EventKind,
    ExtraUsage,
    LastKnown,
    Sample,
    Seat,
    Severity,
)
from meterbot.core.money import Money
from meterbot.rules.fact_json import instant, money_fact
from meterbot.rules.increases import Increase, increases
from meterbot.rules.months import CLOCK_SKEW

LONGEST_WAIT = timedelta(hours=1)
"""How long a merged pull request waits for the reading that settles its cost, before it is posted."""
GIVEN_UP = timedelta(days=30)
"""After this time it is settled without that reading."""
LISTED_COMMITS = 250
"""GitHub lists no more commits of one pull request."""

NO_WINDOW_FULL = "no plan window was full"
_NOTHING = Money(Decimal(0), "USD", 2)

K = TypeVar("K", bound=Hashable)
Key = tuple[str, int, str]
"""Repository, number and merge commit: a repository that was created again counts from 1."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged pull request from GitHub. `repo` (`owner/name`) and `author` (a login) are in lower case."""

    repo: str
    number: int
    merge: str
    author: str
    opened_at: datetime
    merged_at: datetime

    @property
    def key(self) -> Key:
        return (self.repo, self.number, self.merge)

    @property
    def name(self) -> str:
        return f"{self.repo}#{self.number}"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its author, if GitHub knows them, when it was written, and when it was put where it is now."""

    author: str | None
    authored_at: datetime
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class Commits:
    """When the work began and ended, from the commits' dates."""

    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class WorkWindow:
    """(start, end]: a reading at `start` was spent before."""

    start: datetime
    end: datetime

    def holds(self, at: datetime) -> bool:
        return self.start < at <= self.end

    def meets(self, other: "WorkWindow") -> bool:
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Bill:
    """The cost of a pull request as far as readings have come in.

    `amounts`: one for each currency; None is unknown, and `why` says why. If it is nothing, `why` says why. `shared`:
    the pull requests that share a part. `later`: the rise in the next reading after the end, some of which may belong
    here. `settled`: no reading to come can change it. `read_at`: the newest reading up to the end.
    """

    amounts: tuple[Money, ...] | None
    why: str | None = None
    shared: tuple[str, ...] = ()
    later: tuple[Money, ...] = ()
    settled: bool = False
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A merged pull request with its seats and counters, and what is known of its commits and cost. `commits` None:
    unknown, and `no_commits` says why; without either they are still to be read, and there is no bill yet."""

    merged: Merged
    seats: tuple[str, ...]
    counters: tuple[Counter, ...] = ()
    commits: Commits | None = None
    no_commits: str | None = None
    bill: Bill | None = None

    @property
    def key(self) -> Key:
        return self.merged.key

    @property
    def ready(self) -> bool:
        """Whether its window is final."""
        return self.commits is not None or self.no_commits is not None

    @property
    def window(self) -> WorkWindow:
        """From the first commit to the last; to the merge if all commits have one time; from the opening to the merge
        if the commits are unknown."""
        merged = self.merged
        if self.commits is None:
            return WorkWindow(min(merged.opened_at, merged.merged_at), merged.merged_at)
        start, end = (min(at, merged.merged_at) for at in (self.commits.first_at, self.commits.last_at))
        return WorkWindow(start, end if end > start else merged.merged_at)

    @property
    def counted(self) -> bool:
        """Whether its cost is known, so that it shares what counters rise."""
        return self.bill is not None and self.bill.amounts is not None


def seats_of(author: str, seats: Iterable[Seat]) -> tuple[str, ...]:
    """A person's seats, by their GitHub login."""
    own = (
        seat.name
        for seat in seats
        if "github" in seat.owner and seat.owner["github"].lower() == author and not seat.beside
    )
    return tuple(sorted(own))


def commits_of(listed: Sequence[Commit], merged: Merged) -> Commits | None:
    """The span of the author's own commits, or of all if none is known to be theirs. If the list was cut, the merge
    is its end."""
    own = [commit for commit in listed if commit.author == merged.author] or listed
    if not own:
        return None
    last = max(max(commit.authored_at, commit.committed_at) for commit in own)
    whole = len(listed) < LISTED_COMMITS
    return Commits(min(commit.authored_at for commit in own), last if whole else max(last, merged.merged_at))


@dataclass(slots=True)
class Attribution(Generic[K]):
    """Each one's share per currency, with whom it shared, and the rest."""

    shares: dict[K, list[Money]] = field(default_factory=lambda: defaultdict(list))
    partners: dict[K, set[K]] = field(default_factory=lambda: defaultdict(set))
    rest: list[Money] = field(default_factory=list)


def attribute(rises: Iterable[Increase], windows: Mapping[K, WorkWindow]) -> Attribution[K]:
    """Divides what one counter rose among the windows that contain it; the shares and the rest are exactly all of it.

    Rises with the same windows are summed before they are divided, so at most one unit each does not divide evenly;
    the first of `windows` gets it.
    """
    together: dict[tuple[K, ...], list[Money]] = defaultdict(list)
    for rise in rises:
        together[tuple(key for key, window in windows.items() if window.holds(rise.at))].append(rise.amount)
    found = Attribution[K]()
    for keys, amounts in together.items():
        for total in money.totals(amounts).values():
            if not keys:
                found.rest.append(total)
                continue
            for key, part in zip(keys, money.split(total, len(keys)), strict=True):
                found.shares[key].append(part)
                if total.minor:
                    found.partners[key] |= {*keys} - {key}
    return found


def bills(
    pulls: Iterable[PullRequest],
    samples: Mapping[Counter, Sequence[Sample]],
    standing: Mapping[Counter, LastKnown],
) -> dict[Key, Bill]:
    """The cost of each pull request that is ready. `pulls` are all whose windows overlap; `samples` begin with the
    last reading before the first window; `standing` is the newest knowledge."""
    ready = {pull.key: pull for pull in sorted(pulls, key=_order) if pull.ready}
    unknown = {key: why for key, pull in ready.items() if (why := _why_unknown(pull, samples, standing))}
    shares: dict[Key, list[Money]] = defaultdict(list)
    partners: dict[Key, set[Key]] = defaultdict(set)
    for counter, points in samples.items():
        mine = {
            key: pull.window for key, pull in ready.items() if key not in unknown and counter in pull.counters
        }
        found = attribute(increases(points), mine)
        for key in mine:
            shares[key] += found.shares[key]
            partners[key] |= found.partners[key]
    order = list(ready)
    made = {}
    for key, pull in ready.items():
        read = {counter: samples.get(counter, ()) for counter in pull.counters}
        bill = Bill(
            None if key in unknown else tuple(money.totals(shares[key]).values()),
            why=unknown.get(key),
            shared=tuple(ready[other].merged.name for other in sorted(partners[key], key=order.index)),
            settled=_settled(pull, read, standing),
            read_at=_newest([one.at for points in read.values() for one in points], pull.window.end),
        )
        made[key] = bill if bill.amounts is None else _explained(bill, pull, read, standing)
    return made


def _newest(read: Iterable[datetime], end: datetime) -> datetime | None:
    return max((at for at in read if at <= end), default=None)


def _order(pull: PullRequest) -> tuple[datetime, Key]:
    return (pull.window.start, pull.key)


def _why_unknown(
    pull: PullRequest, samples: Mapping[Counter, Sequence[Sample]], standing: Mapping[Counter, LastKnown]
) -> str | None:
    if not pull.counters:
        return "the seat has not been read yet"
    for counter in pull.counters:
        points = samples.get(counter, ())
        if not points and _unmetered(standing.get(counter)):
            continue
        if not any(point.at <= pull.window.start and point.used is not None for point in points):
            began = "the first commit" if pull.commits is not None else "the opening"
            return f"there is no reading from {began} or before"
    return None


def _unmetered(known: LastKnown | None) -> bool:
    return known is not None and known.extra_usage_at is not None and known.snapshot.extra_usage is None


def _settled(
    pull: PullRequest, points: Mapping[Counter, Sequence[Sample]], standing: Mapping[Counter, LastKnown]
) -> bool:
    """Whether each counter was read at or after the end. Readings come in order, so no earlier one will come."""
    for counter, some in points.items():
        known = standing.get(counter)
        read = [point.at for point in some if point.used is not None]
        if not some and known is not None and known.extra_usage_at is not None:
            read = [known.extra_usage_at]
        if not read or read[-1] < pull.window.end:
            return False
    return bool(points)


def _explained(
    bill: Bill,
    pull: PullRequest,
    points: Mapping[Counter, Sequence[Sample]],
    standing: Mapping[Counter, LastKnown],
) -> Bill:
    """Adds what a reader must know: what was read too late, and why nothing is nothing."""
    window = pull.window
    straddling = [
        rise
        for some in points.values()
        for rise in increases(some)
        if rise.amount.minor and rise.since is not None and rise.since <= window.end < rise.at
    ]
    nothing = not any(amount.minor for amount in bill.amounts or ())
    late = [
        rise.amount
        for rise in straddling
        if nothing or rise.at - max(rise.since or rise.at, window.start) > CLOCK_SKEW
    ]
    why = None
    if nothing and not late:
        why = _why_nothing(pull, points, standing)
    return Bill(
        bill.amounts or (_NOTHING,),
        why=why,
        shared=bill.shared,
        later=tuple(money.totals(late).values()),
        settled=bill.settled,
        read_at=bill.read_at,
    )


def _why_nothing(
    pull: PullRequest, points: Mapping[Counter, Sequence[Sample]], standing: Mapping[Counter, LastKnown]
) -> str:
    if not any(points.values()):
        return "extra usage is not set up"
    extras = [_extra(standing.get(counter)) for counter in pull.counters]
    if all(extra is not None and extra.enabled is False for extra in extras):
        return "extra usage is switched off"
    window = pull.window
    before = [
        some_before[-1]
        for some in points.values()
        if (some_before := [p for p in some if p.at <= window.start])
    ]
    inside = [point for some in points.values() for point in some if window.holds(point.at)]
    return "extra usage was blocked" if any(point.blocked for point in [*before, *inside]) else NO_WINDOW_FULL


def _extra(known: LastKnown | None) -> ExtraUsage | None:
    return None if known is None else known.snapshot.extra_usage


def merged_event(pull: PullRequest, now: datetime, *, shown: bool) -> Event:
    """What the channel sees. With `shown` False it contains nothing that is only for the seat's owner."""
    merged, window, bill = pull.merged, pull.window, pull.bill or Bill(None)
    span = "from its first commit to its last" if pull.commits else "from its opening to its merge"
    facts: dict[str, object] = {"repo": merged.repo, "number": merged.number, "shown": shown}
    numbers: dict[str, object] = {
        "seats": list(pull.seats),
        "start": instant(window.start),
        "end": instant(window.end),
        "no_commits": pull.no_commits,
        "amounts": None if bill.amounts is None else [money_fact(amount) for amount in bill.amounts],
        "why": bill.why,
        "shared": list(bill.shared),
        "later": [money_fact(amount) for amount in bill.later],
        "settled": bill.settled,
        "read_at": instant(bill.read_at),
    }
    return Event(
        key=f"pull:{merged.name}:{merged.merge[:12]}",
        kind=EventKind.PULL_REQUEST_MERGED,
        at=now,
        severity=Severity.INFO,
        reason=f"what the seat's counter rose {span}" if shown else "the amount is for the seat's owner",
        seat=min(pull.seats),
        facts=facts | (numbers if shown else dict.fromkeys(numbers)),
    )
