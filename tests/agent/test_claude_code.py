import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

import pytest

from meterbot.agent import claude_code
from meterbot.agent.memory import Identity
from meterbot.agent.trouble import PushError, RefusedError, SetupError
from meterbot.demo.server import Reply, error
from meterbot.demo.simulated_claude_ai import challenge
from tests.agent.rig import (
    ACCESS,
    ACCOUNT,
    EMAIL,
    NOW,
    ORG,
    Home,
)
from tests.simulator.anthropic_api import AnthropicApi, SignIn, rate_limited, scope_missing, token_invalid

READING = {
    "five_hour": {"utilization": 46, "resets_at": "2026-04-20T12:00:00.665316+00:00"},
    "seven_day": {"utilization": 12.5, "resets_at": None},
    "extra_usage": {"is_enabled": True, "used_credits": 1720.0, "monthly_limit": 5000},
}


async def read(home: Home, known: Identity | None = None) -> claude_code.Reading:
    return await asyncio.to_thread(claude_code.read, home.machine, home.clock.now(), known)


def answer(numbers: object) -> dict[str, object]:
    return {"subscription_type": "max", "rate_limits_available": True, "rate_limits": numbers}


async def test_the_token_reads_the_usage_and_whose_it_is(
    home: Home, anthropic: AnthropicApi, ana: SignIn
) -> None:
    ana.organization.used += 1720
    reading = await read(home)
    usage: Any = reading.snapshot["usage"]
    assert usage["extra_usage"]["used_credits"] == 1720
    assert (reading.snapshot["org_uuid"], reading.snapshot["account_uuid"]) == (ORG, ACCOUNT)
    assert reading.snapshot["fetched_at"] == "2026-04-20T10:00:00.000Z"
    assert reading.identity == Identity(ORG, ACCOUNT, NOW + timedelta(days=30), NOW)
    assert [(asked.route, asked.token) for asked in anthropic.requests] == [
        ("usage", ACCESS),
        ("profile", ACCESS),
    ]
    assert anthropic.requests[0].headers["User-Agent"].startswith("meterbot/")
    anthropic.assert_expected_only()


async def test_whose_token_it_is_is_asked_once_a_day_and_token(home: Home, anthropic: AnthropicApi) -> None:
    known = (await read(home)).identity
    await read(home, known)
    assert [asked.route for asked in anthropic.requests].count("profile") == 1
    home.clock.advance(timedelta(days=1))
    await read(home, known)
    assert [asked.route for asked in anthropic.requests].count("profile") == 2
    home.clock.set(NOW)
    home.sign_in(until=NOW + timedelta(hours=8))
    await read(home, known)
    assert [asked.route for asked in anthropic.requests].count("profile") == 3


async def test_a_token_that_does_not_say_when_it_expires_is_never_taken_for_the_one_before(
    home: Home, anthropic: AnthropicApi
) -> None:
    home.sign_in(until=None)
    known = (await read(home)).identity
    assert known is not None
    anthropic.sign_in("sk-ant-oat01-another", account=(other := ACCOUNT[:-1] + "2"))
    home.sign_in("sk-ant-oat01-another", until=None)
    assert (await read(home, known)).snapshot["account_uuid"] == other


async def test_a_profile_that_cannot_be_had_costs_no_reading(home: Home, anthropic: AnthropicApi) -> None:
    home.note_account()
    anthropic.fail("profile", Reply(status=529))
    reading = await read(home)
    assert (reading.snapshot["org_uuid"], reading.snapshot["account_uuid"]) == (ORG, ACCOUNT)
    assert reading.identity is None


async def test_numbers_that_may_be_anybodys_are_not_sent(home: Home, anthropic: AnthropicApi) -> None:
    anthropic.fail("profile", Reply(body={"account": None}))
    with pytest.raises(RefusedError, match="whose numbers these are"):
        await read(home)


async def test_the_installed_program_comes_before_its_token(home: Home, anthropic: AnthropicApi) -> None:
    home.note_account()
    home.install_claude(answer(READING))
    reading = await read(home)
    assert json.loads(json.dumps(reading.snapshot["usage"], default=float)) == READING
    assert reading.snapshot["fetched_at"] == "2026-04-20T10:00:00.000Z"
    assert anthropic.requests == []


async def test_a_program_whose_account_is_not_noted_is_not_asked(home: Home, anthropic: AnthropicApi) -> None:
    home.install_claude(answer(READING))
    await read(home)
    assert not (home.path / "seen.json").exists()
    assert [asked.route for asked in anthropic.requests] == ["usage", "profile"]


@pytest.mark.parametrize("told", [None, {"rate_limits": None}], ids=["nothing", "not signed in"])
async def test_where_the_program_cannot_tell_the_token_does(
    home: Home, anthropic: AnthropicApi, told: object
) -> None:
    home.note_account()
    home.install_claude(told)
    await read(home)
    assert [asked.route for asked in anthropic.requests] == ["usage", "profile"]


async def test_while_the_program_has_to_wait_its_token_is_not_used_instead(
    home: Home, anthropic: AnthropicApi
) -> None:
    home.note_account()
    home.install_claude(answer(None))
    with pytest.raises(RefusedError, match="no numbers at the moment"):
        await read(home)
    assert anthropic.requests == []


