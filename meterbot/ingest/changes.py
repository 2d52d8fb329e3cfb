"""The changes that a batch of snapshots causes, in the order in which they came. Pure functions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from meterbot.core.deliveries import Destination, DestinationTrouble, NewDelivery
from meterbot.core.health import failures_after, worst
from meterbot.core.models import (
    Counter,
    Event,
    Health,
    LastKnown,
    Sample,
    Seat,
    SessionEnd,
    Snapshot,
    SourceState,
)
from meterbot.delivery import seat_settings
from meterbot.rules.billing import as_configured
from meterbot.rules.counter_rules import CounterUpdate, watch_counter
from meterbot.rules.destinations import watch_destinations
from meterbot.rules.hours import Hour
from meterbot.rules.memory import (
    DESTINATION_MEMORY,
    TEAM_MEMORY,
    BalanceMemory,
    CounterMemory,
    DestinationMemory,
    SourceMemory,
    TeamMemory,
    balance_memory_name,
    dump,
    load,
    source_memory_name,
)
from meterbot.rules.merging import is_repeated, merge, missing_amount_as_drift, without_team_total
from meterbot.rules.months import CLOCK_SKEW
from meterbot.rules.pace import RisenCounter, watch_pace
from meterbot.rules.settings import RuleSettings
from meterbot.rules.source_rules import stranger, watch_identity, watch_session, watch_source
from meterbot.rules.thresholds import TeamShare, watch_team
from meterbot.store import Batch, CounterState, Latest

# One reading of these sources covers all organizations of the seat; a push may be of one alone.
_COMPLETE_SOURCES = frozenset({"claude_ai", "claude_code", "admin_api"})
# A push may have been read long ago, on a machine that was offline since.
_PUSHED = "push"

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

K = TypeVar("K")
V = TypeVar("V")
M = TypeVar("M", BalanceMemory, SourceMemory, TeamMemory, DestinationMemory)


class Changes:
    """Begins with the known state and ends with the new one; `batch` is the difference. `states` must contain every
    counter that the snapshots may belong to: `counters_of` names them."""

    def __init__(
        self,
        settings: RuleSettings,
        *,
        memories: Mapping[str, str],
        sources: Mapping[str, SourceState] | None = None,
        latest: Iterable[Latest] = (),
        states: Mapping[Counter, CounterState] | None = None,
    ) -> None:
        self._settings = settings
        self._known_sources = sources or {}
        self.sources = dict(self._known_sources)
        self._known_memories, self.memories = memories, dict(memories)
        self._known_latest = {(one.seat, one.counter): one.known for one in latest}
        self.latest = dict(self._known_latest)
        self._known_states = states or {}
        self.states = dict(self._known_states)
        self._counter_memories: dict[Counter, CounterMemory] = {}
        self._loaded_memories: dict[str, Any] = {}
        self.events: list[Event] = []
        self.samples: list[Sample] = []
        self.set_back: dict[Counter, datetime] = {}
        self._displaced: set[tuple[str, Counter]] = set()
        self.risen: dict[Counter, str] = {}
        """Counters whose reading is higher than the one before, with the seat that read it."""
        self.news: list[Snapshot] = []
        """The snapshots that contained something new."""

    def apply(self, seat: Seat, reading: Sequence[Snapshot], now: datetime) -> None:
        """One reading of one seat. An old, repeated or future-dated one changes nothing."""
        reading = [self._with_certain_amounts(seat, snapshot) for snapshot in reading]
        news = [snapshot for snapshot in reading if self._apply_one(seat, snapshot, now)]
        self.news += news
        if news:
            self._drop_other_counters(seat, [self.with_account(seat, snapshot) for snapshot in news])
            self._update_source(seat, worst(news), now)

    def _with_certain_amounts(self, seat: Seat, snapshot: Snapshot) -> Snapshot:
        """The snapshot without amounts of the whole organization, and with a note if the seat's amount is missing."""
        counter = self.with_account(seat, snapshot).counter
        state = None if counter is None else self._state(seat, counter)
        own = without_team_total(state.known if state else None, snapshot)
        return missing_amount_as_drift(self.known_by(seat, snapshot), own, self._settings.push_silence)

    def displace(self, counter: Counter, seats: Iterable[str], *, balance: bool) -> None:
        """Forgets what these seats sent of a counter that is not theirs: values, history and rows. The caller has
        deleted its events, with `balance` also what was remembered of the organization's."""
        if balance:
            for memories in (self.memories, self._loaded_memories):
                memories.pop(balance_memory_name(counter.org), None)
        self.states.pop(counter, None)
        self._counter_memories.pop(counter, None)
        self.set_back[counter] = _LONG_AGO
        self._displaced |= {(seat, counter) for seat in seats}

    def stranger(self, seat: Seat, snapshots: Sequence[Snapshot]) -> str | None:
        """The part of the identity, `account` or `email`, which shows that one of these belongs to another account."""
        return stranger(self._memory(source_memory_name(seat.name), SourceMemory), snapshots)

    def with_account(self, seat: Seat, snapshot: Snapshot) -> Snapshot:
        """A reading that does not name its account belongs to the seat's last known one."""
        if snapshot.account_uuid is not None:
            return snapshot
        accounts = (counter.account for name, counter in self.latest if name == seat.name and counter.named)
        return replace(snapshot, account_uuid=next(accounts, None))

    def known_by(self, seat: Seat, snapshot: Snapshot) -> LastKnown | None:
        """What is known through the seat of the snapshot's counter."""
        counter = self.with_account(seat, snapshot).counter
        return None if counter is None else self._row(seat, counter)

    def check_age(self, seat: Seat, now: datetime) -> None:
        """Applies the rules that depend on time alone to a source."""
        before = self.source(seat.name)
        state = _present(before, now)
        if (stale_since := _stale_since(state, seat, now)) is not None:
            state = replace(state, health=Health.STALE, since=stale_since)
        if state != before:
            self.sources[seat.name] = state
        self.watch_source(seat, now)

    def watch_source(self, seat: Seat, now: datetime) -> None:
        """Once per seat, after all its readings, because what lies between them is over already."""
        known = [one for (name, _), one in self.latest.items() if name == seat.name]
        watch = partial(watch_source, state=self.source(seat.name), seat=seat, known=known)
        self._watch(source_memory_name(seat.name), SourceMemory, watch, now)

    def watch_session(self, seat: Seat, end: SessionEnd, now: datetime) -> None:
        """Whether the seat's session ends soon."""
        watch = partial(watch_session, end=end, seat=seat)
        self._watch(source_memory_name(seat.name), SourceMemory, watch, now)

    def source(self, seat: str) -> SourceState:
        return self.sources.get(seat) or SourceState(seat)

    def batch(
        self, deliveries: Sequence[NewDelivery] = (), release: Sequence[tuple[str, Destination]] = ()
    ) -> Batch:
        """The differences, which must be stored."""
        return Batch(
            latest=[
                Latest(seat, counter, known)
                for (seat, counter), known in _changed(self._known_latest, self.latest).items()
            ],
            states=_changed(self._known_states, self.states),
            samples=self.samples,
            set_back=self.set_back,
            sources=list(_changed(self._known_sources, self.sources).values()),
            memories=_changed(self._known_memories, self.memories),
            events=self.events,
            deliveries=deliveries,
            release=release,
            gone=sorted((self._known_latest.keys() - self.latest.keys()) | self._displaced, key=str),
        )

    def _apply_one(self, seat: Seat, snapshot: Snapshot, now: datetime) -> bool:
        """Whether the snapshot brought anything new."""
        today = now.astimezone(self._settings.timezone).date()
        named = as_configured(self.with_account(seat, snapshot), seat.renews_on, today)
        counter = named.counter
        if counter is None:
            return snapshot.fetched_at <= now + CLOCK_SKEW
        if not seat.covers(counter.org):
            return False
        state, before = self._state(seat, counter), self._row(seat, counter)
        memory = self._memory_in(counter, state)
        known = state.known if state else None
        if any(is_repeated(one, snapshot, now) for one in (known, before)):
            return False
        late = seat.source == _PUSHED and now - snapshot.fetched_at > seat.stale_after
        settings = seat_settings.of(seat.name, self.memories).over(self._settings)
        shared, balance = has_shared_balance(snapshot), balance_memory_name(counter.org)
        if shared:
            memory = replace(memory, balance=self._memory(balance, BalanceMemory))
        verdict = watch_counter(memory, known, named, settings, now, late=late)
        if shared:
            self._remember(balance, verdict.memory.balance)
        if verdict.changed and verdict.known is not None:
            self._set_state(counter, verdict.known, verdict.memory)
            if verdict.set_back:
                self.set_back[counter] = now
            self.samples += _newest(verdict, counter, snapshot)
            self.events += verdict.events
            if verdict.risen:
                self.risen[counter] = seat.name
        # If two seats have one counter, the second adds nothing to the counter, but has a row of its own.
        own = verdict.known if before is known and verdict.changed else merge(before, named, now)
        if own is None:
            return verdict.changed
        self.latest[seat.name, counter] = own
        identity = partial(watch_identity, snapshot=snapshot)
        self._watch(source_memory_name(seat.name), SourceMemory, identity, now)
        return True

    def _state(self, seat: Seat, counter: Counter) -> CounterState | None:
        """The counter's state; if it has none, that of a seat whose readings have not named an account so far."""
        nameless = Counter.of_seat(seat.name, counter.org)
        earlier = self.states.get(nameless) if (seat.name, nameless) in self.latest else None
        return self.states.get(counter) or earlier

    def _row(self, seat: Seat, counter: Counter) -> LastKnown | None:
        """What is known of the counter through this seat; if nothing, through its readings that named no account."""
        nameless = Counter.of_seat(seat.name, counter.org)
        return self.latest.get((seat.name, counter)) or self.latest.get((seat.name, nameless))

    def _drop_other_counters(self, seat: Seat, reading: Sequence[Snapshot]) -> None:
        """Deletes the seat's rows of an account that it no longer is, and of organizations that it has left."""
        seen = {snapshot.counter for snapshot in reading if snapshot.counter is not None}
        accounts = {counter.account for counter in seen if counter.named}
        complete = seat.source in _COMPLETE_SOURCES and all(one.health is Health.OK for one in reading)
        for counter in [counter for name, counter in self.latest if name == seat.name]:
            other_account = bool(accounts) and counter.account not in accounts
            if counter not in seen and (other_account or complete):
                del self.latest[seat.name, counter]

    def _update_source(self, seat: Seat, said: Snapshot, now: datetime) -> None:
        old = _present(self.source(seat.name), now)
        health, since, last_ok_at = said.health, now, old.last_ok_at
        if health is Health.OK:
            last_ok_at = max(said.fetched_at, last_ok_at or said.fetched_at)
            # A machine that was offline sends its older readings. Only for pushes: if meterbot stores its own reading
            # late, the seat is not stale.
            if seat.source == _PUSHED and now - last_ok_at > seat.stale_after:
                health, since = Health.STALE, last_ok_at + seat.stale_after
        self.sources[seat.name] = replace(
            old,
            health=health,
            since=old.since if health is old.health and old.since is not None else since,
            detail=said.detail,
            last_ok_at=last_ok_at,
            failures=failures_after(old.failures, health),
        )

    def counter_memory(self, counter: Counter) -> CounterMemory:
        return self._memory_in(counter, self.states[counter])

    def _memory_in(self, counter: Counter, state: CounterState | None) -> CounterMemory:
        taken = self._counter_memories.get(counter)
        return taken or load(CounterMemory, state.memory if state else None)

    def _set_state(self, counter: Counter, known: LastKnown, memory: CounterMemory) -> None:
        self._counter_memories[counter] = memory
        self.states[counter] = CounterState(known, dump(memory))

    def watch_pace(
        self, counter: Counter, samples: Sequence[Sample], hours: Sequence[Hour], now: datetime
    ) -> None:
        """Applies the rules about pace to a counter that rose."""
        state, seat = self.states[counter], self.risen[counter]
        rise = RisenCounter(counter, seat, samples, hours, state.known.snapshot.tier)
        memory, events = watch_pace(self.counter_memory(counter), rise, self._settings, now)
        self._set_state(counter, state.known, memory)
        self.events += events

    def watch_team(self, readings: Iterable[TeamShare], now: datetime) -> None:
        """The team's total, from each counter's share."""
        self._watch(TEAM_MEMORY, TeamMemory, partial(watch_team, readings=readings), now)

    def watch_destinations(self, problems: Mapping[Destination, DestinationTrouble], now: datetime) -> None:
        """Which destinations accept no messages, and which do again."""
        watch = partial(watch_destinations, troubled=problems)
        self._watch(DESTINATION_MEMORY, DestinationMemory, watch, now)

    def _watch(
        self, name: str, kind: type[M], watch: Callable[..., tuple[M, Sequence[Event]]], now: datetime
    ) -> None:
        memory, events = watch(self._memory(name, kind), settings=self._settings, now=now)
        self._remember(name, memory)
        self.events += events

    def _memory(self, name: str, kind: type[M]) -> M:
        if name not in self._loaded_memories:
            self._loaded_memories[name] = load(kind, self.memories.get(name))
        memory: M = self._loaded_memories[name]
        return memory

    def _remember(self, name: str, memory: M) -> None:
        before = self._loaded_memories[name]
        if memory is not before and (name in self.memories or memory != type(memory)()):
            self.memories[name] = dump(memory)
        self._loaded_memories[name] = memory


