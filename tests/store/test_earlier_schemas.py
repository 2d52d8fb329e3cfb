"""Databases that earlier versions left behind become this version's and lose nothing."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, inspect, make_url, select, text

from meterbot.core.models import EventKind
from meterbot.rules import memory as rule_memory
from meterbot.store import (
    Batch,
    counter_states,
    deliveries,
    delivery_claims,
    event_log,
    history,
    push_tokens,
    sessions,
    tables,
)
from meterbot.store.database import open_store, upgrade
from meterbot.store.delivery_claims import Claim
from meterbot.store.engine import for_writing, make_engine
from meterbot.store.migrations import bring_up_to_date, found_schema
from meterbot.store.url import parse_url
from tests import postgres
from tests.store.earlier import REVISIONS, load
from tests.store.examples import NOW, delivery, dollars, event, later, write
from tests.store.test_migrations import upgraded_by_two_processes

Shape = dict[str, Any]


async def of(url: str, look: Callable[[Connection], Any]) -> Any:
    engine = make_engine(parse_url(url))
    with engine.connect() as connection:
        found = look(connection)
    engine.dispose()
    return found


def shape(connection: Connection) -> Shape:
    """Every table with its columns, keys and indexes, in a fixed order."""
    seen = inspect(connection)
    return {
        table: {
            "columns": sorted(
                (column["name"], str(column["type"]), column["nullable"])
                for column in seen.get_columns(table)
            ),
            "key": seen.get_pk_constraint(table)["constrained_columns"],
            "foreign": sorted(
                (key["constrained_columns"], key["referred_table"], str(key["options"]))
                for key in seen.get_foreign_keys(table)
            ),
            "indexes": sorted(
                (str(index["name"]), index["column_names"]) for index in seen.get_indexes(table)
            ),
        }
        for table in seen.get_table_names()
    }


def counts(connection: Connection) -> dict[str, int]:
    there = inspect(connection).get_table_names()
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in tables.metadata.sorted_tables
        if table.name in there
    }


async def test_a_new_database_is_made_at_once_and_is_what_all_the_steps_come_to(
    database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    async with AsyncExitStack() as stack:
        stepped = f"sqlite:///{tmp_path}/stepped.db"
        if not database_url.startswith("sqlite"):
            server = request.getfixturevalue("postgres_server")
            stepped = await stack.enter_async_context(postgres.fresh_database(server))
        await load(stepped, REVISIONS[0])
        engine = make_engine(parse_url(stepped))
        with for_writing(engine).begin() as connection:
            bring_up_to_date(connection)
        engine.dispose()
        await upgrade(database_url)
        assert await of(database_url, _made) == await of(stepped, _made)


def _made(connection: Connection) -> tuple[Shape, list[str], str | None]:
    """Everything that was made: tables, columns, keys, and the words of what neither of them tells."""
    partial = "SELECT sql FROM sqlite_master WHERE sql LIKE '% WHERE %' OR type = 'trigger'"
    if connection.dialect.name == "postgresql":
        partial = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE '% WHERE %'"
    words = sorted(" ".join(words.split()) for words in connection.scalars(text(partial)))
    if connection.dialect.name == "sqlite":
        bare = "SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID%'"
        words += sorted(connection.scalars(text(bare)))
    return shape(connection), words, found_schema(connection)


_new_shapes: dict[str, Shape] = {}
"""What new databases have, looked at once for each kind."""


@pytest.fixture
async def new_shape(database_url: str, sqlite_template: Path, request: pytest.FixtureRequest) -> Shape:
    kind = make_url(database_url).get_backend_name()
    if kind not in _new_shapes:
        new = f"sqlite:///{sqlite_template}"
        if kind == "postgresql":
            new = request.getfixturevalue("postgres_shared").url
        _new_shapes[kind] = await of(new, shape)
    return _new_shapes[kind]


@pytest.mark.parametrize("revision", REVISIONS)
async def test_an_earlier_database_gets_the_tables_of_a_new_one_and_keeps_every_row(
    database_url: str, revision: str, new_shape: Shape
) -> None:
    await load(database_url, revision)
    before = await of(database_url, counts)
    assert before["history"] > 3
    assert before["deliveries"] > 3
    await upgrade(database_url)
    after = await of(database_url, counts)
    assert {name: after[name] for name in before} == before
    assert await of(database_url, shape) == new_shape


@pytest.mark.parametrize("revision", REVISIONS)
async def test_an_earlier_database_is_read_and_written_on(database_url: str, revision: str) -> None:
    await load(database_url, revision)
    store = await open_store(database_url)
    assert {row.seat for row in await store.read(counter_states.read_latest)} == {"ana", "bo", "cy"}
    counters = [row.counter for row in await store.read(counter_states.read_latest)]
    samples = await store.read(lambda c: history.read(c, counters, later(days=-365)))
    # Amounts in dollars are stored with their currency before schema 0008, and without it since.
    assert {sample.used for sample in samples} >= {dollars("26"), dollars("41")}
    assert any(
        stored.seat == "cy"
        for stored in await store.read(lambda c: event_log.read_events(c, later(days=-365)))
    )
    [waiting] = [queue for queue in await store.read(deliveries.read_queues) if queue.waiting]
    assert (waiting.chat, waiting.trouble) == ("slack", "slack did not answer in time")
    doubtful = await store.run(lambda c: delivery_claims.claim(c, "slack", Claim("one", NOW, 60)).delivery)
    assert doubtful is not None
    assert doubtful.in_doubt
    assert (await store.read(sessions.read)).keys() == {"ana", "bo", "cy"}
    assert [token.seat for token in await store.read(push_tokens.read)] == ["ana"]
    await write(store, Batch(events=[event()], deliveries=[delivery("d1", channel="new")]))
    assert event() in await store.read(lambda c: event_log.read_events(c, NOW))
    await store.close()


@pytest.mark.parametrize("revision", REVISIONS)
async def test_what_the_rules_remember_of_an_earlier_database_keeps_its_meaning(
    database_url: str, revision: str
) -> None:
    await load(database_url, revision)
    store = await open_store(database_url)
    readers = await store.read(counter_states.read_readers)
    memories = [rule_memory.load(rule_memory.CounterMemory, reader.memory) for reader in readers]
    assert ("50%",) in {memory.alerted_levels for memory in memories}
    assert any(memory.levels_reset_at for memory in memories)
    assert any(memory.charge_alerted for memory in memories)
    assert await store.read(lambda c: event_log.open_alerts(c, [EventKind.THRESHOLD_CROSSED]))
    await store.close()


async def test_two_processes_that_start_at_once_bring_an_earlier_database_forward(
    database_url: str, tmp_path: Path
) -> None:
    await load(database_url, REVISIONS[0])
    await upgraded_by_two_processes(database_url, tmp_path)
    store = await open_store(database_url)
    assert {row.seat for row in await store.read(counter_states.read_latest)} == {"ana", "bo", "cy"}
    await store.close()
