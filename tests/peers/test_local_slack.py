"""SlackChat with a workspace that others wrote, over Socket Mode and over signed HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from meterbot.chat import Answer, Question
from meterbot.chat.slack.chat import SlackChat
from meterbot.core.messages import Message, Section
from tests.chat.slack.rig import alert
from tests.peers.conftest import Peer
from tests.peers.local_slack import (
    APP_TOKEN,
    BOT,
    BOT_TOKEN,
    CHANNEL,
    SIGNING_SECRET,
    LocalSlack,
    local_slack,
)
from tests.ports import free_port

pytestmark = pytest.mark.peers


async def answer(question: Question) -> Answer:
    words = " ".join(question.words)
    table = Section(("ana              $4.20 / $50.00 (8%)",), "Seats", fixed=True)
    return Answer(Message("Team", f"answer to {words}", sections=(table,)), public="share" in question.words)


@pytest.fixture
def binary(peer: Peer) -> Path:
    return peer("local-slack-linux-x64") / "bin" / "local-slack"


@asynccontextmanager
async def over_socket(binary: Path, folder: Path) -> AsyncIterator[tuple[LocalSlack, SlackChat]]:
    async with local_slack(binary, folder) as slack:
        chat = SlackChat(bot_token=BOT_TOKEN, app_token=APP_TOKEN, channel=CHANNEL, api_url=slack.api_url)
        try:
            await chat.start(answer)
            yield slack, chat
        finally:
            await chat.close()


@asynccontextmanager
async def over_http(
    binary: Path, folder: Path, secret: str = SIGNING_SECRET
) -> AsyncIterator[tuple[LocalSlack, SlackChat]]:
    port = free_port()
    async with local_slack(binary, folder, f"http://127.0.0.1:{port}/slack/events") as slack:
        chat = SlackChat(
            bot_token=BOT_TOKEN, signing_secret=secret, mode="http", channel=CHANNEL, api_url=slack.api_url
        )
        app = web.Application()
        app.add_routes(chat.routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            await chat.start(answer)
            yield slack, chat
        finally:
            await chat.close()
            await runner.cleanup()


both = pytest.mark.parametrize("connected", [over_socket, over_http])


@both
async def test_an_alert_is_posted_edited_and_answered_in_its_thread(
    connected: Any, binary: Path, tmp_path: Path
) -> None:
    async with connected(binary, tmp_path) as (slack, chat):
        assert chat.connection().up
        where = await chat.post("delivery1", CHANNEL, alert())
        await chat.edit("delivery2", where, alert("ana is unblocked"))
        await chat.reply("delivery3", where, alert("resolved"))

        root, reply = await slack.messages()
        assert (where.channel, where.message) == (CHANNEL, root["ts"])
        assert root["user"] == BOT
        assert root["text"] == "🚨 ana is unblocked: cap spent"
        assert root["edited"]
        assert root["blocks"][0]["text"]["text"] == "🚨 ana is unblocked"
        assert reply["thread_ts"] == root["ts"]


@both
async def test_a_slash_command_is_answered_for_the_asker(
    connected: Any, binary: Path, tmp_path: Path
) -> None:
    async with connected(binary, tmp_path) as (slack, _):
        await slack.command("/claude-spend", "seat ana")
        said = await slack.message(lambda message: message["text"] == "answer to seat ana")

        assert said["subtype"] == "ephemeral"
        assert said["blocks"][1]["type"] == "rich_text"


@both
async def test_a_shared_answer_is_for_everybody(connected: Any, binary: Path, tmp_path: Path) -> None:
    async with connected(binary, tmp_path) as (slack, _):
        await slack.command("/claude-spend", "share")
        said = await slack.message(lambda message: message["text"] == "answer to share")

        assert "subtype" not in said


@both
async def test_a_button_is_answered_beside_the_alert(connected: Any, binary: Path, tmp_path: Path) -> None:
    async with connected(binary, tmp_path) as (slack, chat):
        await chat.post("delivery1", CHANNEL, alert())
        (posted,) = await slack.messages()
        await slack.press(posted, "snooze:1h")
        said = await slack.message(lambda message: message["text"] == "answer to snooze 1h")

        assert said["subtype"] == "ephemeral"
        assert (await slack.messages())[0] == posted


async def test_a_request_signed_with_another_secret_is_not_answered(binary: Path, tmp_path: Path) -> None:
    async with over_http(binary, tmp_path, secret="another") as (slack, chat):
        await slack.command("/claude-spend", "me")
        await chat.post("delivery1", CHANNEL, alert())

        assert [message["text"] for message in await slack.messages()] == ["🚨 ana is BLOCKED: cap spent"]
