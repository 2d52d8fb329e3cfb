"""Whether alerts can be posted to the configured channels."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from meterbot.app.config import Config
from meterbot.core.findings import Check, Status

if TYPE_CHECKING:
    from meterbot.chat.discord.check import DiscordCheck
    from meterbot.chat.slack.check import SlackCheck

_ABOUT_CHANNELS = {"slack_channel", "discord_channel", "discord_permissions"}
"""What is wrong with a token, or with the connection, is reported elsewhere."""


async def channel_problems(config: Config, now: Callable[[], datetime]) -> Mapping[str, str]:
    """Chat → what is wrong with its channel, and what to do. Posts nothing."""
    problems = {
        "slack": _problem(await _slack(config, now)),
        "discord": _problem(await _discord(config, now)),
    }
    return {chat: problem for chat, problem in problems.items() if problem is not None}


def _problem(checks: Iterable[Check]) -> str | None:
    failed = (check for check in checks if check.id in _ABOUT_CHANNELS and check.status is Status.FAIL)
    return next((f"{check.sentence}; {check.remedy}" for check in failed), None)


def slack_check(token: str, api: str, now: Callable[[], datetime]) -> "SlackCheck":
    from meterbot.chat.slack.check import SlackCheck  # noqa: PLC0415 - only where Slack is used

    return SlackCheck(token, api, now=now)


def discord_check(token: str, api: str, now: Callable[[], datetime]) -> "DiscordCheck":
    from meterbot.chat.discord.check import DiscordCheck  # noqa: PLC0415 - only where Discord is used

    return DiscordCheck(token, api, now=now)


async def _slack(config: Config, now: Callable[[], datetime]) -> list[Check]:
    if config.slack is None:
        return []
    token = config.slack.bot_token.get_secret_value()
    async with slack_check(token, config.endpoints.slack_api, now) as slack:
        found = await slack.bot()
        return [await slack.channel(config.slack.channel)] if found[0].status is Status.OK else []


async def _discord(config: Config, now: Callable[[], datetime]) -> list[Check]:
    if config.discord is None:
        return []
    token = config.discord.bot_token.get_secret_value()
    async with discord_check(token, config.endpoints.discord_api, now) as discord:
        if (await discord.bot()).status is not Status.OK:
            return []
        return await discord.channel(config.discord.channel_id, config.discord.guild_id)
