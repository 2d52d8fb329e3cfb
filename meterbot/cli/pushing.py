"""`meterbot push`: on a seat's own machine. The agent reads its own options."""

import sys

import typer

from meterbot.cli.root import cli


@cli.command(
    "push",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
)
def push(context: typer.Context) -> None:
    """Send this machine's Claude numbers to your team's meterbot. `meterbot push --help` lists its options."""
    from meterbot.agent import network
    from meterbot.agent.main import main
    from meterbot.app.agent_script import agent_script

    network.VERSION = agent_script().version
    try:
        status = main(context.args, [sys.executable, "-m", "meterbot", "push"])
    except KeyboardInterrupt:
        status = 130
    raise typer.Exit(status)
