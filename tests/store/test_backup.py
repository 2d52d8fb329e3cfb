"""Copies of a SQLite database: whole, private, few, and put back only where no bot runs."""

import asyncio
import os
import re
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command

from meterbot.core.errors import StartError
from meterbot.store import Batch, Store, event_log, lock_file
from meterbot.store.backup import back_up, restore
from meterbot.store.database import open_store, upgrade
from meterbot.store.engine import for_writing, make_engine
from meterbot.store.migrations import newest_schema, schemas, settings
from meterbot.store.url import parse_url
from tests.missing import judged_by
from tests.store.earlier import load
from tests.store.examples import NOW, delivery, event, write

OLDER = sorted(schemas() - {newest_schema()})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "meterbot.db"


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite:///{file}"


@pytest.fixture
async def used(url: str) -> AsyncIterator[Store]:
    """A store that contains something and stays open."""
    opened = await open_store(url)
    await write(opened, Batch(events=[event("e1")]))
    yield opened
    await opened.close()


async def events_in(file: Path) -> set[str]:
    opened = await open_store(f"sqlite:///{file}")
    found = {each.key for each in await opened.read(lambda c: event_log.read_events(c, NOW))}
    await opened.close()
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm", ".lock")))


def somebody_elses(file: Path) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE somebody_elses (x)")


def leave(file: Path, place: Path) -> None:
    """The files as they are at this moment, which is all that is left of a process that was killed."""
    place.parent.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{file}{suffix}", f"{place}{suffix}")
    assert Path(f"{place}-wal").stat().st_size


def damage(file: Path) -> None:
    file.write_bytes(b"not a database any more " * 400)


# --- backup ---------------------------------------------------------------------------------------------------------


async def test_a_backup_holds_what_was_written_before_it(used: Store, url: str, tmp_path: Path) -> None:
    kept = await asyncio.to_thread(back_up, url, tmp_path / "kept.db", NOW)
    await write(used, Batch(events=[event("e2")]))
    assert kept == tmp_path / "kept.db"
    assert await events_in(kept) == {"e1"}


async def test_a_backup_is_whole_while_a_bot_writes(used: Store, url: str, tmp_path: Path) -> None:
    """An event and its message are one transaction: no copy has one without the other."""
    done = asyncio.Event()

    async def keep_writing() -> None:
        number = 0
        while not done.is_set():
            number += 1
            key = f"written-{number}"
            await write(used, Batch(events=[event(key)], deliveries=[delivery(key, key)]))

    writing = asyncio.create_task(keep_writing())
    copies = [
        await asyncio.to_thread(back_up, url, tmp_path / f"copy-{number}.db", NOW) for number in range(5)
    ]
    done.set()
    await writing
    for copy in copies:
        with closing(sqlite3.connect(copy)) as opened:
            rows = opened.execute("SELECT key FROM events WHERE key LIKE 'written-%' ORDER BY key").fetchall()
            assert rows == opened.execute("SELECT event FROM deliveries ORDER BY event").fetchall()
            assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_backup_is_named_after_its_moment_and_for_its_user_alone(
    used: Store, url: str, tmp_path: Path
) -> None:
    del used
    kept = await asyncio.to_thread(back_up, url, None, NOW)
    assert kept == tmp_path / "meterbot.db.20260430T100000Z.backup"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


async def test_a_backup_is_one_file_that_can_be_carried_away(used: Store, url: str, tmp_path: Path) -> None:
    del used
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    await asyncio.to_thread(back_up, url, folder / "kept.db", NOW)
    assert [path.name for path in folder.iterdir()] == ["kept.db"]


async def test_a_backup_overwrites_nothing(used: Store, url: str, tmp_path: Path) -> None:
    del used
    (tmp_path / "kept.db").write_text("something of somebody's")
    with pytest.raises(StartError, match=r"kept\.db already exists: name another file"):
        await asyncio.to_thread(back_up, url, tmp_path / "kept.db", NOW)
    assert (tmp_path / "kept.db").read_text() == "something of somebody's"


async def test_a_backup_that_fails_leaves_nothing_behind(url: str, file: Path, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"cannot back up .*: unable to open database file"):
        await asyncio.to_thread(back_up, url, tmp_path / "kept.db", NOW)
    assert names(tmp_path) == []
    somebody_elses(file)
    with pytest.raises(StartError, match="is not a meterbot database"):
        await asyncio.to_thread(back_up, url, tmp_path / "kept.db", NOW)
    assert names(tmp_path) == ["meterbot.db"]


# --- restore --------------------------------------------------------------------------------------------------------


async def test_a_restored_database_is_as_it_was_and_the_other_one_is_kept(url: str, tmp_path: Path) -> None:
    store = await open_store(url)
    await write(store, Batch(events=[event("e1")]))
    kept = await asyncio.to_thread(back_up, url, None, NOW)
    await write(store, Batch(events=[event("e2")]))
    await store.close()
    former = await asyncio.to_thread(restore, url, kept, NOW)
    assert former == tmp_path / "meterbot.db.20260430T100000Z.before-restore"
    assert await events_in(tmp_path / "meterbot.db") == {"e1"}
    assert await events_in(former) == {"e1", "e2"}
    assert await events_in(kept) == {"e1"}


