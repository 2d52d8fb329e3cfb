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

from meterbot.cli.root import cli, option, refuse

PROGRAM = [sys.executable, "-m", "meterbot", "push"]
_UNITS = {"s": 1, "m": 60, "h": 3600}
_ACTIONS = ("install", "uninstall", "join")
_CONFLICTS = {
    "--every": ("--dry-run", "--settings", "--from -", *_ACTIONS),
    "--from": ("--settings", *_ACTIONS),
    "--dry-run": _ACTIONS,
    "--settings": ("install",),
}
"""Option → what it cannot be used with."""


@cli.command("push")
def push(
    action: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ACTION",
            help="install or uninstall scheduled runs, or join URL CODE; without it, read and send once.",
        ),
    ] = None,
    *,
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="claude-code|FILE|-", help="What to send: Claude Code's numbers, or a file."
        ),
    ] = "claude-code",
    every: Annotated[str | None, option("TIME", "Repeat about every 15m (or 1h, …) until stopped.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the exact bytes that would be sent, and send nothing.")
    ] = False,
    email: Annotated[
        bool, typer.Option("--email", help="Send the e-mail address in claude-meter's JSON, too.")
    ] = False,
    settings: Annotated[str | None, option("PATH", "The file of settings that install writes.")] = None,
) -> None:
    """Send this machine's Claude numbers to your team's meterbot.

    METERBOT_URL is the address of the bot, METERBOT_PUSH_TOKEN the token of the seat.
    """
    from meterbot.agent import network
    from meterbot.agent.main import install, main
    from meterbot.agent.storage import Problem
    from meterbot.app.agent_script import agent_script

    given = {
        "--every": every is not None,
        "--from": source != "claude-code",
        "--from -": source == "-",
        "--dry-run": dry_run,
        "--email": email,
        "--settings": settings is not None,
    }
    _refuse_conflicts({name for name, there in given.items() if there}, action or [])
    network.VERSION = agent_script().version
    words = [*(action or [])]
    words += ["--dry-run"] if dry_run else []
    words += ["--settings", settings] if settings else []
    seconds = None if every is None else _seconds(every)
    try:
        if source != "claude-code":
            status = _from_file(source, seconds, email=email, dry_run=dry_run)
        elif seconds is not None:
            status = _from_claude_code(seconds)
        elif words == ["install"]:
            status = 0 if install(PROGRAM) else 1
        else:
            status = main(words, PROGRAM)
    except Problem as problem:
        print(f"meterbot: {problem}", file=sys.stderr)
        status = problem.status
    except KeyboardInterrupt:
        status = 130
    raise typer.Exit(status)


def _refuse_conflicts(given: set[str], action: list[str]) -> None:
    """Ends with status 2 where options contradict each other."""
    if action not in ([], ["install"], ["uninstall"]) and (action[0] != "join" or len(action) != 3):
        refuse("say install, uninstall or join URL CODE, or none of them to read and send")
    there = given | {*action[:1]}
    for one, others in _CONFLICTS.items():
        for other in others:
            if {one, other} <= there:
                refuse(f"{one} cannot be used with {other}")
    if "--email" in given and "--from" not in given:
        refuse("--email is for --from: Claude Code's numbers have no e-mail address")


def _seconds(text: str) -> int:
    from meterbot.commands.seat_admin import LONGEST_PUSH, SHORTEST_PUSH

    matched = re.fullmatch("([0-9]{1,6})([smh])", text.strip())
    seconds = int(matched[1]) * _UNITS[matched[2]] if matched else 0
    if not SHORTEST_PUSH <= seconds <= LONGEST_PUSH:
        refuse(f"--every must be between 5m and 6h, like 15m; got {text[:20]}")
    return seconds


def _send(reading: Callable[[], str], every: int | None, pause: Callable[[], float] | None = None) -> int:
    """Sends once, or every so many seconds until it is stopped; sooner where `pause` is shorter. The exit status."""
    from meterbot.agent.main import RUN_SECONDS
    from meterbot.agent.storage import Problem

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
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
        wait = min(every, pause()) if pause else every
        time.sleep(wait * (1 + 0.2 * random.random()))  # noqa: S311 - to spread the load


def _from_claude_code(every: int) -> int:
    from meterbot.agent.main import Agent, destination, send, state_file

    destination()
    agent = Agent(state_file(), every)
    return _send(lambda: agent.once(send), every, agent.pause)


def _from_file(source: str, every: int | None, *, email: bool, dry_run: bool) -> int:
    from meterbot.agent.main import destination, send, show
    from meterbot.cli.claude_meter import document_of

    if not dry_run:
        destination()
    # A person may type it, or a slow program write it: before the time limit of a run begins.
    typed = _bytes_of(source) if source == "-" else None

    def body() -> bytes:
        return document_of(_bytes_of(source) if typed is None else typed, email=email)

    if dry_run:
        show(body())
        return 0
    return _send(lambda: send(body()), every)


def _bytes_of(source: str) -> bytes:
    from meterbot.agent.storage import Problem

    try:
        return sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as failure:
        raise Problem(f"cannot read {source}: {failure.strerror}") from None
