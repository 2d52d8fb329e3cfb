"""Makes the team's report from what the store knows of each seat."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from functools import partial
from operator import attrgetter
from typing import Protocol

from meterbot.commands.team_report import MissingSeat, RowDetails, SeatRow, TeamReport
from meterbot.commands.totals import count_once, totals_of
from meterbot.core.health import remedy
from meterbot.core.models import Counter, Health, LastKnown, Sample, Seat, Snapshot, SourceState, by_counter
from meterbot.core.org_spend import month_name
from meterbot.core.plans import priced
from meterbot.rules.billing import as_configured
from meterbot.rules.blocked import block_of
from meterbot.rules.merging import without_amounts
from meterbot.rules.months import calendar_month, month_start
from meterbot.rules.pace import pace
from meterbot.rules.seat_facts import SeatFacts, facts_of
from meterbot.rules.shared_counters import Shared, completed


class LatestReading(Protocol):
    """What is known from one seat about one counter, as the store keeps it."""

    @property
    def seat(self) -> str: ...

    @property
    def counter(self) -> Counter: ...

    @property
    def known(self) -> LastKnown: ...

    @property
    def facts(self) -> SeatFacts | None:
        """As `facts_to_store` makes them of `known`, or None if they are not stored."""


def team_report(
    latest: Iterable[LatestReading],
    sources: Mapping[str, SourceState],
    seats: Iterable[Seat],
    now: datetime,
    tz: tzinfo = UTC,
) -> TeamReport:
    """The team at `now`. Seats and organizations that are not configured are left out. `tz`: the zone of configured
    renewal days."""
    members = {seat.name: seat for seat in sorted(seats, key=lambda seat: seat.name)}
    known: defaultdict[str, list[LatestReading]] = defaultdict(list)
    readers: defaultdict[Counter, list[LatestReading]] = defaultdict(list)
    for one in latest:
        reader = members.get(one.seat)
        if reader is not None and reader.covers(one.counter.org):
            known[one.seat].append(one)
            readers[one.counter].append(one)
    shared = {
        counter: {one.seat: one.known for one in several}
        for counter, several in readers.items()
        if len(several) > 1
    }
    rows, missing, at = list[SeatRow](), list[MissingSeat](), _moment(now, tz)
    for name, member in members.items():
        own = [(one, one.facts or facts_of(one.known)) for one in known.get(name, ())]
        seat = members[name] = priced(member, (facts.tier for _, facts in own))
        newest = max((facts.fetched_at for _, facts in own), default=None)
        state = _present_state(seat, sources.get(name), newest, now)
        rows += [_row(seat, one, shared.get(one.counter), state.health, at) for one, _ in own]
        if not own:
            rows.append(_empty_row(seat, state.health, at))
        if state.health is not Health.OK or not own:
            health = Health.NEVER_SEEN if state.health is Health.OK else state.health
            missing.append(_missing(seat, replace(state, health=health), now))
    rows = count_once(rows, shared)
    duplicates = tuple(sorted({tuple(sorted(names)) for names in shared.values()}))
    counted_seats = [seat.name for seat in members.values() if not seat.beside]
    behind = {row.seat.name for row in rows if not row.current}
    return TeamReport(
        as_of=now,
        rows=tuple(sorted(rows, key=attrgetter("rank"))),
        totals=totals_of(rows, list(members.values()), duplicates),
        missing=tuple(missing),
        duplicates=duplicates,
        seats=len(counted_seats),
        current=sum(name not in behind for name in counted_seats),
    )


def _completed(seat: Seat, known: LastKnown, readers: Mapping[str, LastKnown], today: date) -> Shared:
    others = {name: other for name, other in readers.items() if name != seat.name}
    shared = completed(known, others) if others and not seat.beside else Shared(known, {})
    snapshot = as_configured(shared.known.snapshot, seat.renews_on, today)
    if snapshot is shared.known.snapshot:
        return shared
    return replace(shared, known=replace(shared.known, snapshot=snapshot))


def with_paces(report: TeamReport, samples: Iterable[Sample]) -> TeamReport:
    """The report with the pace of the API organizations, from the history of their counters."""
    history = by_counter(samples)
    rows = (
        replace(row, pace=pace(history[row.counter], report.as_of))
        if row.counter is not None and row.counter in history
        else row
        for row in report.rows
    )
    return replace(report, rows=tuple(rows))


def _missing(seat: Seat, state: SourceState, now: datetime) -> MissingSeat:
    due = state.next_due if state.next_due is not None and state.next_due > now else None
    return MissingSeat(
        seat.name, state.health, state.since, remedy(state.health, seat.source), state.detail, due
    )


def _present_state(
    seat: Seat, state: SourceState | None, newest: datetime | None, now: datetime
) -> SourceState:
    """The stored state, or `stale` when nothing arrived for three intervals. `newest`: the time of its newest
    reading."""
    if state is None:
        state = SourceState(seat.name) if newest is None else SourceState(seat.name, Health.OK, newest)
    seen = max((at for at in (state.last_ok_at, newest) if at is not None), default=None)
    if state.health is Health.OK and seen is not None and now - seen > seat.stale_after:
        return replace(state, health=Health.STALE, since=seen + seat.stale_after)
    return state


@dataclass(frozen=True, slots=True)
class _Moment:
    """When the report is made. `today` is in the zone of configured renewal days, `month` begins in UTC."""

    now: datetime
    today: date
    month: datetime


def _moment(now: datetime, tz: tzinfo) -> _Moment:
    return _Moment(now, now.astimezone(tz).date(), month_start(calendar_month(now)))


def _row(
    seat: Seat, one: LatestReading, readers: Mapping[str, LastKnown] | None, health: Health, at: _Moment
) -> SeatRow:
    facts = one.facts
    if facts is None or readers is not None or not _still_hold(facts, seat, at):
        return _whole_row(seat, one, readers or {}, health, at)
    later = partial(_details, seat, one, health, at)
    return SeatRow(seat, health, facts, later, one.counter, facts.extra_usage_at, counted=True)


def _details(seat: Seat, one: LatestReading, health: Health, at: _Moment) -> RowDetails:
    return _whole_row(seat, one, {}, health, at).details


def _still_hold(facts: SeatFacts, seat: Seat, at: _Moment) -> bool:
    """Whether these are the row's facts, whatever else is known of its seat."""
    read_at = facts.extra_usage_at
    return read_at is not None and read_at >= at.month and not seat.beside and seat.renews_on is None


