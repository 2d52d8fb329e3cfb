"""Many rows in one statement."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from psycopg.adapt import PyFormat
from psycopg.pq import Format
from sqlalchemy import event as listening
from sqlalchemy import select, text

from meterbot.core.models import Subscription
from meterbot.store import Batch, Connection, Latest, Store, counter_states, history, rule_memories, tables
from meterbot.store.statements import insert_new, upsert
from meterbot.store.tables import notes
from tests.store.examples import ANA, NOW, known, later, sample, write
from tests.store.test_database import full_batch

_COUNT = """
CREATE TABLE seen (named text);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO seen VALUES (TG_TABLE_NAME); RETURN NULL; END $$;
"""
_TABLES = ("counters", "states", "latest", "history", "tails", "sources", "memories", "events", "deliveries")


@pytest.mark.databases("postgresql")
async def test_postgresql_gets_all_rows_of_a_table_in_one_statement(store: Store) -> None:
    def watch(connection: Connection) -> None:
        connection.execute(text(_COUNT))
        for name in _TABLES:
            connection.execute(
                text(f"CREATE TRIGGER see AFTER INSERT ON {name} FOR EACH STATEMENT EXECUTE FUNCTION see()")
            )

    await store.run(watch)
    await write(store, full_batch(40, 0))
    seen = await store.read(lambda c: c.scalars(text("SELECT named FROM seen")).all())
    assert sorted(seen) == sorted(_TABLES)


@pytest.mark.databases("postgresql")
async def test_postgresql_gets_arrays_in_their_binary_form(store: Store) -> None:
    """In their form as text, psycopg escapes each quotation mark by itself, and JSON has many."""
    driver: Any = await store.read(lambda c: c.connection.driver_connection)
    assert driver.adapters.get_dumper(list, PyFormat.AUTO).format is Format.BINARY


async def test_every_text_is_stored_and_found_as_it_is(store: Store) -> None:
    hard = (
        "",
        "null",
        "NULL",
        '"',
        "\\",
        '{"a": "b\\"c"}',
        "{a,b}",
        "'",
        "%s",
        ":name",
        "?",
        " ",
        "\n",
        "é𝄞",
    )
    texts = {one: one for one in hard}
    await write(store, Batch(memories=texts))
    assert await store.read(lambda c: rule_memories.read_memories(c, texts)) == texts


async def test_rows_are_numbered_in_their_order(store: Store) -> None:
    await write(store, full_batch(300, 0))
    query = text("SELECT id FROM deliveries ORDER BY sequence")
    assert await store.read(lambda c: c.scalars(query).all()) == [f"d-s{n}-0" for n in range(300)]


async def test_a_key_that_is_stored_already_keeps_its_row(store: Store) -> None:
    for values in (["1"], ["2", "3"]):
        rows = [{"name": f"n{number}", "value": value} for number, value in enumerate(values)]
        await store.run(lambda c: insert_new(c, notes, rows))
    assert dict((await store.read(lambda c: c.execute(notes.select()))).all()) == {"n0": "1", "n1": "3"}


@pytest.mark.parametrize("write_rows", [insert_new, upsert])
@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([{"name": "a", "value": "1", "valeu": "2"}], id="unknown column"),
        pytest.param([{"name": "a", "value": "1"}, {"name": "b"}], id="a row lacks one"),
        pytest.param([{"name": "a"}, {"name": "b", "value": "1"}], id="a row has one more"),
        pytest.param([{"name": "a", "value": "1"}, {"name": "b", "valeu": "1"}], id="a row has another"),
    ],
)
async def test_rows_with_other_columns_are_refused(
    store: Store, write_rows: Callable[..., None], rows: list[dict[str, str]]
) -> None:
    with pytest.raises((ValueError, KeyError), match=r"value|valeu"):
        await store.run(lambda c: write_rows(c, notes, rows))
    assert await store.read(lambda c: c.execute(notes.select()).all()) == []


async def test_two_rows_of_one_key_are_refused(store: Store) -> None:
    with pytest.raises(ValueError, match=r"notes.*same primary key"):
        await store.run(lambda c: upsert(c, notes, [{"name": "a", "value": value} for value in "12"]))
    with pytest.raises(ValueError, match=r"latest.*same primary key"):
        await write(store, Batch(latest=[Latest("ana", ANA, known(used=used)) for used in "12"]))


async def test_a_date_is_stored_as_its_text_on_sqlite(store: Store) -> None:
    """Since Python 3.12, sqlite3 warns where it has to convert one."""
    statements: list[Any] = []
    listening.listen(store.engine, "before_cursor_execute", lambda *seen: statements.append(seen[3]))
    charged = known(subscription=Subscription("active", date(2026, 5, 2)))
    await write(store, Batch(latest=[Latest("ana", ANA, charged)]))
    query = select(tables.latest.c.next_charge)
    assert await store.read(lambda c: c.scalars(query).all()) == [date(2026, 5, 2)]
    if store.engine.dialect.name == "sqlite":
        assert "2026-05-02" in repr(statements)
        assert "datetime.date" not in repr(statements)


async def test_the_newest_sample_stays_when_later_ones_are_deleted(store: Store) -> None:
    """It is not kept in the history, because nothing changed with it."""
    await write(store, Batch(samples=[sample(0), sample(1)]))
    await write(store, Batch(set_back={ANA: later(minutes=2)}))
    assert [one.at for one in await store.read(lambda c: history.read(c, [ANA], NOW))] == [
        NOW,
        later(minutes=1),
    ]


async def test_an_old_sample_writes_nothing(store: Store) -> None:
    await write(store, Batch(samples=[sample(1)]))
    statements: list[str] = []
    listening.listen(store.engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))
    await store.run(lambda c: history.append(c, counter_states.ids(c, [ANA]), [sample(0, "2")]))
    assert not [one for one in statements if one.startswith("INSERT")]
