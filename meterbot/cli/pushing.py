"""`meterbot push`: on a seat's own machine. It is the agent that `/agent` serves, and can also send a file."""

import faulthandler
import random
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from meterbot.cli.root import cli, refuse

PROGRAM = [sys.executable, "-m", "meterbot", "push"]
_UNITS = {"s": 1, "m": 60, "h": 3600}


@cli.command("push")
def push(
    action: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ACTION", help="install or uninstall scheduled runs; without it, read and send once."
        ),
    ] = None,
    *,
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="claude-code|FILE|-", help="What to send: Claude Code's numbers, or a file."
        ),
    ] = "claude-code",
    every: Annotated[
        str | None, typer.Option(metavar="TIME", help="Repeat about every 15m (or 1h, …) until stopped.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the exact bytes that would be sent, and send nothing.")
    ] = False,
    email: Annotated[
        bool, typer.Option("--email", help="Send the e-mail address in claude-meter's JSON, too.")
    ] = False,
    settings: Annotated[
        str | None, typer.Option(metavar="PATH", help="The file of settings that install writes.")
    ] = None,
) -> None:
    """Send this machine's Claude numbers to your team's meterbot.

    METERBOT_URL is the address of the bot, METERBOT_PUSH_TOKEN the token of the seat.
    """
    from meterbot.agent import network
    from meterbot.agent.main import install, main
    from meterbot.agent.storage import Problem
    from meterbot.app.agent_script import agent_script

    network.VERSION = agent_script().version
    words = [*(action or [])]
    words += ["--dry-run"] if dry_run else []
    words += ["--settings", settings] if settings else []
    seconds = None if every is None else _seconds(every)
    if words and (seconds is not None or (source != "claude-code" and words != ["--dry-run"])):
        refuse("--every and --from are for sending: not with install, uninstall, join or --settings")
    try:
        if source != "claude-code":
            status = _from_file(source, seconds, email=email, dry_run=dry_run)
        elif seconds is not None:
            status = _from_claude_code(seconds)
        elif words == ["install"]:
            status = 0
            install(PROGRAM)
        else:
            status = main(words, PROGRAM)
    except Problem as problem:
        print(f"meterbot: {problem}", file=sys.stderr)
        status = problem.status
    except KeyboardInterrupt:
        status = 130
    raise typer.Exit(status)


def _seconds(text: str) -> int:
    from meterbot.commands.seat_admin import LONGEST_PUSH, SHORTEST_PUSH

    matched = re.fullmatch("([0-9]{1,6})([smh])", text.strip())
    seconds = int(matched[1]) * _UNITS[matched[2]] if matched else 0
    if not SHORTEST_PUSH <= seconds <= LONGEST_PUSH:
        refuse(f"--every must be between 5m and 6h, like 15m; got {text[:20]}")
    return seconds


def _send(reading: Callable[[], str], every: int | None) -> int:
    """Sends once, or until it is stopped. The exit status."""
    from meterbot.agent.main import RUN_SECONDS, destination
    from meterbot.agent.storage import Problem

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    destination()
    said = ""
    while True:
        faulthandler.dump_traceback_later(RUN_SECONDS, exit=True)
        try:
            outcome = reading()
        except Problem as problem:
            if every is None:
                raise
            outcome = str(problem)
        faulthandler.cancel_dump_traceback_later()
        if outcome != said:
            print(outcome, flush=True)
        if every is None:
            return 0
        said = outcome
        time.sleep(every * (1 + 0.2 * random.random()))  # noqa: S311 - to spread the load


def _from_claude_code(every: int) -> int:
    from meterbot.agent.main import Agent, send, state_file

    return _send(lambda: Agent(state_file(), every).once(send), every)


def _from_file(source: str, every: int | None, *, email: bool, dry_run: bool) -> int:
    from meterbot.agent.main import send, show
    from meterbot.agent.storage import Problem
    from meterbot.cli.claude_meter import document_of

    def body() -> bytes:
        try:
            text = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        except OSError as failure:
            raise Problem(f"cannot read {source}: {failure.strerror}") from None
        return document_of(text, email=email)

    if dry_run:
        show(body())
        return 0
    return _send(lambda: send(body()), every)
