"""Where secrets are fetched from: environment variables, files, and what systemd hands over.

Nothing here repeats a secret, nor a name that someone may have written a secret in place of.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from meterbot.core import secret

_LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Vault:
    """The places. `directory` is what relative paths start from."""

    environ: Mapping[str, str]
    directory: Path

    def variable(self, name: str) -> SecretStr:
        """What `…_env` points to. Raises ValueError with a sentence."""
        shown = f" {name}" if re.fullmatch(r"[A-Z][A-Z0-9_]*", name) else " it names"
        if (text := self.environ.get(name)) is None:
            raise ValueError(f"the environment variable{shown} is not set")
        return _checked(text, f"the environment variable{shown}")

    def file(self, name: str) -> SecretStr:
        """What `…_file` points to. Raises ValueError with a sentence."""
        return _checked(_text(self.path(name)), "the file it names")

    def several(self, name: str, *, in_file: bool) -> SecretStr:
        """What a variable or a file of this name holds, where that may be several secrets. Raises ValueError with a
        sentence."""
        if in_file:
            return SecretStr(_text(self.path(name)))
        if (text := self.environ.get(name)) is None:
            raise ValueError("the environment variable it names is not set")
        return SecretStr(text)

    def has_credential(self, name: str) -> bool:
        """Whether systemd hands over something of this name."""
        path = self._credential(name)
        return path is not None and path.exists()

    def readable(self, name: str) -> Path:
        """Where a file stands that is read again and again. Raises ValueError with a sentence when it cannot be."""
        _text(self.path(name))
        return self.path(name)

    def path(self, name: str) -> Path:
        """Where the file stands: beside the configuration, or else among systemd's credentials; `~/` is home."""
        if name.startswith("~/"):
            return Path(self.environ.get("HOME", "/"), name[2:])
        path, credential = self.directory / name, self._credential(name)
        return credential if credential and credential.exists() and not path.exists() else path

    def unasked(self, variable: str | None, credential: str) -> SecretStr | None:
        """A secret that no key points to, from its usual variable or a credential of its name; None when neither is
        there. Raises ValueError with a sentence."""
        if variable and self.environ.get(variable):
            return self.variable(variable)
        path = self._credential(credential)
        return _checked(_text(path), f"the credential {credential}") if path and path.exists() else None

    def _credential(self, name: str) -> Path | None:
        directory = self.environ.get("CREDENTIALS_DIRECTORY")
        return Path(directory, name) if directory else None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_LARGEST).decode()
    except OSError as error:
        raise ValueError(f"the file it names cannot be read: {error.strerror}") from None
    except ValueError:  # no UTF-8, or a null character in the path
        raise ValueError("the file it names is not text") from None


def _checked(text: str, what: str) -> SecretStr:
    """One line of visible characters: anything else would break the header that carries it."""
    text = text.rstrip("\r\n")
    secret.remember(text)
    if not text.strip():
        raise ValueError(f"{what} is empty")
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError(f"{what} has a space, a line break or an unusual character in it")
    return SecretStr(text)
