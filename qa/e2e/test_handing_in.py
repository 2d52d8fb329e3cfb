"""Owners of push seats ask for a token and hand in numbers, on both platforms, with the whole bot."""

import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from meterbot.app.build import assembled
from meterbot.app.config import load
from meterbot.app.run import Bot
from meterbot.core.clock import SystemClock
from meterbot.core.text import stamp
from meterbot.store import counter_states, push_tokens
from tests.chat.secrets import watching
from tests.contracts.discord_openapi import contract
from tests.ports import free_port
from tests.simulator.discord import DiscordSimulator
from tests.simulator.slack import SlackSimulator

ORG = "11111111-2222-4333-8444-555555555555"


@dataclass
class House:
    """A running bot with two push seats: ana's, who is on both platforms, and bo's."""

    bot: Bot
    slack: SlackSimulator
    discord: DiscordSimulator
    url: str
    database: Path
    config: str

    async def push(self, token: str, document: str) -> int:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/api/v1/snapshots", data=document, headers=headers) as response,
        ):
            return response.status

    async def seats(self) -> set[str]:
        return {row.seat for row in await self.bot.store.read(counter_states.read_latest)}

    def seen_by_others(self) -> str:
        """Everything in the channels and in the database."""
        with closing(sqlite3.connect(self.database)) as database, database:
            dump = "\n".join(database.iterdump())
        messages = [message.payload for message in self.slack.messages()] + self.discord.messages()
        return dump + json.dumps(messages)


def configuration(
    slack: SlackSimulator, discord: DiscordSimulator, file: Path, extra: str, *, port: int, public_url: str
) -> str:
    return f"""
database_url = "sqlite:///{file}"
[slack]
channel = "{slack.channel}"
[discord]
guild_id = {discord.guild_id}
channel_id = {discord.channel_id}
[endpoints]
slack_api = "{slack.api_url}"
discord_api = "{discord.api_url}"
[http]
bind = "127.0.0.1:{port}"
public_url = "{public_url}"
[[seats]]
name = "ana"
source = "push"
owner = {{ slack = "UANA1", discord = "42" }}
[[seats]]
name = "bo"
source = "push"
owner = {{ slack = "UBO1", discord = "43" }}
{extra}"""


@asynccontextmanager
async def opened(
    folder: Path, extra: str = "", *, port: int = 0, public_url: str = ""
) -> AsyncIterator[House]:
    said, problems = contract(), list[str]()
    port, file = port or free_port(), folder / "meterbot.db"
    url = f"http://127.0.0.1:{port}"
    async with SlackSimulator() as slack, DiscordSimulator() as discord:
        if said is not None:
            discord.watch = lambda exchange: problems.extend(said.problems(exchange))
        environ = {
            "METERBOT_CONFIG_TOML": configuration(
                slack, discord, file, extra, port=port, public_url=public_url or url
            ),
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "DISCORD_TOKEN": discord.token,
        }
        async with assembled(load(None, environ, folder), SystemClock()) as bot:
            await discord.until(lambda: discord.commands and discord.gateway.live)
            yield House(bot, slack, discord, url, file, environ["METERBOT_CONFIG_TOML"])
        assert slack.unexpected == discord.unexpected == problems == []


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as house:
        yield house


def document(house: House, **more: object) -> str:
    """claude-meter's JSON, of a minute ago, over several lines."""
    usage = {
        "extra_usage": {"is_enabled": True, "used_credits": 1720, "monthly_limit": 5000, "currency": "USD"}
    }
    at = stamp(house.bot.clock.now() - timedelta(minutes=1))
    whole = {"org_uuid": ORG, "fetched_at": at, "usage": usage, "overage": None, "subscription": None}
    return json.dumps({**whole, **more}, indent=1)


def command_on_slack(payload: dict[str, Any]) -> str:
    """The first block of code."""
    texts = [
        part["elements"][0]["text"]
        for block in payload["blocks"]
        if block["type"] == "rich_text"
        for part in block["elements"]
        if part["type"] == "rich_text_preformatted"
    ]
    return str(texts[0])


def command_on_discord(message: dict[str, Any]) -> str:
    return str(message["embeds"][0]["description"].split("```")[1].strip())


async def token_of(command: str, url: str) -> str:
    """What the line of `join` does: trades its code for the token."""
    found = re.fullmatch(rf"curl -fsSL ({re.escape(url)}/join/[\w-]+) \| python3 -", command)
    assert found, command
    async with aiohttp.ClientSession() as session, session.post(found[1]) as answer:
        return str((await answer.json())["token"])


