"""What a bot that is alone on its database keeps of it in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import aiosqlite
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as listening

from meterbot.core.models import Health, SourceState
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


# Random lives: whatever fails, what is known in memory is what is stored


@dataclass(frozen=True)
class Step:
    """Something that happens to `seat`. `turns`: after how many turns of the loop it is given up, and given up again."""

    what: str
    seat: str
    used: int
    turns: tuple[int, int]
    asked: bool


@dataclass
class Life:
    """A bot, a command beside it, and the database of both."""

    url: str
    bot: Database
    beside: Database

    async def go(self, step: Step) -> None:
        latest = Latest(step.seat, ANA if step.used % 2 else BO, known(step.seat, used=f"{step.used}.00"))
        batch = Batch(
            latest=[latest], sources=[_source(step.seat, Health.OK if step.used else Health.REFUSED)]
        )
        match step.what:
            case "write":
                await write(self.bot, batch)
            case "fail":
                with pytest.raises(RuntimeError, match="changed my mind"):
                    await _write_and_fail(self.bot, batch)
            case "give up":
                await _given_up(self.bot, batch, step.turns)
            case "together":
                other = Batch(latest=[Latest("dee", BO, known("dee", used=f"{step.used}.50"))])
                await asyncio.gather(
                    _given_up(self.bot, batch, step.turns), write(self.bot, other), self.bot.latest()
                )
            case "leave":
                await write(self.bot, Batch(gone=[(step.seat, latest.counter)]))
            case "forget":
                await self.beside.forget(step.seat)

    async def agrees(self) -> bool:
        """Once whatever was given up is over: it holds the write lock until then."""
        await self.beside.set_note("waited for", "the write lock")
        return (await self.bot.latest(), await self.bot.sources()) == (
            await self.beside.latest(),
            await self.beside.sources(),
        )


async def _given_up(store: Database, batch: Batch, turns: tuple[int, int]) -> None:
    writing = asyncio.create_task(write(store, batch))
    for some in turns:
        for _ in range(some):
            await asyncio.sleep(0)
        writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


_kinds = ["write", "write", "fail", "give up", "together", "leave", "forget"]
_steps = st.builds(
    Step,
    what=st.sampled_from(_kinds),
    seat=st.sampled_from(["ana", "bo", "cy"]),
    used=st.integers(0, 3),
    turns=st.tuples(st.integers(0, 300), st.integers(0, 20)),
    asked=st.booleans(),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(_steps, min_size=3, max_size=8))
async def test_whatever_fails_what_is_known_is_what_is_stored(
    both: tuple[Database, Database], tmp_path: Path, steps: list[Step]
) -> None:
    life = Life(f"sqlite:///{tmp_path}/meterbot.db", *both)
    for seat in ("ana", "bo", "cy", "dee"):
        await life.beside.forget(seat)
    for number, step in enumerate(steps):
        if step.asked:
            await life.bot.latest()
        await life.go(step)
        if step.asked:
            await life.bot.latest()
        assert await life.agrees(), (number, step)


async def test_a_commit_that_nobody_waits_for_any_more_is_known_when_it_is_done(
    both: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    bot, _ = both
    await bot.latest()
    begun, may_end = asyncio.Event(), Event()

    async def slowly(connection: aiosqlite.Connection) -> None:
        begun.set()

        def commit() -> None:
            may_end.wait(10)
            connection._conn.commit()

        in_its_thread: Any = connection._execute
        await in_its_thread(commit)

    with monkeypatch.context() as slow:
        slow.setattr(aiosqlite.Connection, "commit", slowly)
        writing = asyncio.create_task(write(bot, Batch(latest=[Latest("ana", ANA, known("ana"))])))
        await begun.wait()
        for _ in range(2):  # the second time it does not even wait for its connection any more
            writing.cancel()
            await asyncio.wait({writing}, timeout=0.05)
        assert writing.cancelled()
    asking = asyncio.create_task(bot.latest())
    await asyncio.wait({asking}, timeout=0.2)
    may_end.set()
    await asking
    assert [one.seat for one in await bot.latest()] == ["ana"]
