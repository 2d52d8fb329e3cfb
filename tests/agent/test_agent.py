"""When the agent reads and sends, and what it remembers."""

import asyncio
import json
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from meterbot.agent import main
from meterbot.agent.storage import Problem
from tests.agent.rig import NOW, SECRETS, Answered, Home, Meterbot
from tests.simulator.anthropic_api import AnthropicApi, SignIn, rate_limited, token_invalid


def asked(anthropic: AnthropicApi) -> list[datetime]:
    """When usage was asked for."""
    return [request.at for request in anthropic.requests if request.route == "usage" and request.at]


def minutes(moments: list[datetime]) -> list[float]:
    """The times between moments."""
    return [(later - sooner).total_seconds() / 60 for sooner, later in pairwise(moments)]


@pytest.mark.usefixtures("anthropic")
async def test_a_reading_reaches_meterbot(home: Home, ana: SignIn, meterbot: Meterbot) -> None:
    ana.organization.used += 1720
    assert await home.push() == "zoe: numbers sent ($4.20 of $50.00)"
    (push,) = meterbot.pushes
    assert push.document["usage"]["extra_usage"]["used_credits"] == 1720.0
    assert push.document["account_uuid"] == ana.account
    assert push.headers["User-Agent"].startswith("meterbot-agent/")