@pytest.mark.parametrize("damaged", [False, True])
async def test_what_a_killed_bot_left_beside_its_file_is_not_read_into_a_restored_one(
    used: Store, url: str, file: Path, tmp_path: Path, *, damaged: bool
) -> None:
    """The file that SQLite writes first would be taken for the restored database's own."""
    kept = await asyncio.to_thread(back_up, url, None, NOW)
    await write(used, Batch(events=[event("e2")]))
    left = tmp_path / "killed" / "meterbot.db"
    leave(file, left)
    if damaged:
        damage(left)
    former = await asyncio.to_thread(restore, f"sqlite:///{left}", kept, NOW)
    assert former is not None
    assert await events_in(left) == {"e1"}
    if not damaged:
        assert await events_in(former) == {"e1", "e2"}


async def test_nothing_is_restored_while_any_program_has_the_database_open(
    used: Store, url: str, tmp_path: Path
) -> None:
    kept = await asyncio.to_thread(back_up, url, None, NOW)
    before = names(tmp_path)
    with pytest.raises(StartError, match=r"meterbot\.db is in use by another program: stop it first"):
        await asyncio.to_thread(restore, url, kept, NOW)
    assert names(tmp_path) == before
    assert await used.read(lambda c: event_log.read_events(c, NOW)) == [event("e1")]


@pytest.mark.parametrize("name", ["meterbot.db", "linked.db"])
async def test_a_database_is_not_restored_from_itself(
    url: str, file: Path, tmp_path: Path, name: str
) -> None:
    await upgrade(url)
    (tmp_path / "linked.db").symlink_to(file)
    before = names(tmp_path)
    with pytest.raises(StartError, match=f"{name} is the current database: give the path of a backup"):
        await asyncio.to_thread(restore, url, tmp_path / name, NOW)
    assert names(tmp_path) == before


async def test_a_database_is_restored_where_none_is(used: Store, url: str, tmp_path: Path) -> None:
    del used
    kept = await asyncio.to_thread(back_up, url, None, NOW)
    other = tmp_path / "other" / "meterbot.db"
    other.parent.mkdir()
    assert await asyncio.to_thread(restore, f"sqlite:///{other}", kept, NOW) is None
    assert await events_in(other) == {"e1"}
    assert stat.S_IMODE(other.stat().st_mode) == 0o600


@judged_by("root", os.geteuid() == 0)  # who alone can give files to somebody else
async def test_what_an_administrator_restores_belongs_to_whom_the_bot_runs_as(url: str, file: Path) -> None:
    await upgrade(url)
    kept = await asyncio.to_thread(back_up, url, None, NOW)
    os.chown(file, 1234, 1234)
    await asyncio.to_thread(restore, url, kept, NOW)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (file, lock_file.lock_path(file))}
    assert owners == {(1234, 1234)}


async def test_a_damaged_database_can_be_replaced(url: str, file: Path, tmp_path: Path) -> None:
    await upgrade(url)
    kept = await asyncio.to_thread(back_up, url, None, NOW)
    damage(file)
    with pytest.raises(StartError, match="file is not a database"):
        await asyncio.to_thread(back_up, url, tmp_path / "another", NOW)
    await asyncio.to_thread(restore, url, kept, NOW)
    assert await events_in(file) == set()


async def test_nothing_is_restored_under_a_running_bot(used: Store, url: str, tmp_path: Path) -> None:
    kept = await asyncio.to_thread(back_up, url, None, NOW)
    held = lock_file.hold(parse_url(url))
    assert held is not None
    before = names(tmp_path)
    with held, pytest.raises(StartError, match="another meterbot already runs on"):
        await asyncio.to_thread(restore, url, kept, NOW)
    assert names(tmp_path) == before
    assert await used.read(lambda c: event_log.read_events(c, NOW)) == [event("e1")]


async def test_what_cannot_be_a_database_of_this_version_is_not_restored(
    used: Store, url: str, tmp_path: Path
) -> None:
    for name, schema in (("newer.db", "9999"), ("older.db", "0005")):
        copy = await asyncio.to_thread(back_up, url, tmp_path / name, NOW)
        with closing(sqlite3.connect(copy)) as opened:
            opened.execute("UPDATE meterbot_version SET version_num = ?", (schema,))
            opened.commit()
    (tmp_path / "text.db").write_text("nothing of ours " * 100)
    somebody_elses(tmp_path / "foreign.db")
    before = names(tmp_path)
    for name, why in (
        ("newer.db", "has schema 9999, which is newer than this meterbot"),
        ("older.db", "has schema 0005, which is older than this meterbot can upgrade"),
        ("text.db", "file is not a database"),
        ("foreign.db", "is not a meterbot database"),
        ("none.db", "there is no such file"),
    ):
        with pytest.raises(StartError, match=why):
            await asyncio.to_thread(restore, url, tmp_path / name, NOW)
    assert names(tmp_path) == before
    assert await used.read(lambda c: event_log.read_events(c, NOW)) == [event("e1")]


