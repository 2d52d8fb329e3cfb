"""Where a secret comes from, and where it will be read from: never from a command line, never from config.toml."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from meterbot.app.config import Secret, Vault
from meterbot.app.config.secrets import read_text
from meterbot.cli.setup.asking import Given, MistakenError, Prompter, RefusedError
from meterbot.core import secret
from meterbot.core.findings import Check, Status

FOLDER = "secrets"
FILES, ENVIRONMENT = "files", "environment"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A secret that is needed. `title`: what a person calls it; `flag`: how the flags for it begin; `variable` and
    `file`: where it is kept when nothing says otherwise."""

    key: str
    title: str
    flag: str
    variable: str
    file: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A secret, and how config.toml points to it: by `key` and `name`. `new`: it has to be written to that file."""

    key: str
    name: str
    value: str = field(repr=False)
    new: bool = False

    @property
    def variable(self) -> str | None:
        """The environment variable that holds it."""
        return self.name if self.key.endswith("_env") else None


class Keeper:
    """Finds secrets, or asks for them. `keep`: whether those that are typed go to files or to the environment."""

    def __init__(
        self, person: Prompter, environ: Mapping[str, str], directory: Path, *, keep: str = FILES
    ) -> None:
        self._person = person
        self._vault = Vault(environ, directory)
        self._environ = environ
        self._directory = directory
        self._keep = keep
        self.kept: list[Kept] = []

    def get(
        self,
        wanted: Wanted,
        given: Given,
        tried: Callable[[Kept], list[Check]],
        *,
        may_be_kept: bool = False,
    ) -> Kept:
        """The secret, once it is tried and does not fail; `may_be_kept`: or is kept all the same, since a service that
        does not answer says nothing of it. Raises `RefusedError`."""
        kept = self._found(wanted, given) or self._typed(wanted)
        while failures := failures_of(tried(kept)):
            self._person.hears(problem_of(failures))
            if may_be_kept and self._person.agrees("Keep it all the same?"):
                break
            kept = self._typed(wanted)
        self.kept.append(kept)
        return kept

    def made(self, wanted: Wanted, value: str) -> Kept:
        """A secret of our own making, where none is there yet."""
        kept = self._found(wanted, Given()) or self._new(wanted, value)
        self.kept.append(kept)
        return kept

    def _found(self, wanted: Wanted, given: Given) -> Kept | None:
        file = f"{FOLDER}/{wanted.file}"
        try:
            if given.env is not None:
                return Kept(f"{wanted.key}_env", given.env, self._variable(given.env))
            if given.file is not None:
                path = str(Path(given.file).absolute())
                return Kept(f"{wanted.key}_file", path, self._file(path))
            if self._environ.get(wanted.variable):
                return Kept(f"{wanted.key}_env", wanted.variable, self._variable(wanted.variable))
            if (self._directory / file).exists():
                return Kept(f"{wanted.key}_file", file, self._file(file))
        except ValueError as error:
            raise MistakenError(f"{wanted.title}: {error}") from None
        return None

    def _variable(self, name: str) -> str:
        return Secret.of(self._vault.variable(name), f"the environment variable {name}").get_secret_value()

    def _file(self, name: str) -> str:
        return Secret.of(read_text(self._vault.path(name)), "the file it names").get_secret_value()

    def _typed(self, wanted: Wanted) -> Kept:
        while True:
            value = self._person.secret(wanted.title, f"{wanted.flag}-env or {wanted.flag}-file").strip()
            secret.remember(value)
            if re.fullmatch(r"[!-~]+", value):
                return self._new(wanted, value)
            self._person.hears(f"{wanted.title}: has a space or an unusual character in it, or is empty")

    def _new(self, wanted: Wanted, value: str) -> Kept:
        secret.remember(value)
        if self._keep == ENVIRONMENT:
            return Kept(f"{wanted.key}_env", wanted.variable, value)
        file = f"{FOLDER}/{wanted.file}"
        if (self._directory / file).exists() and not self._person.agrees(f"Replace {file}, which is there?"):
            raise RefusedError(f"{file} is there already, and was left as it is: correct or remove it")
        return Kept(f"{wanted.key}_file", file, value, new=True)


def failures_of(found: list[Check]) -> list[Check]:
    return [check for check in found if check.status is Status.FAIL]


def problem_of(failures: list[Check]) -> str:
    """What is wrong, and what to do."""
    return "\n".join(f"{check.sentence} -> {check.remedy}" for check in failures)
