"""docs/commands.md: every command with its options, from the program's own help."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from meterbot.cli import cli

_INTRODUCTION = """\
# Every command

`meterbot COMMAND --help` explains each option; `make docs` writes this page.

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
    context = command.make_context(name, [], resilient_parsing=True)
    sentence, *_ = re.split(r"\.\s", re.sub(r"\s+", " ", command.help))
    takes = [_spelled(param, context) for param in command.params if _is_listed(param)]
    return f"- `{name}`: {sentence.rstrip('.')}." + (f" Takes {', '.join(takes)}." if takes else "")


def _is_listed(param: Any) -> bool:
    """All but `--config`, which nearly every command takes."""
    return bool(param.help and param.name != "config")


def _name(argument: Any) -> str:
    several = "…" if argument.nargs != 1 else ""
    return f"{argument.metavar or argument.name.upper()}{several}"


def _spelled(param: Any, context: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{_name(param)}`"
    words: str = param.get_help_record(context)[0]
    return f"`{words}`"
