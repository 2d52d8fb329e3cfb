"""`meterbot push`: on a seat's own machine."""

import sys
from typing import Annotated

import typer

from meterbot.cli.root import cli

push = typer.Typer(invoke_without_command=True)
cli.add_typer(push, name="push")


Every = Annotated[
    str | None,
    typer.Option("--every", metavar="TIME", help="One reading about every 15m (or 1h, …), until stopped."),
]
Extras = Annotated[
    str,
    typer.Option(
        "--with", metavar="NAMES", help="Also send what these know of this machine: pace-maker,ccusage."
    ),
]
PushUrl = Annotated[
    str | None, typer.Option("--url", help="Where meterbot is. Otherwise METERBOT_URL.", metavar="URL")
]


@push.callback()
def push_numbers(  # noqa: PLR0917 - typer passes them by name
    context: typer.Context,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="claude-code|FILE|-",
            help="Claude Code on this machine, or claude-meter's JSON from a file or the standard input.",
        ),
    ] = "claude-code",
    every: Every = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show exactly the bytes and where they would go. Sends nothing.")
    ] = False,
    url: PushUrl = None,
    email: Annotated[
        bool, typer.Option("--email", help="Let the e-mail address in claude-meter's JSON go along.")
    ] = False,
    extras: Extras = "",
    env_file: Annotated[
        str | None,
        typer.Option(
            "--env-file", metavar="PATH", help="Settings, one NAME=VALUE per line (`install` writes it)."
        ),
    ] = None,
) -> None:
    """Send this machine's Claude numbers to your team's meterbot.

    METERBOT_URL says where it is, METERBOT_PUSH_TOKEN (or METERBOT_PUSH_TOKEN_FILE) opens it. Numbers leave the
    machine, and nothing else: see for yourself with --dry-run.
    """
    if context.invoked_subcommand is not None:
        return
    import signal

    from meterbot.agent import main as agent
    from meterbot.agent.machine import this_machine
    from meterbot.core.clock import SystemClock

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # ends what it started, too
    # A dry run's bytes stand alone on the standard output.
    spoken = sys.stderr if dry_run else sys.stdout
    agent.push(
        agent.Options(source, every, dry_run, url, email, extras, env_file),
        this_machine(),
        SystemClock(),
        say=lambda text: print(text, file=spoken, flush=True),
        # Looked up when needed: a scheduler's run may have neither.
        read_input=lambda most: sys.stdin.buffer.read(most),  # noqa: PLW0108 - see above
        show=lambda body: sys.stdout.buffer.write(body),  # noqa: PLW0108 - see above
    )


@push.command("install")
def push_install(
    every: Every = None,
    url: PushUrl = None,
    extras: Extras = "",
    only_print: Annotated[
        bool, typer.Option("--print", help="Show what would be written. Writes nothing.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Delete what was written.")] = False,
) -> None:
    """Let the system's scheduler push.

    Writes a systemd user timer, a launchd agent or a task of Task Scheduler, and with it the settings of this shell
    (METERBOT_URL, METERBOT_PUSH_TOKEN) to a file for your eyes only. Says how to start, see and undo it.
    """
    from meterbot.agent import main as agent
    from meterbot.agent.machine import this_machine

    agent.set_up(
        agent.Options(every=every, url=url, extras=extras),
        this_machine(),
        say=print,
        only_print=only_print,
        undo=remove,
    )
