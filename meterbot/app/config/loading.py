"""Finds the configuration, and reports every mistake in it at once."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import tomli
from pydantic import BaseModel, SecretStr, ValidationError

from meterbot.app.config import toml_positions
from meterbot.app.config.config import Config
from meterbot.app.config.infrastructure import HttpConfig
from meterbot.app.config.problems import (
    NO_SEATS,
    ConfigError,
    NoConfigError,
    Problem,
    known_keys,
    path_of,
    sentence,
    written,
)
from meterbot.app.config.seats import SOURCES, BaseSeat
from meterbot.app.config.secrets import Secret, Table, Vault, Wanted, types_in
from meterbot.app.config.toml_mistakes import mistake, only_a_comment
from meterbot.app.config.toml_positions import Position
from meterbot.app.config.types import Bind, database_url
from meterbot.core import secret

_NEVER_WRITTEN = "never written in this file"


def _instead(path: toml_positions.Path) -> str:
    """The keys that name where the secret of a seat is."""
    key = path[-1] if path else None
    if not any(key in model.secrets() for model in SOURCES.values()):
        return ""
    return f": name its variable with {key}_env, or its file with {key}_file"


@dataclass(frozen=True, slots=True)
class ConfigText:
    """A configuration's text. `label` names it in problems, relative paths start at `directory`, `path` is its file if
    it has one."""

    label: str
    text: str
    directory: Path
    path: Path | None = None


def find(path_arg: str | None, environ: Mapping[str, str], cwd: Path) -> ConfigText:
    """The first of `--config`, METERBOT_CONFIG, METERBOT_CONFIG_TOML, ./config.toml and the user's own.

    One that is named must exist. Raises `ConfigError`: a `NoConfigError` if none is named and none exists.
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
    raise NoConfigError(
        Problem(
            "environment",
            "",
            "no configuration: `meterbot init` makes one, or name yours with --config or METERBOT_CONFIG "
            f"(neither config.toml nor {own} exists)",
        )
    )


def _read(path: Path, label: str) -> ConfigText:
    try:
        # Editors on Windows begin a file with a byte-order mark.
        return ConfigText(label, path.read_text("utf-8-sig"), path.parent, path)
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        why = f"is not UTF-8 text (byte {error.start + 1})"
    raise ConfigError(Problem(label, "", why))


def load(path_arg: str | None, environ: Mapping[str, str], cwd: Path) -> Config:
    """Finds, reads and checks the configuration. From then on `secret.hide` knows every secret in it.

    Raises `ConfigError` with every problem.
    """
    return _Loader(find(path_arg, environ, cwd), environ).config()


def load_text(
    text: str, label: str, environ: Mapping[str, str], directory: Path, *, sign_in_here: bool = True
) -> Config:
    """The same for a text that is not a file yet. Without `sign_in_here`, the bot that reads Claude Code's sign-in may
    be on another machine. Raises `ConfigError`."""
    return _Loader(ConfigText(label, text, directory), environ, sign_in_here=sign_in_here).config()


def load_database_url(path_arg: str | None, environ: Mapping[str, str], cwd: Path) -> SecretStr:
    """Where the database is; with DATABASE_URL set, no file is needed. Raises `ConfigError`."""
    if not (url := environ.get("DATABASE_URL")):
        return load(path_arg, environ, cwd).database_url
    try:
        return database_url(url)
    except ValueError as error:
        raise ConfigError(Problem("environment", "DATABASE_URL", str(error))) from None


def secrets_named(path_arg: str | None, environ: Mapping[str, str], cwd: Path) -> list[Wanted]:
    """The secrets that a configuration names or requires, whether or not they exist. Raises `ConfigError`."""
    document = _document(find(path_arg, environ, cwd))
    wanted = [each for model, values in _tables(document) for each in model.wanted(values)]
    renews = any(values.get("source") == "claude_ai" for _, values in _tables(document))
    return [
        each
        for each in wanted
        if each.needed or each.env or each.file or (renews and each.credential == "secret_key")
    ]


def listening_address(path_arg: str | None, environ: Mapping[str, str], cwd: Path) -> Bind | None:
    """The address in `[http]`, where the bot listens. Reads no secrets. None if there is no such table, or no
    configuration: a health check may run where the bot's configuration is not. Raises `ConfigError`."""
    try:
        found = find(path_arg, environ, cwd)
    except NoConfigError:
        return None
    return _Loader(found, environ).listening_address()


def secret_files(config: Config) -> list[Path]:
    def files(table: BaseModel) -> Iterator[Path]:
        for key, value in table:
            if isinstance(value, Secret) and value.file:
                yield value.file
            elif key == "credentials_file" and value is not None:
                yield value
            for inner in value if isinstance(value, tuple) else (value,):
                if isinstance(inner, BaseModel):
                    yield from files(inner)

    return [*files(config)]


def _tables(document: dict[str, Any]) -> Iterator[tuple[type[Table], dict[str, Any]]]:
    """The tables that may have secrets, each with its model."""
    for name, field in Config.model_fields.items():
        values = document.get(name)
        for table in values if isinstance(values, list) else [values]:
            if not isinstance(table, dict):
                continue
            for model in types_in(
                SOURCES.get(str(table.get("source"))) if name == "seats" else field.annotation
            ):
                if issubclass(model, Table):
                    yield model, table
    yield Config, document


