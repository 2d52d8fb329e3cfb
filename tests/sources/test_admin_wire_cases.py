"""Every recorded answer of the Admin API, sent by a server and read by the real client."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meterbot.core.models import Health
from meterbot.core.money import Money, percent, plain, rounded
from meterbot.core.org_spend import OrgLimits, OrgSpend, completed
from tests.simulator.server import Reply
from tests.sources.administered import ORG, administering

CASES: dict[str, dict[str, Any]] = {
    case["name"]: case
    for case in json.loads((Path(__file__).parents[1] / "data/admin-wire-cases.json").read_text("utf-8"))
}

Limit = tuple[str, str | None, str | None, str | None]
"""user, used, limit (None: unlimited), percent to two places"""


@dataclass(frozen=True)
class Expected:
    """What a case must give. `costs`: the amount and whether it is complete; `people`: estimate and pull requests."""

    costs: tuple[tuple[str, ...], bool] = (("0.00",), True)
    people: tuple[tuple[str, str, int], ...] = ()
    limits: tuple[Limit, ...] | None = None
    health: Health = Health.OK
    detail: str | None = None
    drift: tuple[str, ...] = ()
    org: str | None = ORG
    routes: tuple[str, ...] = ("me", "cost_report", "claude_code", "claude_code", "spend_limits")


LOOP = "cost_report.next_page: expected another page, got one that was there already"

EXPECTED = {
    "admin_me": Expected(),
    "admin_401": Expected(
        health=Health.REFUSED, detail="the admin key is not accepted (401)", org=None, routes=("me",)
    ),
    "admin_cost_sum": Expected((("148.45",), True)),
    "admin_cost_more": Expected(
        (("1.00",), False),
        health=Health.DRIFTED,
        detail=f"the month's costs could not be read in full ({LOOP})",
        drift=(LOOP, "cost_report[1]: expected another day, got one that was there already"),
        routes=("me", "cost_report", "cost_report", "claude_code", "claude_code", "spend_limits"),
    ),
    "admin_cost_loop": Expected(
        ((), False),
        health=Health.DRIFTED,
        detail=f"the month's costs could not be read in full ({LOOP})",
        drift=(LOOP, "cost_report[1]: expected another day, got one that was there already"),
        routes=("me", "cost_report", "cost_report", "claude_code", "claude_code", "spend_limits"),
    ),
    "admin_cc_day": Expected(people=(("dev@example.com", "10.77", 1),)),
    "admin_spend_effective": Expected(
        limits=(
            ("user_EXAMPLE1", "314.025", "500.00", "62.81"),
            ("user_EXAMPLE2", "1.20", None, None),
            ("user_EXAMPLE3", "0.00", "0.00", None),
        )
    ),
    "admin_spend_zero_after_nonzero": Expected(limits=(("user_EXAMPLE1", "0.00", "500.00", "0.00"),)),
}

ROUTES = {"me": "me", "cost_report": "cost_report", "claude_code": "claude_code", "effective": "spend_limits"}


def _reply(name: str) -> tuple[str, Reply]:
    case = CASES[name]
    route = ROUTES[case["endpoint"].rpartition("/")[2]]
    return route, Reply(case["status"], case["body"], case["headers"])


def test_no_case_is_left_without_an_expectation() -> None:
    assert CASES.keys() == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
async def test_a_recorded_answer_is_read_as_expected(name: str) -> None:
    expected = EXPECTED[name]
    route, reply = _reply(name)
    async with administering() as admin:
        if route == "claude_code":
            admin.server.fail(route, reply)  # of one day: every day has its own answer
        else:
            admin.server.fail_always(route, reply)
        snapshot = await admin.read()
        assert admin.server.asked() == [*expected.routes]
    assert snapshot.health is expected.health
    assert (snapshot.detail, snapshot.drift, snapshot.org_uuid) == (
        expected.detail,
        expected.drift,
        expected.org,
    )
    assert snapshot.extra_usage is None
    assert not snapshot.extra_usage_read
    if expected.org is None:
        assert snapshot.org_spend is None
    else:
        assert snapshot.org_spend is not None
        _check(snapshot.org_spend, expected)


def _check(spend: OrgSpend, expected: Expected) -> None:
    assert spend.month == "2026-10"
    assert spend.costs is not None
    assert spend.estimates is not None
    assert (_plain(spend.costs.amounts), spend.costs.complete) == expected.costs
    assert spend.estimates.complete
    people = spend.estimates.by_person
    assert [(one.name, *_plain(one.amounts), one.pull_requests) for one in people] == [*expected.people]
    assert (None if spend.limits is None else _limits(spend.limits)) == expected.limits


def _plain(amounts: tuple[Money, ...]) -> tuple[str, ...]:
    assert {amount.currency for amount in amounts} <= {"USD"}
    return tuple(map(plain, amounts))


def _limits(limits: OrgLimits) -> tuple[Limit, ...]:
    rows: list[Limit] = []
    for person in limits.people:
        share = None if person.used is None or person.limit is None else percent(person.used, person.limit)
        rows.append(
            (
                person.user,
                None if person.used is None else plain(person.used),
                None if person.limit is None else plain(person.limit),
                None if share is None else str(rounded(share, 2)),
            )
        )
    return tuple(rows)


async def test_a_zero_after_more_in_the_same_month_is_no_reset() -> None:
    async with administering() as admin:
        admin.server.fail(*_reply("admin_spend_effective"))
        before = await admin.spend()
        admin.server.fail(*_reply("admin_spend_zero_after_nonzero"))
        after = completed(await admin.spend(), before)
    assert after is not None
    assert after.limits is not None
    (person,) = after.limits.people
    assert person.used is not None
    assert (plain(person.used), person.used_old) == ("314.025", True)


async def test_a_month_that_has_more_pages_is_read_to_its_end() -> None:
    more, rest = CASES["admin_cost_more"]["body"], CASES["admin_cost_sum"]["body"]
    (bucket,) = rest["data"]
    async with administering() as admin:
        admin.server.fail(
            "cost_report",
            Reply(body=more),
            Reply(body={**rest, "data": [{**bucket, "starting_at": "2026-10-02T00:00:00Z"}]}),
        )
        spend = await admin.spend()
        assert [request.query.get("page") for request in admin.server.requests][1:3] == [None, "page_EXAMPLE"]
    assert spend.costs is not None
    assert (_plain(spend.costs.amounts), spend.costs.complete) == (("149.45",), True)
