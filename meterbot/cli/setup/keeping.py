"""The files that `meterbot init` writes: whole or not at all, and for nobody else's eyes."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from meterbot.cli.setup.secrets import Kept


@contextmanager
def written(directory: Path, kept: list[Kept]) -> Iterator[None]:
    """The new secrets, in their files. Where the block does not end well, those that were not there before are gone."""
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
            with suppress(OSError):  # others are in it
                path.parent.rmdir()
        raise


def write(path: Path, text: str) -> None:
    """Puts the text in place in one step: a new file is readable by its owner only, one that is there keeps its mode."""
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
