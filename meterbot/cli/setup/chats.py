"""The steps for Slack and Discord: create the app, enter its tokens, choose the channel. Each answer is checked at
once."""

from pydantic import TypeAdapter

from meterbot.app.config.types import SlackChannel, Snowflake
from meterbot.cli.setup.context import SetupContext
from meterbot.cli.setup.files import DraftTable
from meterbot.cli.setup.secrets import SecretSpec, collect
from meterbot.core.findings import Check, Status

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
    from meterbot.chat.slack.check import SlackCheck
    from meterbot.chat.slack.manifest import creation_link

    async def look(token: str = "", app: str = "", channel: str = "") -> list[Check]:
        async with SlackCheck(token, context.endpoints()["slack_api"], now=context.now) as client:
            if app:
                return [await client.app(app)]
            return [await client.channel(channel)] if channel else await client.bot()

    context.say(
        "\nSlack: open this link, choose your workspace, press Create, then Install App:\n\n"
        f"{creation_link(direct_messages=True)}\n\n"
        "(or paste what `meterbot slack manifest --direct-messages` prints, under Create New App, From a manifest)\n"
        "The bot token is on the page Install App. For the app-level token, go to Basic Information, App-Level Tokens,\n"
        "press Generate Token and Scopes, and add the scope connections:write."
    )
    flags, try_out = context.flags, context.try_out
    bot = collect(context, _BOT_TOKEN, flags.slack_bot_token, lambda kept: try_out(lambda: look(kept.value)))
    app = collect(
        context, _APP_TOKEN, flags.slack_app_token, lambda kept: try_out(lambda: look(app=kept.value))
    )
    context.say("Type /invite @meterbot in the channel. Its id (C…) is at the end of the channel's details.")
    channel = context.ask_for(
        "The channel's id",
        "--slack-channel",
        flags.slack_channel,
        TypeAdapter(SlackChannel),
        check=lambda id_: try_out(lambda: look(bot.value, channel=id_)),
    )
    return DraftTable("[slack]", {"channel": channel, bot.key: bot.name, app.key: app.name})


def discord(context: SetupContext) -> DraftTable:
    """Asks for the token and the channel. The server is the channel's."""
    from meterbot.chat.discord.check import DiscordCheck
    from meterbot.chat.discord.client import invite_url

    seen: dict[str, int | None] = {}

    async def look(token: str, channel: int | None = None) -> list[Check]:
        async with DiscordCheck(token, context.endpoints()["discord_api"], now=context.now) as client:
            bot = await client.bot()
            seen["application"] = client.application_id
            if channel is None or bot.status is not Status.OK:
                return [bot]
            found = await client.channel(channel, None)
            seen["server"] = client.guild_id
            return found

    context.say(
        "\nDiscord: create an application at https://discord.com/developers/applications?new_application=true; on its page\n"
        "Bot, press Reset Token. Leave every Privileged Gateway Intent off."
    )
    flags, try_out = context.flags, context.try_out
    token = collect(
        context, _DISCORD_TOKEN, flags.discord_token, lambda kept: try_out(lambda: look(kept.value))
    )
    if application := seen.get("application"):
        context.say(
            "This link adds the bot to your server, with the permissions it needs and no intents:\n\n"
            f"{invite_url(application, None)}\n"
        )
    id_ = context.ask_for(
        "The channel's id (with Developer Mode on, Copy ID in its menu)",
        "--discord-channel",
        flags.discord_channel,
        TypeAdapter(Snowflake),
        check=lambda id_: try_out(lambda: look(token.value, int(id_))),
    )
    server = seen.get("server")
    guild = {"guild_id": server} if server else {}
    return DraftTable("[discord]", {**guild, "channel_id": int(id_), token.key: token.name})
