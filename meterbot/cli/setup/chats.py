"""The steps for Slack and Discord: create the app, enter its tokens, choose the channel. Each answer is checked at
once."""

from pydantic import TypeAdapter

from meterbot.app.config.types import SlackChannel, Snowflake
from meterbot.cli.check import live
from meterbot.cli.setup.context import SetupContext
from meterbot.cli.setup.files import DraftTable
from meterbot.cli.setup.secrets import SecretSpec
from meterbot.core.findings import Check

_BOT_TOKEN = SecretSpec(
    "bot_token", "The bot token (xoxb-…)", "--slack-bot-token", "SLACK_BOT_TOKEN", "slack-bot-token"
)
_APP_TOKEN = SecretSpec(
    "app_token", "The app-level token (xapp-…)", "--slack-app-token", "SLACK_APP_TOKEN", "slack-app-token"
)
_DISCORD_TOKEN = SecretSpec(
    "bot_token", "The bot token", "--discord-token", "DISCORD_TOKEN", "discord-bot-token"
)


def slack(context: SetupContext) -> DraftTable:
    """Asks for the two tokens and the channel."""
    flags, api = context.flags, context.endpoints["slack_api"]
    from meterbot.chat.slack.manifest import creation_link

    context.say(
        "\nSlack: open this link, choose your workspace, press Create, then Install App:\n\n"
        f"{creation_link(None)}\n\n"
        "(or paste what `meterbot slack manifest` prints, under Create New App, From a manifest)\n"
        "The bot token is on the page Install App. For the app-level token, go to Basic Information, App-Level Tokens,\n"
        "press Generate Token and Scopes, and add the scope connections:write."
    )
    bot = context.secrets.get(
        _BOT_TOKEN,
        flags.slack_bot_token,
        lambda kept: context.try_out(lambda: live.slack_bot(kept.value, api, context.now)),
    )
    app = context.secrets.get(
        _APP_TOKEN,
        flags.slack_app_token,
        lambda kept: context.try_out(lambda: live.slack_app(kept.value, api, context.now)),
    )
    context.say("Type /invite @meterbot in the channel. Its id (C…) is at the end of the channel's details.")
    channel = context.ask_for(
        "The channel's id",
        "--slack-channel",
        flags.slack_channel,
        TypeAdapter(SlackChannel),
        check=lambda id_: context.try_out(lambda: live.slack_channel(bot.value, api, id_, context.now)),
    )
    return DraftTable("[slack]", {"channel": channel, bot.key: bot.name, app.key: app.name})


def discord(context: SetupContext) -> DraftTable:
    """Asks for the token and the channel. The server is the channel's."""
    flags, api = context.flags, context.endpoints["discord_api"]
    context.say(
        "\nDiscord: create an application at https://discord.com/developers/applications?new_application=true; on its page\n"
        "Bot, press Reset Token. Leave every Privileged Gateway Intent off."
    )
    application: list[int] = []

    async def bot(token: str) -> list[Check]:
        check, id_ = await live.discord_bot(token, api, context.now)
        application[:] = [] if id_ is None else [id_]
        return [check]

    token = context.secrets.get(
        _DISCORD_TOKEN, flags.discord_token, lambda kept: context.try_out(lambda: bot(kept.value))
    )
    if application:
        from meterbot.chat.discord.client import invite_url

        context.say(
            "This link adds the bot to your server, with the permissions it needs and no intents:\n\n"
            f"{invite_url(application[0], None)}\n"
        )
    server: list[int] = []

    async def channel(id_: str) -> list[Check]:
        checks, guild = await live.discord_channel(token.value, api, int(id_), context.now)
        server[:] = [] if guild is None else [guild]
        return checks

    id_ = context.ask_for(
        "The channel's id (with Developer Mode on, Copy ID in its menu)",
        "--discord-channel",
        flags.discord_channel,
        TypeAdapter(Snowflake),
        check=lambda id_: context.try_out(lambda: channel(id_)),
    )
    guild = {"guild_id": server[0]} if server else {}
    return DraftTable("[discord]", {**guild, "channel_id": int(id_), token.key: token.name})
