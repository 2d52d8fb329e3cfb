import asyncio
import json
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from meterbot.agent.trouble import PushError, RefusedError
from meterbot.demo.server import Reply
from tests.agent.rig import METER, NOW, Answered, Home, Meterbot
from tests.simulator.anthropic_api import AnthropicApi, SignIn, rate_limited


class Enough(Exception):  # noqa: N818 - how a test ends what would go on for ever
    """The time that the test looks at is over."""


async def keep_going(home: Home, until: timedelta, *, every: str = "15m", **options: object) -> None:
    """Lets the agent run for a stretch of the machine's time, in no time."""
    end = home.clock.now() + until

    def pause(seconds: float) -> None:
        assert 0 < seconds <= 60
        if home.clock.advance(timedelta(seconds=seconds)) >= end:
            raise Enough

    with pytest.raises(Enough):
        await home.pushing(pause=pause, every=every, **options)


def asked(anthropic: AnthropicApi) -> list[datetime]:
    """When usage was asked for."""
    return [request.at for request in anthropic.requests if request.route == "usage" and request.at]


def minutes(moments: list[datetime]) -> list[float]:
    """The times between moments."""
    return [(later - sooner).total_seconds() / 60 for sooner, later in pairwise(moments)]


@pytest.mark.usefixtures("anthropic")
async def test_a_reading_reaches_meterbot(home: Home, ana: SignIn, meterbot: Meterbot) -> None:
    ana.organization.used += 1720
    await home.pushing()
    (push,) = meterbot.pushes
    assert push.document["usage"]["extra_usage"]["used_credits"] == 1720.0
    assert push.document["account_uuid"] == ana.account
    assert home.said == ["sent, and stored by meterbot"]


