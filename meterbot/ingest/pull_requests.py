"""Merged pull requests: receives them from GitHub, reads their commits, calculates their cost, and posts each once.

A request of GitHub is only stored, so that it is answered at once; `calculate_due` does the rest, and again as readings
come in.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import partial
from typing import TypeVar

from meterbot.core.counters import ProcessCounters
from meterbot.core.log import get_logger
from meterbot.core.models import Counter, Event, Seat, by_counter
from meterbot.ingest.ingest import Ingest
from meterbot.rules.fact_json import fact_money
from meterbot.rules.months import calendar_month, month_start
from meterbot.rules.pull_requests import (
    GIVEN_UP,
    LONGEST_WAIT,
    Bill,
    Commit,
    Commits,
    Key,
    Merged,
    PullRequest,
    PullRequestMonth,
    WorkWindow,
    bills,
    commits_of,
    merged_event,
    month_of_pulls,
    seats_of,
)
from meterbot.sources import CommitReader, CommitsUnreadError
from meterbot.store import Connection, Latest, PullRecord, Store, counter_states, history, locks
from meterbot.store import pull_requests as records
from meterbot.store.errors import is_outage

NO_TOKEN = "no GitHub token is configured"  # noqa: S105 - a sentence
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360))
"""Between the attempts to read a pull request's commits. After the last one its cost is calculated without them."""

MOST_TRIES = 3
"""After this many failures of its own, a pull request is set aside."""
_ASKING = timedelta(minutes=5)
"""An attempt takes less; after this time another worker may make the next."""

T = TypeVar("T")
log = get_logger(__name__)


class HookReceipt(StrEnum):
    """What happened to a merged pull request."""

    NEW = "taken"
    KNOWN = "known already"
    ELSEWHERE = "its repository is not among the configured ones"
    NO_SEAT = "no seat has its author as owner.github"


