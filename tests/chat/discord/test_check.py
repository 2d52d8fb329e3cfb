"""What Discord says of a bot's token, server, channel and permissions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import discord as discord_py
import pytest

from meterbot.chat.discord.check import DiscordCheck
from meterbot.core.findings import Check, Status
from tests.chat.discord.rig import simulated
from tests.chat.secrets import watching
from tests.simulator.discord import EMBED_LINKS, SEND_MESSAGES, VIEW_CHANNEL, DiscordSimulator
from tests.simulator.discord_faults import refused


def present() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def looking(discord: DiscordSimulator, token: str | None = None) -> AsyncIterator[DiscordCheck]:
    async with DiscordCheck(token or discord.token, discord.api_url, now=present, seconds=5.0) as check:
        yield check


async def seen(
    discord: DiscordSimulator, channel: str | None = None, guild: str | None = None
) -> list[Check]:
    async with looking(discord) as check:
        bot = await check.bot()
        return [bot, *await check.channel(int(channel or discord.channel_id), int(guild or discord.guild_id))]


def troubles(checks: list[Check]) -> dict[str, Status]:
    assert all(check.remedy for check in checks if check.status is not Status.OK)
    return {check.id: check.status for check in checks if check.status is not Status.OK}


async def test_a_sound_set_up_is_all_well_and_nothing_is_posted() -> None:
    async with simulated() as discord:
        checks = await seen(discord)
        assert [check.id for check in checks] == [
            "discord_token",
            "discord_channel",
            "discord_guild",
            "discord_permissions",
            "discord_command",
        ]
        assert troubles(checks) == {}
        assert discord.messages() == []
        assert {exchange.method for exchange in discord.exchanges} == {"GET"}


async def test_a_wrong_token_is_reported_and_not_shown(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    planted = "MTExMTExMTExMTExMTExMTEx.GplntD.planted-wrong-discord-token-00000"
    async with simulated() as discord, looking(discord, planted) as check:
        with watching(caplog, capsys) as watch:
            found = await check.bot()
            watch.assert_hidden(planted, found, check)
    assert (found.id, found.status) == ("discord_token", Status.FAIL)


async def test_an_outage_is_not_taken_for_a_wrong_token() -> None:
    async with simulated() as discord:
        discord.fail("GET", "/users/@me", refused(503))
        async with looking(discord) as check:
            found = await check.bot()
    assert found.status is Status.FAIL
    assert "could not be checked" in found.sentence


async def test_each_missing_permission_is_reported_with_what_is_lost() -> None:
    async with simulated() as discord:
        discord.history_readable = False
        discord.permissions = VIEW_CHANNEL | SEND_MESSAGES
        checks = await seen(discord)
    sentences = [(check.status, check.sentence) for check in checks if check.id == "discord_permissions"]
    assert sentences == [
        (Status.WARN, "without Embed Links alerts arrive without their content"),
        (
            Status.WARN,
            "without Read Message History a post whose answer was lost cannot be looked up, and is posted again",
        ),
    ]


async def test_a_bot_that_may_not_write_fails() -> None:
    async with simulated() as discord:
        discord.permissions = VIEW_CHANNEL | EMBED_LINKS
        checks = await seen(discord)
    assert (
        Check(
            "discord_permissions",
            Status.FAIL,
            "without Send Messages nothing can be posted",
            "give the bot Send Messages in the channel's settings",
        )
        in checks
    )


@pytest.mark.parametrize("invited", [True, False])
async def test_a_channel_that_the_bot_does_not_see_comes_with_the_invitation(invited: bool) -> None:  # noqa: FBT001
    async with simulated() as discord:
        discord.invited, discord.permissions = invited, SEND_MESSAGES
        checks = await seen(discord)
        assert troubles(checks) == {"discord_channel": Status.FAIL}
        assert f"client_id={discord.application_id}" in str(checks[-1].remedy)


async def test_a_channel_that_does_not_exist_is_reported() -> None:
    async with simulated() as discord:
        checks = await seen(discord, channel="404")
    assert troubles(checks) == {"discord_channel": Status.FAIL}
    assert checks[-1].sentence == "Discord knows no channel 404"


async def test_a_channel_of_another_server_than_configured_is_reported() -> None:
    async with simulated() as discord:
        assert troubles(await seen(discord, guild="77")) == {"discord_guild": Status.WARN}


async def test_a_server_that_does_not_answer_is_reported() -> None:
    async with simulated() as discord:
        discord.fail("GET", "/guilds/{guild_id}", refused(503))
        assert troubles(await seen(discord)) == {"discord_guild": Status.FAIL}


async def test_a_bot_that_was_invited_without_its_command_is_reported() -> None:
    async with simulated() as discord:
        discord.offers_commands = False
        assert troubles(await seen(discord)) == {"discord_command": Status.WARN}


async def test_the_difference_of_the_clocks_is_known_once_discord_has_answered() -> None:
    async with simulated() as discord, looking(discord) as check:
        gaps = [check.ahead]
        await check.bot()
        gaps.append(check.ahead)
    assert gaps[0] is None
    assert gaps[1] is not None
    assert abs(gaps[1]) < timedelta(seconds=5)


@pytest.mark.parametrize(("kind", "word"), [(15, "forum"), (16, "media channel"), (4, "category")])
async def test_a_channel_that_takes_no_messages_is_named(kind: int, word: str) -> None:
    # Not held against Discord's own description, which does not know media channels.
    async with DiscordSimulator() as discord:
        discord.channel_type = kind
        checks = await seen(discord)
    assert troubles(checks) == {"discord_channel": Status.FAIL}
    assert word in checks[-1].sentence


async def test_a_thread_is_judged_by_its_parents_permissions() -> None:
    in_threads = discord_py.Permissions(send_messages_in_threads=True).value
    async with simulated() as discord:
        discord.channel_type = 11
        checks = await seen(discord)
        assert any("Send Messages in Threads" in check.sentence for check in checks)
        discord.permissions |= in_threads
        assert troubles(await seen(discord)) == {}


async def test_the_gateway_is_really_opened() -> None:
    async with simulated() as discord, looking(discord) as check:
        await check.bot()
        assert (await check.gateway()).status is Status.OK
        assert (discord.gateway.connections, discord.gateway.identifies) == (1, 0)
        discord.gateway.refusals = 1
        assert (await check.gateway()).status is Status.FAIL
