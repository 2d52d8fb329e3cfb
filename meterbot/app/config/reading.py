"""Finds the configuration, fetches the secrets it points to, and says everything that is wrong with it at once."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import tomli
from pydantic import SecretStr, TypeAdapter, ValidationError

from meterbot.app.config import toml_positions
from meterbot.app.config.credentials import Vault
from meterbot.app.config.problems import ConfigError, Problem, sentence, written
from meterbot.app.config.renaming import RENAMED, Renamed, rename
from meterbot.app.config.surroundings import ANTHROPIC_API, CLAUDE_AI
from meterbot.app.config.toml_positions import Position
from meterbot.app.config.values import Duration, database_url, did_you_mean
from meterbot.app.config.whole import Config
from meterbot.core import secret

SHORTEST_INTERVAL = timedelta(seconds=10)
"""The real claude.ai is not asked more often."""

SHORTEST_CLAUDE_CODE = timedelta(minutes=5)
"""The real api.anthropic.com is not asked more often: it answers five times in 300 seconds, to all programs of the
account together."""

SHORTEST_ADMIN_API = timedelta(minutes=1)
"""A reading of the real Admin API is up to sixty requests, of which it answers a hundred a minute."""

SECRETS: dict[str, dict[str, str | None]] = {
    "slack": {
        "bot_token": "SLACK_BOT_TOKEN",
        "app_token": "SLACK_APP_TOKEN",
        "signing_secret": "SLACK_SIGNING_SECRET",
    },
    "discord": {"bot_token": "DISCORD_TOKEN"},
    "github": {"webhook_secret": "GITHUB_WEBHOOK_SECRET", "token": "GITHUB_TOKEN"},
    "watch": {
        "ping_url": "METERBOT_PING_URL",
        "metrics_token": "METERBOT_METRICS_TOKEN",
        "sentry_dsn": "SENTRY_DSN",
    },
    "seats": {"session_key": None, "token": None},
}
"""Table → its secrets → the environment variable that is looked at without being named."""

SECRET_KEYS = {key for keys in SECRETS.values() for key in keys}

_CREDENTIALS = {
    "claude_ai": ("session_key",),
    "claude_code": ("token", "credentials_file"),
    "admin_api": ("token",),
    "push": ("push_token_sha256",),
}
_LITERAL = 'a secret is never written in this file: use {key}_env = "NAME" or {key}_file = "path"'
_RENEWING = {"push", "claude_code"}  # these cannot know when a plan renews
_OF_A_PLAN = {"plan", "plan_price", "plan_currency"}  # an API organization has none
_UNNEEDED = {"push"}  # a push token may also be made by `meterbot seat add`


@dataclass(frozen=True, slots=True)
class ConfigText:
    """A configuration's text. `label` is how problems name it, `directory` where its relative paths start,
    `path` its file, where it has one."""

    label: str
    text: str
    directory: Path
    path: Path | None = None


def find(path_arg: str | None, environ: Mapping[str, str], cwd: Path) -> ConfigText:
    """The first of `--config`, METERBOT_CONFIG, METERBOT_CONFIG_TOML, ./config.toml and the user's own.

    One that is named must be there. Raises `ConfigError`.
    """
    if named := path_arg or environ.get("METERBOT_CONFIG"):
        return _read(cwd / named, named)
    if text := environ.get("METERBOT_CONFIG_TOML"):
        return ConfigText("METERBOT_CONFIG_TOML", text, cwd)
    home = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME', '')}/.config"
    own = Path(home, "meterbot", "config.toml")
    for path, label in ((cwd / "config.toml", "config.toml"), (own, str(own))):
        if path.exists():
            return _read(path, label)
    looked = f"neither config.toml nor {own} exists"
    raise ConfigError(
        Problem(
            "environment",
            "",
            f"no configuration: meterbot init makes one; or name yours with --config or METERBOT_CONFIG ({looked})",
        )
    )


def _read(path: Path, label: str) -> ConfigText:
    try:
        # Windows' editors like to start a file with a byte-order mark.
        return ConfigText(label, path.read_text("utf-8-sig"), path.parent, path)
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        why = f"is not UTF-8 text (byte {error.start + 1})"
    raise ConfigError(Problem(label, "", why))


def load(
    path_arg: str | None, environ: Mapping[str, str], cwd: Path, renamed: Sequence[Renamed] = RENAMED
) -> Config:
    """Finds, reads and checks the configuration. Every secret in it is known to `secret.hide` from then on.

    Raises `ConfigError` with every problem.
    """
    return _Reading(find(path_arg, environ, cwd), environ, renamed).config()


def load_text(text: str, label: str, environ: Mapping[str, str], directory: Path) -> Config:
    """The same of a text that is not a file yet. Raises `ConfigError`."""
    return _Reading(ConfigText(label, text, directory), environ, RENAMED).config()


def load_database_url(path_arg: str | None, environ: Mapping[str, str], cwd: Path) -> SecretStr:
    """Only where the database is: DATABASE_URL alone says that, without any file. Raises `ConfigError`."""
    if not (url := environ.get("DATABASE_URL")):
        return load(path_arg, environ, cwd).database_url
    try:
        return database_url(url)
    except ValueError as error:
        raise ConfigError(Problem("environment", "DATABASE_URL", str(error))) from None


def credentials_needed(
    path_arg: str | None, environ: Mapping[str, str], cwd: Path
) -> tuple[list[str], list[str], list[str]]:
    """Which secrets a configuration names or cannot do without, be they there or not: as credentials of systemd's, as
    environment variables, and as paths, which a credential's name cannot be. Raises `ConfigError`."""
    found = find(path_arg, environ, cwd)
    document = _document(found)
    files, variables, paths = list[str](), list[str](), list[str]()
    for table, _, values in [*_tables(document), ("", (), document)]:
        owner = values.get("name") if table == "seats" else table
        needed = (
            {keys[0] for keys in _needed(table, values) if keys[0] in SECRET_KEYS} if table else set[str]()
        )
        for key in SECRETS.get(table, ["secret_key"]):
            env, file = values.get(f"{key}_env"), values.get(f"{key}_file")
            if isinstance(env, str):
                variables.append(env)
            elif isinstance(file, str):
                (paths if "/" in file else files).append(file)
            elif key in needed:
                files.append(f"{owner}.{key}")
    renewing = any(
        values.get("source") == "claude_ai" for table, _, values in _tables(document) if table == "seats"
    )
    if renewing and not document.keys() & {"secret_key_env", "secret_key_file"}:
        files.append("secret_key")
    return files, variables, paths


