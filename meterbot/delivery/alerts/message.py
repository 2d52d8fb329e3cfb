"""Events as messages: one alert, one that is updated through a period, or several in one; and lines for threads.

The message is rendered when it is sent or edited, from what holds then.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo

from meterbot.core.deliveries import ActionKind, AlertAction, Delivery, DeliveryKind, Destination, PostContent
from meterbot.core.inline import instant as when
from meterbot.core.inline import plain
from meterbot.core.messages import Action, Message, Section, Table, button
from meterbot.core.models import Event, EventKind, Seat, Severity
from meterbot.core.text import count, one_line, span, stopped
from meterbot.delivery.alerts import KIND_WORDS, text_of
from meterbot.delivery.alerts.billing import renewals
from meterbot.delivery.alerts.event_facts import AlertText, EventFacts
from meterbot.delivery.grouping import AT_ONCE
from meterbot.delivery.redaction import NO_OWNER, UNNAMED
from meterbot.delivery.routing import RANK, RoutingSettings, at_least

Seats = Mapping[str, Seat]

_NAME, _LINE = 40, 200
_REPORTS = frozenset({EventKind.PULL_REQUEST_MERGED, EventKind.PERIOD_CLOSED, EventKind.NOTICE})
"""Nothing is wrong: there is nothing to acknowledge."""
TEAM = "team"
"""How people name the team where a command takes a seat."""


def post(content: PostContent, seats: Seats, tz: tzinfo) -> Message:
    """The post as it should be now."""
    if content.heading is not None:
        return _several(content, content.heading, seats, tz)
    # Several seats can read one account: the post keeps the name that it began with.
    event = replace(content.events[-1], seat=content.events[0].seat)
    seat, ending = _seat_of(event, seats), content.endings.get(event.key)
    message = resolved(event, ending, seat, tz) if ending else alert(event, seat, tz)
    earlier = tuple(_entry(each, content, seats, tz) for each in content.events[:-1])
    severity = (
        max((each.severity for each in content.events), key=RANK.__getitem__)
        if ending is None
        else message.severity
    )
    return replace(
        message,
        severity=severity,
        text="\n".join(filter(None, [message.text, *_actions_taken(content, tz)])),
        sections=(*message.sections, *((Section(earlier, "Before"),) if earlier else ())),
        actions=(*_buttons(content, settled=ending is not None), *message.actions),
    )


def alert(event: Event, seat: Seat | None, tz: tzinfo) -> Message:
    """The post for one event. `seat` is None for the team's."""
    text = text_of(event, seat, tz)
    return Message(
        title=text.title,
        fallback=" ".join([stopped(text.title), *filter(None, [text.action])]),
        severity=event.severity,
        text="\n".join(filter(None, [text.action, *text.details])),
        fields=text.fields,
        sections=(Section((text.seat_line,), labels=("Extra usage",)),) if text.seat_line else (),
        actions=_show_seat(seat),
        owner={} if seat is None else dict(seat.owner),
    )


def resolved(alert: Event, by: Event, seat: Seat | None, tz: tzinfo) -> Message:
    """What the post is edited to once `by` has ended its alert: nothing to do any more, and nobody is mentioned."""
    line = _ended(by, seat, tz)
    # The lower levels were not posted before if the alert ended while it waited.
    also = () if seat == NO_OWNER else EventFacts(alert, seat, tz).also_crossed()
    return Message(
        title=f"Resolved: {text_of(alert, seat, tz).title}",
        fallback=line,
        severity=Severity.GOOD,
        text="\n".join([f"{when(by.at, tz)}: {line}", *also]),
        actions=_show_seat(seat),
    )


def _show_seat(seat: Seat | None) -> tuple[Action, ...]:
    return () if seat is None or seat.name in UNNAMED else button("Show seat", "seat", seat.name)


def _ended(by: Event, seat: Seat | None, tz: tzinfo) -> str:
    text = text_of(by, seat, tz)
    return " ".join([stopped(text.title), *text.details])


def _sentence(event: Event, seat: Seat | None, tz: tzinfo) -> str:
    """The fact as a line among others."""
    title = text_of(event, seat, tz).title
    line = stopped(title if len(plain(title)) <= _LINE else one_line(plain(title), _LINE))
    return line if seat == NO_OWNER else " ".join([line, *EventFacts(event, seat, tz).also_crossed()])


