import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import URL, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from meterbot.store import one_hop
from meterbot.store.engine import for_one_statement, for_writing, make_engine


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    made = create_async_engine(URL.create(one_hop.DRIVER, database=str(tmp_path / "t.db")))
    async with made.begin() as connection:
        await connection.execute(text("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)"))
        await connection.execute(
            text("INSERT INTO t VALUES (:a, :b)"), [{"a": n, "b": str(n)} for n in range(5)]
        )
    yield made
    await made.dispose()


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the connection's thread was asked to do."""
    asked: list[object] = []
    visit: Any = aiosqlite.Connection._execute

    async def noted(
        connection: aiosqlite.Connection, what: object, *args: object, **kwargs: object
    ) -> object:
        asked.append(what)
        return await visit(connection, what, *args, **kwargs)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", noted)
    return asked


_ONE = text("SELECT a, b FROM t WHERE a > 3")


async def test_a_statement_visits_the_connections_thread_once(
    engine: AsyncEngine, visits: list[object]
) -> None:
    async with engine.connect() as connection:
        visits.clear()
        assert (await connection.execute(_ONE)).all() == [(4, "4")]
        assert len(visits) == 1
    assert len(visits) == 2, "and once for the rollback"


async def test_what_begins_a_transaction_goes_along_with_its_first_statement(
    tmp_path: Path, engine: AsyncEngine, visits: list[object]
) -> None:
    ours = make_engine(URL.create("sqlite", database=str(tmp_path / "t.db")))
    async with ours.connect() as connection:
        await connection.execute(_ONE)
    visits.clear()
    async with for_writing(ours).begin() as connection:
        await connection.execute(text("UPDATE t SET b = 'x'"))
        async with engine.connect() as other:
            await other.execute(text("PRAGMA busy_timeout = 0"))
            with pytest.raises(OperationalError, match="locked"):
                await other.execute(text("DELETE FROM t"))
            visits.clear()
        visits.clear()
    assert len(visits) == 1, "the commit, and no rollback after it"
    async with ours.connect() as connection:
        await connection.execute(_ONE)
    assert len(visits) == 3, "the statement and the rollback"
    async with for_one_statement(ours).connect() as connection:
        await connection.execute(_ONE)
    assert len(visits) == 4, "nothing is to be ended"
    async with ours.connect():
        pass
    assert len(visits) == 4, "nothing was begun"
    await ours.dispose()


async def test_nobody_inherits_what_was_begun(
    tmp_path: Path, engine: AsyncEngine, visits: list[object]
) -> None:
    """Who is cancelled while the thread still waits for the lock has rolled back what begins after that."""
    ours = make_engine(URL.create("sqlite", database=str(tmp_path / "t.db")))

    async def write(to: AsyncEngine) -> None:
        async with for_writing(to).begin() as connection:
            await connection.execute(text("UPDATE t SET b = 'x'"))

    await write(ours)
    async with engine.begin() as holder:
        await holder.execute(text("DELETE FROM t WHERE a = 0"))
        visits.clear()
        waiting = asyncio.create_task(write(ours))
        while not visits:  # noqa: ASYNC110 - a turn of the loop, no pause
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with engine.begin() as other:
        await other.execute(text("PRAGMA busy_timeout = 0"))
        await other.execute(text("DELETE FROM t"))
    await ours.dispose()


async def test_what_could_not_be_begun_is_begun_with_the_next_statement(
    tmp_path: Path, engine: AsyncEngine
) -> None:
    ours = make_engine(URL.create("sqlite", database=str(tmp_path / "t.db")))
    async with ours.connect() as connection:
        await connection.execute(text("PRAGMA busy_timeout = 0"))

    async def go_on_and_fail() -> None:
        async with for_writing(ours).begin() as connection:
            async with engine.begin() as holder:
                await holder.execute(text("DELETE FROM t WHERE a = 0"))
                with pytest.raises(OperationalError, match="locked"):
                    await connection.execute(text("DELETE FROM t"))
            await connection.execute(text("DELETE FROM t"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await go_on_and_fail()
    async with engine.connect() as other:
        assert (await other.execute(text("SELECT count(*) FROM t"))).scalar_one() == 4
    await ours.dispose()


async def test_counts_and_names_are_told_as_ever(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        assert (await connection.execute(text("UPDATE t SET b = 'x' WHERE a < 3"))).rowcount == 3
        found = await connection.execute(text("SELECT a AS number FROM t WHERE a > 9"))
        assert (list(found.keys()), found.all()) == (["number"], [])
        returned = await connection.execute(text("DELETE FROM t WHERE a = 4 RETURNING b"))
        assert returned.scalar_one() == "4"


async def test_what_fails_is_told_as_ever_and_leaves_the_connection_usable(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        with pytest.raises(OperationalError, match="no such table"):
            await connection.execute(text("SELECT * FROM nowhere"))
        with pytest.raises(IntegrityError, match="UNIQUE"):
            await connection.execute(text("INSERT INTO t VALUES (1, 'twice')"))
        assert (await connection.execute(text("SELECT count(*) FROM t"))).scalar_one() == 5