@dataclass(eq=False, repr=False)
class PullRequestTracker:
    """`repositories`: patterns of those that count, all if there are none. `post_without_cost`: also post those that
    cost nothing. `shown`: the channel may read what a single seat spent."""

    store: Store
    seats: Mapping[str, Seat]
    ingest: Ingest
    _: KW_ONLY
    read_commits: CommitReader | None = None
    repositories: Sequence[str] = ()
    post_without_cost: bool = False
    shown: bool = True
    counters: ProcessCounters = field(default_factory=ProcessCounters)

    def __post_init__(self) -> None:
        self._failing = False
        self._tries: defaultdict[Key, int] = defaultdict(int)

    async def add(
        self, merged: Merged, delivery: str, now: datetime, commits: Commits | None = None
    ) -> HookReceipt:
        """Stores it, once. `delivery` is GitHub's id of the request."""
        patterns = [pattern.lower() for pattern in self.repositories]
        if patterns and not any(fnmatchcase(merged.repo, each) for each in patterns):
            return HookReceipt.ELSEWHERE
        seats = seats_of(merged.author, self.seats.values())
        if not seats:
            return HookReceipt.NO_SEAT
        asked_for = commits is None and self.read_commits is not None
        why = None if commits is not None or asked_for else NO_TOKEN
        pull = PullRequest(merged, seats, commits=commits, no_commits=why)
        new = PullRecord(pull, delivery, now, due_at=now if asked_for else None)
        added = await self.store.run(lambda tx: records.add(tx, new))
        return HookReceipt.NEW if added else HookReceipt.KNOWN

    async def calculate_due(self, now: datetime) -> None:
        """Reads commits that are due, and recalculates what readings may have changed. A pull request that fails again
        and again is set aside; the others continue."""
        for key, why in (await self.store.read(records.unreadable)).items():
            await self._set_aside(key, why)
        for record in await self.store.read(records.still_open):
            if record.due_at is not None and record.due_at <= now:
                await self._attempt(record, self._ask(record, now))
        ready = [record for record in await self.store.read(records.still_open) if record.pull.ready]
        latest = await self.store.read(counter_states.read_latest) if ready else []
        for record in ready:
            if _may_change(record, latest):
                find = partial(self._calculate, key=record.pull.key, now=now)
                await self._attempt(record, self.ingest.store_events(find, now))

    async def _attempt(self, record: PullRecord, work: Awaitable[object]) -> None:
        """Counts a failure of our own against the pull request that causes it, which may be one that shares with it."""
        try:
            await work
        except Exception as error:
            if is_outage(error):
                raise
            log.exception("a pull request could not be calculated", pull=record.pull.merged.name)
            for key in await self._causes(record):
                self._tries[key] += 1
                if self._tries[key] >= MOST_TRIES:
                    await self._set_aside(key, f"it could not be calculated: {type(error).__name__}")
        else:
            self._tries.pop(record.pull.key, None)

    async def _causes(self, record: PullRecord) -> list[Key]:
        # Nothing is near if its own window cannot be compared.
        near = await self._attempted(partial(records.meeting, window=record.pull.window)) or []
        pulls = {one.pull.key: one.pull for one in [*near, record]}
        failing = [
            key for key, pull in pulls.items() if await self._attempted(partial(_bills, pulls=[pull])) is None
        ]
        return failing or [record.pull.key]

    async def _attempted(self, read: Callable[[Connection], T]) -> T | None:
        """None if it fails, and not because of the database."""
        try:
            return await self.store.read(read)
        except Exception as error:
            if is_outage(error):
                raise
            return None

    async def _set_aside(self, key: Key, reason: str) -> None:
        repo, number, _ = key
        self._tries.pop(key, None)
        if await self.store.run(lambda tx: records.set_aside(tx, key, reason)):
            log.error("gave up on a pull request", pull=f"{repo}#{number}", reason=reason)
            self.counters.failed("pull_request")

    async def _ask(self, record: PullRecord, now: datetime) -> None:
        pull = record.pull
        claim = partial(records.claim, key=pull.key, attempts=record.attempts, until=now + _ASKING)
        if not await self.store.run(claim):
            return
        try:
            commits = commits_of(await self._listed(pull.merged, now), pull.merged)
        except CommitsUnreadError as error:
            answered = self._unread(record, error, now)
        else:
            why = None if commits is not None else "GitHub lists no commit of it"
            answered = replace(record, pull=replace(pull, commits=commits, no_commits=why), due_at=None)
            self._log_health(None)
        await self.store.run(lambda tx: records.write(tx, [answered]))

    async def _listed(self, merged: Merged, now: datetime) -> Sequence[Commit]:
        if self.read_commits is None:  # there was a token when it was stored
            raise CommitsUnreadError(NO_TOKEN)
        return await self.read_commits(merged, now)

    def _unread(self, record: PullRecord, error: CommitsUnreadError, now: datetime) -> PullRecord:
        self._log_health(error.sentence)
        if self.read_commits is None or record.attempts >= len(PAUSES):
            return replace(record, pull=replace(record.pull, no_commits=error.sentence), due_at=None)
        pause = max(PAUSES[record.attempts], timedelta(seconds=error.retry_after or 0))
        return replace(record, due_at=now + pause)

    def _log_health(self, trouble: str | None) -> None:
        """Logs when it begins to fail and when it ends, not each time."""
        if trouble is not None and not self._failing:
            log.warning("commits of pull requests cannot be read", why=trouble)
        elif trouble is None and self._failing:
            log.info("commits of pull requests can be read again")
        self._failing = trouble is not None

    def _calculate(self, connection: Connection, *, key: Key, now: datetime) -> list[Event]:
        """The cost of this pull request and of those that share with it, and its event if it is time."""
        locks.names(connection, ["pull requests"])  # one changes the bills of those that share with it
        record = records.one(connection, key)
        if record is None or not record.open or not record.pull.ready:
            return []
        pull = record.pull
        if not pull.counters:  # those that its seats read now
            latest = counter_states.read_latest(connection, pull.seats)
            pull = replace(pull, counters=counters_of(pull.seats, self.seats, latest))
        record, before = replace(record, pull=pull), record
        others = [one for one in records.meeting(connection, pull.window) if one.pull.key != key]
        sharing = [record, *_sharing(pull.counters, others)]
        made = calculated(connection, [each.pull for each in sharing])
        changed = [replace(each, pull=replace(each.pull, bill=made[each.pull.key])) for each in sharing]
        bill = made[key]
        is_final = bill.settled or now - record.received_at >= LONGEST_WAIT
        is_reported = is_final and record.reported_at is None
        final = replace(
            changed[0],
            reported_at=now if is_reported else record.reported_at,
            open=not (is_final and bill.settled) and now - record.received_at < GIVEN_UP,
        )
        known = [before, *sharing[1:]]
        news = [one for one, old in zip([final, *changed[1:]], known, strict=True) if one != old]
        records.write(connection, news)
        if not is_reported:
            return []
        event = merged_event(final.pull, now, shown=self.shown)
        return [event if self.post_without_cost else _posted_if_it_cost(event)]


