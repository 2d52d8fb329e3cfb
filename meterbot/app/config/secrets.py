"""Secrets: never written in the file, but named there by `x_env` or `x_file`, or found where they usually are."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationInfo, model_validator
from pydantic_core import CoreSchema, core_schema

from meterbot.app.config.types import web_address
from meterbot.core import secret

_LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Vault:
    """The places where secrets are: environment variables, files, and systemd's credentials.

    `directory` is where relative paths start; `document` is the configuration that is being read; `sign_in_here`:
    Claude Code's sign-in must be on this machine. Nothing here repeats a secret, nor a name that may be a secret
    written in the wrong place.
    """

    environ: Mapping[str, str]
    directory: Path
    document: Mapping[str, Any] = field(default_factory=dict)
    sign_in_here: bool = True

    def path(self, name: str) -> Path:
        """Beside the configuration, or else among systemd's credentials; `~/` is the home directory."""
        if name.startswith("~/"):
            return Path(self.environ.get("HOME", "/"), name[2:])
        path, credential = self.directory / name, self.credential(name)
        return credential if credential and not path.exists() else path

    def credential(self, name: str) -> Path | None:
        """The credential of this name that systemd hands over."""
        directory = self.environ.get("CREDENTIALS_DIRECTORY")
        path = Path(directory, name) if directory else None
        return path if path and path.exists() else None


def read_text(path: Path, what: str = "the file it names") -> str:
    """Raises ValueError with a sentence about `what`."""
    try:
        with path.open("rb") as stream:
            return stream.read(_LARGEST).decode(
                "utf-8-sig"
            )  # editors on Windows begin with a byte-order mark
    except OSError as error:
        raise ValueError(f"{what} cannot be read: {error.strerror}") from None
    except ValueError:  # no UTF-8, or a null character in the path
        raise ValueError(f"{what} is not text") from None


class Secret(SecretStr):
    """One line of visible characters: anything else would break the header that carries it."""

    file: Path | None = None
    """Where it was read, if it was in a file."""

    @classmethod
    def in_variable(cls, name: str, vault: Vault) -> Self:
        """Raises ValueError with a sentence."""
        what = "the environment variable" + (
            f" {name}" if re.fullmatch(r"[A-Z][A-Z0-9_]*", name) else " it names"
        )
        if (text := vault.environ.get(name)) is None:
            raise ValueError(f"{what} is not set")
        return cls._of(text, what)

    @classmethod
    def in_file(cls, path: Path, what: str = "the file it names") -> Self:
        """Raises ValueError with a sentence."""
        made = cls._of(read_text(path, what), what)
        made.file = path
        return made

    @classmethod
    def _of(cls, text: str, what: str) -> Self:
        text = text.rstrip("\r\n")
        secret.remember(text)
        if not text.strip():
            raise ValueError(f"{what} is empty")
        made = cls(text)
        made.check(what)
        return made

    def check(self, what: str) -> None:
        """Raises ValueError with a sentence."""
        if not re.fullmatch(r"[!-~]+", self.get_secret_value()):
            raise ValueError(f"{what} has a space, a line break or an unusual character in it")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> CoreSchema:
        def find(value: object, info: ValidationInfo) -> Secret:
            if isinstance(value, cls):
                return value
            assert isinstance(value, Wanted)  # noqa: S101 - `Table` puts nothing else in a secret's place
            return value.find(cls, info.context or Vault({}, Path()))

        return core_schema.with_info_plain_validator_function(find)


class SecretUrl(Secret):
    """An address that is secret because everybody who knows it can use it."""

    def check(self, what: str) -> None:
        super().check(what)
        with suppress(ValueError):
            web_address(self.get_secret_value())
            return
        raise ValueError(
            "must be an address that starts with https://"
        )  # no chained exception holds a part of it


class SecretList(Secret):
    """Several secrets with commas or spaces between them: the newest first, and the older ones during a rotation."""

    def check(self, what: str) -> None:
        for each in self.values:
            secret.remember(each)
        if not self.values:
            raise ValueError(f"{what} holds no secret")
        if not all(map(str.isprintable, self.values)):
            raise ValueError(f"{what} contains a control or invisible character: paste the secret again")

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(filter(None, re.split(r"[,\s]+", self.get_secret_value())))


class SecretKeys(SecretList):
    """Keys for `core.cipher`. Hosts that generate secrets write the same 32 bytes in hexadecimal."""

    def check(self, what: str) -> None:
        written = super().values
        for each in (*written, *self.values):
            secret.remember(each)
        if not written or any(
            re.fullmatch(r"[A-Za-z0-9_-]{43}=|[0-9a-fA-F]{64}", key) is None for key in written
        ):
            raise ValueError(
                f"{what} must be a key that `meterbot secret-key` prints or 64 hexadecimal digits, or several, the newest"
                " first"
            )

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(map(_as_printed, super().values))


