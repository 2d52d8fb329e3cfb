"""The story of `meterbot init`: ask, try, write, and post a test alert."""

import asyncio
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import tomli
from pydantic import TypeAdapter

from meterbot.app.config import SCHEMA, Config, ConfigError, EndpointsConfig, load_text
from meterbot.app.config.types import Zone
from meterbot.cli import operations
from meterbot.cli.check import as_text, exit_status, live
from meterbot.cli.setup import chats
from meterbot.cli.setup.asking import MistakenError, Prompter, RefusedError, Wishes
from meterbot.cli.setup.desk import Desk
from meterbot.cli.setup.draft import DraftTable, Value, drafted
from meterbot.cli.setup.keeping import write, written
from meterbot.cli.setup.seat import SECRET_KEY, NewSeat, Read, push_token, seat
from meterbot.cli.setup.secrets import ENVIRONMENT, FILES, Keeper, Kept
from meterbot.commands import seat_admin
from meterbot.core.errors import StartError
from meterbot.core.findings import Check
from meterbot.ingest.pushes import PUSH


@dataclass(frozen=True, slots=True)
class ConfigPlace:
    """Where the configuration is to be, and what is there already."""

    path: Path
    text: str | None
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be added."""

    tables: tuple[DraftTable, ...]
    seat: NewSeat | None
    text: str
    renewed: operations.Renewed | None
    """The new seat's session key, as claude.ai renewed it while it was tried."""


def init(
    wishes: Wishes,
    person: Prompter,
    path: Path,
    *,
    environ: Mapping[str, str],
    now: Callable[[], datetime],
    say: Callable[[str], None],
    program: str = "meterbot",
) -> int:
    """Ends with an exit status. Until everything was answered and tried, nothing is written. `program`: how this one is
    called here."""
    place = _place(path)
    where = (
        person.choose(
            "Keep the tokens in files that only you can read, or in environment variables where the bot runs",
            "--keep",
            (FILES, ENVIRONMENT),
            FILES,
        )
        if wishes.keep is None
        else wishes.keep
    )
    keeper = Keeper(person, environ, path.parent, keep=where)
    desk = Desk(person, wishes, keeper, _endpoints(place, wishes), now, say)
    plan = _planned(desk, place, environ)
    if not plan.tables:
        say(
            f"Nothing to add: {path} is as it was, and nothing was posted. `{program} check --live` tries what is there, "
            f"`{program} test-alert` posts a test alert."
        )
        return 0
    config, token = _kept(desk, place, plan, environ)
    try:
        say(f"\n{path} is written.")
        _tell_secrets(desk, path, environ, program)
        if plan.seat is not None and plan.renewed is not None:
            elsewhere = _elsewhere(keeper.kept, environ)
            _keep_renewed(desk, config, plan.seat.name, plan.renewed, elsewhere=elsewhere)
        if plan.seat is not None and plan.seat.source == PUSH:
            _tell_push(desk, plan.seat, config, token or _made_token(desk, config, plan.seat.name), program)
        return _end(desk, config, place, program)
    except KeyboardInterrupt:
        say(
            f"\nThe configuration stays. `{program} seat list` tells of tokens, `{program} test-alert` posts the test alert."
        )
        return 1


def _place(path: Path) -> ConfigPlace:
    if not path.parent.is_dir():
        raise RefusedError(f"{path.parent} is not a directory: make it first")
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


def _endpoints(place: ConfigPlace, wishes: Wishes) -> dict[str, str]:
    """The services' addresses: as the flags say, as the file says, or the real ones."""
    there = place.document.get("endpoints", {})
    return dict(EndpointsConfig(**{**there, **wishes.endpoints}))