def may_change(state: SourceState | None, seat: Seat, now: datetime) -> bool:
    """Whether time may change a source: it fails, or has been silent for too long, or the clock was set back."""
    if state is None:
        return False
    fails = state.health not in {Health.OK, Health.NEVER_SEEN}
    return fails or _present(state, now) != state or _stale_since(state, seat, now) is not None


def _present(state: SourceState, now: datetime) -> SourceState:
    """The state without times from before the clock was set back."""
    since, last_ok_at = (
        now if at is not None and at > now + CLOCK_SKEW else at for at in (state.since, state.last_ok_at)
    )
    return replace(state, since=since, last_ok_at=last_ok_at)


def _stale_since(state: SourceState, seat: Seat, now: datetime) -> datetime | None:
    """Since when a source that was good has been silent for too long."""
    if (
        state.health is not Health.OK
        or state.last_ok_at is None
        or now - state.last_ok_at <= seat.stale_after
    ):
        return None
    return state.last_ok_at + seat.stale_after


def has_shared_balance(snapshot: Snapshot) -> bool:
    """It has prepaid credits that the members of its organization share."""
    balance = None if snapshot.extra_usage is None else snapshot.extra_usage.balance
    return balance is not None and balance.shared


def counts_in_team(seat: Seat, counter: Counter) -> bool:
    return not seat.beside and seat.covers(counter.org)


