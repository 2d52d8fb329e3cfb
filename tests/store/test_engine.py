"""How a database is named, and what an error may say of it."""

import asyncio
import sqlite3
import traceback
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, text
from structlog.testing import capture_logs

from meterbot.core.errors import StartError, UnavailableError
from meterbot.store.database import glance, open_store, opened, upgrade
from meterbot.store.engine import for_writing, make_engine, prepare
from meterbot.store.errors import remedy_of
from meterbot.store.url import parse_url
from tests import postgres

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
    assert failed.value.remedy == "Create this database, or correct its name in DATABASE_URL or database_url"


async def test_the_remedy_fits_what_postgresql_refuses(postgres_server: str) -> None:
    async with postgres.fresh_database(postgres_server) as url:
        await upgrade(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP ROLE IF EXISTS stranger")
            connection.execute("CREATE ROLE stranger LOGIN")
        try:
            for user, remedy in (
                ("nobody_here", "Create this role in PostgreSQL, or correct the user name in"),
                ("stranger", "In PostgreSQL, make this user the owner of meterbot's database and tables"),
            ):
                refused = parse_url(url).set(username=user).render_as_string(hide_password=False)
                for attempt in (open_store, glance):
                    with pytest.raises(StartError) as failed:
                        await attempt(refused)
                    assert failed.value.remedy.startswith(remedy)
                    assert str(failed.value) == f"{failed.value.sentence}. {failed.value.remedy}"
        finally:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("DROP ROLE stranger")


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ('FATAL:  password authentication failed for user "u"', "Correct the user name or the password in "),
        ("fe_sendauth: no password supplied", "Add the password to "),
        (
            'FATAL:  no pg_hba.conf entry for host "h"',
            "Allow this connection in PostgreSQL's pg_hba.conf, or ",
        ),
        ("connection refused", ""),
        ('connection to server at "127.0.0.1", port 28000 failed: Connection refused', ""),
        ('connection to server at "127.0.0.1", port 53100 failed: Connection refused', ""),
        ('connection to server at "h42501", port 5432 failed: Connection refused', ""),
    ],
)
def test_the_remedy_fits_what_a_server_says_before_it_has_a_code(words: str, remedy: str) -> None:
    assert remedy_of(psycopg.OperationalError(words)).startswith(remedy)
    assert bool(remedy) == bool(remedy_of(psycopg.OperationalError(words)))


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        (psycopg.errors.InvalidPassword, "Correct the user name or the password in "),
        (psycopg.errors.InvalidAuthorizationSpecification, "Create this role in PostgreSQL, or "),
        (psycopg.errors.InvalidCatalogName, "Create this database, or "),
        (psycopg.errors.InsufficientPrivilege, "In PostgreSQL, make this user the owner of "),
        (psycopg.errors.DiskFull, "Free some space on the disk "),
    ],
)
def test_the_remedy_fits_a_servers_code_in_any_language(kind: type[psycopg.Error], remedy: str) -> None:
    assert remedy_of(kind("FEHLER")).startswith(remedy)


async def test_a_full_disk_says_to_free_some_space(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'm.db'}"
    with pytest.raises(UnavailableError, match=r"is full\. Free some space on the disk"):
        async with opened(url) as store:
            await store.run(_fill)
    lock = tmp_path / "m.db.lock"
    lock.unlink(missing_ok=True)
    lock.symlink_to("/dev/full")  # which takes no process number
    store = await open_store(url, as_worker=True)
    await store.close()


def _fill(transaction: Connection) -> None:
    pages = transaction.scalar(text("PRAGMA page_count"))
    transaction.execute(text(f"PRAGMA max_page_count = {pages}"))
    transaction.execute(text("CREATE TABLE filler AS SELECT zeroblob(1000000)"))


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
