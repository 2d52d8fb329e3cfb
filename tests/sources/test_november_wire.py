"""The answers of November 2026: the bodies in tests/data/cases, and others of their kinds."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from meterbot.core.models import Balance, Health, Seat, Snapshot
from meterbot.core.money import Money
from meterbot.core.org_spend import OrgSpend
from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from meterbot.rules.blocked import block_of
from meterbot.sources.claude_login import Login
from meterbot.sources.pushed import snapshots_of
from tests.simulator.server import Reply, error, not_found
from tests.sources import signed_in as oauth
from tests.sources.administered import administering
from tests.sources.served import ACCOUNT, ORG, SOME_USAGE, read_bodies, serving
from tests.wire.played import NOON as NOW
from tests.wire.played import case


def pushed(usage: object, *, plan: str | None = None, **more: object) -> Snapshot:
    document = {
        "org_uuid": ORG,
        "account_uuid": ACCOUNT,
        "fetched_at": NOW.isoformat(),
        "usage": usage,
        **more,
    }
    (snapshot,) = snapshots_of(Seat("ana", "push", plan=plan), json.dumps(document).encode(), NOW)
    return snapshot


async def by_cookie(usage: object, overage: object = None, *, team: bool = False) -> Snapshot:
    return await read_bodies(usage, overage, now=NOW, team=team)


async def by_token(usage: object, **profile: object) -> Snapshot:
    async with oauth.signed_in(Login(oauth.TOKEN)) as seat:
        seat.server.fail_always("usage", Reply(body=usage))
        if profile:
            organization = {"uuid": ORG, "name": "Team Co", **profile}
            body = {"account": {"uuid": ACCOUNT, "email": "a@planted.example"}, "organization": organization}
            seat.server.fail_always("profile", Reply(body=body))
        return await seat.read(NOW)


async def from_every_source(usage: Mapping[str, object]) -> list[Snapshot]:
    return [pushed(usage), await by_cookie(usage), await by_token(usage)]


def full(snapshot: Snapshot) -> dict[str, str]:
    return {window.name: str(window.utilization) for window in snapshot.windows}


def usd(minor: int) -> Money:
    return Money(Decimal(minor), "USD", 2)


# --- scoped windows


async def test_each_surface_is_a_window_of_its_own() -> None:
    for snapshot in await from_every_source(case("limits_surface_object")["usage"]):
        assert full(snapshot) == {
            "five_hour": "30.0",
            "seven_day": "40.0",
            "seven_day_claude_design": "20",
            "seven_day_cowork": "100",
        }
        assert snapshot.health is Health.OK
        assert not any("limits" in note for note in snapshot.drift)


async def test_windows_of_single_models_are_read_without_limits() -> None:
    for snapshot in await from_every_source(
        case("get_usage_model_scoped_only")["get_usage_reply"]["rate_limits"]
    ):
        assert full(snapshot) == {"five_hour": "30", "seven_day": "40", "seven_day_fable": "100"}
        assert snapshot.health is Health.OK


def scoped(percent: int, model: object = None, surface: object = None) -> dict[str, object]:
    return {
        "kind": "weekly_scoped",
        "percent": percent,
        "resets_at": None,
        "scope": {"model": model, "surface": surface},
    }


@pytest.mark.parametrize(
    ("limits", "names"),
    [
        ([scoped(1, {"id": None, "display_name": "Opus"}), scoped(2, None, "cowork")], ["opus", "cowork"]),
        (
            [scoped(1, None, {"display_name": "Cowork"}), scoped(2, None, {"id": "design"})],
            ["cowork", "design"],
        ),
        (
            [scoped(1, "Opus", {"display_name": "Cowork"}), scoped(2, "Opus", {"display_name": "Design"})],
            ["opus", "opus_design"],
        ),
        ([scoped(1, {"display_name": ""}, {"display_name": None}), scoped(2, 7, ["x"])], ["scoped"]),
        ([scoped(1, None, {"display_name": "Claude  Design\u0000!"})], ["claude_design"]),
    ],
)
def test_models_and_surfaces_name_their_windows(limits: list[object], names: list[str]) -> None:
    snapshot = pushed({**SOME_USAGE, "limits": limits})
    assert [
        name.removeprefix("seven_day_") for name in full(snapshot) if name.startswith("seven_day_")
    ] == names


@pytest.mark.parametrize(
    ("stated", "windows"),
    [
        ([], {}),
        ({"Fable": 3}, {}),
        ([None, 7, {"utilization": 3}, {"display_name": "Fable"}], {"seven_day_fable": "None"}),
        ([{"display_name": "Fable", "utilization": "12"}], {"seven_day_fable": "12"}),
        (
            [{"display_name": "Opus", "utilization": 3}, {"display_name": "Opus", "utilization": 4}],
            {"seven_day_opus": "3"},
        ),
    ],
)
def test_broken_model_windows_cost_the_others_nothing(stated: object, windows: dict[str, str]) -> None:
    snapshot = pushed({**SOME_USAGE, "model_scoped": stated})
    assert full(snapshot) == {"five_hour": "12.0", "seven_day": "41.0", **windows}
    assert snapshot.windows_read


async def test_a_reset_that_has_passed_is_read_as_it_is() -> None:
    for snapshot in await from_every_source(case("window_full_reset_in_the_past")["usage"]):
        week = snapshot.windows[1]
        assert (week.full, week.resets_at) == (True, NOW - timedelta(hours=2))
        assert snapshot.health is Health.OK


# --- Enterprise


async def test_hidden_dollars_of_an_enterprise_are_unknown_and_not_unmetered() -> None:
    given = case("enterprise_null_dollars")
    profile = {key: value for key, value in given["profile"].items() if key != "has_extra_usage_enabled"}
    for snapshot in (
        await by_token(given["usage"], **given["profile"]),
        await by_token(given["usage"], **profile),
        pushed(given["usage"], plan="enterprise"),
    ):
        assert (snapshot.extra_usage, snapshot.extra_usage_read, snapshot.health) == (None, False, Health.OK)
        assert any(error.startswith("extra usage: ") for error in snapshot.errors)
        assert snapshot.windows_read


@pytest.mark.parametrize(
    ("changed", "read"),
    [
        ({}, False),
        ({"is_enabled": None}, False),
        ({"user_disabled": True}, True),
        ({"disabled_reason": "overage_not_provisioned"}, True),
        ({"used_credits": 0, "monthly_limit": 5000, "is_enabled": True}, True),
    ],
)
def test_what_an_enterprise_does_state_counts(changed: dict[str, object], *, read: bool) -> None:
    extra = {**case("enterprise_null_dollars")["usage"]["extra_usage"], **changed}
    assert pushed({**SOME_USAGE, "extra_usage": extra}, plan="enterprise").extra_usage_read is read


@pytest.mark.parametrize("plan", [None, "max_20x", "team"])
def test_elsewhere_the_same_body_says_that_nothing_was_ever_set_up(plan: str | None) -> None:
    snapshot = pushed(case("enterprise_null_dollars")["usage"], plan=plan)
    assert (snapshot.extra_usage, snapshot.extra_usage_read) == (None, True)


# --- Team


def test_a_member_over_the_own_limit_is_blocked_by_a_cap() -> None:
    snapshot = pushed(case("team_member_blocked_remedy")["usage"], plan="team")
    block = block_of(snapshot.extra_usage, snapshot.windows, NOW)
    assert block is not None
    assert (block.reason, block.hard) == ("cap", True)


def totals(**changed: object) -> dict[str, object]:
    """The organization's total, as if it were the member's."""
    extra = {
        "is_enabled": True, "monthly_limit": 100_000, "used_credits": 100_100, "currency": "USD", "decimal_places": 2,
        "spend_limit_reached": True,
    }  # fmt: skip
    return {**SOME_USAGE, "extra_usage": {**extra, **changed}}


def member(**changed: object) -> dict[str, object]:
    row = {
        "organization_uuid": ORG, "account_uuid": ACCOUNT, "limit_type": "member", "is_enabled": True,
        "monthly_credit_limit": 5000, "used_credits": 1200, "currency": "USD", "out_of_credits": False,
        "disabled_reason": None,
    }  # fmt: skip
    return {**row, **changed}


@pytest.mark.parametrize(
    ("row", "used", "cap", "blocked"),
    [
        (member(), 1200, usd(5000), False),
        (member(used_credits=5001), 5001, usd(5000), True),
        (member(used_credits=0), 0, usd(5000), False),
        (member(monthly_credit_limit=None), 1200, None, False),
        (member(disabled_reason="out_of_credits", is_enabled=False), 1200, usd(5000), True),
    ],
)
async def test_the_members_own_row_wins_over_the_organizations_total(
    row: dict[str, object], used: int, cap: Money | None, *, blocked: bool
) -> None:
    extra = (await by_cookie(totals(), row, team=True)).extra_usage
    assert extra is not None
    assert (extra.used, extra.cap) == (usd(used), cap)
    assert (block_of(extra, (), NOW) is not None) is blocked
    assert extra.cap_known is (cap is not None), "a member's null cap is not taken for no cap here"


@pytest.mark.parametrize(
    "row",
    [error(500, "api_error"), member(used_credits="much"), not_found()],
    ids=["fails", "unreadable", "gone"],
)
async def test_without_its_row_a_member_never_gets_the_organizations_total(row: object) -> None:
    organization = SimulatedOrganization(ORG)
    organization.capabilities = ["raven", "chat"]
    async with serving(organization) as served:
        served.server.fail_always("usage", Reply(body=totals()))
        served.server.fail_always("overage", Reply(body=member()))
        first = await served.read_one(NOW)
        assert first.extra_usage is not None
        assert first.extra_usage.used == usd(1200)
        served.server.fail_always("overage", row if isinstance(row, Reply) else Reply(body=row))
        second = await served.read_one(NOW + timedelta(minutes=1))
    assert not second.extra_usage_read
    assert second.extra_usage is None or second.extra_usage.used is None


async def test_money_spent_between_two_requests_makes_usage_a_total_only_until_they_agree() -> None:
    """A null cap is no cap again, and `/usage` counts when the row fails."""
    organization = SimulatedOrganization(ORG)
    organization.capabilities = ["raven", "chat"]
    read = []
    async with serving(organization) as served:
        for minute, (usage, row) in enumerate([(2600, 2603), (2700, 2700), (2800, None)]):
            body = totals(used_credits=usage, monthly_limit=None, spend_limit_reached=False)
            said = member(used_credits=row, monthly_credit_limit=None)
            failed = error(500, "api_error")
            served.server.fail_always("usage", Reply(body=body))
            served.server.fail_always("overage", failed if row is None else Reply(body=said))
            read.append(await served.read_one(NOW + timedelta(minutes=minute)))
    assert [one.usage_is_total for one in read] == [True, False, None]
    assert [one.extra_usage and one.extra_usage.used for one in read] == [usd(2603), usd(2700), usd(2800)]
    assert [one.extra_usage and one.extra_usage.cap_known for one in read] == [False, True, True]


async def test_a_total_of_nothing_does_not_make_usage_the_members_own() -> None:
    organization = SimulatedOrganization(ORG)
    organization.capabilities = ["raven", "chat"]
    async with serving(organization) as served:
        for used in (100_100, 0):
            served.server.fail_always("usage", Reply(body=totals(used_credits=used, monthly_limit=5000)))
            served.server.fail_always("overage", Reply(body=member(used_credits=0)))
            await served.read_one(NOW)
        served.server.fail_always("usage", Reply(body=totals()))
        served.server.fail_always("overage", error(500, "api_error"))
        last = await served.read_one(NOW + timedelta(minutes=1))
    assert last.extra_usage is None or last.extra_usage.used is None


async def test_a_personal_organization_keeps_the_order_of_trust() -> None:
    extra = (await by_cookie(totals(), member(), team=False)).extra_usage
    assert extra is not None
    assert extra.used == usd(100_100)


async def test_a_member_whose_bodies_agree_keeps_the_cap_of_usage() -> None:
    usage = totals(used_credits=1200, monthly_limit=4000, spend_limit_reached=False)
    extra = (await by_cookie(usage, member(), team=True)).extra_usage
    assert extra is not None
    assert extra.cap == usd(4000)


# --- amounts


@pytest.mark.parametrize("amount", [None, True, "much", -3, [1]])
def test_an_unreadable_amount_still_states_its_currency_and_scale(amount: object) -> None:
    spend = {
        "used": {"amount_minor": amount, "currency": "JPY", "exponent": 0},
        "limit": {"amount_minor": 20000},
    }
    extra = {"is_enabled": True, "monthly_limit": 20000, "used_credits": 18608}
    snapshot = pushed({**SOME_USAGE, "spend": spend, "extra_usage": extra})
    assert snapshot.extra_usage is not None
    assert snapshot.extra_usage.used == Money(Decimal(18608), "JPY", 0)
    assert snapshot.extra_usage.cap == Money(Decimal(20000), "JPY", 0)
    assert snapshot.extra_usage.assumed == ()


def test_an_unreadable_amount_with_a_new_cap_is_no_reading_of_the_amount() -> None:
    extra = {"is_enabled": True, "monthly_limit": 200, "used_credits": True, "currency": "USD"}
    snapshot = pushed({**SOME_USAGE, "extra_usage": extra})
    assert (snapshot.extra_usage_read, snapshot.health) == (False, Health.DRIFTED)
    assert snapshot.extra_usage is not None
    assert (snapshot.extra_usage.used, snapshot.extra_usage.cap) == (None, usd(200))


@pytest.mark.parametrize(
    ("balance", "expected"),
    [
        ({"amount_minor": 1290, "currency": "USD", "exponent": 2}, usd(1290)),
        ({"amount_minor": 0, "currency": "JPY", "exponent": 0}, Money(Decimal(0), "JPY", 0)),
        ({"amount_minor": 5, "currency": None}, None),
        ({"amount_minor": -1, "currency": "USD"}, None),
        (None, None),
        ("12.90", None),
    ],
)
def test_the_prepaid_balance_is_read_where_its_unit_is_stated(
    balance: object, expected: Money | None
) -> None:
    spend = {
        "used": {"amount_minor": 700, "currency": "USD", "exponent": 2},
        "limit": None,
        "balance": balance,
    }
    snapshot = pushed({**SOME_USAGE, "spend": spend})
    assert snapshot.extra_usage is not None
    balance = snapshot.extra_usage.balance
    assert (snapshot.extra_usage.used, balance and balance.amount) == (usd(700), expected)
    assert snapshot.health is Health.OK


REFUSED = error(403, "permission_error", "Forbidden")
MONEY = {"amount_minor": 1290, "currency": "USD", "exponent": 2}


@pytest.mark.parametrize(
    ("reply", "balance", "drift", "errors"),
    [
        (Reply(body={"amount": 1290, "currency": "USD"}), Balance(usd(1290)), 0, 0),
        (Reply(body={"amount": 0, "currency": "JPY"}), Balance(Money(Decimal(0), "JPY", 0)), 0, 0),
        (Reply(body={"amount": -1, "currency": "USD"}), None, 0, 0),
        (Reply(body={"amount": -2, "currency": "USD"}), None, 1, 0),
        (Reply(body={"amount": 5, "currency": None}), None, 0, 0),
        (Reply(body={"amount": 5, "balance": {"money": MONEY}}), Balance(usd(1290)), 0, 0),
        (Reply(body={"amount": 1290, "currency": "USD", "balance": "much"}), Balance(usd(1290)), 1, 0),
        (Reply(body={"amount": 9, "currency": "USD", "auto_reload_settings": {"is_enabled": False}}),
         Balance(usd(9), auto_reload=False), 0, 0),
        (Reply(body={"amount": 9, "currency": "USD", "auto_reload_settings": {"threshold": 5}}),
         Balance(usd(9), auto_reload=True), 0, 0),
        (Reply(body={"amount": 9, "currency": "USD", "auto_reload_settings": 7}), Balance(usd(9)), 0, 0),
        (Reply(body=None), None, 0, 0),
        (Reply(body=[]), None, 1, 0),
        (Reply(body={}), None, 1, 0),
        (not_found(), None, 0, 0),
        (REFUSED, None, 0, 0),
        (error(529, "overloaded_error", "Overloaded"), None, 0, 1),
        (Reply(body="{"), None, 0, 1),
        (Reply(drop=True), None, 0, 1),
    ],
)  # fmt: skip
async def test_what_the_answer_of_the_prepaid_credits_lacks_costs_the_balance_alone(
    reply: Reply, balance: Balance | None, drift: int, errors: int
) -> None:
    async with serving() as served:
        served.server.fail_always("credits", reply)
        snapshot = await served.read_one(NOW)
    assert (snapshot.health, snapshot.extra_usage_read, snapshot.windows_read) == (Health.OK, True, True)
    assert snapshot.extra_usage is not None
    assert snapshot.extra_usage.balance == balance
    assert (len(snapshot.drift), len(snapshot.errors)) == (drift, errors)
    assert all(note.startswith("credits") for note in (*snapshot.drift, *snapshot.errors))


async def test_the_prepaid_credits_are_asked_for_only_where_usage_does_not_tell_them() -> None:
    spend = {"used": {"amount_minor": 700, "currency": "USD", "exponent": 2}, "limit": None, "balance": MONEY}
    for usage, asked in ((SOME_USAGE, False), ({**SOME_USAGE, "spend": spend}, False)):
        async with serving() as served:
            served.server.fail_always("usage", Reply(body=usage))
            served.server.fail_always("overage", not_found())
            await served.read_one(NOW)
            assert ("credits" in served.paths()) is asked


async def test_credits_of_a_shared_organization_are_marked_as_its_own() -> None:
    async with serving(
        SimulatedOrganization(ORG, capabilities=["raven", "chat"], balance=Decimal(700))
    ) as served:
        extra = (await served.read_one(NOW)).extra_usage
    assert extra is not None
    assert extra.balance == Balance(usd(700), auto_reload=False, shared=True)


@pytest.mark.parametrize(
    ("stated", "day"),
    [
        ("2027-05-01", date(2027, 5, 1)),
        ("2027-05-01T00:00:00Z", date(2027, 5, 1)),
        ("2027-05-01T23:30:00-02:00", date(2027, 5, 2)),
        (1809129600, date(2027, 5, 1)),
        (None, None),
    ],
)
async def test_a_pause_ends_on_a_day(stated: object, day: date | None) -> None:
    subscription = {"status": "active", "next_charge_date": "2027-04-15", "payment_paused_until": stated}
    snapshot = await read_bodies(SOME_USAGE, None, subscription, now=NOW)
    assert snapshot.subscription is not None
    assert snapshot.subscription.paused_until == day
    assert not [note for note in snapshot.drift if "payment_paused_until" in note]


# --- the Admin API on the first of a month

FIRST = [
    datetime(2026, 12, 1, 0, 0, 1, tzinfo=UTC),
    datetime(2026, 12, 1, 9, tzinfo=UTC),
    datetime(2026, 12, 1, 23, 59, tzinfo=UTC),
    datetime(2027, 1, 1, 12, tzinfo=UTC),
    datetime(2028, 3, 1, 12, tzinfo=UTC),
]


@pytest.mark.parametrize("now", FIRST)
async def test_on_the_first_day_the_month_before_is_read_and_everything_else_too(now: datetime) -> None:
    yesterday = now.date() - timedelta(days=1)
    async with administering() as admin:
        admin.server.charge(yesterday.replace(day=1), "100")
        admin.server.charge(yesterday, "14845")
        admin.server.charge(now.date(), "99999")
        admin.server.limit("ana@example.com", "5000", "500")
        snapshot = await admin.read(now)
        assert admin.server.asked() == ["me", "cost_report", "claude_code", "spend_limits"]
    assert (snapshot.health, snapshot.errors) == (Health.OK, ())
    spend = snapshot.org_spend
    assert spend is not None
    assert (spend.month, spend.costs) == (f"{now:%Y-%m}", None)
    assert spend.last_month is not None
    assert (spend.last_month.amounts, spend.last_month.complete) == ((usd(14945),), True)
    assert spend.limits is not None
    assert spend.estimates is not None


async def test_the_second_day_knows_the_first_one() -> None:
    async with administering() as admin:
        admin.server.charge(date(2026, 12, 1), "700")
        spend: OrgSpend = await admin.spend(datetime(2026, 12, 2, 0, 5, tzinfo=UTC))
    assert spend.costs is not None
    assert (spend.costs.amounts, spend.last_month) == ((usd(700),), None)


async def test_the_refused_range_of_the_case_is_never_asked_for() -> None:
    given = case("admin_cost_first_of_month")
    now = datetime(2026, 12, 1, 9, tzinfo=UTC)
    async with administering() as admin:
        await admin.read(now)
        (asked,) = [request for request in admin.server.requests if request.route == "cost_report"]
    assert f"starting_at={asked.query['starting_at']}" not in given["request_of_meterbot"]


@pytest.mark.parametrize(
    "other",
    [
        {"actor": {"type": "scoped_api_key", "api_key_id": "apikey_1", "name": "ci"}},
        {"actor": {"type": "api_key", "name": "ci"}},
        {"period": "weekly"},
        {"period": "daily", "amount": "nonsense"},
        {"is_enabled": False, "amount": "1"},
        {"actor": None},
    ],
)
async def test_other_limits_leave_peoples_limits_complete(other: dict[str, object]) -> None:
    async with administering() as admin:
        admin.server.limit("ana@example.com", "5000", "500")
        assert admin.server.limits is not None
        admin.server.limits.insert(0, {**admin.server.limits[0], **other})
        limits = (await admin.spend()).limits
    assert limits is not None
    assert limits.complete
    assert [(person.user, person.limit) for person in limits.people] == [("user_1", usd(5000))]


async def test_a_wrong_key_is_still_reported_on_the_first() -> None:
    async with administering() as admin:
        admin.server.fail_always("cost_report", error(401, "authentication_error"))
        snapshot = await admin.read(FIRST[1])
    assert snapshot.health is Health.REFUSED


# --- whose numbers


async def test_numbers_are_read_only_for_a_token_whose_profile_is_known() -> None:
    async with oauth.signed_in(Login(oauth.TOKEN)) as seat:
        seat.server.fail_always("profile", Reply(body={"account": None}))
        snapshot = await seat.read(NOW)
        assert seat.routes() == ["profile"]
    assert (snapshot.org_uuid, snapshot.account_uuid, snapshot.health) == (None, None, Health.DRIFTED)
