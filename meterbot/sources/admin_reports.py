"""Adds up the Admin API's reports: what is charged, what Claude Code would cost at list prices, and the spend limits.

A value that cannot be read is noted and makes the sum incomplete. Nothing is guessed.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from meterbot.core import money
from meterbot.core.money import Money
from meterbot.core.org_spend import (
    OrgCosts,
    OrgEstimates,
    OrgLimits,
    PersonEstimate,
    PersonLimit,
    month_name,
)
from meterbot.sources.admin_shapes import (
    ActorShape,
    BucketShape,
    CoreMetricsShape,
    CostShape,
    EstimateShape,
    LimitActorShape,
    LimitRowShape,
    ModelShape,
    PageShape,
    UsageShape,
)
from meterbot.sources.fields import AnyShape, DriftNotes, Shape, kind, read

_CURSOR = re.compile(r"[0-9A-Za-z_.~=+/:-]{1,500}")
_USUAL = "USD"
_UNNAMED = "(unnamed)"


@dataclass(frozen=True, slots=True)
class Listing:
    """The items of all pages of a report. `whole` False: there are more, or some could not be read."""

    items: tuple[object, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class ReportPage:
    """One page and the next cursor. `whole` False: the next cursor could not be read."""

    items: tuple[object, ...]
    next: str | None
    whole: bool


@dataclass(frozen=True, slots=True)
class Day:
    """One UTC day of Claude Code's use: amounts and pull requests by name. `people` have an e-mail address."""

    amounts: dict[str, tuple[Money, ...]]
    pull_requests: dict[str, int]
    people: frozenset[str]
    whole: bool


def page_of(body: object, path: str, notes: DriftNotes) -> ReportPage:
    """The page in a body. If the body does not say whether it is the last, there may be more."""
    shape = read(PageShape, body, path, notes)
    if shape is None:
        if body is None:
            notes.reject(path, "an object", "null")
        return ReportPage((), None, whole=False)
    if not isinstance(shape.data, list):
        notes.reject(f"{path}.data", "a list", _kind(shape, "data"))
        return ReportPage((), None, whole=False)
    items, cursor = tuple(shape.data), shape.next_page
    if shape.has_more is False:
        return ReportPage(items, None, whole=True)
    if isinstance(cursor, str) and _CURSOR.fullmatch(cursor):
        return ReportPage(items, cursor, whole=True)
    said_last = cursor is None and shape.has_more is None and f"{path}.has_more" not in notes.rejected
    if said_last and "next_page" in shape.model_fields_set:
        return ReportPage(items, None, whole=True)
    notes.reject(
        f"{path}.next_page",
        "a cursor",
        "another text" if isinstance(cursor, str) else _kind(shape, "next_page"),
    )
    return ReportPage(items, None, whole=False)


def costs_of(report: Listing, month: str, now: datetime, notes: DriftNotes) -> OrgCosts:
    """The month's costs. A day that comes twice is counted once and makes the sum incomplete."""
    amounts: list[Money] = []
    days: set[datetime] = set()
    whole = report.whole
    for place, item in enumerate(report.items):
        path = f"cost_report[{place}]"
        bucket = _section(BucketShape, item, path, notes)
        if bucket is None or bucket.starting_at is None:
            if bucket is not None:
                _missing(bucket, "starting_at", path, "a time", notes)
            whole = False
        elif month_name(bucket.starting_at) != month:
            notes.add(f"{path}: a day of another month, not counted")
        elif bucket.starting_at in days:
            notes.reject(path, "another day", "one that was there already")
            whole = False
        else:
            days.add(bucket.starting_at)
            amounts_of_day, complete = _costs_of_day(bucket, path, notes)
            amounts += amounts_of_day
            whole &= complete
    if whole and not amounts:
        amounts = [Money(Decimal(0), _USUAL, 2)]
    return OrgCosts(_summed(amounts), whole, now)


def _costs_of_day(bucket: BucketShape, path: str, notes: DriftNotes) -> tuple[list[Money], bool]:
    if not isinstance(bucket.results, list):
        notes.reject(f"{path}.results", "a list", _kind(bucket, "results"))
        return [], False
    costs: list[Money | None] = []
    for place, item in enumerate(bucket.results):
        at = f"{path}.results[{place}]"
        shape = _section(CostShape, item, at, notes)
        costs.append(None if shape is None else _money(shape, "amount", at, notes))
    return _known(costs)


def day_of(report: Listing, notes: DriftNotes) -> Day:
    """One day of the Claude Code report. A person has one row for each kind of terminal."""
    amounts: dict[str, list[Money]] = defaultdict(list)
    pull_requests: dict[str, int] = defaultdict(int)
    people: set[str] = set()
    whole = report.whole
    for place, item in enumerate(report.items):
        path = f"claude_code[{place}]"
        row = _section(UsageShape, item, path, notes)
        if row is None:
            whole = False
            continue
        actor = read(ActorShape, row.actor, f"{path}.actor", notes) or ActorShape()
        name = actor.email_address or actor.api_key_name or _UNNAMED
        if actor.email_address is not None:
            people.add(name)
        estimates, complete = _estimates_of_row(row, path, notes)
        amounts[name] += estimates
        whole &= complete
        metrics = read(CoreMetricsShape, row.core_metrics, f"{path}.core_metrics", notes)
        pull_requests[name] += int((metrics and metrics.pull_requests_by_claude_code) or 0)
    return Day(
        {name: _summed(estimates) for name, estimates in amounts.items()},
        dict(pull_requests),
        frozenset(people),
        whole,
    )