def thread_line(event: Event, seats: Seats, tz: tzinfo, *, broadcast: bool) -> Message:
    """One line in a thread: a later level, or what ended the alert. `broadcast`: the channel sees it too."""
    seat = _seat_of(event, seats)
    if event.resolves is not None:
        return _line(_ended(event, seat, tz), Severity.GOOD)
    return _line(_sentence(event, seat, tz), event.severity, loud=broadcast)


def _line(text: str, severity: Severity = Severity.INFO, *, loud: bool = False) -> Message:
    return Message(title=text, fallback=text, severity=severity, loud=loud)


def reminder(event: Event, seats: Seats, tz: tzinfo, now: datetime) -> Message:
    """That a seat is still blocked, in the alert's thread and for the channel."""
    facts = EventFacts(event, _seat_of(event, seats), tz)
    spent = facts.spent(share=False)
    text = (
        f"Reminder: {facts.who} has been blocked for {span(now - event.at)}{f' ({spent})' if spent else ''}."
    )
    return _line(text, event.severity, loud=True)


def action_line(action: AlertAction, tz: tzinfo) -> Message:
    """What somebody did, for the thread; it mentions nobody."""
    return _line(action_text(action, tz))


def action_text(action: AlertAction, tz: tzinfo) -> str:
    """`Snoozed for ana by bo on Tue Apr 21 15:30, until Wed Apr 22 09:00.` or `Muted thresholds for ana by bo on …` It
    stays true once that has passed."""
    by = f"by {one_line(action.by, _NAME)} on {when(action.at, tz)}"
    until = "" if action.until is None else f", until {when(action.until, tz)}"
    seat = None if action.seat is None else one_line(action.seat, _NAME)
    done = {
        ActionKind.ACK: "Acknowledged",
        ActionKind.SNOOZE: "Snoozed",
        ActionKind.MUTE: f"Muted {KIND_WORDS[action.event_kind]}",
    }[action.kind]
    return f"{done}{f' for {seat}' if seat else ''} {by}{until}."


def _actions_taken(content: PostContent, tz: tzinfo) -> list[str]:
    return [action_text(action, tz) for action in content.actions if action.undone_at is None]


def _buttons(content: PostContent, *, settled: bool) -> tuple[Action, ...]:
    def act(label: str, verb: str, *more: str) -> tuple[Action, ...]:
        return button(label, verb, content.ref, typed=" ".join([verb, name, *more]) if name else "")

    name = _typed_name(content)
    if settled or all(each.severity is Severity.GOOD for each in content.events):
        return act("Why?", "why")
    acknowledged = any(each.kind is ActionKind.ACK and each.undone_at is None for each in content.actions)
    reports = all(each.kind in _REPORTS for each in content.events)
    mute = "Mute…" if len({each.kind for each in content.events}) > 1 else "Mute this rule"
    return (
        *(() if acknowledged or reports else act("Acknowledge", "ack")),
        *act("Snooze…", "snooze", "2h"),
        *act(mute, "mute"),
        *act("Why?", "why"),
    )


def _typed_name(content: PostContent) -> str:
    """The seat that a typed command names. Empty for a post about several: its buttons act on all of them, and a
    command with one name would not."""
    seats = {event.seat for event in content.events}
    seat = content.events[-1].seat
    if content.heading is not None and len(seats) > 1:
        return ""
    return TEAM if seat is None else "" if seat in UNNAMED else seat


