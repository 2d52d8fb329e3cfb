"""How a database is named, and what an error may say of it."""

import asyncio
import sqlite3
import traceback
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from meterbot.core.errors import StartError
from meterbot.store.database import open_store
from meterbot.store.engine import for_writing, make_engine, prepare
from meterbot.store.url import parse_url

PLANTED = "pl4nted-pass"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"postgres://u:{PLANTED}@127.0.0.1:1/d", r"postgresql://127.0.0.1/d: .*Connection refused"),
        (f"postgres://u:{PLANTED}@127.0.0.1:1/d?sslmode=nonsense", "sslmode"),
        (f"postgres://127.0.0.1:1/d?user=u&password={PLANTED}", r"postgresql://127.0.0.1/d: "),
        (f"postgres://u:{PLANTED}@127.0.0.1:1/d?sslmode=verify-full&sslrootcert=/nowhere", "refused"),
        ("sqlite:////nowhere/at/all/x.db", "/nowhere/at/all/x.db: unable to open database file"),
    ],
)
async def test_a_database_that_cannot_be_opened_says_why_and_no_secret(url: str, says: str) -> None:
    with pytest.raises(StartError, match=says) as failed:
        await open_store(url)
    error: BaseException | None = failed.value
    while error is not None:
        assert PLANTED not in "".join(traceback.format_exception(error)) + repr(error)
        error = error.__cause__ or error.__context__


def test_an_engine_shows_no_password() -> None:
    engine = make_engine(parse_url(f"postgres://u:{PLANTED}@h/d"))
    assert PLANTED not in repr(engine) + str(engine.url) + engine.url.render_as_string(hide_password=False)


async def test_sqlite_is_set_up_for_a_writer_and_many_readers(tmp_path: Path) -> None:
    engine = make_engine(parse_url(f"sqlite:///{tmp_path}/x.db"))
    prepare(engine)

    async def pragma(name: str, within: object = engine) -> object:
        with within.connect() as connection:  # type: ignore[attr-defined]  # one of the engine's kinds
            return connection.scalar(text(f"PRAGMA {name}"))

    assert await pragma("journal_mode") == "wal"
    assert await pragma("foreign_keys") == 1
    assert await pragma("busy_timeout") == 10_000
    normal, full = 1, 2
    assert await pragma("synchronous", for_writing(engine, durable=True)) == full
    assert await pragma("synchronous", for_writing(engine)) == normal
    assert await pragma("synchronous") == normal
    engine.dispose()


async def test_a_new_database_file_is_for_its_owner_only(tmp_path: Path) -> None:
    new, old = tmp_path / "new.db", tmp_path / "old.db"
    old.touch()
    old.chmod(0o640)
    for file in (new, old):
        store = await open_store(f"sqlite:///{file}")
        await store.close()
    assert [file.stat().st_mode & 0o777 for file in (new, old)] == [0o600, 0o640]


async def test_a_server_that_refuses_says_why_in_its_own_words(postgres_server: str) -> None:
    url = parse_url(postgres_server).set(database="nowhere", password=PLANTED)
    with pytest.raises(StartError, match='database "nowhere" does not exist') as failed:
        await open_store(url.render_as_string(hide_password=False))
    assert PLANTED not in "".join(traceback.format_exception(failed.value))


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
async def test_a_command_that_waits_for_a_locked_file_says_so_and_gives_up_in_time(
    tmp_path: Path, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_BUSY_MS", "_PATIENT_MS"):
        monkeypatch.setattr(f"meterbot.store.engine.{name}", 200)
    monkeypatch.setattr("meterbot.store.database._SILENT_SECONDS", 0.02)
    path = tmp_path / "m.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute(f"PRAGMA journal_mode = {journal}")
        holder.execute("CREATE TABLE t (x)")
        holder.execute("BEGIN EXCLUSIVE")
        with capture_logs() as logged, pytest.raises(StartError, match="database is locked"):
            async with asyncio.timeout(4):
                await open_store(f"sqlite:///{path}")
    assert [(line["event"], line["database"]) for line in logged] == [
        ("waiting for the database, which another program may hold", str(path))
    ]
