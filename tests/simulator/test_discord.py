"""The simulated Discord, as any bot sees it: discord.py's own high-level calls, and plain requests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import discord
import pytest
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from meterbot.core.clock import FastClock, ManualClock
from tests.chat.discord.rig import simulated
from tests.simulator.discord import DiscordSimulator

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)


class Bot(discord.Client):
    """Answers its one command and its one button as a beginner's bot would."""

    def __init__(self, intents: discord.Intents | None = None) -> None:
        super().__init__(intents=intents or discord.Intents.none(), guild_ready_timeout=0.01)
        self.tree = discord.app_commands.CommandTree(self)
        self.tree.add_command(
            discord.app_commands.Command(name="hello", description="says so", callback=_hello)
        )

    async def setup_hook(self) -> None:
        await self.tree.sync()


async def _hello(interaction: discord.Interaction, how: str = "plainly") -> None:
    if how == "late":
        await interaction.response.defer()
        await interaction.followup.send("first")
        await interaction.followup.send("second", ephemeral=True)
        await interaction.edit_original_response(content="first, edited")
    else:
        await interaction.response.send_message(how)


@asynccontextmanager
async def bot_on(server: DiscordSimulator, **given: Any) -> AsyncIterator[Bot]:
    Route.BASE = server.api_url
    async with Bot(**given) as bot:
        await bot.login(server.token)
        url = (await bot.http.request(Route("GET", "/gateway")))["url"]
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url)
        listening = asyncio.create_task(bot.connect())
        await asyncio.wait_for(bot.wait_until_ready(), 5)
        yield bot
        await bot.close()
        await listening


@pytest.fixture(name="server")
async def _server() -> AsyncIterator[DiscordSimulator]:
    async with simulated() as server:
        yield server


async def test_messages_are_sent_read_edited_and_deleted(server: DiscordSimulator) -> None:
    async with bot_on(server) as bot:
        channel = bot.get_partial_messageable(int(server.channel_id))
        sent = await channel.send("hello", embed=discord.Embed(title="embedded"))
        assert (await channel.fetch_message(sent.id)).embeds[0].title == "embedded"
        await sent.edit(content="goodbye")
        assert [message.content async for message in channel.history(limit=None, oldest_first=True)] == [
            "goodbye"
        ]
        await sent.delete()
        with pytest.raises(discord.NotFound) as gone:
            await sent.edit(content="too late")
    assert gone.value.code == 10008
    assert server.messages() == []


async def test_a_command_is_answered_at_once_or_later(server: DiscordSimulator) -> None:
    async with bot_on(server):
        at_once = await server.answer_to(await server.slash("loudly"))
        later = await server.slash("late")
        await server.until(lambda: later.original and later.original["content"] == "first, edited")
        await server.until(lambda: later.followups)
    assert at_once["content"] == "loudly"
    assert [message["content"] for message in server.messages()] == ["loudly", "first, edited"]
    assert later.followups[0]["flags"] == 64


async def test_the_guild_is_described_to_those_who_ask_for_it(server: DiscordSimulator) -> None:
    async with bot_on(server, intents=discord.Intents(guilds=True)) as bot:
        assert [guild.name for guild in bot.guilds] == ["the team"]


async def test_a_wrong_token_is_refused_by_both_doors(server: DiscordSimulator) -> None:
    Route.BASE = server.api_url
    async with Bot() as bot:
        with pytest.raises(discord.LoginFailure):
            await bot.login("wrong")
    async with aiohttp.ClientSession() as session, session.ws_connect(_root(server)) as socket:
        assert (await socket.receive_json())["op"] == 10
        await socket.send_json({"op": 2, "d": {"token": "wrong", "intents": 0}})
        await socket.receive()
        assert socket.close_code == 4004


async def test_a_frame_above_4096_bytes_is_refused(server: DiscordSimulator) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(_root(server)) as socket:
        await socket.receive_json()
        await socket.send_str("x" * 4097)
        await socket.receive()
        assert socket.close_code == 4002


async def test_an_unknown_session_cannot_be_resumed(server: DiscordSimulator) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(_root(server)) as socket:
        await socket.receive_json()
        await socket.send_json({"op": 6, "d": {"token": server.token, "session_id": "old", "seq": 3}})
        assert (await socket.receive_json())["op"] == 9


async def test_a_question_expires_by_the_clock() -> None:
    clock = ManualClock(NOON)
    async with simulated(clock=clock) as server, bot_on(server):
        asked = await server.slash("plainly")
        await server.answer_to(asked)
        status, body = await _callback(server, asked.id, asked.token)
        assert (status, body["code"]) == (400, 40060)
        clock.advance(timedelta(seconds=3.1))
        status, body = await _callback(server, asked.id, asked.token)
        assert (status, body["code"]) == (404, 10062)


async def test_on_a_fast_clock_a_question_still_has_three_real_seconds() -> None:
    async with simulated(clock=FastClock(NOON, 100_000)) as server, bot_on(server):
        assert await server.answer_to(await server.slash("late"))


async def test_a_nonce_counts_within_its_window_only() -> None:
    clock = ManualClock(NOON)
    async with simulated(clock=clock) as server, bot_on(server) as bot:
        channel = bot.get_partial_messageable(int(server.channel_id))
        first = await channel.send("once", nonce="n1")
        clock.advance(timedelta(minutes=2))
        assert (await channel.send("once", nonce="n1")).id == first.id
        clock.advance(timedelta(minutes=2))
        assert (await channel.send("once", nonce="n1")).id != first.id


