"""The files that `meterbot init` writes."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

Value = str | bool | int | Mapping[str, str]


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

    @property
    def kind(self) -> str:
        """Its key, without how it is named."""
        return self.key.removesuffix("_env").removesuffix("_file")


@dataclass(frozen=True, slots=True)
class DraftTable:
    """`header` as in `[slack]` or `[[seats]]`."""

    header: str
    values: dict[str, Value]

    def __str__(self) -> str:
        return f"{self.header}\n" + "".join(_line(key, value) for key, value in self.values.items())


def drafted(existing: str | None, schema: str, top: Mapping[str, Value], tables: Sequence[DraftTable]) -> str:
    """The whole text. Everything in `existing` stays as it is; `top` are keys that it does not have."""
    first = f"#:schema {schema}\n"
    lines = "".join(_line(key, value) for key, value in top.items())
    added = "".join(f"\n{table}" for table in tables)
    if existing is None:
        return f"{first}# config.example.toml explains every key. Check this file with `meterbot check`.\n\n{lines}{added}"
    head, rest = "", existing.removeprefix("\ufeff")
    if rest.startswith("#:schema"):
        head, _, rest = rest.partition("\n")
    head = f"{head}\n" if head else first
    return f"{head}{lines}{rest}{'' if rest.endswith(chr(10)) or not rest else chr(10)}{added}"


def _line(key: str, value: Value) -> str:
    return f"{key} = {_written(value)}\n"


def _written(value: Value) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_written(inner)}" for key, inner in value.items()) + " }"
    # A basic string of TOML is one of JSON, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@contextmanager
def secret_files(directory: Path, kept: list[KeptSecret]) -> Iterator[None]:
    """Writes the new secrets to their files. Deletes the new files again if the block raises."""
    made: list[Path] = []
    try:
        for one in kept:
            if one.new:
                path = directory / one.name
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                if not path.exists():
                    made.append(path)
                write(path, f"{one.value}\n")
        yield
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # it has other files
                path.parent.rmdir()
        raise


def write(path: Path, text: str) -> None:
    """Replaces the file in one step: a new file is readable only by its owner, an existing one keeps its mode."""
    path = path.resolve()
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with 0600
    try:
        with os.fdopen(number, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if path.exists():
            shutil.copymode(path, name)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
