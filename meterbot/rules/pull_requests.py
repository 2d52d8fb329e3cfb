"""The cost of a pull request: what its author's counters rose between its first and its last commit; and of a month's.

A reading belongs to the window (start, end]. Pull requests of one counter that overlap share what it rises in equal
parts. All of them and the rest add up exactly to what the counter rose.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain
from statistics import median

from meterbot.core import money
from meterbot.core.models import Counter, Event, EventKind, LastKnown, Sample, Seat, Severity, StoredCounter
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
    counters: tuple[StoredCounter, ...] = ()
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
class Attribution:
    """Each one's share per currency, with whom it shared, and the rest; together exactly all that was added."""

    shares: dict[Key, list[Money]] = field(default_factory=lambda: defaultdict(list))
    partners: dict[Key, set[Key]] = field(default_factory=lambda: defaultdict(set))
    rest: list[Money] = field(default_factory=list)

    def add(self, rises: Iterable[Increase], windows: Mapping[Key, WorkWindow]) -> None:
        """Divides what one counter rose among the windows that contain it.

        Rises with the same windows are summed before they are divided, so at most one unit each does not divide
        evenly; the first of `windows` gets it.
        """
        together: dict[tuple[Key, ...], list[Money]] = defaultdict(list)
        for rise in rises:
            holders = tuple(key for key, window in windows.items() if window.holds(rise.at))
            together[holders].append(rise.amount)
        for keys, amounts in together.items():
            totals = money.totals(amounts).values()
            if not keys:
                self.rest += totals
                continue
            for total in totals:
                for key, part in zip(keys, money.split(total, len(keys)), strict=True):
                    self.shares[key].append(part)
                    if total.minor:
                        self.partners[key] |= {*keys} - {key}


@dataclass(frozen=True, slots=True)
class _Read:
    """A pull request whose window is final, and what was read of its counters: samples, and the newest knowledge."""

    pull: PullRequest
    points: Mapping[Counter, Sequence[Sample]]
    known: Mapping[Counter, LastKnown | None]

    @property
    def all_points(self) -> list[Sample]:
        return [point for points in self.points.values() for point in points]


def bills(
    pulls: Iterable[PullRequest],
    samples: Mapping[Counter, Sequence[Sample]],
    standing: Mapping[Counter, LastKnown],
) -> dict[Key, Bill]:
    """The cost of each pull request that is ready. `pulls` are all whose windows overlap; `samples` begin with the
    last reading before the first window; `standing` is the newest knowledge."""
    ready = {
        pull.key: _Read(
            pull,
            {counter: samples.get(counter, ()) for counter in pull.counters},
            {counter: standing.get(counter) for counter in pull.counters},
        )
        for pull in sorted(pulls, key=lambda pull: (pull.window.start, pull.key))
        if pull.ready
    }
    unknown = {key: why for key, read in ready.items() if (why := _why_unknown(read))}
    found = Attribution()
    for counter, points in samples.items():
        mine = {
            key: read.pull.window
            for key, read in ready.items()
            if key not in unknown and counter in read.points
        }
        found.add(increases(points), mine)
    return {
        key: replace(
            Bill(None, why=unknown[key]) if key in unknown else _known_bill(read, found.shares[key]),
            shared=tuple(ready[other].pull.merged.name for other in ready if other in found.partners[key]),
            settled=_settled(read),
            read_at=max((p.at for p in read.all_points if p.at <= read.pull.window.end), default=None),
        )
        for key, read in ready.items()
    }


def _why_unknown(read: _Read) -> str | None:
    if not read.points:
        return "the seat has not been read yet"
    for counter, points in read.points.items():
        if not points and _unmetered(read.known[counter]):
            continue
        if not any(point.at <= read.pull.window.start for point in points):
            began = "the first commit" if read.pull.commits is not None else "the opening"
            return f"there is no reading from {began} or before"
    return None


def _unmetered(known: LastKnown | None) -> bool:
    return known is not None and known.extra_usage_at is not None and known.snapshot.extra_usage is None