def _planned(desk: Desk, place: ConfigPlace, environ: Mapping[str, str]) -> Plan:
    document, wishes = place.document, desk.wishes
    tables: list[DraftTable] = []
    for name in _chats(desk, document):
        if name in document:
            desk.say(f"[{name}] is in {place.path} already, and stays as it is.")
        elif name == "console":
            tables.append(DraftTable("[console]", {"enabled": True}))
        else:
            tables.append(chats.slack(desk) if name == "slack" else chats.discord(desk))
    if wishes.endpoints and "endpoints" not in document:
        tables.append(DraftTable("[endpoints]", dict(wishes.endpoints)))
    tries: list[operations.Renewed] = []
    new = _seat(desk, place, partial(_read, desk, place, environ, tries=tries))
    top: dict[str, Value] = {}
    if place.text is None:
        top["timezone"] = desk.answered(
            "Your time zone",
            "--timezone",
            wishes.timezone,
            TypeAdapter(Zone),
            default=_zone_here(),
        )
    if new is not None:
        tables += new.tables
        if new.secret_key is not None:
            top[new.secret_key.key] = new.secret_key.name
    renewed = tries[-1] if tries and tries[-1].at is not None else None
    return Plan(tuple(tables), new, drafted(place.text, SCHEMA.as_uri(), top, tables), renewed)


def _chats(desk: Desk, document: Mapping[str, Any]) -> tuple[str, ...]:
    if desk.wishes.chats:
        return desk.wishes.chats
    if {"slack", "discord", "console"} & {*document}:
        return ()
    answer = desk.person.choose(
        "Where shall alerts go",
        "--slack, --discord or --console",
        ("slack", "discord", "both", "console"),
        "console",
    )
    return ("slack", "discord") if answer == "both" else (answer,)


def _seat(desk: Desk, place: ConfigPlace, read: Read) -> NewSeat | None:
    """The first one; a further one where that is wanted."""
    document = place.document
    there = [str(one.get("name")) for one in document.get("seats", [])]
    if (
        there
        and desk.wishes.seat is None
        and not desk.person.agrees(f"There is {', '.join(there)}. Add a further seat?")
    ):
        return None
    if desk.wishes.seat in there:
        desk.say(f"The seat {desk.wishes.seat} is there already, and stays as it is.")
        return None
    return seat(
        desk,
        there,
        read,
        listener="http" in document,
        has_key=bool({"secret_key_env", "secret_key_file"} & {*document}),
    )


def _read(
    desk: Desk,
    place: ConfigPlace,
    environ: Mapping[str, str],
    values: Mapping[str, Value],
    kept: Sequence[Kept],
    *,
    tries: list[operations.Renewed],
) -> list[Check]:
    """What comes of reading the new seat once, before anything is written: its secrets come from the environment here.
    What claude.ai renews its key to is kept where there is a database already, and else added to `tries`."""
    pointers = {one.key.rpartition("_")[0]: one.value for one in kept}
    named = {f"{key}_env": f"METERBOT_INIT_{key.upper()}" for key in pointers}
    known = {**environ, **{named[f"{key}_env"]: value for key, value in pointers.items()}}
    top = {key: name for key, name in named.items() if key == "secret_key_env"}
    own = {key: name for key, name in named.items() if key != "secret_key_env"}
    tables = [DraftTable("[[seats]]", {**values, **own})]
    if "endpoints" not in place.document:
        tables.append(DraftTable("[endpoints]", dict(desk.endpoints)))
    config = _loaded(drafted(place.text, SCHEMA.as_uri(), top, tables), place.path, known)
    name = str(values["name"])
    tries += [operations.Renewed(key) for part, key in pointers.items() if part == "session_key"]

    async def reading() -> list[Check]:
        shots = await operations.read_seats(config, [name], desk.now(), {name: tries[-1]} if tries else {})
        return list(live.readings(config.seat_list(), shots))

    return desk.tried(reading)


def _loaded(text: str, path: Path, environ: Mapping[str, str]) -> Config:
    try:
        return load_text(text, str(path), environ, path.parent)
    except ConfigError as error:
        raise MistakenError(f"{error}\nnothing was written") from None


def _zone_here() -> str:
    """As this machine's clock is set, where that can be told."""
    _, found, zone = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")
    return zone if found and zone else "UTC"


