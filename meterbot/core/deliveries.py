"""Deliveries: which message goes where, in which order, and with which result.

Each event has one delivery per destination: a post of its own, or a reply in the thread of an earlier post. A post
shows its `PostContent`: events, the events that ended them, and what people did about them. It is rendered when it is
sent, so that it says what is true then.
"""

from base64 import b32encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from hashlib import sha256

from meterbot.core.messages import Message, Posted
from meterbot.core.models import Event, EventKind, Severity

MAY_REPEAT = "This may be a repeat: meterbot could not check whether it was posted before."
"""The note of a message that may have been posted before, and cannot be looked for."""

MOST_NAMED = 30
"""A post that groups events names so many, as many as a person reads. The others follow in its thread."""


def short_id(*parts: str) -> str:
    """20 characters [a-z2-7], always the same for the same parts."""
    return b32encode(sha256("\n".join(parts).encode()).digest()).decode().lower()[:20]


class DeliveryKind(StrEnum):
    POST = "post"
    EDIT = "edit"
    REPLY = "reply"


class DeliveryState(StrEnum):
    """`refused` is tried again, slowly, until a person has fixed the cause."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    IN_DOUBT = "in_doubt"
    DELIVERED = "delivered"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    FAILED = "failed"
    """Given up, because the message itself is at fault. A person can retry it."""


class Purpose(StrEnum):
    """Why a message is sent: an event happened, it still holds, or a person did something about it."""

    ALERT = "alert"
    REMINDER = "reminder"
    ACTION = "action"


class Priority(IntEnum):
    """The messages for one destination are sent in this order."""

    BLOCKED = 0
    THRESHOLD = 1
    RENEWAL = 2
    DIGEST = 3


class ActionKind(StrEnum):
    ACK = "ack"
    SNOOZE = "snooze"
    MUTE = "mute"


@dataclass(frozen=True, slots=True)
class Destination:
    """`channel` is the id of a channel, or `@` and the id of a person for a direct message."""

    chat: str
    channel: str


@dataclass(frozen=True, slots=True)
class AlertAction:
    """What a person did about an alert. `alert` is the key of its event; `by` is the person's name on `platform`.

    A snooze or a mute is about the alert's seat. A snooze holds back alerts up to `severity`, a mute those of
    `event_kind`. It ends by itself at `until`.
    """

    id: str
    alert: str
    kind: ActionKind
    at: datetime
    by: str
    platform: str
    seat: str | None
    event_kind: EventKind
    severity: Severity
    until: datetime | None = None
    undone_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return self.undone_at is None and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True)
class PostContent:
    """What one post shows. `ref` is the id of its delivery; buttons carry it.

    `events` are the oldest first, after those that the post was made for; `endings` has the events that ended them, by
    the key of the ended event. `heading` is set where the post groups events that have nothing else in common.
    """

    ref: str
    events: tuple[Event, ...]
    endings: dict[str, Event] = field(default_factory=dict)
    actions: tuple[AlertAction, ...] = ()
    heading: str | None = None

    @property
    def named(self) -> tuple[Event, ...]:
        """Those of the events that the post names."""
        return self.events if self.heading is None else self.events[:MOST_NAMED]

    @property
    def named_keys(self) -> tuple[str, ...]:
        """The keys of all events that the post names, with those that ended them."""
        return _with_ends(self.named, self.endings)

    @property
    def content_hash(self) -> str:
        """Changes whenever the post has to show something else."""
        parts = [
            *_with_ends(self.events, self.endings),
            *(f"{action.id} {action.undone_at}" for action in self.actions),
        ]
        return sha256("\n".join(sorted(parts)).encode()).hexdigest()[:16]

    def open_at(self, now: datetime) -> tuple[Event, ...]:
        """The events that still hold."""
        return tuple(event for event in self.events if event.key not in self.endings and lasts(event, now))


def _with_ends(events: Iterable[Event], endings: Mapping[str, Event]) -> tuple[str, ...]:
    keys = [event.key for event in events]
    return (*keys, *(endings[key].key for key in keys if key in endings))


def lasts(event: Event, now: datetime) -> bool:
    """Whether an event still matters by itself: not a full window that has reset, nor a renewal that is over."""
    until = event.facts.get(_LASTS_UNTIL.get(event.kind, ""))
    try:
        end = datetime.fromisoformat(until) if isinstance(until, str) else None
    except ValueError:
        end = None  # unreadable facts: assume that it still matters
    if end is None:
        return True
    return now < end if end.tzinfo is not None else now.date() <= end.date()


_LASTS_UNTIL = {EventKind.WINDOW_FULL: "resets_at", EventKind.RENEWAL_NEAR: "date"}


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery to be queued. `id` is a digest of (event key, chat, channel, kind), so that it is queued once.

    `about` is the key of the event whose post is edited or replied to. `topic` names a post that later events join.
    Without a `message`, it is rendered from the event when it is sent. It is held back until `not_before`, because of
    `held`.
    """

    id: str
    event: str
    chat: str
    channel: str
    kind: DeliveryKind
    message: Message | None = None
    about: str | None = None
    priority: Priority = Priority.THRESHOLD
    topic: str | None = None
    purpose: Purpose = Purpose.ALERT
    not_before: datetime | None = None
    held: str | None = None


