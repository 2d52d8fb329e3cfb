"""Makes the team's report from what the store knows of each seat."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from operator import attrgetter
from threading import Lock
from typing import Protocol

from meterbot.commands.team_report import MissingSeat, SeatRow, TeamReport
from meterbot.commands.totals import count_once, totals_of
from meterbot.core.models import Counter, Health, LastKnown, Sample, Seat, Snapshot, SourceState, by_counter
from meterbot.core.org_spend import month_name
from meterbot.core.plans import list_price
from meterbot.rules import remedy, without_amounts
from meterbot.rules.blocked import block_of
from meterbot.rules.months import calendar_month
from meterbot.rules.pace import pace
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


@dataclass(frozen=True, slots=True)
class _Part:
    """One seat's part of a report, and how long it is valid if nothing new arrives."""

    seat: Seat
    made_at: datetime
    until: datetime
    rows: tuple[SeatRow, ...]
    missing: MissingSeat | None


def team_report(
    latest: Iterable[LatestReading],
    sources: Mapping[str, SourceState],
    seats: Iterable[Seat],
    now: datetime,
    tz: tzinfo = UTC,
) -> TeamReport:
    """The team at `now`. Seats and organizations that are not configured are left out. `tz`: the zone of configured
    renewal days."""
    return Reports(seats, tz).at(list(latest), sources, now)


class Reports:
    """Makes reports of the same seats one after another, and keeps the parts that have not changed."""

    def __init__(self, seats: Iterable[Seat], tz: tzinfo = UTC) -> None:
        self._seats = sorted(seats, key=lambda seat: seat.name)
        self._named = {seat.name: seat for seat in self._seats}
        self._tz = tz
        self._latest: Sequence[LatestReading] = ()
        self._sources: Mapping[str, SourceState] = {}
        self._known: dict[str, dict[Counter, LastKnown]] = {}
        self._readers: dict[Counter, dict[str, LastKnown]] = {}
        self._parts: dict[str, _Part] = {}
        self._making = Lock()

    def at(
        self, latest: Sequence[LatestReading], sources: Mapping[str, SourceState], now: datetime
    ) -> TeamReport:
        """The team at `now`. One report at a time: the thread of a caller that gave up may still be at work."""
        with self._making:
            return self._made_at(latest, sources, now)

    def _made_at(
        self, latest: Sequence[LatestReading], sources: Mapping[str, SourceState], now: datetime
    ) -> TeamReport:
        self._update(latest, sources)
        parts = [self._part(seat, now) for seat in self._seats]
        members = [part.seat for part in parts]
        shared = {counter: names for counter, names in self._readers.items() if len(names) > 1}
        rows = count_once([row for part in parts for row in part.rows], shared)
        duplicates = tuple(sorted({tuple(sorted(names)) for names in shared.values()}))
        counted_seats = [seat.name for seat in members if not seat.beside]
        behind = {row.seat.name for row in rows if not row.current}
        return TeamReport(
            as_of=now,
            rows=tuple(sorted(rows, key=attrgetter("rank"))),
            totals=totals_of(rows, members, duplicates),
            missing=tuple(part.missing for part in parts if part.missing is not None),
            duplicates=duplicates,
            seats=len(counted_seats),
            current=sum(name not in behind for name in counted_seats),
        )

    def _update(self, latest: Sequence[LatestReading], sources: Mapping[str, SourceState]) -> None:
        """Drops the parts whose reading or source has changed."""
        for name in self._seats_of_other_sources(sources):
            self._parts.pop(name, None)
        self._sources = sources
        if not self._same_rows(latest):
            self._replace_all(latest)
        else:
            for old, new in zip(self._latest, latest, strict=True):
                if old is not new and new.counter in self._known.get(new.seat, ()):
                    self._known[new.seat][new.counter] = new.known
                    self._readers[new.counter][new.seat] = new.known
                    for name in self._readers[new.counter]:
                        self._parts.pop(name, None)
        self._latest = latest

    def _seats_of_other_sources(self, sources: Mapping[str, SourceState]) -> list[str]:
        before = self._sources
        return [name for name in self._named if before.get(name) is not sources.get(name)]

    def _same_rows(self, latest: Sequence[LatestReading]) -> bool:
        """Whether the same seats have read the same counters."""
        return len(latest) == len(self._latest) and all(
            old is new or (old.seat == new.seat and old.counter == new.counter)
            for old, new in zip(self._latest, latest, strict=True)
        )

    def _replace_all(self, latest: Iterable[LatestReading]) -> None:
        self._known, self._readers, self._parts = defaultdict(dict), defaultdict(dict), {}
        for one in sorted(latest, key=lambda one: one.seat):
            seat = self._named.get(one.seat)
            if seat is not None and seat.covers(one.counter.org):
                self._known[one.seat][one.counter] = one.known
                self._readers[one.counter][one.seat] = one.known

    def _part(self, configured: Seat, now: datetime) -> _Part:
        """The stored part while it is valid, otherwise a new one."""
        part = self._parts.get(configured.name)
        if part is None or not part.made_at <= now < part.until:
            part = self._parts[configured.name] = self._build_part(configured, now)
        return part

    def _build_part(self, configured: Seat, now: datetime) -> _Part:
        known = self._known.get(configured.name, {})
        seat = _priced(configured, known.values())
        state = _present_state(seat, self._sources.get(seat.name), known.values(), now)
        today = now.astimezone(self._tz).date()
        rows = [
            _row(seat, counter, _completed(seat, one, self._readers[counter]), state, now)
            for counter, one in known.items()
        ] or [_empty_row(seat, state, now)]
        missing = None
        if state.health is not Health.OK or not known:
            health = Health.NEVER_SEEN if state.health is Health.OK else state.health
            missing = _missing(seat, replace(state, health=health), now)
        return _Part(
            seat=seat,
            made_at=now,
            until=_next_change(seat, state, rows, now, self._tz) if known else now,
            rows=tuple(_with_renewal(self._counted_alone(row), today) for row in rows),
            missing=missing,
        )

    def _counted_alone(self, row: SeatRow) -> SeatRow:
        """A counter that only this seat reads is counted here."""
        if row.counter is None or row.beside or row.used is None or len(self._readers[row.counter]) > 1:
            return row
        return replace(row, counted=True)