def calculated(connection: Connection, pulls: Sequence[PullRequest]) -> dict[Key, Bill]:
    """The cost of these, and of overlapping ones in the record with which they share."""
    own = {pull.key for pull in pulls}
    counters = {counter for pull in pulls for counter in pull.counters}
    span = WorkWindow(min(pull.window.start for pull in pulls), max(pull.window.end for pull in pulls))
    stored = [one for one in records.meeting(connection, span) if one.pull.key not in own]
    return _bills(connection, [*pulls, *(one.pull for one in _sharing(counters, stored))])


def _bills(connection: Connection, pulls: Sequence[PullRequest]) -> dict[Key, Bill]:
    counters = {counter for pull in pulls for counter in pull.counters}
    samples = by_counter(history.read(connection, counters, min(pull.window.start for pull in pulls)))
    states = counter_states.read_states(connection, counters)
    return bills(pulls, samples, {counter: state.known for counter, state in states.items()})


async def month_so_far(
    store: Store, seats: Mapping[str, Seat], names: Iterable[str], now: datetime
) -> PullRequestMonth:
    """The UTC month's pull requests of these seats, and which part of the spend of seats with a GitHub login belongs
    to none."""
    month = calendar_month(now)
    window = WorkWindow(month_start(month), now)
    mine = [name for name in names if seats[name].owner.get("github") and not seats[name].beside]
    latest = await store.read(counter_states.read_latest)
    counters = {one.counter for one in latest if one.seat in mine and seats[one.seat].covers(one.counter.org)}
    samples = by_counter(await store.read(lambda c: history.read(c, counters, window.start)))
    pulls = [one.pull for one in await store.read(lambda c: records.within(c, window))]
    return await asyncio.to_thread(month_of_pulls, month, window, pulls, samples, mine, everybody=seats)


def _may_change(record: PullRecord, latest: Iterable[Latest]) -> bool:
    """Whether it is not posted yet, or its seats were read since it was calculated."""
    bill = record.pull.bill
    if bill is None or record.reported_at is None:
        return True
    read = [one.known.extra_usage_at for one in latest if one.seat in record.pull.seats]
    return any(at is not None and (bill.read_at is None or at > bill.read_at) for at in read)


def counters_of(
    names: Sequence[str], seats: Mapping[str, Seat], latest: Sequence[Latest]
) -> tuple[Counter, ...]:
    """All counters of these seats; none if one seat has none, because its part would be missing."""
    found = {
        name: {
            one.counter
            for one in latest
            if one.seat == name and name in seats and seats[name].covers(one.counter.org)
        }
        for name in names
    }
    return tuple(sorted(set().union(*found.values()), key=str)) if all(found.values()) else ()


def _sharing(counters: Iterable[Counter], records: Iterable[PullRecord]) -> list[PullRecord]:
    """The pull requests that are ready and on one of the counters."""
    wanted = set(counters)
    return [one for one in records if one.pull.ready and wanted.intersection(one.pull.counters)]


def _posted_if_it_cost(event: Event) -> Event:
    """A pull request that cost nothing, and will not cost more, is stored and not posted."""
    amounts = event.facts.get("amounts")
    free = isinstance(amounts, list) and not any(
        amount.minor for amount in map(fact_money, amounts) if amount
    )
    return replace(event, muted_by="no extra usage") if free and event.facts.get("settled") else event
