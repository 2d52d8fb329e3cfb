"""The command, its registration, and the link that invites the bot."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import discord
import pytest

from meterbot.chat.discord.client import invite_url
from tests.chat.discord.rig import Answers, Notes, running, simulated
from tests.simulator.discord import DiscordSimulator
from tests.simulator.discord_faults import refused

GUILD_COMMANDS = "/applications/{application_id}/guilds/{guild_id}/commands"
GLOBAL_COMMANDS = "/applications/{application_id}/commands"


@pytest.fixture(name="server")
async def _server() -> AsyncIterator[DiscordSimulator]:
    async with simulated() as server:
        yield server


async def test_the_command_takes_an_optional_query_with_suggestions(server: DiscordSimulator) -> None:
    async with running(server):
        await server.until(lambda: server.commands and server.gateway.live)
        typed = await server.type_ahead(" ME")
        await server.until(lambda: typed.choices is not None)
    command, *menus = server.commands[server.guild_id]
    assert [(menu["name"], menu["type"]) for menu in menus] == [("Claude spend", 2), ("Claude spend", 3)]
    [option] = command["options"]
    assert (command["name"], option["name"], option["required"]) == ("claude-spend", "query", False)
    assert typed.choices == ["me", "me share"]


async def test_the_menus_of_people_and_messages_ask_about_their_seats_and_the_team(
    server: DiscordSimulator,
) -> None:
    answers = Answers()
    async with running(server, answers):
        await server.until(lambda: server.commands and server.gateway.live)
        message = await server.say("what does that cost?")
        for asked in (await server.menu_of_person("77"), await server.menu_of_message(message["id"])):
            assert (await server.answer_to(asked))["flags"] == 64
    assert [question.words for question in answers.asked] == [("seat", "<@77>"), ()]
    assert {question.user for question in answers.asked} == {"42"}


async def test_commands_are_registered_once_and_not_at_every_start(server: DiscordSimulator) -> None:
    notes = Notes()
    for _ in range(3):
        async with running(server, notes=notes):
            await server.until(lambda: notes.held and server.gateway.live)
    assert server.registrations == 1


async def test_commands_move_when_the_configured_server_changes(server: DiscordSimulator) -> None:
    notes = Notes()
    async with running(server, notes=notes, guild_id=None):
        await server.until(lambda: notes.held)
    assert server.commands["global"]
    notes.held, before = dict(notes.held), notes.held
    async with running(server, notes=notes):
        await server.until(lambda: notes.held != before)
    assert server.commands["global"] == []
    assert len(server.commands[server.guild_id]) == 3


async def test_a_former_server_that_threw_us_out_does_not_matter(server: DiscordSimulator) -> None:
    notes = Notes()
    async with running(server, notes=notes):
        await server.until(lambda: notes.held)
    application, _, digest = notes.held["discord.commands"].split()
    before = notes.held["discord.commands"] = f"{application} 999 {digest}"
    async with running(server, notes=notes):
        await server.until(lambda: notes.held["discord.commands"] != before)
    assert len(server.requests("PUT", GUILD_COMMANDS)) == 3


async def test_another_application_registers_again_and_clears_nothing(server: DiscordSimulator) -> None:
    notes = Notes()
    notes.held["discord.commands"] = "777 global digest"
    async with running(server, notes=notes):
        await server.until(lambda: notes.held["discord.commands"].startswith(server.application_id))
    assert server.requests("PUT", GLOBAL_COMMANDS) == []


async def test_a_failed_registration_is_tried_again(server: DiscordSimulator) -> None:
    server.fail("PUT", GUILD_COMMANDS, refused(403, 50001, "Missing Access"), times=2)
    async with running(server):
        await server.until(lambda: server.commands)
    assert server.registrations == 1


async def test_a_command_of_an_earlier_version_is_answered(server: DiscordSimulator) -> None:
    async with running(server):
        await server.until(lambda: server.commands and server.gateway.live)
        server.commands[server.guild_id][0] |= {"name": "claude-cost"}
        answer = await server.answer_to(await server.slash())
    assert answer["content"] == "That did not work. Try /claude-spend help."
    assert answer["flags"] == 64


async def test_other_peoples_buttons_are_left_alone(server: DiscordSimulator) -> None:
    async with running(server):
        await server.until(lambda: server.commands and server.gateway.live)
        button = {"type": 2, "style": 2, "label": "x", "custom_id": "not-ours"}
        message = await server.say("look", components=[{"type": 1, "components": [button]}])
        pressed = await server.press(message["id"], "not-ours")
        await server.answer_to(await server.slash("me"))
    assert not pressed.acknowledged


def test_the_invitation_asks_for_exactly_what_is_needed() -> None:
    query = parse_qs(urlsplit(invite_url(1001, 2002)).query)
    assert query["client_id"] == ["1001"]
    assert query["guild_id"] == ["2002"]
    assert query["scope"] == ["bot applications.commands"]
    granted = {name for name, given in discord.Permissions(int(query["permissions"][0])) if given}
    # discord.py calls View Channel "read_messages"
    assert granted == {"read_messages", "send_messages", "embed_links", "read_message_history"}


def test_the_invitation_need_not_name_a_server() -> None:
    assert "guild_id" not in parse_qs(urlsplit(invite_url(1001)).query)


async def test_when_todays_sessions_are_nearly_used_up_none_is_started(server: DiscordSimulator) -> None:
    server.sessions_left = 5
    async with running(server) as chat:
        await server.until(lambda: "5 of today's 1000" in (chat.connection().detail or ""))
        assert server.gateway.identifies == 0
        server.sessions_left = 900
        await server.until(lambda: server.gateway.live)


async def test_a_gateway_that_confirms_and_closes_is_not_hammered(server: DiscordSimulator) -> None:
    async with running(server, first_pause=60.0) as chat:
        for number in range(3):
            await server.until(lambda: server.gateway.live)
            before = server.gateway.connections
            await server.gateway.close()
            if number < 2:
                await server.until(lambda: server.gateway.connections > before)
        await server.until(lambda: not chat.connection().up and not server.gateway.live)
        assert server.gateway.connections == 3
