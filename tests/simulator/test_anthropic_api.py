"""The stand-in notices what a reader must not do, and keeps its budget."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from meterbot.core.clock import ManualClock
from tests.simulator.anthropic_api import AnthropicApi, rate_limited

TOKEN = "sk-ant-oat01-ana"
GOOD = {
    "Authorization": f"Bearer {TOKEN}",
    "anthropic-beta": "oauth-2025-04-20",
    "anthropic-version": "2023-06-01",
    "Accept": "application/json",
}


@pytest.mark.parametrize(
    ("method", "path", "changed", "why"),
    [
        ("GET", "/api/oauth/account", {}, "an unknown path"),
        ("GET", "/api/oauth/usage?x=1", {}, "an unknown path"),
        ("POST", "/api/oauth/usage", {}, "not a GET"),
        ("GET", "/api/oauth/usage", {"Authorization": "Bearer sk-ant-oat01-bo"}, "no token of a known"),
        ("GET", "/api/oauth/usage", {"Authorization": TOKEN}, "no token of a known"),
        ("GET", "/api/oauth/usage", {"Cookie": "a=b"}, "a cookie"),
        ("GET", "/api/oauth/usage", {"anthropic-beta": ""}, "without the usual anthropic-beta"),
        ("GET", "/api/oauth/usage", {"anthropic-version": "1"}, "without the usual anthropic-version"),
        ("GET", "/api/oauth/profile", {"Accept": "*/*"}, "without the usual accept"),
    ],
)
async def test_a_request_no_reader_should_send_is_recorded(
    method: str, path: str, changed: dict[str, str], why: str
) -> None:
    async with AnthropicApi() as server, httpx.AsyncClient() as client:
        server.sign_in(TOKEN)
        await client.request(method, server.url + path, headers={**GOOD, **changed})
        with pytest.raises(AssertionError, match=why):
            server.assert_expected_only()


async def test_it_answers_as_the_sign_in_is_set() -> None:
    async with AnthropicApi() as server, httpx.AsyncClient(headers=GOOD) as client:
        ana = server.sign_in(TOKEN)
        profile = (await client.get(f"{server.url}/api/oauth/profile")).json()
        assert (profile["account"]["uuid"], profile["organization"]["uuid"]) == (
            ana.account,
            ana.organization.uuid,
        )
        assert (await client.get(f"{server.url}/api/oauth/usage")).json()["five_hour"]["utilization"] == 12
        ana.scopes = ("user:inference",)
        assert (await client.get(f"{server.url}/api/oauth/usage")).status_code == 403
        ana.accepted = False
        assert (await client.get(f"{server.url}/api/oauth/profile")).status_code == 401
        server.fail("usage", rate_limited("7"))
        assert (await client.get(f"{server.url}/api/oauth/usage")).headers["retry-after"] == "7"
        assert [request.status for request in server.requests] == [200, 200, 403, 401, 429]
        server.assert_expected_only()


async def test_five_usage_requests_in_five_minutes_are_all_it_answers() -> None:
    clock = ManualClock(datetime(2026, 4, 20, tzinfo=UTC))
    async with AnthropicApi(clock.now) as server, httpx.AsyncClient(headers=GOOD) as client:
        server.sign_in(TOKEN)

        async def status(route: str = "usage") -> int:
            return (await client.get(f"{server.url}/api/oauth/{route}")).status_code

        assert [await status() for _ in range(6)] == [200] * 5 + [429]
        assert await status("profile") == 200
        clock.advance(timedelta(seconds=299))
        assert await status() == 429
        clock.advance(timedelta(seconds=300))
        assert await status() == 200
