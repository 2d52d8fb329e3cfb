"""How much is said, where and when: routes, quiet hours, silences, snoozes, and what joins a message that stands.

Nothing here drops an alert: what may not be told now is held back and told, or summed up, when it may.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from meterbot.core.deliveries import ActionKind, AlertAction, Destination, Priority
from meterbot.core.models import Event, EventKind, Seat, Severity
from meterbot.core.text import one_line
from meterbot.delivery.redaction import Redaction
from meterbot.rules import fact_money

_RANK = {Severity.GOOD: 0, Severity.INFO: 1, Severity.WARNING: 2, Severity.CRITICAL: 3}

_LANES: Mapping[EventKind, Priority] = {
    EventKind.SEAT_BLOCKED: Priority.BLOCKED,
    EventKind.SEAT_UNBLOCKED: Priority.BLOCKED,
    EventKind.RENEWAL_NEAR: Priority.RENEWAL,
    EventKind.SUBSCRIPTION_CHANGED: Priority.RENEWAL,
    EventKind.SESSION_EXPIRING: Priority.RENEWAL,
    EventKind.DIGEST: Priority.DIGEST,
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
"""What one seat's spending in one period brings, one after the other: one living message."""

_NAME = 40

DEFAULT, OWNER = "default", "owner"


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours and days in which only what is as loud as `allow` is told at once. `days` are whole days, Monday is 0;
    where `start` is `end`, only days are quiet."""

    start: time = time(0)
    end: time = time(0)
    days: frozenset[int] = frozenset()
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    allow: Severity = Severity.CRITICAL

    def until(self, now: datetime) -> datetime | None:
        """When the quiet that `now` lies in ends; None when it lies in none."""
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
        clock = local.time()
        if self.start < self.end:
            return self._instant(local, 0, self.end) if self.start <= clock < self.end else None
        if self.start > self.end and clock >= self.start:
            return self._instant(local, 1, self.end)
        return self._instant(local, 0, self.end) if self.start > self.end and clock < self.end else None

    def _instant(self, local: datetime, days: int, clock: time) -> datetime:
        """On another day the hour of the clock counts, not 24 hours: clocks are put forward and back."""
        day = local.date() + timedelta(days=days)
        return datetime.combine(day, clock, self.timezone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Silence:
    """A time in which nothing is told of these seats, or of any: maintenance, holidays."""

    start: datetime
    end: datetime
    seats: frozenset[str] = frozenset()

    def covers(self, event: Event, now: datetime) -> bool:
        return self.start <= now < self.end and (not self.seats or event.seat in self.seats)


@dataclass(frozen=True, slots=True)
class Route:
    """Where some alerts go: `default`, `owner`, or a chat and a channel, as `slack:C0123456789`. Without seats or kinds
    it is for all of them."""

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
    """`broadcast_from`: how loud a line in a thread is for the channel to see it, too. `repeat_interval`: how often a seat
    that stays blocked is told again; None: never. `group_threshold`: from how many waiting posts on they become one."""

    routes: tuple[Route, ...] = ()
    quiet: Quiet | None = None
    silences: tuple[Silence, ...] = ()
    update_in_place: bool = True
    send_resolved: bool = True
    broadcast_from: Severity = Severity.WARNING
    repeat_interval: timedelta | None = None
    group_threshold: int = 4
    redaction: Redaction = field(default_factory=Redaction)
    """What alerts tell of a seat, and to whom."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Until when something is held back, and why, in words that fit behind "held back"."""

    until: datetime
    why: str


def at_least(severity: Severity, least: Severity) -> bool:
    return _RANK[severity] >= _RANK[least]


def priority_of(kind: EventKind) -> Priority:
    return _LANES.get(kind, Priority.THRESHOLD)


def topic_of(event: Event) -> str | None:
    """What names the living message that the event belongs to; None: it has one of its own."""
    period = event.facts.get("period")
    if event.kind is EventKind.BUDGET_CROSSED:
        amount = fact_money(event.facts.get("cap"))
        return None if amount is None else f"budget:{amount.minor} {amount.currency}:{period}"
    if event.kind in _SPEND and event.counter is not None and period is not None:
        return f"spend:{event.counter}:{period}"
    return None


def destinations_of(
    event: Event, seat: Seat | None, routes: Iterable[Route], defaults: Sequence[Destination]
) -> list[Destination]:
    """Where it is told: by the first route that takes it, else where everything is. Nowhere is no answer: an owner who
    is not known on a chat is told where everybody is."""
    route = next((route for route in routes if route.matches(event)), None)
    places: list[Destination] = []
    for target in (DEFAULT,) if route is None else route.to:
        if target == DEFAULT:
            places += defaults
        elif target == OWNER:
            places += [_owners(seat, place) for place in defaults]
        else:
            places.append(Destination(*target.split(":", 1)))
    return list(dict.fromkeys(places))


def _owners(seat: Seat | None, place: Destination) -> Destination:
    owner = None if seat is None else seat.owner.get(place.chat)
    return place if owner is None or place.chat == "console" else Destination(place.chat, f"@{owner}")


def hold(event: Event, settings: RoutingSettings, acts: Iterable[AlertAction], now: datetime) -> Hold | None:
    """The longest of what holds the event back now; None: it may be told."""
    holds = [Hold(each.end, "a silence") for each in settings.silences if each.covers(event, now)]
    holds += [
        Hold(
            act.until,
            f"snoozed by {one_line(act.by, _NAME)}" if settings.redaction.rows == "named" else "snoozed",
        )
        for act in acts
        if act.deed is ActionKind.SNOOZE and act.until is not None and _snoozes(act, event, now)
    ]
    quiet = settings.quiet
    if quiet is not None and not at_least(event.severity, quiet.allow):
        until = quiet.until(now)
        holds += [] if until is None else [Hold(until, "quiet hours")]
    return max(holds, key=lambda each: each.until, default=None)


def _snoozes(act: AlertAction, event: Event, now: datetime) -> bool:
    return act.holds(now) and act.seat == event.seat and at_least(act.severity, event.severity)


def muted_by(event: Event, acts: Iterable[AlertAction], now: datetime) -> AlertAction | None:
    """The mute under which this kind of event is not told of this seat."""
    mutes = (act for act in acts if act.deed is ActionKind.MUTE and act.holds(now))
    return next((act for act in mutes if (act.seat, act.kind) == (event.seat, event.kind)), None)
