"""The contract of a store: questions and facts in our words. SQLite and PostgreSQL keep it alike.

`ingest` writes facts and their consequences in one transaction; `notify` works the deliveries off by conditional
claims; the answers read the `latest` row per seat and never the history.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from meterbot.core.deliveries import (
    AlertAction,
    Choose,
    Delivery,
    DeliveryState,
    Destination,
    DestinationTrouble,
    NewDelivery,
    PossibleDuplicate,
    PostContent,
    Posting,
    Queue,
    first_come,
)
from meterbot.core.messages import Posted
from meterbot.core.models import (
    Counter,
    Event,
    EventKind,
    LastKnown,
    Sample,
    SourceState,
)
from meterbot.rules.hours import Hour
from meterbot.rules.pull_requests import Key, PullRequest, WorkWindow

BEAT_SECONDS = 2.0
"""How often a worker says that it is alive."""
ALIVE_SECONDS = 6.0
"""How long it is taken for alive from then on; `store/workers.py` says why."""
FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)
"""Until when a worker lives that is alone on its database."""
LAST_TICK = "last_tick"
"""The note in which a bot says, once a minute, when it last looked after its seats: an instant in ISO's words."""


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest knowledge one seat brought of one counter."""

    seat: str
    counter: Counter
    known: LastKnown


@dataclass(frozen=True, slots=True)
class CounterReader:
    """That a seat reads a counter, and what the rules remember of that: None where it is nothing yet."""

    seat: str
    counter: Counter
    memory: str | None


@dataclass(frozen=True, slots=True)
class CounterState:
    """What the rules need of a counter: knowledge, and their own memory (opaque JSON text)."""

    known: LastKnown
    memory: str


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A seat's session as it was last renewed, encrypted.

    `fingerprint` names the configured session key that it descends from, without telling it. A session that was never
    renewed has neither `ciphertext` nor `renewed_at`.
    """

    seat: str
    fingerprint: str
    ciphertext: str | None = field(default=None, repr=False)
    renewed_at: datetime | None = None
    ends_at: datetime | None = None
    """When the session ends, as far as its cookie said."""


@dataclass(frozen=True, slots=True)
class PushToken:
    """The token with which a seat's machine pushes: of each seat one. Of the token itself only its SHA-256 is kept."""

    seat: str
    sha256: str
    """64 hexadecimal digits, lower case."""
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Worker:
    """A running process on this database, alive, and the leases it holds."""

    name: str
    since: datetime
    leases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claims:
    """Which seats a worker may read now, and how the sources of all that it asked for are, as far as that is stored."""

    taken: frozenset[str]
    states: Mapping[str, SourceState]


@dataclass(frozen=True, slots=True)
class PullRecord:
    """A merged pull request in the record.

    `delivery` is the id under which GitHub brought it. While it is `open`, what readings still come may change it;
    `told_at` is when the channel was told. At `due_at` its commits may be asked for, the next time after `attempts`
    ones; None when there is nothing to ask any more.
    """

    pull: PullRequest
    delivery: str
    taken_at: datetime
    open: bool = True
    told_at: datetime | None = None
    attempts: int = 0
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much of what was deleted of a seat. `shared`: counters kept because another seat reads them too."""

    counters: int = 0
    points: int = 0
    events: int = 0
    deliveries: int = 0
    tokens: int = 0
    sessions: int = 0
    pull_requests: int = 0
    others: int = 0
    """Its present row, its source's health, what the rules remember of it."""
    shared: int = 0

    def __bool__(self) -> bool:
        return any((self.counters, self.events, self.tokens, self.sessions, self.pull_requests, self.others))


