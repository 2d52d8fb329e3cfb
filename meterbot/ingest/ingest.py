"""Stores new facts, polled or pushed.

There is one transaction per batch, which runs on the database's thread: it reads the known state, applies the rules,
and writes knowledge, history, events and their deliveries together. Posting comes after the commit.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

from meterbot.core.log import get_logger
from meterbot.core.models import Counter, Event, Health, LastKnown, Seat, Snapshot, by_counter
from meterbot.core.plans import plan_mismatch
from meterbot.ingest.changes import Changes, counters_of, has_shared_balance
from meterbot.ingest.recording import Recorder
from meterbot.rules.forecast import HABIT
from meterbot.rules.memory import (
    SourceMemory,
    balance_memory_name,
    dump,
    load,
    seat_settings_name,
    source_memory_name,
)
from meterbot.rules.pace import DAY, needs_hours, needs_samples
from meterbot.rules.shared_counters import displaced_by, is_verified, refused_for
from meterbot.store import (
    Batch,
    Connection,
    Store,
    batches,
    counter_states,
    forgetting,
    history,
    locks,
    notes,
    rollup,
    rule_memories,
    source_states,
    workers,
)

UNSTORABLE = "what was read could not be stored; the log says more"
"""The health's detail of a seat whose reading cannot be stored by its own fault."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PushReceipt:
    """The result of a push: how many snapshots were new, how many old or repeated. `refused`: why none was stored."""

    new: int = 0
    unchanged: int = 0
    refused: str | None = None
    taken: bool = False
    """It was refused because another owner's seat has the account."""
    known: LastKnown | None = None
    """What is known afterwards of the counter that was sent last."""
    drift: tuple[str, ...] = ()
    """The fields of an unexpected form in what was sent, each with what was found."""


class ClockBehindError(Exception):
    """The clock is more than a day behind the newest stored reading: nothing is stored or lost."""


