"""The stand-in notices what a reader must not do; otherwise no test on it would mean anything."""

import asyncio

import httpx
import pytest

from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from tests.simulator.claude_ai import ClaudeAi, challenge
from tests.simulator.server import Reply, error

KEY = "sk-ant-sid01-ana"


@pytest.mark.parametrize(
    ("method", "path", "cookie", "why"),
    [
        ("GET", "/api/organizations", f"sessionKey={KEY}", "an unknown path"),
        ("PUT", "/api/account", f"sessionKey={KEY}", "not a GET"),
        ("GET", "/api/account", "", "0 session keys"),
        ("GET", "/api/account", "sessionKey=sk-ant-sid01-bo", "1 session keys"),
        ("GET", "/api/account", f"sessionKey={KEY}; sessionKey=sk-ant-sid01-bo", "2 session keys"),
        (
            "GET",
            "/api/organizations/00000000-0000-4000-8000-000000000000/usage",
            f"sessionKey={KEY}",
            "another",
        ),
    ],
)
async def test_a_request_no_reader_should_send_is_recorded(
    method: str, path: str, cookie: str, why: str
) -> None:
    async with ClaudeAi() as server, httpx.AsyncClient() as client:
        server.add_account(KEY)
        answer = await client.request(method, server.url + path, headers={"Cookie": cookie})
        assert answer.status_code in {403, 404}
        with pytest.raises(AssertionError, match=why):
            server.assert_expected_only()


async def test_it_answers_as_the_numbers_are_set() -> None:
    async with ClaudeAi() as server, httpx.AsyncClient(headers={"Cookie": f"sessionKey={KEY}"}) as client:
        account = server.add_account(KEY, organizations=[SimulatedOrganization("o" * 8, metered=False)])
        at = f"{server.url}/api/organizations/{account.organizations[0].uuid}"
        assert (await client.get(f"{at}/overage_spend_limit")).status_code == 404
        assert (await client.get(f"{at}/usage")).json()["extra_usage"] is None
        account.organizations[0].metered = True
        account.organizations[0].cap = 700
        assert (await client.get(f"{at}/overage_spend_limit")).json()["limit_type"] == "organization"
        row = (await client.get(f"{at}/overage_spend_limit?account_uuid={account.uuid}")).json()
        assert (row["limit_type"], row["account_uuid"], row["monthly_credit_limit"]) == (
            "member",
            account.uuid,
            700,
        )
        server.assert_expected_only()


async def test_scripted_replies_come_first_and_in_order() -> None:
    async with ClaudeAi() as server, httpx.AsyncClient(headers={"Cookie": f"sessionKey={KEY}"}) as client:
        server.add_account(KEY)
        server.fail("account", Reply(529), challenge())
        codes = [(await client.get(f"{server.url}/api/account")).status_code for _ in range(3)]
        assert codes == [529, 403, 200]
        server.fail_always("account", error(429, "rate_limit_error", retry_after="60"))
        limited = [await client.get(f"{server.url}/api/account") for _ in range(2)]
        assert [answer.headers["retry-after"] for answer in limited] == ["60", "60"]
        server.heal()
        assert (await client.get(f"{server.url}/api/account")).status_code == 200


async def test_a_session_that_was_renewed_or_ended_is_not_accepted() -> None:
    async with ClaudeAi() as server, httpx.AsyncClient() as client:
        account = server.add_account(KEY)
        account.rotate_to.append("sk-ant-sid01-new")
        first = await client.get(f"{server.url}/api/account", headers={"Cookie": f"sessionKey={KEY}"})
        assert first.headers.get_list("set-cookie")[0].startswith("sessionKey=sk-ant-sid01-new;")
        client.cookies.clear()
        old = await client.get(f"{server.url}/api/account", headers={"Cookie": f"sessionKey={KEY}"})
        assert old.json()["error"]["details"]["error_code"] == "account_session_invalid"
        account.signed_in = False
        ended = await client.get(
            f"{server.url}/api/account", headers={"Cookie": "sessionKey=sk-ant-sid01-new"}
        )
        assert ended.status_code == 403


async def test_an_answer_is_held_back_until_it_is_released() -> None:
    release = asyncio.Event()
    async with ClaudeAi() as server, httpx.AsyncClient(headers={"Cookie": f"sessionKey={KEY}"}) as client:
        server.add_account(KEY)
        server.fail("account", Reply(body={}, until=release))
        asked = asyncio.create_task(client.get(f"{server.url}/api/account"))
        while not server.requests:  # noqa: ASYNC110  # the server has no other sign of an arrival
            await asyncio.sleep(0)
        assert not asked.done()
        release.set()
        assert (await asked).status_code == 200


@pytest.mark.parametrize("reply", [Reply(drop=True), Reply(body=b"x" * 100, cut=True)], ids=["drop", "cut"])
async def test_a_connection_can_be_lost(reply: Reply) -> None:
    async with ClaudeAi() as server, httpx.AsyncClient(headers={"Cookie": f"sessionKey={KEY}"}) as client:
        server.add_account(KEY)
        server.fail_always("account", reply)
        with pytest.raises(httpx.TransportError):
            await client.get(f"{server.url}/api/account")