@pytest.mark.parametrize(
    ("what", "tool"), [("backup", "pg_dump --format"), ("restore", "pg_restore --clean")]
)
def test_for_postgresql_its_own_programs_are_named_and_no_password(what: str, tool: str) -> None:
    url = "postgresql://meterbot:planted-password@db.example/meterbot"
    with pytest.raises(StartError, match=f"the database is PostgreSQL, .*{tool}") as refused:
        _ = back_up(url, None, NOW) if what == "backup" else restore(url, Path("x"), NOW)
    assert "planted" not in str(refused.value)


# --- before a migration ---------------------------------------------------------------------------------------------


async def left_by(schema: str, url: str) -> None:
    """A database as a version with this schema made it, with a word in it."""
    await load(url, OLDER[0])
    engine = make_engine(parse_url(url))
    with for_writing(engine).begin() as connection:
        command.upgrade(settings(connection), schema)
        connection.exec_driver_sql("INSERT INTO notes VALUES ('kept', 'a word')")
    engine.dispose()


def noted(file: Path) -> tuple[str, str]:
    with closing(sqlite3.connect(file)) as opened:
        (word,) = opened.execute("SELECT value FROM notes WHERE name = 'kept'").fetchone()
        (schema,) = opened.execute("SELECT version_num FROM meterbot_version").fetchone()
        return word, schema


@pytest.mark.parametrize("schema", OLDER)
async def test_a_copy_is_kept_before_a_database_is_brought_up_to_date(
    schema: str, url: str, file: Path
) -> None:
    await left_by(schema, url)
    await upgrade(url)
    (copy,) = file.parent.glob(f"meterbot.db.*.schema-{schema}")
    assert noted(copy) == ("a word", schema)
    assert noted(file) == ("a word", newest_schema())
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


async def test_a_kept_copy_can_be_restored_and_is_brought_up_to_date_again(url: str, file: Path) -> None:
    await left_by(OLDER[0], url)
    await upgrade(url)
    (copy,) = file.parent.glob("meterbot.db.*.schema-*")
    await asyncio.to_thread(restore, url, copy, NOW + timedelta(days=1))
    assert noted(file) == ("a word", OLDER[0])
    await upgrade(url)
    assert noted(file) == ("a word", newest_schema())


async def test_no_copy_is_made_of_what_is_new_or_up_to_date(url: str, tmp_path: Path) -> None:
    await upgrade(url)
    await upgrade(url)
    assert names(tmp_path) == ["meterbot.db"]


async def test_only_the_newest_copies_are_kept(url: str, tmp_path: Path) -> None:
    former = [f"meterbot.db.2020010{day}T000000Z.schema-0001" for day in range(1, 6)]
    for name in [*former, "meterbot.db.20200101T000000Z.backup", "other.db.20200101T000000Z.schema-0001"]:
        (tmp_path / name).touch()
    await left_by(OLDER[0], url)
    await upgrade(url)
    left = [name for name in names(tmp_path) if name.startswith("meterbot.db.") and "schema" in name]
    assert left[:2] == former[-2:]
    assert len(left) == 3
    assert {"meterbot.db.20200101T000000Z.backup", "other.db.20200101T000000Z.schema-0001"} <= {
        *names(tmp_path)
    }


async def test_without_a_copy_nothing_is_changed(url: str, file: Path, tmp_path: Path) -> None:
    """Something is in the way of the copy, at whichever moment of the next minutes it is made."""
    await left_by(OLDER[0], url)
    now = datetime.now(UTC)
    for second in range(180):
        (tmp_path / f"meterbot.db.{now + timedelta(seconds=second):%Y%m%dT%H%M%SZ}.schema-{OLDER[0]}").mkdir()
    with pytest.raises(StartError, match=r"cannot keep a copy of .*, so it is left as it is: Is a directory"):
        await upgrade(url)
    assert noted(file) == ("a word", OLDER[0])


async def test_the_page_of_leaving_names_every_file_that_is_beside_a_database(url: str, file: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/uninstall.md").read_text("utf-8")
    (row,) = re.findall(r"^\| SQLite \|.*$", page, re.MULTILINE)
    named = {ending.rstrip("…") for ending in re.findall("`([^`]+)`", row)}
    await left_by(OLDER[0], url)
    await upgrade(url)
    await asyncio.to_thread(restore, url, await asyncio.to_thread(back_up, url, None, NOW), NOW)
    bot = await open_store(url, as_worker=True)
    await write(bot, Batch(events=[event("e1")]))
    beside = {path.name.removeprefix(file.name) for path in file.parent.iterdir()} - {""}
    await bot.close()
    endings = {re.sub(r"^\.\d{8}T\d{6}Z|(?<=\.schema-)\d{4}$", "", name) for name in beside}
    assert endings == named