def _estimates_of_row(row: UsageShape, path: str, notes: DriftNotes) -> tuple[list[Money], bool]:
    if not isinstance(row.model_breakdown, list):
        notes.reject(f"{path}.model_breakdown", "a list", _kind(row, "model_breakdown"))
        return [], False
    estimates: list[Money | None] = []
    for place, item in enumerate(row.model_breakdown):
        at = f"{path}.model_breakdown[{place}]"
        model = _section(ModelShape, item, at, notes)
        estimates.append(
            None if model is None else _estimate(model.estimated_cost, f"{at}.estimated_cost", notes)
        )
    return _known(estimates)


def _estimate(value: object, path: str, notes: DriftNotes) -> Money | None:
    shape = _section(EstimateShape, value, path, notes)
    return None if shape is None else _money(shape, "amount", path, notes)


def estimates_of(days: Sequence[Day], now: datetime, *, complete: bool, name_people: bool) -> OrgEstimates:
    """The month's estimates, day by day. `complete`: no day is missing."""
    amounts: dict[str, list[Money]] = defaultdict(list)
    pull_requests: dict[str, int] = defaultdict(int)
    for day in days:
        for name, estimates in day.amounts.items():
            amounts[name] += estimates
            pull_requests[name] += day.pull_requests.get(name, 0)
    everyone = [
        PersonEstimate(name, _summed(estimates), pull_requests[name])
        for name, estimates in sorted(amounts.items())
    ]
    return OrgEstimates(
        amounts=_summed(amount for person in everyone for amount in person.amounts),
        people=len(frozenset[str]().union(*(day.people for day in days))),
        complete=complete and all(day.whole for day in days),
        read_at=now,
        by_person=tuple(everyone) if name_people else (),
    )


def limits_of(report: Listing, now: datetime, notes: DriftNotes, *, name_people: bool) -> OrgLimits:
    """Everyone's monthly limit."""
    people: dict[str, PersonLimit] = {}
    whole = report.whole
    for place, item in enumerate(report.items):
        path = f"spend_limits[{place}]"
        row = _section(LimitRowShape, item, path, notes)
        if row is not None and not _is_of_a_person(row):
            continue
        person = None if row is None else _limit_of(row, path, notes, name_people=name_people)
        if person is None:
            whole = False
        else:
            people.setdefault(person.user, person)
    return OrgLimits(tuple(people.values()), whole, now)


def _is_of_a_person(row: LimitRowShape) -> bool:
    """A person's active monthly limit. Rows of API keys, of the organization, and of days and weeks are skipped."""
    if row.is_enabled is False or row.period not in {None, "monthly"} or row.actor is None:
        return False
    actor = read(LimitActorShape, row.actor, "actor", DriftNotes())
    if actor is None or actor.user_id is not None:
        return True
    return actor.api_key_id is None and "api_key" not in (actor.type or "")


def _limit_of(row: LimitRowShape, path: str, notes: DriftNotes, *, name_people: bool) -> PersonLimit | None:
    actor = read(LimitActorShape, row.actor, f"{path}.actor", notes)
    if actor is None or actor.user_id is None:
        if actor is not None:
            _missing(actor, "user_id", f"{path}.actor", "an id", notes)
        return None
    if "amount" not in row.model_fields_set:
        notes.reject(f"{path}.amount", "an amount or null", "nothing")
    limit = None if row.amount is None else _money(row, "amount", path, notes)
    if limit is None and (row.amount is not None or f"{path}.amount" in notes.rejected):
        return None
    used = _money(row, "period_to_date_spend", path, notes)
    return PersonLimit(actor.user_id, limit, used, actor.email_address if name_people else None)


# --- what the reports have in common ------------------------------------------------------------------------------


def _section(shape: type[AnyShape], value: object, path: str, notes: DriftNotes) -> AnyShape | None:
    """A section that must not be null."""
    if value is None:
        notes.reject(path, "an object", "null")
    return read(shape, value, path, notes)


def _money(
    shape: CostShape | EstimateShape | LimitRowShape, field: str, path: str, notes: DriftNotes
) -> Money | None:
    """The amount in a field, in minor units of the currency beside it."""
    amount: Decimal | None = getattr(shape, field)
    if amount is None:
        _missing(shape, field, path, "an amount", notes)
        return None
    if f"{path}.currency" in notes.rejected:
        return None
    if shape.currency is None:
        notes.add(f"{path}.currency: not stated, taken for {_USUAL}")
    currency = shape.currency or _USUAL
    return Money(amount, currency, money.default_places(currency))


def _missing(shape: Shape, field: str, path: str, expected: str, notes: DriftNotes) -> None:
    """Notes a field that is null or not there; one of the wrong type was noted when it was read."""
    if f"{path}.{field}" not in notes.rejected:
        notes.reject(f"{path}.{field}", expected, _kind(shape, field))


def _kind(shape: Shape, field: str) -> str:
    return kind(getattr(shape, field)) if field in shape.model_fields_set else "nothing"


def _known(amounts: Sequence[Money | None]) -> tuple[list[Money], bool]:
    known = [amount for amount in amounts if amount is not None]
    return known, len(known) == len(amounts)


def _summed(amounts: Iterable[Money]) -> tuple[Money, ...]:
    return tuple(money.totals(amounts).values())