def _as_printed(key: str) -> str:
    return urlsafe_b64encode(bytes.fromhex(key)).decode() if re.fullmatch("[0-9a-fA-F]{64}", key) else key


@dataclass(frozen=True, slots=True)
class Usual:
    """Annotation of a secret: the environment variable that is read when no key names another."""

    variable: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A secret that is still to be found. `env` and `file` are what the table says, `credential` is systemd's
    name for it, `instead` are the keys that can replace it."""

    key: str
    literal: bool
    env: object = field(repr=False)  # someone may have written the secret itself
    file: object = field(repr=False)
    variable: str | None
    credential: str
    needed: bool
    instead: tuple[str, ...] = ()

    def is_there(self, vault: Vault) -> bool:
        """Whether it is named, is in its usual place, or is missing although it is needed."""
        named = self.literal or self.env is not None or self.file is not None
        return named or self.needed or self.usual(vault) is not None

    def usual(self, vault: Vault) -> str | None:
        """The environment variable or the credential that has it although no key names it."""
        for name in (self.variable, self.variable and f"{self.variable}_FILE"):
            if name and vault.environ.get(name):
                return name
        return self.credential if vault.credential(self.credential) else None

    def find(self, kind: type[Secret], vault: Vault) -> Secret:
        """Raises ValueError with a sentence."""
        if self.literal:
            raise ValueError(
                f'a secret is never written in this file: use {self.key}_env = "NAME" or {self.key}_file = "path"'
            )
        if self.env is not None and self.file is not None:
            raise ValueError(f"is set together with {self.key}_env: keep one of the two")
        if self.env is not None:
            return kind.in_variable(text_in_quotes(self.env), vault)
        if self.file is not None:
            return kind.in_file(vault.path(text_in_quotes(self.file)))
        usual = self.usual(vault)
        if usual is None:
            raise ValueError(self._missing())
        if usual == self.credential:
            return kind.in_file(vault.credential(usual) or Path(), f"the credential {usual}")
        if usual != self.variable:
            return kind.in_file(vault.path(vault.environ[usual]), f"the file that {usual} names")
        if vault.environ.get(f"{usual}_FILE"):
            raise ValueError(f"{usual} and {usual}_FILE are both set: keep one of the two")
        return kind.in_variable(usual, vault)

    def _missing(self) -> str:
        unset = f"the environment variable {self.variable} is not set, and " if self.variable else ""
        keys = (f"{self.key}_env", f"{self.key}_file", *self.instead)
        return f"is missing: {unset}there is none of {', '.join(keys)}"


def text_in_quotes(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text in quotes")  # noqa: TRY004 - pydantic reports a ValueError
    return value


class Table(BaseModel):
    """A table of the file. For each field `x` of a secret kind the file has the keys `x_env` and `x_file`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True
    )
    credentials: ClassVar[str] = ""
    """What the names of its secrets begin with among systemd's credentials."""

    @classmethod
    def secrets(cls) -> dict[str, type[Secret]]:
        return {
            name: kind
            for name, field in cls.model_fields.items()
            for kind in types_in(field.annotation)
            if issubclass(kind, Secret)
        }

    @classmethod
    def needs(cls, values: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
        """The secrets that a table with these values requires, each with the keys that can replace it."""
        del values
        return {name: () for name in cls.secrets() if cls.model_fields[name].is_required()}

    @classmethod
    def wanted(cls, values: Mapping[str, Any]) -> list[Wanted]:
        needs, found = cls.needs(values), []
        for name in cls.secrets():
            usual = next(
                (each.variable for each in cls.model_fields[name].metadata if isinstance(each, Usual)), None
            )
            owner = values.get("name") if cls.credentials == "name" else cls.credentials
            found.append(
                Wanted(
                    name,
                    literal=name in values,
                    env=values.get(f"{name}_env"),
                    file=values.get(f"{name}_file"),
                    variable=usual,
                    credential=f"{owner}.{name}" if owner else name,
                    needed=name in needs,
                    instead=needs.get(name, ()),
                )
            )
        return found

    @model_validator(mode="before")
    @classmethod
    def _want_secrets(cls, values: Any, info: ValidationInfo) -> Any:
        if not isinstance(values, dict) or not cls.secrets():
            return values
        vault = info.context or Vault({}, Path())
        rest = {
            key: value
            for key, value in values.items()
            if key.removesuffix("_env").removesuffix("_file") not in cls.secrets()
            or isinstance(value, Secret)
        }
        for each in cls.wanted(values):
            if each.key not in rest and each.is_there(vault):
                rest[each.key] = each
        return rest


def types_in(annotation: Any) -> Iterable[type]:
    """The classes of an annotation: several for a union, those of the items for a tuple."""
    if isinstance(annotation, type):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from types_in(argument)
