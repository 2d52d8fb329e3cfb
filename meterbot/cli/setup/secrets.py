"""Collects the secrets for `meterbot init`, and where the bot will read each: a file or an environment variable."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from meterbot.app.config.secrets import Secret, Vault
from meterbot.cli.setup.context import SetupContext, problem_of
from meterbot.cli.setup.files import KeptSecret
from meterbot.cli.setup.prompts import MistakenError, RefusedError, SecretPlace
from meterbot.core import secret
from meterbot.core.findings import Check


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """A secret that is needed. `title` is for people, `flag` is how its flags begin, `variable` and `file` are where it
    is kept unless a flag says otherwise."""

    key: str
    title: str
    flag: str
    variable: str
    file: str

    @property
    def path(self) -> str:
        """Beside config.toml."""
        return f"secrets/{self.file}"


def collect(
    context: SetupContext,
    spec: SecretSpec,
    given: SecretPlace,
    check: Callable[[KeptSecret], list[Check]],
    *,
    may_be_kept: bool = False,
) -> KeptSecret:
    """The secret, once it passes `check`; with `may_be_kept`, a person may keep one that does not, because a service
    that is down says nothing about it. Raises `RefusedError`."""
    kept = _existing(context, spec, given) or _typed(context, spec)
    while problem := problem_of(check(kept)):
        context.prompter.reject(problem)
        if may_be_kept and context.prompter.confirm("Keep it anyway?"):
            break
        kept = _typed(context, spec)
    context.secrets.append(kept)
    return kept


def make(context: SetupContext, spec: SecretSpec, value: str) -> KeptSecret:
    """A secret with this new value, unless there is one already."""
    kept = _existing(context, spec, SecretPlace()) or _new(context, spec, value)
    context.secrets.append(kept)
    return kept


def _existing(context: SetupContext, spec: SecretSpec, given: SecretPlace) -> KeptSecret | None:
    variable, file = given.env, given.file and str(Path(given.file).absolute())
    if variable is None and file is None:
        variable = spec.variable if context.environ.get(spec.variable) else None
        file = spec.path if (context.path.parent / spec.path).exists() else None
    vault = Vault(context.environ, context.path.parent)
    try:
        if variable is not None:
            found = Secret.in_variable(variable, vault)
            return KeptSecret(f"{spec.key}_env", variable, found.get_secret_value())
        if file is not None:
            found = Secret.in_file(vault.path(file))
            return KeptSecret(f"{spec.key}_file", file, found.get_secret_value())
    except ValueError as error:
        raise MistakenError(f"{spec.title}: {error}") from None
    return None


def _typed(context: SetupContext, spec: SecretSpec) -> KeptSecret:
    while True:
        value = context.prompter.ask_secret(spec.title, f"{spec.flag}-env or {spec.flag}-file").strip()
        secret.remember(value)
        if re.fullmatch(r"[!-~]+", value):
            return _new(context, spec, value)
        context.prompter.reject(f"{spec.title}: is empty, or has a space or an unusual character in it")


def _new(context: SetupContext, spec: SecretSpec, value: str) -> KeptSecret:
    secret.remember(value)
    if context.flags.keep == "environment":
        return KeptSecret(f"{spec.key}_env", spec.variable, value)
    there = (context.path.parent / spec.path).exists()
    if there and not context.prompter.confirm(f"Replace the existing {spec.path}?"):
        raise RefusedError(f"{spec.path} already exists and was not changed: correct or remove it")
    return KeptSecret(f"{spec.key}_file", spec.path, value, new=True)
