"""Events as messages: what a person is told, what it means, what to do next and when it ends."""

from datetime import datetime, tzinfo

from meterbot import wording
from meterbot.messages import Action, Message
from meterbot.models import Event, Seat, Severity
from meterbot.money import Money


def alert(
    event: Event, seat: Seat | None, tz: tzinfo, pace: Money | None = None, cap_eta: datetime | None = None
) -> Message:
    """The post for one event. `seat` is None for the team's; `pace` is per hour; `cap_eta` is when the cap falls."""
    whose = "The team" if seat is None else seat.name
    title = f"{whose}: {event.kind.value.replace('_', ' ')}"
    facts = [] if pace is None else [f"Pace: {pace} per hour."]
    facts += [] if cap_eta is None else [f"At this pace the cap is spent {wording.moment(cap_eta, tz)}."]
    return Message(
        title=title,
        fallback=f"{title}. {event.reason}",
        severity=event.severity,
        text="\n".join([event.reason, *facts]),
        actions=() if seat is None else (Action(f"seat:{seat.name}"[:80], "Show seat"),),
        owner={} if seat is None else dict(seat.owner),
    )


def resolved(alert: Event, by: Event, seat: Seat | None, tz: tzinfo) -> Message:
    """What the posted alert is edited to once `by` has ended it: same words, in the past, pinging nobody."""
    ended = f"Over since {wording.moment(by.at, tz)}."
    whose = "The team" if seat is None else seat.name
    title = f"{whose}: {alert.kind.value.replace('_', ' ')}, over"
    return Message(
        title=title, fallback=f"{title}. {ended}", severity=Severity.GOOD, text=f"{ended}\n{by.reason}"
    )


def resolution_line(by: Event, seat: Seat | None, tz: tzinfo) -> Message:
    """The one line in the alert's thread."""
    whose = "The team" if seat is None else seat.name
    text = f"{whose}: {by.reason} ({wording.moment(by.at, tz)})"
    return Message(title=text, fallback=text, severity=Severity.GOOD)