def _document(found: ConfigText) -> dict[str, Any]:
    """Raises `ConfigError` where it is not TOML."""
    try:
        return tomli.loads(found.text, parse_float=Decimal)
    except tomli.TOMLDecodeError as error:
        # The error holds the whole document, so that neither it nor its context may travel on.
        where = f"{found.label}:{error.lineno}:{error.colno}"
        raise ConfigError(Problem(where, "", f"is not TOML: {secret.hide(error.msg)}")) from None
    except RecursionError:
        raise ConfigError(Problem(found.label, "", "is nested too deeply")) from None


class _Reading:
    """One text on its way to a `Config`, and what was found wrong with it."""

    def __init__(self, found: ConfigText, environ: Mapping[str, str], renamed: Sequence[Renamed]) -> None:
        self._found = found
        self._renamed = renamed
        self._old_keys: list[Problem] = []
        self._environ = environ
        self._vault = Vault(environ, found.directory)
        self._positions: dict[toml_positions.Path, Position] = {}
        self._problems: dict[toml_positions.Path, Problem] = {}
        self._variables: dict[
            toml_positions.Path, str
        ] = {}  # what the environment decides → by which variable

    def config(self) -> Config:
        document = self._parsed()
        self._rename_old_keys(document)
        self._refuse_literal_secrets(document)
        self._compare_seats(document)
        self._compare_noise(document)
        document.setdefault("watch", {})  # the environment may name its secrets without the table
        for table, path, values in _tables(document):
            self._fetch_secrets(table, path, values)
            self._find_sign_in(path, values)
        self._fetch_secret_key(document)
        self._let_environment_win(document)
        try:
            config = Config.model_validate(document)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                if detail["type"] == "missing" and detail["loc"][-1] in SECRET_KEYS:
                    continue  # said already, with where it was looked for
                self._refuse(detail["loc"], sentence(detail, Config))
        if self._problems:
            in_order = sorted(self._problems, key=self._position)
            raise ConfigError(*(self._problems[path] for path in in_order))
        return config.with_old_keys(self._old_keys)

    def _parsed(self) -> dict[str, Any]:
        document = _document(self._found)
        self._positions = toml_positions.positions(self._found.text)
        return document

    def _refuse(self, path: toml_positions.Path, why: str) -> None:
        """Notes a problem. What was said first of a key, or of what it stands in, is all that is said of it."""
        if any(path[:length] in self._problems for length in range(1, len(path) + 1)):
            return
        if variable := self._variables.get(path):
            self._problems[path] = Problem("environment", variable, why)
            return
        line, column = self._position(path)
        where = f"{self._found.label}:{line}:{column}"
        self._problems[path] = Problem(where, secret.hide(written(path)), secret.hide(why))

    def _position(self, path: toml_positions.Path) -> Position:
        """Of a key that is missing: its table's."""
        while path and path not in self._positions:
            path = path[:-1]
        return self._positions.get(path, Position(1, 1))

    def _rename_old_keys(self, document: dict[str, Any]) -> None:
        for key in rename(document, self._renamed):
            if not key.usable:
                self._refuse(key.path, key.sentence)
                continue
            line, column = self._position(key.path)
            where = f"{self._found.label}:{line}:{column}"
            self._old_keys.append(Problem(where, written(key.path), key.sentence))
            if key.new is not None:
                self._positions[key.new] = Position(line, column)

    def _refuse_literal_secrets(self, document: dict[str, Any]) -> None:
        for table, path, values in _tables(document):
            for key in SECRETS[table]:
                if values.pop(key, None) is not None:
                    self._refuse((*path, key), _LITERAL.format(key=key))
        for path, text in _texts(document, ()):
            if secret.looks_secret(text):
                self._refuse(path, "holds a secret, which is never written in this file")

    def _fetch_secrets(self, table: str, path: toml_positions.Path, values: dict[str, Any]) -> None:
        owner = values.get("name") if table == "seats" else table
        for key, variable in SECRETS[table].items():
            env, file = values.get(f"{key}_env"), values.get(f"{key}_file")
            place = (*path, f"{key}_env" if env is not None else f"{key}_file" if file is not None else key)
            try:
                if env is not None and file is not None:
                    self._refuse((*path, f"{key}_file"), f"stands beside {key}_env: keep one of the two")
                elif isinstance(env, str):
                    values[key] = self._vault.variable(env)
                elif isinstance(file, str):
                    values[key] = self._vault.file(file)
                elif (
                    env is None
                    and file is None
                    and (found := self._vault.unasked(variable, f"{owner}.{key}"))
                ):
                    values[key] = found
                    if variable and self._environ.get(variable):
                        self._variables[*path, key] = variable
            except ValueError as error:
                self._refuse(place, str(error))
        for keys in _needed(table, values):
            if not any({key, f"{key}_env", f"{key}_file"} & {*values} for key in keys):
                self._refuse((*path, keys[0]), _ways(keys, SECRETS[table].get(keys[0])))

    def _fetch_secret_key(self, document: dict[str, Any]) -> None:
        if document.pop("secret_key", None) is not None:
            self._refuse(("secret_key",), _LITERAL.format(key="secret_key"))
        if not document.keys() & {"secret_key_env", "secret_key_file"}:
            self._look_for_secret_key(document)
        env, file = document.get("secret_key_env"), document.get("secret_key_file")
        if env is not None and file is not None:
            self._refuse(("secret_key_file",), "stands beside secret_key_env: keep one of the two")
            return
        path, name = ("secret_key_env", env) if file is None else ("secret_key_file", file)
        if isinstance(name, str):
            try:
                document["secret_key"] = self._vault.several(name, in_file=file is not None)
            except ValueError as error:
                self._refuse((path,), str(error))
            self._variables["secret_key",] = self._variables.get((path,), path)

    def _look_for_secret_key(self, document: dict[str, Any]) -> None:
        """Where it is when no key points to it."""
        if self._environ.get("METERBOT_SECRET_KEY"):
            document["secret_key_env"] = self._variables["secret_key_env",] = "METERBOT_SECRET_KEY"  # noqa: S105 - a name
        if file := self._environ.get("METERBOT_SECRET_KEY_FILE"):
            document["secret_key_file"] = file
            self._variables["secret_key_file",] = "METERBOT_SECRET_KEY_FILE"
        if "secret_key_env" not in document and self._vault.has_credential("secret_key"):
            document.setdefault("secret_key_file", "secret_key")

    def _find_sign_in(self, path: toml_positions.Path, values: dict[str, Any]) -> None:
        """The files of a claude_code seat are read at every poll: where they are must not depend on where from."""
        if values.get("source") != "claude_code":
            return
        tokens = [key for key in ("token_env", "token_file", "token") if key in values]
        if tokens and "credentials_file" in values:
            self._refuse((*path, "credentials_file"), f"stands beside {tokens[0]}: keep one of the two")
        for key in ("token_file", "credentials_file"):
            if isinstance(name := values.get(key), str):
                try:
                    values[key] = str(self._vault.readable(name))
                except ValueError as error:
                    self._refuse((*path, key), str(error))

    def _let_environment_win(self, document: dict[str, Any]) -> None:
        if url := self._environ.get("DATABASE_URL"):
            document["database_url"] = url
            self._variables["database_url",] = "DATABASE_URL"
        http = document.get("http", {})
        if (port := self._environ.get("PORT")) and isinstance(http, dict):
            document["http"] = {**http, "bind": f"0.0.0.0:{port}"}
            self._variables["http", "bind"] = "PORT"
            if not port.isdecimal() or int(port) > 65535:
                self._refuse(("http", "bind"), f'must be a port number, like "8080", got {json.dumps(port)}')
        slack = document.get("slack")
        if isinstance(slack, dict) and slack.get("mode") == "http" and "http" not in document:
            self._refuse(
                ("slack", "mode"), "needs a listener that Slack can reach: give [http] a bind, or set PORT"
            )
        if isinstance(document.get("github"), dict) and "http" not in document:
            self._refuse(
                ("github",), "needs a listener that GitHub can reach: give [http] a bind, or set PORT"
            )

    def _compare_seats(self, document: dict[str, Any]) -> None:
        """What is wrong between keys, each of which may be fine. Types are not: the tables judge them."""
        if document.get("seats") == []:
            self._refuse(("seats",), "is empty: every person has a [[seats]] table")
        names: dict[object, str] = {}
        endpoints = document.get("endpoints")
        real = _is_real(endpoints, "claude_ai", CLAUDE_AI)
        if real:
            self._refuse_haste(("poll_interval",), document.get("poll_interval"))
        for path, seat in ((path, values) for table, path, values in _tables(document) if table == "seats"):
            name, source = str(seat.get("name")), str(seat.get("source"))
            if name in names and "name" in seat:
                self._refuse((*path, "name"), f"is the name of {names[name]}, too")
            names.setdefault(name, written(path))
            if real and source == "claude_ai":
                self._refuse_haste((*path, "poll_interval"), seat.get("poll_interval"))
            if source == "claude_code" and _is_real(endpoints, "anthropic_api", ANTHROPIC_API):
                self._refuse_haste(
                    (*path, "poll_interval"), seat.get("poll_interval"), SHORTEST_CLAUDE_CODE, "Anthropic"
                )
            if source == "admin_api" and _is_real(endpoints, "anthropic_api", ANTHROPIC_API):
                self._refuse_haste(
                    (*path, "poll_interval"), seat.get("poll_interval"), SHORTEST_ADMIN_API, "Anthropic"
                )
            for key in seat.keys() & _foreign_keys(source):
                self._refuse((*path, key), f"is not for {source} seats")

    def _compare_noise(self, document: dict[str, Any]) -> None:
        """Whether the seats and chats that routes and silences name are there."""
        alerts, seats = document.get("alerts"), document.get("seats")
        if not isinstance(alerts, dict) or not isinstance(seats, list):
            return
        names = [seat.get("name") for seat in seats if isinstance(seat, dict)]
        for table in ("routes", "silences"):
            entries = alerts.get(table)
            for number, entry in enumerate(entries if isinstance(entries, list) else []):
                if isinstance(entry, dict):
                    path = ("alerts", table, number)
                    self._refuse_strangers((*path, "seats"), entry.get("seats"), names)
                    self._refuse_missing_chats((*path, "to"), entry.get("to"), document)

    def _refuse_strangers(self, path: toml_positions.Path, named: object, names: list[object]) -> None:
        for number, name in enumerate(named if isinstance(named, list) else []):
            if isinstance(name, str) and name not in names:
                near = did_you_mean(name, [each for each in names if isinstance(each, str)])
                self._refuse((*path, number), f"is no seat of this file: {json.dumps(name)}{near}")

    def _refuse_missing_chats(
        self, path: toml_positions.Path, targets: object, document: dict[str, Any]
    ) -> None:
        for number, target in enumerate(targets if isinstance(targets, list) else []):
            chat = target.partition(":")[0] if isinstance(target, str) and ":" in target else None
            if chat in {"slack", "discord"} and chat not in document:
                self._refuse((*path, number), f"needs a [{chat}] table")

    def _refuse_haste(
        self,
        path: toml_positions.Path,
        value: object,
        shortest: timedelta = SHORTEST_INTERVAL,
        who: str = "claude.ai",
    ) -> None:
        try:
            interval = TypeAdapter(Duration).validate_python(value)
        except ValidationError:
            return  # absent, or refused by its table
        if interval < shortest:
            self._refuse(path, f'must be at least "{shortest.seconds}s": {who} refuses haste')


