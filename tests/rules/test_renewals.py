"""The day on which a plan renews, by the operator's word."""

from calendar import monthrange
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Subscription
from meterbot.rules.billing import as_configured, next_renewal
from tests.teams import snapshot


@pytest.mark.parametrize(
    ("day", "today", "expected"),
    [
        (14, "2026-04-13", "2026-04-14"),
        (14, "2026-04-14", "2026-04-14"),
        (14, "2026-04-15", "2026-05-14"),
        (31, "2026-04-02", "2026-04-30"),
        (31, "2026-04-30", "2026-04-30"),
        (31, "2026-05-01", "2026-05-31"),
        (30, "2026-02-10", "2026-02-28"),
        (30, "2028-02-29", "2028-02-29"),
        (29, "2026-03-01", "2026-03-29"),
        (14, "2026-12-15", "2027-01-14"),
        (1, "2026-12-31", "2027-01-01"),
    ],
)
def test_the_next_renewal_keeps_to_the_ends_of_months(day: int, today: str, expected: str) -> None:
    assert next_renewal(day, date.fromisoformat(today)) == date.fromisoformat(expected)


@given(st.integers(1, 31), st.dates(date(2000, 1, 1), date(2100, 12, 31)))
def test_it_comes_once_in_every_month_and_never_before_today(day: int, today: date) -> None:
    first = next_renewal(day, today)
    second = next_renewal(day, first + timedelta(days=1))
    assert today <= first < second
    assert (second.year * 12 + second.month) - (first.year * 12 + first.month) == 1
    for one in (first, second):
        assert one.day == min(day, monthrange(one.year, one.month)[1])


TODAY = date(2026, 4, 30)
BARE = snapshot(subscription=None, subscription_read=False)


def test_what_no_source_has_told_is_filled_in_and_marked() -> None:
    filled = as_configured(BARE, 14, TODAY)
    assert filled.subscription == Subscription(None, date(2026, 5, 14), configured=True)
    assert not filled.subscription_read
    again = as_configured(filled, 20, TODAY).subscription
    assert again is not None
    assert again.next_charge_date == date(2026, 5, 20)
    assert as_configured(filled, None, TODAY) == BARE


def test_what_a_source_has_told_stands_even_if_there_is_nothing() -> None:
    for stated in (snapshot(), snapshot(subscription=None), snapshot(subscription_read=False)):
        assert as_configured(stated, 20, TODAY) == stated


def test_a_reading_of_no_organization_gets_none() -> None:
    empty = snapshot(subscription=None, subscription_read=False, org_uuid=None)
    assert as_configured(empty, 14, TODAY) == empty
