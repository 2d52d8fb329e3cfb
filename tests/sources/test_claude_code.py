"""One tick of a Claude Code seat: what is asked, whose it is, and which health it ends with."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
import structlog

from meterbot.core.models import Health
from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from meterbot.sources.claude_code import ClaudeCodeSource, SignIn
from meterbot.sources.claude_login import Login
from meterbot.sources.responses import Cause, SourceError
from tests.chat.secrets import watching
from tests.simulator.anthropic_api import rate_limited, scope_missing, token_invalid
from tests.simulator.claude_ai import challenge
from tests.simulator.server import Reply, error
from tests.sources.signed_in import (
    ACCOUNT,
    NOW,
    ORG,
    OTHER_ACCOUNT,
    OTHER_ORG,
    OTHER_TOKEN,
    REMEDY,
    TOKEN,
    signed_in,
)

QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)
OVERLOADED = error(529, "overloaded_error", "Overloaded")
EXPIRED = f"the token is no longer accepted (401): {REMEDY}"
LAPSED = "the subscription has lapsed: nothing is billed to the organization"
SWITCHED = "the token belongs to another account than before: is it the right seat's?"


async def test_a_healthy_seat_is_read_whole_and_claims_nothing_it_cannot_know() -> None:
    async with signed_in() as seat:
        seat.account.organization.used = Decimal(1720)
        snapshot = await seat.read()
        assert seat.routes() == ["profile", "usage"]
    assert snapshot.health is Health.OK
    assert (snapshot.account_uuid, snapshot.org_uuid) == (ACCOUNT, ORG)
    assert (snapshot.account_email, snapshot.org_name) == ("dev@example.com", "Dev One")
    assert snapshot.tier == "max_5x"
    assert {window.name: window.utilization for window in snapshot.windows} == {
        "five_hour": Decimal(12),
        "seven_day": Decimal(41),
    }
    assert snapshot.extra_usage is not None
    assert str(snapshot.extra_usage.used) == "$17.20"
    assert not snapshot.extra_usage.why_known
    assert (snapshot.windows_read, snapshot.extra_usage_read) == (True, True)
    assert (snapshot.subscription, snapshot.subscription_read) == (None, False)
    assert (snapshot.drift, snapshot.errors, snapshot.detail) == ((), (), None)


# Whose it is.


async def test_the_profile_is_asked_for_once_a_day() -> None:
    async with signed_in() as seat:
        for after in (timedelta(), QUARTER, DAY - QUARTER, DAY, DAY + QUARTER):
            await seat.read(NOW + after)
        assert seat.routes() == ["profile", "usage", "usage", "usage", "profile", "usage", "usage"]


async def test_another_token_is_asked_whose_it_is_before_anything_is_read() -> None:
    async with signed_in(Login(TOKEN), Login(OTHER_TOKEN)) as seat:
        seat.server.sign_in(OTHER_TOKEN, account=ACCOUNT, organization=SimulatedOrganization(ORG))
        await seat.read()
        snapshot = await seat.read(NOW + QUARTER)
        assert seat.routes() == ["profile", "usage", "profile", "usage"]
    assert (snapshot.account_uuid, snapshot.errors) == (ACCOUNT, ())


async def test_a_switched_account_is_noticed_and_reported_under_its_own_name() -> None:
    async with signed_in(Login(TOKEN), Login(OTHER_TOKEN)) as seat:
        seat.server.sign_in(OTHER_TOKEN, account=OTHER_ACCOUNT, organization=SimulatedOrganization(OTHER_ORG))
        await seat.read()
        for minutes in (15, 30):
            snapshot = await seat.read(NOW + timedelta(minutes=minutes))
            assert (snapshot.account_uuid, snapshot.org_uuid) == (OTHER_ACCOUNT, OTHER_ORG)
            assert (snapshot.health, snapshot.detail) == (Health.OK, SWITCHED)
            assert snapshot.errors == (f"account: {SWITCHED}",)


async def test_an_account_other_than_the_expected_one_is_reported_at_once() -> None:
    async with signed_in(expected_account=OTHER_ACCOUNT) as seat:
        assert (await seat.read()).detail == SWITCHED


@pytest.mark.parametrize(
    ("reply", "health"),
    [
        (OVERLOADED, Health.UNREACHABLE),
        (Reply(drop=True), Health.UNREACHABLE),
        (Reply(body={"account": None}), Health.DRIFTED),
        (Reply(body=None), Health.DRIFTED),
        (rate_limited(), Health.RATE_LIMITED),
        (challenge(), Health.CHALLENGED),
        (scope_missing(), Health.REFUSED),
    ],
)
async def test_nothing_is_read_with_a_token_that_is_not_known(reply: Reply, health: Health) -> None:
    async with signed_in() as seat:
        seat.server.fail_always("profile", reply)
        snapshot = await seat.read()
        assert set(seat.routes()) == {"profile"}
    assert (snapshot.health, snapshot.org_uuid) == (health, None)
    assert snapshot.detail
    assert (snapshot.windows_read, snapshot.extra_usage_read) == (False, False)


@pytest.mark.parametrize("reply", [OVERLOADED, Reply(body={"account": None}), Reply(body="<html>")])
async def test_a_known_tokens_numbers_do_not_wait_for_its_profile(reply: Reply) -> None:
    async with signed_in() as seat:
        await seat.read()
        seat.server.fail("profile", reply)
        snapshot = await seat.read(NOW + DAY)
        assert snapshot.health is Health.OK
        assert snapshot.errors[0].endswith("; the last known one is used")
        assert (await seat.read(NOW + DAY + QUARTER)).errors == ()
        assert seat.routes() == ["profile", "usage"] * 3


async def test_only_the_configured_organization_is_read() -> None:
    async with signed_in(wanted=(ORG.upper(),)) as seat:
        assert (await seat.read()).health is Health.OK
    async with signed_in(wanted=(OTHER_ORG,)) as seat:
        snapshot = await seat.read()
        assert seat.routes() == ["profile"]
    assert (snapshot.health, snapshot.org_uuid) == (Health.REFUSED, None)
    assert snapshot.detail == "the token's organization is none of those configured"


@pytest.mark.parametrize(
    ("billing", "status", "told"),
    [
        ("none", None, LAPSED),
        ("stripe_subscription", "canceled", "the subscription has lapsed: its status is canceled"),
        ("stripe_subscription", "past_due", "the subscription is not paid for: its status is past due"),
        ("invoice", "active", None),
        ("stripe_subscription", None, None),
    ],
)
async def test_a_subscription_that_lapsed_is_reported_beside_its_numbers(
    billing: str, status: str | None, told: str | None
) -> None:
    async with signed_in() as seat:
        seat.account.billing_type, seat.account.subscription_status = billing, status
        snapshot = await seat.read()
    assert (snapshot.health, snapshot.detail) == (Health.OK, told)
    assert snapshot.subscription is None


# The token.


async def test_a_refused_token_is_read_again_once_and_the_seat_goes_on() -> None:
    async with signed_in(Login(TOKEN), Login(TOKEN), Login(OTHER_TOKEN)) as seat:
        await seat.read()
        seat.account.accepted = False
        seat.server.sign_in(OTHER_TOKEN, account=ACCOUNT, organization=SimulatedOrganization(ORG))
        snapshot = await seat.read(NOW + QUARTER)
        assert seat.routes() == ["profile", "usage", "usage", "profile", "usage"]
    assert snapshot.health is Health.OK
    assert seat.kept.looks == 3


async def test_a_refused_token_that_is_still_the_same_is_expired_and_asked_with_once() -> None:
    async with signed_in() as seat:
        await seat.read()
        seat.account.accepted = False
        seat.routes()
        snapshot = await seat.read(NOW + QUARTER)
        assert seat.routes() == ["usage"]
    assert (snapshot.health, snapshot.detail) == (Health.SESSION_EXPIRED, EXPIRED)
    assert seat.kept.looks == 3


async def test_two_refused_tokens_are_the_most_that_is_tried() -> None:
    coming = [Login(f"{TOKEN}{place}") for place in range(9)]
    async with signed_in(*coming) as seat:
        seat.server.fail_always("profile", token_invalid())
        snapshot = await seat.read()
        assert seat.routes() == ["profile", "profile"]
        seat.server.unexpected.clear()  # tokens that nobody has are the point here
    assert snapshot.health is Health.SESSION_EXPIRED


async def test_a_token_known_to_have_expired_is_not_sent() -> None:
    async with signed_in(Login(TOKEN, expires_at=NOW)) as seat:
        snapshot = await seat.read()
        assert seat.routes() == []
    assert snapshot.health is Health.SESSION_EXPIRED
    assert snapshot.detail == f"the token expired at 2026-04-20 00:00 UTC: {REMEDY}"


async def test_a_renewed_sign_in_is_taken_up_at_the_next_poll() -> None:
    old, new = Login(TOKEN, expires_at=NOW), Login(TOKEN, expires_at=NOW + DAY)
    async with signed_in(old, new) as seat:
        assert (await seat.read()).health is Health.SESSION_EXPIRED
        assert (await seat.read(NOW + QUARTER)).health is Health.OK


@pytest.mark.parametrize("scopes", [("user:inference",), ("org:create_api_key", "user:inference")])
async def test_a_token_without_the_scope_to_read_is_not_sent(scopes: tuple[str, ...]) -> None:
    async with signed_in(Login(TOKEN, scopes=scopes)) as seat:
        snapshot = await seat.read()
        assert seat.routes() == []
    assert snapshot.health is Health.REFUSED
    assert snapshot.detail == "the token lacks the scope user:profile, so it may not read usage"


async def test_a_setup_token_is_distinguished_by_what_it_is_answered() -> None:
    async with signed_in() as seat:
        seat.account.scopes = ("user:inference",)
        snapshot = await seat.read()
        assert seat.routes() == ["profile"]
    assert snapshot.health is Health.REFUSED
    assert snapshot.detail == "the token lacks the scope user:profile, so it may not read usage (403)"


@pytest.mark.parametrize(
    ("token", "what"),
    [
        ("sk-ant-sid01-planted-0123456789", "a session key of claude.ai"),
        ("sk-ant-api03-planted-0123456789", "an API key"),
        ("sk-ant-admin01-planted-0123456", "an admin key"),
        ("sk-ant-ort01-planted-01234567890", "a refresh token"),
        ("planted with a space", "a space, a line break or an unusual character"),
        ("planted\r\nx: y", "a space, a line break or an unusual character"),
    ],
)
async def test_another_secret_in_a_tokens_place_never_leaves(token: str, what: str) -> None:
    async with signed_in(Login(token)) as seat:
        snapshot = await seat.read()
        assert seat.routes() == []
    assert snapshot.health is Health.REFUSED
    assert what in (snapshot.detail or "")
    assert token not in repr(snapshot)


@pytest.mark.parametrize(
    ("trouble", "health"),
    [
        (Cause.SESSION, Health.SESSION_EXPIRED),
        (Cause.SCOPE, Health.REFUSED),
        (Cause.DENIED, Health.REFUSED),
        (Cause.UNREADABLE, Health.UNREACHABLE),
    ],
)
async def test_a_sign_in_that_cannot_be_had_explains_itself(trouble: Cause, health: Health) -> None:
    def store() -> Login:
        raise SourceError(trouble, "why it is so")

    async with signed_in() as seat:
        source = ClaudeCodeSource(seat.seat, SignIn(store, REMEDY), seat.transport, seat.server.url)
        (snapshot,) = await source.read(NOW)
        assert seat.routes() == []
    assert (snapshot.health, snapshot.detail, snapshot.errors) == (health, "why it is so", ("why it is so",))


# Usage.


@pytest.mark.parametrize(
    ("reply", "health"),
    [
        (rate_limited("120"), Health.RATE_LIMITED),
        (scope_missing(), Health.REFUSED),
        (error(403, "permission_error", "Forbidden"), Health.REFUSED),
        (error(403, "permission_error", "We are unable to serve your request"), Health.REFUSED),
        (challenge(), Health.CHALLENGED),
        (error(404, "not_found_error", "Not found"), Health.REFUSED),
        (OVERLOADED, Health.UNREACHABLE),
        (Reply(drop=True), Health.UNREACHABLE),
        (Reply(body={"five_hour": None}, cut=True), Health.UNREACHABLE),
        (Reply(body={"error": {"type": "authentication_error"}}), Health.SESSION_EXPIRED),
        (Reply(body=[]), Health.DRIFTED),
        (Reply(body={"x": 1}), Health.DRIFTED),
        (Reply(302, headers={"location": "/login"}), Health.SESSION_EXPIRED),
    ],
)
async def test_usage_that_cannot_be_read_keeps_the_seat_and_says_why(reply: Reply, health: Health) -> None:
    async with signed_in() as seat:
        await seat.read()
        seat.server.fail_always("usage", reply)
        snapshot = await seat.read(NOW + QUARTER)
    assert snapshot.health is health
    assert snapshot.detail
    assert snapshot.errors
    assert (snapshot.windows_read, snapshot.extra_usage_read) == (False, False)


@pytest.mark.parametrize(
    ("header", "seconds"), [("120", 120), ("0", None), (None, None), ("9" * 30, 21_600), ("soon", None)]
)
async def test_retry_after_is_a_floor_and_zero_is_none(header: str | None, seconds: int | None) -> None:
    async with signed_in() as seat:
        seat.server.fail("usage", rate_limited(header))
        snapshot = await seat.read()
    assert snapshot.health is Health.RATE_LIMITED
    assert snapshot.retry_at == (None if seconds is None else NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("enabled", "body", "read"),
    [
        (False, {"extra_usage": None}, True),
        (True, {"extra_usage": None}, False),
        (False, {"extra_usage": {"is_enabled": False, "used_credits": 2524.0, "monthly_limit": 5000}}, True),
    ],
)
async def test_a_null_alone_does_not_mean_that_nothing_is_metered(
    enabled: bool,  # noqa: FBT001 - what the profile says
    body: dict[str, object],
    read: bool,  # noqa: FBT001 - what is known of it
) -> None:
    async with signed_in() as seat:
        seat.account.organization.enabled = enabled
        seat.server.fail("usage", Reply(body={**seat.account.organization.usage(), **body}))
        snapshot = await seat.read()
    assert snapshot.health is Health.OK
    assert snapshot.extra_usage_read is read
    assert (snapshot.extra_usage is None) is (body["extra_usage"] is None)


async def test_unknown_keys_of_usage_are_logged_once_and_no_drift() -> None:
    async with signed_in() as seat:
        seat.server.fail_always(
            "usage", Reply(body={**SimulatedOrganization(ORG).usage(), "cobalt_heron": 1})
        )
        with structlog.testing.capture_logs() as logs:
            snapshot = await seat.read()
            await seat.read(NOW + QUARTER)
    assert (snapshot.health, snapshot.drift) == (Health.OK, ())
    assert [entry["keys"] for entry in logs] == [["cobalt_heron"]]


# Secrets.


@pytest.mark.parametrize("token", [TOKEN, "a-token-of-no-usual-form-0123456789"])
async def test_the_token_is_in_nothing_that_can_be_shown(
    token: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = [
        token_invalid(),
        rate_limited(),
        Reply(drop=True),
        Reply(body={"five_hour": {"utilization": token}, token: 1}),
        Reply(403, token, {"location": token, "retry-after": token}),
        Reply(body={"extra_usage": {"disabled_reason": token, "currency": token}}),
    ]
    with watching(caplog, capsys) as watch:
        async with signed_in(Login(token)) as seat:
            seat.account.token = token
            for place, reply in enumerate(replies):
                seat.server.fail("usage", reply)
                snapshot = await seat.read(NOW + place * QUARTER)
                watch.assert_hidden(token, snapshot, seat.source, seat.kept.coming)
            names = f"{token} x", {"uuid": ACCOUNT, "email": token}
            profile = {**seat.account.profile(), "account": names[1]}
            profile["organization"] = {
                **profile["organization"],
                "name": names[0],
                "organization_type": token,
            }
            seat.server.fail("profile", Reply(body=profile))
            snapshot = await seat.read(NOW + 2 * DAY)
            watch.assert_hidden(token, snapshot, seat.source, vars(seat.source).get("_profile"))
    assert re.search("hidden", snapshot.org_name or "")
