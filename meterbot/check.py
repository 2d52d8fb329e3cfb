"""What `meterbot check` looks at without talking to any service: the configuration and what surrounds it."""

import errno
import os
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr
from sqlalchemy import make_url

from meterbot.cipher import Cipher
from meterbot.claude_login import Login, LoginError, read_login
from meterbot.config import Bind, Config, ConfigError, SeatConfig, Vault, find, load
from meterbot.errors import StartError
from meterbot.probes import listening_trouble, sqlite_trouble

Stored = Mapping[str, str | None]
"""Seat → what its session key is stored as, encrypted."""


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


def run_checks(
    path_arg: str | None,
    environ: Mapping[str, str],
    cwd: Path,
    stored: Callable[[Config], Stored] | None = None,
) -> list[Check]:
    """Every check, as far as the configuration allows. Nothing is changed, and no secret is shown. `stored` reads the
    session keys in the database, and raises `StartError` where that cannot be read; without it PostgreSQL is not
    contacted."""
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
    checks += _old_keys(config)
    checks += _config_file(config, found.path)
    checks += _secret_files(config, Vault(environ, found.directory))
    database = _database_place(config, environ, cwd)
    usable = database.status is not Status.FAIL
    kept = _kept(config, stored) if usable else None
    if isinstance(kept, StartError):
        database = Check("database", Status.FAIL, str(kept), "correct database_url, or start the database")
    elif usable and kept is not None and not _is_sqlite(config):
        database = Check("database", Status.OK, f"{_postgresql(config)} answers")
    checks += [_timezone(config), database, _chats(config)]
    checks += _secret_key(config, kept if isinstance(kept, Mapping) else None, database.status)
    checks += _tokens(config)
    checks += _same_secrets(config)
    checks += _sign_ins(config)
    checks += _endpoints(config)
    checks += _listener(config)
    checks += _pushes(config, environ, cwd, database.status)
    return checks


def _kept(config: Config, stored: Callable[[Config], Stored] | None) -> Stored | StartError | None:
    """The session keys in the database, or why it cannot be read; None where nobody looks."""
    try:
        return None if stored is None else stored(config)
    except StartError as error:
        return error


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


def _old_keys(config: Config) -> Iterator[Check]:
    for old in config.old_keys:
        yield Check("config_old_key", Status.WARN, str(old), "do so before the next update")


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


def _is_sqlite(config: Config) -> bool:
    return make_url(config.database_url.get_secret_value()).get_backend_name() == "sqlite"


def _postgresql(config: Config) -> str:
    return f"PostgreSQL at {make_url(config.database_url.get_secret_value()).host or 'the local socket'}"


def _database_place(config: Config, environ: Mapping[str, str], cwd: Path) -> Check:
    """What can be said of the database without contacting one."""
    url = make_url(config.database_url.get_secret_value())
    if not _is_sqlite(config):
        return Check("database", Status.OK, f"{_postgresql(config)}, not contacted")
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
    if path.exists() and (trouble := sqlite_trouble(path)):
        return Check("database", Status.FAIL, *trouble)
    return Check("database", Status.OK, f"SQLite in {path}" + ("" if path.exists() else ", not made yet"))


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


def _secret_key(config: Config, stored: Stored | None, database: Status) -> Iterator[Check]:
    """Whether renewed session keys can be kept, and those that were kept can be used."""
    seats = [seat.name for seat in config.seats if seat.source == "claude_ai"]
    if not seats and not config.secret_key:
        return
    if database is Status.FAIL:
        sentence = "stored session keys were not looked at: the database cannot be used"
        yield Check("secret_key", Status.WARN, sentence, "correct the database first")
        return
    kept = {seat: text for seat, text in (stored or {}).items() if text}
    if not config.secret_key:
        yield _no_secret_key(seats, sorted(kept))
        return
    cipher = Cipher([key.get_secret_value() for key in config.secret_key])
    lost = [seat for seat, text in kept.items() if not cipher.can_decrypt(seat, text)]
    old = [seat for seat, text in kept.items() if seat not in lost and not cipher.is_newest(seat, text)]
    if lost:
        sentence = (
            f"METERBOT_SECRET_KEY does not decrypt the stored session keys of {', '.join(sorted(lost))}"
        )
        remedy = (
            'put the key they were stored with behind the present one ("new old"); if it is lost, sign in again, '
            "configure the new session keys and run `meterbot secret-key --discard-unreadable`"
        )
        yield Check("secret_key", Status.FAIL, sentence, remedy)
    elif old:
        sentence = (
            f"the stored session keys of {', '.join(sorted(old))} still need an older METERBOT_SECRET_KEY"
        )
        yield Check("secret_key", Status.OK, sentence)
    else:
        yield Check(
            "secret_key", Status.OK, "renewed session keys are stored encrypted with METERBOT_SECRET_KEY"
        )


def _no_secret_key(seats: list[str], kept: list[str]) -> Check:
    if kept:
        sentence = f"the stored session keys of {', '.join(kept)} cannot be decrypted: METERBOT_SECRET_KEY is not set"
        return Check("secret_key", Status.FAIL, sentence, "set it to the key they were stored with")
    sentence = (
        f"without METERBOT_SECRET_KEY renewed session keys are not kept: {', '.join(seats)} will end early"
    )
    return Check(
        "secret_key", Status.WARN, sentence, "set it to what `meterbot secret-key` prints, and keep that key"
    )


def _tokens(config: Config) -> Iterator[Check]:
    """Tokens that were mixed up, as far as their first letters tell."""
    for seat in config.seats:
        if seat.source == "admin_api" and seat.token is not None:
            sentence = f"the token of seat {seat.name} does not start with sk-ant-admin"
            remedy = "an admin of the organization makes an admin key in the Console"
            if not seat.token.get_secret_value().startswith("sk-ant-admin"):
                yield Check("tokens", Status.WARN, sentence, remedy)
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


