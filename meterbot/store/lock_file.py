"""One bot at a time on a SQLite file: a lock of the operating system, which ends with the process."""

import os
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

from sqlalchemy import URL

from meterbot.core.errors import StartError, UnavailableError
from meterbot.store.errors import remedy_of


def lock_path(database: Path) -> Path:
    """The lock of a running bot. The file stays afterwards; its existence means nothing."""
    real = database.resolve()
    return real.with_name(f"{real.name}.lock")


def hold(url: URL) -> TextIOWrapper | None:
    """Keeps other bots off a SQLite file until this is closed; None for PostgreSQL, which several may share. Other
    commands work beside a running bot. Raises `StartError`."""
    if url.get_backend_name() != "sqlite":
        return None
    import fcntl  # noqa: PLC0415 - not on Windows, where commands must still start

    database = Path(str(url.database))
    path = lock_path(database)
    try:
        file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")  # noqa: SIM115, PTH123 - held until closed
    except OSError as error:
        full = remedy_of(error)
        raise (UnavailableError if full else StartError)(
            f"cannot open the database {database}: {error.strerror} ({path})",
            full
            or "Give the user that runs meterbot write access to that directory, or set another file in database_url",
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = file.read().strip()
        file.close()
        who = f"process {holder}" if holder else "another process"
        raise UnavailableError(
            f"another meterbot already runs on {database} ({who}): stop it, or give this one another database_url. "
            "Several processes can share a PostgreSQL"
        ) from None
    except OSError as error:
        file.close()
        raise StartError(f"cannot lock {path}: {error.strerror}. Is it on a network drive?") from None
    with suppress(OSError):  # for people to read, if the disk has room; only the lock counts
        os.ftruncate(file.fileno(), 0)
        os.pwrite(file.fileno(), f"{os.getpid()}\n".encode(), 0)
    return file
