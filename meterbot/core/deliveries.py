"""The words of delivery: what is to be told where, in which order, and what becomes of it.

An event is told at each of its destinations by one row: a post of its own, or a line in the thread of a post that
stands already. What a post shows is its `PostContent`: the events it tells, what ended them, and what people did about them.
It is rendered when it is sent, so that what is told is what holds then.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from hashlib import sha256

from meterbot.core.messages import Message, Posted
from meterbot.core.models import Event, EventKind, Severity


class DeliveryKind(StrEnum):
    """What a delivery does at its destination."""

    POST = "post"
    EDIT = "edit"
    REPLY = "reply"


class DeliveryState(StrEnum):
    """`refused` is tried again slowly: it heals once a person has fixed the cause."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    IN_DOUBT = "in_doubt"
    DELIVERED = "delivered"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    FAILED = "failed"
    """Given up: the fault is the message's own. A person can have it retried."""


class Purpose(StrEnum):
    """Why something is said: it happened, it goes on, or somebody did something about it."""

    TELL = "tell"
    REMIND = "remind"
    ACT = "act"


class Priority(IntEnum):
    """What waits at one destination leaves in this order."""

    BLOCKED = 0
    THRESHOLD = 1
    RENEWAL = 2
    DIGEST = 3


class ActionKind(StrEnum):
    """What a person can do about an alert."""

    ACK = "ack"
    SNOOZE = "snooze"
    MUTE = "mute"


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination. `channel` is a channel's id, or `@` and a person's for a direct message."""

    chat: str
    channel: str


@dataclass(frozen=True, slots=True)
class AlertAction:
    """What a person did about an alert, once. `alert` is the event they did it to; `by` how they are called there.

    A snooze or a mute is about the alert's seat: `severity` is the loudest that a snooze holds back, `kind` what a
    mute silences, `until` when it ends by itself.
    """

    id: str
    alert: str
    deed: ActionKind
    at: datetime
    by: str
    platform: str
    seat: str | None
    kind: EventKind
    severity: Severity
    until: datetime | None = None
    undone_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return self.undone_at is None and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True)
class PostContent:
    """What one message shows. `ref` is its delivery's id: buttons carry it.

    `events` are told by it, the oldest first; `endings` are what ended them, by key. `heading` is set where it names
    several that have nothing else in common.
    """

    ref: str
    events: tuple[Event, ...]
    endings: dict[str, Event] = field(default_factory=dict)
    acts: tuple[AlertAction, ...] = ()
    heading: str | None = None

    @property
    def told(self) -> tuple[str, ...]:
        """The keys of all that it says happened."""
        return (*(event.key for event in self.events), *(event.key for event in self.endings.values()))

    @property
    def mark(self) -> str:
        """Differs whenever what it shows does."""
        said = sorted([*self.told, *(f"{act.id} {act.undone_at}" for act in self.acts)])
        return sha256("\n".join(said).encode()).hexdigest()[:16]

    def open_at(self, now: datetime) -> tuple[Event, ...]:
        """The events that still hold."""
        return tuple(event for event in self.events if event.key not in self.endings and lasts(event, now))


def lasts(event: Event, now: datetime) -> bool:
    """Whether what happened is still news: a full window is none once it has reset, a renewal none once it is past."""
    until = event.facts.get(_LASTS_UNTIL.get(event.kind, ""))
    try:
        end = datetime.fromisoformat(until) if isinstance(until, str) else None
    except ValueError:
        end = None  # facts that nobody can read end nothing
    if end is None:
        return True
    return now < end if end.tzinfo is not None else now.date() <= end.date()


_LASTS_UNTIL = {EventKind.WINDOW_FULL: "resets_at", EventKind.RENEWAL_NEAR: "date"}


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery to be queued. `id` is a digest of (event key, chat, channel, kind): the same twice is one row.

    `about` is the key of the event whose post an edit or a line in a thread belongs to. `topic` names a post that
    later events join. Without a `message` it is rendered from the event when it is sent. `not_before` and `held`: until
    when it is held back, and why.
    """

    id: str
    event: str
    chat: str
    channel: str
    kind: DeliveryKind
    message: Message | None = None
    about: str | None = None
    lane: Priority = Priority.THRESHOLD
    topic: str | None = None
    purpose: Purpose = Purpose.TELL
    not_before: datetime | None = None
    held: str | None = None