async def test_ids_tell_the_time_and_only_grow() -> None:
    clock = ManualClock(NOON)
    async with simulated(clock=clock) as server:
        first, second = await server.say("a"), await server.say("b")
    assert discord.utils.snowflake_time(int(first["id"])) == NOON
    assert int(first["id"]) < int(second["id"])


@pytest.mark.parametrize(
    ("allowed", "pinged", "everyone"),
    [(None, ["7"], True), ({"parse": []}, [], False), ({"parse": [], "users": ["7"]}, ["7"], False)],
    ids=["unsaid", "nobody", "one"],
)
async def test_who_is_pinged_depends_on_allowed_mentions(
    server: DiscordSimulator, allowed: Any, pinged: list[str], *, everyone: bool
) -> None:
    said = await server.say("<@7> @everyone", **({} if allowed is None else {"allowed_mentions": allowed}))
    assert [user["id"] for user in said["mentions"]] == pinged
    assert said["mention_everyone"] is everyone


@pytest.mark.parametrize(
    "body",
    [
        {"content": "x" * 2001},
        {"content": " "},
        {"embeds": [{"description": "x" * 3001}, {"description": "x" * 3000}]},
    ],
    ids=["long", "empty", "embeds"],
)
async def test_what_the_description_does_not_forbid_is_refused_all_the_same(
    server: DiscordSimulator, body: dict[str, Any]
) -> None:
    status, _ = await _request(server, "POST", f"/channels/{server.channel_id}/messages", body)
    assert status == 400


async def test_a_request_discord_simulates_not_is_reported() -> None:
    async with DiscordSimulator() as server:
        status, _ = await _request(server, "GET", "/guilds/1/bans", None)
        assert status == 404
        assert server.unexpected == ["GET /api/v10/guilds/1/bans"]


async def test_a_button_that_is_not_there_cannot_be_pressed(server: DiscordSimulator) -> None:
    message = await server.say("no buttons")
    with pytest.raises(ValueError, match="no button"):
        await server.press(message["id"], "x")


async def test_a_command_that_is_not_registered_cannot_be_typed(server: DiscordSimulator) -> None:
    with pytest.raises(LookupError):
        await server.slash("me")


async def test_it_comes_back_on_the_same_port_with_what_it_knew(server: DiscordSimulator) -> None:
    await server.say("before")
    url = server.api_url
    await server.close()
    await server.start()
    assert server.api_url == url
    status, body = await _request(server, "GET", f"/channels/{server.channel_id}/messages", None)
    assert (status, body[0]["content"]) == (200, "before")


def _root(server: DiscordSimulator) -> yarl.URL:
    return yarl.URL(server.api_url).with_path("/")


async def _callback(server: DiscordSimulator, interaction_id: str, token: str) -> tuple[int, Any]:
    body = {"type": 4, "data": {"content": "again"}}
    return await _request(server, "POST", f"/interactions/{interaction_id}/{token}/callback", body)


async def _request(server: DiscordSimulator, method: str, path: str, body: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bot {server.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, server.api_url + path, json=body) as response,
    ):
        return response.status, await response.json()


class Asking(discord.ui.Modal, title="Tell me"):
    """A form as a beginner's bot would write it."""

    answer: discord.ui.Label[Any] = discord.ui.Label(
        text="Answer", component=discord.ui.TextInput(max_length=5)
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        assert isinstance(self.answer.component, discord.ui.TextInput)
        await interaction.response.send_message(f"so {self.answer.component.value}", ephemeral=True)


async def test_a_form_is_opened_and_sent(server: DiscordSimulator) -> None:
    async with bot_on(server) as bot:

        async def ask(interaction: discord.Interaction) -> None:
            await interaction.response.send_modal(Asking())

        bot.tree.clear_commands(guild=None)
        bot.tree.add_command(discord.app_commands.Command(name="ask", description="asks", callback=ask))
        await bot.tree.sync()
        form = await server.form_of(await server.slash())
        assert form["title"] == "Tell me"
        for text in ("", "too long"):
            with pytest.raises(ValueError, match="empty or too long"):
                await server.submit(form, text)
        answer = await server.answer_to(await server.submit(form, "short"))
    assert (answer["content"], answer["flags"]) == ("so short", 64)


async def test_a_form_is_not_answered_with_a_form(server: DiscordSimulator) -> None:
    refusals = []

    class Again(Asking, title="Again"):
        async def on_submit(self, interaction: discord.Interaction) -> None:
            with pytest.raises(discord.HTTPException) as refused:
                await interaction.response.send_modal(Asking())
            refusals.append(refused.value.code)
            await interaction.response.send_message("no")

    async with bot_on(server) as bot:

        async def ask(interaction: discord.Interaction) -> None:
            await interaction.response.send_modal(Again())

        bot.tree.clear_commands(guild=None)
        bot.tree.add_command(discord.app_commands.Command(name="ask", description="asks", callback=ask))
        await bot.tree.sync()
        form = await server.form_of(await server.slash())
        await server.answer_to(await server.submit(form, "short"))
    assert refusals == [50035]
    assert server.unexpected.pop() == "interaction callback of type 9"
