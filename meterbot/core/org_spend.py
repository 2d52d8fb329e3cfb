"""What an API organization itself spent this month: shown beside the seats, never added to them.

`OrgCosts` is charged; `OrgEstimates` is what Claude Code would cost at list prices. The two are never added up. A
part that was not read is None.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from meterbot.core.money import Money, rounded

_TOO_EARLY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class OrgCosts:
    """The cost report's sum so far, one amount per currency. `complete` False: some of it could not be read."""

    amounts: tuple[Money, ...]
    complete: bool
    read_at: datetime


@dataclass(frozen=True, slots=True)
class PersonEstimate:
    """`name`: the e-mail address of a person, or the name of an API key."""

    name: str
    amounts: tuple[Money, ...]
    pull_requests: int | None = None


@dataclass(frozen=True, slots=True)
class OrgEstimates:
    """Claude Code's use at list prices, of everybody. `by_person` is empty unless names are requested."""

    amounts: tuple[Money, ...]
    people: int
    complete: bool
    read_at: datetime
    by_person: tuple[PersonEstimate, ...] = ()


@dataclass(frozen=True, slots=True)
class PersonLimit:
    """A person's monthly limit and spend. `limit` None is unlimited, 0 is included usage only. `used_old`: the
    service sends 0 after a higher amount if it does not know the amount; `used` is then that higher amount."""

    user: str
    limit: Money | None
    used: Money | None
    name: str | None = None
    used_old: bool = False


@dataclass(frozen=True, slots=True)
class OrgLimits:
    """Everybody's limits; none if the organization has none or the key may not read them."""

    people: tuple[PersonLimit, ...]
    complete: bool
    read_at: datetime


@dataclass(frozen=True, slots=True)
class OrgSpend:
    """`month`: the UTC month, `2026-10`. `last_month`: on the first day of a month, the costs of the month before,
    because the service has whole days only."""

    month: str
    costs: OrgCosts | None = None
    estimates: OrgEstimates | None = None
    limits: OrgLimits | None = None
    last_month: OrgCosts | None = None


_Part = TypeVar("_Part", OrgCosts, OrgEstimates)


def month_name(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m}"


def completed(new: OrgSpend | None, last: OrgSpend | None) -> OrgSpend | None:
    """The newest reading, with the last good value of each part of the same month that it lacks."""
    if new is None or last is None or new.month != last.month:
        return new if new is not None else last
    return OrgSpend(
        month=new.month,
        costs=_better(new.costs, last.costs),
        estimates=_better(new.estimates, last.estimates),
        limits=last.limits if new.limits is None else _with_known_use(new.limits, last.limits),
        last_month=new.last_month or last.last_month,
    )


def _better(new: _Part | None, last: _Part | None) -> _Part | None:
    """The new part; the last one if there is no new one, or if only the last one is complete."""
    return last if new is None or (last is not None and last.complete and not new.complete) else new


def _with_known_use(new: OrgLimits, last: OrgLimits | None) -> OrgLimits:
    known = {} if last is None else {person.user: person for person in last.people}
    return replace(new, people=tuple(_known_use(person, known) for person in new.people))


def _known_use(person: PersonLimit, known: Mapping[str, PersonLimit]) -> PersonLimit:
    before = known.get(person.user)
    if before is None or before.used is None or not before.used.minor:
        return person
    if person.used is not None and person.used.minor:
        return person
    return replace(person, used=before.used, used_old=True)


def projection(spend: OrgSpend) -> tuple[Money, ...]:
    """The month's total at its average pace, in whole minor units. None on the first day, and while the costs are
    incomplete."""
    costs = spend.costs
    if costs is None or not costs.complete:
        return ()
    start = datetime.fromisoformat(f"{spend.month}-01T00:00:00+00:00")
    elapsed = costs.read_at - start
    if elapsed < _TOO_EARLY:
        return ()
    whole = (start + timedelta(days=32)).replace(day=1) - start
    share = Decimal(whole // _SECOND) / Decimal(elapsed // _SECOND)
    share = max(share, Decimal(1))
    return tuple(replace(amount, minor=rounded(amount.minor * share, 0)) for amount in costs.amounts)
