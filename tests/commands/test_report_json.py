import json
from dataclasses import replace
from datetime import UTC, date, timedelta
from decimal import Decimal
from unittest.mock import ANY

import pytest

from meterbot.commands.report_json import snapshot_json, spend_json
from meterbot.commands.reports import team_report
from meterbot.core.health import remedy
from meterbot.core.models import (
    ExtraUsage,
    Health,
    LastKnown,
    ReasonClass,
    Snapshot,
    Subscription,
)
from meterbot.core.org_spend import OrgLimits, PersonLimit
from tests.teams import (
    NOW,
    Reading,
    api_snapshot,
    extra,
    org_spend,
    reading,
    seat,
    snapshot,
    state,
    window,
)


def test_a_reading_has_the_pinned_shape() -> None:
    assert snapshot_json(snapshot(), NOW, UTC) == {
        "seat": "ana",
        "source": "claude_ai",
        "account_email": None,
        "account_uuid": "account-ana",
        "org_uuid": "org-ana",
        "fetched_at": "2026-04-30T10:00:00Z",
        "health": "ok",
        "plan": None,
        "extra_usage": {
            "enabled": True,
            "used": "17.20",
            "cap": "50.00",
            "cap_known": True,
            "currency": "USD",
            "percent": 34.4,
            "blocked": False,
            "blocked_reason": None,
            "blocked_until": None,
            "balance": None,
            "balance_currency": None,
            "balance_read_at": None,
            "auto_reload": None,
        },
        "known": True,
        "windows": [{"name": "five_hour", "utilization": 41.0, "resets_at": "2026-04-30T12:00:00Z"}],
        "subscription": {
            "status": "active",
            "next_charge_date": "2026-05-14",
            "billing_interval": "monthly",
            "ends_on": None,
            "configured": False,
        },
        "org_spend": None,
        "lines": [
            "5-hour            41.0% used    -> resets Thu Apr 30 12:00 (in 2h)",
            "Extra usage      $17.20 / $50.00 (34%)",
            "Next charge      2026-05-14",
        ],
        "drift": [],
        "errors": [],
    }


def test_an_email_is_shown_only_when_asked_for() -> None:
    assert snapshot_json(snapshot(), NOW, UTC, emails=True)["account_email"] == "ana@example.com"


@pytest.mark.parametrize(
    ("usage", "said"),
    [
        (
            extra("62.30", "60", "CAD", reason_class=ReasonClass.CAP, disabled_until=NOW + timedelta(days=1)),
            {
                "percent": 103.83,
                "blocked": True,
                "blocked_reason": "cap",
                "blocked_until": "2026-05-01T10:00:00Z",
            },
        ),
        (
            extra("50", "50", disabled_until=NOW),
            {"percent": 100.0, "blocked": True, "blocked_reason": "cap", "blocked_until": None},
        ),
        (extra(None, "50"), {"used": None, "cap": "50.00", "percent": None, "blocked": False}),
        (extra("4", None), {"used": "4.00", "cap": None, "cap_known": True, "percent": None}),
        (extra("4", None, cap_known=False), {"cap": None, "cap_known": False, "percent": None}),
        (extra("12.345", "50"), {"used": "12.345", "percent": 24.69}),
        (extra("1.5", "0"), {"percent": None, "blocked": True}),
    ],
)
def test_extra_usage_for_machines(usage: ExtraUsage, said: dict[str, object]) -> None:
    made = snapshot_json(snapshot(extra_usage=usage), NOW, UTC)["extra_usage"]
    assert isinstance(made, dict)
    assert {key: made[key] for key in said} == said


def test_what_is_not_metered_is_null() -> None:
    assert snapshot_json(snapshot(extra_usage=None), NOW, UTC)["extra_usage"] is None
    off = extra(None, None, enabled=False, reason_class=ReasonClass.NEVER_SET_UP)
    assert snapshot_json(snapshot(extra_usage=off), NOW, UTC)["extra_usage"] is None


def test_a_seat_that_could_not_be_read_is_its_health_and_its_errors() -> None:
    unread = Snapshot("bo", "claude_ai", NOW, Health.SESSION_EXPIRED, errors=("usage: 401",))
    made = snapshot_json(unread, NOW, UTC)
    assert (made["org_uuid"], made["health"], made["errors"]) == (None, "session_expired", ["usage: 401"])
    assert (made["extra_usage"], made["subscription"], made["windows"], made["lines"]) == (None, None, [], [])


def test_utilization_is_neither_rounded_nor_clamped() -> None:
    shot = snapshot(windows=(window(used="100.4567"), window("seven_day", None, None)))
    assert snapshot_json(shot, NOW, UTC)["windows"] == [
        {"name": "five_hour", "utilization": 100.4567, "resets_at": "2026-04-30T12:00:00Z"},
        {"name": "seven_day", "utilization": None, "resets_at": None},
    ]


