"""Slack and Discord: what to click, which tokens, which channel; each tried as it is given."""

from pydantic import TypeAdapter

from meterbot.app.config.types import SlackChannel, Snowflake
from meterbot.cli import operations
from meterbot.cli.check import live
from meterbot.cli.setup.desk import Desk
from meterbot.cli.setup.draft import DraftTable
from meterbot.cli.setup.secrets import Wanted
from meterbot.core.findings import Check

_BOT_TOKEN = Wanted(
    "bot_token", "The bot's token (xoxb-…)", "--slack-bot-token", "SLACK_BOT_TOKEN", "slack-bot-token"
)
_APP_TOKEN = Wanted(
    "app_token", "The app-level token (xapp-…)", "--slack-app-token", "SLACK_APP_TOKEN", "slack-app-token"
)
_DISCORD_TOKEN = Wanted(
    "bot_token", "The bot's token", "--discord-token", "DISCORD_TOKEN", "discord-bot-token"
)


def slack(desk: Desk) -> DraftTable:
    """The app, its two tokens, its channel."""
    wishes, api = desk.wishes, desk.endpoints["slack_api"]
    _, link = operations.slack_manifest(None)
    desk.say(
        "\nSlack. Open this link, choose your workspace and press Create; then Install App:\n\n"
        f"{link}\n\n"
        "(or paste what `meterbot slack manifest` prints, under Create New App, From a manifest)\n"
        "The bot's token is on the page Install App. For the app-level token, press Generate Token on the page\n"
        "Basic Information, with the scope connections:write."
    )
    bot = desk.keeper.get(
        _BOT_TOKEN,
        wishes.slack_bot_token,
        lambda kept: desk.tried(lambda: live.slack_bot(kept.value, api, desk.now)),
    )
    app = desk.keeper.get(
        _APP_TOKEN,
        wishes.slack_app_token,
        lambda kept: desk.tried(lambda: live.slack_app(kept.value, api, desk.now)),
    )
    desk.say("Type /invite @meterbot in the channel. Its id (C…) is at the end of the channel's details.")
    channel = desk.answered(
        "The channel's id",
        "--slack-channel",
        wishes.slack_channel,
        TypeAdapter(SlackChannel),
        tried=lambda id_: desk.tried(lambda: live.slack_channel(bot.value, api, id_, desk.now)),
    )
    return DraftTable("[slack]", {"channel": channel, bot.key: bot.name, app.key: app.name})


def discord(desk: Desk) -> DraftTable:
    """The bot's token, the invitation, the channel; the server is the channel's."""
    wishes, api = desk.wishes, desk.endpoints["discord_api"]
    desk.say(
        "\nDiscord. At https://discord.com/developers/applications?new_application=true make an application; on its page\n"
        "Bot press Reset Token. Leave every Privileged Gateway Intent off."
    )
    application: list[int] = []

    async def bot(token: str) -> list[Check]:
        check, id_ = await live.discord_bot(token, api, desk.now)
        application[:] = [] if id_ is None else [id_]
        return [check]

    token = desk.keeper.get(
        _DISCORD_TOKEN, wishes.discord_token, lambda kept: desk.tried(lambda: bot(kept.value))
    )
    if application:
        desk.say(
            "This link adds the bot to your server, with exactly the permissions it needs and no intents:\n\n"
            f"{operations.discord_invite(application[0], None)}\n"
        )
    server: list[int] = []

    async def channel(id_: str) -> list[Check]:
        checks, guild = await live.discord_channel(token.value, api, int(id_), desk.now)
        server[:] = [] if guild is None else [guild]
        return checks

    id_ = desk.answered(
        "The channel's id (with Developer Mode on, Copy ID in its menu)",
        "--discord-channel",
        wishes.discord_channel,
        TypeAdapter(Snowflake),
        tried=lambda id_: desk.tried(lambda: channel(id_)),
    )
    guild = {"guild_id": server[0]} if server else {}
    return DraftTable("[discord]", {**guild, "channel_id": int(id_), token.key: token.name})