@dataclass(frozen=True, slots=True)
class Batch:
    """Facts and their consequences, written together or not at all.

    A sample that is not newer than the counter's newest is ignored. The email of a seat is never stored.
    """

    latest: Sequence[Latest] = ()
    states: Mapping[Counter, CounterState] = field(default_factory=dict)
    samples: Sequence[Sample] = ()
    sources: Sequence[SourceState] = ()
    memories: Mapping[str, str] = field(default_factory=dict)
    """Other memories of the rules by name (`team`, `source:<seat>`): opaque JSON text."""
    events: Sequence[Event] = ()
    deliveries: Sequence[NewDelivery] = ()
    release: Sequence[tuple[str, Destination]] = ()
    """Posts of these events at these places that are held back: what is to stand in their threads may not wait."""
    gone: Sequence[tuple[str, Counter]] = ()
    """`latest` rows to take back: the seat no longer reads that counter."""
    set_back: Mapping[Counter, datetime] = field(default_factory=dict)
    """Counters whose samples after this instant a clock dated that was ahead: dropped before the new ones come."""


class Transaction(Protocol):
    """One transaction of `ingest`: reads what the rules need, then writes one batch."""

    async def mark(self) -> str | None:
        """Another one whenever something was taken away: what is remembered under an earlier one may not be so."""
        ...

    async def states(self, counters: Iterable[Counter]) -> dict[Counter, CounterState]: ...

    async def readers(self) -> list[CounterReader]: ...

    async def latest_of(self, seats: Iterable[str]) -> list[Latest]: ...

    async def sources(self, seats: Iterable[str] | None = None) -> dict[str, SourceState]:
        """Of these seats, or of all."""
        ...

    async def memories(self, names: Iterable[str]) -> dict[str, str]: ...

    async def tellings(self, event_keys: Iterable[str], topics: Iterable[str] = ()) -> list[Posting]:
        """Where these events, and what belongs to these topics, were told or will be, in the order of queueing."""
        ...

    async def acts(self, now: datetime) -> list[AlertAction]:
        """What people did that still holds: snoozes and mutes, in the order in which they were made."""
        ...

    async def events(self, event_keys: Iterable[str]) -> dict[str, Event]:
        """The stored ones among these, by key."""
        ...

    async def queues(self) -> list[Queue]:
        """As `Store.queues`, inside the transaction."""
        ...

    async def open_alerts(self, kinds: Iterable[EventKind]) -> list[Event]:
        """What was told of these kinds and has not ended."""
        ...

    async def card(self, ref: str) -> PostContent | None:
        """What a message shows, by the id of its delivery: also of one that was told with others."""
        ...

    async def card_of(self, event: str, place: Destination) -> PostContent | None:
        """The same, by the event that the message tells and where it stands."""
        ...

    async def acts_about(self, event_keys: Iterable[str]) -> list[AlertAction]:
        """Everything people did about these events, in the order in which they did."""
        ...

    async def add_act(self, act: AlertAction) -> bool:
        """False, and nothing is changed, when it was done before."""
        ...

    async def undo(self, act: str, now: datetime) -> bool:
        """Ends a snooze or a mute. False when it had ended."""
        ...

    async def withdraw(self, event: str, place: Destination, reason: str) -> bool:
        """Takes back the post of an event that nobody has tried to send yet. False when there is none, or somebody has."""
        ...

    async def queue(self, deliveries: Sequence[NewDelivery], now: datetime) -> None:
        """Queues deliveries of events that are stored already; one that is queued already stays as it is."""
        ...

    async def samples(self, counters: Iterable[Counter], since: datetime) -> list[Sample]:
        """As `Store.samples`, inside the transaction."""
        ...

    async def hours(self, counters: Iterable[Counter], since: datetime) -> list[Hour]:
        """As `Store.hours`, inside the transaction."""
        ...

    async def release_seats(self, worker: str, seats: Iterable[str]) -> set[str]:
        """Gives back seats that have been read, and returns the ones that the worker still had: another who took it
        for dead may have read the others since."""
        ...

    async def old_events(self, before: datetime, after: Event | None, limit: int) -> list[Event]:
        """The first `limit` events before the instant, in order of time and key; those that come after `after`."""
        ...

    async def forget_events(self, event_keys: Iterable[str]) -> int:
        """Deletes these events and their deliveries, but those that something still waits to be sent of. Returns how
        many."""
        ...

    async def pull_requests(self, window: WorkWindow) -> list[PullRecord]:
        """All whose windows meet this one."""
        ...

    async def pull_request(self, key: Key) -> PullRecord | None: ...

    async def add_pull_request(self, new: PullRecord) -> bool:
        """False, and nothing is changed, when the pull request is there already, or the delivery brought another."""
        ...

    async def write_pull_requests(self, records: Iterable[PullRecord]) -> None:
        """Replaces what is stored of these, which must be there."""
        ...

    async def write(self, batch: Batch) -> list[Event]:
        """Writes all of it; an event whose key is already stored is left out with its deliveries. Returns the
        events that were new."""
        ...


