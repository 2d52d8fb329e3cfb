"""What people ask on Slack, over Socket Mode and over signed HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from meterbot.chat import Answer, Question
from meterbot.core.messages import Chart, ChartKind, Column, Message, Series, Table
from tests.chat.log_lines import logged
from tests.chat.slack.rig import Rig, alert, chat_of, rig
from tests.simulator.slack import SlackSimulator
from tests.simulator.slack_faults import Fault, dropped

# --- Slash commands


async def test_a_command_is_answered_for_the_asker_only() -> None:
    async with rig() as r:
        asked = await r.slack.slash("/claude-spend", "seat ana", user="U0ASKER")
        said = await r.slack.answer(asked)

        assert r.asked == [Question(("seat", "ana"), "slack", "U0ASKER", r.slack.channel)]
        assert said.text == "seat ana"
        assert said.payload["response_type"] == "ephemeral"
        assert r.slack.messages() == []


async def test_a_shared_answer_is_in_the_channel() -> None:
    async with rig() as r:
        said = await r.slack.answer(await r.slack.slash("/claude-spend", "share"))

        assert said.payload["response_type"] == "in_channel"
        assert r.slack.messages() == [said]


async def test_a_command_that_is_not_ours_gets_help() -> None:
    async with rig() as r:
        await r.slack.answer(await r.slack.slash("/claude-credit", "me"))

        assert r.asked[0].words == ("help",)


async def test_words_arrive_as_they_were_typed() -> None:
    async with rig() as r:
        await r.slack.answer(await r.slack.slash("/claude-spend", "seat  R&D <x>"))

        assert r.asked[0].words == ("seat", "R&D", "<x>")


async def test_an_answer_that_takes_its_time_was_acknowledged_before() -> None:
    release = asyncio.Event()

    async def slow(_: Question) -> Answer:
        await release.wait()
        return Answer(Message("Late", "late"))

    async with rig(start=False) as r:
        await r.chat.start(slow)
        asked = await r.slack.slash("/claude-spend")
        assert asked.acknowledged.is_set()
        assert asked.answers == []

        release.set()
        assert (await r.slack.answer(asked)).text == "late"


async def test_an_answer_under_way_is_given_before_the_chat_closes() -> None:
    release = asyncio.Event()

    async def slow(_: Question) -> Answer:
        await release.wait()
        return Answer(Message("Late", "late"))

    async with rig(start=False) as r:
        await r.chat.start(slow)
        asked = await r.slack.slash("/claude-spend")
        closing = asyncio.create_task(r.chat.close())
        await r.slack.until(lambda: not r.chat._running)
        release.set()
        await closing

        assert [said.text for said in asked.answers] == ["late"]


async def test_an_answer_that_never_comes_does_not_outlive_the_chat() -> None:
    given_up = asyncio.Event()

    async def stuck(_: Question) -> Answer:
        try:
            return await asyncio.Future()
        finally:
            given_up.set()

    async with rig(start=False) as r:
        await r.chat.start(stuck)
        await r.slack.slash("/claude-spend")
        await r.chat.close()

        assert given_up.is_set()


async def test_a_shared_answer_whose_receipt_was_lost_is_not_shared_twice() -> None:
    async with rig() as r, logged() as lines:
        r.slack.fail("response_url", dropped())
        await r.slack.answer(await r.slack.slash("/claude-spend", "share"))
        await r.slack.until(lambda: "an answer was not shown" in lines.events)

        assert len(r.slack.messages()) == 1


async def test_a_failing_answer_is_reported_without_its_details() -> None:
    async def failing(_: Question) -> Answer:
        raise ValueError("sk-ant-planted")

    async with rig(start=False) as r, logged() as lines:
        await r.chat.start(failing)
        said = await r.slack.answer(await r.slack.slash("/claude-spend"))

        assert "went wrong" in said.text
        assert "answering a question failed" in lines.events
        assert "sk-ant-planted" not in str(said.payload)


@pytest.mark.parametrize("status", [404, 500])
async def test_an_answer_slack_does_not_take_is_logged_and_the_next_one_is_given(
    status: int,
) -> None:
    async with rig() as r, logged() as lines:
        r.slack.fail("response_url", Fault(status, "expired_url"))
        await r.slack.slash("/claude-spend", "one")
        await r.slack.until(lambda: any(f"HTTP {status}" in str(line) for line in lines))

        assert (await r.slack.answer(await r.slack.slash("/claude-spend", "two"))).text == "two"


# --- Buttons


async def test_a_button_asks_its_verb_and_argument_and_answers_the_presser_only() -> None:
    async with rig() as r:
        await r.chat.post("delivery1", r.slack.channel, alert())
        (message,) = r.slack.messages()
        pressed = await r.slack.press(message, "snooze:1h", user="U0ASKER")
        said = await r.slack.answer(pressed)

        assert r.asked == [
            Question(
                ("snooze", "1h"),
                "slack",
                "U0ASKER",
                r.slack.channel,
                name="u0asker",
            )
        ]
        assert said.payload["response_type"] == "ephemeral"
        assert said.payload["replace_original"] is False
        assert r.slack.messages() == [message]


async def test_a_share_button_answers_in_the_channel() -> None:
    async with rig() as r:
        await r.chat.post("delivery1", r.slack.channel, alert())
        said = await r.slack.answer(await r.slack.press(r.slack.messages()[0], "share:why"))

        assert said in r.slack.messages()


# --- Deliveries that come twice


async def test_an_interaction_that_is_delivered_again_is_handled_once() -> None:
    async with rig() as r:
        asked = await r.slack.slash("/claude-spend", "me")
        await r.slack.answer(asked)
        again = await r.slack.deliver(asked, retry=1)
        await r.slack.answer(await r.slack.slash("/claude-spend", "other"))

        assert again.acknowledged.is_set()
        assert [question.words for question in r.asked] == [("me",), ("other",)]
        assert len(asked.answers) == 1


async def test_the_memory_of_handled_interactions_is_bounded() -> None:
    async with rig() as r:
        listener = r.chat._listener
        assert listener is not None
        for number in range(1500):
            assert listener._first_time(f"trigger {number}")

        assert len(listener._handled) == 1000
        assert not listener._first_time("trigger 1499")


# --- HTTP mode


@asynccontextmanager
async def over_http(**settings: Any) -> AsyncIterator[Rig]:
    slack = SlackSimulator()
    async with rig(slack, mode="http", app_token=None, signing_secret=slack.signing_secret, **settings) as r:
        app = web.Application()
        app.add_routes(r.chat.routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        slack.bot_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
        try:
            yield r
        finally:
            await runner.cleanup()


async def test_http_mode_answers_a_signed_command() -> None:
    async with over_http() as r:
        asked = await r.slack.slash("/claude-spend", "me")
        said = await r.slack.answer(asked)

        assert asked.status == 200
        assert said.text == "me"
        assert r.slack.sockets == 0
        assert r.chat.connection().up


async def test_http_mode_answers_a_signed_button() -> None:
    async with over_http() as r:
        await r.chat.post("delivery1", r.slack.channel, alert())
        said = await r.slack.answer(await r.slack.press(r.slack.messages()[0], "snooze:1h"))

        assert said.text == "snooze 1h"


@pytest.mark.parametrize("trick", ["stale", "forged"])
async def test_http_mode_turns_away_what_slack_did_not_just_sign(trick: str) -> None:
    async with over_http() as r:
        asked = await r.slack.slash("/claude-spend", "me", stale=trick == "stale", forged=trick == "forged")

        assert asked.status == 401
        assert r.asked == []


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("command=/claude-spend", {}, 401),
        ("command=/claude-spend", {"X-Slack-Request-Timestamp": "soon"}, 401),
        ("command=/claude-spend", {"X-Slack-Request-Timestamp": "1", "X-Slack-Signature": "v0=1"}, 401),
        ("{", {}, 400),
        ("[1]", {"Content-Type": "application/json"}, 400),
        ("payload={", {}, 400),
        (b"\xff\xfe", {}, 400),
        ("", {}, 401),
        ("ssl_check=1", {}, 200),
    ],
)
async def test_http_mode_survives_anything_posted_to_it(
    body: str | bytes, headers: dict[str, str], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    content = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    async with over_http() as r, aiohttp.ClientSession() as session:
        assert r.slack.bot_url is not None
        async with session.post(r.slack.bot_url, data=body, headers=content) as response:
            assert response.status == status
        assert r.asked == []
    assert "Traceback" not in caplog.text


async def test_http_mode_answers_slacks_challenge() -> None:
    body = '{"type": "url_verification", "challenge": "c1"}'
    async with over_http() as r, aiohttp.ClientSession() as session:
        assert r.slack.bot_url is not None
        headers = {"Content-Type": "application/json", **r.slack.signature(body)}
        async with session.post(r.slack.bot_url, data=body, headers=headers) as response:
            assert "c1" in await response.text()


async def test_http_mode_acknowledges_before_it_answers() -> None:
    release = asyncio.Event()

    async def slow(_: Question) -> Answer:
        await release.wait()
        return Answer(Message("Late", "late"))

    async with over_http() as r:
        await r.chat.close()
        await r.chat.start(slow)
        asked = await r.slack.slash("/claude-spend")
        assert asked.acknowledged.is_set()

        release.set()
        assert (await r.slack.answer(asked)).text == "late"


async def test_http_mode_says_that_it_is_starting() -> None:
    async with SlackSimulator() as slack:
        chat = chat_of(slack, mode="http", signing_secret="s")
        (route,) = chat.routes()
        response = await route.handler(web.Request.__new__(web.Request))

        assert (route.method, route.path) == ("POST", "/slack/events")
        assert response.status == 503


async def test_socket_mode_serves_no_route() -> None:
    async with rig() as r:
        assert r.chat.routes() == []


CHART = Chart(
    "Spend by day",
    ChartKind.BAR,
    ("Apr 1", "Apr 2"),
    (Series("ana", (Decimal(1), Decimal(2))),),
    "USD",
    "ana",
)
TABLE = Table("Seats", (Column("Seat"), Column("Spent", numeric=True)), (("ana", "$3.00"),))


async def drawn(question: Question) -> Answer:
    return Answer(Message("History", "$3.00", tables=(TABLE,), charts=(CHART,)), "share" in question.words)


async def test_an_answer_has_a_native_table_and_chart() -> None:
    async with rig(start=False) as r:
        await r.chat.start(drawn)
        said = await r.slack.answer(await r.slack.slash("/claude-spend", "history"))

        assert {"table", "data_visualization"} <= {block["type"] for block in said.blocks}


async def test_an_answer_whose_native_blocks_slack_does_not_know_yet_comes_as_text() -> None:
    async with rig(start=False) as r:
        await r.chat.start(drawn)
        r.slack.fail("response_url", Fault(400, "invalid_blocks", "text/plain"))
        said = await r.slack.answer(await r.slack.slash("/claude-spend", "history"))

        assert "data_visualization" not in {block["type"] for block in said.blocks}
        assert "$3.00" in json.dumps(said.blocks)


@pytest.mark.parametrize("kind", ["command", "button", "mention", "form"])
async def test_people_of_another_workspace_see_and_do_nothing(kind: str) -> None:
    async with rig() as r:
        stranger: dict[str, Any] = {"user": "U0EXT", "team": "T0OTHER"}
        match kind:
            case "command":
                said = await r.slack.answer(await r.slack.slash("/claude-spend", "me", **stranger))
            case "button":
                await r.chat.post("d" * 16, r.slack.channel, alert())
                message = r.slack.messages()[0]
                said = await r.slack.answer(await r.slack.press(message, "snooze:1h", **stranger))
            case "mention":
                await r.slack.mention("me", **stranger)
                await r.slack.until(lambda: r.slack.whispered)
                said = r.slack.whispered[0][1]
            case _:
                said = await r.slack.answer(await r.slack.slash("/claude-spend", "paste", **stranger))

        assert "allow_teams" in json.dumps(said.blocks)
        assert "T0OTHER" in json.dumps(said.blocks)
        assert r.asked == []


async def test_people_of_an_allowed_workspace_are_answered() -> None:
    async with rig(allow_teams=("T0OTHER",)) as r:
        await r.slack.answer(await r.slack.slash("/claude-spend", "me", user="U0EXT", team="T0OTHER"))

        assert [question.user for question in r.asked] == ["U0EXT"]


async def test_a_body_too_deep_to_parse_is_a_bad_request() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    async with over_http() as r, aiohttp.ClientSession() as session:
        headers = {**r.slack.signature(deep), "Content-Type": "application/json"}
        assert r.slack.bot_url is not None
        async with session.post(r.slack.bot_url, data=deep, headers=headers) as response:
            assert response.status == 400