def _next_change(
    seat: Seat, state: SourceState, rows: Iterable[SeatRow], now: datetime, tz: tzinfo
) -> datetime:
    """When time alone may change a seat's part: a new day or month begins, the seat becomes stale, its block ends, or its
    next attempt is due."""
    tomorrow = now.astimezone(tz).date() + timedelta(days=1)
    extras = [row.snapshot.extra_usage for row in rows]
    newest = max((row.snapshot.fetched_at for row in rows), default=now)
    instants = [
        datetime.combine(tomorrow, time(), tz),
        datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC),
        # One microsecond after it is still fresh.
        *(at + seat.stale_after + timedelta(microseconds=1) for at in (state.last_ok_at, newest) if at),
        *(extra.disabled_until for extra in extras if extra is not None and extra.disabled_until),
        *([state.next_due] if state.next_due else []),
    ]
    return min(at for at in instants if at > now)


def _completed(seat: Seat, known: LastKnown, readers: Mapping[str, LastKnown]) -> Shared:
    others = {name: other for name, other in readers.items() if name != seat.name}
    return Shared(known, {}) if seat.beside else completed(known, others)


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


def _priced(seat: Seat, readings: Iterable[LastKnown]) -> Seat:
    """Without a configured plan or price: the account's plan at its list price."""
    if seat.plan is not None or seat.plan_price is not None or seat.beside:
        return seat
    tiers = [known.snapshot.tier for known in readings]
    listed = [(price.minor, tier, price) for tier in tiers if (price := list_price(tier)) is not None]
    if not listed:
        return seat
    _, plan, price = max(listed, key=lambda one: one[0])
    return replace(seat, plan=plan, plan_price=price, list_price=True)


def _with_renewal(row: SeatRow, today: date) -> SeatRow:
    return replace(row, snapshot=as_configured(row.snapshot, row.seat.renews_on, today))


def _row(seat: Seat, counter: Counter, shared: Shared, state: SourceState, now: datetime) -> SeatRow:
    known = shared.known
    extra, read_at = known.snapshot.extra_usage, known.extra_usage_at
    outdated = read_at is not None and calendar_month(read_at) < calendar_month(now)
    if extra is not None and outdated:
        extra = without_amounts(extra)
    spend = known.snapshot.org_spend
    if spend is not None:
        costs = spend.costs or spend.last_month
        read_at = None if costs is None else costs.read_at
        outdated = spend.month < month_name(now)
    snapshot = replace(
        known.snapshot, extra_usage=extra, org_spend=None if outdated else spend, health=state.health
    )
    return SeatRow(
        seat=seat,
        snapshot=snapshot,
        counter=counter,
        read_at=read_at or known.windows_at,
        windows_at=known.windows_at,
        extra_known=known.extra_usage_at is not None,
        outdated=outdated and (extra is not None or spend is not None),
        block=block_of(extra, snapshot.windows if known.windows_at else None, now),
        through=shared.through,
        trail=known.trail,
    )


def _empty_row(seat: Seat, state: SourceState, now: datetime) -> SeatRow:
    return SeatRow(seat, Snapshot(seat.name, seat.source, now, state.health))
