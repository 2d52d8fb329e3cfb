"""What is known when a request to Discord fails, and that no failure shows the token."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from meterbot.chat.discord.client import set_up_library
from meterbot.chat.discord.web_api import DiscordWeb
from meterbot.core.errors import Outcome, StartError
from meterbot.core.messages import Posted
from tests.chat.discord.rig import (
    DELIVERY,
    ONE_MESSAGE,
    POST_MESSAGE,
    Answers,
    a_while_ago,
    alert,
    chat_on,
    refusal_of,
    running,
    simulated,
)
from tests.chat.secrets import watching
from tests.simulator.discord import DiscordSimulator
from tests.simulator.discord_faults import (
    Hanging,
    counted,
    dropped,
    garbled,
    rate_limited,
    refused,
)

ME = "/users/@me"


@pytest.fixture
async def discord() -> AsyncIterator[DiscordSimulator]:
    async with simulated() as discord:
        yield discord


@pytest.mark.parametrize(
    ("fault", "outcome", "said"),
    [
        (refused(401), Outcome.REFUSED, "DISCORD_TOKEN"),
        (refused(403, 50001), Outcome.REFUSED, "meterbot discord invite"),
        (refused(403, 50013), Outcome.REFUSED, "Send Messages"),
        (refused(404, 10003), Outcome.REFUSED, "channel_id"),
        (refused(503), Outcome.IN_DOUBT, "status 503"),
        (dropped(done=False), Outcome.IN_DOUBT, "cannot be reached"),
        (rate_limited(45), Outcome.NOT_SENT, "asks for a pause"),
    ],
)
async def test_a_failed_post_says_what_is_known_and_what_to_do(
    discord: DiscordSimulator, fault: Any, outcome: Outcome, said: str
) -> None:
    async with running(discord) as chat:
        discord.fail("POST", POST_MESSAGE, fault)
        error = await refusal_of(chat.post(DELIVERY, discord.channel_id, alert()))
    assert error.outcome is outcome
    assert said in error.reason
    assert discord.messages() == []


@pytest.mark.parametrize(("fault", "seconds"), [(rate_limited(45), 45), (rate_limited(7, via=False), 7)])
async def test_a_long_rate_limit_says_when_to_come_again(
    discord: DiscordSimulator, fault: Any, seconds: float
) -> None:
    async with running(discord) as chat:
        discord.fail("POST", POST_MESSAGE, fault)
        error = await refusal_of(chat.post(DELIVERY, discord.channel_id, alert()))
    assert (error.outcome, error.retry_after) == (Outcome.NOT_SENT, seconds)


async def test_a_limit_with_a_far_reset_makes_discord_py_refuse_by_itself(discord: DiscordSimulator) -> None:
    """Even with requests to spare: above 30 s it raises before it asks."""
    async with running(discord) as chat:
        discord.fail("POST", POST_MESSAGE, counted(1, 60))
        await chat.post(DELIVERY, discord.channel_id, alert())
        error = await refusal_of(chat.post("b" * 16, discord.channel_id, alert()))
    assert error.outcome is Outcome.NOT_SENT
    assert error.retry_after == pytest.approx(60, abs=5)
    assert len(discord.requests("POST", POST_MESSAGE)) == 1


async def test_a_short_rate_limit_is_waited_for(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        discord.fail("POST", POST_MESSAGE, rate_limited(0.01), times=3)
        await chat.post(DELIVERY, discord.channel_id, alert())
    assert len(discord.messages()) == 1


async def test_a_rate_limit_longer_than_our_patience_is_not_slept_through(discord: DiscordSimulator) -> None:
    async with running(discord, patience=0.2) as chat:
        discord.fail("POST", POST_MESSAGE, rate_limited(20))
        error = await refusal_of(chat.post(DELIVERY, discord.channel_id, alert()))
    assert (error.outcome, error.retry_after) == (Outcome.NOT_SENT, 20)


async def test_after_a_global_rate_limit_a_call_is_given_up_at_once_and_the_client_stays_usable(
    discord: DiscordSimulator,
) -> None:
    """discord.py would block all calls until this one has waited; the time-out stands for a caller that does not."""
    async with running(discord) as chat:
        logins = len(discord.requests("GET", ME))
        discord.fail("POST", POST_MESSAGE, rate_limited(20, global_limit=True))
        async with asyncio.timeout(2):
            error = await refusal_of(chat.post(DELIVERY, discord.channel_id, alert()))
        assert (error.outcome, error.retry_after) == (Outcome.NOT_SENT, 20)
        await chat.post(DELIVERY, discord.channel_id, alert())
        assert len(discord.requests("GET", ME)) == logins
    assert len(discord.messages()) == 1


async def test_a_global_rate_limit_of_one_call_does_not_disturb_another(discord: DiscordSimulator) -> None:
    async with running(discord, patience=2.0) as chat:
        hanging = Hanging()
        discord.fail("GET", POST_MESSAGE, hanging)
        discord.fail("POST", POST_MESSAGE, rate_limited(20, global_limit=True))
        looking = asyncio.create_task(chat.find(DELIVERY, discord.channel_id, a_while_ago()))
        await hanging.reached.wait()
        await refusal_of(chat.post(DELIVERY, discord.channel_id, alert()))
        hanging.release()
        assert await looking == []


@pytest.mark.parametrize(
    "fault", [rate_limited(20, global_limit=True), rate_limited(20, via=False)], ids=["global", "no JSON"]
)
async def test_a_rate_limit_of_the_login_says_when_to_come_again(
    discord: DiscordSimulator, fault: Any
) -> None:
    chat = chat_on(discord)
    discord.fail("GET", ME, fault, times=2)
    posting = await refusal_of(chat.post(DELIVERY, discord.channel_id, alert()))
    looking = await refusal_of(chat.find(DELIVERY, discord.channel_id, a_while_ago()))
    for error in (posting, looking):
        assert (error.outcome, error.retry_after) == (Outcome.NOT_SENT, 20)


async def test_a_login_that_fails_leaves_no_doubt(discord: DiscordSimulator) -> None:
    chat = chat_on(discord)
    discord.fail("GET", ME, dropped(done=True), times=2)  # aiohttp tries a GET again
    error = await refusal_of(chat.post(DELIVERY, discord.channel_id, alert()))
    assert error.outcome is Outcome.NOT_SENT


async def test_a_server_error_is_tried_again_with_the_same_nonce(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        discord.fail("POST", POST_MESSAGE, refused(502))
        await chat.post(DELIVERY, discord.channel_id, alert())
    assert [body["nonce"] for body in discord.requests("POST", POST_MESSAGE)] == [DELIVERY] * 2


async def test_a_refusal_after_a_server_error_leaves_a_doubt(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        discord.fail("POST", POST_MESSAGE, refused(500))
        discord.fail("POST", POST_MESSAGE, refused(403, 50013))
        error = await refusal_of(chat.post(DELIVERY, discord.channel_id, alert()))
    assert error.outcome is Outcome.IN_DOUBT


async def test_nothing_was_sent_when_nobody_listens(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        await discord.close()
        # The first try may still find the old connection open, and lose it.
        await refusal_of(chat.post(DELIVERY, discord.channel_id, alert()))
        error = await refusal_of(chat.post(DELIVERY, discord.channel_id, alert()))
    assert error.outcome is Outcome.NOT_SENT


async def test_a_message_that_arrived_before_the_connection_broke_is_found(discord: DiscordSimulator) -> None:
    async with running(discord) as chat:
        discord.fail("POST", POST_MESSAGE, dropped(done=True))
        error = await refusal_of(chat.post(DELIVERY, discord.channel_id, alert()))
        found = await chat.find(DELIVERY, discord.channel_id, a_while_ago())
    assert error.outcome is Outcome.IN_DOUBT
    assert found == [Posted(discord.channel_id, discord.messages()[0]["id"])]


async def test_a_silent_discord_is_given_up_and_the_message_found_later(discord: DiscordSimulator) -> None:
    async with running(discord, patience=0.2) as chat:
        hanging = Hanging()
        discord.fail("POST", POST_MESSAGE, hanging)
        error = await refusal_of(chat.post(DELIVERY, discord.channel_id, alert()))
        hanging.release()
        found = await chat.find(DELIVERY, discord.channel_id, a_while_ago())
    assert error.outcome is Outcome.IN_DOUBT
    assert found is not None


@pytest.mark.parametrize(
    "fault",
    [
        garbled("<html>Log in to the Wi-Fi</html>"),
        garbled("[]", "application/json"),
        garbled('{"id": ', "application/json"),
        garbled("{}", "application/json"),
    ],
    ids=["page", "list", "half", "empty"],
)
async def test_an_answer_that_makes_no_sense_leaves_a_doubt(discord: DiscordSimulator, fault: Any) -> None:
    async with running(discord) as chat:
        discord.fail("POST", POST_MESSAGE, fault)
        error = await refusal_of(chat.post(DELIVERY, discord.channel_id, alert()))
        found = await chat.find(DELIVERY, discord.channel_id, a_while_ago())
    assert error.outcome is Outcome.IN_DOUBT
    assert "proxy" in error.reason
    assert found is not None


@pytest.mark.parametrize("body", ["<html>", "{}", '[{"id": "1"}]', "[1]"])
async def test_a_history_that_makes_no_sense_settles_nothing(discord: DiscordSimulator, body: str) -> None:
    content_type = "text/html" if body == "<html>" else "application/json"
    async with running(discord) as chat:
        discord.fail("GET", POST_MESSAGE, garbled(body, content_type), times=2)
        error = await refusal_of(chat.find(DELIVERY, discord.channel_id, a_while_ago()))
    assert error.outcome is Outcome.IN_DOUBT


def planted() -> list[Any]:
    return [
        refused(401),
        refused(403),
        refused(404),
        refused(503),
        rate_limited(45),
        rate_limited(1, via=False),
        dropped(done=True),
    ]


async def test_the_token_never_shows_whatever_fails(
    discord: DiscordSimulator, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = discord.token = discord.gateway.token = "MTAwMQ.planted.secret-token-of-the-bot"
    discord.gateway.refusals = 1
    where = Posted(discord.channel_id, "1")
    with watching(caplog, capsys) as watch:
        async with running(discord) as chat:
            shown: list[object] = [chat]
            for fault in planted():
                discord.fail("POST", POST_MESSAGE, fault)
                shown.append(await refusal_of(chat.post(DELIVERY, discord.channel_id, alert())))
                discord.fail("PATCH", ONE_MESSAGE, fault)
                shown.append(await refusal_of(chat.edit(DELIVERY, where, alert())))
                # aiohttp tries a GET again when the connection breaks
                discord.fail("GET", POST_MESSAGE, fault, times=2)
                shown.append(await refusal_of(chat.find(DELIVERY, discord.channel_id, a_while_ago())))
                discord.clear_faults()
            await discord.connected()
            await discord.gateway.dispatch("INTERACTION_CREATE", {"nonsense": True})
            await discord.until(lambda: discord.gateway.identifies == 2 and discord.gateway.live)
            shown.append(chat.connection())
        wrong = chat_on(discord, token=f"{secret}-wrong")
        with pytest.raises(StartError) as raised:
            await wrong.start(Answers())
        watch.assert_hidden(secret, *shown, raised.value)


async def test_a_payload_that_is_no_json_is_a_bug_of_ours_and_no_failure_of_discord(
    discord: DiscordSimulator,
) -> None:
    set_up_library(discord.api_url)
    web = DiscordWeb(discord.token, lambda: pytest.fail("nothing is sent"), 5.0)
    with pytest.raises(TypeError):
        await web.call("POST", "/channels/{channel_id}/messages", {"content": object()}, channel_id="1")
