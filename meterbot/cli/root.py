"""What all commands share."""

import errno
import json
import os
import sys
from contextlib import suppress
from io import RawIOBase, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

import meterbot
from meterbot.core.errors import MeterbotError, StartError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from pydantic import SecretStr

    from meterbot.app.config import Config


Result = TypeVar("Result")

cli = typer.Typer(
    help="Shows what a team's Claude seats really spend: alerts and /claude-spend on Slack and Discord.",
    epilog="New here? `meterbot demo` shows the bot without any account; `meterbot init` sets up your own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigPath = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="PATH",
        help="The configuration file. Default: METERBOT_CONFIG, METERBOT_CONFIG_TOML, ./config.toml, "
        "~/.config/meterbot/config.toml.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def option(metavar: str, explained: str) -> Any:
    """An option with a value."""
    return typer.Option(metavar=metavar, help=explained)


def main() -> None:
    """Runs a command. An error that meterbot raises on purpose is one sentence, without a traceback."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without € still shows the rest
        if isinstance(sys.stdout.buffer, RawIOBase):
            sys.stdout = _with_buffer(sys.stdout)
    try:
        try:
            cli()
        finally:
            if sys.stdout is not None:  # None if the parent closed it
                sys.stdout.flush()  # or Python would do it later, where no error can be caught
    except OSError as error:
        if sys.stdout is None or not _takes_no_output():
            raise
        if error.errno != errno.EPIPE:  # EPIPE: the reader closed the pipe
            step = (
                "Free some space or redirect" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "Redirect"
            )
            print(
                f"meterbot: cannot write the output: {error.strerror}. {step} it elsewhere", file=sys.stderr
            )
        raise SystemExit(1) from None
    except MeterbotError as error:
        from meterbot.core import secret

        print(f"meterbot: {secret.hide(str(error))}", file=sys.stderr)
        hopeless = isinstance(error, StartError) and not isinstance(error, UnavailableError)
        raise SystemExit(2 if hopeless else 1) from None


def _with_buffer(raw: TextIOWrapper) -> TextIOWrapper:
    """PYTHONUNBUFFERED leaves out the buffer, which keeps what could not be written: `_takes_no_output` needs it. Every
    line is still written at once."""
    return open(raw.fileno(), "w", buffering=1, encoding=raw.encoding, errors=raw.errors, closefd=False)


def _takes_no_output() -> bool:
    """Whether standard output can no longer be written to. Then what is left of it is dropped."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def working_directory() -> Path:
    """Raises `StartError` if it no longer exists."""
    with suppress(FileNotFoundError):
        return Path.cwd()
    raise StartError("the current directory no longer exists: cd to another one and try again")


def done(work: "Coroutine[Any, Any, Result]") -> "Result":
    """The result of a command's coroutine. Importing asyncio above would double the time of --help."""
    import asyncio

    return asyncio.run(work)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"meterbot {meterbot.__version__}")
        raise typer.Exit


@cli.callback()
def _root(
    context: typer.Context,
    config: ConfigPath = None,
    version: Annotated[  # noqa: ARG001 - typer calls `_version`
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = config


def configured(context: typer.Context, path: str | None) -> "Config":
    """The configuration. From here on the command logs."""
    from meterbot.app import log_setup
    from meterbot.app.config import load

    log_setup.set_up()
    return from_config(load, context, path)


def database_url(context: typer.Context, path: str | None) -> "SecretStr":
    """Where the database is. With DATABASE_URL set, no configuration is needed. From here on the command logs."""
    from meterbot.app import log_setup
    from meterbot.app.config.loading import load_database_url

    log_setup.set_up()
    return from_config(load_database_url, context, path)


def from_config(
    load: "Callable[[str | None, Mapping[str, str], Path], Result]", context: typer.Context, path: str | None
) -> "Result":
    """What `load` finds in the configuration, or exit status 2 with every problem on standard error."""
    from meterbot.app.config import ConfigError

    try:
        return load(path or context.find_root().obj, os.environ, working_directory())
    except ConfigError as error:
        refuse(str(error))


def refuse(text: str, status: int = 2) -> NoReturn:
    print(text, file=sys.stderr)
    raise typer.Exit(status)


def print_json(document: object) -> None:
    print(json.dumps(document, indent=1))  # in ASCII, for terminals of any encoding


def confirm(question: str) -> None:
    """Ends the command with status 1 unless the answer is yes."""
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:  # the end of the input, or Ctrl-C
        refuse("\nnothing was deleted: nobody answered (--yes skips the question)", status=1)
    if not agreed:
        refuse("nothing was deleted", status=1)
