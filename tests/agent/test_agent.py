"""When the agent reads and sends, and what it remembers."""

import asyncio
import errno
import fcntl
import json
import os
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

import pytest

from meterbot.agent import main
from meterbot.agent.storage import Problem
from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from tests.agent.rig import NOW, ORG, SECRETS, Answered, Home, Meterbot
from tests.simulator.anthropic_api import AnthropicApi, SignIn, rate_limited, token_invalid
from tests.simulator.server import Reply


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


async def test_a_run_before_its_time_reads_nothing(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    await home.push()
    home.clock.advance(timedelta(minutes=11, seconds=59))
    assert (await home.push()).startswith("nothing new to send; next reading after ")
    assert len(asked(anthropic)) == len(meterbot.pushes) == 1
    home.clock.advance(timedelta(seconds=1))
    await home.push()
    assert len(asked(anthropic)) == len(meterbot.pushes) == 2


async def test_refusals_climb_the_ladder_and_one_success_comes_down_from_it(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    home.chance = 0.0
    anthropic.fail("usage", *[rate_limited("0")] * 5)
    said = await home.keep_going(timedelta(hours=4))
    assert minutes(asked(anthropic))[:7] == [5, 15, 30, 60, 60, 12, 12]
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
    assert len(meterbot.pushes) == 120


async def test_while_meterbot_is_away_the_newest_reading_is_kept_and_no_more_are_made(
    home: Home, anthropic: AnthropicApi, ana: SignIn, meterbot: Meterbot
) -> None:
    meterbot.answers.extend([Answered(503)] * 3)
    ana.organization.used += 100
    await home.keep_going(timedelta(minutes=30))
    ana.organization.used += 50
    await home.keep_going(timedelta(minutes=30))
    used = [push.document["usage"]["extra_usage"]["used_credits"] for push in meterbot.pushes]
    assert used == [100.0] * 3 + [150.0] * 3
    assert minutes(asked(anthropic)) == [12] * 5


async def test_a_reading_that_meterbot_missed_is_sent_by_the_next_run(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    for status, said in (
        (503, "the next run sends it"),
        (401, "is METERBOT_URL right"),
        (500, "the next run"),
    ):
        meterbot.answers.append(Answered(status, {}, "<html>"))
        with pytest.raises(Problem, match=said):
            await home.push()
    assert (await home.push()).startswith("zoe: ")
    assert len(asked(anthropic)) == 1
    assert [push.body for push in meterbot.pushes] == [meterbot.pushes[0].body] * 4


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


async def test_the_bytes_that_are_shown_are_those_that_are_sent(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    shown = await home.run(home.agent().body)
    assert meterbot.pushes == []
    await home.push()
    assert [push.body for push in meterbot.pushes] == [shown]
    assert len(asked(anthropic)) == 1


async def test_while_anthropic_asks_to_wait_there_is_nothing_to_show(
    home: Home, anthropic: AnthropicApi
) -> None:
    anthropic.fail_always("usage", rate_limited())
    for _ in range(2):
        with pytest.raises(Problem, match=r"too often \(429\); next try after"):
            await home.run(home.agent().body)
    assert len(asked(anthropic)) == 1


class Held(asyncio.Event):
    """Knows when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.reached.set()
        return await super().wait()


async def test_two_runs_at_once_read_once(home: Home, anthropic: AnthropicApi, meterbot: Meterbot) -> None:
    await home.push()
    home.clock.advance(timedelta(minutes=15))
    held = Held()
    anthropic.fail("usage", Reply(body=anthropic.signed_in[0].organization.usage(), until=held))
    first = asyncio.create_task(home.push())
    await held.reached.wait()
    second = asyncio.create_task(home.push())
    held.set()
    assert (await first).startswith("zoe: ")
    assert (await second).startswith("nothing new to send")
    assert len(asked(anthropic)) == len(meterbot.pushes) == 2


async def test_a_run_at_the_same_time_does_not_forget_how_long_anthropic_asked_to_wait(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    meterbot.answers.append(Answered(500))
    with pytest.raises(Problem):
        await home.push()  # a reading is left to send
    home.clock.advance(timedelta(minutes=13))
    held = Held()
    refusal = rate_limited("3600")
    anthropic.fail("usage", replace(refusal, until=held), rate_limited("3600"))
    first = asyncio.create_task(home.said())
    await held.reached.wait()
    second = asyncio.create_task(home.said())
    held.set()
    await asyncio.gather(first, second)
    assert home.memory["read_after"] - home.now >= 3600
    assert len(asked(anthropic)) == 2


def test_a_second_run_waits_until_the_first_one_has_ended(home: Home) -> None:
    """Each writes the whole memory: otherwise the one that ends last would undo the other's."""
    main.state_file().parent.mkdir(parents=True)
    with main.state_file().with_suffix(".lock").open("w") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        waiting = threading.Thread(target=home.agent().start_over)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        assert not main.state_file().exists()
    waiting.join(10)
    assert home.memory == {"sent": False}


def test_a_file_system_without_locks_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(_file: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)  # such a file system cannot be had here
    with pytest.raises(Problem, match=r"cannot lock /.*\.lock: No locks available"):
        home.agent().start_over()


async def test_a_memory_that_has_a_deadline_and_no_reading_says_when_the_next_try_is(
    home: Home, anthropic: AnthropicApi
) -> None:
    main.state_file().parent.mkdir(parents=True)
    main.state_file().write_text(json.dumps({"failures": 0, "refusal": "", "read_after": home.now + 600}))
    with pytest.raises(Problem, match=r"^nothing was read; next try after "):
        await home.push()
    assert anthropic.requests == []


@pytest.mark.usefixtures("meterbot")
@pytest.mark.parametrize("text", ["{", "[]", "", "[" * 100_000])
async def test_a_damaged_memory_costs_one_reading_and_no_more(
    home: Home, anthropic: AnthropicApi, text: str
) -> None:
    await home.push()
    main.state_file().write_text(text)
    await home.push()
    await home.push()
    assert len(asked(anthropic)) == 2
    assert len([request for request in anthropic.requests if request.route == "profile"]) == 2


@pytest.mark.usefixtures("anthropic")
async def test_a_clock_that_was_set_back_does_not_silence_the_seat(home: Home, meterbot: Meterbot) -> None:
    home.clock.set(NOW + timedelta(days=20))
    await home.push()
    home.clock.set(NOW)
    await home.push()
    assert len(meterbot.pushes) == 2


@pytest.mark.usefixtures("anthropic")
async def test_another_meterbot_gets_the_last_reading(home: Home, meterbot: Meterbot) -> None:
    await home.push()
    await home.run(home.agent().start_over)
    await home.push()
    assert len(meterbot.pushes) == 2


async def test_the_reading_of_another_sign_in_is_not_sent_to_another_seat(
    home: Home, anthropic: AnthropicApi, ana: SignIn, meterbot: Meterbot
) -> None:
    await home.push()
    other = "33333333-3333-4333-8333-333333333333"
    anthropic.sign_in("sk-ant-oat01-other", account=other, organization=SimulatedOrganization(ORG))
    home.sign_in("sk-ant-oat01-other")
    await home.run(home.agent().start_over)
    with pytest.raises(Problem, match="the last reading may be of another sign-in; next try after"):
        await home.push()
    assert len(asked(anthropic)) == 1  # Anthropic is asked no sooner for it
    home.clock.advance(timedelta(minutes=12))
    await home.push()
    assert [push.document["account_uuid"] for push in meterbot.pushes] == [ana.account, other]


async def test_a_clock_that_was_set_back_does_not_prolong_a_wait(
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
            "the reading was not taken, the next run sends it again: meterbot cannot take it now (429)",
        ),
        (
            Answered(520, {}, ""),
            "the reading was not taken, the next run sends it again: meterbot cannot take it now (520)",
        ),
    ],
)
async def test_what_meterbot_answers_is_said(
    home: Home, meterbot: Meterbot, answer: Answered, said: str
) -> None:
    meterbot.answers.append(answer)
    if "numbers sent" in said:
        assert await home.run(lambda: main.send(b"{}")) == said
        return
    with pytest.raises(Problem) as refused:
        await home.run(lambda: main.send(b"{}"))
    assert said in str(refused.value)
