"""What a bot that is alone on its database keeps of it in memory."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event as listening

from meterbot.models import Health, SourceState
from meterbot.store import Batch, Latest
from meterbot.store.board import Board
from meterbot.store.database import Database, open_store
from tests.store.facts import ANA, BO, NOW, known, write


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[tuple[Database, Database]]:
    """The bot's own view of a database, and that of a command which runs beside it."""
    url = f"sqlite:///{tmp_path}/meterbot.db"
    async with AsyncExitStack() as closing:
        bot = await open_store(url, as_worker=True)
        closing.push_async_callback(bot.close)
        beside = await open_store(url)
        closing.push_async_callback(beside.close)
        yield bot, beside


def _source(seat: str, health: Health = Health.OK) -> SourceState:
    return SourceState(seat, health, NOW, last_ok_at=NOW, next_due=NOW + timedelta(minutes=1))


async def test_what_was_written_is_known_at_once_as_the_database_has_it(
    both: tuple[Database, Database],
) -> None:
    bot, beside = both
    assert await bot.latest() == []
    steps = [
        Batch(
            latest=[Latest("cy", BO, known("cy", account_email="cy@example.com"))], sources=[_source("cy")]
        ),
        Batch(latest=[Latest("ana", ANA, known("ana"))], sources=[_source("ana")]),
        Batch(latest=[Latest("ana", ANA, known("ana", used="18.00")), Latest("ana", BO, known("ana"))]),
        Batch(sources=[_source("ana", Health.REFUSED)]),
        Batch(gone=[("ana", BO)]),
    ]
    for batch in steps:
        await write(bot, batch)
        assert await bot.latest() == await beside.latest()
        assert await bot.sources() == await beside.sources()
    assert [one.seat for one in await bot.latest()] == ["ana", "cy"]


async def test_what_a_command_beside_the_bot_takes_away_is_gone(both: tuple[Database, Database]) -> None:
    bot, beside = both
    await write(bot, Batch(latest=[Latest("ana", ANA, known("ana"))], sources=[_source("ana")]))
    assert len(await bot.latest()) == 1
    await beside.forget("ana")
    assert (await bot.latest(), await bot.sources()) == ([], {})
    await write(bot, Batch(latest=[Latest("ana", ANA, known("ana"))]))
    assert len(await bot.latest()) == 1
    await write(beside, Batch(gone=[("ana", ANA)]))
    assert await bot.latest() == []


async def test_what_is_rolled_back_was_never_known(both: tuple[Database, Database]) -> None:
    bot, _ = both
    await bot.latest()
    await write(bot, Batch(latest=[Latest("bo", BO, known("bo"))]))
    with pytest.raises(RuntimeError, match="changed my mind"):
        await _write_and_fail(bot, Batch(latest=[Latest("ana", ANA, known("ana"))]))
    assert [one.seat for one in await bot.latest()] == ["bo"]


async def _write_and_fail(store: Database, batch: Batch) -> None:
    async with store.transaction() as transaction:
        await transaction.write(batch)
        raise RuntimeError("changed my mind")


async def test_an_answer_reads_no_row_of_a_seat(both: tuple[Database, Database]) -> None:
    bot, _ = both
    await write(bot, Batch(latest=[Latest(f"seat{n}", ANA, known(f"seat{n}")) for n in range(30)]))
    await bot.latest()
    asked: list[str] = []
    listening.listen(bot._engine.sync_engine, "before_cursor_execute", lambda *seen: asked.append(seen[2]))
    assert len(await bot.latest()) == 30
    assert [text for text in asked if "latest" in text] == []


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), max_size=12))
def test_rows_stand_in_the_order_of_the_database(steps: list[tuple[str, bool]]) -> None:
    board = Board(None, {}, {})
    for seat, first in steps:
        board.take(Batch(latest=[Latest(seat, ANA if first else BO, known(seat))]))
        board.latest()
    keys = [(one.seat, one.counter.account, one.counter.org) for one in board.latest()]
    assert keys == sorted({(seat, (ANA if first else BO).account, "org-1") for seat, first in steps})
