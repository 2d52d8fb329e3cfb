"""The values that are written to and read from the database. Every instant is aware UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime

from meterbot.core.deliveries import Destination, NewDelivery
from meterbot.core.models import Counter, Event, LastKnown, Sample, SourceState
from meterbot.rules.pull_requests import PullRequest
from meterbot.rules.seat_facts import SeatFacts, facts_to_store
from meterbot.store.column_types import value_of

BEAT_SECONDS = 2.0
"""How often a worker says that it is alive."""
ALIVE_SECONDS = 6.0
"""How long it counts as alive after that; `store/workers.py` says why."""
FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)
"""Until when the only worker on its database counts as alive."""
CONNECTIONS = "connections"
"""The note in which a bot says, once a minute, how its chats are connected: JSON, {chat: {up, since, detail}}."""
LAST_TICK = "last_tick"
"""The note in which a bot says, once a minute, when it last checked its seats: an ISO instant."""


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest state of one counter, as one seat has read it."""

    seat: str
    counter: Counter
    known: LastKnown

    @property
    def facts(self) -> SeatFacts | None:
        return facts_to_store(self.known)


@dataclass(slots=True)
class UnparsedLatest:
    """The same as it is stored. Most answers need the `known` of a few seats only, so it is parsed when it is asked
    for. `facts` are None if the row was stored without them or by a version to which they mean something else, or if
    `known` was stored again without new ones."""

    seat: str
    counter: Counter
    facts: SeatFacts | None
    text: str = field(repr=False)
    _parsed: LastKnown | None = field(init=False, repr=False, default=None)

    @property
    def known(self) -> LastKnown:
        if self._parsed is None:
            self._parsed = value_of(LastKnown, self.text)
        return self._parsed


@dataclass(frozen=True, slots=True)
class CounterReader:
    """A seat that reads a counter, and what the rules remember of that counter: None before its first reading."""

    seat: str
    counter: Counter
    memory: str | None


@dataclass(frozen=True, slots=True)
class CounterState:
    """The state of a counter for the rules: what is known of it, and their own memory (opaque JSON text)."""

    known: LastKnown
    memory: str


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A seat's last renewed session, encrypted. `fingerprint` identifies the configured session key that it began
    with. A session that was never renewed has neither `ciphertext` nor `renewed_at`."""

    seat: str
    fingerprint: str
    ciphertext: str | None = field(default=None, repr=False)
    renewed_at: datetime | None = None
    ends_at: datetime | None = None
    """When the session ends, if its cookie says so."""
    begun_at: datetime | None = None
    """When the configured key was first used; None for a renewed one."""


@dataclass(frozen=True, slots=True)
class PushToken:
    """The token with which a seat's machine pushes; one for each seat. Only its SHA-256 is stored."""

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
    """Which seats a worker may read now, and the state of all the sources that it asked for."""

    taken: frozenset[str]
    states: Mapping[str, SourceState]


@dataclass(frozen=True, slots=True)
class PullRecord:
    """A merged pull request in the record. `delivery` is GitHub's id of the webhook request. While it is `open`,
    later readings may change it; `reported_at` is when it was posted. At `due_at` its commits may be read, after
    `attempts` failed ones; None if there is nothing to read any more."""

    pull: PullRequest
    delivery: str
    received_at: datetime
    open: bool = True
    reported_at: datetime | None = None
    attempts: int = 0
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FailedPull:
    """A merged pull request that was given up, and why."""

    repo: str
    number: int
    received_at: datetime
    reason: str

    @property
    def name(self) -> str:
        return f"{self.repo}#{self.number}"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much was deleted of a seat. `shared`: counters that stay because another seat reads them."""

    counters: int = 0
    points: int = 0
    events: int = 0
    deliveries: int = 0
    tokens: int = 0
    sessions: int = 0
    pull_requests: int = 0
    others: int = 0
    """A counter's current row, its source's health, and the rules' memory."""
    shared: int = 0
    invitations: int = 0

    def __bool__(self) -> bool:
        return any(astuple(self))


@dataclass(frozen=True, slots=True)
class Batch:
    """Facts and their consequences, written together or not at all. A sample that is not newer than the counter's
    newest is ignored. A seat's e-mail address is never stored."""

    latest: Sequence[Latest] = ()
    states: Mapping[Counter, CounterState] = field(default_factory=dict)
    samples: Sequence[Sample] = ()
    sources: Sequence[SourceState] = ()
    memories: Mapping[str, str] = field(default_factory=dict)
    """Other memories of the rules by name (`team`, `source:<seat>`): opaque JSON text."""
    events: Sequence[Event] = ()
    deliveries: Sequence[NewDelivery] = ()
    release: Sequence[tuple[str, Destination]] = ()
    """Posts of these events at these destinations that are held back: a reply in their thread may not wait."""
    gone: Sequence[tuple[str, Counter]] = ()
    """`latest` rows to delete: the seat no longer reads that counter."""
    set_back: Mapping[Counter, datetime] = field(default_factory=dict)
    """Counters whose samples after this instant had the time of a clock that was ahead: they are deleted before the
    new ones are added."""


@dataclass(frozen=True, slots=True)
class Glance:
    """The state of a database. `there`: it can be opened without being created; `found`: its schema, None if it has
    none yet; `newest`: this version's; `unknown`: this version cannot upgrade it. `sources` are known if the schema is
    the newest."""

    found: str | None
    newest: str
    unknown: bool = False
    there: bool = True
    sources: Mapping[str, SourceState] = field(default_factory=dict)
    pooled: bool = False
    """A connection pooler answers in PostgreSQL's place."""
