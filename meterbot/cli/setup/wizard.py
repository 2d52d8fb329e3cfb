"""`meterbot init`: ask, check, write, and post one test alert."""

import asyncio
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import tomli
from pydantic import TypeAdapter

from meterbot.app.config import Config
from meterbot.app.config.seats import SeatConfig
from meterbot.app.config.types import Zone
from meterbot.cli import operations, seat_reads
from meterbot.cli.check import as_text, exit_status
from meterbot.cli.check.seats import levels_text
from meterbot.cli.setup import chats
from meterbot.cli.setup.context import SetupContext
from meterbot.cli.setup.files import DraftTable, secret_files, write
from meterbot.cli.setup.prompts import Flags, MistakenError, RefusedError, Script, SecretPlace, Terminal
from meterbot.cli.setup.seat import SECRET_KEY, ask_name, ask_seat
from meterbot.commands import seat_admin
from meterbot.core.errors import StartError
from meterbot.ingest import pushes


def init(
    flags: Flags,
    prompter: Terminal | Script,
    path: Path,
    *,
    environ: Mapping[str, str],
    now: Callable[[], datetime],
    say: Callable[[str], None],
    program: str,
) -> int:
    """Returns the exit status. Writes nothing until every question is answered. `program`: how to call meterbot
    here."""
    context = SetupContext(flags, prompter, path, _existing(path), environ, now, say, program)
    _ask(context)
    if not context.tables:
        say(
            f"Nothing to add: {path} was not changed, and nothing was posted. `{program} check --live` checks what is "
            f"there, `{program} test-alert` posts a test alert."
        )
        return 0
    config = _write(context)
    try:
        say(f"\nWrote {path}.")
        _say_secrets(context)
        for seat in config.seats:
            if seat.name in context.seats:
                _store_renewed(context, config, seat.name)
                _say_push_token(context, config, seat)
        say(f"Alerts at {levels_text(config.alerts.thresholds)} (thresholds in [alerts]).")
        return _post_test_alert(context, config)
    except KeyboardInterrupt:
        say(
            f"\nThe configuration is complete. `{program} seat list` shows the seats and their tokens, "
            f"`{program} test-alert` posts a test alert."
        )
        return 1


