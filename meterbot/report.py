"""What the readings come to: the team's totals, and who is missing.

Amounts are summed exactly and per currency, each counter once. Unknown stays unknown: a number that could not be
read, or that belongs to an earlier month, is in no sum.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Protocol

from meterbot.blocked import Block, block_of
from meterbot.forecast import Pace, calendar_month, pace
from meterbot.lines import is_metered
from meterbot.models import (
    Counter,
    Health,
    Known,
    Sample,
    Seat,
    Snapshot,
    SourceState,
    WindowPoint,
    by_counter,
)
from meterbot.money import Money, percent, totals
from meterbot.org_spend import month_name
from meterbot.plans import list_price, plan_trouble
from meterbot.renewal import as_configured
from meterbot.rules import of_another_month, remedy
from meterbot.sharing import Shared, completed


class Reading(Protocol):
    """The newest knowledge that one seat brought of one counter, as the store keeps it."""

    @property
    def seat(self) -> str: ...

    @property
    def counter(self) -> Counter: ...

    @property
    def known(self) -> Known: ...


@dataclass(frozen=True, slots=True)
class SeatRow:
    """One seat's newest knowledge of one counter; `counter` is None for a seat never read.

    `snapshot` has the source's present health, and amounts of this UTC month only: `outdated` tells that an older
    one was set aside. `read_at` is when the money was last read, or the windows where it never was. `counted`
    marks the one row of each counter that the sums take. `windows_at` is when the windows were read. `through`: which parts only another seat with this
    counter knows, and which seat, as in `sharing`.
    """

    seat: Seat
    snapshot: Snapshot
    counter: Counter | None = None
    read_at: datetime | None = None
    windows_at: datetime | None = None
    extra_known: bool = False
    outdated: bool = False
    counted: bool = False
    through: Mapping[str, str] = field(default_factory=dict)
    block: Block | None = None
    trail: Mapping[str, tuple[WindowPoint, ...]] = field(default_factory=dict)
    pace: Pace | None = None
    """How fast an API organization spends: of rows that are `beside` alone."""

    @property
    def metered(self) -> bool:
        extra = self.snapshot.extra_usage
        return extra is not None and is_metered(extra, self.block)

    @property
    def used(self) -> Money | None:
        """This month's amount, None when unknown or not metered."""
        return self.snapshot.extra_usage.used if self.snapshot.extra_usage and self.metered else None

    @property
    def known(self) -> bool:
        """What it spent this month is known, be it that nothing is metered."""
        return self.extra_known and not self.outdated and (self.used is not None or not self.metered)

    @property
    def current(self) -> bool:
        return self.known and self.snapshot.health is Health.OK

    @property
    def beside(self) -> bool:
        return self.seat.beside


@dataclass(frozen=True, slots=True)
class Total:
    """One currency's sum. `used` is None when no amount is known. `cap` is None unless every counter in the sum has
    one: `uncapped` and `cap_unknown` name the seats that lack it."""

    currency: str
    used: Money | None
    cap: Money | None
    plan_fees: Money | None
    uncapped: tuple[str, ...] = ()
    cap_unknown: tuple[str, ...] = ()

    @property
    def percent(self) -> Decimal | None:
        """used / cap × 100, exact and not clamped."""
        return None if self.used is None or self.cap is None else percent(self.used, self.cap)


@dataclass(frozen=True, slots=True)
class Missing:
    """A seat whose source does not deliver; `detail` is one sentence on what ails it, `next_due` when it is asked
    again."""

    seat: str
    health: Health
    since: datetime | None
    remedy: str
    detail: str | None = None
    next_due: datetime | None = None


@dataclass(frozen=True, slots=True)
class TeamReport:
    """Everything `/claude-spend` answers from. Rows: blocked first, then by amount, then by name.

    `current` of `seats` seats have a number that is known and fresh. `duplicates` are seats with one counter.
    """

    as_of: datetime
    rows: tuple[SeatRow, ...]
    totals: tuple[Total, ...]
    missing: tuple[Missing, ...]
    duplicates: tuple[tuple[str, ...], ...]
    seats: int
    current: int


