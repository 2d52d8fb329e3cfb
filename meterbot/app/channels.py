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
    for chat, look in (("slack", look_at_slack), ("discord", look_at_discord)):
        found, _ = await look(config, now)
        for check in found:
            if check.id in _ABOUT_CHANNELS and check.status is Status.FAIL:
                problems.setdefault(chat, f"{check.sentence}; {check.remedy}")
    return problems


async def look_at_slack(
    config: Config, now: Callable[[], datetime], *, whole: bool = False, direct_messages: bool = False
) -> tuple[list[Check], timedelta | None]:
    """The findings about the bot and its channel, with `whole` also about its connection; and how far Slack's clock is
    ahead of this machine's."""
    if config.slack is None:
        return [], None
    from meterbot.chat.slack.check import SlackCheck  # noqa: PLC0415 - only where Slack is used

    token = config.slack.bot_token.get_secret_value()
    async with SlackCheck(token, config.endpoints.slack_api, now=now) as slack:
        found = await slack.bot(direct_messages=direct_messages)
        if found[0].status is Status.OK:
            found.append(await slack.channel(config.slack.channel))
        if whole and config.slack.mode == "socket" and config.slack.app_token is not None:
            found.append(await slack.app(config.slack.app_token.get_secret_value()))
        return found, slack.ahead


async def look_at_discord(
    config: Config, now: Callable[[], datetime], *, whole: bool = False
) -> tuple[list[Check], timedelta | None]:
    """The same for Discord."""
    if config.discord is None:
        return [], None
    from meterbot.chat.discord.check import DiscordCheck  # noqa: PLC0415 - only where Discord is used

    token = config.discord.bot_token.get_secret_value()
    async with DiscordCheck(token, config.endpoints.discord_api, now=now) as discord:
        found = [await discord.bot()]
        if found[0].status is Status.OK:
            found += await discord.channel(config.discord.channel_id, config.discord.guild_id)
            found += [await discord.gateway()] if whole else []
        return found, discord.ahead