def _existing(path: Path) -> str | None:
    """The text of the file, which is TOML; None if there is no file."""
    if not path.parent.is_dir():
        raise RefusedError(f"{path.parent} is not a directory: create it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise RefusedError(f"{path.parent} cannot be written to: choose another place with --config")
    if not path.exists():
        return None
    try:
        text = path.read_text("utf-8-sig")
        tomli.loads(text)
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
    except (UnicodeDecodeError, tomli.TOMLDecodeError):
        why = "is not TOML: correct it (`meterbot check` names the place), then run this again"
    else:
        return text
    raise MistakenError(f"{path} {why}")


def _ask(context: SetupContext) -> None:
    """Everything: what is needed for alerts first, then the seats, then the rest."""
    there, flags = context.document(), context.flags
    context.endpoints()  # a wrong address ends this before anybody types a token
    zone = None if flags.timezone is None else _ask_zone(context)
    if context.existing is not None and zone not in {None, there.get("timezone", "UTC")}:
        zone = there.get("timezone", "UTC")
        raise MistakenError(f'--timezone: {context.path} already has timezone = "{zone}": change it there')
    for name in _ask_chats(context):
        if name in there:
            context.say(f"{context.path} already has [{name}], which was not changed.")
        elif name == "console":
            context.tables.append(DraftTable("[console]", {"enabled": True}))
        else:
            context.tables.append(chats.slack(context) if name == "slack" else chats.discord(context))
    if flags.endpoints and "endpoints" not in there:
        context.tables.append(DraftTable("[endpoints]", {**flags.endpoints}))
    _ask_seats(context)
    if context.existing is None:
        context.top["timezone"] = zone or _ask_zone(context)


def _ask_zone(context: SetupContext) -> str:
    given = context.flags.timezone
    return context.ask_for("Your time zone", "--timezone", given, TypeAdapter(Zone), default=_zone_here())


def _zone_here() -> str:
    """This machine's time zone, where that is known."""
    _, found, zone = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")
    return zone if found and zone else "UTC"


def _ask_chats(context: SetupContext) -> tuple[str, ...]:
    if context.flags.chats:
        return context.flags.chats
    if {"slack", "discord", "console"} & {*context.document()}:
        return ()
    answer = context.prompter.choose(
        "Where should alerts go",
        "--slack, --discord or --console",
        ("slack", "discord", "both", "console"),
        "console",
    )
    return ("slack", "discord") if answer == "both" else (answer,)


def _ask_seats(context: SetupContext) -> None:
    """The whole team, one seat after the other, until the name is left empty."""
    taken = [str(one.get("name")) for one in context.document().get("seats", [])]
    only = context.flags.seat
    if only in taken:
        context.say(f"{context.path} already has the seat {only}, which was not changed.")
        return
    if taken and only is None:
        context.say(f"{context.path} has {', '.join(taken)}.")
    while name := ask_name(context):
        ask_seat(context, name)
        if only is not None:
            return
        context.flags = replace(context.flags, source=None, plan=None, owner=None, credential=SecretPlace())


def _write(context: SetupContext) -> Config:
    """Writes the secrets, then the configuration, if it loads; or neither."""
    known = {**context.environ, **{one.variable: one.value for one in context.secrets if one.variable}}
    if context.runs_elsewhere():
        _put_push_tokens(context)
    text, folder = context.text(), context.path.parent
    try:
        with secret_files(folder, context.secrets):
            config = context.loaded(text, known)
            write(context.path, text)
    except OSError as error:
        name = error.filename or folder
        raise RefusedError(
            f"{name} cannot be written: {error.strerror}. Correct that, and run this again"
        ) from None
    return config


def _put_push_tokens(context: SetupContext) -> None:
    """Makes a push token for each seat that pushes, and writes only its digest into the configuration."""
    for table in context.tables:
        if table.values.get("source") == pushes.PUSH:
            token = pushes.new_token()
            context.tokens[str(table.values["name"])] = token
            table.values["push_token_sha256"] = pushes.digest(token)


def _say_secrets(context: SetupContext) -> None:
    files = [one.name for one in context.secrets if one.new]
    names = [one.variable for one in context.secrets if one.variable]
    if files:
        context.say(f"The secrets are beside it, in {', '.join(files)}; only you can read them.")
    if names:
        shown = " ".join(f"{name}=…" for name in names)
        context.say(
            f"Set these where the bot runs: {', '.join(names)}. On Heroku, or in a container:\n\n"
            f'    heroku config:set METERBOT_CONFIG_TOML="$(cat {context.path})" {shown}\n'
        )
    if SECRET_KEY.variable in names and not context.environ.get(SECRET_KEY.variable):
        context.say(f"`{context.program} secret-key` prints a value for {SECRET_KEY.variable}.\n")


def _say_push_token(context: SetupContext, config: Config, seat: SeatConfig) -> None:
    if seat.source != pushes.PUSH:
        return
    token = context.tokens.get(seat.name) or asyncio.run(
        operations.make_push_token(config, seat.name, context.now(), replace=False)
    )
    if token is None:
        context.say(
            f"{seat.name} already has a token: `{context.program} seat add {seat.name} --replace` makes a new one."
        )
        return
    interval = config.interval(seat).total_seconds()
    context.say(seat_admin.push_instructions(seat.name, token, interval, context.url))


def _store_renewed(context: SetupContext, config: Config, seat: str) -> None:
    renewed = context.renewed.get(seat)
    if renewed is None or renewed.at is None:
        return
    why: str | None = "the database is elsewhere"
    if not context.runs_elsewhere():
        try:
            why = asyncio.run(seat_reads.keep_renewed(config, seat, renewed))
        except StartError as error:
            why = str(error)
    happened = f"claude.ai renewed the session key of {seat} when it was read"
    if why:
        context.say(
            f"{happened}, and the new one cannot be stored: {why}. The one you gave may not work any more: before you "
            "start the bot, copy the cookie again and replace it."
        )
    else:
        context.say(f"{happened}; the new one is in the database, encrypted.")


def _post_test_alert(context: SetupContext, config: Config) -> int:
    path, program = context.path, context.program
    named = "" if path == Path.cwd() / "config.toml" else f" --config {shlex.quote(str(path))}"
    start = f"    {program} run{named}\n"
    again = "" if context.existing is None else "Restart a bot that already runs with it. "
    if context.flags.offline:
        context.say(f"{again}Nothing was checked. Next, check everything, then start the bot:\n")
        context.say(f"    {program} check --live{named}\n{start}")
        return 0
    found = asyncio.run(operations.try_alerts(config, context.now(), "init"))
    context.say(as_text(found))
    if exit_status(found):
        context.say(
            f"{again}The configuration is written. Correct this, then try again:\n\n"
            f"    {program} test-alert{named}\n"
        )
        return 1
    where = "is in the channel" if config.slack or config.discord else "is above"
    context.say(f"\nA test alert {where}. {again}Next, start the bot:\n\n{start}")
    return 0