def _settled(read: _Read) -> bool:
    """Whether each counter was read at or after the end. Readings come in order, so no earlier one will come."""
    for counter, points in read.points.items():
        known = read.known[counter]
        times = [point.at for point in points]
        if not points and known is not None and known.extra_usage_at is not None:
            times = [known.extra_usage_at]
        if not times or times[-1] < read.pull.window.end:
            return False
    return bool(read.points)


def _known_bill(read: _Read, shares: Iterable[Money]) -> Bill:
    """The bill of these shares. It also has the amounts that were read too late to count; without them, a bill of 0
    has the reason why nothing was spent."""
    amounts, window = tuple(money.totals(shares).values()), read.pull.window
    straddling = [
        rise
        for points in read.points.values()
        for rise in increases(points)
        if rise.amount.minor and rise.since is not None and rise.since <= window.end < rise.at
    ]
    nothing = not any(amount.minor for amount in amounts)
    late = [
        rise.amount
        for rise in straddling
        if nothing or rise.at - max(rise.since or rise.at, window.start) > CLOCK_SKEW
    ]
    why = _why_nothing(read) if nothing and not late else None
    return Bill(amounts or (_NOTHING,), why=why, later=tuple(money.totals(late).values()))


def _why_nothing(read: _Read) -> str:
    if not read.all_points:
        return "extra usage is not set up"
    extras = [known.snapshot.extra_usage if known else None for known in read.known.values()]
    if all(extra is not None and extra.enabled is False for extra in extras):
        return "extra usage is switched off"
    start = read.pull.window.start
    before = [[point for point in points if point.at <= start][-1:] for points in read.points.values()]
    inside = [point for point in read.all_points if read.pull.window.holds(point.at)]
    blocked = any(point.blocked for point in [*chain(*before), *inside])
    return "extra usage was blocked" if blocked else NO_WINDOW_FULL


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


@dataclass(frozen=True, slots=True)
class PullRequestMonth:
    """The pull requests merged in a month, the newest first, and what their counters rose in it. `medians`: per
    currency, of those with a known cost. `spent`: per currency; `unmerged` is the part that belongs to no merged pull
    request."""

    month: str
    pulls: tuple[PullRequest, ...]
    medians: tuple[Money, ...] = ()
    spent: tuple[Money, ...] = ()
    unmerged: tuple[Money, ...] = ()
    hidden: int = 0
    """How many more were merged, of other seats."""


def month_of_pulls(
    month: str,
    window: WorkWindow,
    pulls: Iterable[PullRequest],
    samples: Mapping[Counter, Sequence[Sample]],
    seats: Collection[str],
    *,
    everybody: Collection[str] = (),
) -> PullRequestMonth:
    """Of these seats, and how many are of the others among `everybody`. `pulls` are all that were merged in the window
    or whose own meet it; `samples` are of the seats' counters."""
    pulls = sorted(pulls, key=lambda pull: pull.merged.merged_at, reverse=True)
    inside = [pull for pull in pulls if window.holds(pull.merged.merged_at)]
    merged = [pull for pull in inside if {*pull.seats} & {*seats}]
    hidden = len([pull for pull in inside if {*pull.seats} & {*seats, *everybody}]) - len(merged)
    spent: list[Money] = []
    found = Attribution()
    for counter, points in samples.items():
        rises = [rise for rise in increases(points) if window.holds(rise.at)]
        mine = {pull.key: pull.window for pull in pulls if pull.counted and counter in pull.counters}
        spent += [rise.amount for rise in rises]
        found.add(rises, mine)
    held = money.totals(spent)
    left = money.totals([*(money.zero(one) for one in held.values()), *found.rest])
    medians = _medians([pull.bill for pull in merged if pull.bill is not None])
    return PullRequestMonth(month, tuple(merged), medians, tuple(held.values()), tuple(left.values()), hidden)


def _medians(found: Iterable[Bill]) -> tuple[Money, ...]:
    per_currency: dict[str, list[Money]] = defaultdict(list)
    for bill in found:
        for amount in bill.amounts or ():
            per_currency[amount.currency].append(amount)
    return tuple(
        money.of_major(median(amount.major for amount in amounts), currency)
        for currency, amounts in sorted(per_currency.items())
    )
