"""An organization's spend, read through the real client: what is asked for, what is made of it, and what goes wrong."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Health
from meterbot.core.money import Money, plain, totals
from meterbot.core.org_spend import OrgCosts, OrgLimits
from meterbot.sources.admin_api import MOST_PAGES, MOST_REQUESTS, days_of_month
from meterbot.sources.admin_reports import Listing, costs_of, day_of, limits_of, page_of
from meterbot.sources.fields import DriftNotes
from meterbot.sources.http_client import ForbiddenRequestError
from tests.properties import examples
from tests.simulator.admin_api import spend_limit_reached
from tests.simulator.claude_ai import challenge
from tests.simulator.server import Reply, error, not_found
from tests.sources.administered import KEY, NOW, ORG, Administered, administering
from tests.sources.bodies import json_values, numbers_in, places, sent, with_value

FIRST = date(2026, 10, 1)
DAY = timedelta(days=1)
DENIED = error(403, "permission_error", "You do not have access")


def shown(amounts: tuple[Money, ...]) -> list[str]:
    return [str(amount) for amount in amounts]


def costs(found: OrgCosts | None) -> tuple[list[str], bool]:
    assert found is not None
    return shown(found.amounts), found.complete


# --- what is asked for --------------------------------------------------------------------------------------------


async def test_the_key_goes_out_as_the_api_wants_it_and_nothing_else_does() -> None:
    async with administering() as admin:
        await admin.read()
        for request in admin.server.requests:
            assert request.headers["x-api-key"] == KEY
            assert request.headers["anthropic-version"] == "2023-06-01"


async def test_the_month_is_asked_for_in_whole_and_each_day_on_its_own() -> None:
    async with administering() as admin:
        await admin.read()
        queries = [dict(request.query) for request in admin.server.requests[1:]]
    assert queries == [
        {
            "starting_at": "2026-10-01T00:00:00Z",
            "ending_at": "2026-10-02T00:00:00Z",
            "bucket_width": "1d",
            "limit": "31",
        },
        {"starting_at": "2026-10-02", "limit": "1000"},
        {"starting_at": "2026-10-01", "limit": "1000"},
        {"limit": "100"},
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/organizations/cost_report",
        "/v1/organizations/me?x=1",
        "/v1/organizations/users",
        "/v1/organizations/api_keys",
        "/v1/organizations/cost_report?starting_at=2026-10-01T00:00:00Z&bucket_width=1d&limit=31&page=",
        "/v1/organizations/cost_report?starting_at=2026-10-01T00:00:00Z&bucket_width=1d&limit=31&page=a/../b",
        "/v1/organizations/cost_report?starting_at=2026-10-01T00:00:00Z&bucket_width=1d&limit=31&page=a&x=1",
        "/v1/organizations/usage_report/claude_code?starting_at=2026-10-01&limit=1000&page=a%0d",
        "/v1/organizations/usage_report/messages?starting_at=2026-10-01&limit=1000",
        "/v1/organizations/spend_limits/effective",
        "/v1/organizations/spend_limits",
        "/v1/organizations/spend_limits/effective?limit=100&user_ids%5B%5D=x",
    ],
)
async def test_no_other_form_of_a_request_leaves(path: str) -> None:
    async with administering() as admin:
        with pytest.raises(ForbiddenRequestError):
            await admin.transport.get(admin.server.url, path, {})
        assert not admin.server.requests


async def test_days_that_cannot_change_any_more_are_asked_for_once() -> None:
    async with administering() as admin:

        async def days(now: datetime) -> list[str]:
            before = len(admin.server.requests)
            await admin.read(now)
            asked = admin.server.requests[before:]
            return [r.query["starting_at"][-2:] for r in asked if r.route == "claude_code"]

        noon = datetime(2026, 10, 5, 12, tzinfo=UTC)
        assert await days(noon) == ["05", "04", "03", "02", "01"]
        assert await days(noon + timedelta(minutes=15)) == ["05", "04"]
        assert await days(noon + DAY) == ["06", "05", "04"], (
            "the fourth was not over for a day when it was read last"
        )
        assert await days(noon + DAY) == ["06", "05"]
        assert await days(datetime(2026, 11, 1, tzinfo=UTC)) == ["01"], "another month starts again"


async def test_a_past_day_that_could_not_be_read_in_full_is_asked_for_again() -> None:
    async with administering() as admin:
        noon = datetime(2026, 10, 3, 12, tzinfo=UTC)
        fine = Reply(body={"data": [], "has_more": False, "next_page": None})
        admin.server.fail("claude_code", fine, fine, Reply(body={"data": [None], "has_more": False}))
        spend = await admin.spend(noon)
        assert spend.estimates is not None
        assert not spend.estimates.complete
        again = (await admin.spend(noon)).estimates
        assert again is not None
        assert again.complete
        assert admin.server.asked().count("claude_code") == 6


async def test_a_reading_is_a_bounded_number_of_requests_and_the_next_goes_on() -> None:
    end = datetime(2026, 10, 31, 23, tzinfo=UTC)
    async with administering(page_size=1) as admin:
        for day in days_of_month(end):
            for person in ("a@example.com", "b@example.com", "c@example.com"):
                admin.server.use(day, person, 100)
        spend = await admin.spend(end)
        assert spend.estimates is not None
        assert not spend.estimates.complete
        assert len(admin.server.requests) <= MOST_REQUESTS + 2 * MOST_PAGES
        for _ in range(3):
            spend = await admin.spend(end)
        assert spend.estimates is not None
        assert (shown(spend.estimates.amounts), spend.estimates.complete) == (["$93.00"], True)


async def test_the_organization_is_asked_for_once() -> None:
    async with administering() as admin:
        await admin.read()
        await admin.read(NOW + timedelta(minutes=15))
        assert admin.server.asked().count("me") == 1


# --- sums ---------------------------------------------------------------------------------------------------------

_CENTS = st.decimals(0, 10**9, allow_nan=False, allow_infinity=False, places=4).map(
    lambda value: f"{value:f}"
)


@examples(25)
@given(st.dictionaries(st.integers(1, 30), st.lists(_CENTS, max_size=4), max_size=30), st.integers(1, 31))
def test_the_sum_is_exact_over_any_number_of_days_and_pages(
    days: dict[int, list[str]], page_size: int
) -> None:
    async def read() -> tuple[OrgCosts | None, int]:
        async with administering(page_size=page_size) as admin:
            for day, charged in days.items():
                admin.server.costs[date(2026, 10, day)] = []
                for cents in charged:
                    admin.server.charge(date(2026, 10, day), cents)
            admin.server.use(FIRST, "dev@example.com", 77)
            spend = await admin.spend(datetime(2026, 10, 31, 12, tzinfo=UTC))
            assert spend.estimates is not None
            assert shown(spend.estimates.amounts) == ["$0.77"], "what is charged is in no estimate"
            return spend.costs, admin.server.asked().count("cost_report")

    found, pages = asyncio.run(read())
    assert found is not None
    wanted = -(-len(days) // page_size)
    assert pages == min(max(wanted, 1), MOST_PAGES)
    assert found.complete is (wanted <= MOST_PAGES)
    if found.complete:
        (total,) = found.amounts
        assert total.minor == sum(
            (Decimal(cents) for charged in days.values() for cents in charged), Decimal(0)
        )


async def test_currencies_have_a_sum_each_in_their_own_minor_units() -> None:
    async with administering() as admin:
        admin.server.charge(FIRST, "12345.00")
        admin.server.charge(FIRST, "0.5")
        admin.server.charge(FIRST, "1200", "jpy")
        spend = await admin.spend()
        assert spend.costs is not None
        assert [(plain(one), one.currency) for one in spend.costs.amounts] == [
            ("1200", "JPY"),
            ("123.455", "USD"),
        ]


async def test_a_month_without_costs_is_zero_and_one_that_could_not_be_read_is_not() -> None:
    async with administering() as admin:
        assert costs((await admin.spend()).costs) == (["$0.00"], True)
        admin.server.fail("cost_report", Reply(body={"data": "soon", "has_more": False}))
        assert costs((await admin.spend()).costs) == ([], False)


async def test_days_of_another_month_do_not_count() -> None:
    async with administering() as admin:
        buckets = [
            {"starting_at": f"{day}T00:00:00Z", "results": [{"amount": cents, "currency": "USD"}]}
            for day, cents in (("2026-10-01", "100"), ("2026-11-01", "999"))
        ]
        admin.server.fail("cost_report", Reply(body={"data": buckets, "has_more": False, "next_page": None}))
        snapshot = await admin.read()
    assert snapshot.org_spend is not None
    assert costs(snapshot.org_spend.costs) == (["$1.00"], True)
    assert snapshot.drift == ("cost_report[1]: a day of another month, not counted",)


@pytest.mark.parametrize(
    ("row", "note"),
    [
        ({"amount": "-5.00", "currency": "USD"}, "amount: expected an amount, got another text"),
        ({"amount": "1e3", "currency": "USD"}, "amount: expected an amount, got another text"),
        ({"amount": True, "currency": "USD"}, "amount: expected an amount, got a boolean"),
        ({"amount": None, "currency": "USD"}, "amount: expected an amount, got null"),
        ({"currency": "USD"}, "amount: expected an amount, got nothing"),
        ({"amount": "9" * 15, "currency": "USD"}, "amount: expected an amount, got an absurdly large one"),
        ({"amount": "5.00", "currency": "dollars"}, "currency: expected a currency code, got another text"),
    ],
)
async def test_an_amount_that_cannot_be_taken_leaves_the_sum_incomplete(
    row: dict[str, Any], note: str
) -> None:
    async with administering() as admin:
        admin.server.charge(FIRST, "100")
        admin.server.costs[FIRST].append(row)
        snapshot = await admin.read()
    assert snapshot.org_spend is not None
    assert costs(snapshot.org_spend.costs) == (["$1.00"], False)
    assert snapshot.health is Health.DRIFTED
    assert snapshot.drift == (f"cost_report[0].results[1].{note}",)
    assert snapshot.detail == f"the month's costs could not be read in full ({snapshot.drift[0]})"


async def test_an_amount_that_is_a_number_is_taken_and_noted_and_a_currency_may_be_left_out() -> None:
    async with administering() as admin:
        admin.server.costs[FIRST] = [{"amount": 150}]
        snapshot = await admin.read()
    assert snapshot.org_spend is not None
    assert (snapshot.health, costs(snapshot.org_spend.costs)) == (Health.OK, (["$1.50"], True))
    assert snapshot.drift == (
        "cost_report[0].results[0].amount: expected a string, got a number",
        "cost_report[0].results[0].currency: not stated, taken for USD",
    )


@pytest.mark.parametrize("cursor", [None, 7, "", "a b", "x" * 501, "page\r\nX: 1", ["p"]])
async def test_a_cursor_that_is_none_leaves_the_sum_incomplete(cursor: object) -> None:
    bucket = {"starting_at": "2026-10-01T00:00:00Z", "results": [{"amount": "100", "currency": "USD"}]}
    async with administering() as admin:
        admin.server.fail(
            "cost_report", Reply(body={"data": [bucket], "has_more": True, "next_page": cursor})
        )
        snapshot = await admin.read()
        assert admin.server.asked().count("cost_report") == 1
    assert snapshot.org_spend is not None
    assert (snapshot.health, costs(snapshot.org_spend.costs)) == (Health.DRIFTED, (["$1.00"], False))


# --- people -------------------------------------------------------------------------------------------------------


async def test_estimates_are_summed_per_person_over_days_terminals_and_models() -> None:
    async with administering() as admin:
        admin.server.use(FIRST, "ana@example.com", 964, 113, pull_requests=1)
        admin.server.use(FIRST, "ana@example.com", 3)
        admin.server.use(FIRST + DAY, "ana@example.com", 20, pull_requests=2)
        admin.server.use(FIRST + DAY, "ci-key", 500)
        spend = await admin.spend()
    assert spend.estimates is not None
    people = [(one.name, shown(one.amounts), one.pull_requests) for one in spend.estimates.by_person]
    assert people == [("ana@example.com", ["$11.00"], 3), ("ci-key", ["$5.00"], 0)]
    assert (shown(spend.estimates.amounts), spend.estimates.people) == (["$16.00"], 1)


async def test_nobody_is_named_unless_that_is_asked_for() -> None:
    async with administering(name_people=False) as admin:
        admin.server.use(FIRST, "planted@example.com", 964)
        admin.server.use(FIRST, "planted-key-name", 1)
        admin.server.limit("planted@example.com", "100", "5")
        snapshot = await admin.read()
    assert "planted" not in repr(snapshot)
    assert snapshot.org_spend is not None
    assert snapshot.org_spend.estimates is not None
    assert (snapshot.org_spend.estimates.people, shown(snapshot.org_spend.estimates.amounts)) == (
        1,
        ["$9.65"],
    )


async def test_limits_of_other_periods_and_of_others_than_people_are_left_out() -> None:
    async with administering() as admin:
        admin.server.limit("ana@example.com", "100", "5", period="daily")
        admin.server.limit("ana@example.com", "5000", "500")
        admin.server.limit("bo@example.com", None, "1", user="user_2")
        assert admin.server.limits is not None
        key = {"type": "api_key", "api_key_id": "key_1", "email_address": ""}
        admin.server.limits += [
            {"scope": {"type": "organization"}, "actor": None, "amount": "7"},
            {"actor": "the organization", "amount": "7", "period": "daily"},
            {"actor": [1], "amount": "7", "is_enabled": False},
            {"actor": key, "amount": "7", "period": "monthly"},
        ]
        snapshot = await admin.read()
    assert snapshot.drift == ()
    assert snapshot.org_spend is not None
    limits = snapshot.org_spend.limits
    assert limits is not None
    assert limits.complete
    assert [(one.user, str(one.used), str(one.limit)) for one in limits.people] == [
        ("user_1", "$5.00", "$50.00"),
        ("user_2", "$0.01", "None"),
    ]


async def test_a_limit_that_cannot_be_read_is_not_unlimited() -> None:
    async with administering() as admin:
        admin.server.limit("ana@example.com", "much", "5")
        admin.server.limit("bo@example.com", "100", "5", user="user_2")
        limits = (await admin.spend()).limits
    assert limits is not None
    assert ([one.user for one in limits.people], limits.complete) == (["user_2"], False)


# --- what goes wrong ----------------------------------------------------------------------------------------------

FAULTS: list[tuple[Reply, Health]] = [
    (error(401, "authentication_error", "invalid x-api-key"), Health.REFUSED),
    (DENIED, Health.REFUSED),
    (not_found(), Health.REFUSED),
    (challenge(), Health.CHALLENGED),
    (error(429, "rate_limit_error", retry_after="30"), Health.RATE_LIMITED),
    (spend_limit_reached(), Health.REFUSED),
    (Reply(529), Health.UNREACHABLE),
    (Reply(drop=True), Health.UNREACHABLE),
    (Reply(body={"data": []}, cut=True), Health.UNREACHABLE),
    (Reply(body="<html>Sign in</html>"), Health.UNREACHABLE),
    (Reply(302, headers={"location": "https://elsewhere.example/"}), Health.UNREACHABLE),
    (Reply(body=None), Health.DRIFTED),
    (Reply(body=[]), Health.DRIFTED),
    (Reply(body={}), Health.DRIFTED),
]


@pytest.mark.parametrize(("reply", "health"), FAULTS)
async def test_every_fault_of_the_costs_has_its_word(reply: Reply, health: Health) -> None:
    async with administering() as admin:
        admin.server.fail_always("cost_report", reply)
        snapshot = await admin.read()
        admin.server.heal()
        assert (await admin.read(NOW + timedelta(minutes=15))).health is Health.OK
    assert snapshot.health is health
    assert snapshot.detail
    assert snapshot.org_uuid == ORG
    assert snapshot.org_spend is not None
    assert snapshot.org_spend.costs is None or not snapshot.org_spend.costs.complete


@pytest.mark.parametrize(("reply", "health"), FAULTS)
async def test_every_fault_of_the_organization_has_its_word(reply: Reply, health: Health) -> None:
    async with administering() as admin:
        admin.server.fail_always("me", reply)
        snapshot = await admin.read()
        assert set(admin.server.asked()) == {"me"}
    assert (snapshot.health, snapshot.org_uuid, snapshot.org_spend) == (health, None, None)
    assert snapshot.errors == (snapshot.detail,)


async def test_a_hanging_answer_is_given_up() -> None:
    never = asyncio.Event()
    async with administering(deadline=0.05) as admin:
        admin.server.fail("cost_report", Reply(until=never))
        snapshot = await admin.read()
    assert (snapshot.health, snapshot.detail) == (Health.UNREACHABLE, "no response in time")


@pytest.mark.parametrize("route", ["claude_code", "spend_limits"])
async def test_an_optional_report_that_fails_costs_the_others_nothing(route: str) -> None:
    async with administering() as admin:
        admin.server.charge(FIRST, "100")
        admin.server.fail(route, Reply(529))
        snapshot = await admin.read()
    assert snapshot.org_spend is not None
    assert (snapshot.health, costs(snapshot.org_spend.costs)) == (Health.OK, (["$1.00"], True))
    assert snapshot.errors == (f"{route}: the service is failing for now (529)",)


@pytest.mark.parametrize("reply", [DENIED, not_found()])
async def test_what_the_key_may_not_read_is_asked_for_once(reply: Reply) -> None:
    async with administering() as admin:
        admin.server.charge(FIRST, "100")
        admin.server.fail_always("spend_limits", reply)
        admin.server.fail_always("claude_code", reply)
        first = await admin.read()
        again = await admin.read(NOW + timedelta(minutes=15))
        assert admin.server.asked() == ["me", "cost_report", "claude_code", "spend_limits", "cost_report"]
    for snapshot in (first, again):
        assert snapshot.org_spend is not None
        assert snapshot.health is Health.OK
        assert (snapshot.org_spend.estimates, snapshot.org_spend.limits) == (None, None)
        (error,) = snapshot.errors
        assert error.startswith("claude_code: left out, this key may not read it")


async def test_a_rate_limit_ends_the_reading_and_keeps_what_was_read() -> None:
    async with administering() as admin:
        admin.server.charge(FIRST, "100")
        admin.server.fail("claude_code", error(429, "rate_limit_error", retry_after="120"))
        snapshot = await admin.read()
        assert admin.server.asked() == ["me", "cost_report", "claude_code"]
    assert (snapshot.health, snapshot.retry_at) == (Health.RATE_LIMITED, NOW + timedelta(minutes=2))
    assert snapshot.org_spend is not None
    assert costs(snapshot.org_spend.costs) == (["$1.00"], True)


async def test_the_organizations_own_spend_limit_is_no_rate_limit() -> None:
    async with administering() as admin:
        admin.server.fail("cost_report", spend_limit_reached())
        snapshot = await admin.read()
    assert (snapshot.health, snapshot.retry_at) == (Health.REFUSED, None)
    assert "spend limit" in (snapshot.detail or "")
    waiting = replace(spend_limit_reached(), headers={"retry-after": "60"})
    async with administering() as admin:
        admin.server.fail("cost_report", waiting)
        assert (await admin.read()).health is Health.RATE_LIMITED


async def test_a_key_of_another_organization_than_configured_is_refused() -> None:
    async with administering(wanted=("99999999-9999-4999-8999-999999999999",)) as admin:
        snapshot = await admin.read()
        assert admin.server.asked() == ["me"]
    assert (snapshot.health, snapshot.org_uuid) == (Health.REFUSED, None)
    async with administering(wanted=(ORG.upper(),)) as admin:
        assert (await admin.read()).health is Health.OK


async def test_an_id_that_is_no_uuid_is_of_no_organization() -> None:
    async with administering() as admin:
        admin.server.organization = "../../x"
        snapshot = await admin.read()
    assert (snapshot.health, snapshot.org_uuid) == (Health.DRIFTED, None)
    assert "../" not in repr(snapshot)


# --- hostile bodies -----------------------------------------------------------------------------------------------

COSTS: dict[str, Any] = {
    "data": [
        {"starting_at": "2026-10-01T00:00:00Z", "results": [{"amount": "12345.00", "currency": "USD"}]},
        {"starting_at": "2026-10-02T00:00:00Z", "results": [{"amount": "0.5", "currency": "USD"}]},
    ],
    "has_more": False,
    "next_page": None,
}
USAGE: dict[str, Any] = {
    "data": [
        {
            "actor": {"type": "user_actor", "email_address": "dev@example.com"},
            "core_metrics": {"pull_requests_by_claude_code": 1},
            "model_breakdown": [{"estimated_cost": {"currency": "USD", "amount": 964}}],
        }
    ],
    "has_more": False,
    "next_page": None,
}
LIMITS: dict[str, Any] = {
    "data": [
        {
            "actor": {"user_id": "user_1", "email_address": "dev@example.com"},
            "amount": "50000",
            "currency": "USD",
            "period": "monthly",
            "period_to_date_spend": "31402.5",
        }
    ],
    "next_page": None,
}


def _listing(body: object, notes: DriftNotes) -> Listing:
    page = page_of(body, "report", notes)
    return Listing(page.items, page.whole)


def _costs(listing: Listing, notes: DriftNotes) -> tuple[list[Money], bool]:
    found = costs_of(listing, "2026-10", NOW, notes)
    return [*found.amounts], found.complete


def _estimates(listing: Listing, notes: DriftNotes) -> tuple[list[Money], bool]:
    found = day_of(listing, notes)
    return [amount for use in found.uses for amount in use.amounts], found.whole


def _limits(listing: Listing, notes: DriftNotes) -> tuple[list[Money], bool]:
    found: OrgLimits = limits_of(listing, NOW, notes, name_people=True)
    amounts = (amount for one in found.people for amount in (one.limit, one.used))
    return [amount for amount in amounts if amount is not None], found.complete


@pytest.mark.parametrize(("body", "read"), [(COSTS, _costs), (USAGE, _estimates), (LIMITS, _limits)])
@given(data=st.data())
def test_no_value_in_any_place_breaks_a_report_or_gets_into_a_sum_uninvited(
    body: dict[str, Any], read: Callable[[Listing, DriftNotes], tuple[list[Money], bool]], data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from([*places(body)]))
    hostile = sent(with_value(body, path, data.draw(json_values)))
    notes = DriftNotes()
    amounts, whole = read(_listing(hostile, notes), notes)
    stated = _stated(hostile)
    subsets = (some for size in range(len(stated) + 1) for some in combinations(stated, size))
    possible = {sum(some, Decimal(0)) for some in subsets}
    for total in totals(amounts).values():
        assert total.minor in possible
    assert whole or notes.rejected


def _stated(value: object) -> list[Decimal]:
    """The values of the fields of amounts that are numbers."""
    if isinstance(value, list):
        return [number for inner in value for number in _stated(inner)]
    if not isinstance(value, dict):
        return []
    own = [value[key] for key in ("amount", "period_to_date_spend") if key in value]
    return [number for one in own for number in numbers_in(one)] + [
        number for inner in value.values() for number in _stated(inner)
    ]


async def test_a_body_without_end_is_refused() -> None:
    async with administering() as admin:
        admin.server.fail("cost_report", Reply(body=b'{"data": [' + b" " * 2_000_001 + b"]}"))
        assert (await admin.read()).health is Health.DRIFTED


# --- secrets ------------------------------------------------------------------------------------------------------


async def _faulty(admin: Administered) -> list[str]:
    texts = [repr(admin.source)]
    for route in ("me", "cost_report", "claude_code", "spend_limits"):
        for reply, _ in [*FAULTS, (error(400, "invalid_request_error", f"bad key {KEY}"), Health.REFUSED)]:
            admin.server.fail(route, reply)
            texts.append(repr(await admin.read()))
    return texts


async def test_the_key_shows_nowhere(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    async with administering() as admin:
        texts = await _faulty(admin)
    written = capfd.readouterr()
    assert KEY not in "".join([*texts, caplog.text, written.out, written.err])


@pytest.mark.parametrize("key", ["sk-ant-admin01 with blanks\n and more", "", "kéy"])
async def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(key: str) -> None:
    async with administering(key=key) as admin:
        snapshot = await admin.read()
        assert not admin.server.requests
    assert (snapshot.health, snapshot.detail) == (
        Health.REFUSED,
        "not an admin key: a header contains characters that no header has",
    )
    assert not key or key not in repr(snapshot)