def _several(content: PostContent, heading: str, seats: Seats, tz: tzinfo) -> Message:
    """Unrelated events in one post, a line each, as many as a person reads. The title counts them all."""
    open_ = [event for event in content.events if event.key not in content.endings and event.resolves is None]
    if all(event.kind is EventKind.RENEWAL_NEAR for event in content.events):
        facts = [EventFacts(each, _seat_of(each, seats), tz) for each in content.events]
        text, table = renewals(facts, len(content.named))
        tables: tuple[Table, ...] = (table,)
        lines: list[str] = []
        spoken = [", ".join(filter(None, row)) + "." for row in table.rows] + [table.note]
    else:
        text = AlertText(count(len(content.events), "alert"), _common_moment(content, heading, tz))
        tables, lines = (), _lines(content, seats, tz)
        spoken = lines
    title = text.title if heading == AT_ONCE else f"{heading}: {text.title}"
    return Message(
        title=title,
        fallback=f"{title}. {' '.join(spoken)}".rstrip(),
        severity=max((event.severity for event in open_), key=RANK.__getitem__) if open_ else Severity.GOOD,
        text="\n".join(filter(None, [text.action, *_actions_taken(content, tz)])),
        tables=tables,
        sections=(Section(tuple(lines)),) if lines else (),
        actions=_buttons(content, settled=not open_),
        owner=_common_owner(open_, seats),
    )


def _lines(content: PostContent, seats: Seats, tz: tzinfo) -> list[str]:
    """A line for each event, with its time if the others have another one."""
    dated = len({when(event.at, tz) for event in content.events}) > 1
    lines = [_entry(event, content, seats, tz, dated=dated) for event in content.named]
    more = len(content.events) - len(content.named)
    return [*lines, f"and {more} more: see /claude-spend"] if more else lines


def _common_moment(content: PostContent, heading: str, tz: tzinfo) -> str:
    moments = {when(event.at, tz) for event in content.events}
    return f"All at {moments.pop()}." if len(moments) == 1 and heading != AT_ONCE else ""


def _common_owner(events: Sequence[Event], seats: Seats) -> dict[str, str]:
    """On each platform the one owner of all of them; nobody where there are several."""
    owners = {
        owner
        for event in events
        if (seat := _seat_of(event, seats)) is not None
        for owner in seat.owner.items()
    }
    platforms = [platform for platform, _ in owners]
    return {platform: user for platform, user in owners if platforms.count(platform) == 1}


def _entry(event: Event, content: PostContent, seats: Seats, tz: tzinfo, *, dated: bool = True) -> str:
    """`Tue Apr 21 15:30: ana passed 80% of the cap: $40.00 of $50.00 (80%).`"""
    ending = content.endings.get(event.key)
    over = "" if ending is None else f" {_end(ending, _seat_of(ending, seats), tz)}"
    at = f"{when(event.at, tz)}: " if dated else ""
    return f"{at}{_sentence(event, _seat_of(event, seats), tz)}{over}"


def _end(ending: Event, seat: Seat | None, tz: tzinfo) -> str:
    """`Resolved Tue Apr 21 16:00: the cap was raised from $50.00 to $100.00.`"""
    text, at = text_of(ending, seat, tz), when(ending.at, tz)
    if ending.kind is EventKind.METERING_CHANGED:
        return f"Resolved {at}: {stopped(text.title.removeprefix(f'{EventFacts(ending, seat, tz).who}: '))}"
    return " ".join([f"Resolved {at}.", *text.details])


def _seat_of(event: Event, seats: Seats) -> Seat | None:
    return None if event.seat is None else UNNAMED.get(event.seat) or seats.get(event.seat)


def arrival_check(version: str, seats: int, command: str) -> Message:
    """The message that `meterbot test-alert` posts: it mentions nobody and cannot be mistaken for a real alert.
    `command`: which command posts it."""
    return Message(
        title="Test: alerts arrive here",
        fallback="Test: meterbot's alerts arrive here. Nothing has happened.",
        text=f"Somebody ran `meterbot {command}`. Nothing has happened; meterbot watches {count(seats, 'seat')}.",
        footer=f"meterbot {version}",
    )


def renderer(seats: Seats, tz: tzinfo, routing: RoutingSettings) -> Callable[[Delivery], Message]:
    """Renders a delivery that has no message of its own, for those who read it at its destination."""

    def render(delivery: Delivery) -> Message:
        destination = Destination(delivery.chat, delivery.channel)
        if delivery.kind is not DeliveryKind.REPLY:
            return post(routing.redaction.redact(delivery.content, seats, destination), seats, tz)
        event = routing.redaction.redact_event(delivery.event, seats, destination)
        return thread_line(event, seats, tz, broadcast=at_least(event.severity, routing.broadcast_from))

    return render
