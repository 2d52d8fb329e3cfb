"""docs/commands.md: every command with its arguments, from the program's own help."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from meterbot.cli import cli

_INTRODUCTION = """\
# Every command

`meterbot COMMAND --help` explains the options.

Commands find the configuration as [configuration.md](configuration.md) says, or take `-c PATH`. Exit status: 0 done, 1
something failed, 2 wrong usage or configuration. With `--json`, standard output is one JSON document.
`meterbot --version` prints the version.
"""


def leaves(command: Any, path: tuple[str, ...] = ("meterbot",)) -> Iterator[tuple[str, Any]]:
    """(as it is typed, the command) of everything that can be run."""
    if not hasattr(command, "commands"):
        yield " ".join(path), command
        return
    if command.invoke_without_command and path[1:]:
        yield " ".join(path), command
    for name, inner in command.commands.items():
        yield from leaves(inner, (*path, name))


def commands() -> list[tuple[str, Any]]:
    return list(leaves(typer.main.get_command(cli)))


def commands_page() -> str:
    return "\n".join([_INTRODUCTION, *(_line(name, command) for name, command in commands()), ""])


def _line(name: str, command: Any) -> str:
    sentence, *_ = re.split(r"\.\s", re.sub(r"\s+", " ", command.help))
    takes = [
        _spelled(param) for param in command.params if param.param_type_name == "argument" and param.help
    ]
    return f"- `{' '.join([name, *takes])}`: {sentence.rstrip('.')}."


def _spelled(argument: Any) -> str:
    several = "…" if argument.nargs != 1 else ""
    spelled = f"{argument.metavar or argument.name.upper()}{several}"
    return spelled if argument.required else f"[{spelled}]"
