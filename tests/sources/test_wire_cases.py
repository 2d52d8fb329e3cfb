"""Every recorded answer of claude.ai, sent by a server and read by the real client."""

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from meterbot.core.models import Balance, Health, ReasonClass, Snapshot
from meterbot.core.money import Money as Amount
from meterbot.core.money import percent, plain, rounded
from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from meterbot.rules.blocked import block_of
from meterbot.sources.http_client import ForbiddenRequestError
from tests.simulator.server import Reply, not_found
from tests.sources.served import (
    ACCOUNT,
    NOW,
    ORG,
    OTHER_ORG,
    SOME_USAGE,
    Served,
    serving,
)

RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "data" / "wire-cases.json").read_text("utf-8")
)
CASES = [case for case in RECORDED if case["endpoint"].startswith("GET claude.ai/")]

ROUTES = {"usage": "usage", "overage_spend_limit": "overage", "subscription_details": "subscription"}
MAIN = {"five_hour": "12.0", "seven_day": "41.0"}


@dataclass(frozen=True)
class Money:
    """Extra usage as it must come out; `percent` rounded to two places, `blocked` the reason or None."""

    used: str | None
    cap: str | None
    currency: str = "USD"
    percent: str | None = None
    blocked: str | None = None
    until: datetime | None = None
    enabled: bool | None = True
    read: bool = True
    assumed: tuple[str, ...] = ("scale",)
    reason: str | None = None
    reason_class: ReasonClass | None = None
    comparable: bool = True


NOT_METERED = "not metered"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Expected:
    """What a case must give. `drift` and `errors` are complete."""

    money: Money | str = NOT_METERED
    health: Health = Health.OK
    windows: dict[str, str | None] = field(default_factory=lambda: dict(MAIN))
    windows_read: bool = True
    drift: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    resets: dict[str, datetime | None] = field(default_factory=dict)
    subscription: dict[str, object] | None = None
    subscription_read: bool = True
    org: str | None = ORG
    account: str | None = ACCOUNT
    detail: str | None = None
    now: datetime = NOW
    team: bool = False
    paths: tuple[str, ...] = ("account", "usage", "overage", "subscription")


class NotRead:
    """A route that meterbot does not read: the request is refused before a byte leaves."""


def _unread(health: Health, **rest: Any) -> Expected:
    """Nothing was read of the organization."""
    paths = rest.pop("paths", ("account", "usage"))
    return Expected(
        money=UNKNOWN,
        health=health,
        windows={},
        windows_read=False,
        subscription_read=False,
        paths=paths,
        **rest,
    )


def _no_account(health: Health, **rest: Any) -> Expected:
    return _unread(health, org=None, paths=("account",), **rest)


def _sub(**fields: object) -> Expected:
    usual: dict[str, object] = {
        "status": "active",
        "next_charge_date": date(2026, 10, 3),
        "next_charge_at": None,
        "billing_interval": "monthly",
        "ends_on": None,
        "gift": False,
        "changes_to": None,
        "paused_until": None,
    }
    return Expected(subscription={**usual, **fields})


USED_1720 = Money("17.20", "50.00", percent="34.40")
LOST_USED = Money(None, "50.00", read=False)