@dataclass(frozen=True, slots=True)
class Posting:
    """Where an event was posted or is queued: as the post of the event `about`, or in that post's thread. `at` is when
    it was posted: None while it `waits`, and for an event that was grouped with others."""

    event: str
    about: str
    destination: Destination
    topic: str | None
    at: datetime | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class DestinationTrouble:
    """Why a destination takes no messages, and since when. `refused`: a person must change something."""

    reason: str
    since: datetime
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """A claimed delivery. `in_doubt`: an earlier attempt may have arrived, so look before sending.

    `content` is what its post has to show. `posted_events` are the keys of the events that the post named when it was
    posted; `shown_hash` is the hash of the content that it shows now, as far as is known.
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
    in_doubt: bool
    root: Posted | None
    """For an edit or a reply: where its post is. None if that post was never delivered."""
    content: PostContent
    first_tried_at: datetime | None = None
    failures: int = 0
    """Attempts in a row that failed at this destination."""
    trouble: DestinationTrouble | None = None
    """Why the destination took no messages before this attempt."""
    purpose: Purpose = Purpose.ALERT
    posted_events: tuple[str, ...] = ()
    shown_hash: str | None = None
    own_failures: int = 0
    """Attempts that failed because of this message alone."""
    note: str | None = None
    """Shown at the end of the message: why it is in this channel, or that it may be a repeat."""


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
    """A message that may have been posted twice: it was sent again when the bot could not look whether it had arrived.
    For a reply, `about` is where the post of its thread is."""

    id: str
    channel: str
    where: Posted
    since: datetime
    about: Posted | None = None


@dataclass(frozen=True, slots=True)
class WaitingDelivery:
    """A delivery that may be sent now, with the facts on which the choice of the next message depends."""

    id: str
    kind: DeliveryKind
    priority: Priority
    event: Event
    ended: bool
    created_at: datetime
    groupable: bool
    """It is rendered when it is sent, so that it can be grouped with others."""
    purpose: Purpose = Purpose.ALERT
    held: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The next message: one delivery as it is, or several in one message with a heading."""

    ids: tuple[str, ...]
    heading: str | None = None


Choose = Callable[[Sequence[WaitingDelivery], DestinationTrouble | None, datetime], Choice]
"""Chooses from the deliveries that may be sent now: at least one, sorted by priority. The trouble is what the
destination had until now."""


def first_come(
    waiting: Sequence[WaitingDelivery], _trouble: DestinationTrouble | None, _now: datetime
) -> Choice:
    return Choice((waiting[0].id,))


@dataclass(frozen=True, slots=True)
class PostState:
    """What has become of a post, and on which chat. `trouble`: why it failed or still waits, if that is known."""

    chat: str
    delivered: bool
    failed: bool
    trouble: str | None


@dataclass(frozen=True, slots=True)
class ChannelQueue:
    chat: str
    channel: str
    waiting: int
    oldest: datetime | None
    """When the oldest undelivered message was queued, apart from those held back on purpose."""
    trouble: str | None
    """Why nothing is sent, in the platform's words; None while nothing is wrong."""
    troubled_since: datetime | None = None
    refused: bool = False
    held: int = 0
    """How many of those waiting are held back on purpose."""
    held_until: datetime | None = None
    """When the last of those may be sent."""


def all_queues(queues: Sequence[ChannelQueue], destinations: Iterable[Destination]) -> list[ChannelQueue]:
    """The queues, and an empty one for each destination whose chat has none."""
    chats = {queue.chat for queue in queues}
    idle = [
        ChannelQueue(each.chat, each.channel, 0, None, None)
        for each in destinations
        if each.chat not in chats
    ]
    return sorted([*queues, *idle], key=lambda queue: (queue.chat, queue.channel))
