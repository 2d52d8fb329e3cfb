"""What the agent remembers from one run to the next: deadlines, and the newest snapshot while nobody took it.

No secret is in it, and of the account nothing but its ids.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from meterbot.agent.trouble import PushError


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose token it is. When the token expires (None: unstated) is all that is kept of it."""

    org_uuid: str
    account_uuid: str
    token_until: datetime | None
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Memory:
    """`snapshot` is the newest reading as JSON, `sent` whether meterbot has it. `…_after`: not before then."""

    read_after: datetime | None = None
    read_failures: int = 0
    send_after: datetime | None = None
    send_failures: int = 0
    snapshot: str | None = None
    sent: bool = True
    identity: Identity | None = None


class MemoryFile:
    """Memory in a file that only its user may read; in no file at all for `None`."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._held = Memory()

    def load(self) -> Memory:
        """What was saved last; nothing where there is no file, or one that nobody can make sense of."""
        if self._path is None:
            return self._held
        try:
            return _memory(json.loads(self._path.read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return Memory()
        except OSError as failure:
            raise PushError(f"cannot read {self._path}: {failure.strerror}") from None

    def save(self, memory: Memory) -> None:
        """Whole or not at all, whenever the process ends."""
        self._held = memory
        if self._path is not None:
            document = json.dumps(asdict(memory), default=datetime.isoformat, indent=1) + "\n"
            write_private(self._path, document)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Holds the machine's one place for an agent. Raises `PushError` while another has it."""
        if self._path is None:
            yield
            return
        make_directory(self._path.parent)
        lock = self._path.with_suffix(".lock")
        try:
            file = lock.open("a")
        except OSError as failure:
            raise PushError(f"cannot write {lock}: {failure.strerror}") from None
        with file:
            try:
                _lock(file.fileno())
            except OSError:
                raise PushError(
                    "another `meterbot push` is running on this machine: one is enough for an account"
                ) from None
            yield  # closing the file, or the end of the process, gives it back


def write_private(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Replaces a file by one that only its user may read. Raises `PushError` where that is not possible."""
    try:
        make_directory(path.parent)
        new = path.with_name(f"{path.name}.{os.getpid()}.new")
        new.unlink(missing_ok=True)
        with os.fdopen(
            os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding=encoding
        ) as file:
            file.write(text)
        new.replace(path)
    except OSError as failure:
        raise PushError(f"cannot write {path}: {failure.strerror}") from None


def make_directory(path: Path) -> None:
    """For its user alone, if it is new. Raises `PushError` where that is not possible."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as failure:
        raise PushError(f"cannot make {path}: {failure.strerror}") from None


def _memory(saved: dict[str, Any]) -> Memory:
    known = {field.name: saved[field.name] for field in fields(Memory)}
    for name in ("read_after", "send_after"):
        known[name] = _moment(known[name])
    if (identity := known["identity"]) is not None:
        known["identity"] = Identity(
            **{**identity, **{name: _moment(identity[name]) for name in ("asked_at", "token_until")}}
        )
    return Memory(**known)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
