from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import URL, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from meterbot.store import one_hop


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


async def test_a_statement_visits_the_connections_thread_once(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits = 0
    visit: Any = aiosqlite.Connection._execute

    async def counted(connection: aiosqlite.Connection, *args: object, **kwargs: object) -> object:
        nonlocal visits
        visits += 1
        return await visit(connection, *args, **kwargs)

    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
        assert (await connection.execute(text("SELECT a, b FROM t WHERE a > 3"))).all() == [(4, "4")]
    assert visits - 1 == 1, "one for the statement, one for the rollback"


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


async def test_rows_can_be_streamed(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        rows = await connection.stream(text("SELECT a FROM t ORDER BY a"))
        assert [row.a async for row in rows] == [0, 1, 2, 3, 4]