@dataclass(frozen=True, slots=True)
class Glance:
    """A database as it is. `there`: it can be opened without being made; `found`: its schema, None where it has none yet;
    `newest`: this version's; `unknown`: it is of a later version. `sources` are known where the schema is the newest."""

    found: str | None
    newest: str
    unknown: bool = False
    there: bool = True
    sources: Mapping[str, SourceState] = field(default_factory=dict)


class Store(Protocol):
    """A database, opened. Every instant in and out is aware UTC."""

    @property
    def sole(self) -> bool:
        """Whether no other worker can be on this database, as long as it is open."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Commits at the end of the block, rolls back when it raises."""
        ...

    async def latest(self) -> list[Latest]: ...

    async def sources(self) -> dict[str, SourceState]: ...

    async def samples(self, counters: Iterable[Counter], since: datetime) -> list[Sample]:
        """Kept samples in order of time, with the last one before `since` of each counter.

        A sample is kept when it differs from the one before, and so is the last of each quiet stretch. The newest
        reading of a counter is always among them.
        """
        ...

    async def hours(self, counters: Iterable[Counter], since: datetime) -> list[Hour]:
        """The history hour by hour, from the hour of `since` on, with the last one before that was rolled up; of each
        counter in order of time."""
        ...

    async def roll_up(self, now: datetime) -> bool:
        """Writes the next of the hours that are over, for `hours` to find. False when there are none."""
        ...

    async def thin(self, before: datetime, step: timedelta) -> bool:
        """Leaves of the next day of the history that lies before the instant one sample per step and counter, and
        what is needed so that the spend between any two samples that stay is what it was. False when there was none.
        """
        ...

    async def events(self, since: datetime, limit: int = 1000) -> list[Event]:
        """The newest `limit` events at or after `since`, in order of time."""
        ...

    async def claim(
        self, chat: str, now: datetime, worker: str, seconds: float, choose: Choose = first_come
    ) -> Delivery | None:
        """The next message of one of the chat's channels: its line is claimed for `seconds` by an update that changed
        exactly one row, so that nobody else sends there. One that may have been sent before comes back first, with
        `settle`; else `choose` says which."""
        ...

    async def delivered(
        self,
        delivery: Delivery,
        where: Posted,
        now: datetime,
        pause: float = 0.0,
        *,
        sent: bool = True,
        unsure: bool = False,
        held: str | None = None,
    ) -> None:
        """The next message there leaves after `pause` seconds. `sent`: put there by this attempt, and not found
        standing. `unsure`: it may stand there twice. `held`: why what waits there still had to wait."""
        ...

    async def superseded(self, delivery: Delivery, reason: str, now: datetime) -> None:
        """Nothing is left to send, e.g. an edit of a post that never was."""
        ...

    async def repost(self, delivery: Delivery, now: datetime) -> None:
        """What was to stand in a thread that is gone is to be a post of its own."""
        ...

    async def put_back(
        self, delivery: Delivery, state: DeliveryState, again: datetime, trouble: DestinationTrouble
    ) -> None:
        """`queued`, `in_doubt` or `refused` again; nothing is sent there before `again`.

        When another worker has claimed the delivery since, nothing changes, and the word is theirs.
        """
        ...

    async def unsure(self, chat: str, limit: int = 20) -> list[PossibleDuplicate]:
        """Posts of this chat that may stand twice."""
        ...

    async def settled(self, delivery: str) -> None:
        """It stands once now."""
        ...

    async def queues(self, now: datetime | None = None) -> list[Queue]:
        """Every destination at which something waits. With `now`, what is held back on purpose is told apart."""
        ...

    async def acts(self, now: datetime) -> list[AlertAction]:
        """What people did that still holds: snoozes and mutes, in the order in which they were made."""
        ...

    async def beat(
        self, worker: str, now: datetime, alive_until: datetime, leases: Iterable[str] = ()
    ) -> set[str]:
        """Says that the worker is alive, and takes those of the leases that are free; returns which of them it holds."""
        ...

    async def leave(self, worker: str, now: datetime) -> None:
        """The worker's end: everything it holds is free at once."""
        ...

    async def workers(self, now: datetime) -> list[Worker]:
        """Those that are alive, the oldest first."""
        ...

    async def claim_seats(self, worker: str, seen: Mapping[str, datetime | None], now: datetime) -> Claims:
        """Takes seats to read them: the ones that nobody reads, and whose deadline is still the one seen here."""
        ...

    async def release_seats(self, worker: str, seats: Iterable[str]) -> set[str]:
        """As `Transaction.release_seats`, for seats that were not read after all."""
        ...

    async def note(self, name: str) -> str | None:
        """A small fact a part keeps across restarts, such as the fingerprint of Discord's commands."""
        ...

    async def set_note(self, name: str, value: str) -> None: ...

    async def salt(self) -> str:
        """Random, drawn when it is first asked for, and the same for everybody from then on."""
        ...

    async def sessions(self, seats: Iterable[str] | None = None) -> dict[str, StoredSession]:
        """By seat; of these seats, or of all."""
        ...

    async def start_session(self, new: StoredSession, instead_of: StoredSession | None) -> bool:
        """Stores a session that was not renewed yet. False, and nothing is changed, when what is stored of the seat is
        not `instead_of` any more."""
        ...

    async def start_sessions(self, new: Sequence[StoredSession]) -> None:
        """Stores sessions that were not renewed yet, of the seats of which nothing is stored."""
        ...

    async def renew_session(self, renewed: StoredSession, descends_from: Iterable[str]) -> bool:
        """Stores a renewal, on the disk when this returns. False, and nothing is changed, when the stored session has
        none of these fingerprints or is not older."""
        ...

    async def forget_session(self, seat: str) -> bool:
        """Deletes the stored session alone. False when there was none."""
        ...

    async def push_tokens(self) -> list[PushToken]:
        """In the order of the seats' names."""
        ...

    async def set_push_token(self, token: PushToken) -> None:
        """The seat's only token from now on: one made earlier is worth nothing any more."""
        ...

    async def revoke_push_token(self, seat: str) -> bool:
        """False when there was none."""
        ...

    async def open_pull_requests(self) -> list[PullRecord]:
        """Those that readings or answers of GitHub may still change, the oldest first."""
        ...

    async def pull_requests_numbered(self, number: int) -> list[PullRecord]:
        """In every repository, the newest first."""
        ...

    async def pull_requests_within(self, window: WorkWindow) -> list[PullRecord]:
        """All whose windows meet this one, or that were merged in it, the oldest first."""
        ...

    async def claim_pull_request(self, key: Key, attempts: int, until: datetime) -> bool:
        """Counts one more attempt at its commits, and puts the next off until then. False when another worker did, or
        there is nothing to ask any more."""
        ...

    async def forget(self, seat: str) -> Forgotten:
        """Deletes what is stored of a seat, waiting deliveries and history included; a counter that another seat reads
        too stays. What comes back is false when nothing was stored."""
        ...

    async def close(self) -> None: ...
