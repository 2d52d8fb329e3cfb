"""Which deliveries an event causes: a post, or an edit of one that stands and a line in its thread."""

from base64 import b32encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from meterbot.core.deliveries import (
    AlertAction,
    DeliveryKind,
    Destination,
    NewDelivery,
    Posting,
    Priority,
    Purpose,
)
from meterbot.core.messages import Message
from meterbot.core.models import Event, EventKind, Seat
from meterbot.delivery.routing import (
    Hold,
    Quiet,
    RoutingSettings,
    destinations_of,
    hold,
    priority_of,
    topic_of,
)

COLLECT_RENEWALS = timedelta(minutes=10)
"""A renewal waits this long, so that all seats' renewals of a morning are one message."""


@dataclass
class Planner:
    """Plans the deliveries of one batch's told events, in their order.

    `tellings` are where the alerts that end here, and the posts that events may join, were queued; `alerts` are the
    events that end here, by key. `quiets`: by seat, when its owner's direct messages wait. `deliveries` and `release` are what comes of it.
    """

    routing: RoutingSettings
    defaults: Sequence[Destination]
    tellings: list[Posting]
    alerts: Mapping[str, Event]
    acts: Sequence[AlertAction]
    now: datetime
    quiets: Mapping[str, Quiet] = field(default_factory=dict)
    deliveries: list[NewDelivery] = field(default_factory=list)
    release: list[tuple[str, Destination]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.alerts = dict(self.alerts)

    def tell(self, event: Event, seat: Seat | None) -> None:
        """Queues one event, wherever it belongs."""
        self.alerts = {**self.alerts, event.key: event}
        if event.resolves is not None and (
            self._end(event, event.resolves) or not event.facts.get("changes")
        ):
            return
        living = topic_of(event) if self.routing.update_in_place else None
        redaction = self.routing.redaction
        for place in redaction.destinations(
            event, seat, destinations_of(event, seat, self.routing.routes, self.defaults)
        ):
            if place == _ailing(event):
                continue  # its own trouble cannot be reported there
            # One message through a month would be a name for a seat that is to have none.
            topic = living if redaction.may_see(event, seat, place) else None
            about = self._standing(topic, place)
            if about is None:
                self._queue(event, place, DeliveryKind.POST, priority_of(event.kind), topic=topic)
            else:
                self._queue(event, place, DeliveryKind.EDIT, priority_of(event.kind), about=about)
                self._queue(
                    event, place, DeliveryKind.REPLY, priority_of(event.kind), about=about, topic=topic
                )
            self.tellings.append(Posting(event.key, about or event.key, place, topic))

    def _end(self, event: Event, ended: str) -> bool:
        """The alert's own post is edited and gets a line. False where the alert was never posted."""
        alert = self.alerts.get(ended)
        if alert is None:
            return False
        lane = priority_of(alert.kind)
        for telling in [each for each in self.tellings if each.event == ended]:
            self._queue(event, telling.place, DeliveryKind.EDIT, lane, about=telling.about)
            if self.routing.send_resolved:
                self._queue(event, telling.place, DeliveryKind.REPLY, lane, about=telling.about)
        return any(each.event == ended for each in self.tellings)

    def _standing(self, topic: str | None, place: Destination) -> str | None:
        """The event whose post at this place is the topic's."""
        posts = [each.about for each in self.tellings if topic and (each.topic, each.place) == (topic, place)]
        return posts[-1] if posts else None

    @property
    def _may_hold(self) -> bool:
        return bool(self.routing.quiet or self.routing.silences or self.acts or self.quiets)

    def _hold(self, event: Event, place: Destination) -> Hold | None:
        """In a direct message the hours count, too, that its reader has set."""
        own = self.quiets.get(event.seat or "") if place.channel.startswith("@") else None
        holds = [hold(event, self.routing, self.acts, self.now)]
        holds += [] if own is None else [hold(event, RoutingSettings(quiet=own), (), self.now)]
        return max(filter(None, holds), key=lambda each: each.until, default=None)

    def _queue(
        self,
        event: Event,
        place: Destination,
        kind: DeliveryKind,
        lane: Priority,
        *,
        about: str | None = None,
        topic: str | None = None,
    ) -> None:
        # An edit notifies nobody, so nothing holds it back.
        held = None if kind is DeliveryKind.EDIT else self._hold(event, place)
        not_before = None if held is None else held.until
        if held is None and event.kind is EventKind.RENEWAL_NEAR and kind is DeliveryKind.POST:
            not_before = self.now + COLLECT_RENEWALS
        if held is None and kind is DeliveryKind.REPLY and about is not None and self._may_hold:
            self.release.append((about, place))
        self.deliveries.append(
            NewDelivery(
                id=delivery_id(self.routing.redaction.salted(event.key), place, kind),
                event=event.key,
                chat=place.chat,
                channel=place.channel,
                kind=kind,
                about=about,
                lane=lane,
                topic=topic,
                not_before=not_before,
                held=None if held is None else held.why,
            )
        )


def follow_ups(
    name: str,
    tellings: Iterable[Posting],
    purpose: Purpose,
    message: Message | None,
    lane: Priority = Priority.THRESHOLD,
) -> list[NewDelivery]:
    """What is said later about an event that was told: its posts are edited, but for a reminder, which changes nothing,
    and get a line where there is a `message`. `name` makes the deliveries' ids: the same twice is one."""
    kinds = [] if purpose is Purpose.REMIND else [DeliveryKind.EDIT]
    kinds += [] if message is None else [DeliveryKind.REPLY]
    return [
        NewDelivery(
            id=delivery_id(name, telling.place, kind),
            event=telling.event,
            chat=telling.place.chat,
            channel=telling.place.channel,
            kind=kind,
            message=message if kind is DeliveryKind.REPLY else None,
            about=telling.about,
            lane=lane,
            purpose=purpose,
        )
        for telling in tellings
        for kind in kinds
    ]


def _ailing(event: Event) -> Destination | None:
    """The place that takes no messages, by this event."""
    if event.kind is not EventKind.DESTINATION_DOWN:
        return None
    return Destination(str(event.facts["chat"]), str(event.facts["channel"]))


def delivery_id(key: str, place: Destination, kind: DeliveryKind) -> str:
    """The same event, place and kind always have the same id."""
    digest = sha256(f"{key}\n{place.chat}\n{place.channel}\n{kind}".encode()).digest()
    return b32encode(digest).decode().lower()[:20]
