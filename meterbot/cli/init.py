"""`meterbot init`: its flags."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from meterbot.cli.root import cli, option, refuse, working_directory
from meterbot.cli.setup.prompts import Flags, MistakenError, RefusedError, Script, SecretPlace, Terminal

_SERVICES = ("claude_ai", "anthropic_api", "slack_api", "discord_api")


@cli.command()
def init(  # noqa: PLR0917 - typer passes them by name
    context: typer.Context,
    config: Annotated[
        str | None,
        typer.Option(
            "--config", "-c", metavar="PATH", help="The file to create or add to. Default ./config.toml."
        ),
    ] = None,
    slack: Annotated[bool, typer.Option("--slack", help="Send alerts to Slack.")] = False,
    discord: Annotated[bool, typer.Option("--discord", help="Send alerts to Discord.")] = False,
    console: Annotated[bool, typer.Option("--console", help="Print alerts on the terminal.")] = False,
    slack_channel: Annotated[str | None, option("ID", "The Slack channel's id (C…).")] = None,
    slack_bot_token_env: Annotated[
        str | None, option("NAME", "The variable with the bot token (xoxb-…).")
    ] = None,
    slack_bot_token_file: Annotated[str | None, option("PATH", "The same, from a file.")] = None,
    slack_app_token_env: Annotated[
        str | None, option("NAME", "The variable with the app-level token (xapp-…).")
    ] = None,
    slack_app_token_file: Annotated[str | None, option("PATH", "The same, from a file.")] = None,
    discord_channel: Annotated[str | None, option("ID", "The Discord channel's id.")] = None,
    discord_token_env: Annotated[
        str | None, option("NAME", "The variable with the Discord bot token.")
    ] = None,
    discord_token_file: Annotated[str | None, option("PATH", "The same, from a file.")] = None,
    seat: Annotated[str | None, option("NAME", "The seat to add.")] = None,
    source: Annotated[
        str | None,
        option("KIND", "How its numbers arrive: push, claude_code, claude_ai or admin_api. Default push."),
    ] = None,
    plan: Annotated[str | None, option("PLAN", "Its plan, such as max_20x.")] = None,
    owner: Annotated[
        str | None,
        option("ID", 'The owner\'s member ID in the chat; "operator" if you use only the console.'),
    ] = None,
    credential_env: Annotated[
        str | None, option("NAME", "The variable with the seat's session key or token.")
    ] = None,
    credential_file: Annotated[str | None, option("PATH", "The same, from a file.")] = None,
    url: Annotated[str | None, option("URL", "Where the seats' machines reach the bot.")] = None,
    bind: Annotated[str | None, option("HOST:PORT", "Where the bot listens. Default 127.0.0.1:8080.")] = None,
    timezone: Annotated[str | None, option("ZONE", "Such as Europe/Berlin.")] = None,
    keep: Annotated[
        str | None,
        option("HOW", "Keep typed tokens in files (default) or in environment variables."),
    ] = None,
    endpoint: Annotated[
        list[str] | None,
        option("NAME=URL", "Another address of a service, as in [endpoints], for relays and tests."),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Contact no service, and post no test alert.")
    ] = False,
) -> None:
    """Create the configuration or add seats, and post a test alert.

    It asks where alerts go, then the name, plan and owner of each seat of the team. It asks for tokens without echoing
    them, checks each one, and writes them to files readable only by you (--keep environment: to variables that you
    set).

    Flags answer questions in advance; in a script, a missing answer is an error. Run it again to add more seats: it
    does not change what is already there. It writes nothing until every question is answered.
    """
    import logging

    from meterbot.app import log_setup
    from meterbot.cli.setup.seat import SOURCES
    from meterbot.cli.setup.wizard import init as set_up

    _check_choice("--source", source, SOURCES)
    _check_choice("--keep", keep, ("files", "environment"))

    flags = Flags(
        chats=tuple(
            name for name, on in (("slack", slack), ("discord", discord), ("console", console)) if on
        ),
        slack_channel=slack_channel,
        slack_bot_token=SecretPlace(slack_bot_token_env, slack_bot_token_file),
        slack_app_token=SecretPlace(slack_app_token_env, slack_app_token_file),
        discord_channel=discord_channel,
        discord_token=SecretPlace(discord_token_env, discord_token_file),
        seat=seat,
        source=source,
        plan=plan,
        owner=owner,
        url=url,
        bind=bind,
        credential=SecretPlace(credential_env, credential_file),
        timezone=timezone,
        keep=keep,
        endpoints=dict(map(_endpoint, endpoint or [])),
        offline=offline,
    )
    log_setup.set_up(level=logging.ERROR)  # the dialogue shows what matters
    named = config or context.find_root().obj or os.environ.get("METERBOT_CONFIG")
    prompter = Terminal() if sys.stdin.isatty() else Script()
    try:
        status = set_up(
            flags,
            prompter,
            working_directory() / (named or "config.toml"),
            environ=os.environ,
            now=lambda: datetime.now(UTC),
            say=print,
            program=_program(sys.argv[0]),
        )
    except RefusedError as error:
        refuse(f"meterbot: {error}", status=2 if isinstance(error, MistakenError) else 1)
    except (typer.Abort, EOFError, KeyboardInterrupt):
        refuse("\nmeterbot: ended before anything was written", status=1)
    raise typer.Exit(status)


def _program(called: str) -> str:
    """What to type to call this program again, from here."""
    if called.endswith("__main__.py"):
        return f"{shlex.quote(sys.executable)} -m meterbot"
    return "meterbot" if called == shutil.which("meterbot") else shlex.quote(called)


def _check_choice(flag: str, given: str | None, choices: Sequence[str]) -> None:
    if given is not None and given not in choices:
        raise typer.BadParameter(f"must be one of {', '.join(choices)}", param_hint=flag)


def _endpoint(text: str) -> tuple[str, str]:
    name, _, url = text.partition("=")
    if name not in _SERVICES or not url:
        raise typer.BadParameter(
            f"must be NAME=URL, with one of {', '.join(_SERVICES)}", param_hint="--endpoint"
        )
    return name, url
