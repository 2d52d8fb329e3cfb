"""What `meterbot check` looks at without talking to anyone: the configuration and what surrounds it."""

import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel
from sqlalchemy import make_url

from meterbot.config import Config, ConfigError, Vault, find, load


class Status(StrEnum):
    """`warn` is worth a look, `fail` keeps meterbot from doing its work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `id` never changes, and comes once per finding; `remedy` is there unless all is well."""

    id: str
    status: Status
    sentence: str
    remedy: str | None = None


def run_checks(path_arg: str | None, environ: Mapping[str, str], cwd: Path) -> list[Check]:
    """Every check, as far as the configuration allows. Nothing is changed, and no secret is shown."""
    checks = [_python(sys.version_info[:2])]
    try:
        config = load(path_arg, environ, cwd)
    except ConfigError as error:
        return checks + [
            Check("config", Status.FAIL, str(problem), "correct this and run `meterbot check` again")
            for problem in error.problems
        ]
    found = find(path_arg, environ, cwd)
    seats = len(config.seats)
    checks.append(Check("config", Status.OK, f"{found.label}: {seats} seat{'s' if seats > 1 else ''}"))
    checks += _config_file(config, found.path)
    checks += _secret_files(config, Vault(environ, found.directory))
    checks += [_timezone(config), _database(config, environ, cwd), _chats(config)]
    checks += _tokens(config)
    checks += _endpoints(config)
    return checks


def exit_status(checks: Sequence[Check]) -> int:
    """0 nothing failed · 1 something did · 2 the configuration cannot be used."""
    failed = {check.id for check in checks if check.status is Status.FAIL}
    return 2 if "config" in failed else int(bool(failed))


def as_json(checks: Sequence[Check]) -> list[dict[str, str | None]]:
    return [asdict(check) for check in checks]


def as_text(checks: Sequence[Check]) -> str:
    """One line per check."""
    return "\n".join(
        f"{check.status:<4}  {check.id}: {check.sentence}" + (f" → {check.remedy}" if check.remedy else "")
        for check in checks
    )


def _python(version: tuple[int, int]) -> Check:
    sentence = f"Python {version[0]}.{version[1]}"
    if version < (3, 11):
        return Check("python", Status.FAIL, sentence, "install Python 3.11 or newer")
    return Check("python", Status.OK, sentence)


def _config_file(config: Config, path: Path | None) -> Iterator[Check]:
    if path is None:
        return
    mode = path.stat().st_mode
    password = make_url(config.database_url.get_secret_value()).password
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield Check("config_mode", Status.WARN, f"{path} can be changed by others", f"chmod go-w {path}")
    elif password and mode & (stat.S_IRGRP | stat.S_IROTH):
        sentence = f"{path} can be read by others, and the database's password may be in it"
        yield Check("config_mode", Status.WARN, sentence, f"chmod 600 {path}, or use DATABASE_URL")
    else:
        yield Check("config_mode", Status.OK, f"{path} can be changed by its owner only")


def _secret_files(config: Config, vault: Vault) -> Iterator[Check]:
    paths = [vault.path(name) for name in _named_files(config)]
    open_ones = [path for path in paths if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    for path in open_ones:
        yield Check("secret_files", Status.WARN, f"{path} is open to other users", f"chmod 600 {path}")
    if paths and not open_ones:
        yield Check("secret_files", Status.OK, f"{len(paths)} read, closed to other users")


def _named_files(table: BaseModel) -> Iterator[str]:
    for name, value in table:
        if name.endswith("_file") and isinstance(value, str):
            yield value
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, BaseModel):
                yield from _named_files(inner)


def _timezone(config: Config) -> Check:
    return Check("timezone", Status.OK, str(config.timezone))


def _database(config: Config, environ: Mapping[str, str], cwd: Path) -> Check:
    url = make_url(config.database_url.get_secret_value())
    if url.get_backend_name() != "sqlite":
        return Check("database", Status.OK, f"PostgreSQL at {url.host or 'the local socket'}, not contacted")
    if "DYNO" in environ:
        sentence = "SQLite on a Heroku dyno is lost whenever the dyno restarts, at least daily"
        return Check("database", Status.FAIL, sentence, "run `heroku addons:create heroku-postgresql`")
    path = cwd / str(url.database)
    if not path.parent.is_dir():
        return Check("database", Status.FAIL, f"{path.parent} is not a directory", f"mkdir -p {path.parent}")
    # SQLite writes its journal beside the database, so that both must be writable.
    closed = [place for place in (path.parent, path) if place.exists() and not os.access(place, os.W_OK)]
    if closed:
        remedy = "let the user that runs meterbot write to it"
        return Check("database", Status.FAIL, f"{closed[0]} cannot be written to", remedy)
    return Check("database", Status.OK, f"SQLite in {path}")


def _chats(config: Config) -> Check:
    chats = [
        name
        for name, on in (
            ("Slack", config.slack),
            ("Discord", config.discord),
            ("the console", config.console_enabled),
        )
        if on
    ]
    if not chats:
        remedy = "add [slack] or [discord], or enable [console]"
        return Check("chats", Status.FAIL, "no alert would be told anywhere", remedy)
    return Check("chats", Status.OK, f"alerts go to {' and '.join(chats)}")


def _tokens(config: Config) -> Iterator[Check]:
    """Tokens that were mixed up, as far as their first letters tell."""
    if config.slack is None:
        return
    for key, prefix, token in (
        ("bot_token", "xoxb-", config.slack.bot_token),
        ("app_token", "xapp-", config.slack.app_token),
    ):
        if token and not token.get_secret_value().startswith(prefix):
            sentence = f"slack.{key} does not start with {prefix}"
            yield Check(
                "tokens", Status.WARN, sentence, "compare it with the app's settings on api.slack.com"
            )


def _endpoints(config: Config) -> Iterator[Check]:
    for name, url in config.endpoints:
        parts = urlsplit(url)
        if parts.scheme == "http" and not _is_here(parts.hostname or ""):
            sentence = f"endpoints.{name} sends secrets unencrypted to {parts.hostname}"
            yield Check("endpoints", Status.WARN, sentence, "use https://")


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