@dataclass(eq=False, repr=False)
class Ingest:
    """`wake` is called after a commit with events."""

    store: Store
    recorder: Recorder
    wake: Callable[[], None]

    clock_behind: timedelta | None = field(init=False, default=None)
    """How far the clock is behind the newest stored reading, while that is more than a day."""
    _plans_logged: set[str] = field(init=False, default_factory=set)

    async def store_snapshots(
        self,
        snapshots: Sequence[Snapshot],
        now: datetime,
        next_due: Mapping[str, datetime] | None = None,
        *,
        reader: str | None = None,
    ) -> list[Event]:
        """Stores snapshots of configured seats, in their order, with all consequences; returns the new events.

        `next_due`: seat → when it may be read again. With a `reader`, the worker that had claimed these seats, they
        are given back; the snapshots of a seat that another worker has claimed since are dropped. If this raises,
        nothing was written and the same call may be repeated.
        """
        events = await self.store.run(
            lambda tx: self._store_snapshots(tx, snapshots, now, next_due or {}, reader)
        )
        self._announce(events)
        self._compare_plans(snapshots)
        return events

    async def store_push(self, seat: str, snapshots: Sequence[Snapshot], now: datetime) -> PushReceipt:
        """Stores what a configured seat's machine pushed: all of it, or nothing if a snapshot belongs to another
        account. Such a refusal becomes the health of the seat's source."""
        receipt, events = await self.store.run(lambda tx: self._store_push(tx, seat, snapshots, now))
        self._announce(events)
        return receipt

    async def store_events(self, find: Callable[[Connection], Sequence[Event]], now: datetime) -> list[Event]:
        """Stores events that do not come from a reading. `find` runs in the same transaction and may write, too. If
        this raises, nothing was written."""
        events = await self.store.run(lambda tx: self._store_events(tx, find, now))
        self._announce(events)
        return events

    def _store_snapshots(
        self,
        connection: Connection,
        snapshots: Sequence[Snapshot],
        now: datetime,
        next_due: Mapping[str, datetime],
        reader: str | None,
    ) -> list[Event]:
        if reader is not None and next_due:
            own = workers.release_seats(connection, reader, next_due)
            snapshots = [one for one in snapshots if one.seat in own]
            next_due = {name: due for name, due in next_due.items() if name in own}
        changes = self._load(connection, snapshots)
        if self._is_behind(connection, changes, now):
            snapshots = []
        self._apply(connection, changes, snapshots, now)
        for name, due in next_due.items():
            changes.sources[name] = replace(changes.source(name), next_due=due)
        return self.recorder.record(connection, changes, now)

    def _store_push(
        self, connection: Connection, seat: str, snapshots: Sequence[Snapshot], now: datetime
    ) -> tuple[PushReceipt, list[Event]]:
        configured = self.recorder.seats[seat]
        wanted = [one for one in snapshots if one.org_uuid is not None and configured.covers(one.org_uuid)]
        changes = self._load(connection, snapshots)
        if self._is_behind(connection, changes, now):
            raise ClockBehindError
        refused = _refusal(changes.stranger(configured, wanted), any_wanted=bool(wanted))
        # A push that names no account counts for the seat's last known one.
        named = [changes.with_account(configured, one) for one in wanted]
        holder = self._other_owner(connection, configured, named) if refused is None else None
        if holder is not None:
            log.warning(
                "a push names an account that another owner's seat reports", seat=seat, holder=holder.name
            )
            refused = "another owner's seat already reports this account"
        if refused is not None:
            wanted = [Snapshot(seat, configured.source, now, Health.REFUSED, detail=refused)]
        self._apply(connection, changes, wanted, now)
        events = self.recorder.record(connection, changes, now)
        if refused is not None:
            return PushReceipt(refused=refused, taken=holder is not None), events
        known = changes.known_by(configured, named[-1])
        return PushReceipt(len(changes.news), len(wanted) - len(changes.news), known=known), events

    def _other_owner(self, connection: Connection, seat: Seat, pushed: Sequence[Snapshot]) -> Seat | None:
        """The other owner's seat that holds a counter in these snapshots."""
        named = {one.counter for one in pushed if one.account_uuid is not None and one.counter is not None}
        return refused_for(seat, self._holders(connection, named))

    def _holders(self, connection: Connection, counters: Iterable[Counter]) -> list[Seat]:
        names = {name for held in counter_states.read_holders(connection, counters).values() for name in held}
        return [self.recorder.seats[name] for name in sorted(names) if name in self.recorder.seats]

    def _displace(
        self, connection: Connection, changes: Changes, seat: Seat, reading: Sequence[Snapshot]
    ) -> None:
        """Before the seat's own reading is stored, deletes what others only claimed of its account."""
        if not is_verified(seat):
            return
        new = {one.counter for one in reading if one.counter is not None and one.account_uuid is not None}
        new -= {counter for name, counter in changes.latest if name == seat.name}
        for counter in sorted(new, key=str):
            holders = displaced_by(seat, self._holders(connection, [counter]))
            if holders:
                names = [holder.name for holder in holders]
                log.warning(
                    "a push had claimed the account of another seat", seat=seat.name, claimed_by=names
                )
                balance = forgetting.forget_claim(connection, counter, names)
                changes.displace(counter, names, balance=balance)

    def _store_events(
        self, connection: Connection, find: Callable[[Connection], Sequence[Event]], now: datetime
    ) -> list[Event]:
        events = [event for event in find(connection) if event.kind in self.recorder.settings.kinds]
        names = {seat_settings_name(event.seat) for event in events if event.seat is not None}
        changes = self.recorder.changes(connection, names)
        changes.events += events
        return self.recorder.record(connection, changes, now)

    def _load(self, connection: Connection, snapshots: Sequence[Snapshot]) -> Changes:
        """The known state of everything that these snapshots may change, locked for this transaction."""
        names = {snapshot.seat for snapshot in snapshots}
        sources = source_states.lock_sources(connection, names)
        latest = counter_states.read_latest(connection, names)
        states = counter_states.lock_states(connection, counters_of(snapshots, latest))
        memories = [*map(source_memory_name, names), *map(seat_settings_name, names)]
        balances = {
            balance_memory_name(one.org_uuid) for one in snapshots if one.org_uuid and has_shared_balance(one)
        }
        locks.names(connection, balances)
        return Changes(
            self.recorder.settings,
            sources=sources,
            memories=rule_memories.read_memories(connection, [*memories, *balances]),
            latest=latest,
            states=states,
        )

    def _apply(
        self, connection: Connection, changes: Changes, snapshots: Sequence[Snapshot], now: datetime
    ) -> None:
        for (name, _), group in groupby(snapshots, key=attrgetter("seat", "fetched_at")):
            seat, reading = self.recorder.seats[name], list(group)
            self._displace(connection, changes, seat, reading)
            changes.apply(seat, reading, now)
        for name in dict.fromkeys(snapshot.seat for snapshot in snapshots):
            changes.watch_source(self.recorder.seats[name], now)
        self._watch_paces(connection, changes, now)

    def _watch_paces(self, connection: Connection, changes: Changes, now: datetime) -> None:
        """Checks the pace of the counters that rose; reads the history only if the rules need it."""
        watched = [
            counter
            for counter in changes.risen
            if needs_samples(changes.counter_memory(counter), self.recorder.settings, now)
        ]
        if not watched:
            return
        samples = by_counter([*history.read(connection, watched, now - DAY), *changes.samples])
        news = [
            counter
            for counter in watched
            if needs_hours(changes.counter_memory(counter), samples[counter], self.recorder.settings, now)
        ]
        hours = by_counter(rollup.read(connection, news, now - HABIT) if news else ())
        for counter in news:
            changes.watch_pace(counter, samples[counter], hours[counter], now)

    def _is_behind(self, connection: Connection, changes: Changes, now: datetime) -> bool:
        """Whether the clock must be wrong: otherwise the history would count as future and be dropped."""
        newest = max((known.snapshot.fetched_at for known in changes.latest.values()), default=now)
        behind = newest - now if newest - now > DAY else None
        if behind is not None and notes.clock_is_confirmed(connection, now):
            behind = None
        if behind is not None and self.clock_behind is None:
            log.error(
                "the clock is behind, no reading is stored until it is right",
                newest_reading=newest.isoformat(),
                clock=now.isoformat(),
                remedy="correct the clock; if it was ahead before and is right now: meterbot db clock-is-right",
            )
        elif behind is None and self.clock_behind is not None and changes.latest:
            log.info("the clock is right again, readings are stored")
        if changes.latest:
            self.clock_behind = behind
        return behind is not None

    def _announce(self, events: Sequence[Event]) -> None:
        if events:
            self.wake()

    def _compare_plans(self, snapshots: Sequence[Snapshot]) -> None:
        """Logs once, for each seat, that its account is on another plan than the configured one."""
        tiers: defaultdict[str, list[str | None]] = defaultdict(list)
        for one in snapshots:
            tiers[one.seat].append(one.tier)
        for name, found in tiers.items():
            trouble = plan_mismatch(name, self.recorder.seats[name].plan, found)
            if trouble is not None and trouble not in self._plans_logged:
                self._plans_logged.add(trouble)
                log.warning("a seat is on another plan than the configured one", why=trouble)


def forget_account(connection: Connection, seat: str) -> bool:
    """Lets a seat belong to another account from now on; its history stays. False if nothing was known of it."""
    source_states.lock_sources(connection, [seat])
    name = source_memory_name(seat)
    memory = load(SourceMemory, rule_memories.read_memories(connection, [name]).get(name))
    rows = [(one.seat, one.counter) for one in counter_states.read_latest(connection, [seat])]
    if not memory.identities and not rows:
        return False
    new = dump(replace(memory, identities=(), identity_at=None))
    batches.write(connection, Batch(memories={name: new}, gone=rows))
    return True


def _refusal(stranger: str | None, *, any_wanted: bool) -> str | None:
    if not any_wanted:
        return "the data is from none of the organizations configured for the seat"
    return None if stranger is None else f"the data is from another account (its {stranger} is new)"