@pytest.mark.parametrize(
    ("saved", "age", "told"),
    [
        (READING, timedelta(minutes=50), "2026-04-20T09:10:00.000Z"),
        (READING, timedelta(hours=7), "2026-04-20T10:00:00.000Z"),
        (READING, timedelta(minutes=-5), "2026-04-20T10:00:00.000Z"),
        (
            {**READING, "five_hour": {"utilization": 45, "resets_at": None}},
            timedelta(minutes=50),
            "2026-04-20T10:00:00.000Z",
        ),
        ({}, timedelta(minutes=50), "2026-04-20T10:00:00.000Z"),
    ],
    ids=["the saved ones", "too old to be", "from the future", "others", "none"],
)
async def test_numbers_that_the_program_had_saved_are_dated_by_when_it_got_them(
    home: Home, saved: object, age: timedelta, told: str
) -> None:
    fetched = int((NOW - age).timestamp() * 1000)
    home.note_account(cachedUsageUtilization={"fetchedAtMs": fetched, "utilization": saved})
    home.install_claude(answer(READING))
    assert (await read(home)).snapshot["fetched_at"] == told


async def test_a_saved_time_that_is_none_does_not_matter(home: Home) -> None:
    bads: list[object] = [None, "soon", 1e300, {}]
    for bad in bads:
        home.note_account(cachedUsageUtilization={"fetchedAtMs": bad, "utilization": READING})
        home.install_claude(answer(READING))
        assert (await read(home)).snapshot["fetched_at"] == "2026-04-20T10:00:00.000Z"


class Renewal(asyncio.Event):
    """Claude Code renews its token while an answer is under way."""

    def __init__(self, home: Home, token: str) -> None:
        super().__init__()
        self._home, self._token = home, token

    async def wait(self) -> Literal[True]:
        self._home.sign_in(self._token)
        return True


async def test_a_token_that_was_renewed_meanwhile_is_read_again(
    home: Home, anthropic: AnthropicApi, ana: SignIn
) -> None:
    ana.token = "sk-ant-oat01-renewed"
    anthropic.fail("usage", replace(token_invalid(), until=Renewal(home, ana.token)))
    reading = await read(home)
    assert reading.snapshot["account_uuid"] == ACCOUNT
    assert [asked.token for asked in anthropic.requests] == [ACCESS, ana.token, ana.token]


async def test_a_renewed_token_that_is_refused_as_well_is_not_tried_on_and_on(
    home: Home, anthropic: AnthropicApi
) -> None:
    refusal = token_invalid()
    anthropic.fail("usage", replace(refusal, until=Renewal(home, "sk-ant-oat01-renewed")), refusal)
    with pytest.raises(RefusedError, match="run `claude` once"):
        await read(home)
    assert len(anthropic.requests) == 2


@pytest.mark.parametrize(
    ("reply", "said", "wait"),
    [
        (token_invalid(), "run `claude` once", None),
        (scope_missing(), "`claude setup-token`", None),
        (rate_limited("0"), "too often", 0.0),
        (rate_limited("1007"), "too often", 1007.0),
        (rate_limited(None), "too often", None),
        (error(404, "not_found_error", "Not found"), "no usage for this account", None),
        (error(403, "permission_error", "We are unable to serve your request"), "region", None),
        (challenge(), "browser challenge", None),
        (Reply(status=529, body="overloaded"), "failing for now", None),
        (Reply(302, "", {"location": "https://elsewhere.example/?t=" + ACCESS}), "redirect", None),
        (Reply(body="<html>sign in to the hotel</html>"), "web page|not JSON", None),
        (Reply(body=None), "nothing that is known", None),
        (Reply(body={"new": {"shape": EMAIL}}), "nothing that is known", None),
        (Reply(body={"type": "error", "error": {"type": "rate_limit_error"}}), "too often", None),
    ],
    ids=[
        "token invalid",
        "scope missing",
        "wait, but not at all",
        "wait",
        "wait, for how long is not said",
        "not found",
        "region",
        "challenge",
        "overloaded",
        "redirect",
        "web page",
        "null",
        "new shape",
        "error of status 200",
    ],
)
async def test_every_answer_that_is_no_reading_says_what_to_do(
    home: Home, anthropic: AnthropicApi, reply: Reply, said: str, wait: float | None
) -> None:
    anthropic.fail_always("usage", reply)
    with pytest.raises(RefusedError, match=said) as refused:
        await read(home)
    assert refused.value.retry_after == wait
    assert ACCESS not in str(refused.value)
    assert EMAIL not in str(refused.value)
    assert [asked.route for asked in anthropic.requests].count("usage") == 1


async def test_an_expired_token_asks_nobody(home: Home, anthropic: AnthropicApi) -> None:
    home.sign_in(until=NOW)
    with pytest.raises(PushError, match="run `claude` once") as refused:
        await read(home)
    assert not isinstance(refused.value, RefusedError)
    assert anthropic.requests == []


async def test_the_token_goes_to_no_unencrypted_relay(home: Home) -> None:
    home.sign_in()
    home.env["METERBOT_ANTHROPIC_API"] = "http://relay.example.com"
    with pytest.raises(SetupError, match="METERBOT_ANTHROPIC_API is http"):
        await read(home)
