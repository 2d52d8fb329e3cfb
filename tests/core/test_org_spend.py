"""An organization's month: what is known, and its forecast."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.money import Money, plain
from meterbot.core.org_spend import (
    OrgCosts,
    OrgEstimates,
    OrgLimits,
    OrgSpend,
    PersonLimit,
    completed,
    month_name,
    projection,
)

AT = datetime(2026, 10, 11, tzinfo=UTC)


def dollars(amount: str) -> Money:
    return Money(Decimal(amount) * 100, "USD", 2)


def costs(amount: str, *, complete: bool = True, at: datetime = AT) -> OrgCosts:
    return OrgCosts((dollars(amount),), complete, at)


def limits(used: str | None, user: str = "user_1") -> OrgLimits:
    person = PersonLimit(user, dollars("500"), None if used is None else dollars(used))
    return OrgLimits((person,), complete=True, read_at=AT)


def october(**parts: object) -> OrgSpend:
    return replace(OrgSpend("2026-10"), **parts)  # type: ignore[arg-type]  # a factory passes what it is given


def test_a_part_that_was_not_read_keeps_its_last_value_and_age() -> None:
    known = october(costs=costs("5"), limits=limits("1"))
    assert completed(october(), known) == known
    assert completed(None, known) == known


def test_a_partial_sum_replaces_nothing_but_another_partial_sum() -> None:
    whole, part = costs("5"), costs("3", complete=False, at=AT + timedelta(hours=1))
    assert completed(october(costs=part), october(costs=whole)) == october(costs=whole)
    assert completed(october(costs=whole), october(costs=part)) == october(costs=whole)
    assert completed(october(costs=part), october(costs=replace(part, read_at=AT))) == october(costs=part)
    some = OrgEstimates((dollars("1"),), 1, complete=False, read_at=AT)
    everyone = replace(some, complete=True)
    assert completed(october(estimates=some), october(estimates=everyone)) == october(estimates=everyone)


def test_another_month_begins_with_nothing_of_the_last() -> None:
    november = OrgSpend("2026-11", limits=limits("0"))
    assert completed(november, october(costs=costs("5"), limits=limits("300"))) == november


@pytest.mark.parametrize("now", ["0", None])
def test_a_use_that_vanishes_within_the_month_is_the_last_known_one(now: str | None) -> None:
    found = completed(october(limits=limits(now)), october(limits=limits("314.025")))
    assert found is not None
    assert found.limits is not None
    (person,) = found.limits.people
    assert (person.used, person.used_old) == (dollars("314.025"), True)
    again = completed(october(limits=limits("320")), found)
    assert again is not None
    assert again.limits == limits("320")


def test_a_zero_of_somebody_who_spent_nothing_is_a_zero() -> None:
    known = october(limits=limits("300", user="user_2"))
    assert completed(october(limits=limits("0")), known) == october(limits=limits("0"))
    assert completed(october(limits=limits("0")), october(limits=limits("0"))) == october(limits=limits("0"))


def test_the_month_is_projected_along_a_straight_line() -> None:
    (ahead,) = projection(october(costs=costs("100")))  # ten days of thirty-one
    assert plain(ahead) == "310.00"


def test_a_projection_needs_a_day_and_the_whole_sum() -> None:
    first = datetime(2026, 10, 1, 23, tzinfo=UTC)
    assert projection(october(costs=costs("100", at=first))) == ()
    assert projection(october(costs=costs("100", complete=False))) == ()
    assert projection(october()) == ()


@given(st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)), st.integers(0, 10**9))  # noqa: DTZ001  # UTC is added below
def test_a_projection_is_never_below_what_is_charged(at: datetime, cents: int) -> None:
    at = at.replace(tzinfo=UTC)
    charged = Money(Decimal(cents), "USD", 2)
    found = projection(OrgSpend(month_name(at), OrgCosts((charged,), complete=True, read_at=at)))
    assert all(amount.minor >= cents for amount in found)
    assert (len(found) == 1) is (at.day > 1)
