"""A team of three on a simulated claude.ai, Slack and Discord, and the configuration that points meterbot there."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from meterbot.app.config import Config, load
from meterbot.app.run import Bot
from meterbot.core.clock import ManualClock, SystemClock
from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from meterbot.store import deliveries
from tests.simulator.claude_ai import ClaudeAi, RotatingAccount
from tests.simulator.discord import DiscordSimulator
from tests.simulator.slack import SlackSimulator

NAMES = ("ana", "bo", "cy")
NOW = datetime(2026, 4, 15, 10, tzinfo=UTC)
EVERYBODY_ONCE = timedelta(minutes=2)
"""Within this time each seat is read at least once, at an interval of a minute."""

BOT_TOKEN, APP_TOKEN = "xoxb-1111-2222-planted-bot-token", "xapp-1-A111-2222-planted-app-token"
DISCORD_TOKEN = "MTExMTExMTExMTExMTExMTEx.GplntD.planted-discord-token-planted-0000"
SESSION_KEYS = {name: f"sk-ant-sid01-planted-session-key-{name}-AAAA" for name in NAMES}
SECRET_KEY = "cGxhbnRlZC1zZWNyZXQta2V5LXBsYW50ZWQtMDAwMDA="
SECRETS = (BOT_TOKEN, APP_TOKEN, DISCORD_TOKEN, SECRET_KEY, *SESSION_KEYS.values())


@dataclass
class Team:
    """Three seats, each with one organization, nothing spent and a cap of $50.00 (bo: €50.00)."""

    claude: ClaudeAi
    slack: SlackSimulator
    discord: DiscordSimulator
    accounts: dict[str, RotatingAccount]

    def organization(self, name: str) -> SimulatedOrganization:
        return self.accounts[name].organizations[0]

    def spend(self, name: str, dollars: str) -> None:
        self.organization(name).used = Decimal(dollars) * 100

    def block(self, name: str) -> None:
        organization = self.organization(name)
        organization.used = Decimal(organization.cap or 0)
        organization.disabled_reason = "self_selected_spend_limit_reached"

    def unblock(self, name: str) -> None:
        """Doubles the cap."""
        organization = self.organization(name)
        organization.cap = 2 * (organization.cap or 0)
        organization.disabled_reason = None

    def toml(self, database: str, extra: str = "", poll_interval: str = "1m") -> str:
        return configuration(
            database,
            claude_ai=self.claude.url,
            slack_api=self.slack.api_url,
            slack_channel=self.slack.channel,
            discord=self.discord,
            extra=extra,
            poll_interval=poll_interval,
        )

    @property
    def environ(self) -> dict[str, str]:
        return {
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "DISCORD_TOKEN": self.discord.token,
            "METERBOT_SECRET_KEY": SECRET_KEY,
            **{f"{name.upper()}_SESSION_KEY": SESSION_KEYS[name] for name in NAMES},
        }

    def config(self, database: str, extra: str = "", **environ: str) -> Config:
        settings = {"METERBOT_CONFIG_TOML": self.toml(database, extra), **self.environ, **environ}
        return load(None, settings, Path("/nowhere"))

    def on_slack(self) -> list[str]:
        """The messages in the channel, one line each."""
        return [message.text for message in self.slack.messages()]

    def on_discord(self) -> list[str]:
        """The messages in Discord's channel, replies included."""
        return [shown(message) for message in self.discord.messages()]


def shown(message: dict[str, Any]) -> str:
    """The first line of a message of Discord's, without the invisible mark."""
    return re.sub("[\u200b\u200c]+$", "", str(message["content"]).splitlines()[0])


def configuration(
    database: str,
    *,
    claude_ai: str,
    slack_api: str,
    slack_channel: str,
    discord: DiscordSimulator,
    extra: str = "",
    poll_interval: str = "1m",
) -> str:
    """`extra` is a table, or several."""
    seats = "".join(
        f"""
[[seats]]
name = "{name}"
source = "claude_ai"
session_key_env = "{name.upper()}_SESSION_KEY"
plan = "max_5x"
owner = {{ slack = "U{name.upper()}1", discord = "{number}" }}
"""
        for number, name in enumerate(NAMES, start=42)
    )
    return f"""
poll_interval = "{poll_interval}"
database_url = "{database}"
[slack]
channel = "{slack_channel}"
[discord]
guild_id = {discord.guild_id}
channel_id = {discord.channel_id}
[alerts]
thresholds = ["50%", "80%"]
renewal_days = []
source_grace = "10m"
[endpoints]
claude_ai = "{claude_ai}"
slack_api = "{slack_api}"
discord_api = "{discord.api_url}"
{extra}
{seats}"""


@asynccontextmanager
async def team(clock: ManualClock | None = None) -> AsyncIterator[Team]:
    """A team whose simulators use `clock`, or else the real time. Fails at the end if the real services would have
    refused a request."""
    time = clock or SystemClock()
    async with (
        ClaudeAi() as claude,
        SlackSimulator(
            bot_token=BOT_TOKEN,
            app_token=APP_TOKEN,
            clock=lambda: time.now().timestamp(),
        ) as slack,
        DiscordSimulator(token=DISCORD_TOKEN, clock=time) as discord,
    ):
        made = Team(claude, slack, discord, {})
        for name in NAMES:
            made.accounts[name] = claude.add_account(SESSION_KEYS[name], email=f"{name}@planted.example")
        made.organization("bo").currency = "EUR"
        yield made
        assert slack.unexpected == []
        assert discord.unexpected == []


async def play(bot: Bot, clock: ManualClock, rounds: int = 1) -> None:
    """Reads everybody and delivers the alerts, this many times."""
    for _ in range(rounds):
        clock.advance(EVERYBODY_ONCE)
        await bot.run_once()
        await deliver(bot, clock)


async def deliver(bot: Bot, clock: ManualClock) -> None:
    """Waits until every message that may be sent was sent: Slack takes one a second."""
    while any(
        each.waiting > each.held and not each.trouble
        for each in await bot.store.read(lambda c: deliveries.read_queues(c, clock.now()))
    ):
        clock.advance(timedelta(seconds=1))
        await bot.delivery_worker.drain()
