"""Adds up the Admin API's reports: what is charged, what Claude Code would cost at list prices, and the spend limits.

A value that cannot be read is noted and makes the sum incomplete. Nothing is guessed.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
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
from meterbot.sources.fields import DriftNotes, elements, note_missing, read, section
from meterbot.sources.wire import (
    ActorShape,
    BucketShape,
    CostEstimateShape,
    CostShape,
    LimitActorShape,
    LimitRowShape,
    ModelShape,
    PageShape,
    UsageShape,
)

_CURSOR = re.compile(r"[0-9A-Za-z_.~=+/:-]{1,500}")
_USUAL = "USD"
_UNNAMED = "(unnamed)"


@dataclass(frozen=True, slots=True)
class Listing:
    """The items of a page or of all pages of a report. `whole` False: there are more, or some could not be read.
    `next`: the cursor of the next page."""

    items: list[object]
    whole: bool
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """What one person or API key used on one day, on one kind of terminal. A `person` has an e-mail address."""

    name: str
    person: bool
    amounts: list[Money]
    pull_requests: int


@dataclass(frozen=True, slots=True)
class Day:
    """One UTC day of Claude Code's use."""

    uses: tuple[Use, ...]
    whole: bool


def page_of(body: object, path: str, notes: DriftNotes) -> Listing:
    """The page in a body. If the body does not say whether it is the last, there may be more."""
    shape = section(PageShape, body, path, notes)
    if shape is None:
        return Listing([], whole=False)
    if not isinstance(shape.data, list):
        note_missing(shape, "data", path, "a list", notes)
        return Listing([], whole=False)
    items, cursor = shape.data, shape.next_page
    if shape.has_more is False:
        return Listing(items, whole=True)
    if isinstance(cursor, str) and _CURSOR.fullmatch(cursor):
        return Listing(items, whole=True, next=cursor)
    said_last = cursor is None and shape.has_more is None and f"{path}.has_more" not in notes.rejected
    if said_last and "next_page" in shape.model_fields_set:
        return Listing(items, whole=True)
    note_missing(shape, "next_page", path, "a cursor", notes)
    return Listing(items, whole=False)


def costs_of(report: Listing, month: str, now: datetime, notes: DriftNotes) -> OrgCosts:
    """The month's costs. A day that comes twice is counted once and makes the sum incomplete."""
    amounts: list[Money] = []
    days: set[datetime] = set()
    whole = report.whole
    for path, item in elements(report.items, "cost_report", notes):
        bucket = section(BucketShape, item, path, notes)
        if bucket is None or bucket.starting_at is None:
            if bucket is not None:
                note_missing(bucket, "starting_at", path, "a time", notes)
            whole = False
        elif month_name(bucket.starting_at) != month:
            notes.add(f"{path}: a day of another month, not counted")
        elif bucket.starting_at in days:
            notes.reject(path, "another day", "one that was there already")
            whole = False
        else:
            days.add(bucket.starting_at)
            amounts_of_day, complete = _amounts(bucket, "results", path, notes, _cost)
            amounts += amounts_of_day
            whole &= complete
    if whole and not amounts:
        amounts = [Money(Decimal(0), _USUAL, 2)]
    return OrgCosts(_summed(amounts), whole, now)


def day_of(report: Listing, notes: DriftNotes) -> Day:
    """One day of the Claude Code report."""
    uses: list[Use] = []
    whole = report.whole
    for path, item in elements(report.items, "claude_code", notes):
        row = section(UsageShape, item, path, notes)
        if row is None:
            whole = False
            continue
        actor, metrics = row.actor or ActorShape(), row.core_metrics
        name = actor.email_address or actor.api_key_name or _UNNAMED
        estimates, complete = _amounts(row, "model_breakdown", path, notes, _estimate)
        whole &= complete
        pull_requests = int((metrics and metrics.pull_requests_by_claude_code) or 0)
        uses.append(Use(name, actor.email_address is not None, estimates, pull_requests))
    return Day(tuple(uses), whole)


