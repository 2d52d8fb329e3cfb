"""The tables of the chats: where alerts are posted, and how the bot connects."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ValidationInfo, field_validator

from meterbot.app.config.secrets import Secret, Table, Usual
from meterbot.app.config.types import Many, SlackChannel, SlackTeam, Snowflake


class SlackConfig(Table):
    """`[slack]`: where to post, and how Slack reaches the bot. Socket Mode has an `app_token`, HTTP a
    `signing_secret`."""

    credentials: ClassVar[str] = "slack"

    channel: SlackChannel
    mode: Literal["socket", "http"] = "socket"
    allow_teams: Many[SlackTeam] = ()
    """Other workspaces whose people may ask and act in a shared channel."""
    bot_token: Annotated[Secret, Usual("SLACK_BOT_TOKEN")]
    app_token: Annotated[Secret | None, Usual("SLACK_APP_TOKEN")] = None
    signing_secret: Annotated[Secret | None, Usual("SLACK_SIGNING_SECRET")] = None

    @classmethod
    def needs(cls, values: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
        by_mode = {"socket": "app_token", "http": "signing_secret"}
        needed = by_mode.get(str(values.get("mode", "socket")))
        return {"bot_token": (), **({needed: ()} if needed else {})}

    @field_validator("mode")
    @classmethod
    def _can_be_reached(cls, value: str, info: ValidationInfo) -> str:
        if value == "http" and info.context is not None and "http" not in info.context.document:
            raise ValueError("needs a listener that Slack can reach: add [http] with a bind, or set PORT")
        return value


class DiscordConfig(Table):
    """`[discord]`: where to post, and which server has the command (None: every server that has the bot)."""

    credentials: ClassVar[str] = "discord"

    guild_id: Snowflake | None = None
    channel_id: Snowflake
    bot_token: Annotated[Secret, Usual("DISCORD_TOKEN")]


class ConsoleConfig(Table):
    """`[console]`: the terminal as a chat."""

    enabled: bool = True