EXPECTED: dict[str, Expected | NotRead] = {
    "account_no_memberships": _no_account(
        Health.REFUSED,
        detail="no organization: the account is a member of none",
        errors=("no organization: the account is a member of none",),
    ),
    "account_memberships_null": _no_account(
        Health.DRIFTED,
        account=None,
        detail="the account has changed its form (account.memberships: expected a list, got null)",
        errors=("the account has changed its form (account.memberships: expected a list, got null)",),
        drift=("account.memberships: expected a list, got null",),
    ),
    "account_hostile_org_uuid": Expected(
        org=OTHER_ORG,
        drift=("account.memberships[0].organization.uuid: expected a UUID, got another text",),
    ),
    "account_other_identity": Expected(
        account="22222222-2222-4222-8222-222222222222",
        detail="the session belongs to another account than before: is it the right seat's?",
        errors=("account: the session belongs to another account than before: is it the right seat's?",),
        paths=("account", *("usage", "overage", "subscription") * 2),
    ),
    "account_first_401_new_key": _unread(
        Health.SESSION_EXPIRED,
        org=None,
        account=None,
        detail="the credential is not accepted: sign in again and renew it (401)",
        errors=("the credential is not accepted: sign in again and renew it (401)",),
        paths=("account",) * 4,
    ),
    "account_403_html_no_marker": _no_account(
        Health.UNREACHABLE,
        account=None,
        detail="something between meterbot and the service refused access; the cause is unclear (403)",
        errors=("something between meterbot and the service refused access; the cause is unclear (403)",),
    ),
    "account_302_login": _no_account(
        Health.SESSION_EXPIRED,
        account=None,
        detail="the session is not accepted: sign in again (302)",
        errors=("the session is not accepted: sign in again (302)",),
    ),
    "orgs_object_instead_of_list": NotRead(),
    "bootstrap_account_null": NotRead(),
    "usage_normal_34_percent": Expected(USED_1720),
    "usage_half_percent": Expected(
        Money("0.50", "100.00", percent="0.50"), windows={"five_hour": "0.5", "seven_day": "1.0"}
    ),
    "usage_spend_limit_reached_below_cap": Expected(
        Money(
            "5.00",
            "20.00",
            percent="25.00",
            blocked="cap",
            enabled=False,
            reason_class=ReasonClass.CAP,
        ),
        drift=("extra_usage.spend_limit_reached: true although used 5.00 is below the cap 20.00",),
    ),
    "usage_enterprise_no_flags": Expected(
        Money("41.32", "1000.00", percent="4.13", enabled=None, assumed=("currency", "scale")), windows={}
    ),
    "usage_three_decimals": Expected(
        Money("5.091", "5.000", "KWD", percent="101.82", blocked="cap", assumed=())
    ),
    "usage_spend_disagrees_with_extra": Expected(
        Money("17.20", "40.00", percent="43.00", assumed=()),
        drift=("cap: spend 40.00, extra_usage 50.00",),
    ),
    "usage_skip_spend_null_extra": NotRead(),
    "usage_fractional_minor": Expected(Money("12.345", "50.00", percent="24.69")),
    "usage_cad_october_2026": Expected(Money("12.34", "700.00", "CAD", percent="1.76", assumed=())),
    "usage_user_disabled": Expected(
        Money(
            "3.00",
            "50.00",
            percent="6.00",
            enabled=False,
            assumed=(),
            reason_class=ReasonClass.USER_OFF,
        )
    ),
    "usage_large_cap": Expected(Money("1234.56", "10000.00", percent="12.35", assumed=())),
    "usage_unknown_code_names": Expected(USED_1720),
    "usage_reset_garbage": Expected(
        windows={"five_hour": "9.0", "seven_day": "10.0"},
        resets={"five_hour": None, "seven_day": None},
        drift=(
            "five_hour.resets_at: expected a time, got another text",
            "seven_day.resets_at: expected a time, got a number far from any",
        ),
    ),
    "usage_utilization_bool": Expected(
        health=Health.DRIFTED,
        windows={"five_hour": None, "seven_day": None},
        windows_read=False,
        drift=(
            "five_hour.utilization: expected a number, got a boolean",
            "seven_day.utilization: expected a number, got a boolean",
        ),
        detail="an answer has changed its form (five_hour.utilization: expected a number, got a boolean)",
    ),
    "usage_utilization_string": Expected(
        health=Health.DRIFTED,
        windows={"five_hour": "12.0", "seven_day": None},
        windows_read=False,
        drift=(
            "five_hour.utilization: expected a number, got a string",
            "seven_day.utilization: expected a number, got a string",
        ),
        detail="an answer has changed its form (seven_day.utilization: expected a number, got a string)",
    ),
    "usage_scope_plain_string": Expected(windows={**MAIN, "seven_day_opus": "7"}),
    "usage_all_null_valid": Expected(windows={}),
    "usage_sections_wrong_type": Expected(
        USED_1720,
        health=Health.DRIFTED,
        windows={"five_hour": "12.0"},
        windows_read=False,
        drift=(
            "seven_day: expected an object, got a list",
            "limits: expected a list, got an object",
            "spend: expected an object, got a number",
        ),
        detail="an answer has changed its form (seven_day: expected an object, got a list)",
    ),
    "usage_renamed_everything": Expected(
        UNKNOWN,
        Health.DRIFTED,
        windows={},
        windows_read=False,
        drift=("usage: expected its fields, got none of them",),
        errors=("extra usage: nothing that was read says how much was used",),
        detail="an answer has changed its form (usage: expected its fields, got none of them)",
    ),
    "usage_empty_object": Expected(
        UNKNOWN,
        Health.DRIFTED,
        windows={},
        windows_read=False,
        drift=("usage: expected its fields, got none of them",),
        errors=("extra usage: nothing that was read says how much was used",),
        detail="an answer has changed its form (usage: expected its fields, got none of them)",
    ),
    "usage_null": Expected(
        UNKNOWN,
        Health.DRIFTED,
        windows={},
        windows_read=False,
        drift=("usage: expected an object, got null",),
        errors=("extra usage: nothing that was read says how much was used",),
        detail="an answer has changed its form (usage: expected an object, got null)",
    ),
    "usage_list": Expected(
        UNKNOWN,
        Health.DRIFTED,
        windows={},
        windows_read=False,
        drift=("usage: expected an object, got a list",),
        errors=("extra usage: nothing that was read says how much was used",),
        detail="an answer has changed its form (usage: expected an object, got a list)",
    ),
    "usage_truncated": _unread(
        Health.UNREACHABLE, detail="the answer is not JSON", errors=("usage: the answer is not JSON",)
    ),
    "usage_duplicate_keys": Expected(
        LOST_USED,
        health=Health.DRIFTED,
        windows={},
        drift=("extra_usage.used_credits: expected a number, got two values",),
        detail="an answer has changed its form (extra_usage.used_credits: expected a number, got two values)",
    ),
    "usage_bom_and_latin1": Expected(windows={"five_hour": "12.0"}),
    "usage_200_error_envelope": _unread(
        Health.UNREACHABLE,
        detail="the service is failing for now (an error in an answer of status 200)",
        errors=("usage: the service is failing for now (an error in an answer of status 200)",),
    ),
    "usage_401_api_only_org": _unread(
        Health.REFUSED,
        org=None,
        detail="no organization of this account can be read (API only?)",
        errors=(
            f"organization {ORG}: not readable with this session, left out",
            "no organization of this account can be read (API only?)",
        ),
    ),
    "usage_400_bad_uuid": _unread(
        Health.REFUSED,
        detail="the request was called invalid: is the organization's id right? (400)",
        errors=("usage: the request was called invalid: is the organization's id right? (400)",),
    ),
    "usage_404_wrong_org": _unread(
        Health.REFUSED,
        detail="not found (404), although the account names the organization",
        errors=("usage: not found (404)",),
    ),
    "usage_529": _unread(
        Health.UNREACHABLE,
        detail="the service is failing for now (529)",
        errors=("usage: the service is failing for now (529)",),
    ),
    "overage_cap_hit_captured": Expected(
        Money(
            "62.30",
            "60.00",
            "CAD",
            percent="103.83",
            blocked="cap",
            until=datetime(2026, 5, 1, tzinfo=UTC),
            reason_class=ReasonClass.CAP,
        )
    ),
    "overage_blocked_at_cap": Expected(
        Money("50.00", "50.00", percent="100.00", blocked="cap", until=datetime(2026, 5, 1, tzinfo=UTC))
    ),
    "overage_disabled_until_past": Expected(
        Money("1.00", "50.00", percent="2.00"), now=datetime(2026, 5, 2, tzinfo=UTC)
    ),
    "overage_disabled_all_null": Expected(),
    "overage_disabled_out_of_credits_reason": Expected(
        Money(
            "25.24",
            "50.00",
            percent="50.48",
            blocked="balance",
            enabled=False,
            reason_class=ReasonClass.BALANCE,
        )
    ),
    "overage_unknown_reason": Expected(
        Money(
            "17.20",
            "50.00",
            percent="34.40",
            reason="lunar_eclipse_hold",
            reason_class=ReasonClass.UNKNOWN,
        )
    ),
    "overage_fetch_error_reason": Expected(
        Money(
            None,
            None,
            enabled=False,
            read=False,
            assumed=(),
            reason_class=ReasonClass.UNKNOWN,
        ),
        errors=("extra usage: nothing that was read says how much was used",),
    ),
    "overage_404": Expected(),
    "overage_403_billing": Expected(
        UNKNOWN,
        errors=("overage: access denied (403)", "extra usage: nothing that was read says how much was used"),
    ),
    "overage_cap_zero_used_positive": Expected(Money("1.50", "0.00", blocked="cap")),
    "overage_cap_null": Expected(Money("4.20", None)),
    "overage_lower_case_currency": Expected(Money("17.20", "50.00", "EUR", percent="34.40")),
    "overage_used_digit_string": Expected(
        USED_1720, drift=("overage.used_credits: expected a number, got a string",)
    ),
    "overage_negative": Expected(
        LOST_USED,
        health=Health.DRIFTED,
        drift=("overage.used_credits: expected a number, got a negative one",),
        detail="an answer has changed its form (overage.used_credits: expected a number, got a negative one)",
    ),
    "overage_huge": Expected(
        LOST_USED,
        health=Health.DRIFTED,
        drift=("overage.used_credits: expected a number, got an absurdly large one",),
        detail="an answer has changed its form "
        "(overage.used_credits: expected a number, got an absurdly large one)",
    ),
    "overage_int_enabled": Expected(
        Money("17.20", "50.00", percent="34.40", enabled=None),
        drift=(
            "overage.is_enabled: expected true or false, got a number",
            "overage.out_of_credits: expected true or false, got a string",
        ),
    ),
    "overage_nan": Expected(
        LOST_USED,
        health=Health.DRIFTED,
        drift=("overage.used_credits: expected a number, got NaN",),
        detail="an answer has changed its form (overage.used_credits: expected a number, got NaN)",
    ),
    "overage_list": Expected(
        UNKNOWN,
        health=Health.DRIFTED,
        drift=("overage: expected an object, got a list",),
        detail="an answer has changed its form (overage: expected an object, got a list)",
    ),
    "overage_renamed_limit": Expected(
        USED_1720, drift=("overage.monthly_limit: taken for monthly_credit_limit",)
    ),
    "overage_renamed_used": Expected(
        LOST_USED,
        health=Health.DRIFTED,
        drift=("overage.used_credits: expected a number, got nothing",),
        detail="an answer has changed its form (overage.used_credits: expected a number, got nothing)",
    ),
    "overage_legacy_cents": Expected(
        Money("7.50", "25.00", percent="30.00", enabled=None, assumed=()),
        drift=("overage: amounts in old fields (…_cents), of low trust",),
    ),
    "overage_member_row": Expected(Money("6.99", "100.00", percent="6.99"), team=True),
    "overage_org_row_on_team_org": Expected(
        UNKNOWN,
        team=True,
        drift=("overage: the whole organization's row, not counted for the seat",),
        errors=("extra usage: nothing that was read says how much was used",),
    ),
    "overage_pre_discount": Expected(
        Money("52.00", "50.00", percent="104.00", comparable=False),
        team=True,
        drift=("overage.used_credits: before a discount, not comparable with the cap",),
    ),
    "overage_html_challenge_mid_poll": Expected(
        UNKNOWN,
        health=Health.CHALLENGED,
        subscription_read=False,
        errors=(
            "overage: the server answered with a browser check instead of the numbers (403)",
            "extra usage: nothing that was read says how much was used",
        ),
        detail="the server answered with a browser check instead of the numbers (403)",
        paths=("account", "usage", "overage"),
    ),
    "overage_list_page": NotRead(),
    "sub_active": _sub(),
    "sub_next_charge_at": _sub(next_charge_at=datetime(2026, 10, 3, 22, 14, 9, tzinfo=UTC)),
    "sub_pending_cancel": _sub(next_charge_date=None, ends_on=date(2026, 10, 3)),
    "sub_ending_later_than_charge": _sub(ends_on=date(2027, 3, 3)),
    "sub_cancel_no_next_charge": _sub(next_charge_date=None, ends_on=date(2026, 10, 3)),
    "sub_gift": _sub(next_charge_date=None, ends_on=date(2026, 12, 24), gift=True),
    "sub_downgrade": _sub(changes_to="claude_pro"),
    "sub_paused_epoch": _sub(paused_until=date(2026, 11, 1)),
    "sub_interval_missing": _sub(billing_interval=None),
    "sub_403": Expected(subscription_read=False, errors=("subscription: access denied (403)",)),
    "sub_far_date": Expected(
        subscription={"status": "active", "next_charge_date": None},
        subscription_read=False,
        drift=("subscription.next_charge_date: expected a day, got another text",),
    ),
    "sub_next_charge_null": _sub(next_charge_date=None),
    "sub_list": Expected(subscription_read=False, drift=("subscription: expected an object, got a list",)),
}

