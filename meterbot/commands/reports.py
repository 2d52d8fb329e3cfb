"""Makes the team's report from what the store knows of each seat."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, tzinfo
from operator import attrgetter
from typing import Protocol

from meterbot.commands.team_report import MissingSeat, SeatRow, TeamReport
from meterbot.commands.totals import count_once, totals_of
from meterbot.core.models import Counter, Health, LastKnown, Sample, Seat, Snapshot, SourceState, by_counter
from meterbot.core.org_spend import month_name
from meterbot.rules import remedy, without_amounts
from meterbot.rules.blocked import block_of
from meterbot.rules.months import calendar_month
from meterbot.rules.pace import pace
from meterbot.rules.plan_fees import priced
from meterbot.rules.renewals import as_configured
from meterbot.rules.shared_counters import Shared, completed


class LatestReading(Protocol):
    """What is known from one seat about one counter, as the store keeps it."""

    @property
    def seat(self) -> str: ...

    @property
    def counter(self) -> Counter: ...

    @property
    def known(self) -> LastKnown: ...


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
    known: defaultdict[str, dict[Counter, LastKnown]] = defaultdict(dict)
    readers: defaultdict[Counter, dict[str, LastKnown]] = defaultdict(dict)
    for one in latest:
        member = members.get(one.seat)
        if member is not None and member.covers(one.counter.org):
            known[one.seat][one.counter] = readers[one.counter][one.seat] = one.known
    shared = {counter: names for counter, names in readers.items() if len(names) > 1}
    rows, missing, today = list[SeatRow](), list[MissingSeat](), now.astimezone(tz).date()
    for name, own in ((name, known[name]) for name in members):
        seat = members[name] = priced(members[name], (one.snapshot.tier for one in own.values()))
        state = _present_state(seat, sources.get(name), own.values(), now)
        for counter, last in own.items():
            whole = _completed(seat, last, shared.get(counter, {}), today)
            rows.append(_row(seat, counter, whole, state, now, counted=counter not in shared))
        if not own:
            rows.append(_empty_row(seat, state, now))
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
    seat: Seat, state: SourceState | None, known: Iterable[LastKnown], now: datetime
) -> SourceState:
    """The stored state, or `stale` when nothing arrived for three intervals."""
    newest = max((one.snapshot.fetched_at for one in known), default=None)
    if state is None:
        state = SourceState(seat.name) if newest is None else SourceState(seat.name, Health.OK, newest)
    seen = max((at for at in (state.last_ok_at, newest) if at is not None), default=None)
    if state.health is Health.OK and seen is not None and now - seen > seat.stale_after:
        return replace(state, health=Health.STALE, since=seen + seat.stale_after)
    return state


def _row(
    seat: Seat, counter: Counter, shared: Shared, state: SourceState, now: datetime, *, counted: bool
) -> SeatRow:
    known, snapshot = shared.known, shared.known.snapshot
    extra, read_at = snapshot.extra_usage, known.extra_usage_at
    outdated = read_at is not None and calendar_month(read_at) < calendar_month(now)
    if extra is not None and outdated:
        extra = without_amounts(extra)
    spend = snapshot.org_spend
    if spend is not None:
        costs = spend.costs or spend.last_month
        read_at = None if costs is None else costs.read_at
        outdated = spend.month < month_name(now)
    if outdated or extra is not snapshot.extra_usage or state.health is not snapshot.health:
        snapshot = replace(
            snapshot, extra_usage=extra, org_spend=None if outdated else spend, health=state.health
        )
    return SeatRow(
        seat=seat,
        snapshot=snapshot,
        counter=counter,
        read_at=read_at or known.windows_at,
        windows_at=known.windows_at,
        extra_known=known.extra_usage_at is not None,
        outdated=outdated and (extra is not None or spend is not None),
        counted=counted,
        block=block_of(extra, snapshot.windows if known.windows_at else None, now),
        through=shared.through,
        trail=known.trail,
    )


def _empty_row(seat: Seat, state: SourceState, now: datetime) -> SeatRow:
    return SeatRow(seat, Snapshot(seat.name, seat.source, now, state.health))
