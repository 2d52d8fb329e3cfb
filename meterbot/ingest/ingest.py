"""The door: every new fact, polled or pushed, comes in here.

One transaction per batch: what was known is read, the rules are asked, and the knowledge, the history, the events
and the deliveries they cause are written together. Posting comes after, from what was committed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from meterbot import rules
from meterbot.core.deliveries import AlertAction, Destination, Purpose
from meterbot.core.log import get_logger
from meterbot.core.models import (
    Counter,
    Event,
    EventKind,
    Health,
    Sample,
    Seat,
    Snapshot,
    by_counter,
)
from meterbot.core.plans import plan_mismatch
from meterbot.delivery import seat_settings
from meterbot.delivery.alerts.message import reminder
from meterbot.delivery.planner import Planner, follow_ups
from meterbot.delivery.routing import (
    Quiet,
    RoutingSettings,
    hold,
    muted_by,
    priority_of,
    topic_of,
)
from meterbot.ingest.changes import Changes, counters_of, counts_in_team, may_change
from meterbot.ingest.team_totals import TeamTotals
from meterbot.rules import (
    AccountMonth,
    CounterMemory,
    DestinationProblem,
    RuleSettings,
    SourceMemory,
    fact_money,
    money_fact,
)
from meterbot.rules.facts import instant
from meterbot.rules.hours import Hour, last_month
from meterbot.rules.memory import CLOSED_MONTH, DESTINATION_MEMORY, TEAM_MEMORY, source_memory_name
from meterbot.rules.months import calendar_month, month_end, month_of, month_start
from meterbot.rules.outlook import HABIT
from meterbot.rules.pace_alerts import DAY
from meterbot.rules.pace_and_caps import PACE_WINDOWS, cap_eta, pace
from meterbot.store import Batch, Store, Transaction

_AT_A_TIME = 20

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PushReceipt:
    """What became of a push: how many snapshots were new, how many old or repeated. `refused`: why none was taken."""

    new: int = 0
    unchanged: int = 0
    refused: str | None = None


class Ingest:
    """Every told event is queued where `routing` routes it, by default at every destination; `wake` is called after a
    commit that brought events.
    `session_ends` answers when the sessions in use end, by seat."""

    def __init__(
        self,
        store: Store,
        seats: Mapping[str, Seat],
        destinations: Sequence[Destination],
        settings: RuleSettings,
        wake: Callable[[], None],
        *,
        routing: RoutingSettings | None = None,
        session_ends: Callable[[], Mapping[str, datetime]] = dict,
    ) -> None:
        self._store = store
        self._seats = seats
        self._destinations = destinations
        self._settings = settings
        self._routing = routing or RoutingSettings()
        self._wake = wake
        self._session_ends = session_ends
        self._standing: TeamTotals | None = None
        self._next_standing: TeamTotals | None = None
        self._month = self._next_month = ""
        self._plans_told: set[str] = set()

    async def take(
        self,
        snapshots: Sequence[Snapshot],
        now: datetime,
        next_due: Mapping[str, datetime] | None = None,
        *,
        reader: str | None = None,
    ) -> list[Event]:
        """Folds snapshots of configured seats in their order; returns the events that were new.

        `next_due`: seat → when it may be read again, stored with what its read brought. With a `reader`, the worker that
        had claimed these seats, they are given back, and of one that was no longer its own nothing is taken. When this
        raises, nothing was written and the same call may be repeated.
        """
        async with self._store.transaction() as transaction:
            if reader is not None and next_due:
                own = await transaction.release_seats(reader, next_due)
                snapshots = [one for one in snapshots if one.seat in own]
                next_due = {name: due for name, due in next_due.items() if name in own}
            fold = await self._load(transaction, snapshots)
            events = await self._fold(transaction, fold, snapshots, now, next_due)
        self._committed()
        self._tell(events)
        self._compare_plans(snapshots)
        return events

    async def receive(self, seat: str, snapshots: Sequence[Snapshot], now: datetime) -> PushReceipt:
        """Folds what a configured seat's machine pushed: all of it, or nothing where a snapshot is of another account.

        Then the refusal is what the source is said to ail from.
        """
        configured = self._seats[seat]
        wanted = [one for one in snapshots if one.org_uuid is not None and configured.covers(one.org_uuid)]
        async with self._store.transaction() as transaction:
            fold = await self._load(transaction, snapshots)
            refused = _refusal(fold.stranger(configured, wanted), any_wanted=bool(wanted))
            if refused is not None:
                wanted = [Snapshot(seat, configured.source, now, Health.REFUSED, detail=refused)]
            events = await self._fold(transaction, fold, wanted, now)
        self._committed()
        self._tell(events)
        if refused is not None:
            return PushReceipt(refused=refused)
        return PushReceipt(len(fold.news), len(wanted) - len(fold.news))

    async def record(
        self, find: Callable[[Transaction], Awaitable[Sequence[Event]]], now: datetime
    ) -> list[Event]:
        """What is found otherwise than by a reading: `find` asks and writes what is its own, and its events are told.
        When this raises, nothing was written."""
        async with self._store.transaction() as transaction:
            events = [event for event in await find(transaction) if event.kind in self._settings.kinds]
            names = {seat_settings.name_of(event.seat) for event in events if event.seat is not None}
            fold = Changes(self._settings, sources={}, memories=await transaction.memories(names))
            fold.events += events
            events = await self._write(transaction, fold, now)
        self._tell(events)
        return events

    async def forget_account(self, seat: str) -> bool:
        """Lets a seat be another account from now on, and shows nothing of the one before; its history stays.

        False when nothing was known of it.
        """
        name = source_memory_name(seat)
        async with self._store.transaction() as transaction:
            stored = (await transaction.memories([name])).get(name)
            memory = rules.load(SourceMemory, stored)
            rows = [(one.seat, one.counter) for one in await transaction.latest_of([seat])]
            if not memory.identities and not rows:
                return False
            new = rules.dump(replace(memory, identities=(), identity_at=None))
            await transaction.write(Batch(memories={name: new}, gone=rows))
        return True

    async def _fold(
        self,
        transaction: Transaction,
        fold: Changes,
        snapshots: Sequence[Snapshot],
        now: datetime,
        next_due: Mapping[str, datetime] | None = None,
    ) -> list[Event]:
        for number, ((name, _), tick) in enumerate(groupby(snapshots, key=_tick)):
            fold.take(self._seats[name], list(tick), now)
            await _let_others(number)
        for name in dict.fromkeys(snapshot.seat for snapshot in snapshots):
            fold.watch_source(self._seats[name], now)
        for name, due in (next_due or {}).items():
            fold.sources[name] = replace(fold.source(name), next_due=due)
        await self._watch_paces(transaction, fold, now)
        if self._settings.budgets:
            await self._watch_team(transaction, fold, now)
        return await self._write(transaction, fold, now)

    async def sweep(self, now: datetime, awake_since: datetime | None = None) -> list[Event]:
        """What becomes true by waiting: a silent source is stale, an ailing one is down after its grace time, the end
        of a session is near.

        A source is not blamed for the time before `awake_since`, when nobody asked it: it has its patience anew.
        """
        async with self._store.transaction() as transaction:
            sources, waiting = await transaction.sources(), list[Seat]()
            for number, seat in enumerate(self._seats.values()):
                awake = awake_since is None or now - awake_since > seat.stale_after
                if awake and may_change(sources.get(seat.name), seat, now):
                    waiting.append(seat)
                await _let_others(number)
            ending = {name: at for name, at in self._session_ends().items() if rules.ends_soon(at, now)}
            names = {*(seat.name for seat in waiting), *ending}
            fold = Changes(
                self._settings,
                sources=sources,
                memories=await transaction.memories(
                    [
                        *map(source_memory_name, names),
                        *map(seat_settings.name_of, names),
                        DESTINATION_MEMORY,
                        CLOSED_MONTH,
                    ]
                ),
            )
            for number, seat in enumerate(waiting):
                fold.wait(seat, now)
                await _let_others(number)
            for name, ends_at in ending.items():
                fold.watch_session(self._seats[name], ends_at, now)
            fold.watch_destinations(await self._ailing(transaction), now)
            closing = await self._month_over(transaction, fold, now)
            events = await self._write(transaction, fold, now)
            await self._remind(transaction, now)
        if fold.batch(()).sources:
            self._standing = None
        self._tell(events)
        if closing is not None:
            events += await self._close_month(closing, now)
        return events

    async def _month_over(
        self, transaction: Transaction, fold: Changes, now: datetime
    ) -> tuple[str, dict[Counter, tuple[str, CounterMemory]]] | None:
        """The month that is to be reported on now, with a seat and the memory of each of its counters."""
        reported = fold.memories.get(CLOSED_MONTH)
        month = rules.month_to_report(reported, now)
        if month is None or len(self._seats) == 1:  # one seat's own closing says all
            fold.memories[CLOSED_MONTH] = (
                calendar_month(last_month(now)) if month or not reported else reported
            )
            return None
        stored = await transaction.readers()
        readers = self._readers((one.seat, one.counter) for one in stored)
        memories = {
            one.counter: rules.load(CounterMemory, one.memory)
            for one in stored
            if one.memory is not None and one.counter in readers
        }
        if not rules.is_settled(month, list(memories.values()), now):
            return None
        return month, {counter: (readers[counter][0], memory) for counter, memory in memories.items()}

    async def _close_month(
        self, closing: tuple[str, dict[Counter, tuple[str, CounterMemory]]], now: datetime
    ) -> list[Event]:
        """The report on the month before, once. Two months of every seat are read before anybody is kept waiting."""
        month, memories = closing
        hours = await self._store.hours(memories, last_month(month_start(month)))
        event = await asyncio.to_thread(self._month_report, month, memories, hours, now)
        async with self._store.transaction() as transaction:
            fold = Changes(self._settings, sources={}, memories=await transaction.memories([CLOSED_MONTH]))
            if rules.month_to_report(fold.memories.get(CLOSED_MONTH), now) != month:
                return []  # another worker was here
            fold.memories[CLOSED_MONTH] = month
            if event is not None and event.kind in self._settings.kinds:
                fold.events.append(event)
            events = await self._write(transaction, fold, now)
        self._tell(events)
        return events

    def _month_report(
        self,
        month: str,
        memories: Mapping[Counter, tuple[str, CounterMemory]],
        hours: Iterable[Hour],
        now: datetime,
    ) -> Event | None:
        hourly = by_counter(hours)
        accounts = [
            AccountMonth(name, memory, hourly[counter], self._seats[name].plan_price)
            for counter, (name, memory) in memories.items()
        ]
        return rules.month_report(month, accounts, now, named=self._routing.redaction.rows == "named")

    def _readers(self, rows: Iterable[tuple[str, Counter]]) -> dict[Counter, list[str]]:
        """The counters that are in the team's sum, each with the seats that read it."""
        readers: dict[Counter, list[str]] = {}
        for name, counter in sorted(rows, key=str):
            seat = self._seats.get(name)
            if seat is not None and counts_in_team(seat, counter):
                readers.setdefault(counter, []).append(name)
        return readers

    async def _ailing(self, transaction: Transaction) -> list[DestinationProblem]:
        """The places that are told of, and take nothing."""
        chats = {place.chat for place in self._destinations}
        return [
            DestinationProblem(queue.chat, queue.channel, queue.trouble, queue.troubled_since, queue.refused)
            for queue in await transaction.queues()
            if queue.chat in chats and queue.trouble is not None and queue.troubled_since is not None
        ]

    async def _remind(self, transaction: Transaction, now: datetime) -> None:
        """Says again, where that is wanted, that a seat is still blocked; once for each interval."""
        interval = self._routing.repeat_interval
        if interval is None:
            return
        for event in await transaction.open_alerts([EventKind.SEAT_BLOCKED]):
            times = (now - event.at) // interval
            acts = await transaction.acts(now)
            if times < 1 or hold(event, self._routing, acts, now) is not None:
                continue
            tellings = [each for each in await transaction.tellings([event.key]) if each.event == event.key]
            name, lane = f"{event.key} reminder {times}", priority_of(event.kind)
            for telling in tellings:
                said = self._routing.redaction.redact_event(event, self._seats, telling.place)
                line = reminder(said, self._seats, self._settings.timezone, now)
                await transaction.queue(
                    follow_ups(self._routing.redaction.salted(name), [telling], Purpose.REMIND, line, lane),
                    now,
                )

    def _tell(self, events: Sequence[Event]) -> None:
        if events:
            self._wake()

    def _compare_plans(self, snapshots: Sequence[Snapshot]) -> None:
        """Logs once, for each seat, that its account is on another plan than it is configured with."""
        told: dict[str, list[str | None]] = {}
        for snapshot in snapshots:
            told.setdefault(snapshot.seat, []).append(snapshot.tier)
        for name, tiers in told.items():
            trouble = plan_mismatch(name, self._seats[name].plan, tiers)
            if trouble is not None and trouble not in self._plans_told:
                self._plans_told.add(trouble)
                log.warning("a seat is on another plan than the configured one", why=trouble)

    async def _load(self, transaction: Transaction, snapshots: Sequence[Snapshot]) -> Changes:
        names = {snapshot.seat for snapshot in snapshots}
        latest = await transaction.latest_of(names)
        return Changes(
            self._settings,
            sources=await transaction.sources(names),
            memories=await transaction.memories(
                [*map(source_memory_name, names), *map(seat_settings.name_of, names), TEAM_MEMORY]
            ),
            latest=latest,
            states=await transaction.states(counters_of(snapshots, latest)),
        )

    async def _watch_paces(self, transaction: Transaction, fold: Changes, now: datetime) -> None:
        """Where the counters that rose are heading: asked for only of those that may have something to tell."""
        watched = [
            counter
            for counter in fold.risen
            if rules.needs_samples(fold.counter_memory(counter), self._settings, now)
        ]
        if not watched:
            return
        samples = by_counter([*await transaction.samples(watched, now - DAY), *fold.samples])
        told = []
        for number, counter in enumerate(watched):
            if rules.needs_hours(fold.counter_memory(counter), samples[counter], self._settings, now):
                told.append(counter)
            await _let_others(number)
        hours = by_counter(await transaction.hours(told, now - HABIT) if told else ())
        for number, counter in enumerate(told):
            fold.watch_pace(counter, samples[counter], hours[counter], now)
            await _let_others(number)

    async def _watch_team(self, transaction: Transaction, fold: Changes, now: datetime) -> None:
        """The sum over all counters, of which a batch knows few: the others are as they were left, where nobody else
        writes them and nothing was taken away."""
        standing, self._standing = self._standing, None
        mark = await transaction.mark() if self._store.sole else None
        known = standing is not None and self._store.sole and standing.mark == mark
        if standing is None or not known:
            standing = TeamTotals.of((), await transaction.sources(), self._seats)
            standing.mark = mark
            for number, one in enumerate(await transaction.readers()):
                standing.read(one, self._seats)
                await _let_others(number)
        month = calendar_month(now)
        if standing.take(fold.batch(()), self._seats) or not known or self._month != month:
            fold.watch_team(standing.summands(), now)
        self._next_standing, self._next_month = standing, month

    def _committed(self) -> None:
        """What was watched is stored: the next batch goes on from there."""
        self._standing, self._month, self._next_standing = self._next_standing, self._next_month, None

    async def _write(self, transaction: Transaction, fold: Changes, now: datetime) -> list[Event]:
        if fold.events:
            acts = await transaction.acts(now)
            told_together = await self._report_to_come(transaction, fold, now)
            fold.events = [
                _unless_muted(self._in_report(event, told_together), acts, now) for event in fold.events
            ]
            fold.events = await self._with_paces(transaction, fold, now)
            told = [event for event in fold.events if event.muted_by is None]
            plan = await self._plan(transaction, told, acts, fold.memories, now)
            return await transaction.write(replace(fold.batch(plan.deliveries), release=plan.release))
        return await transaction.write(fold.batch(()))

    async def _plan(
        self,
        transaction: Transaction,
        told: Sequence[Event],
        acts: Sequence[AlertAction],
        memories: Mapping[str, str],
        now: datetime,
    ) -> Planner:
        ended = {event.resolves for event in told if event.resolves is not None}
        topics = {topic for event in told if (topic := topic_of(event)) is not None}
        planner = Planner(
            self._routing,
            self._destinations,
            tellings=await transaction.tellings(ended, topics if self._routing.update_in_place else ()),
            alerts=await transaction.events(ended),
            acts=acts,
            now=now,
            quiets=_quiets(memories, told),
        )
        for event in told:
            planner.tell(event, self._seat_of(event))
        return planner

    async def _with_paces(self, transaction: Transaction, fold: Changes, now: datetime) -> list[Event]:
        """The levels that were crossed say at which pace, measured with this batch's samples included."""
        crossed = {
            event.counter
            for event in fold.events
            if event.kind is EventKind.THRESHOLD_CROSSED and event.counter is not None
        }
        if not crossed:
            return fold.events
        samples = by_counter([*await transaction.samples(crossed, now - PACE_WINDOWS[-1]), *fold.samples])
        return [
            event if event.counter is None else _with_pace(event, samples[event.counter], now)
            for event in fold.events
        ]

    async def _report_to_come(self, transaction: Transaction, fold: Changes, now: datetime) -> str | None:
        """The month whose report will tell what closes now. A month that was reported, or never will be, has none."""
        if len(self._seats) == 1 or self._routing.redaction.rows != "named":
            return None
        if not any(event.kind is EventKind.PERIOD_CLOSED for event in fold.events):
            return None
        for event in fold.events:
            if event.kind is EventKind.PERIOD_CLOSED and event.seat is None:
                return str(event.facts["period"])
        reported = (await transaction.memories([CLOSED_MONTH])).get(CLOSED_MONTH)
        return rules.month_to_report(reported, now)

    def _in_report(self, event: Event, told_together: str | None) -> Event:
        """What closes with the month is told in the team's report, where channels may read it seat by seat."""
        period = event.facts.get("period")
        if event.kind is not EventKind.PERIOD_CLOSED or event.seat is None or not isinstance(period, str):
            return event
        if told_together is None or period[:7] != told_together or period[:7] >= month_of(event.at):
            return event
        return replace(event, muted_by=rules.month_report_key(told_together))

    def _seat_of(self, event: Event) -> Seat | None:
        return None if event.seat is None else self._seats.get(event.seat)


