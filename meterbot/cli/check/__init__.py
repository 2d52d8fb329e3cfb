"""The checks of `meterbot check`: the configuration and its surroundings, and with `--live` the services.

Read downwards: surroundings (files, database, listener), seats, and `live`, the only one that uses the
network.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from meterbot.app.config import Config, ConfigError, load
from meterbot.app.config.loading import find, secret_files
from meterbot.cli.check import seats, surroundings
from meterbot.cli.check.seats import Stored
from meterbot.core.errors import StartError
from meterbot.core.findings import Check, Status
from meterbot.core.text import count

__all__ = ["Check", "Status", "Stored", "as_json", "as_text", "exit_status", "run_checks"]


def run_checks(
    path_arg: str | None, environ: Mapping[str, str], cwd: Path, read: Callable[[Config], Stored]
) -> list[Check]:
    """Every check that the configuration allows. Nothing is changed, and no secret is shown.

    `read` reads the database, and raises `StartError` if that cannot be read.
    """
    checks = [surroundings.python()]
    try:
        config = load(path_arg, environ, cwd)
    except ConfigError as error:
        return checks + [
            Check("config", Status.FAIL, str(problem), "correct this and run `meterbot check` again")
            for problem in error.problems
        ]
    found = find(path_arg, environ, cwd)
    checks.append(Check("config", Status.OK, f"{found.label}: {count(len(config.seats), 'seat')}"))
    checks += surroundings.config_file(config, found.path, environ)
    checks += surroundings.open_files(secret_files(config))
    database, stored = surroundings.database_trouble(config, environ, cwd), None
    if database is None:
        try:
            stored = read(config)
            database = surroundings.database_read(config, cwd)
        except StartError as error:
            database = surroundings.database_unread("database", error, environ)
    checks += [surroundings.timezone(config), database, surroundings.chats(config)]
    checks += seats.levels(config, stored.settings if stored else {})
    checks += seats.secret_key(config, stored.session_keys if stored else None)
    checks += seats.tokens(config)
    checks += seats.same_secrets(config)
    checks += seats.sign_ins(config)
    checks += surroundings.endpoints(config)
    checks += surroundings.proxies(config)
    checks += surroundings.listener(config)
    checks += seats.pushes(config, environ, stored)
    return checks


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