def _kept(
    desk: Desk, place: ConfigPlace, plan: Plan, environ: Mapping[str, str]
) -> tuple[Config, str | None]:
    """Writes the secrets, then the configuration, if it loads; or neither."""
    kept = desk.keeper.kept
    known = {**environ, **{one.variable: one.value for one in kept if one.variable}}
    text, token = plan.text, None
    if plan.seat is not None and plan.seat.source == PUSH and _elsewhere(kept, environ):
        token, digest = push_token()
        text = text.rstrip("\n") + f'\npush_token_sha256 = "{digest}"\n'
    try:
        with written(place.path.parent, kept):
            config = _loaded(text, place.path, known)
            write(place.path, text)
    except OSError as error:
        name = error.filename or place.path.parent
        raise RefusedError(
            f"{name} cannot be written: {error.strerror}. Correct that, and run this again"
        ) from None
    return config, token


def _elsewhere(kept: Sequence[Kept], environ: Mapping[str, str]) -> bool:
    """Whether the bot, and with it its database, cannot be here: its secrets are not."""
    return any(one.variable and not environ.get(one.variable) for one in kept)


def _tell_secrets(desk: Desk, path: Path, environ: Mapping[str, str], program: str) -> None:
    kept = desk.keeper.kept
    files = [one.name for one in kept if one.new]
    names = [one.variable for one in kept if one.variable]
    if files:
        desk.say(f"The secrets are in {', '.join(files)} beside it, and only you can read them.")
    if names:
        shown = " ".join(f"{name}=…" for name in names)
        desk.say(
            f"These have to be set where the bot runs: {', '.join(names)}. On Heroku, or in a container:\n\n"
            f'    heroku config:set METERBOT_CONFIG_TOML="$(cat {path})" {shown}\n'
        )
    if SECRET_KEY.variable in names and not environ.get(SECRET_KEY.variable):
        desk.say(f"{SECRET_KEY.variable} is yours to make: `{program} secret-key` prints one.\n")


def _keep_renewed(
    desk: Desk, config: Config, seat: str, renewed: operations.Renewed, *, elsewhere: bool
) -> None:
    """In the database, which is made for it; where that is not possible, it is said."""
    try:
        why = "the database is elsewhere"
        if not elsewhere:
            why = asyncio.run(operations.keep_renewed(config, seat, renewed)) or ""
    except StartError as error:
        why = str(error)
    told = f"claude.ai has renewed the session key of {seat} while it was tried"
    if why:
        desk.say(
            f"{told}, and what it is now is not kept: {why}. The one that you gave may be refused from now on: copy "
            "the cookie anew before you start the bot, and replace it."
        )
    else:
        desk.say(f"{told}: what it is now is in the database, encrypted.")


def _made_token(desk: Desk, config: Config, name: str) -> str | None:
    """None where the database has one for a seat of this name already."""
    return asyncio.run(operations.make_push_token(config, name, desk.now(), replace=False))


def _tell_push(desk: Desk, new: NewSeat, config: Config, token: str | None, program: str) -> None:
    if token is None:
        desk.say(
            f"{new.name} has a token from before: `{program} seat add {new.name} --replace` makes a new one."
        )
        return
    interval = next(config.interval(each) for each in config.seats if each.name == new.name)
    desk.say(seat_admin.push_instructions(new.name, token, interval.total_seconds(), new.url or ""))


def _end(desk: Desk, config: Config, place: ConfigPlace, program: str) -> int:
    """The test alert, and what to type now."""
    named = "" if place.path == Path.cwd() / "config.toml" else f" --config {shlex.quote(str(place.path))}"
    start = f"    {program} run{named}\n"
    again = (
        "" if place.text is None else "A bot that runs with it already has to be started again to see this.\n"
    )
    if desk.wishes.offline:
        desk.say(f"{again}Nothing was tried. Next, try everything, then start the bot:\n")
        desk.say(f"    {program} check --live{named}\n{start}")
        return 0
    found = asyncio.run(operations.try_alerts(config, desk.now(), "init"))
    desk.say(as_text(found))
    if exit_status(found):
        desk.say(
            f"{again}The configuration stays. Correct this, then try again:\n\n    {program} test-alert{named}\n"
        )
        return 1
    where = "is in the channel" if config.slack or config.discord else "stands above"
    desk.say(f"\nA test alert {where}. {again}Next, start the bot:\n\n{start}")
    return 0