def _is_real(endpoints: object, name: str, address: str) -> bool:
    return not isinstance(endpoints, dict) or endpoints.get(name, address) == address


def _tables(document: dict[str, Any]) -> Iterator[tuple[str, toml_positions.Path, dict[str, Any]]]:
    """The tables that have secrets, where they are tables at all: which, where, and what is in them."""
    for name in SECRETS:
        values = document.get(name)
        for index, table in enumerate(values if isinstance(values, list) else [values]):
            if isinstance(table, dict):
                yield name, (name, index) if isinstance(values, list) else (name,), table


def _texts(value: object, path: toml_positions.Path) -> Iterator[tuple[toml_positions.Path, str]]:
    """Every text in a document, and where it stands."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(inner, (*path, key))


def _needed(table: str, values: dict[str, Any]) -> list[tuple[str, ...]]:
    """The secrets that a table cannot do without: of each group, one."""
    if table == "seats":
        source = str(values.get("source"))
        return [_CREDENTIALS[source]] if source in _CREDENTIALS and source not in _UNNEEDED else []
    if table == "watch":
        return []
    if table == "discord":
        return [("bot_token",)]
    if table == "github":
        return [("webhook_secret",)]
    by_mode = {"socket": [("app_token",)], "http": [("signing_secret",)]}
    return [("bot_token",), *by_mode.get(str(values.get("mode", "socket")), [])]


def _foreign_keys(source: str) -> set[str]:
    """The credentials' keys that say nothing to a source."""
    if source not in _CREDENTIALS:
        return set()
    keys = {key for keys in _CREDENTIALS.values() for key in keys} - {*_CREDENTIALS[source]}
    foreign = {form for key in keys for form in (key, f"{key}_env", f"{key}_file")}
    foreign |= _OF_A_PLAN if source == "admin_api" else {"store_emails"}
    return foreign if source in _RENEWING else foreign | {"renews_on"}


def _ways(keys: tuple[str, ...], variable: str | None) -> str:
    forms = [f"{key}_env, {key}_file" if key in SECRET_KEYS else key for key in keys]
    usual = f"the environment variable {variable} is not set, and there is " if variable else "there is "
    return f"is missing: {usual}none of {', '.join(forms)}"
