"""What `meterbot check` reads of a database that a bot may be using."""

from pathlib import Path

import pytest
from sqlalchemy import text

from meterbot.core.errors import StartError
from meterbot.store import rule_memories
from meterbot.store.database import is_there, open_store, peek_memories, upgrade

WANTED = ["settings:ana", "settings:bo"]


async def test_memories_are_found_by_name_and_stay_as_they_are(database_url: str) -> None:
    await upgrade(database_url)
    opened = await open_store(database_url)
    stored = {"settings:ana": '{"thresholds": ["80%"]}', "settings:cy": "{}"}
    await opened.run(lambda c: rule_memories.write_memories(c, stored))
    assert await peek_memories(database_url, WANTED) == {"settings:ana": stored["settings:ana"]}
    assert await opened.read(lambda c: rule_memories.read_memories(c, stored)) == stored
    await opened.close()


async def test_a_database_without_tables_has_none_and_gets_none(database_url: str) -> None:
    assert await peek_memories(database_url, WANTED) == {}
    await upgrade(database_url)  # which refuses tables that it did not make
    opened = await open_store(database_url)
    await opened.run(lambda c: c.execute(text("DROP TABLE memories")))
    await opened.close()
    assert await peek_memories(database_url, WANTED) == {}


async def test_a_database_that_is_not_there_is_not_created(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/meterbot.db"
    assert await peek_memories(url, WANTED) == {}
    assert not await is_there(url)


async def test_a_server_that_does_not_answer_is_said_without_its_password() -> None:
    with pytest.raises(StartError, match="cannot read the database") as refused:
        await peek_memories("postgresql://bot:planted-password@127.0.0.1:1/meterbot", WANTED)
    assert "planted-password" not in str(refused.value)