def test_the_team_has_the_pinned_shape() -> None:
    twin = reading("ana").counter
    report = team_report(
        [
            reading("ana"),
            Reading("ana-work", twin, LastKnown(snapshot("ana-work"), NOW, NOW - timedelta(seconds=90), NOW)),
            reading(snapshot("bo", extra_usage=extra("4.20", "50")), ago=timedelta(hours=3)),
        ],
        {"ana": state("ana"), "ana-work": state("ana-work"), "bo": state("bo", Health.SESSION_EXPIRED)},
        [seat("ana"), seat("ana-work"), seat("bo"), seat("cy", "push", price=None)],
        NOW,
    )
    made = json.loads(json.dumps(spend_json(report, UTC)))
    seats = made.pop("seats")
    assert made == {
        "as_of": "2026-04-30T10:00:00Z",
        "seats_total": 4,
        "seats_current": 2,
        "totals": [
            {
                "currency": "USD",
                "used": "21.40",
                "cap": "100.00",
                "percent": 21.4,
                "plan_fees": "400.00",
                "forecast": None,
            }
        ],
        "missing": [
            {
                "seat": "bo",
                "health": "session_expired",
                "since": "2026-04-30T07:00:00Z",
                "remedy": "Sign in to claude.ai and replace the seat's session key.",
            },
            {
                "seat": "cy",
                "health": "never_seen",
                "since": None,
                "remedy": remedy(Health.NEVER_SEEN, "push"),
            },
        ],
        "plan_fees_unknown": ["cy"],
        "unknown": ["cy"],
        "duplicates": [["ana", "ana-work"]],
    }
    short = [(each["seat"], each["health"], each["age_seconds"], each["counted"]) for each in seats]
    assert short == [
        ("ana", "ok", 0, True),
        ("ana-work", "ok", 90, False),
        ("bo", "session_expired", 10800, True),
        ("cy", "never_seen", None, False),
    ]
    assert seats[3]["org_uuid"] is None
    assert seats[3]["fetched_at"] is None


def test_a_window_that_has_reset_since_the_store_took_it_says_so() -> None:
    shot = snapshot(windows=(window(used="46", resets=timedelta(minutes=-7)),))
    old = reading(shot, ago=timedelta(minutes=10))
    old = Reading(old.seat, old.counter, replace(old.known, snapshot=replace(shot, fetched_at=NOW)))
    report = team_report([old], {"ana": state()}, [seat()], NOW)
    (row,) = json.loads(json.dumps(spend_json(report, UTC)))["seats"]
    assert row["lines"][0] == "5-hour           has reset since (was 46.0% used)"


def test_the_amount_of_an_earlier_month_is_unknown_in_this_one() -> None:
    report = team_report([reading("ana", ago=timedelta(days=31))], {}, [seat("ana")], NOW)
    [only] = json.loads(json.dumps(spend_json(report, UTC)))["seats"]
    assert only["extra_usage"]["used"] is None
    assert only["lines"][1] == "Extra usage      unknown / $50.00"
    assert only["age_seconds"] == 31 * 24 * 3600


def test_a_subscription_with_nothing_known_is_nulls() -> None:
    shot = snapshot(subscription=Subscription(None, None, ends_on=date(2026, 6, 1)))
    assert snapshot_json(shot, NOW, UTC)["subscription"] == {
        "status": None,
        "next_charge_date": None,
        "billing_interval": None,
        "ends_on": "2026-06-01",
        "configured": False,
    }


def test_no_amount_passes_through_a_binary_number() -> None:
    exact = Decimal("123456789012.34")
    shot = snapshot(extra_usage=extra(str(exact), None))
    made = snapshot_json(shot, NOW, UTC)["extra_usage"]
    assert isinstance(made, dict)
    assert made["used"] == str(exact)


# --- an API organization ------------------------------------------------------------------------------------------


def test_an_organization_has_two_ledgers_and_no_sum_of_both() -> None:
    shown = snapshot_json(api_snapshot(), NOW, UTC)
    assert shown["extra_usage"] is None
    assert shown["org_spend"] == {
        "month": "2026-04",
        "costs": {
            "complete": True,
            "read_at": "2026-04-30T10:00:00Z",
            "amounts": [{"amount": "148.45", "currency": "USD"}],
        },
        "last_month": None,
        "projection": [{"amount": ANY, "currency": "USD"}],
        "estimates": {
            "complete": True,
            "read_at": "2026-04-30T10:00:00Z",
            "what": "list-price estimate, not charged to seats",
            "amounts": [{"amount": "10.77", "currency": "USD"}],
            "people": 1,
            "by_person": [],
        },
        "limits": None,
    }
    assert "159.22" not in json.dumps(shown)


def test_people_are_named_only_where_asked_for() -> None:
    limits = OrgLimits((PersonLimit("user_1", None, None, "dev@example.com"),), complete=True, read_at=NOW)
    api = api_snapshot(org_spend(limits=limits))
    assert "dev@example.com" not in json.dumps(snapshot_json(api, NOW, UTC))
    assert json.dumps(snapshot_json(api, NOW, UTC, emails=True)).count("dev@example.com") == 2


def test_a_seat_has_the_plan_that_its_account_says_or_else_the_configured_one() -> None:
    plain, said = seat("ana"), seat("bo")
    read = [reading("ana"), reading(snapshot("bo", tier="pro"))]
    shown = spend_json(team_report(read, {}, [plain, said], NOW), UTC)["seats"]
    assert isinstance(shown, list)
    assert {one["seat"]: one["plan"] for one in shown} == {"ana": "max_20x", "bo": "pro"}