def team_report(
    latest: Iterable[Reading],
    sources: Mapping[str, SourceState],
    seats: Iterable[Seat],
    now: datetime,
    tz: tzinfo = UTC,
) -> TeamReport:
    """The team at `now`. Readings of seats or organizations that are not configured are left out. `tz` is where
    configured renewals are days of."""
    by_seat: dict[str, list[tuple[Counter, Known]]] = defaultdict(list)
    for reading in latest:
        by_seat[reading.seat].append((reading.counter, reading.known))
    rows: list[SeatRow] = []
    missing: list[Missing] = []
    members = [_priced(seat, by_seat[seat.name]) for seat in sorted(seats, key=lambda seat: seat.name)]
    readers = _readers(members, by_seat)
    for seat in members:
        wanted = [pair for pair in by_seat[seat.name] if seat.wants(pair[0].org)]
        state = _present_state(seat, sources.get(seat.name), wanted, now)
        rows += [
            _row(seat, counter, _completed(seat, known, readers[counter]), state, now)
            for counter, known in wanted
        ] or [_empty_row(seat, state, now)]
        if state.health is not Health.OK or not wanted:
            health = Health.NEVER_SEEN if state.health is Health.OK else state.health
            missing.append(_missing(seat, replace(state, health=health), now))
    rows = [_with_renewal(row, now.astimezone(tz).date()) for row in _count_once(rows)]
    duplicates = _duplicates(rows)
    counted_seats = [seat.name for seat in members if not seat.beside]
    behind = {row.seat.name for row in rows if not row.current}
    return TeamReport(
        as_of=now,
        rows=tuple(sorted(rows, key=_rank)),
        totals=_totals(rows, members, duplicates),
        missing=tuple(missing),
        duplicates=duplicates,
        seats=len(counted_seats),
        current=sum(name not in behind for name in counted_seats),
    )


def _readers(
    seats: Iterable[Seat], by_seat: Mapping[str, list[tuple[Counter, Known]]]
) -> dict[Counter, dict[str, Known]]:
    """What each seat knows of each counter."""
    readers: dict[Counter, dict[str, Known]] = defaultdict(dict)
    for seat in seats:
        for counter, known in by_seat.get(seat.name, ()):
            if seat.wants(counter.org):
                readers[counter][seat.name] = known
    return readers


def _completed(seat: Seat, known: Known, readers: Mapping[str, Known]) -> Shared:
    others = {name: other for name, other in readers.items() if name != seat.name}
    return Shared(known, {}) if seat.beside else completed(known, others)


def with_paces(report: TeamReport, samples: Iterable[Sample]) -> TeamReport:
    """The report with how fast the API organizations spend, from the history of their counters."""
    history = by_counter(samples)
    rows = (
        replace(row, pace=pace(history[row.counter], report.as_of))
        if row.counter is not None and row.counter in history
        else row
        for row in report.rows
    )
    return replace(report, rows=tuple(rows))


def _missing(seat: Seat, state: SourceState, now: datetime) -> Missing:
    due = state.next_due if state.next_due is not None and state.next_due > now else None
    return Missing(seat.name, state.health, state.since, remedy(state.health, seat.source), state.detail, due)


def _present_state(
    seat: Seat, state: SourceState | None, known: list[tuple[Counter, Known]], now: datetime
) -> SourceState:
    """The stored state, or stale when nothing came for three intervals and nobody has said so yet."""
    newest = max((k.snapshot.fetched_at for _, k in known), default=None)
    if state is None:
        state = SourceState(seat.name) if newest is None else SourceState(seat.name, Health.OK, newest)
    seen = max((at for at in (state.last_ok_at, newest) if at is not None), default=None)
    if state.health is Health.OK and seen is not None and now - seen > seat.patience:
        return replace(state, health=Health.STALE, since=seen + seat.patience)
    return state


def _priced(seat: Seat, readings: Iterable[tuple[Counter, Known]]) -> Seat:
    """Where neither plan nor price is configured: the plan that the account says, at its list price."""
    if seat.plan is not None or seat.plan_price is not None or seat.beside:
        return seat
    tiers = [known.snapshot.tier for counter, known in readings if seat.wants(counter.org)]
    listed = [(price.minor, tier, price) for tier in tiers if (price := list_price(tier)) is not None]
    if not listed:
        return seat
    _, plan, price = max(listed, key=lambda one: one[0])  # beside a paid plan, a free one is no news
    return replace(seat, plan=plan, plan_price=price, list_price=True)


