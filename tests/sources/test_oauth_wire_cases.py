"""Every recorded answer to an OAuth token, sent by a server and read by the real client."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from meterbot.core.models import Health
from meterbot.sources.http_client import ForbiddenRequestError
from tests.simulator.server import Reply
from tests.sources.signed_in import (
    ACCOUNT,
    NOW,
    ORG,
    OTHER_ACCOUNT,
    OTHER_ORG,
    signed_in,
)
from tests.sources.test_wire_cases import RECORDED

PREFIX = "GET api.anthropic.com/api/oauth/"
CASES = [case for case in RECORDED if case["endpoint"].startswith(PREFIX)]

EXPIRED = "the token is no longer accepted (401): run `claude` once on that machine"
SCOPELESS = "the token lacks the scope user:profile, so it may not read usage (403)"
SWITCHED = "the token belongs to another account than before: is it the right seat's?"


@dataclass(frozen=True)
class Expected:
    """What a case must give. `errors` are complete; `routes` is what was asked."""

    health: Health = Health.OK
    detail: str | None = None
    errors: tuple[str, ...] = ()
    account: str | None = ACCOUNT
    org: str | None = ORG
    tier: str | None = "max_5x"
    retry_at: datetime | None = None
    routes: tuple[str, ...] = ("profile", "usage")


class NotRead:
    """A route that meterbot does not read: the request is refused before a byte leaves."""


def refused(health: Health, detail: str, **rest: Any) -> Expected:
    """Of `/usage`: the seat is known, and why there are no numbers."""
    return Expected(health, detail, (f"usage: {detail}",), **rest)


def nobody(health: Health, detail: str, routes: tuple[str, ...]) -> Expected:
    """Nothing is known of the seat."""
    return Expected(health, detail, (detail,), account=None, org=None, tier=None, routes=routes)


EXPECTED: dict[str, Expected | NotRead] = {
    "oauth_401": nobody(Health.SESSION_EXPIRED, EXPIRED, ("profile", "usage")),
    "oauth_401_expired_words": nobody(Health.SESSION_EXPIRED, EXPIRED, ("profile", "usage")),
    "oauth_403_scope_details": refused(Health.REFUSED, SCOPELESS),
    "oauth_403_empty": refused(Health.REFUSED, "access denied (403)"),
    "oauth_429_negative_or_huge": refused(
        Health.RATE_LIMITED, "too many requests (429)", retry_at=NOW + timedelta(hours=6)
    ),
    "oauth_429_html": refused(Health.RATE_LIMITED, "too many requests (429)"),
    "profile_ok": Expected(),
    "profile_alias_fields": Expected(tier=None),
    "profile_403_scope": nobody(Health.REFUSED, SCOPELESS, ("profile",)),
    "profile_other_account": Expected(
        detail=SWITCHED, errors=(f"account: {SWITCHED}",), account=OTHER_ACCOUNT, org=OTHER_ORG, tier=None
    ),
    "oauth_account_lapsed": NotRead(),
    "oauth_prepaid_ok": NotRead(),
}

READ = [case for case in CASES if isinstance(EXPECTED.get(case["name"]), Expected)]
REFUSED = [case for case in CASES if isinstance(EXPECTED.get(case["name"]), NotRead)]


def test_no_case_is_left_without_an_expectation() -> None:
    assert {case["name"] for case in CASES} == set(EXPECTED)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: str(case["name"]))
async def test_a_route_that_is_not_read_never_leaves(case: dict[str, Any]) -> None:
    path = case["endpoint"].removeprefix("GET api.anthropic.com").replace("{org}", ORG)
    async with signed_in() as seat:
        with pytest.raises(ForbiddenRequestError):
            await seat.transport.get(seat.server.url, path, {})
        assert seat.routes() == []


@pytest.mark.parametrize("case", READ, ids=lambda case: str(case["name"]))
async def test_a_recorded_answer_is_read_as_expected(case: dict[str, Any]) -> None:
    expected = EXPECTED[case["name"]]
    assert isinstance(expected, Expected)
    async with signed_in(expected_account=ACCOUNT) as seat:
        route = case["endpoint"].removeprefix(PREFIX)
        seat.server.fail_always(route, Reply(case["status"], case["body"], case["headers"]))
        snapshot = await seat.read()
        assert tuple(seat.routes()) == expected.routes
    assert (snapshot.health, snapshot.detail) == (expected.health, expected.detail)
    assert (snapshot.account_uuid, snapshot.org_uuid) == (expected.account, expected.org)
    assert snapshot.tier == expected.tier
    assert snapshot.errors == expected.errors
    assert snapshot.retry_at == expected.retry_at
    assert snapshot.drift == ()
    assert (snapshot.subscription, snapshot.subscription_read) == (None, False)
    assert snapshot.extra_usage_read is (expected.health is Health.OK)