async def test_a_run_before_its_time_reads_nothing(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    await home.pushing()
    home.clock.advance(timedelta(minutes=11, seconds=59))
    await home.pushing()
    assert len(asked(anthropic)) == len(meterbot.pushes) == 1
    assert home.said[1].startswith("nothing to send: meterbot has the last reading, the next is due at ")
    home.clock.advance(timedelta(seconds=1))
    await home.pushing()
    assert len(asked(anthropic)) == len(meterbot.pushes) == 2


async def test_it_keeps_going_at_a_pace_that_varies(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    home.chances = iter([0.0, 1.0, 0.5, 0.25] * 10)
    await keep_going(home, timedelta(hours=2))
    assert minutes(asked(anthropic))[:4] == [12.0, 18.0, 15.0, 13.5]
    assert len(meterbot.pushes) == len(asked(anthropic))
    assert {request.status for request in anthropic.requests} == {200}


async def test_refusals_climb_the_ladder_and_one_success_comes_down_from_it(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    home.chance = 0.0
    anthropic.fail("usage", *[rate_limited("0")] * 5)
    await keep_going(home, timedelta(hours=4))
    assert minutes(asked(anthropic))[:7] == [5, 15, 30, 60, 60, 12, 12]
    assert len(meterbot.pushes) == len(asked(anthropic)) - 5
    assert len([text for text in home.said if "too often" in text]) == 5
    assert "all is well again" in home.said


async def test_what_anthropic_asks_for_is_a_floor_that_a_restart_does_not_forget(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    home.chance = 0.0
    anthropic.fail("usage", rate_limited("3387"))
    with pytest.raises(RefusedError, match="too often"):
        await home.pushing()
    for _ in range(3):
        home.clock.advance(timedelta(seconds=1128))
        await home.pushing()  # each a new run, as a timer starts it
    assert len(asked(anthropic)) == 1
    assert home.said[-1].startswith("nothing to send: the last reading failed, the next is due at ")
    home.clock.advance(timedelta(seconds=3))
    await home.pushing()
    assert minutes(asked(anthropic)) == [3387 / 60]
    assert len(meterbot.pushes) == 1


@pytest.mark.usefixtures("meterbot")
async def test_no_wait_is_longer_than_six_hours(home: Home, anthropic: AnthropicApi) -> None:
    anthropic.fail("usage", rate_limited("864000"))
    await keep_going(home, timedelta(hours=7))
    assert minutes(asked(anthropic))[0] == 360


async def test_the_budget_of_an_account_bears_a_day_of_it(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    await keep_going(home, timedelta(days=1))
    assert {request.status for request in anthropic.requests} == {200}
    assert len([request for request in anthropic.requests if request.route == "profile"]) <= 2
    assert len(meterbot.pushes) == 96


async def test_while_meterbot_is_away_the_newest_reading_is_kept_and_no_more_are_made(
    home: Home, anthropic: AnthropicApi, ana: SignIn, meterbot: Meterbot
) -> None:
    home.chance = 0.0
    meterbot.answers.extend([Answered(503)] * 8)
    ana.organization.used += 100
    await keep_going(home, timedelta(minutes=11))
    used = [push.document["usage"]["extra_usage"]["used_credits"] for push in meterbot.pushes]
    assert used == [100.0] * len(used)
    assert len(asked(anthropic)) == 1
    ana.organization.used += 50
    await keep_going(home, timedelta(minutes=60))
    used = [push.document["usage"]["extra_usage"]["used_credits"] for push in meterbot.pushes]
    assert used[-1] == 150.0
    assert used == sorted(used)
    assert minutes(asked(anthropic))[:3] == [12, 12, 12]


async def test_a_reading_that_meterbot_missed_is_sent_by_the_next_run(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    meterbot.answers.append(Answered(503, {"Retry-After": "40"}))
    with pytest.raises(RefusedError, match="cannot take it for now"):
        await home.pushing()
    home.clock.advance(timedelta(seconds=39))
    await home.pushing()
    assert "is asked again at" in home.said[-1]
    home.clock.advance(timedelta(seconds=40))
    await home.pushing()
    assert len(asked(anthropic)) == 1
    assert [push.body for push in meterbot.pushes] == [meterbot.pushes[0].body] * 2
    assert home.said[-1] == "sent, and stored by meterbot"


async def test_after_a_person_mended_it_the_same_reading_is_sent_at_once(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    meterbot.answers.append(Answered(401))
    with pytest.raises(RefusedError, match="seat add"):
        await home.pushing()
    await home.pushing()
    assert len(asked(anthropic)) == 1
    assert len(meterbot.pushes) == 2


async def test_what_stays_refused_is_not_sent_again_and_again(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    home.chance = 0.0
    meterbot.answers.extend([Answered(409)] * 50)
    await keep_going(home, timedelta(hours=1))
    assert len(meterbot.pushes) == len(asked(anthropic)) == 5
    assert len(home.said) == 1


async def test_a_machine_without_a_sign_in_says_so_once_and_looks_again(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    (home.path / ".claude/.credentials.json").unlink()
    home.chance = 0.0
    await keep_going(home, timedelta(hours=1))
    assert home.said == ["there is no credentials file: run `claude` once and sign in"]
    assert anthropic.requests == []
    home.sign_in()
    await keep_going(home, timedelta(minutes=11))
    assert len(meterbot.pushes) == 1


@pytest.mark.usefixtures("anthropic")
async def test_a_run_without_a_sign_in_does_not_make_the_next_one_wait(
    home: Home, meterbot: Meterbot
) -> None:
    home.sign_in(until=NOW)
    with pytest.raises(PushError, match="run `claude` once"):
        await home.pushing()
    home.sign_in()
    await home.pushing()
    assert len(meterbot.pushes) == 1


async def test_a_dry_run_shows_the_very_bytes_and_sends_none(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot
) -> None:
    await home.pushing(dry_run=True)
    assert meterbot.pushes == []
    assert home.said == [
        f"would be sent, {len(home.shown)} bytes, as POST to {meterbot.url}/api/v1/snapshots with the push token:"
    ]
    await home.pushing()
    assert [push.body for push in meterbot.pushes] == [home.shown]
    assert len(asked(anthropic)) == 1


async def test_a_dry_run_needs_no_meterbot(home: Home, anthropic: AnthropicApi) -> None:
    del home.env["METERBOT_URL"], home.env["METERBOT_PUSH_TOKEN"]
    await home.pushing(dry_run=True)
    assert "nowhere yet (METERBOT_URL is not set" in home.said[0]
    assert json.loads(home.shown)["account_uuid"] == anthropic.signed_in[0].account


async def test_a_dry_run_has_nothing_to_show_while_anthropic_is_waited_for(
    home: Home, anthropic: AnthropicApi
) -> None:
    anthropic.fail_always("usage", rate_limited())
    with pytest.raises(RefusedError):
        await home.pushing()
    with pytest.raises(PushError, match="no reading yet, the next is due"):
        await home.pushing(dry_run=True)
    assert len(asked(anthropic)) == 1


async def test_two_runs_at_once_read_once(home: Home, anthropic: AnthropicApi, meterbot: Meterbot) -> None:
    held = asyncio.Event()
    anthropic.fail("usage", Reply(body=anthropic.signed_in[0].organization.usage(), until=held))
    runs = [asyncio.create_task(home.pushing()) for _ in range(2)]
    (first,), (second,) = await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED)
    with pytest.raises(PushError, match="another `meterbot push` is running"):
        first.result()
    held.set()
    await second
    assert len(asked(anthropic)) == len(meterbot.pushes) == 1


@pytest.mark.usefixtures("meterbot")
async def test_a_memory_that_is_damaged_costs_one_reading_and_no_more(
    home: Home, anthropic: AnthropicApi
) -> None:
    await home.pushing()
    home.machine.memory_file.write_text("{")
    await home.pushing()
    await home.pushing()
    assert len(asked(anthropic)) == 2


@pytest.mark.usefixtures("anthropic")
async def test_a_clock_that_was_set_back_does_not_silence_the_seat(home: Home, meterbot: Meterbot) -> None:
    home.clock.set(NOW + timedelta(days=20))
    await home.pushing()
    home.clock.set(NOW)
    await home.pushing()
    assert len(meterbot.pushes) == 2


async def test_the_json_of_claude_meter_is_sent_from_its_output_or_a_file(
    home: Home, meterbot: Meterbot
) -> None:
    home.typed = json.dumps(METER).encode()
    (home.path / "meter.json").write_bytes(json.dumps([METER, METER]).encode())
    await home.pushing(source="-")
    await home.pushing(source=str(home.path / "meter.json"))
    one, two = (push.document for push in meterbot.pushes)
    assert one["usage"] == METER["usage"]
    assert two == [one, one]
    assert not home.machine.memory_file.exists()


async def test_a_file_is_read_anew_each_time(home: Home, meterbot: Meterbot) -> None:
    home.chance = 0.5
    (home.path / "meter.json").write_bytes(json.dumps(METER).encode())
    await keep_going(home, timedelta(minutes=44), source=str(home.path / "meter.json"))
    assert len(meterbot.pushes) == 3


async def test_an_agent_that_keeps_going_outlives_a_file_that_is_missing(
    home: Home, meterbot: Meterbot
) -> None:
    path = home.path / "meter.json"
    await keep_going(home, timedelta(minutes=31), source=str(path))
    assert home.said == [f"cannot read {path}: No such file or directory"]
    path.write_text(json.dumps(METER))
    await home.pushing(source=str(path))
    assert len(meterbot.pushes) == 1
