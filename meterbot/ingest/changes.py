"""The changes that a batch of snapshots causes, in the order in which they came. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

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
from meterbot.rules.renewals import as_configured
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
        sources: Mapping[str, SourceState],
        memories: Mapping[str, str],
        latest: Iterable[Latest] = (),
        states: Mapping[Counter, CounterState] | None = None,
    ) -> None:
        self._settings = settings
        self._known_sources, self.sources = sources, dict(sources)
        self._known_memories, self.memories = memories, dict(memories)
        self._known_latest = {(one.seat, one.counter): one.known for one in latest}
        self.latest = dict(self._known_latest)
        self._known_states = states or {}
        self.states = dict(self._known_states)
        self._counter_memories: dict[Counter, CounterMemory] = {}
        self._source_memories: dict[str, SourceMemory] = {}
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
            self.memories.pop(balance_memory_name(counter.org), None)
        self.states.pop(counter, None)
        self._counter_memories.pop(counter, None)
        self.set_back[counter] = _LONG_AGO
        self._displaced |= {(seat, counter) for seat in seats}

    def stranger(self, seat: Seat, snapshots: Sequence[Snapshot]) -> str | None:
        """The part of the identity, `account` or `email`, which shows that one of these belongs to another account."""
        return stranger(self._source_memory(seat.name), snapshots)

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
        state = self._present_source(seat.name, now)
        if (
            state.health is Health.OK
            and state.last_ok_at is not None
            and now - state.last_ok_at > seat.stale_after
        ):
            self.sources[seat.name] = replace(
                state, health=Health.STALE, since=state.last_ok_at + seat.stale_after
            )
        self.watch_source(seat, now)

    def watch_source(self, seat: Seat, now: datetime) -> None:
        """Once per seat, after all its readings, because what lies between them is over already."""
        before = self._source_memory(seat.name)
        known = [one for (name, _), one in self.latest.items() if name == seat.name]
        state = self.source(seat.name)
        memory, events = watch_source(before, state, seat, self._settings, now, known=known)
        self._set_source_memory(seat.name, memory)
        self.events += events

    def watch_session(self, seat: Seat, end: SessionEnd, now: datetime) -> None:
        """Whether the seat's session ends soon."""
        before = self._source_memory(seat.name)
        memory, events = watch_session(before, end, seat, self._settings, now)
        self._set_source_memory(seat.name, memory)
        self.events += events

    def source(self, seat: str) -> SourceState:
        return self.sources.get(seat) or SourceState(seat)

    def _present_source(self, seat: str, now: datetime) -> SourceState:
        """The source's state, without times from before the clock was set back."""
        state = self.source(seat)
        since, last_ok_at = _not_ahead(state.since, now), _not_ahead(state.last_ok_at, now)
        if since is not state.since or last_ok_at is not state.last_ok_at:
            state = self.sources[seat] = replace(state, since=since, last_ok_at=last_ok_at)
        return state

    def batch(self, deliveries: Sequence[NewDelivery]) -> Batch:
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
        shared = has_shared_balance(snapshot)
        if shared:
            memory = replace(memory, balance=self._shared_balance(counter.org))
        verdict = watch_counter(memory, known, named, settings, now, late=late)
        if shared:
            self._remember(balance_memory_name(counter.org), memory.balance, verdict.memory.balance)
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
        self._watch_identity(seat, snapshot, now)
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
        old = self._present_source(seat.name, now)
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

    def _watch_identity(self, seat: Seat, snapshot: Snapshot, now: datetime) -> None:
        before = self._source_memory(seat.name)
        memory, events = watch_identity(before, snapshot, self._settings, now)
        self._set_source_memory(seat.name, memory)
        self.events += events

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
        before = load(TeamMemory, self.memories.get(TEAM_MEMORY))
        memory, events = watch_team(before, readings, self._settings, now)
        self._remember(TEAM_MEMORY, before, memory)
        self.events += events

    def watch_destinations(self, problems: Mapping[Destination, DestinationTrouble], now: datetime) -> None:
        """Which destinations accept no messages, and which do again."""
        before = load(DestinationMemory, self.memories.get(DESTINATION_MEMORY))
        memory, events = watch_destinations(before, problems, self._settings, now)
        self._remember(DESTINATION_MEMORY, before, memory)
        self.events += events

    def _shared_balance(self, org: str) -> BalanceMemory:
        return load(BalanceMemory, self.memories.get(balance_memory_name(org)))

    def _source_memory(self, seat: str) -> SourceMemory:
        if seat not in self._source_memories:
            self._source_memories[seat] = load(SourceMemory, self.memories.get(source_memory_name(seat)))
        return self._source_memories[seat]

    def _set_source_memory(self, seat: str, memory: SourceMemory) -> None:
        self._remember(source_memory_name(seat), self._source_memory(seat), memory)
        self._source_memories[seat] = memory

    def _remember(self, name: str, before: M, memory: M) -> None:
        if memory is not before and (name in self.memories or memory != type(memory)()):
            self.memories[name] = dump(memory)


def may_change(state: SourceState | None, seat: Seat, now: datetime) -> bool:
    """Whether time may change a source: it fails, or has been silent for too long, or the clock was set back."""
    if state is None:
        return False
    if (
        _not_ahead(state.since, now) is not state.since
        or _not_ahead(state.last_ok_at, now) is not state.last_ok_at
    ):
        return True
    if state.health is Health.OK:
        return state.last_ok_at is not None and now - state.last_ok_at > seat.stale_after
    return state.health is not Health.NEVER_SEEN


def _not_ahead(at: datetime | None, now: datetime) -> datetime | None:
    return now if at is not None and at > now + CLOCK_SKEW else at


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
