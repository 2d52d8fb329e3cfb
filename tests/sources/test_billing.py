from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Subscription
from meterbot.sources.billing import Billing, billing_of
from meterbot.sources.fields import DriftNotes
from tests.sources.bodies import SUBSCRIPTION, json_values, places, sent, with_value

DAY = date(2026, 10, 3)


def parsed(body: object) -> tuple[Billing, list[str]]:
    notes = DriftNotes()
    return billing_of(sent(body), notes), notes.drift


def subscribed(**fields: object) -> Subscription:
    billing, drift = parsed({"status": "active", "next_charge_date": "2026-10-03", **fields})
    assert drift == []
    assert billing.read
    assert billing.subscription is not None
    return billing.subscription


def test_a_day_stays_a_day_and_an_instant_an_instant() -> None:
    assert subscribed() == Subscription("active", DAY)
    late = subscribed(next_charge_at="2026-10-03T23:30:00-08:00")
    assert late.next_charge_date == DAY
    assert late.next_charge_at == datetime(2026, 10, 4, 7, 30, tzinfo=UTC)
    only_instant = subscribed(next_charge_date=None, next_charge_at="2026-10-03T22:14:09.5+00:00")
    assert only_instant.next_charge_date == DAY


@pytest.mark.parametrize(
    "ending",
    [
        {"plan_ending_before": "2026-10-03"},
        {"plan_ending_at": "2026-10-03T22:14:09Z"},
        {"plan_ending_at": "2026-10-03T22:14:09Z", "next_charge_at": "2026-10-03T22:14:09Z"},
        {"plan_ending_before": "2026-10-03", "next_charge_date": None},
        {"plan_ending_before": "2026-10-03", "next_charge_date": "2026-11-03"},
    ],
)
def test_a_pending_cancellation_has_an_end_and_no_renewal(ending: dict[str, object]) -> None:
    ended = subscribed(**ending)
    assert (ended.next_charge_date, ended.next_charge_at, ended.ends_on) == (None, None, DAY)


def test_an_end_after_the_next_charge_leaves_the_charge() -> None:
    later = subscribed(plan_ending_before="2027-03-03")
    assert (later.next_charge_date, later.ends_on) == (DAY, date(2027, 3, 3))


@pytest.mark.parametrize(
    ("fields", "gift", "changes_to"),
    [
        ({"gift_details": {"paid_through": "2026-12-24"}}, True, None),
        ({"gift_details": {}}, True, None),
        ({"has_schedule": True}, True, None),
        ({"has_schedule": True, "scheduled_downgrade": {"plan": "pro"}}, False, "pro"),
        ({"scheduled_downgrade": {"plan_type": "claude_pro", "date": "2026-10-03"}}, False, "claude_pro"),
        ({"has_schedule": False}, False, None),
    ],
)
def test_gifts_schedules_and_downgrades(
    fields: dict[str, object], *, gift: bool, changes_to: str | None
) -> None:
    subscription = subscribed(**fields)
    assert (subscription.gift, subscription.changes_to) == (gift, changes_to)


def test_a_gift_without_a_charge_ends_when_it_is_used_up() -> None:
    gift = subscribed(next_charge_date=None, gift_details={"paid_through": "2026-12-24"})
    assert (gift.next_charge_date, gift.ends_on) == (None, date(2026, 12, 24))


@pytest.mark.parametrize("paused", [1793491200, "2026-11-01T00:00:00Z", "2026-11-01T02:00:00+02:00"])
def test_a_pause_is_the_same_instant_in_every_form(paused: object) -> None:
    assert subscribed(payment_paused_until=paused).paused_until == date(2026, 11, 1)


@pytest.mark.parametrize(
    "written",
    ["99999-01-01", "2026-02-30", "1970-01-01", "soon", "", "3 Oct 2026", 20261003, True, ["2026-10-03"]],
)
def test_a_day_that_is_none_is_unknown_and_the_part_not_read(written: object) -> None:
    billing, drift = parsed({"status": "active", "next_charge_date": written})
    assert billing == Billing(Subscription("active", None), read=False)
    assert len(drift) == 1
    assert drift[0].startswith("subscription.next_charge_date: expected a day, got ")


def test_a_day_written_as_a_time_is_taken_and_noted() -> None:
    billing, drift = parsed({"next_charge_date": "2026-10-03T00:00:00Z"})
    assert billing == Billing(Subscription(None, DAY), read=True)
    assert drift == ["subscription.next_charge_date: expected a day, got a time"]


@pytest.mark.parametrize(
    ("body", "read"), [(None, True), ([], False), ("x", False), ({}, False), ({"a": 1}, False)]
)
def test_no_subscription_is_distinguished_from_no_answer(body: object, *, read: bool) -> None:
    billing, drift = parsed(body)
    assert billing == Billing(None, read=read)
    assert bool(drift) is not read


def test_nothing_of_the_card_is_kept() -> None:
    assert not {"visa", "0000", "card"} & set(repr(parsed(SUBSCRIPTION)).replace("'", " ").split())


@given(st.sampled_from([*places(SUBSCRIPTION)]), json_values)
def test_one_strange_value_costs_no_other_field(path: tuple[str | int, ...], value: Any) -> None:
    whole, _ = parsed(SUBSCRIPTION)
    billing, drift = parsed(with_value(SUBSCRIPTION, path, value))
    assert billing.subscription is not None
    assert whole.subscription is not None
    for name in ("status", "billing_interval"):
        if path != (name,):
            assert getattr(billing.subscription, name) == getattr(whole.subscription, name)
    if not str(path[0]).startswith(("next_charge", "plan_ending")):
        assert billing.subscription.next_charge_date == DAY
    assert all(note.isprintable() and len(note) < 200 for note in drift)


@given(json_values)
def test_no_body_raises(body: Any) -> None:
    _, drift = parsed(body)
    assert all(note.isprintable() and len(note) < 200 for note in drift)