def estimates_of(days: Sequence[Day], now: datetime, *, complete: bool, name_people: bool) -> OrgEstimates:
    """The month's estimates, day by day. `complete`: no day is missing."""
    amounts: defaultdict[str, list[Money]] = defaultdict(list)
    pull_requests: Counter[str] = Counter()
    uses = [use for day in days for use in day.uses]
    for use in uses:
        amounts[use.name] += use.amounts
        pull_requests[use.name] += use.pull_requests
    everyone = [PersonEstimate(name, _summed(amounts[name]), pull_requests[name]) for name in sorted(amounts)]
    return OrgEstimates(
        amounts=_summed(amount for person in everyone for amount in person.amounts),
        people=len({use.name for use in uses if use.person}),
        complete=complete and all(day.whole for day in days),
        read_at=now,
        by_person=tuple(everyone) if name_people else (),
    )


def limits_of(report: Listing, now: datetime, notes: DriftNotes, *, name_people: bool) -> OrgLimits:
    """Everyone's monthly limit."""
    people: dict[str, PersonLimit] = {}
    whole = report.whole
    for path, item in elements(report.items, "spend_limits", notes):
        row = section(LimitRowShape, item, path, notes)
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
    # With notes of its own: what is wrong with the owner of a row that does not count is no drift.
    actor = read(LimitActorShape, row.actor, "actor", DriftNotes())
    if actor is None or actor.user_id is not None:
        return True
    return actor.api_key_id is None and "api_key" not in (actor.type or "")


def _limit_of(row: LimitRowShape, path: str, notes: DriftNotes, *, name_people: bool) -> PersonLimit | None:
    actor = read(LimitActorShape, row.actor, f"{path}.actor", notes)
    if actor is None or actor.user_id is None:
        if actor is not None:
            note_missing(actor, "user_id", f"{path}.actor", "an id", notes)
        return None
    if "amount" not in row.model_fields_set:
        notes.reject(f"{path}.amount", "an amount or null", "nothing")
    limit = None if row.amount is None else _money(row, "amount", path, notes)
    if limit is None and (row.amount is not None or f"{path}.amount" in notes.rejected):
        return None
    used = _money(row, "period_to_date_spend", path, notes)
    return PersonLimit(actor.user_id, limit, used, actor.email_address if name_people else None)


# What the reports have in common.


def _amounts(
    shape: BucketShape | UsageShape,
    field: str,
    path: str,
    notes: DriftNotes,
    amount: Callable[[object, str, DriftNotes], Money | None],
) -> tuple[list[Money], bool]:
    """The amounts in a list that must be there, and whether all could be read."""
    value = getattr(shape, field)
    if not isinstance(value, list):
        note_missing(shape, field, path, "a list", notes)
        return [], False
    amounts = [amount(item, at, notes) for at, item in elements(value, f"{path}.{field}", notes)]
    known = [each for each in amounts if each is not None]
    return known, len(known) == len(amounts)


def _cost(item: object, path: str, notes: DriftNotes) -> Money | None:
    shape = section(CostShape, item, path, notes)
    return None if shape is None else _money(shape, "amount", path, notes)


def _estimate(item: object, path: str, notes: DriftNotes) -> Money | None:
    model = section(ModelShape, item, path, notes)
    if model is None:
        return None
    if model.estimated_cost is None:
        note_missing(model, "estimated_cost", path, "an object", notes)
        return None
    return _money(model.estimated_cost, "amount", f"{path}.estimated_cost", notes)


def _money(
    shape: CostShape | CostEstimateShape | LimitRowShape, field: str, path: str, notes: DriftNotes
) -> Money | None:
    """The amount in a field, in minor units of the currency beside it."""
    amount: Decimal | None = getattr(shape, field)
    if amount is None:
        note_missing(shape, field, path, "an amount", notes)
        return None
    if f"{path}.currency" in notes.rejected:
        return None
    if shape.currency is None:
        notes.add(f"{path}.currency: not stated, taken for {_USUAL}")
    currency = shape.currency or _USUAL
    return Money(amount, currency, money.default_places(currency))


def _summed(amounts: Iterable[Money]) -> tuple[Money, ...]:
    return tuple(money.totals(amounts).values())
