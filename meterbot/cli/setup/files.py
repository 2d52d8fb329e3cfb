"""Writes the files of `meterbot init`: all or none, and readable only by their owner."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from meterbot.cli.setup.secrets import KeptSecret


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