async def test_refusals_climb_the_ladder_and_one_success_comes_down_from_it(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    home.chance = 0.0
    anthropic.fail("usage", *[rate_limited("0")] * 5)
    said = await home.keep_going(timedelta(hours=4))
    assert minutes(asked(anthropic))[:7] == [5, 15, 30, 60, 60, 15, 15]
    assert len(meterbot.pushes) == len(asked(anthropic)) - 5
    assert len([text for text in said if "too often" in text]) == 5


async def test_what_anthropic_asks_for_is_a_floor_that_a_restart_does_not_forget(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    home.chance = 0.0
    anthropic.fail("usage", rate_limited("3387"))
    for _ in range(4):  # each a new run, as a timer starts it
        with pytest.raises(Problem, match=r"requested too often \(429\); next try after \d\d:\d\d"):
            await home.push()
        home.clock.advance(timedelta(seconds=840))
    assert len(asked(anthropic)) == 1
    home.clock.advance(timedelta(seconds=28))
    await home.push()
    assert minutes(asked(anthropic)) == [3388 / 60]
    assert len(meterbot.pushes) == 1


@pytest.mark.usefixtures("meterbot")
async def test_no_wait_is_longer_than_six_hours(home: Home, anthropic: AnthropicApi) -> None:
    anthropic.fail("usage", rate_limited("864000"))
    await home.keep_going(timedelta(hours=7))
    assert minutes(asked(anthropic))[0] == 360


async def test_the_budget_of_an_account_lasts_for_a_day(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    await home.keep_going(timedelta(days=1))
    assert {request.status for request in anthropic.requests} == {200}
    assert len([request for request in anthropic.requests if request.route == "profile"]) <= 2
    assert len(meterbot.pushes) == 96


async def test_each_run_reads_and_tries_again_while_meterbot_is_away(
    home: Home, anthropic: AnthropicApi, ana: SignIn, meterbot: Meterbot
) -> None:
    for status, said in (
        (503, "the next run sends a new one"),
        (401, "is METERBOT_URL right"),
        (500, "the next run"),
    ):
        ana.organization.used += 100
        meterbot.answers.append(Answered(status, {}, "<html>"))
        with pytest.raises(Problem, match=said):
            await home.push()
    assert (await home.push()).startswith("zoe: ")
    used = [push.document["usage"]["extra_usage"]["used_credits"] for push in meterbot.pushes]
    assert used == [100.0, 200.0, 300.0, 300.0]
    assert len(asked(anthropic)) == 4


async def test_a_run_without_a_sign_in_does_not_make_the_next_one_wait(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    (home.path / ".claude/.credentials.json").unlink()
    for _ in range(2):
        with pytest.raises(Problem, match="not signed in here: run `claude` and type /login"):
            await home.push()
    assert anthropic.requests == []
    home.sign_in()
    await home.push()
    assert len(meterbot.pushes) == 1


async def test_a_rejected_sign_in_is_tried_again_by_the_next_run(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    anthropic.fail("usage", token_invalid())
    with pytest.raises(Problem, match="sign in again: run `claude` and type /login"):
        await home.push()
    await home.push()
    assert len(meterbot.pushes) == 1


async def test_while_anthropic_asks_to_wait_there_is_nothing_to_show(
    home: Home, anthropic: AnthropicApi
) -> None:
    anthropic.fail_always("usage", rate_limited())
    for _ in range(2):
        with pytest.raises(Problem, match=r"too often \(429\); next try after"):
            await home.reading()
    assert len(asked(anthropic)) == 1


@pytest.mark.usefixtures("meterbot")
@pytest.mark.parametrize("text", ["{", "[]", "", "[" * 100_000])
async def test_a_damaged_memory_costs_one_request_and_no_more(
    home: Home, anthropic: AnthropicApi, text: str
) -> None:
    await home.push()
    main.state_file().write_text(text)
    await home.push()
    await home.push()
    assert len(asked(anthropic)) == 3
    assert len([request for request in anthropic.requests if request.route == "profile"]) == 2


async def test_a_clock_that_was_set_back_does_not_silence_the_seat(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    home.clock.set(NOW + timedelta(days=20))
    anthropic.fail("usage", rate_limited("3600"))
    assert "too often" in await home.said()
    home.clock.set(NOW)
    await home.push()
    assert len(meterbot.pushes) == 1


async def test_where_a_refusal_cannot_be_remembered_nobody_is_asked(
    home: Home, anthropic: AnthropicApi
) -> None:
    (home.path / ".local").write_text("")
    with pytest.raises(Problem, match=r"cannot write .*state"):
        await home.push()
    assert anthropic.requests == []


@pytest.mark.usefixtures("anthropic", "meterbot")
async def test_what_is_remembered_holds_no_secret_and_is_for_its_user_alone(home: Home) -> None:
    await home.push()
    assert not [secret for secret in SECRETS if secret in json.dumps(home.memory)]
    assert {path.stat().st_mode & 0o777 for path in home.files()} == {0o600}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answered(200), "zoe: numbers sent ($4.20 of $50.00)"),
        (Answered(202, {}, '{"status": "stored"}'), "numbers sent"),
        (Answered(202, {}, "<html>"), "is METERBOT_URL right? (202)"),
        (Answered(200, {}, '{"ok": true}'), "is METERBOT_URL right? (200)"),
        (
            Answered(202, {}, '{"status": "stored", "seat": "z\\u001b[2Je", "spent": "$1"}'),
            "z?[2Je: numbers sent ($1)",
        ),
        (
            Answered(401, {}, '{"error": "this push token is not known", "remedy": "ask for a new line"}'),
            "this push token is not known; ask for a new line (401)",
        ),
        (Answered(409, {}, '{"error": "another account"}'), "another account (409)"),
        (Answered(302, {"Location": "https://x.example"}, ""), "is METERBOT_URL right? (302)"),
        (Answered(404, {}, "<html>"), "is METERBOT_URL right? (404)"),
        (
            Answered(429, {}, ""),
            "the reading was not taken, the next run sends a new one: meterbot cannot take it now (429)",
        ),
        (
            Answered(520, {}, ""),
            "the reading was not taken, the next run sends a new one: meterbot cannot take it now (520)",
        ),
    ],
)
async def test_what_meterbot_answers_is_said(meterbot: Meterbot, answer: Answered, said: str) -> None:
    meterbot.answers.append(answer)
    if "numbers sent" in said:
        assert await asyncio.to_thread(main.send, b"{}") == said
        return
    with pytest.raises(Problem) as refused:
        await asyncio.to_thread(main.send, b"{}")
    assert said in str(refused.value)
