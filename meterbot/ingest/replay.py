"""The alerts that other rules would have sent on the stored history, beside those that were sent.

The history has for each reading the amount, the cap, and whether the seat was blocked. Alerts that need more cannot
be replayed, and are only counted.
"""

from bisect import bisect_left
from collections import Counter as Count
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo

from meterbot.chat.text_forms import aligned_lines
from meterbot.core.messages import Column, Table
from meterbot.core.models import (
    Counter,
    Event,
    EventKind,
    ExtraUsage,
    Health,
    ReasonClass,
    Sample,
    Seat,
    Snapshot,
)
from meterbot.core.text import moment, stamp
from meterbot.ingest.changes import Changes
from meterbot.rules.forecast import HABIT
from meterbot.rules.hours import Hour, hour_of, hours_of
from meterbot.rules.pace import DAY, needs_hours, needs_samples
from meterbot.rules.settings import RuleSettings
from meterbot.rules.thresholds import TeamShare, team_share

WARM_UP = HABIT
"""Readings before the first day shown, with which the rules begin."""
REPRODUCED = frozenset(
    {
        EventKind.SPEND_STARTED,
        EventKind.THRESHOLD_CROSSED,
        EventKind.BUDGET_CROSSED,
        EventKind.SEAT_BLOCKED,
        EventKind.SEAT_UNBLOCKED,
        EventKind.PERIOD_CLOSED,
        EventKind.CAP_FORECAST,
        EventKind.SPEND_SPIKE,
    }
)
_NEAR = timedelta(days=1)
_A_FEW = 1000

Progress = Callable[[int, int], None]
"""Receives how many of how many readings are done."""


@dataclass(frozen=True, slots=True)
class Row:
    """One event: as these rules have it, as it was sent, or both. `event` is the one that was sent, if there is."""

    event: Event
    replayed: Event | None
    fired: Event | None


@dataclass(frozen=True, slots=True)
class Replay:
    """`elsewhere`: alerts that need more than the history, by kind. `known_since`: where the history begins, if that
    is after the first requested day."""

    since: datetime
    until: datetime
    rows: tuple[Row, ...]
    elsewhere: Mapping[EventKind, int]
    known_since: datetime | None = None


