"""A card as a message: one alert, one that lives through a period, or several in one.

What a card shows is decided when it is sent or edited, by what holds then.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo

from meterbot.core.deliveries import (
    ActionKind,
    AlertAction,
    Delivery,
    DeliveryKind,
    Destination,
    PostContent,
)
from meterbot.core.messages import Action, Message, Section, button
from meterbot.core.models import Event, Seat, Severity
from meterbot.core.text import moment, one_line, span
from meterbot.delivery import alerts
from meterbot.delivery.redaction import UNNAMED
from meterbot.delivery.routing import RoutingSettings, at_least

Seats = Mapping[str, Seat]

_LOUDEST = (Severity.CRITICAL, Severity.WARNING, Severity.INFO, Severity.GOOD)
_NAME = 40


def card(shown: PostContent, seats: Seats, tz: tzinfo) -> Message:
    """The post, as it should stand now."""
    if shown.heading is not None:
        return _several(shown, shown.heading, seats, tz)
    event = shown.events[-1]
    seat = _seat_of(event, seats)
    ending = shown.endings.get(event.key)
    over = ending is not None
    message = alerts.resolved(event, ending, seat, tz) if ending else alerts.alert(event, seat, tz)
    earlier = [_entry(each, shown, seats, tz) for each in shown.events[:-1]]
    sections = (Section(tuple(earlier), "Before"),) if earlier else ()
    deeds = [action_text(act, tz) for act in shown.acts if act.undone_at is None]
    severity = message.severity if over else min((each.severity for each in shown.events), key=_LOUDEST.index)
    return replace(
        message,
        severity=severity,
        text="\n".join([part for part in (message.text, *deeds) if part]),
        sections=sections,
        actions=(*_deeds(shown, settled=over), *message.actions),
    )


def line(event: Event, seats: Seats, tz: tzinfo, *, loud: bool) -> Message:
    """One line in a thread: a later level, or what ended the alert. `loud`: the channel is to see it, too."""
    seat = _seat_of(event, seats)
    if event.resolves is not None:
        return alerts.resolution_line(event, seat, tz)
    text = alerts.sentence(event, seat, tz)
    return Message(title=text, fallback=text, severity=event.severity, loud=loud)


def reminder(event: Event, seats: Seats, tz: tzinfo, now: datetime) -> Message:
    """That an alert still holds, in its thread and for the channel."""
    text = f"Still so, for {span(now - event.at)}: {alerts.sentence(event, _seat_of(event, seats), tz)}"
    return Message(title=text, fallback=text, severity=event.severity, loud=True)


def action_line(act: AlertAction, tz: tzinfo) -> Message:
    """What somebody did, for the thread: it pings nobody, least of all them."""
    text = action_text(act, tz)
    return Message(title=text, fallback=text)


def action_text(act: AlertAction, tz: tzinfo) -> str:
    """`Snoozed for ana by bo, Tue Apr 21 15:30: until Wed Apr 22 09:00.` It stays true when that has passed."""
    by = f"by {one_line(act.by, _NAME)}, {moment(act.at, tz)}"
    until = "" if act.until is None else f": until {moment(act.until, tz)}"
    seat = None if act.seat is None else one_line(act.seat, _NAME)
    if act.deed is ActionKind.MUTE:
        return f"“{act.kind.value}”{f' of {seat}' if seat else ''} muted {by}{until}."
    done = "Acknowledged" if act.deed is ActionKind.ACK else "Snoozed"
    return f"{done}{f' for {seat}' if seat else ''} {by}{until}."


def _deeds(shown: PostContent, *, settled: bool) -> tuple[Action, ...]:
    """What can be done about it, as buttons."""
    done = {act.deed for act in shown.acts if act.undone_at is None}
    todo = (
        ()
        if settled
        else button("Snooze…", "snooze", shown.ref)
        + button(
            "Mute…" if len({each.kind for each in shown.events}) > 1 else "Mute this rule", "mute", shown.ref
        )
    )
    ack = () if settled or ActionKind.ACK in done else button("Acknowledge", "ack", shown.ref)
    return (*ack, *todo, *button("Why?", "why", shown.ref))


def _several(shown: PostContent, heading: str, seats: Seats, tz: tzinfo) -> Message:
    """Events that have nothing in common but the hour: each has its line."""
    lines = [_entry(event, shown, seats, tz) for event in shown.events]
    open_ = [event for event in shown.events if event.key not in shown.endings and event.resolves is None]
    severities: Sequence[Severity] = [event.severity for event in open_] or [Severity.GOOD]
    owners = {
        (platform, who)
        for event in open_
        for seat in [_seat_of(event, seats)]
        if seat is not None
        for platform, who in seat.owner.items()
    }
    platforms = [platform for platform, _ in owners]
    deeds = [action_text(act, tz) for act in shown.acts if act.undone_at is None]
    return Message(
        title=heading,
        fallback=f"{heading}. {' '.join(lines)}",
        severity=min(severities, key=_LOUDEST.index),
        text="\n".join(deeds),
        sections=(Section(tuple(lines)),),
        actions=_deeds(shown, settled=not open_),
        owner={platform: who for platform, who in owners if platforms.count(platform) == 1},
    )


def _entry(event: Event, shown: PostContent, seats: Seats, tz: tzinfo) -> str:
    """`Tue Apr 21 15:30: ana has reached 80% of its cap, $40.00 of $50.00 (80%).`"""
    ending = shown.endings.get(event.key)
    over = "" if ending is None else f" Over since {moment(ending.at, tz)}."
    return f"{moment(event.at, tz)}: {alerts.sentence(event, _seat_of(event, seats), tz)}{over}"


def _seat_of(event: Event, seats: Seats) -> Seat | None:
    return None if event.seat is None else UNNAMED.get(event.seat) or seats.get(event.seat)


def renderer(seats: Seats, tz: tzinfo, routing: RoutingSettings) -> Callable[[Delivery], Message]:
    """How a delivery without words of its own is said to those who read it where it goes."""

    def render(delivery: Delivery) -> Message:
        place = Destination(delivery.chat, delivery.channel)
        if delivery.kind is not DeliveryKind.REPLY:
            return card(routing.redaction.redact(delivery.card, seats, place), seats, tz)
        event = routing.redaction.redact_event(delivery.event, seats, place)
        return line(event, seats, tz, loud=at_least(event.severity, routing.broadcast_from))

    return render
