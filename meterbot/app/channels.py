"""Whether alerts can be posted to the configured channels."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from meterbot.app.config import Config
from meterbot.core.findings import Check, Status

_ABOUT_CHANNELS = {"slack_channel", "discord_channel", "discord_permissions"}
"""What is wrong with a token, or with the connection, is reported elsewhere."""


async def channel_problems(config: Config, now: Callable[[], datetime]) -> Mapping[str, str]:
    """Chat → what is wrong with its channel, and what to do. Posts nothing."""
    problems: dict[str, str] = {}
    for chat, checks in (("slack", slack_checks), ("discord", discord_checks)):
        found, _ = await checks(config, now)
        for check in found:
            if check.id in _ABOUT_CHANNELS and check.status is Status.FAIL:
                problems.setdefault(chat, f"{check.sentence}; {check.remedy}")
    return problems


async def slack_checks(
    config: Config,
    now: Callable[[], datetime],
    *,
    with_connection: bool = False,
    direct_messages: bool = False,
) -> tuple[list[Check], timedelta | None]:
    """The checks of the bot and its channel, `with_connection` also of Socket Mode; and how far Slack's clock is ahead
    of this machine's."""
    if config.slack is None:
        return [], None
    from meterbot.chat.slack.check import SlackCheck  # noqa: PLC0415 - only where Slack is used

    token = config.slack.bot_token.get_secret_value()
    async with SlackCheck(token, config.endpoints.slack_api, now=now) as slack:
        found = await slack.bot(direct_messages=direct_messages)
        if found[0].status is Status.OK:
            found.append(await slack.channel(config.slack.channel))
        if with_connection and config.slack.mode == "socket" and config.slack.app_token is not None:
            found.append(await slack.app(config.slack.app_token.get_secret_value()))
        return found, slack.ahead


async def discord_checks(
    config: Config, now: Callable[[], datetime], *, with_connection: bool = False
) -> tuple[list[Check], timedelta | None]:
    """The same for Discord, `with_connection` also of the gateway."""
    if config.discord is None:
        return [], None
    from meterbot.chat.discord.check import DiscordCheck  # noqa: PLC0415 - only where Discord is used

    token = config.discord.bot_token.get_secret_value()
    async with DiscordCheck(token, config.endpoints.discord_api, now=now) as discord:
        found = [await discord.bot()]
        if found[0].status is Status.OK:
            found += await discord.channel(config.discord.channel_id, config.discord.guild_id)
            found += [await discord.gateway()] if with_connection else []
        return found, discord.ahead