async def test_a_token_from_slack_opens_the_own_seat_and_is_nowhere_else(
    house: House, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with watching(caplog, capsys) as watch:
        asked = await house.slack.slash("/claude-spend", "join share", user="UANA1")
        said = await house.slack.answer(asked)
        assert said.payload["response_type"] == "ephemeral"
        token = await token_of(command_on_slack(said.payload), house.url)
        assert await house.push(token, document(house)) == 202
        assert await house.seats() == {"ana"}
        watch.assert_hidden(token, house.bot)
    assert token not in json.dumps([call.arguments for call in house.slack.calls])
    assert token not in house.seen_by_others()


async def test_a_token_from_discord_takes_the_place_of_the_one_before(
    house: House, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    said = await house.slack.answer(await house.slack.slash("/claude-spend", "join", user="UANA1"))
    first = await token_of(command_on_slack(said.payload), house.url)
    with watching(caplog, capsys) as watch:
        warned = await house.discord.answer_to(await house.discord.slash("join", user="42"))
        [[button]] = [row["components"] for row in warned["components"]]
        assert button["label"] == "Connect a machine"
        answer = await house.discord.answer_to(await house.discord.slash("join ana new share", user="42"))
        assert answer["flags"] == 64
        second = await token_of(command_on_discord(answer), house.url)
        assert await house.push(first, document(house)) == 401
        assert await house.push(second, document(house)) == 202
        await house.discord.answer_to(await house.discord.slash("me", user="42"))
        watch.assert_hidden(second, house.bot)
    assert second not in house.seen_by_others()


async def test_nobody_gets_the_token_of_somebody_else(house: House) -> None:
    said = await house.slack.answer(await house.slack.slash("/claude-spend", "join ana", user="UBO1"))
    answer = await house.discord.answer_to(await house.discord.slash("join ana new", user="43"))
    nobody = await house.slack.answer(await house.slack.slash("/claude-spend", "join", user="U9"))
    assert "mbpush_" not in str(said.payload) + str(answer) + str(nobody.payload)
    assert 'owner = { slack = "U9" }' in command_on_slack(nobody.payload)
    assert await house.bot.store.read(push_tokens.read) == []


async def test_an_approver_lets_a_person_join(tmp_path: Path) -> None:
    terms = '[push]\napproval = true\napprovers = { slack = ["UBOSS"] }'
    async with opened(tmp_path, terms) as house:
        said = await house.slack.answer(await house.slack.slash("/claude-spend", "join", user="UANA1"))
        assert "posted your request" in str(said.payload)
        [request] = house.slack.messages()
        assert len(house.discord.messages()) == 1

        await house.slack.answer(await house.slack.press(request, "approve:ana", user="UANA1"))
        assert house.slack.messages() == [request]
        await house.slack.answer(await house.slack.press(request, "approve:ana", user="UBOSS"))
        assert "<@UANA1>" in str(house.slack.messages()[-1].payload)

        said = await house.slack.answer(await house.slack.slash("/claude-spend", "join", user="UANA1"))
        token = await token_of(command_on_slack(said.payload), house.url)
        assert await house.push(token, document(house)) == 202
        assert token not in house.seen_by_others()


async def test_numbers_are_pasted_on_slack_and_corrected_in_the_form(house: House) -> None:
    asked = await house.slack.slash("/claude-spend", "report", user="UANA1")
    modal = await house.slack.modal(asked)
    assert modal.view["title"]["text"] == "Numbers of ana"
    await house.slack.submit(modal, document(house, org_uuid=7))
    assert modal.errors["text"].startswith("Nothing was stored. org_uuid: expected")
    assert await house.seats() == set()

    await house.slack.submit(modal, document(house))
    assert "Stored 1 reading" in str(modal.view["blocks"])
    assert "$17.20 / $50.00" in str(modal.view["blocks"])
    assert await house.seats() == {"ana"}
    assert asked.answers == house.slack.messages() == []


async def test_numbers_are_pasted_on_discord_and_tried_again_by_a_button(house: House) -> None:
    form = await house.discord.form_of(await house.discord.slash("report", user="43"))
    wrong = await house.discord.answer_to(await house.discord.submit(form, "{", user="43"))
    assert wrong["embeds"][0]["description"] == "Nothing was stored. the body is not JSON"
    [[again]] = [row["components"] for row in wrong["components"]]
    assert again["label"] == "Try again"

    right = await house.discord.answer_to(await house.discord.submit(form, document(house), user="43"))
    assert right["flags"] == 64
    assert "Stored 1 reading" in right["embeds"][0]["description"]
    assert await house.seats() == {"bo"}
    assert house.discord.messages() == []


async def test_a_form_in_the_wrong_hands_changes_nothing(house: House) -> None:
    form = await house.discord.form_of(await house.discord.slash("report", user="42"))
    said = await house.discord.answer_to(await house.discord.submit(form, document(house), user="43"))
    modal = await house.slack.modal(await house.slack.slash("/claude-spend", "report", user="UANA1"))
    modal.user = "UBO1"
    await house.slack.submit(modal, document(house))
    assert "Stored" not in str(said) + str(modal.view)
    assert await house.seats() == set()