def plan_troubles(rows: Iterable[SeatRow]) -> list[str]:
    """Of each seat whose account is on another plan than the configured one."""
    told: dict[str, tuple[str | None, list[str | None]]] = {}
    for row in rows:
        told.setdefault(row.seat.name, (row.seat.plan, []))[1].append(row.snapshot.tier)
    found = [plan_trouble(name, plan, tiers) for name, (plan, tiers) in told.items()]
    return [sentence for sentence in found if sentence is not None]


def _with_renewal(row: SeatRow, today: date) -> SeatRow:
    return replace(row, snapshot=as_configured(row.snapshot, row.seat.renews_on, today))


def _row(seat: Seat, counter: Counter, shared: Shared, state: SourceState, now: datetime) -> SeatRow:
    known = shared.known
    extra, read_at = known.snapshot.extra_usage, known.extra_usage_at
    outdated = read_at is not None and calendar_month(read_at) < calendar_month(now)
    if extra is not None and outdated:
        extra = of_another_month(extra)
    spend = known.snapshot.org_spend
    if spend is not None:
        read_at = None if spend.costs is None else spend.costs.read_at
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


def _count_once(rows: list[SeatRow]) -> list[SeatRow]:
    best: dict[Counter, SeatRow] = {}
    for row in rows:
        if row.counter is None or row.beside or row.used is None:
            continue
        held = best.get(row.counter)
        if held is None or _freshness(row) > _freshness(held):
            best[row.counter] = row
    chosen = {id(row) for row in best.values()}
    return [replace(row, counted=True) if id(row) in chosen else row for row in rows]


def _freshness(row: SeatRow) -> tuple[datetime, bool]:
    return row.read_at or datetime.min.replace(tzinfo=UTC), row.current


def _duplicates(rows: Iterable[SeatRow]) -> tuple[tuple[str, ...], ...]:
    sharing: dict[Counter, set[str]] = defaultdict(set)
    for row in rows:
        if row.counter is not None:
            sharing[row.counter].add(row.seat.name)
    return tuple(sorted({tuple(sorted(names)) for names in sharing.values() if len(names) > 1}))


def _rank(row: SeatRow) -> tuple[bool, bool, Decimal, str]:
    amount = Decimal(0) if row.used is None else row.used.major
    return row.block is None, row.used is None, -amount, row.seat.name


def _totals(
    rows: list[SeatRow], seats: list[Seat], duplicates: tuple[tuple[str, ...], ...]
) -> tuple[Total, ...]:
    counted = [row for row in rows if row.counted]
    spent = totals(row.used for row in counted if row.used is not None)
    fees = totals(_fees(seats, duplicates))
    nothing_unknown = all(row.known for row in rows if not row.beside)
    sums = []
    for currency in sorted({*spent, *fees}):
        used = spent.get(currency)
        if used is None and nothing_unknown:
            used = Money(Decimal(0), currency, fees[currency].exponent)
        own = [row for row in counted if row.used is not None and row.used.currency == currency]
        sums.append(_total(currency, used, own, fees.get(currency)))
    return tuple(sums)


def _total(currency: str, used: Money | None, rows: list[SeatRow], fees: Money | None) -> Total:
    caps: list[Money] = []
    uncapped: list[str] = []
    unknown: list[str] = []
    for row in rows:
        extra = row.snapshot.extra_usage
        if extra is None:
            continue
        if extra.cap is not None and extra.cap.currency == currency:
            caps.append(extra.cap)
        else:
            (uncapped if extra.cap is None and extra.cap_known else unknown).append(row.seat.name)
    complete = bool(caps) and len(caps) == len(rows)
    cap = totals(caps)[currency] if complete else None
    return Total(currency, used, cap, fees, tuple(sorted(set(uncapped))), tuple(sorted(set(unknown))))


def _fees(seats: list[Seat], duplicates: tuple[tuple[str, ...], ...]) -> list[Money]:
    """Plan prices; one per account, since two seats with one counter are one subscription."""
    by_trust = sorted(seats, key=lambda seat: (seat.list_price, seat.name))  # what is configured wins
    priced = {seat.name: seat.plan_price for seat in by_trust if seat.plan_price is not None}
    for group in duplicates:
        for again in [name for name in priced if name in group][1:]:
            del priced[again]
    return list(priced.values())
