"""The simulated Slack with a client that is not Python's: @slack/bolt for JavaScript."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.peers.conftest import Peer
from tests.peers.node import NODE
from tests.simulator.slack import SlackSimulator

pytestmark = pytest.mark.peers


@asynccontextmanager
async def bolt(slack: SlackSimulator, modules: Path) -> AsyncIterator[None]:
    """The bot of slack_bolt.js, ended with the block."""
    settings = {
        "PEERS": str(modules),
        "BOT_TOKEN": slack.bot_token,
        "APP_TOKEN": slack.app_token,
        "API_URL": slack.api_url,
        "CHANNEL": slack.channel,
    }
    script = Path(__file__).with_name("slack_bolt.js")
    process = await asyncio.create_subprocess_exec(str(NODE), str(script), env={**os.environ, **settings})
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def test_bolt_for_javascript_posts_edits_answers_and_follows_a_refresh(peer: Peer) -> None:
    modules = peer("@slack/bolt").parents[1]
    async with SlackSimulator() as slack, bolt(slack, modules):
        await slack.until(lambda: slack.hellos and slack.messages() and slack.messages()[0].edits, seconds=20)
        (message,) = slack.messages()
        assert (message.text, message.delivery) == ("after", "delivery1")

        assert (await slack.answer(await slack.slash("/claude-spend", "me"))).text == "answer to me"
        assert (await slack.answer(await slack.press(message, "snooze:1h"))).text == "answer to snooze:1h"

        await slack.refresh()
        await slack.until(lambda: slack.hellos == 2 and slack.sockets == 1, seconds=20)
        assert (await slack.answer(await slack.slash("/claude-spend", "again"))).text == "answer to again"
        assert slack.unexpected == []