BALANCES: dict[str, tuple[Balance | None, tuple[str, ...]]] = {
    "prepaid_normal": (Balance(Amount(Decimal(10000), "USD", 2), auto_reload=False), ()),
    "prepaid_cad": (Balance(Amount(Decimal(39947), "CAD", 2), auto_reload=False), ()),
    "prepaid_small": (Balance(Amount(Decimal(1290), "USD", 2), auto_reload=False), ()),
    "prepaid_never_bought": (None, ()),
    "prepaid_auto_reload": (Balance(Amount(Decimal(500), "USD", 2), auto_reload=True), ()),
    "prepaid_bool": (None, ("credits.amount: expected a number, got a boolean",)),
    "prepaid_missing_amount": (None, ()),
    "prepaid_404": (None, ()),
}
"""The balance that a `/prepaid/credits` case gives, and the drift it brings."""


def _path(case: dict[str, Any]) -> str:
    path: str = case["endpoint"].removeprefix("GET claude.ai")
    return path.replace("{org}", ORG).replace("{account}", ACCOUNT)


READ = [case for case in CASES if isinstance(EXPECTED.get(case["name"]), Expected)]
REFUSED = [case for case in CASES if isinstance(EXPECTED.get(case["name"]), NotRead)]


def test_no_case_is_left_without_an_expectation() -> None:
    assert {case["name"] for case in CASES} == {*EXPECTED, *BALANCES}


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: str(case["name"]))
async def test_a_route_that_is_not_read_never_leaves(case: dict[str, Any]) -> None:
    async with serving() as served:
        with pytest.raises(ForbiddenRequestError):
            await served.transport.get(served.server.url, _path(case), {})
        assert not served.server.requests


