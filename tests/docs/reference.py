"""docs/commands.md: every command with all its options, from the program's own help."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from meterbot.cli import cli

_INTRODUCTION = """\
# Every command

What `meterbot COMMAND --help` says, on one page; `make docs` writes it.

A command that needs the configuration takes `-c PATH` (`--config`), before its name or after it, and without that looks
for it as [its page](configuration.md) says. Exit status: 0 done, 1 it ran and something failed, 2 wrong usage
or configuration. With `--json` one JSON document is printed on standard output, and nothing else there.
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
    found = commands()
    table = ["| command | does |", "|---|---|", *(_row(name, command) for name, command in found), ""]
    return "\n".join([_INTRODUCTION, *table, *(_section(name, command) for name, command in found)])


def _row(name: str, command: Any) -> str:
    anchor = re.sub(r"[^\w\- ]", "", _heading(name, command).lower()).replace(" ", "-")
    sentence, *_ = re.split(r"\.\s", _help(command))
    return f"| [`{name}`](#{anchor}) | {_cell(sentence.rstrip('.'))} |"


def _heading(name: str, command: Any) -> str:
    arguments = [_name(param) for param in command.params if param.param_type_name == "argument"]
    return " ".join([name, *arguments])


def _section(name: str, command: Any) -> str:
    context = command.make_context(name, [], resilient_parsing=True)
    table = [f"| {_spelled(param, context)} | {_cell(param.help)} |" for param in _told(command)]
    lines = [f"## {_heading(name, command)}", "", _help(command), ""]
    return "\n".join([*lines, *(["| word | does |", "|---|---|", *table, ""] if table else [])])


def _told(command: Any) -> list[Any]:
    """What it takes, but for the configuration, which nearly every command takes."""
    return [param for param in command.params if param.help and param.name != "config"]


def _help(command: Any) -> str:
    paragraphs: list[str] = command.help.split("\n\n")
    return "\n\n".join(re.sub(r"\s*\n\s*", " ", str(each)) for each in paragraphs)


def _name(argument: Any) -> str:
    several = "…" if argument.nargs != 1 else ""
    return f"{argument.metavar or argument.name.upper()}{several}"


def _spelled(param: Any, context: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{_name(param)}`"
    words: str = param.get_help_record(context)[0]
    return f"`{_cell(words)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
