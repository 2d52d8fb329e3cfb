"""Collects the secrets for `meterbot init`, and where the bot will read each: a file or an environment variable."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from meterbot.app.config import Secret, Vault
from meterbot.app.config.secrets import read_text
from meterbot.cli.setup.prompts import MistakenError, Prompter, RefusedError, SecretPlace
from meterbot.core import secret
from meterbot.core.findings import Check, Status

FOLDER = "secrets"
FILES, ENVIRONMENT = "files", "environment"


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """A secret that is needed. `title` is for people, `flag` is how its flags begin, `variable` and `file` are where it
    is kept unless a flag says otherwise."""

    key: str
    title: str
    flag: str
    variable: str
    file: str


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """A secret, and how config.toml names it: `key = "name"`. `new`: it has to be written to the file `name`."""

    key: str
    name: str
    value: str = field(repr=False)
    new: bool = False

    @property
    def variable(self) -> str | None:
        return self.name if self.key.endswith("_env") else None


class SecretCollector:
    """Finds secrets, or asks for them. `keep`: whether typed ones go to files or to the environment."""

    def __init__(
        self, prompter: Prompter, environ: Mapping[str, str], directory: Path, *, keep: str = FILES
    ) -> None:
        self._prompter = prompter
        self._vault = Vault(environ, directory)
        self._environ = environ
        self._directory = directory
        self._keep = keep
        self.kept: list[KeptSecret] = []

    def get(
        self,
        spec: SecretSpec,
        given: SecretPlace,
        check: Callable[[KeptSecret], list[Check]],
        *,
        may_be_kept: bool = False,
    ) -> KeptSecret:
        """The secret, once it passes `check`; with `may_be_kept`, a person may keep one that does not, because a
        service that is down says nothing about it. Raises `RefusedError`."""
        kept = self._existing(spec, given) or self._typed(spec)
        while failures := failures_of(check(kept)):
            self._prompter.reject(problem_of(failures))
            if may_be_kept and self._prompter.confirm("Keep it anyway?"):
                break
            kept = self._typed(spec)
        self.kept.append(kept)
        return kept

    def make(self, spec: SecretSpec, value: str) -> KeptSecret:
        """A secret with this new value, unless there is one already."""
        kept = self._existing(spec, SecretPlace()) or self._new(spec, value)
        self.kept.append(kept)
        return kept

    def _existing(self, spec: SecretSpec, given: SecretPlace) -> KeptSecret | None:
        file = f"{FOLDER}/{spec.file}"
        try:
            if given.env is not None:
                return KeptSecret(f"{spec.key}_env", given.env, self._variable(given.env))
            if given.file is not None:
                path = str(Path(given.file).absolute())
                return KeptSecret(f"{spec.key}_file", path, self._file(path))
            if self._environ.get(spec.variable):
                return KeptSecret(f"{spec.key}_env", spec.variable, self._variable(spec.variable))
            if (self._directory / file).exists():
                return KeptSecret(f"{spec.key}_file", file, self._file(file))
        except ValueError as error:
            raise MistakenError(f"{spec.title}: {error}") from None
        return None

    def _variable(self, name: str) -> str:
        return Secret.of(self._vault.variable(name), f"the environment variable {name}").get_secret_value()

    def _file(self, name: str) -> str:
        return Secret.of(read_text(self._vault.path(name)), "the file it names").get_secret_value()

    def _typed(self, spec: SecretSpec) -> KeptSecret:
        while True:
            value = self._prompter.ask_secret(spec.title, f"{spec.flag}-env or {spec.flag}-file").strip()
            secret.remember(value)
            if re.fullmatch(r"[!-~]+", value):
                return self._new(spec, value)
            self._prompter.reject(f"{spec.title}: is empty, or has a space or an unusual character in it")

    def _new(self, spec: SecretSpec, value: str) -> KeptSecret:
        secret.remember(value)
        if self._keep == ENVIRONMENT:
            return KeptSecret(f"{spec.key}_env", spec.variable, value)
        file = f"{FOLDER}/{spec.file}"
        if (self._directory / file).exists() and not self._prompter.confirm(f"Replace the existing {file}?"):
            raise RefusedError(f"{file} already exists and was not changed: correct or remove it")
        return KeptSecret(f"{spec.key}_file", file, value, new=True)


def failures_of(found: list[Check]) -> list[Check]:
    return [check for check in found if check.status is Status.FAIL]


def problem_of(failures: list[Check]) -> str:
    """What is wrong, and what to do."""
    return "\n".join(f"{check.sentence} -> {check.remedy}" for check in failures)
