"""`meterbot slack manifest` and `meterbot discord invite`."""

import re
from typing import Annotated

import typer

from meterbot.cli.root import cli, option, refuse

slack = typer.Typer(help="Set up the Slack app.", no_args_is_help=True)
cli.add_typer(slack, name="slack")
discord = typer.Typer(help="Set up the Discord bot.", no_args_is_help=True)
cli.add_typer(discord, name="discord")


@slack.command("manifest")
def slack_manifest(
    http: Annotated[
        str | None,
        option("URL", "For mode http: the address at which Slack reaches the bot."),
    ] = None,
    direct_messages: Annotated[
        bool,
        typer.Option(
            "--direct-messages",
            help="With the scopes for direct messages: invitations, and routes and digests to people.",
        ),
    ] = False,
) -> None:
    """Print the Slack app's manifest, and the link that makes the app.

    Without the link: at api.slack.com/apps choose Create New App, From a manifest, and paste what is printed.
    """
    from meterbot.app.config.types import web_address
    from meterbot.chat.slack.manifest import creation_link, manifest

    if http is not None:
        try:
            address = web_address(http)
            usable = address.scheme == "https" and address.username is None
        except ValueError:
            usable = False
        if not usable:
            refuse(
                '--http must be an https:// address without a user name, like "https://meterbot.example.com"'
            )
    link = creation_link(http, direct_messages=direct_messages)
    print(f"# One click makes the app: {link}\n{manifest(http, direct_messages=direct_messages)}", end="")


@discord.command("invite")
def discord_invite(
    application_id: Annotated[
        str,
        typer.Argument(
            metavar="APPLICATION_ID", help="The application's id, on its General Information page."
        ),
    ],
    guild_id: Annotated[
        str | None, typer.Option("--guild", metavar="ID", help="The server to preselect.")
    ] = None,
) -> None:
    """Print the link that adds the bot to a server.

    The bot gets the permissions that it needs, and no intents.
    """
    from meterbot.chat.discord.client import invite_url

    application = _id(application_id, "APPLICATION_ID")
    print(invite_url(application, None if guild_id is None else _id(guild_id, "--guild")))


def _id(text: str, name: str) -> int:
    if not re.fullmatch("[0-9]{1,20}", text):
        raise typer.BadParameter("must be a Discord ID (digits only)", param_hint=name)
    return int(text)