def _whole_row(
    seat: Seat, one: LatestReading, readers: Mapping[str, LastKnown], health: Health, at: _Moment
) -> SeatRow:
    """From all that is known. `readers`: what each seat knows of a counter that several read."""
    shared = _completed(seat, one.known, readers, at.today)
    known, snapshot = shared.known, shared.known.snapshot
    extra, read_at = snapshot.extra_usage, known.extra_usage_at
    outdated = read_at is not None and read_at < at.month
    if extra is not None and outdated:
        extra = without_amounts(extra)
    spend = snapshot.org_spend
    if spend is not None:
        costs = spend.costs or spend.last_month
        read_at = None if costs is None else costs.read_at
        outdated = spend.month < month_name(at.now)
    if outdated or extra is not snapshot.extra_usage or health is not snapshot.health:
        snapshot = replace(snapshot, extra_usage=extra, org_spend=None if outdated else spend, health=health)
    details = RowDetails(
        snapshot=snapshot,
        windows_at=known.windows_at,
        block=block_of(extra, snapshot.windows if known.windows_at else None, at.now),
        through=shared.through,
        trail=known.trail,
    )
    return SeatRow(
        seat,
        health,
        facts_of(replace(known, snapshot=snapshot)),
        lambda: details,
        counter=one.counter,
        read_at=read_at or known.windows_at,
        outdated=outdated and (extra is not None or spend is not None),
        counted=not readers,
    )


def _empty_row(seat: Seat, health: Health, at: _Moment) -> SeatRow:
    snapshot = Snapshot(seat.name, seat.source, at.now, health)
    return SeatRow(seat, health, facts_of(LastKnown(snapshot)), lambda: RowDetails(snapshot))
