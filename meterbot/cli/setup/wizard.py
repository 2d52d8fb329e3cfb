"""`meterbot init`: ask, check, write, and post one test alert."""

import asyncio
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import tomli
from pydantic import TypeAdapter

from meterbot.app.config import SCHEMA, Config, ConfigError, EndpointsConfig, load_text
from meterbot.app.config.types import Zone
from meterbot.cli import operations, seat_reads
from meterbot.cli.check import as_text, exit_status, live
from meterbot.cli.check.levels import levels_text
from meterbot.cli.setup import chats
from meterbot.cli.setup.context import SetupContext
from meterbot.cli.setup.files import DraftTable, Value, drafted, secret_files, write
from meterbot.cli.setup.prompts import Flags, MistakenError, Prompter, RefusedError, SecretPlace
from meterbot.cli.setup.seat import SECRET_KEY, Existing, NewSeat, ask_name, ask_seat, new_push_token
from meterbot.cli.setup.secrets import FILES, KeptSecret, SecretCollector
from meterbot.commands import seat_admin
from meterbot.core.errors import StartError
from meterbot.core.findings import Check
from meterbot.ingest.pushes import PUSH


@dataclass(frozen=True, slots=True)
class ConfigPlace:
    """The file to write, and what it already contains."""

    path: Path
    text: str | None
    document: Mapping[str, Any]


@dataclass(slots=True)
class Additions:
    tables: list[DraftTable] = field(default_factory=list)
    top: dict[str, Value] = field(default_factory=dict)
    seats: list[NewSeat] = field(default_factory=list)
    renewed: dict[str, seat_reads.Renewed] = field(default_factory=dict)
    """Seat → its session key, which claude.ai may have renewed when the seat was read."""
    tokens: dict[str, str] = field(default_factory=dict)
    """Seat → its push token, where the bot's database is elsewhere and only the digest is in the configuration."""


def init(
    flags: Flags,
    prompter: Prompter,
    path: Path,
    *,
    environ: Mapping[str, str],
    now: Callable[[], datetime],
    say: Callable[[str], None],
    program: str = "meterbot",
) -> int:
    """Returns the exit status. Writes nothing until every question is answered. `program`: how to call meterbot
    here."""
    place = _place(path)
    secrets = SecretCollector(prompter, environ, path.parent, keep=flags.keep or FILES)
    context = SetupContext(prompter, flags, secrets, _endpoints(place, flags), environ, program, now, say)
    added = _ask(context, place)
    if not added.tables:
        say(
            f"Nothing to add: {path} was not changed, and nothing was posted. `{program} check --live` checks what is "
            f"there, `{program} test-alert` posts a test alert."
        )
        return 0
    config = _write(context, place, added)
    try:
        say(f"\nWrote {path}.")
        _say_secrets(context, path)
        for seat in added.seats:
            _finish_seat(context, seat, config, added)
        say(f"Alerts at {levels_text(config.alerts.thresholds)} (thresholds in [alerts]).")
        return _post_test_alert(context, config, place)
    except KeyboardInterrupt:
        say(
            f"\nThe configuration is complete. `{program} seat list` shows the seats and their tokens, "
            f"`{program} test-alert` posts a test alert."
        )
        return 1


