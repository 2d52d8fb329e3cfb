"""The two commands, `meterbot push` and `meterbot push install`, from their options on."""

import random
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from meterbot.agent import (
    claude_code,
    destination,
    document,
    extras,
    install,
    politeness,
    settings,
)
from meterbot.agent.agent import Agent, Read
from meterbot.agent.machine import Machine
from meterbot.agent.memory import Identity, MemoryFile
from meterbot.agent.trouble import PushError, SetupError
from meterbot.core.clock import Clock

CLAUDE_CODE = "claude-code"

_LONGEST_INPUT = 8 * document.LARGEST  # bytes; most of it does not leave


@dataclass(frozen=True, slots=True)
class Options:
    """As they were typed. `source` is "claude-code", a file or "-"."""

    source: str = CLAUDE_CODE
    every: str | None = None
    dry_run: bool = False
    url: str | None = None
    email: bool = False
    extras: str = ""
    env_file: str | None = None


def push(
    options: Options,
    machine: Machine,
    clock: Clock,
    *,
    say: Callable[[str], None],
    read_input: Callable[[int], bytes],
    show: Callable[[bytes], object],
    pause: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
) -> None:
    """`meterbot push`. `say` takes what a person is told, `show` the bytes of a dry run, `read_input` reads the
    standard input up to so many bytes. Raises `SetupError` for options that cannot be, `PushError` for what went wrong."""
    if options.env_file is not None:
        found = settings.read(Path(options.env_file).expanduser())
        machine = replace(machine, env={**machine.env, **found})
    every = duration(options.every)
    names = extras.chosen(options.extras)
    ours = options.source == CLAUDE_CODE
    if options.source == "-" and options.every:
        raise SetupError(
            "--every cannot read the standard input again and again: let what makes the JSON run on its own"
        )
    if names and not ours:
        raise SetupError("--with needs --from claude-code: the rest comes from this machine, too")
    if options.email and ours:
        raise SetupError("--email needs claude-meter's JSON: from Claude Code no address is ever taken")
    agent = Agent(
        read=partial(_from_claude_code, machine) if ours else _reader(options, read_input),
        extras=lambda now: extras.gather(names, machine, now, say),
        destination=None if options.dry_run else destination.from_environment(machine.env, options.url),
        file=MemoryFile(machine.memory_file if ours else None),
        clock=clock,
        chance=chance,
        say=say,
        every=every,
        polite=ours,
    )
    if options.dry_run:
        body = agent.show()
        say(f"would be sent, {len(body)} bytes, {_where(machine, options.url)}:")
        show(body)
    elif options.every:
        agent.keep_going(pause)
    else:
        agent.once()


def set_up(
    options: Options,
    machine: Machine,
    *,
    say: Callable[[str], None],
    only_print: bool = False,
    undo: bool = False,
) -> None:
    """`meterbot push install`. Raises `SetupError` and `PushError`."""
    every, names = duration(options.every), extras.chosen(options.extras)
    if undo:
        _undo(install.plan(machine, {}, sys.executable, every), say)
        return
    env = _settled(machine, options.url)
    wanted = install.plan(machine, env, sys.executable, every, names)
    if only_print:
        for file in wanted.files:
            say(f"# {file.path}\n{_hidden(file.text) if file.secret else file.text}")
    else:
        install.write(wanted)
        say("written:\n" + "\n".join(f"  {file.path}" for file in wanted.files))
    for title, commands in (("start it:", wanted.start), ("see it:", wanted.see), ("undo it:", wanted.stop)):
        say(title + "\n" + "\n".join(f"  {command}" for command in commands))


def duration(text: str | None) -> timedelta:
    """`15m`, `900s` or `1h`; the usual time for None. Raises `SetupError` for less than the budget bears."""
    if text is None:
        return politeness.EVERY
    matched = re.fullmatch(r"([0-9]{1,6})\s*([smh])", text.strip())
    if matched is None:
        raise SetupError(f"--every {text[:20]} is not a time like 15m or 1h")
    every = timedelta(seconds=int(matched[1]) * {"s": 1, "m": 60, "h": 3600}[matched[2]])
    if not politeness.SHORTEST <= every <= politeness.LONGEST:
        raise SetupError(
            "--every must be between 5m and 6h: Anthropic answers a more frequent question with hours of silence"
        )
    return every


def _from_claude_code(
    machine: Machine, now: datetime, known: Identity | None
) -> tuple[list[dict[str, object]], Identity | None]:
    reading = claude_code.read(machine, now, known)
    return [reading.snapshot], reading.identity


def _reader(options: Options, read_input: Callable[[int], bytes]) -> Read:
    def read(_now: datetime, _known: Identity | None) -> tuple[list[dict[str, object]], Identity | None]:
        return document.from_claude_meter(_text(options.source, read_input), email=options.email), None

    return read


def _text(source: str, read_input: Callable[[int], bytes]) -> bytes:
    if source == "-":
        return read_input(_LONGEST_INPUT)
    try:
        with Path(source).open("rb") as file:
            return file.read(_LONGEST_INPUT)
    except OSError as failure:
        raise PushError(f"cannot read {source}: {failure.strerror}") from None


def _where(machine: Machine, url: str | None) -> str:
    try:
        return f"as POST to {destination.posting_address(machine.env, url)} with the push token"
    except SetupError as missing:
        return f"nowhere yet ({missing})"


def _settled(machine: Machine, url: str | None) -> dict[str, str]:
    """The settings of the runs: those in the environment, and those of an earlier installation."""
    kept = machine.config_directory / "push.env"
    before = settings.read(kept) if kept.exists() else {}
    ours = {name: machine.env[name] for name in settings.KEPT if machine.env.get(name)}
    if "METERBOT_PUSH_TOKEN" in ours or "METERBOT_PUSH_TOKEN_FILE" in ours:
        before = {name: value for name, value in before.items() if not name.startswith("METERBOT_PUSH_TOKEN")}
    env = {**before, **ours, **({"METERBOT_URL": url} if url else {})}
    destination.from_environment(env)
    if file := env.get("METERBOT_PUSH_TOKEN_FILE"):
        env["METERBOT_PUSH_TOKEN_FILE"] = str(Path(file).expanduser().absolute())
    return env


def _undo(installed: install.Installation, say: Callable[[str], None]) -> None:
    gone = install.remove(installed)
    if not gone:
        say("nothing was installed here")
        return
    say("deleted:\n" + "\n".join(f"  {path}" for path in gone))
    say(f"if it was started, stop it:\n  {installed.stop[0]}")


def _hidden(text: str) -> str:
    return re.sub(r"(?m)^(METERBOT_PUSH_TOKEN=).*$", r"\1[hidden]", text)
