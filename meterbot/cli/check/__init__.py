"""The checks of `meterbot check`: the configuration and its surroundings, and with `--live` the services.

Read downwards: surroundings (files, database, listener), secrets, pushes, and `live`, the only one that uses the
network.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from meterbot.app.config import Config, ConfigError, find, load, secret_files
from meterbot.cli.check.levels import levels
from meterbot.cli.check.pushes import pushes
from meterbot.cli.check.secrets import Stored, same_secrets, secret_key, sign_ins, tokens
from meterbot.cli.check.surroundings import (
    chats,
    config_file,
    database_place,
    endpoints,
    is_sqlite,
    listener,
    open_files,
    postgresql,
    proxies,
    python,
    timezone,
)
from meterbot.core.errors import StartError
from meterbot.core.findings import Check, Status
from meterbot.core.text import count

__all__ = ["Check", "Status", "as_json", "as_text", "exit_status", "run_checks"]


def run_checks(
    path_arg: str | None,
    environ: Mapping[str, str],
    cwd: Path,
    stored: Callable[[Config], Stored] | None = None,
    settings: Callable[[Config], Mapping[str, str]] | None = None,
) -> list[Check]:
    """Every check that the configuration allows. Nothing is changed, and no secret is shown.

    `stored` reads the session keys in the database, and raises `StartError` if that cannot be read; without it
    PostgreSQL is not contacted. `settings` reads what the seats' owners have set.
    """
    checks = [python(sys.version_info[:2])]
    try:
        config = load(path_arg, environ, cwd)
    except ConfigError as error:
        return checks + [
            Check("config", Status.FAIL, str(problem), "correct this and run `meterbot check` again")
            for problem in error.problems
        ]
    found = find(path_arg, environ, cwd)
    seats = count(len(config.seats), "seat")
    checks.append(Check("config", Status.OK, f"{found.label}: {seats}"))
    checks += config_file(config, found.path, environ)
    checks += open_files(secret_files(config))
    database = database_place(config, environ, cwd)
    usable = database.status is not Status.FAIL
    kept = _kept(config, stored) if usable else None
    if isinstance(kept, StartError):
        database = Check("database", Status.FAIL, str(kept), "correct database_url, or start the database")
    elif usable and kept is not None and not is_sqlite(config):
        database = Check("database", Status.OK, f"{postgresql(config)} answers")
    checks += [timezone(config), database, chats(config)]
    own = settings(config) if settings is not None and isinstance(kept, Mapping) else {}
    checks += levels(config, own)
    checks += secret_key(config, kept if isinstance(kept, Mapping) else None, database.status)
    checks += tokens(config)
    checks += same_secrets(config)
    checks += sign_ins(config)
    checks += endpoints(config)
    checks += proxies(config)
    checks += listener(config)
    checks += pushes(config, environ, cwd, database.status)
    return checks


def _kept(config: Config, stored: Callable[[Config], Stored] | None) -> Stored | StartError | None:
    """The session keys in the database, or why it cannot be read; None if it is not read."""
    try:
        return None if stored is None else stored(config)
    except StartError as error:
        return error


def exit_status(checks: Sequence[Check]) -> int:
    """0 nothing failed · 1 something did · 2 the configuration cannot be used."""
    failed = {check.id for check in checks if check.status is Status.FAIL}
    return 2 if "config" in failed else int(bool(failed))


def as_json(checks: Sequence[Check]) -> list[dict[str, str | None]]:
    return [{**asdict(check), "page": check.page} for check in checks]


def as_text(checks: Sequence[Check]) -> str:
    """One line per check, with what to do and where more is explained."""
    return "\n".join(
        f"{check.status:<4}  {check.id}: {check.sentence}"
        + (f" -> {check.remedy} ({check.page})" if check.remedy else "")
        for check in checks
    )
