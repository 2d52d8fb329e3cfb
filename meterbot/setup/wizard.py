"""The story of `meterbot init`: ask, try, write, and post a test alert."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import tomli
from pydantic import TypeAdapter

from meterbot import operations, seats
from meterbot.check import as_text, exit_status, live
from meterbot.config import SCHEMA, Config, ConfigError, EndpointsConfig, load_text
from meterbot.config.values import Zone
from meterbot.findings import Status
from meterbot.reception import PUSH
from meterbot.setup import chats
from meterbot.setup.asking import Person, RefusedError, Wishes
from meterbot.setup.desk import Desk
from meterbot.setup.draft import Table, Value, drafted
from meterbot.setup.keeping import write, written
from meterbot.setup.seat import NewSeat, push_token, seat
from meterbot.setup.secrets import ENVIRONMENT, FILES, Keeper, problem_of


@dataclass(frozen=True, slots=True)
class Place:
    """Where the configuration is to be, and what is there already."""

    path: Path
    text: str | None
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be added."""

    tables: tuple[Table, ...]
    seat: NewSeat | None
    text: str


def init(
    wishes: Wishes,
    person: Person,
    path: Path,
    *,
    environ: Mapping[str, str],
    now: Callable[[], datetime],
    say: Callable[[str], None],
) -> int:
    """Ends with an exit status. Until everything was answered and tried, nothing is written."""
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
    plan = _planned(desk, place)
    if not plan.tables:
        say(f"Nothing to add: {path} is as it was.")
    config, token = _kept(desk, place, plan, environ)
    try:
        say(f"\n{path} is written." if plan.tables else "")
        _tell_secrets(desk, path)
        if plan.seat is not None and plan.seat.source == PUSH:
            _tell_push(desk, plan.seat, config, token or _made_token(desk, config, plan.seat.name))
        return _end(desk, config, path)
    except KeyboardInterrupt:
        say(
            "\nThe configuration stays. `meterbot seat list` tells of tokens, `meterbot test-alert` posts the test alert."
        )
        return 1


def _place(path: Path) -> Place:
    if not path.exists():
        if not path.parent.is_dir():
            raise RefusedError(f"{path.parent} is not a directory: make it first")
        return Place(path, None, {})
    try:
        text = path.read_text("utf-8-sig")
        return Place(path, text, tomli.loads(text))
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
    except (UnicodeDecodeError, tomli.TOMLDecodeError):
        why = "is not TOML: correct it (`meterbot check` names the place), then run this again"
    raise RefusedError(f"{path} {why}")


def _endpoints(place: Place, wishes: Wishes) -> dict[str, str]:
    """The services' addresses: as the flags say, as the file says, or the real ones."""
    there = place.document.get("endpoints", {})
    return dict(EndpointsConfig(**{**there, **wishes.endpoints}))


def _planned(desk: Desk, place: Place) -> Plan:
    document, wishes = place.document, desk.wishes
    tables: list[Table] = []
    for name in _chats(desk, document):
        if name in document:
            desk.say(f"[{name}] is in {place.path} already, and stays as it is.")
        elif name == "console":
            tables.append(Table("[console]", {"enabled": True}))
        else:
            tables.append(chats.slack(desk) if name == "slack" else chats.discord(desk))
    if wishes.endpoints and "endpoints" not in document:
        tables.append(Table("[endpoints]", dict(wishes.endpoints)))
    new = _seat(desk, document)
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
        if new.secret_key is not None and not {"secret_key_env", "secret_key_file"} & {*document}:
            top[new.secret_key.key] = new.secret_key.name
    return Plan(tuple(tables), new, drafted(place.text, SCHEMA.as_uri(), top, tables))


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


def _seat(desk: Desk, document: Mapping[str, Any]) -> NewSeat | None:
    """The first one; a further one where that is wanted."""
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
    return seat(desk, there, listener="http" in document)


def _zone_here() -> str:
    """As this machine's clock is set, where that can be told."""
    _, found, zone = str(Path("/etc/localtime").resolve()).partition("zoneinfo/")
    return zone if found and zone else "UTC"


def _kept(desk: Desk, place: Place, plan: Plan, environ: Mapping[str, str]) -> tuple[Config, str | None]:
    """Writes the secrets, then the configuration, if it loads and its new seat can be read; or neither."""
    directory, kept = place.path.parent, desk.keeper.kept
    known = {**environ, **{one.variable: one.value for one in kept if one.variable}}
    elsewhere = any(one.variable and not environ.get(one.variable) for one in kept)
    text, token = plan.text, None
    if plan.seat is not None and plan.seat.source == PUSH and elsewhere:
        token, digest = push_token()
        text = text.rstrip("\n") + f'\npush_token_sha256 = "{digest}"\n'
    with written(directory, kept):
        try:
            config = load_text(text, str(place.path), known, directory)
        except ConfigError as error:
            raise RefusedError(f"{error}\nnothing was written") from None
        if plan.seat is not None and plan.seat.source != PUSH and not desk.wishes.offline:
            _read_once(desk, config, plan.seat.name)
        if plan.tables:
            write(place.path, text)
    return config, token


def _read_once(desk: Desk, config: Config, name: str) -> None:
    shots = asyncio.run(operations.read_seats(config, [name], desk.now()))
    found = list(live.readings(config.seat_list(), shots))
    desk.say(as_text(found))
    failures = [check for check in found if check.status is Status.FAIL]
    if failures and not desk.person.agrees("Keep it all the same?"):
        raise RefusedError(f"{problem_of(failures)}\nnothing was written (--offline tries nothing)")


def _tell_secrets(desk: Desk, path: Path) -> None:
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


def _made_token(desk: Desk, config: Config, name: str) -> str | None:
    """None where the database has one for a seat of this name already."""
    return asyncio.run(operations.make_push_token(config, name, desk.now(), replace=False))


def _tell_push(desk: Desk, new: NewSeat, config: Config, token: str | None) -> None:
    if token is None:
        desk.say(
            f"{new.name} has a token from before: `meterbot seat add {new.name} --replace` makes a new one."
        )
        return
    interval = next(config.interval(each) for each in config.seats if each.name == new.name)
    line = seats.push_command(token, interval.total_seconds(), new.url or "")
    desk.say(f"Run this on the machine of {new.name}. The token is shown only now:\n\n    {line}\n")


def _end(desk: Desk, config: Config, path: Path) -> int:
    run = "meterbot run" if path == Path.cwd() / "config.toml" else f"meterbot run --config {path}"
    if desk.wishes.offline:
        desk.say(f"Nothing was tried. `meterbot check --live` does that; `{run}` starts the bot.")
        return 0
    found = asyncio.run(operations.try_alerts(config, desk.now()))
    desk.say(as_text(found))
    if exit_status(found):
        desk.say("The configuration stays. Correct this, then `meterbot test-alert` tries again.")
        return 1
    desk.say(f"\nA test alert is in the channel. `{run}` starts the bot.")
    return 0