def _place(path: Path) -> ConfigPlace:
    if not path.parent.is_dir():
        raise RefusedError(f"{path.parent} is not a directory: create it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise RefusedError(f"{path.parent} cannot be written to: choose another place with --config")
    if not path.exists():
        return ConfigPlace(path, None, {})
    try:
        text = path.read_text("utf-8-sig")
        return ConfigPlace(path, text, tomli.loads(text))
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
    except (UnicodeDecodeError, tomli.TOMLDecodeError):
        why = "is not TOML: correct it (`meterbot check` names the place), then run this again"
    raise MistakenError(f"{path} {why}")


def _endpoints(place: ConfigPlace, flags: Flags) -> dict[str, str]:
    """The services' addresses: from the flags, from the file, or the real ones."""
    there = place.document.get("endpoints", {})
    return dict(EndpointsConfig(**{**there, **flags.endpoints}))


def _ask(context: SetupContext, place: ConfigPlace) -> Additions:
    """Everything: what is needed for alerts first, then the seats, then the rest."""
    document, flags, added = place.document, context.flags, Additions()
    zone = _ask_timezone(context, place)
    wanted = _ask_chats(context, document)
    for name in wanted:
        if name in document:
            context.say(f"{place.path} already has [{name}], which was not changed.")
        elif name == "console":
            added.tables.append(DraftTable("[console]", {"enabled": True}))
        else:
            added.tables.append(chats.slack(context) if name == "slack" else chats.discord(context))
    if flags.endpoints and "endpoints" not in document:
        added.tables.append(DraftTable("[endpoints]", dict(flags.endpoints)))
    _ask_seats(context, place, added, [*wanted, *(document.keys() & {"slack", "discord"})])
    if place.text is None:
        added.top["timezone"] = zone or _ask_zone(context, None)
    return added


def _ask_timezone(context: SetupContext, place: ConfigPlace) -> str | None:
    """Checks the flag before anything else is asked; an existing file keeps its time zone."""
    wanted = context.flags.timezone
    if wanted is None:
        return None
    zone = _ask_zone(context, wanted)
    there = place.document.get("timezone", "UTC")
    if place.text is not None and zone != there:
        raise MistakenError(f'--timezone: {place.path} already has timezone = "{there}": change it there')
    return zone


def _ask_zone(context: SetupContext, given: str | None) -> str:
    return context.ask_for("Your time zone", "--timezone", given, TypeAdapter(Zone), default=_zone_here())


def _ask_chats(context: SetupContext, document: Mapping[str, Any]) -> tuple[str, ...]:
    if context.flags.chats:
        return context.flags.chats
    if {"slack", "discord", "console"} & {*document}:
        return ()
    answer = context.prompter.choose(
        "Where should alerts go",
        "--slack, --discord or --console",
        ("slack", "discord", "both", "console"),
        "console",
    )
    return ("slack", "discord") if answer == "both" else (answer,)


def _ask_seats(context: SetupContext, place: ConfigPlace, added: Additions, chats_: Sequence[str]) -> None:
    """The whole team, one seat after the other, until the name is left empty."""
    document, flags = place.document, context.flags
    taken = [str(one.get("name")) for one in document.get("seats", [])]
    if flags.seat in taken:
        context.say(f"{place.path} already has the seat {flags.seat}, which was not changed.")
        return
    if taken and flags.seat is None:
        context.say(f"{place.path} has {', '.join(taken)}.")
    http = document.get("http", {})
    there = Existing(
        taken,
        tuple(dict.fromkeys(chats_)),
        public_url=http.get("public_url"),
        has_listener="http" in document,
        has_secret_key=bool({"secret_key_env", "secret_key_file"} & {*document}),
    )
    while name := ask_name(context, flags, there.seats):
        read = partial(_read, context, place, added)
        seat = ask_seat(context, flags, name, there, read)
        added.seats.append(seat)
        added.tables += seat.tables
        if seat.secret_key is not None:
            added.top[seat.secret_key.key] = seat.secret_key.name
        there = replace(
            there,
            seats=[*there.seats, name],
            public_url=there.public_url or seat.url,
            has_listener=there.has_listener or seat.url is not None,
            has_secret_key=there.has_secret_key or seat.secret_key is not None,
        )
        if flags.seat is not None:
            return
        flags = replace(flags, source=None, plan=None, owner=None, credential=SecretPlace())


def _read(
    context: SetupContext,
    place: ConfigPlace,
    added: Additions,
    values: Mapping[str, Value],
    kept: Sequence[KeptSecret],
) -> list[Check]:
    """Reads the new seat once before anything is written: its secrets come from the environment here. What claude.ai
    renews its session key to is kept in `added`, unless there is a database."""
    pointers = {one.key.rpartition("_")[0]: one.value for one in kept}
    named = {f"{key}_env": f"METERBOT_INIT_{key.upper()}" for key in pointers}
    known = {**context.environ, **{named[f"{key}_env"]: value for key, value in pointers.items()}}
    top = {key: name for key, name in named.items() if key == "secret_key_env"}
    own = {key: name for key, name in named.items() if key != "secret_key_env"}
    tables = [DraftTable("[[seats]]", {**values, **own})]
    if "endpoints" not in place.document:
        tables.append(DraftTable("[endpoints]", dict(context.endpoints)))
    config = _loaded(context, drafted(place.text, SCHEMA.as_uri(), top, tables), place.path, known)
    name = str(values["name"])
    if "session_key" in pointers:
        added.renewed[name] = seat_reads.Renewed(pointers["session_key"])

    async def reading() -> list[Check]:
        shots = await seat_reads.read_seats(config, [name], context.now(), added.renewed)
        return list(live.readings(config.seat_list(), shots))

    return context.try_out(reading)


def _loaded(context: SetupContext, text: str, path: Path, environ: Mapping[str, str]) -> Config:
    here = not context.flags.offline
    try:
        return load_text(text, str(path), environ, path.parent, sign_in_here=here)
    except ConfigError as error:
        raise MistakenError(f"{error}\nnothing was written") from None


def _zone_here() -> str:
    """This machine's time zone, where that is known."""
    _, found, zone = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")
    return zone if found and zone else "UTC"


def _write(context: SetupContext, place: ConfigPlace, added: Additions) -> Config:
    """Writes the secrets, then the configuration, if it loads; or neither."""
    kept = context.secrets.kept
    known = {**context.environ, **{one.variable: one.value for one in kept if one.variable}}
    tables = added.tables
    if _runs_elsewhere(context):
        tables = [_with_push_token(table, added) for table in tables]
    text = drafted(place.text, SCHEMA.as_uri(), added.top, tables)
    try:
        with secret_files(place.path.parent, kept):
            config = _loaded(context, text, place.path, known)
            write(place.path, text)
    except OSError as error:
        name = error.filename or place.path.parent
        raise RefusedError(
            f"{name} cannot be written: {error.strerror}. Correct that, and run this again"
        ) from None
    return config


def _with_push_token(table: DraftTable, added: Additions) -> DraftTable:
    if table.values.get("source") != PUSH:
        return table
    token, digest = new_push_token()
    added.tokens[str(table.values["name"])] = token
    return DraftTable(table.header, {**table.values, "push_token_sha256": digest})


def _runs_elsewhere(context: SetupContext) -> bool:
    """Whether the bot, and its database, cannot be on this machine: it does not have the secrets."""
    return any(one.variable and not context.environ.get(one.variable) for one in context.secrets.kept)


def _say_secrets(context: SetupContext, path: Path) -> None:
    kept = context.secrets.kept
    files = [one.name for one in kept if one.new]
    names = [one.variable for one in kept if one.variable]
    if files:
        context.say(f"The secrets are beside it, in {', '.join(files)}; only you can read them.")
    if names:
        shown = " ".join(f"{name}=…" for name in names)
        context.say(
            f"Set these where the bot runs: {', '.join(names)}. On Heroku, or in a container:\n\n"
            f'    heroku config:set METERBOT_CONFIG_TOML="$(cat {path})" {shown}\n'
        )
    if SECRET_KEY.variable in names and not context.environ.get(SECRET_KEY.variable):
        context.say(f"`{context.program} secret-key` prints a value for {SECRET_KEY.variable}.\n")


def _finish_seat(context: SetupContext, seat: NewSeat, config: Config, added: Additions) -> None:
    """What needs the written configuration: a renewed session key is stored, a push token is made and shown."""
    renewed = added.renewed.get(seat.name)
    if renewed is not None and renewed.at is not None:
        elsewhere = _runs_elsewhere(context)
        _store_renewed(context, config, seat.name, renewed, elsewhere=elsewhere)
    if seat.source != PUSH:
        return
    token = added.tokens.get(seat.name) or asyncio.run(
        operations.make_push_token(config, seat.name, context.now(), replace=False)
    )
    if token is None:
        context.say(
            f"{seat.name} already has a token: `{context.program} seat add {seat.name} --replace` makes a new one."
        )
        return
    interval = next(config.interval(each) for each in config.seats if each.name == seat.name)
    context.say(seat_admin.push_instructions(seat.name, token, interval.total_seconds(), seat.url or ""))


def _store_renewed(
    context: SetupContext, config: Config, seat: str, renewed: seat_reads.Renewed, *, elsewhere: bool
) -> None:
    try:
        why = "the database is elsewhere"
        if not elsewhere:
            why = asyncio.run(seat_reads.keep_renewed(config, seat, renewed)) or ""
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


def _post_test_alert(context: SetupContext, config: Config, place: ConfigPlace) -> int:
    named = "" if place.path == Path.cwd() / "config.toml" else f" --config {shlex.quote(str(place.path))}"
    start = f"    {context.program} run{named}\n"
    again = "" if place.text is None else "Restart a bot that already runs with it. "
    if context.flags.offline:
        context.say(f"{again}Nothing was checked. Next, check everything, then start the bot:\n")
        context.say(f"    {context.program} check --live{named}\n{start}")
        return 0
    found = asyncio.run(operations.try_alerts(config, context.now(), "init"))
    context.say(as_text(found))
    if exit_status(found):
        context.say(
            f"{again}The configuration is written. Correct this, then try again:\n\n"
            f"    {context.program} test-alert{named}\n"
        )
        return 1
    where = "is in the channel" if config.slack or config.discord else "is above"
    context.say(f"\nA test alert {where}. {again}Next, start the bot:\n\n{start}")
    return 0