def _same_secrets(config: Config) -> Iterator[Check]:
    """Seats that were meant to be two and are one. Tokens of Claude Code may be shared, see `_sign_ins`."""
    seats_of: dict[tuple[str, str], list[str]] = {}
    for seat in config.seats:
        for what, value in (
            ("session key", _clear(seat.session_key)),
            ("admin key", _clear(seat.token) if seat.source == "admin_api" else None),
            ("push token", seat.push_token_sha256),
        ):
            if value is not None:
                seats_of.setdefault((what, value), []).append(seat.name)
    for (what, _), names in seats_of.items():
        if len(names) > 1:
            sentence = f"{' and '.join(names)} have the same {what}"
            remedy = "give each seat its own, or keep one of these seats"
            yield Check("same_secret", Status.FAIL, sentence, remedy)


def _clear(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _sign_ins(config: Config) -> Iterator[Check]:
    """What the tokens of Claude Code are good for, as far as they say it themselves."""
    seats_of: dict[str, list[str]] = {}
    for seat in config.seats:
        if seat.source != "claude_code":
            continue
        try:
            login = _login(seat)
            login.check_kind()
        except LoginError as error:
            sentence, _, remedy = error.sentence.partition(": ")
            remedy = remedy or "put the token of a signed-in Claude Code there"
            yield Check("sign_in", Status.FAIL, f"{seat.name}: {sentence}", remedy)
            continue
        end = "" if login.expires_at is None else f", good until {login.expires_at:%Y-%m-%d %H:%M} UTC"
        yield Check("sign_in", Status.OK, f"{seat.name}: a token of Claude Code{end}")
        seats_of.setdefault(login.token, []).append(seat.name)
    for names in seats_of.values():
        if len(names) > 1:
            sentence = f"{' and '.join(names)} have one token, and share the few requests that are answered"
            yield Check("same_token", Status.WARN, sentence, "keep one of these seats")


def _login(seat: SeatConfig) -> Login:
    if seat.credentials_file is not None:
        return read_login(Path(seat.credentials_file))
    return Login("" if seat.token is None else seat.token.get_secret_value())


def _endpoints(config: Config) -> Iterator[Check]:
    for name, url in config.endpoints:
        parts = urlsplit(url)
        if parts.scheme == "http" and not _is_here(parts.hostname or ""):
            sentence = f"endpoints.{name} sends secrets unencrypted to {parts.hostname}"
            yield Check("endpoints", Status.WARN, sentence, "use https://")


def _listener(config: Config) -> Iterator[Check]:
    if config.http is None:
        return
    place, trouble = _place(config.http.bind), listening_trouble(*config.http.bind)
    if trouble is None:
        yield Check("listener", Status.OK, f"{place} is free")
    elif trouble.errno == errno.EADDRINUSE:
        sentence = f"something listens at {place} already"
        remedy = "fine if it is the running bot; otherwise end it, or change [http] bind or PORT"
        yield Check("listener", Status.WARN, sentence, remedy)
    else:
        sentence = f"nothing can listen at {place}: {trouble.strerror or trouble}"
        yield Check("listener", Status.FAIL, sentence, "change [http] bind or PORT")


def _pushes(config: Config, environ: Mapping[str, str], cwd: Path, database: Status) -> Iterator[Check]:
    """Whether seats that push can: something listens, what they send is not read on the way, and each has a token."""
    seats = [seat for seat in config.seats if seat.source == "push"]
    if not seats:
        return
    if config.http is None:
        sentence = "nothing listens, so that no seat can push"
        yield Check(
            "push_listener", Status.FAIL, sentence, 'add [http] with bind = "127.0.0.1:8080", or set PORT'
        )
    elif "PORT" in environ:
        yield Check(
            "push_listener", Status.OK, f"pushes arrive at port {config.http.bind.port}, through the host"
        )
    elif _is_here(config.http.bind.host):
        sentence = f"pushes arrive at {_place(config.http.bind)}, from this machine or a proxy on it"
        yield Check("push_listener", Status.OK, sentence)
    else:
        sentence = (
            f"pushes of other machines arrive at {_place(config.http.bind)} unencrypted, tokens included"
        )
        remedy = "bind 127.0.0.1 and let a proxy with TLS stand in front"
        yield Check("push_listener", Status.WARN, sentence, remedy)
    if database is not Status.FAIL:
        yield from _push_tokens([seat.name for seat in seats if not seat.push_token_sha256], config, cwd)


def _place(bind: Bind) -> str:
    return f"{bind.host}:{bind.port}"


def _push_tokens(without: list[str], config: Config, cwd: Path) -> Iterator[Check]:
    """`without`: the seats for which the configuration names no token."""
    url = make_url(config.database_url.get_secret_value())
    if without and not _is_sqlite(config):
        sentence = f"tokens of {', '.join(without)}: PostgreSQL knows (`meterbot seat list` tells)"
        yield Check("push_tokens", Status.OK, sentence)
        return
    missing = sorted({*without} - _seats_with_token(cwd / str(url.database))) if without else []
    for name in missing:
        yield Check("push_tokens", Status.FAIL, f"{name} has no push token", f"meterbot seat add {name}")
    if not missing:
        yield Check("push_tokens", Status.OK, "every seat that pushes has a token")


def _seats_with_token(path: Path) -> set[str]:
    """As SQLite's file knows, which is not changed; none where there is no such file or table yet."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return {name for (name,) in connection.execute("SELECT seat FROM push_tokens")}
    except sqlite3.Error:
        return set()


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