@dataclass(frozen=True, slots=True)
class Posting:
    """Where an event was told, or is queued for it: as the post of `about`, or in its thread. `at` is when it left; None
    while it `waits`, and where it was told with others."""

    event: str
    about: str
    place: Destination
    topic: str | None
    at: datetime | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class DestinationTrouble:
    """What keeps a destination from taking messages, and since when."""

    reason: str
    since: datetime
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as claimed. `settle`: an earlier attempt may have arrived; look before sending.

    `card` is what its post shows, `told` what that post said when it was posted, `shown` the mark of the card that it
    shows now, as far as is known.
    """

    id: str
    event: Event
    chat: str
    channel: str
    claimed_by: str
    kind: DeliveryKind
    message: Message | None
    attempts: int
    created_at: datetime
    settle: bool
    root: Posted | None
    """For an edit or a reply: where the post stands. None if that post was never delivered."""
    card: PostContent
    first_tried_at: datetime | None = None
    failures: int = 0
    """Attempts in a row that failed at this destination."""
    trouble: DestinationTrouble | None = None
    """What ailed the destination until this attempt."""
    purpose: Purpose = Purpose.TELL
    told: tuple[str, ...] = ()
    shown: str | None = None
    own_failures: int = 0
    """Attempts that failed by a fault of this message alone."""
    note: str | None = None
    """Shown at the end of the message: why it is here, or that it may be a repeat."""


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    """A message that was given up: `reason` is the last error, in the platform's words where it has some."""

    id: str
    chat: str
    channel: str
    event: str
    reason: str
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PossibleDuplicate:
    """A message that may stand twice: it was sent again while nobody was allowed to look whether it had arrived.
    `about` is where the post stands in whose thread it is; None for a post."""

    id: str
    channel: str
    where: Posted
    since: datetime
    about: Posted | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery that could leave now, as the choice of the next message sees it."""

    id: str
    kind: DeliveryKind
    lane: Priority
    event: Event
    ended: bool
    created_at: datetime
    rendered: bool
    """Its words are made when it is sent: it can be told in a message with others."""
    purpose: Purpose = Purpose.TELL
    held: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What leaves next: one delivery as it is, or several in one message with a heading."""

    ids: tuple[str, ...]
    heading: str | None = None


Choose = Callable[[Sequence[Waiting], DestinationTrouble | None, datetime], Choice]
"""Of what could leave now (at least one, in the order of lanes), what does; given what ailed the destination so far."""


def first_come(waiting: Sequence[Waiting], _trouble: DestinationTrouble | None, _now: datetime) -> Choice:
    """One after the other."""
    return Choice((waiting[0].id,))


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits at one destination."""

    chat: str
    channel: str
    waiting: int
    oldest: datetime | None
    """When the oldest undelivered message was queued; one that is held back on purpose is not late."""
    trouble: str | None
    """Why nothing moves, as told by the platform; None while nothing is wrong."""
    troubled_since: datetime | None = None
    refused: bool = False
    held: int = 0
    """How many of those waiting are held back on purpose."""
    held_until: datetime | None = None
    """When the last of those may be sent."""


def all_queues(queues: Sequence[Queue], places: Iterable[Destination]) -> list[Queue]:
    """What waits, and an empty queue for each place whose chat has none."""
    chats = {queue.chat for queue in queues}
    idle = [Queue(each.chat, each.channel, 0, None, None) for each in places if each.chat not in chats]
    return sorted([*queues, *idle], key=lambda queue: (queue.chat, queue.channel))