@pytest.mark.parametrize("case", READ, ids=lambda case: str(case["name"]))
async def test_a_recorded_answer_is_read_as_expected(case: dict[str, Any]) -> None:
    expected = EXPECTED[case["name"]]
    assert isinstance(expected, Expected)
    organization = SimulatedOrganization(
        ORG, capabilities=["raven", "chat"] if expected.team else ["claude_max"]
    )
    async with serving(organization, expected_account=ACCOUNT) as served:
        _script(served, case)
        snapshots = await served.read(expected.now)
    for snapshot in snapshots:
        _check_rest(snapshot, expected)
        _check_money(snapshot, expected)
        _check_windows(snapshot, expected)
        _check_subscription(snapshot, expected)
    assert snapshots[0].org_uuid == expected.org
    assert [path for path in served.paths() if path != "credits"] == [*expected.paths]
    rows = [request.path for request in served.server.requests if request.route == "overage"]
    if not case["endpoint"].endswith("/account"):
        assert all(("account_uuid=" in path) is expected.team for path in rows)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["name"] in BALANCES], ids=lambda case: case["name"]
)
async def test_a_recorded_balance_is_read_as_expected(case: dict[str, Any]) -> None:
    expected, drift = BALANCES[case["name"]]
    async with serving(expected_account=ACCOUNT) as served:
        served.server.fail_always("credits", Reply(case["status"], case["body"], case["headers"]))
        snapshot = await served.read_one()
    assert snapshot.extra_usage is not None
    assert (snapshot.extra_usage.balance, snapshot.drift) == (expected, drift)
    assert (snapshot.health, snapshot.errors) == (Health.OK, ())