def counters_of(snapshots: Iterable[Snapshot], latest: Iterable[Latest]) -> set[Counter]:
    """Every counter that these snapshots may belong to, given the last accounts of their seats."""
    snapshots = [snapshot for snapshot in snapshots if snapshot.org_uuid is not None]
    accounts = {one.counter.account for one in latest}
    nameless = {snapshot.org_uuid for snapshot in snapshots if snapshot.account_uuid is None}
    inherited = {Counter(account, org) for account in accounts for org in nameless if org is not None}
    before = {Counter.of_seat(one.seat, one.org_uuid) for one in snapshots if one.org_uuid is not None}
    return {one.counter for one in snapshots if one.counter is not None} | inherited | before


def _newest(verdict: CounterUpdate, counter: Counter, snapshot: Snapshot) -> list[Sample]:
    """This reading's point in the counter's history; empty without a clean amount."""
    costs = None if snapshot.org_spend is None else snapshot.org_spend.costs
    if costs is not None and costs.complete and len(costs.amounts) == 1:
        return [Sample(snapshot.fetched_at, counter, costs.amounts[0], None, blocked=False)]
    return [] if verdict.sample is None else [verdict.sample]


def _changed(before: Mapping[K, V], after: Mapping[K, V]) -> dict[K, V]:
    changed = ((key, value) for key, value in after.items() if value is not before.get(key))
    return {key: value for key, value in changed if value != before.get(key)}
