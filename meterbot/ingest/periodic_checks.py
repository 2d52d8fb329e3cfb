"""What becomes true because time passes: a silent source is stale, a session ends soon, a month is over, a budget is
crossed. One worker at a time checks this for everybody, in a periodic job."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterbot.core.deliveries import Destination, DestinationTrouble, Purpose
from meterbot.core.models import Counter, Event, EventKind, Health, SessionEnd, by_counter
from meterbot.core.plans import PlanFees, plan_fees, priced
from meterbot.delivery.alerts.message import reminder
from meterbot.delivery.planner import follow_ups
from meterbot.delivery.routing import hold, muted_by, priority_of
from meterbot.ingest.changes import Changes, counts_in_team, may_change
from meterbot.ingest.recording import Recorder
from meterbot.rules.hours import last_month
from meterbot.rules.memory import (
    CLOSED_MONTH,
    DESTINATION_MEMORY,
    TEAM_MEMORY,
    CounterMemory,
    load,
    seat_settings_name,
    source_memory_name,
)
from meterbot.rules.month_report import AccountMonth, is_settled, month_report, month_to_report
from meterbot.rules.months import calendar_month, month_start
from meterbot.rules.source_rules import ends_soon, is_renewed, renewed
from meterbot.rules.thresholds import TeamShare, team_share
from meterbot.store import (
    Connection,
    CounterReader,
    Store,
    alert_actions,
    counter_states,
    deliveries,
    event_log,
    locks,
    rollup,
    rule_memories,
    source_states,
)


@dataclass(frozen=True, eq=False, repr=False)
class PeriodicChecks:
    """`wake` is called after a commit with events; `session_ends` says when the current sessions end, by seat."""

    store: Store
    recorder: Recorder
    wake: Callable[[], None]
    session_ends: Callable[[datetime], Awaitable[Mapping[str, SessionEnd]]] | None = None

    async def run(self, now: datetime, awake_since: datetime | None = None) -> list[Event]:
        """Returns the new events. Before `awake_since` nobody read the sources, so their grace time begins then."""
        ends = {} if self.session_ends is None else await self.session_ends(now)
        ending = {name: end for name, end in ends.items() if ends_soon(end, now)}
        events = await self.store.run(lambda tx: self._watch_sources(tx, now, awake_since, ending))
        events += await self._end_session_alerts(ends, now)
        if self.recorder.settings.budgets:
            shares = await self.store.read(self._shares)
            events += await self.store.run(lambda tx: self._watch_budgets(tx, shares, now))
        events += await self._close_month(now)
        await self.store.run(lambda tx: self._remind(tx, now))
        if events:
            self.wake()
        return events

    def _watch_sources(
        self,
        connection: Connection,
        now: datetime,
        awake_since: datetime | None,
        ending: Mapping[str, SessionEnd],
    ) -> list[Event]:
        locks.names(connection, [DESTINATION_MEMORY])
        patience = min((seat.stale_after for seat in self.recorder.seats.values()), default=timedelta(0))
        sources = source_states.read_failing_or_silent(connection, now - patience, now)
        waiting = [
            seat
            for seat in self.recorder.seats.values()
            if (awake_since is None or now - awake_since > seat.stale_after)
            and may_change(sources.get(seat.name), seat, now)
        ]
        names = {*(seat.name for seat in waiting), *ending}
        sources |= source_states.lock_sources(connection, names)
        memories = [*map(source_memory_name, names), *map(seat_settings_name, names), DESTINATION_MEMORY]
        changes = Changes(
            self.recorder.settings,
            sources=sources,
            memories=rule_memories.read_memories(connection, memories),
            latest=counter_states.read_latest(connection, [seat.name for seat in waiting]),
        )
        for seat in waiting:
            changes.check_age(seat, now)
        for name, end in ending.items():
            if changes.source(name).health is not Health.SESSION_EXPIRED:
                changes.watch_session(self.recorder.seats[name], end, now)
        changes.watch_destinations(self._problems(connection), now)
        return self.recorder.record(connection, changes, now)

    async def _end_session_alerts(self, ends: Mapping[str, SessionEnd], now: datetime) -> list[Event]:
        """Ends the alerts about sessions that were renewed since. This is a transaction of its own: an alert that
        cannot be read does not undo what was found out about the sources."""
        if not ends:
            return []
        alerts = await self.store.read(lambda c: event_log.open_alerts(c, [EventKind.SESSION_EXPIRING]))
        changes = Changes(self.recorder.settings, memories={})
        changes.events = [
            renewed(alert, end, now)
            for alert in alerts
            if (end := ends.get(alert.seat or "")) is not None and is_renewed(alert, end)
        ]
        if not changes.events:
            return []
        return await self.store.run(lambda tx: self.recorder.record(tx, changes, now))

    def _problems(self, connection: Connection) -> dict[Destination, DestinationTrouble]:
        """The channels that accept no messages."""
        chats = {place.chat for place in self.recorder.destinations}
        return {
            Destination(each.chat, each.channel): DestinationTrouble(
                each.trouble, each.troubled_since, each.refused
            )
            for each in deliveries.read_queues(connection)
            if each.chat in chats and each.trouble is not None and each.troubled_since is not None
        }

    def _shares(self, connection: Connection) -> list[TeamShare]:
        """Each counter's share of the team's total, once, however many seats read it."""
        healthy, readers = source_states.read_healthy(connection), self._readers(connection)
        fresh = {one.counter for one in readers if one.seat in healthy}
        memories = {one.counter: one.memory for one in readers}
        return [
            team_share(counter, load(CounterMemory, memory), fresh=counter in fresh)
            for counter, memory in memories.items()
        ]

    def _readers(self, connection: Connection) -> list[CounterReader]:
        """The seats that read the counters of the team's total."""
        seats = self.recorder.seats
        return [
            one
            for one in counter_states.read_readers(connection)
            if one.seat in seats and counts_in_team(seats[one.seat], one.counter)
        ]

    def _watch_budgets(
        self, connection: Connection, shares: Iterable[TeamShare], now: datetime
    ) -> list[Event]:
        locks.names(connection, [TEAM_MEMORY])
        changes = self.recorder.changes(connection, [TEAM_MEMORY])
        changes.watch_team(shares, now)
        return self.recorder.record(connection, changes, now)

    async def _close_month(self, now: datetime) -> list[Event]:
        """The team's report on the month before, once."""
        memories = await self.store.read(lambda c: rule_memories.read_memories(c, [CLOSED_MONTH]))
        reported = memories.get(CLOSED_MONTH)
        month = month_to_report(reported, now)
        if month is None or len(self.recorder.seats) == 1:  # with one seat, its own closing says everything
            closed = calendar_month(last_month(now)) if month or not reported else reported
            if closed != reported:
                await self.store.run(lambda tx: rule_memories.write_memories(tx, {CLOSED_MONTH: closed}))
            return []
        settled = await self.store.read(lambda c: self._settled_accounts(c, month, now))
        if settled is None:
            return []
        named = self.recorder.routing.redaction.rows == "named"
        event = month_report(month, *settled, now, named=named)
        return await self.store.run(lambda tx: self._report_month(tx, month, event, now))

    def _settled_accounts(
        self, connection: Connection, month: str, now: datetime
    ) -> tuple[list[AccountMonth], PlanFees] | None:
        """The accounts of the report, and the plans' fees; None while readings of the month may still come."""
        readers = sorted(self._readers(connection), key=lambda one: (one.seat, str(one.counter)))
        seat_of = {one.counter: one.seat for one in reversed(readers)}
        memories = {one.counter: load(CounterMemory, one.memory) for one in readers if one.memory is not None}
        if not is_settled(month, list(memories.values()), now):
            return None
        hours = by_counter(rollup.read(connection, memories, last_month(month_start(month))))
        accounts = [
            AccountMonth(seat_of[counter], memory, hours[counter]) for counter, memory in memories.items()
        ]
        return accounts, self._plan_fees(connection)

    def _plan_fees(self, connection: Connection) -> PlanFees:
        """The same fees that the team's answer shows."""
        tiers: dict[str, list[str | None]] = {}
        readers: dict[Counter, list[str]] = {}
        for one in counter_states.read_latest(connection):
            if one.seat in self.recorder.seats and self.recorder.seats[one.seat].covers(one.counter.org):
                tiers.setdefault(one.seat, []).append(one.known.snapshot.tier)
                readers.setdefault(one.counter, []).append(one.seat)
        seats = [priced(seat, tiers.get(seat.name, ())) for seat in self.recorder.seats.values()]
        return plan_fees(seats, [names for names in readers.values() if len(names) > 1])

    def _report_month(
        self, connection: Connection, month: str, event: Event | None, now: datetime
    ) -> list[Event]:
        locks.names(connection, [CLOSED_MONTH])
        changes = self.recorder.changes(connection, [CLOSED_MONTH])
        if month_to_report(changes.memories.get(CLOSED_MONTH), now) != month:
            return []  # another worker was here
        changes.memories[CLOSED_MONTH] = month
        if event is not None and event.kind in self.recorder.settings.kinds:
            changes.events.append(event)
        return self.recorder.record(connection, changes, now)

    def _remind(self, connection: Connection, now: datetime) -> None:
        """Reminds, if configured, that a seat is still blocked; once for each interval."""
        interval = self.recorder.routing.repeat_interval
        if interval is None:
            return
        for event in event_log.open_alerts(connection, [EventKind.SEAT_BLOCKED]):
            times = (now - event.at) // interval
            actions = alert_actions.holding(connection, now)
            held = hold(event, self.recorder.routing, actions, now) or muted_by(event, actions, now)
            if times < 1 or held is not None:
                continue
            name, redaction = f"{event.key} reminder {times}", self.recorder.routing.redaction
            for posting in deliveries.postings(connection, [event.key]):
                redacted = redaction.redact_event(event, self.recorder.seats, posting.destination)
                line = reminder(redacted, self.recorder.seats, self.recorder.settings.timezone, now)
                new = follow_ups(
                    redaction.salted(name), [posting], Purpose.REMINDER, line, priority_of(event.kind)
                )
                deliveries.queue(connection, new, {each.event: now for each in new})
