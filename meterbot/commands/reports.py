"""Makes the team's report from what the store knows of each seat."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from operator import attrgetter
from typing import NamedTuple

from meterbot.commands.team_report import LatestReading, MissingSeat, RowDetails, SeatRow, TeamReport
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

_LESS_THAN_ANY = Decimal("-Infinity")


def team_report(
    latest: Iterable[LatestReading],
    sources: Mapping[str, SourceState],
    seats: Iterable[Seat],
    now: datetime,
    tz: tzinfo = UTC,
) -> TeamReport:
    """The team at `now`. Seats and organizations that are not configured are left out. `tz`: the zone of configured
    renewal days."""
    return report_on(team_readings(latest, seats), sources, now, tz)


class _Member(NamedTuple):
    """A configured seat, what is known from it about each of its counters, and when the newest of that was read."""

    seat: Seat
    known: list[LatestReading]
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class TeamReadings:
    """What is known of each seat, by name. `shared`: what each seat knows of a counter that several of them read."""

    members: Sequence[_Member]
    shared: Mapping[Counter, Mapping[str, LastKnown]]

    def silent(self, now: datetime) -> set[str]:
        """Seats without a reading in the last three intervals; only their source states show whether they are
        healthy."""
        return {
            seat.name for seat, _, newest in self.members if newest is None or now - newest > seat.stale_after
        }


def team_readings(latest: Iterable[LatestReading], seats: Iterable[Seat]) -> TeamReadings:
    """Seats and organizations that are not configured are left out."""
    configured = {seat.name: seat for seat in seats}
    known: defaultdict[str, list[LatestReading]] = defaultdict(list)
    first_readers: dict[Counter, LatestReading] = {}
    readers: defaultdict[Counter, dict[str, LastKnown]] = defaultdict(dict)
    for one in latest:
        seat = configured.get(one.seat)
        if seat is None or not seat.covers(one.counter.org):
            continue
        known[one.seat].append(one)
        if (first := first_readers.setdefault(one.counter, one)) is not one:
            readers[one.counter] |= {first.seat: first.known, one.seat: one.known}
    members = [_member(configured[name], known.get(name, [])) for name in sorted(configured)]
    return TeamReadings(members, {counter: dict(sorted(each.items())) for counter, each in readers.items()})


def _member(seat: Seat, known: list[LatestReading]) -> _Member:
    if len(known) > 1:
        known.sort(key=attrgetter("counter"))
    newest, tiers = None, list[str | None]()
    for one in known:
        facts = one.facts or facts_of(one.known)
        tiers.append(facts.tier)
        if newest is None or facts.fetched_at > newest:
            newest = facts.fetched_at
    return _Member(priced(seat, tiers), known, newest)


def report_on(
    readings: TeamReadings, sources: Mapping[str, SourceState], now: datetime, tz: tzinfo = UTC
) -> TeamReport:
    """The team at `now`. `sources`: at least those that are not well, and those of silent seats. `tz`: the zone of
    configured renewal days."""
    rows, missing, at = list[SeatRow](), list[MissingSeat](), _moment(now, tz)
    for seat, known, newest in readings.members:
        trouble = _trouble(seat, sources.get(seat.name), newest, now)
        health = Health.OK if trouble is None else trouble.health
        for one in known:
            rows.append(_row(seat, one, readings.shared.get(one.counter), health, at))
        if not known:
            rows.append(_empty_row(seat, health, at))
            trouble = trouble or replace(sources[seat.name], health=Health.NEVER_SEEN)
        if trouble is not None:
            missing.append(_missing(seat, trouble, now))
    count_once(rows, readings.shared)
    seats = [member.seat for member in readings.members]
    duplicates = tuple(sorted({tuple(names) for names in readings.shared.values()}))
    counted_seats = [seat.name for seat in seats if not seat.beside]
    behind = {row.seat.name for row in rows if not row.current}
    return TeamReport(
        as_of=now,
        rows=tuple(_in_order(rows)),
        totals=totals_of(rows, seats, duplicates),
        missing=tuple(missing),
        duplicates=duplicates,
        seats=len(counted_seats),
        current=sum(name not in behind for name in counted_seats),
    )


def _in_order(rows: Iterable[SeatRow]) -> list[SeatRow]:
    """Blocked rows first, then by amount, descending; ties keep their order (by name)."""
    by_amount = sorted(rows, key=_amount, reverse=True)
    return [row for row in by_amount if row.blocked] + [row for row in by_amount if not row.blocked]


def _amount(row: SeatRow) -> Decimal:
    return _LESS_THAN_ANY if row.used is None else row.used.major


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


def _trouble(
    seat: Seat, state: SourceState | None, newest: datetime | None, now: datetime
) -> SourceState | None:
    """The stored state, or `stale` when nothing arrived for three intervals; None if all is well. `newest`: the time
    of its newest reading."""
    if state is not None and state.health is not Health.OK:
        return state
    if state is None and newest is None:
        return SourceState(seat.name)
    last_ok_at = None if state is None else state.last_ok_at
    seen = newest if last_ok_at is None or (newest is not None and newest > last_ok_at) else last_ok_at
    if seen is None or now - seen <= seat.stale_after:
        return None
    return replace(state or SourceState(seat.name), health=Health.STALE, since=seen + seat.stale_after)


@dataclass(frozen=True, slots=True)
class _Moment:
    """When the report is made. `today` is in the zone of configured renewal days, `month` begins in UTC."""

    now: datetime
    today: date
    month: datetime

    def details_of(self, row: SeatRow) -> RowDetails:
        assert row.reading is not None  # noqa: S101 - a row of stored facts has one
        return _whole_row(row.seat, row.reading, {}, row.health, self).details


def _moment(now: datetime, tz: tzinfo) -> _Moment:
    return _Moment(now, now.astimezone(tz).date(), month_start(calendar_month(now)))


def _row(
    seat: Seat, one: LatestReading, readers: Mapping[str, LastKnown] | None, health: Health, at: _Moment
) -> SeatRow:
    facts = one.facts
    if facts is None or readers is not None or not _still_hold(facts, seat, at):
        return _whole_row(seat, one, readers or {}, health, at)
    return SeatRow(
        seat, health, facts, at.details_of, one.counter, facts.extra_usage_at, counted=True, reading=one
    )


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
        lambda _: details,
        counter=one.counter,
        read_at=read_at or known.windows_at,
        outdated=outdated and (extra is not None or spend is not None),
        counted=not readers,
    )


def _empty_row(seat: Seat, health: Health, at: _Moment) -> SeatRow:
    snapshot = Snapshot(seat.name, seat.source, at.now, health)
    return SeatRow(seat, health, facts_of(LastKnown(snapshot)), lambda _: RowDetails(snapshot))
