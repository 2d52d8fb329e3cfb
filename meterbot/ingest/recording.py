"""From a batch's changes to what is stored: muted events, their pace, their deliveries, in one write."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from meterbot.core.deliveries import AlertAction, Destination
from meterbot.core.models import Event, EventKind, Sample, Seat, by_counter
from meterbot.delivery import seat_settings
from meterbot.delivery.planner import Planner
from meterbot.delivery.routing import Quiet, RoutingSettings, muted_by, topic_of
from meterbot.ingest.changes import Changes
from meterbot.rules.fact_json import fact_money, instant, money_fact
from meterbot.rules.memory import CLOSED_MONTH
from meterbot.rules.month_report import month_report_key, month_to_report
from meterbot.rules.months import calendar_month, month_end, month_of
from meterbot.rules.pace import DAY, PACE_WINDOWS, cap_eta, pace
from meterbot.rules.settings import RuleSettings
from meterbot.store import Connection, alert_actions, batches, deliveries, event_log, history, rule_memories


@dataclass(frozen=True, slots=True)
class Recorder:
    """Stores the changes with the deliveries that follow from them."""

    seats: Mapping[str, Seat]
    destinations: Sequence[Destination]
    settings: RuleSettings
    routing: RoutingSettings = field(default_factory=RoutingSettings)

    def changes(self, connection: Connection, memories: Iterable[str]) -> Changes:
        """No change yet, with the rules' memories of these names."""
        return Changes(self.settings, memories=rule_memories.read_memories(connection, memories))

    def record(self, connection: Connection, changes: Changes, now: datetime) -> list[Event]:
        """Returns the events that were new."""
        if not changes.events:
            return batches.write(connection, changes.batch())
        actions = alert_actions.holding(connection, now)
        reports = self._reports(connection, changes, now)
        ended = event_log.events_by_key(connection, _ended_by(changes.events))
        changes.events = _without_idle_ends(changes.events, ended)
        changes.events = [_unless_muted(_in_report(event, reports), actions, now) for event in changes.events]
        changes.events = self._with_paces(connection, changes, now)
        plan = self._plan(connection, changes, ended, actions, now)
        return batches.write(connection, changes.batch(plan.deliveries, plan.release))

    def _plan(
        self,
        connection: Connection,
        changes: Changes,
        alerts: Mapping[str, Event],
        actions: Sequence[AlertAction],
        now: datetime,
    ) -> Planner:
        # An event that ends an alert changes its post even if nobody is to hear of it.
        events = [event for event in changes.events if event.muted_by is None or event.resolves is not None]
        ended = _ended_by(events)
        topics = {topic for event in events if (topic := topic_of(event)) is not None}
        planner = Planner(
            self.routing,
            self.destinations,
            postings=deliveries.postings(connection, ended, topics if self.routing.update_in_place else ()),
            alerts=alerts,
            actions=actions,
            now=now,
            quiets=_quiet_hours(changes.memories, events),
        )
        for event in events:
            planner.plan(event, None if event.seat is None else self.seats.get(event.seat))
        return planner

    def _with_paces(self, connection: Connection, changes: Changes, now: datetime) -> list[Event]:
        """Adds the pace to a crossed level, measured with this batch's samples."""
        crossed = {
            event.counter
            for event in changes.events
            if event.kind is EventKind.THRESHOLD_CROSSED and event.counter is not None
        }
        if not crossed:
            return changes.events
        samples = by_counter([*history.read(connection, crossed, now - PACE_WINDOWS[-1]), *changes.samples])
        return [
            event if event.counter is None else _with_pace(event, samples[event.counter], now)
            for event in changes.events
        ]

    def _reports(self, connection: Connection, changes: Changes, now: datetime) -> dict[str, Event | None]:
        """If seats' months end in this batch: the team's reports on these months, by key; None for one to come. Without
        reports that show single seats, there are none."""
        closing = [
            one for one in changes.events if one.kind is EventKind.PERIOD_CLOSED and one.seat is not None
        ]
        if not closing or len(self.seats) == 1 or self.routing.redaction.rows != "named":
            return {}
        months = {str(event.facts["period"])[:7] for event in closing}
        known = rule_memories.read_memories(connection, [CLOSED_MONTH]).get(CLOSED_MONTH)
        to_come = month_to_report(known, now)
        posted = event_log.events_by_key(connection, map(month_report_key, months))
        return {**posted, **({month_report_key(to_come): None} if to_come else {})}


def _in_report(event: Event, reports: Mapping[str, Event | None]) -> Event:
    """Mutes a seat's closed month if the team's report includes it: one to come, or one that had this amount."""
    period = event.facts.get("period")
    if event.kind is not EventKind.PERIOD_CLOSED or event.seat is None or not isinstance(period, str):
        return event
    key = month_report_key(period[:7])
    if key not in reports or period[:7] >= month_of(event.at) or not _has(reports[key], event):
        return event
    return replace(event, muted_by=key)


def _has(report: Event | None, closed: Event) -> bool:
    if report is None:
        return True
    rows = report.facts["seats"]
    said = [(row["seat"], row["final"]) for row in rows] if isinstance(rows, list) else []
    return (closed.seat, closed.facts["final"]) in said


def _ended_by(events: Iterable[Event]) -> set[str]:
    """The keys of the alerts that these events end."""
    return {event.resolves for event in events if event.resolves is not None}


def _without_idle_ends(events: Sequence[Event], stored: Mapping[str, Event]) -> list[Event]:
    """Without the ends that nobody hears and whose alert was never stored, because its kind is not posted."""
    alerts = stored.keys() | {event.key for event in events}
    return [
        event
        for event in events
        if event.muted_by is None or event.resolves is None or event.resolves in alerts
    ]


def _quiet_hours(memories: Mapping[str, str], events: Iterable[Event]) -> dict[str, Quiet]:
    """The quiet hours that the seats' owners have set for their direct messages."""
    names = {event.seat for event in events if event.seat is not None}
    quiets = {name: seat_settings.of(name, memories).quiet for name in names}
    return {name: quiet for name, quiet in quiets.items() if quiet is not None}


def _unless_muted(event: Event, actions: Iterable[AlertAction], now: datetime) -> Event:
    """An event that somebody has muted is stored, and not posted."""
    mute = None if event.muted_by is not None else muted_by(event, actions, now)
    return event if mute is None else replace(event, muted_by=f"mute:{mute.id}")


def _with_pace(event: Event, samples: Sequence[Sample], now: datetime) -> Event:
    if event.kind is not EventKind.THRESHOLD_CROSSED or "member" in event.facts:
        return event
    used, cap = fact_money(event.facts["used"]), fact_money(event.facts["cap"])
    # A batch may contain later readings, but an event must not depend on how readings were batched.
    earlier = [sample for sample in samples if sample.at <= event.at]
    speed = pace(earlier, now)
    by_day = pace(earlier, now, (DAY,))  # The answers use the last day's pace for the cap, too.
    period = event.facts["period"]
    ends = month_end(period[:7] if isinstance(period, str) else calendar_month(now))
    eta = None if used is None else cap_eta(used, cap, by_day, now, ends)
    known = {"pace": money_fact(None if speed is None else speed.per_hour), "cap_eta": instant(eta)}
    return replace(event, facts={**event.facts, **known})
