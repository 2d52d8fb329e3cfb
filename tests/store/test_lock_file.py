"""A SQLite file takes one bot at a time, and a bot that died without a word is no obstacle."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from meterbot.core.errors import StartError
from meterbot.store import counter_states, workers
from meterbot.store.database import open_store
from meterbot.store.lock_file import lock_path
from tests import postgres
from tests.store.examples import NOW

_HOLD = """
import asyncio, sys
from meterbot.store.database import open_store
async def hold():
    store = await open_store(sys.argv[1], as_worker=True)
    print("held", flush=True)
    await asyncio.Event().wait()
asyncio.run(hold())
"""


async def test_a_second_bot_on_a_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/m.db"
    first = await open_store(url, as_worker=True)
    assert first.sole
    (tmp_path / "alias.db").symlink_to(tmp_path / "m.db")
    for again in (url, f"sqlite:///{tmp_path}/alias.db"):
        with pytest.raises(
            StartError, match=r"another meterbot already runs on .*\.db \(process \d+\): stop it"
        ):
            await open_store(again, as_worker=True)
    await first.close()
    second = await open_store(url, as_worker=True)
    await second.close()


async def test_what_works_beside_a_bot_goes_on_working(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/m.db"
    bot = await open_store(url, as_worker=True)
    beside = await open_store(url)
    assert not beside.sole
    assert await beside.read(counter_states.read_latest) == []
    await beside.close()
    with pytest.raises(StartError, match="another meterbot"):
        await open_store(url, as_worker=True)
    await bot.close()


async def test_a_bot_that_was_killed_holds_nothing_any_more(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/m.db"
    killed = subprocess.Popen(  # noqa: ASYNC220, S603 - our own interpreter and program
        [sys.executable, "-c", _HOLD, url], stdout=subprocess.PIPE, text=True
    )
    with killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "held\n"
        try:
            with pytest.raises(StartError, match=rf"\(process {killed.pid}\)"):
                await open_store(url, as_worker=True)
        finally:
            killed.kill()
    store = await open_store(url, as_worker=True)
    await store.close()


async def test_a_bot_that_is_alone_frees_what_a_killed_one_had_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/m.db"
    killed = await open_store(url, as_worker=True)
    end = NOW + timedelta(days=99)
    await killed.run(lambda c: workers.beat(c, "killed", NOW, end, ["discord.gateway"]))
    await killed.close()
    store = await open_store(url, as_worker=True)
    assert await store.read(lambda c: workers.read(c, NOW)) == []
    assert await store.run(
        lambda c: workers.beat(c, "next", NOW, NOW + timedelta(days=99), ["discord.gateway"])
    ) == {"discord.gateway"}
    await store.close()


async def test_a_lock_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    lock_path(tmp_path / "m.db").mkdir()
    with pytest.raises(StartError, match=r"cannot open the database .*m\.db: Is a directory"):
        await open_store(f"sqlite:///{tmp_path}/m.db", as_worker=True)


async def test_a_postgresql_takes_several(postgres_server: str) -> None:
    async with postgres.fresh_database(postgres_server) as url:
        one = await open_store(url, as_worker=True)
        other = await open_store(url, as_worker=True)
        assert (one.sole, other.sole) == (False, False)
        await one.close()
        await other.close()