def _document(found: ConfigText) -> dict[str, Any]:
    """Raises `ConfigError` for a text that is not TOML."""
    if found.path is None and (why := only_a_comment(found.text)):
        raise ConfigError(Problem(found.label, "", why))
    if huge := toml_positions.huge_number(found.text):
        raise ConfigError(
            Problem(f"{found.label}:{huge.line}:{huge.column}", "", "is a number that is too large")
        )
    try:
        return tomli.loads(found.text, parse_float=Decimal)
    except tomli.TOMLDecodeError as error:
        # The error holds the whole document, so that neither it nor its context may be passed on.
        (line, column), why = mistake(error, known_keys(Config))
        where = f"{found.label}:{line}:{column}"
        raise ConfigError(Problem(where, "", f"is not TOML: {secret.hide(why)}")) from None
    except RecursionError:
        raise ConfigError(Problem(found.label, "", "is nested too deeply")) from None


class _Loader:
    """Makes a `Config` from one text, and collects what is wrong with it."""

    def __init__(self, found: ConfigText, environ: Mapping[str, str], *, sign_in_here: bool = True) -> None:
        self._found = found
        self._sign_in_here = sign_in_here
        self._environ = environ
        self._document = _document(found)
        self._positions = toml_positions.positions(found.text)
        self._problems: dict[toml_positions.Path, Problem] = {}
        self._variables: dict[toml_positions.Path, str] = {}
        """Values of the environment: path → variable."""

    def config(self) -> Config:
        texts = [*_texts(self._document, ())]
        self._refuse_double_names()
        self._let_environment_win()
        config: Config | None = self._validated(Config, self._document)
        self._refuse_secrets_in_wrong_places(texts)
        if self._problems or config is None:
            raise self._all_problems()
        return config

    def listening_address(self) -> Bind | None:
        if "http" not in self._document:
            return None
        http: HttpConfig | None = self._validated(HttpConfig, self._document["http"], ("http",))
        if http is None:
            raise self._all_problems()
        return http.addresses[0]

    def _all_problems(self) -> ConfigError:
        return ConfigError(*(self._problems[path] for path in sorted(self._problems, key=self._position)))

    def _validated(self, model: type[Table], values: dict[str, Any], path: toml_positions.Path = ()) -> Any:
        try:
            vault = Vault(self._environ, self._found.directory, self._document, self._sign_in_here)
            return model.model_validate(values, context=vault)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                at = (*path, *path_of(detail))
                self._refuse(at, sentence(detail, model))
                if detail["type"].startswith("union_tag"):  # nothing else of this seat was looked at
                    seat = self._document["seats"][at[1]]
                    own = {key: seat[key] for key in BaseSeat.model_fields if key in seat and key != "source"}
                    self._validated(BaseSeat, own | {"source": ""}, at[:2])
        return None

    def _refuse(self, path: toml_positions.Path, why: str) -> None:
        """Notes a problem. Only the first one of a key, or of the table around it, is reported."""
        if path not in self._positions:  # a secret is written under another key
            name = f"{path[-1]}_file" if why.startswith("is set together") else f"{path[-1]}_env"
            pointers = [(*path[:-1], key) for key in (name, f"{path[-1]}_env", f"{path[-1]}_file")]
            path = next((each for each in pointers if each in self._positions), path)
        if any(path[:length] in self._problems for length in range(1, len(path) + 1)):
            return
        if variable := self._variables.get(path):
            self._problems[path] = Problem("environment", variable, why)
            return
        line, column = self._position(path)
        where = f"{self._found.label}:{line}:{column}"
        self._problems[path] = Problem(where, secret.hide(written(path)), secret.hide(why))

    def _position(self, path: toml_positions.Path) -> Position:
        """Of the key; of its table where the key is missing."""
        while path and path not in self._positions:
            path = path[:-1]
        return self._positions.get(path, Position(1, 1))

    def _refuse_secrets_in_wrong_places(self, texts: Iterable[tuple[toml_positions.Path, str]]) -> None:
        for path, text in texts:
            said = self._problems.get(path)
            if secret.looks_secret(text) and not (said and _NEVER_WRITTEN in said.sentence):
                self._problems.pop(path, None)
                self._refuse(path, f"holds a secret, which is {_NEVER_WRITTEN}{_instead(path)}")

    def _refuse_double_names(self) -> None:
        seats = self._document.get("seats")
        if seats == [] and not self._may_invite():
            self._refuse(("seats",), f"is empty: {NO_SEATS}")
        names: dict[object, str] = {}
        for number, seat in enumerate(seats if isinstance(seats, list) else []):
            name = seat.get("name") if isinstance(seat, dict) else None
            if isinstance(name, str) and name in names:
                self._refuse(("seats", number, "name"), f"is already the name of {names[name]}")
            if isinstance(name, str):
                names.setdefault(name, written(("seats", number)))

    def _may_invite(self) -> bool:
        """Whether people can be invited, so that the configuration needs no seat."""
        http = self._document.get("http")
        return isinstance(http, dict) and "public_url" in http

    def _let_environment_win(self) -> None:
        if self._may_invite():
            self._document.setdefault("seats", [])
        self._document.setdefault("watch", {})  # the environment may have its secrets without the table
        if url := self._environ.get("DATABASE_URL"):
            self._document["database_url"] = url
            self._variables["database_url",] = "DATABASE_URL"
        http = self._document.get("http", {})
        if (port := self._environ.get("PORT")) and isinstance(http, dict):
            usable = port.isdecimal() and int(port) <= 65535
            self._variables["http", "port"] = "PORT"
            if not usable:
                self._refuse(("http", "port"), f'must be a port number, like "8080", got {json.dumps(port)}')
            self._document["http"] = {**http, "port": int(port) if usable else 0}


def _texts(value: object, path: toml_positions.Path) -> Iterator[tuple[toml_positions.Path, str]]:
    """Every text in a document, and where it is."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(inner, (*path, key))
