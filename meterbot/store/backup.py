"""Copies of a SQLite database, made while a bot writes to it and restored only while none runs."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import URL

from meterbot.core.errors import StartError
from meterbot.core.log import get_logger
from meterbot.store import lock_file
from meterbot.store.errors import failure_of
from meterbot.store.migrations import VERSION_TABLE, schemas, why_unknown
from meterbot.store.url import parse_url

log = get_logger(__name__)

_COPIES = 3
"""How many copies made before a migration are kept."""
_PATIENCE_SECONDS = 10.0
_OF_POSTGRESQL = {
    "backup": 'pg_dump --format=custom --file=meterbot.dump "$DATABASE_URL"',
    "restore": 'pg_restore --clean --if-exists --no-owner --dbname="$DATABASE_URL" meterbot.dump',
}


def back_up(url: str, target: Path | None, now: datetime) -> Path:
    """Copies the database to a new file, by default beside it. A bot may run meanwhile. Raises `StartError`."""
    database = _file(parse_url(url), "backup")
    target = target or database.with_name(f"{database.name}.{_stamp(now)}.backup")
    if target.exists():
        raise StartError(f"{target} already exists: name another file, or move that one away")
    with _as_start_error(f"cannot back up {database} to {target}"):
        _schema(database)
        _copy(database, target)
    return target


def restore(url: str, source: Path, now: datetime) -> Path | None:
    """Replaces the database by a copy, and returns the name of the file that keeps the old one; None if there was
    none. Refused while a bot runs, or if this version cannot read the copy. Raises `StartError`."""
    parsed = parse_url(url)
    database = _file(parsed, "restore")
    with _as_start_error(f"cannot restore {source}"):
        if not source.is_file():
            raise FileNotFoundError(f"there is no such file as {source}")
        if database.exists() and source.samefile(database):
            raise StartError(f"{source} is the current database: give the path of a backup")
        if (schema := _schema(source)) not in schemas():
            why = why_unknown(
                schema, if_newer="install the newer version first", if_older="give the path of another backup"
            )
            raise StartError(f"{source} has schema {schema}, {why}")
    held = lock_file.hold(parsed)
    try:
        with _as_start_error(f"cannot restore {source} to {database}"):
            return _put(source, database, now)
    finally:
        _arriving(database).unlink(missing_ok=True)
        if held is not None:
            held.close()


def before_migration(database: Path, schema: str, now: datetime) -> Path:
    """A copy beside the database; only the newest few are kept. Raises `StartError`."""
    database = database.resolve()
    target = database.with_name(f"{database.name}.{_stamp(now)}.schema-{schema}")
    with _as_start_error(
        f"cannot keep a copy of {database} before it is brought up to date, so it is left as it is"
    ):
        target.unlink(missing_ok=True)  # from this very second: an attempt that failed afterwards
        _copy(database, target)
    copies = sorted(database.parent.glob(f"{database.name}.*.schema-*"))
    for old in copies[:-_COPIES]:
        old.unlink()
    return target


def _file(url: URL, what: str) -> Path:
    if url.get_backend_name() != "sqlite":
        raise StartError(f"the database is PostgreSQL, whose own programs do that: {_OF_POSTGRESQL[what]}")
    return Path(str(url.database)).resolve()


def _stamp(now: datetime) -> str:
    return f"{now:%Y%m%dT%H%M%SZ}"


def _schema(path: Path) -> str:
    """The schema of a file. Raises `sqlite3.Error` if it is damaged or not a meterbot database."""
    with closing(_opened(path)) as opened:
        (found,) = opened.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(f"{path} is damaged: {found}")
        ours = opened.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (VERSION_TABLE,)).fetchone()
        if ours is None:
            raise sqlite3.DatabaseError(f"{path} is not a meterbot database")
        (schema,) = opened.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()  # noqa: S608 - our own name
        return str(schema)


def _opened(path: Path) -> sqlite3.Connection:
    # Not read-only: the newest writes are in a file beside it, which even a reader must be able to open.
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=_PATIENCE_SECONDS)


def _copy(source: Path, target: Path) -> None:
    """A complete copy that only the user can read, or none."""
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(_opened(source)) as reading, closing(sqlite3.connect(part)) as writing:
            reading.backup(writing)
            writing.execute("PRAGMA journal_mode = DELETE")  # one file that needs no other beside it
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _arriving(database: Path) -> Path:
    return database.with_name(f"{database.name}.arriving")


def _put(source: Path, database: Path, now: datetime) -> Path | None:
    arriving = _arriving(database)
    _copy(source, arriving)
    _give_to_its_owner(database, arriving)
    kept = None
    if database.exists():
        kept = database.with_name(f"{database.name}.{_stamp(now)}.before-restore")
        if kept.exists():
            raise FileExistsError(f"{kept} already exists: try again")
        _leave_wal(database)
        # A damaged database may still have a file beside it, which SQLite would read into a new one of this name.
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                database.with_name(f"{database.name}{suffix}").rename(f"{kept}{suffix}")
    arriving.replace(database)
    return kept


def _leave_wal(database: Path) -> None:
    """Merges the files beside it into one, which SQLite does only for its last user; a damaged database stays as it
    is."""
    try:
        with closing(_opened(database)) as opened:
            opened.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise StartError(f"{database} is in use by another program: stop it first") from None
        raise
    except sqlite3.DatabaseError as error:
        log.warning("what is there is damaged, and is kept as it is", database=str(database), why=str(error))


def _give_to_its_owner(database: Path, arriving: Path) -> None:
    """Gives the file to the bot's user if an administrator restores it."""
    if os.name == "posix" and os.geteuid() == 0:
        owner = (database if database.exists() else database.parent).stat()
        for path in (arriving, lock_file.lock_path(database)):
            os.chown(path, owner.st_uid, owner.st_gid)


@contextmanager
def _as_start_error(what: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StartError(f"{what}: {failure_of(error)}") from None
