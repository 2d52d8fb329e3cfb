"""Which deliveries an event causes: a post of its own, or an edit of an earlier post and a reply in its thread."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from meterbot.core.deliveries import (
    AlertAction,
    DeliveryKind,
    Destination,
    NewDelivery,
    Posting,
    Priority,
    Purpose,
    short_id,
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
"""A renewal that is found after the hour of posting waits this long, so that several become one message."""


@dataclass
class Planner:
    """Plans the deliveries of the events of one transaction, in their order.

    `postings` say where the alerts that end now, and the posts that events may join, are posted; `alerts` are the
    alerts that end now, by key. `quiets` are the quiet hours that owners have set for direct messages, by seat. The
    results are `deliveries`, and in `release` the held-back posts that have to be sent at once.
    """

    routing: RoutingSettings
    defaults: Sequence[Destination]
    postings: list[Posting]
    alerts: Mapping[str, Event]
    actions: Sequence[AlertAction]
    now: datetime
    quiets: Mapping[str, Quiet] = field(default_factory=dict)
    deliveries: list[NewDelivery] = field(default_factory=list)
    release: list[tuple[str, Destination]] = field(default_factory=list)

    def plan(self, event: Event, seat: Seat | None) -> None:
        """Queues one event at each of its destinations."""
        self.alerts = {**self.alerts, event.key: event}
        resolved_at = set() if event.resolves is None else self._resolve(event, event.resolves)
        if event.muted_by is not None or (resolved_at and event.kind is not EventKind.METERING_CHANGED):
            return  # the alert's thread says everything; a raised cap is news where the alert is not posted, too
        topic_to_join = topic_of(event) if self.routing.update_in_place else None
        redaction = self.routing.redaction
        routed = destinations_of(event, seat, self.routing.routes, self.defaults)
        for destination in redaction.destinations(event, seat, routed):
            if destination == _subject(event) or destination in resolved_at:
                continue  # its own trouble cannot be posted there, nor is an end posted twice
            # A post that one seat's events join through a month would show which anonymous alerts belong to the same
            # seat.
            topic = topic_to_join if redaction.may_see(event, seat, destination) else None
            about = self._post_of(topic, destination)
            if about is None:
                self._queue(event, destination, DeliveryKind.POST, topic=topic)
            else:
                self._queue(event, destination, DeliveryKind.EDIT, about=about)
                self._queue(event, destination, DeliveryKind.REPLY, about=about, topic=topic)
            self.postings.append(Posting(event.key, about or event.key, destination, topic))

    def _resolve(self, event: Event, ended: str) -> set[Destination]:
        """Edits the posts of the alert `ended`, and replies in their threads. Returns where the event needs no post of
        its own."""
        alert = self.alerts.get(ended)
        posted = [each for each in self.postings if each.event == ended]
        if alert is None:
            return set()
        for posting in posted:
            self._queue(event, posting.destination, DeliveryKind.EDIT, of=alert, about=posting.about)
            if self.routing.send_resolved and not self._is_said(event, posting.destination):
                self._queue(event, posting.destination, DeliveryKind.REPLY, of=alert, about=posting.about)
        # A raised cap is news besides the end of the alert.
        silent = event.kind is EventKind.METERING_CHANGED and not self.routing.send_resolved
        return set() if silent else {posting.destination for posting in posted}

    def _is_said(self, event: Event, destination: Destination) -> bool:
        """Whether nobody is to hear of the event, or the readers of the destination do by another one. A raised cap
        that ends several alerts is said once at each destination."""
        if event.muted_by is None:
            return False
        other = self.alerts.get(event.muted_by)
        return (
            other is None
            or other.muted_by is not None
            or any(
                (each.event, each.chat, each.channel) == (other.key, destination.chat, destination.channel)
                and each.kind is not DeliveryKind.EDIT
                for each in self.deliveries
            )
        )

    def _post_of(self, topic: str | None, destination: Destination) -> str | None:
        """The event whose post at this destination the events of the topic join."""
        wanted = (topic, destination)
        posts = [each.about for each in self.postings if topic and (each.topic, each.destination) == wanted]
        return posts[-1] if posts else None

    def _hold(self, event: Event, destination: Destination, at: datetime) -> Hold | None:
        """What holds the event back at that time. For a direct message, the reader's own quiet hours count too."""
        own = self.quiets.get(event.seat or "") if destination.channel.startswith("@") else None
        holds = [hold(event, self.routing, self.actions, at)]
        holds += [] if own is None else [hold(event, RoutingSettings(quiet=own), (), at)]
        return max(filter(None, holds), key=lambda each: each.until, default=None)

    def _post_at(self, event: Event, kind: DeliveryKind) -> datetime | None:
        """When a renewal is posted, with those of the other seats; None: at once."""
        if event.kind is not EventKind.RENEWAL_NEAR or kind is not DeliveryKind.POST:
            return None
        soonest, named = self.now + COLLECT_RENEWALS, event.facts.get("post_at")
        return max(soonest, datetime.fromisoformat(named)) if isinstance(named, str) else soonest

    def _queue(
        self,
        event: Event,
        destination: Destination,
        kind: DeliveryKind,
        *,
        of: Event | None = None,
        about: str | None = None,
        topic: str | None = None,
    ) -> None:
        """`of`: the event whose priority the delivery gets; None for `event` itself."""
        # An edit notifies nobody, so nothing holds it back.
        post_at = self._post_at(event, kind)
        held = None if kind is DeliveryKind.EDIT else self._hold(event, destination, post_at or self.now)
        not_before = post_at if held is None else held.until
        may_hold = self.routing.quiet or self.routing.silences or self.actions or self.quiets
        if held is None and kind is DeliveryKind.REPLY and about is not None and may_hold:
            self.release.append((about, destination))
        self.deliveries.append(
            NewDelivery(
                id=delivery_id(self.routing.redaction.salted(event.key), destination, kind),
                event=event.key,
                chat=destination.chat,
                channel=destination.channel,
                kind=kind,
                about=about,
                priority=priority_of((of or event).kind),
                topic=topic,
                not_before=not_before,
                held=None if held is None else held.why,
            )
        )


def follow_ups(
    name: str,
    postings: Iterable[Posting],
    purpose: Purpose,
    message: Message | None,
    priority: Priority = Priority.THRESHOLD,
) -> list[NewDelivery]:
    """What follows an alert later: its posts are edited (a reminder changes nothing in them), and a `message` is posted
    in their threads. The ids of the deliveries are made from `name`, so that the same follow-up is queued once."""
    kinds = [] if purpose is Purpose.REMINDER else [DeliveryKind.EDIT]
    kinds += [] if message is None else [DeliveryKind.REPLY]
    return [
        NewDelivery(
            id=delivery_id(name, posting.destination, kind),
            event=posting.event,
            chat=posting.destination.chat,
            channel=posting.destination.channel,
            kind=kind,
            message=message if kind is DeliveryKind.REPLY else None,
            about=posting.about,
            priority=priority,
            purpose=purpose,
        )
        for posting in postings
        for kind in kinds
    ]


def _subject(event: Event) -> Destination | None:
    """The destination that takes no messages, or takes them again, according to this event."""
    if event.kind not in {EventKind.DESTINATION_DOWN, EventKind.DESTINATION_UP}:
        return None
    return Destination(str(event.facts["chat"]), str(event.facts["channel"]))


def delivery_id(key: str, destination: Destination, kind: DeliveryKind) -> str:
    """Always the same for the same event, destination and kind."""
    return short_id(key, destination.chat, destination.channel, kind)
