"""The agent's files: all are in one folder, and only their user can read them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


class Problem(Exception):
    """Why the agent cannot go on: one sentence that says what to do.

    `wait`: for at least so many seconds nobody is asked again; None where a person has to act first. `status` is the
    exit status: 2 where an option, a variable or an address is wrong.
    """

    def __init__(self, sentence: str, wait: float | None = None, status: int = 1) -> None:
        super().__init__(sentence)
        self.wait, self.status = wait, status


def folder() -> Path:
    """The folder of the script, the settings and the state."""
    windows = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else None
    return Path(windows or Path.home() / ".local/share") / "meterbot"


def parse_json(text: bytes) -> Any:
    """The value of a JSON document; None for anything else."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where there is none. Raises `Problem` if the file cannot be read."""
    try:
        value = parse_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        value = None
    except OSError as failure:
        raise Problem(f"cannot read {path}: {failure.strerror}") from None
    return value if isinstance(value, dict) else {}


def write_private(path: Path, text: str) -> None:
    """Replaces a file, completely or not at all, by one that only its user can read. Raises `Problem`."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(
            os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
        new.replace(path)
    except OSError as failure:
        raise Problem(f"cannot write {path}: {failure.strerror}") from None