def _quiets(memories: Mapping[str, str], told: Iterable[Event]) -> dict[str, Quiet]:
    """The quiet hours that the seats' owners have set for their direct messages."""
    names = {event.seat for event in told if event.seat is not None}
    quiets = {name: seat_settings.of(name, memories).quiet for name in names}
    return {name: quiet for name, quiet in quiets.items() if quiet is not None}


def _tick(snapshot: Snapshot) -> tuple[str, datetime]:
    return snapshot.seat, snapshot.fetched_at


async def _let_others(number: int) -> None:
    """Long work has its pauses, in which whoever else waits has a turn."""
    if number % _AT_A_TIME == _AT_A_TIME - 1:
        await asyncio.sleep(0)


def _refusal(stranger: str | None, *, any_wanted: bool) -> str | None:
    if not any_wanted:
        return "what arrives is of none of the organizations that the seat is configured for"
    return None if stranger is None else f"what arrives is another account's (its {stranger} is a new one)"


def _unless_muted(event: Event, acts: Iterable[AlertAction], now: datetime) -> Event:
    """An event that somebody has muted is recorded, and not told."""
    mute = None if event.muted_by is not None else muted_by(event, acts, now)
    return event if mute is None else replace(event, muted_by=f"mute:{mute.id}")


def _with_pace(event: Event, samples: Sequence[Sample], now: datetime) -> Event:
    if event.kind is not EventKind.THRESHOLD_CROSSED:
        return event
    used, cap = fact_money(event.facts["used"]), fact_money(event.facts["cap"])
    speed = pace(samples, now)
    period = event.facts["period"]
    ends = month_end(period[:7] if isinstance(period, str) else calendar_month(now))
    eta = None if used is None else cap_eta(used, cap, speed, now, ends)
    known = {"pace": money_fact(None if speed is None else speed.per_hour), "cap_eta": instant(eta)}
    return replace(event, facts={**event.facts, **known})
