"""Where and when an alert is posted: routes, quiet hours, silences, snoozes, and which alerts share one post.

Nothing here drops an alert. One that may not be posted now is held back, and posted or summarised later.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from meterbot.core.deliveries import ActionKind, AlertAction, Destination, Priority
from meterbot.core.models import Event, EventKind, Seat, Severity
from meterbot.core.text import one_line
from meterbot.delivery.redaction import Redaction
from meterbot.rules.fact_json import fact_money

RANK = {Severity.GOOD: 0, Severity.INFO: 1, Severity.WARNING: 2, Severity.CRITICAL: 3}

_PRIORITIES: Mapping[EventKind, Priority] = {
    EventKind.SEAT_BLOCKED: Priority.BLOCKED,
    EventKind.SEAT_UNBLOCKED: Priority.BLOCKED,
    EventKind.RENEWAL_NEAR: Priority.RENEWAL,
    EventKind.SUBSCRIPTION_CHANGED: Priority.RENEWAL,
    EventKind.SESSION_EXPIRING: Priority.RENEWAL,
    EventKind.DIGEST: Priority.DIGEST,
    EventKind.NOTICE: Priority.DIGEST,
}

_SPEND = frozenset(
    {
        EventKind.SPEND_STARTED,
        EventKind.THRESHOLD_CROSSED,
        EventKind.CHARGED_WITHIN_PLAN,
        EventKind.CAP_FORECAST,
        EventKind.SPEND_SPIKE,
    }
)
"""The alerts about one seat's spend in one period share one post, which is updated."""

_NAME = 40

DEFAULT, OWNER = "default", "owner"


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours and days in which only alerts of the severity `allow` or above are posted. `days` are whole days, Monday is
    0. Where `start` is `end`, only days are quiet."""

    start: time = time(0)
    end: time = time(0)
    days: frozenset[int] = frozenset()
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    allow: Severity = Severity.CRITICAL

    def until(self, now: datetime) -> datetime | None:
        """When the quiet time that includes `now` ends; None when there is none."""
        at = now
        for _ in range(2 * 8):  # a week of whole days, each followed by a night
            end = self._end_of(at)
            if end is None:
                return at if at > now else None
            at = end
        return at

    def _end_of(self, at: datetime) -> datetime | None:
        local = at.astimezone(self.timezone)
        if local.weekday() in self.days:
            return self._instant(local, 1, time(0))
        clock, overnight = local.time(), self.start > self.end
        if overnight and clock >= self.start:
            return self._instant(local, 1, self.end)
        if clock < self.end and (overnight or clock >= self.start):
            return self._instant(local, 0, self.end)
        return None

    def _instant(self, local: datetime, days: int, clock: time) -> datetime:
        """By the clock on the wall: a day with a clock change has 23 or 25 hours."""
        day = local.date() + timedelta(days=days)
        return datetime.combine(day, clock, self.timezone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Silence:
    """A time in which no alert of these seats (or of any seat) is posted: maintenance, holidays."""

    start: datetime
    end: datetime
    seats: frozenset[str] = frozenset()

    def covers(self, event: Event, now: datetime) -> bool:
        return self.start <= now < self.end and (not self.seats or event.seat in self.seats)


@dataclass(frozen=True, slots=True)
class Route:
    """Where some alerts go: `default`, `owner`, or a chat and a channel such as `slack:C0123456789`. Without seats or
    kinds it matches all of them."""

    to: tuple[str, ...]
    seats: frozenset[str] = frozenset()
    kinds: frozenset[EventKind] = frozenset()
    severity: Severity = Severity.GOOD

    def matches(self, event: Event) -> bool:
        return (
            (not self.seats or event.seat in self.seats)
            and (not self.kinds or event.kind in self.kinds)
            and at_least(event.severity, self.severity)
        )


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """`broadcast_from`: replies of this severity or above are shown in the channel too. `repeat_interval`: how often
    people are reminded of a blocked seat; None: never. `group_threshold`: so many waiting posts become one."""

    routes: tuple[Route, ...] = ()
    quiet: Quiet | None = None
    silences: tuple[Silence, ...] = ()
    update_in_place: bool = True
    send_resolved: bool = True
    broadcast_from: Severity = Severity.WARNING
    repeat_interval: timedelta | None = None
    group_threshold: int = 4
    redaction: Redaction = field(default_factory=Redaction)
    """Who may see which seat's alerts."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Until when an alert is held back, and why, in words that fit after "held back"."""

    until: datetime
    why: str


def at_least(severity: Severity, least: Severity) -> bool:
    return RANK[severity] >= RANK[least]


def priority_of(kind: EventKind) -> Priority:
    return _PRIORITIES.get(kind, Priority.THRESHOLD)


def topic_of(event: Event) -> str | None:
    """The name of the post that the event joins; None when it gets a post of its own."""
    period = event.facts.get("period")
    if event.kind is EventKind.BUDGET_CROSSED:
        amount = fact_money(event.facts.get("cap"))
        return None if amount is None else f"budget:{amount.minor} {amount.currency}:{period}"
    if event.kind in _SPEND and event.counter is not None and period is not None:
        member = event.facts.get("member")
        return f"spend:{event.counter}:{period}" + (f":{member}" if member else "")
    return None


def destinations_of(
    event: Event, seat: Seat | None, routes: Iterable[Route], defaults: Sequence[Destination]
) -> list[Destination]:
    """Where an event goes by the first route that matches it, or by default. At least one destination: the alerts of an
    owner without an account on a chat go to its channel."""
    route = next((route for route in routes if route.matches(event)), None)
    destinations: list[Destination] = []
    for target in (DEFAULT,) if route is None else route.to:
        if target == DEFAULT:
            destinations += defaults
        elif target == OWNER:
            destinations += [_owners(seat, destination) for destination in defaults]
        else:
            destinations.append(Destination(*target.split(":", 1)))
    return list(dict.fromkeys(destinations))


def _owners(seat: Seat | None, destination: Destination) -> Destination:
    owner = None if seat is None or destination.chat == "console" else seat.owner.get(destination.chat)
    return destination if owner is None else Destination(destination.chat, f"@{owner}")


def hold(
    event: Event, settings: RoutingSettings, actions: Iterable[AlertAction], now: datetime
) -> Hold | None:
    """What holds the event back longest; None when it may be posted now."""
    holds = [Hold(each.end, "a silence") for each in settings.silences if each.covers(event, now)]
    holds += [
        Hold(
            action.until,
            f"snoozed by {one_line(action.by, _NAME)}" if settings.redaction.rows == "named" else "snoozed",
        )
        for action in actions
        if action.kind is ActionKind.SNOOZE and action.until is not None and _snoozes(action, event, now)
    ]
    quiet = settings.quiet
    if quiet is not None and not at_least(event.severity, quiet.allow):
        until = quiet.until(now)
        holds += [] if until is None else [Hold(until, "quiet hours")]
    return max(holds, key=lambda each: each.until, default=None)


def _snoozes(action: AlertAction, event: Event, now: datetime) -> bool:
    return action.holds(now) and action.seat == event.seat and at_least(action.severity, event.severity)


def muted_by(event: Event, actions: Iterable[AlertAction], now: datetime) -> AlertAction | None:
    """The mute that silences this kind of event for this seat."""
    mutes = (action for action in actions if action.kind is ActionKind.MUTE and action.holds(now))
    return next(
        (action for action in mutes if (action.seat, action.event_kind) == (event.seat, event.kind)), None
    )