def replay(
    samples: Sequence[Sample],
    seats: Mapping[Counter, Seat],
    fired: Iterable[Event],
    settings: RuleSettings,
    *,
    since: datetime,
    until: datetime,
    memories: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Replay:
    """`samples`, in order of time, begin `WARM_UP` before `since` if the history does. `memories` contain what owners
    have set for their seats; `progress` is called now and then."""
    past = [event for event in fired if since <= event.at <= until]
    own = [event for event in past if _is_reproduced(event)]
    made = [
        event
        for event in replayed(samples, seats, settings, memories, progress)
        if since <= event.at <= until
    ]
    first = min((sample.at for sample in samples), default=None)
    return Replay(
        since,
        until,
        _side_by_side(made, own),
        Count(event.kind for event in past if not _is_reproduced(event)),
        first if first is not None and first > since else None,
    )


def _is_reproduced(event: Event) -> bool:
    return event.kind in REPRODUCED and not (event.kind is EventKind.PERIOD_CLOSED and event.seat is None)


@dataclass(slots=True)
class _Past:
    """What is known of one counter so far: its samples, and the finished hours."""

    samples: list[Sample] = field(default_factory=list)
    ats: list[datetime] = field(default_factory=list)
    over: list[Hour] = field(default_factory=list)
    begun: int = 0
    """The first sample of the newest hour."""

    def add(self, sample: Sample) -> None:
        if self.ats and hour_of(sample.at) != hour_of(self.ats[-1]):
            self.over += self._newest()
            self.begun = len(self.samples)
        self.samples.append(sample)
        self.ats.append(sample.at)

    def _newest(self) -> list[Hour]:
        return hours_of(self.samples[max(0, self.begun - 1) :], hour_of(self.ats[-1]))

    def since(self, start: datetime) -> list[Sample]:
        """The samples since `start`, and the last one before."""
        return self.samples[max(0, bisect_left(self.ats, start) - 1) :]

    def hours(self, start: datetime) -> list[Hour]:
        """The hours since `start`, and the last one before."""
        first = bisect_left(self.over, hour_of(start), key=lambda hour: hour.at)
        return [*self.over[max(0, first - 1) :], *self._newest()]


def replayed(
    samples: Sequence[Sample],
    seats: Mapping[Counter, Seat],
    settings: RuleSettings,
    memories: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> list[Event]:
    """Everything that the rules find, reading by reading, as in `ingest`."""
    changes = Changes(settings, memories=memories or {})
    history = {counter: _Past() for counter in seats}
    team: dict[Counter, TeamShare] = {}
    for number, sample in enumerate(samples):
        if progress is not None and number % _A_FEW == 0:
            progress(number, len(samples))
        if sample.counter not in seats:
            continue
        own = history[sample.counter]
        own.add(sample)
        changes.risen.clear()
        changes.samples.clear()
        changes.news.clear()
        changes.apply(seats[sample.counter], [_reading(sample, seats[sample.counter])], sample.at)
        if sample.counter in changes.risen:
            _watch_pace(changes, sample, own, settings)
        if settings.budgets:
            memory = changes.counter_memory(sample.counter)
            team[sample.counter] = team_share(sample.counter, memory, fresh=True)
            changes.watch_team(team.values(), sample.at)
    return [event for event in changes.events if _is_reproduced(event)]


def _watch_pace(changes: Changes, sample: Sample, own: _Past, settings: RuleSettings) -> None:
    now, memory = sample.at, changes.counter_memory(sample.counter)
    if not needs_samples(memory, settings, now):
        return
    recent = own.since(now - DAY)
    if needs_hours(memory, recent, settings, now):
        changes.watch_pace(sample.counter, recent, own.hours(now - HABIT), now)


def _reading(sample: Sample, seat: Seat) -> Snapshot:
    """A reading with only what the history contains: no windows and no reason of a block."""
    used, cap = sample.used, sample.cap
    over = cap is not None and used.currency == cap.currency and used.major >= cap.major
    extra = ExtraUsage(
        enabled=True,
        used=used,
        cap=cap,
        currency=used.currency,
        out_of_credits=sample.blocked,
        # Above its cap and not blocked means that its owner or an administrator has switched it off.
        reason_class=ReasonClass.USER_OFF if over and not sample.blocked else None,
    )
    named = sample.counter.named
    return Snapshot(
        seat=seat.name,
        source=seat.source,
        fetched_at=sample.at,
        health=Health.OK,
        account_uuid=sample.counter.account if named else None,
        org_uuid=sample.counter.org,
        extra_usage=extra,
        extra_usage_read=True,
    )


def _side_by_side(made: Sequence[Event], fired: Sequence[Event]) -> tuple[Row, ...]:
    """The same event is one row: by its key, or else the nearest of its kind, seat and level within a day."""
    left = {event.key: event for event in fired}
    exact = {event.key: left.pop(event.key) for event in made if event.key in left}
    rows = []
    for event in made:
        found = exact.get(event.key) or _nearest(event, left.values())
        if found is not None:
            left.pop(found.key, None)
        rows.append(Row(found or event, event, found))
    rows += [Row(event, None, event) for event in left.values()]
    return tuple(sorted(rows, key=lambda row: (row.event.at, row.event.key)))


def _nearest(event: Event, others: Iterable[Event]) -> Event | None:
    what = event.kind, event.seat, event.level
    alike = [other for other in others if (other.kind, other.seat, other.level) == what]
    near = [other for other in alike if abs(other.at - event.at) <= _NEAR]
    return min(near, key=lambda other: abs(other.at - event.at), default=None)


def as_json(found: Replay) -> dict[str, object]:
    """One document: instants in UTC."""
    return {
        "since": stamp(found.since),
        "until": stamp(found.until),
        "history_begins": None if found.known_since is None else stamp(found.known_since),
        "events": [_row_json(row) for row in found.rows],
        "not_reproduced": {kind.value: number for kind, number in sorted(found.elsewhere.items())},
        "reproduced_kinds": sorted(kind.value for kind in REPRODUCED),
    }


def _row_json(row: Row) -> dict[str, object]:
    event = row.event
    return {
        "at": stamp(event.at),
        "kind": event.kind.value,
        "seat": event.seat,
        "level": event.level,
        "reason": event.reason,
        "replayed": row.replayed is not None,
        "replayed_muted": row.replayed is not None and row.replayed.muted_by is not None,
        "fired": row.fired is not None,
        "fired_muted": row.fired is not None and row.fired.muted_by is not None,
    }


def as_text(found: Replay, tz: tzinfo) -> str:
    """A table, and below it what it cannot contain."""
    columns = tuple(map(Column, ("when", "seat", "event", "these rules", "posted then")))
    rows = tuple(
        (
            moment(row.event.at, tz),
            row.event.seat or "the team",
            " ".join(filter(None, (row.event.kind.value, row.event.level))),
            _mark(row.replayed),
            _mark(row.fired),
        )
        for row in found.rows
    )
    lines = aligned_lines(Table("", columns, rows))
    if not rows:
        lines = ["These rules send no alerts, and no alerts of their kinds were sent."]
    return "\n".join([*lines, "", *_remarks(found, tz)])


def _mark(event: Event | None) -> str:
    if event is None:
        return ""
    return "yes" if event.muted_by is None else "muted"


def _remarks(found: Replay, tz: tzinfo) -> list[str]:
    both = sum(row.replayed is not None and row.fired is not None for row in found.rows)
    new = sum(row.fired is None for row in found.rows)
    gone = sum(row.replayed is None for row in found.rows)
    lines = [f"{both} as sent then, {new} new, {gone} not sent by these rules."]
    if found.known_since is not None:
        lines.append(f"The history begins {moment(found.known_since, tz)}.")
    lines.append(
        "The history keeps amounts, caps and blocks: windows, why a seat was blocked, settings, renewals and sources are "
        "not in it, and neither are snoozes and mutes that people made. Levels that owners have set are taken as they are now."
    )
    if found.elsewhere:
        said = [f"{kind.value} ({number})" for kind, number in sorted(found.elsewhere.items())]
        lines.append(f"Sent then, but not replayable: {', '.join(said)}.")
    return lines