def _script(served: Served, case: dict[str, Any]) -> None:
    server = served.server
    for route, reply in (
        ("usage", Reply(body=SOME_USAGE)),
        ("overage", not_found()),
        ("subscription", not_found()),
    ):
        server.fail_always(route, reply)
    part = case["endpoint"].partition("?")[0].rpartition("/")[2]
    headers = [
        (name, value)
        for name, values in case["headers"].items()
        for value in (values if isinstance(values, list) else [values])
    ]
    server.fail_always(ROUTES.get(part, "account"), Reply(case["status"], case["body"], headers))
    if part == "account" and case["status"] == 200:
        # The simulator guards its routes by what it knows of the account, so it must know this one.
        served.account.organizations.append(SimulatedOrganization(OTHER_ORG))


def _check_rest(snapshot: Snapshot, expected: Expected) -> None:
    assert snapshot.drift == expected.drift
    assert snapshot.errors == expected.errors
    assert snapshot.detail == expected.detail
    assert snapshot.health is expected.health
    assert snapshot.account_uuid == expected.account
    assert snapshot.fetched_at == expected.now
    assert "visa" not in repr(snapshot), "nothing of the card is kept"


def _check_money(snapshot: Snapshot, expected: Expected) -> None:
    extra, money = snapshot.extra_usage, expected.money
    if not isinstance(money, Money):
        assert extra is None
        assert snapshot.extra_usage_read is (money == NOT_METERED)
        return
    assert extra is not None
    assert (extra.used and plain(extra.used)) == money.used
    assert (extra.cap and plain(extra.cap)) == money.cap
    assert extra.currency == money.currency
    assert extra.assumed == money.assumed
    assert extra.enabled is money.enabled
    assert extra.reason_class is money.reason_class
    assert money.reason in {None, extra.reason}
    assert extra.comparable is money.comparable
    assert snapshot.extra_usage_read is money.read
    share = percent(extra.used, extra.cap) if extra.used and extra.cap else None
    assert share == money.percent or (share is not None and str(rounded(share, 2)) == money.percent)
    block = block_of(extra, snapshot.windows, expected.now)
    assert (block and block.reason) == money.blocked
    assert (block and block.until) == money.until


def _check_windows(snapshot: Snapshot, expected: Expected) -> None:
    assert snapshot.windows_read is expected.windows_read
    assert {window.name: window.utilization for window in snapshot.windows} == {
        name: None if value is None else Decimal(value) for name, value in expected.windows.items()
    }
    resets = {window.name: window.resets_at for window in snapshot.windows}
    for name, moment in expected.resets.items():
        assert resets[name] == moment


def _check_subscription(snapshot: Snapshot, expected: Expected) -> None:
    assert snapshot.subscription_read is expected.subscription_read
    if expected.subscription is None:
        assert snapshot.subscription is None
        return
    for name, value in expected.subscription.items():
        assert getattr(snapshot.subscription, name) == value
