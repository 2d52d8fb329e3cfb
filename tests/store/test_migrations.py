"""The schema: the first process to open the database makes it, once."""

import asyncio
import json
import subprocess
import sys
from decimal import Decimal

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from meterbot.core.errors import StartError
from meterbot.core.models import Balance, Counter, ExtraUsage, Health, LastKnown, Snapshot
from meterbot.core.money import Money
from meterbot.store import Batch, CounterState, Latest, counter_states, event_log, tables
from meterbot.store.database import open_store, upgrade
from meterbot.store.engine import for_writing, make_engine
from meterbot.store.migrations import VERSION_TABLE, bring_up_to_date, newest_schema, schemas, settings
from meterbot.store.url import parse_url
from tests.store.examples import NOW, event, write

_OPEN = """
import asyncio, sys
from meterbot.store.database import upgrade
print("ready", flush=True)
sys.stdin.readline()
asyncio.run(upgrade(sys.argv[1]))
"""


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection,
        opts={"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True},
    )
    return list(compare_metadata(context, tables.metadata))


async def test_the_migrations_make_the_tables_that_the_code_expects(database_url: str) -> None:
    engine = make_engine(parse_url(database_url))
    with for_writing(engine).begin() as connection:
        bring_up_to_date(connection)
    with engine.connect() as connection:
        assert _differences(connection) == []
    engine.dispose()


def test_the_steps_are_those_that_alembic_finds() -> None:
    scripts = ScriptDirectory.from_config(settings())
    assert schemas() == {script.revision for script in scripts.walk_revisions()}
    assert newest_schema() == scripts.get_current_head()


async def test_a_balance_that_was_a_bare_amount_is_still_known(database_url: str) -> None:
    money = Money(Decimal(1240), "USD", 2)
    extra = ExtraUsage(enabled=True, used=money, cap=None, currency="USD", balance=Balance(money))
    shot = Snapshot("ana", "claude_ai", NOW, Health.OK, "acc", None, "org", extra_usage=extra)
    known, counter = LastKnown(shot, NOW, NOW, NOW), Counter("acc", "org")
    written = Batch(latest=[Latest("ana", counter, known)], states={counter: CounterState(known, "{}")})
    store = await open_store(database_url)
    await write(store, written)
    await store.run(_write_bare_balances)
    await store.close()
    await upgrade(database_url)
    store = await open_store(database_url)
    assert [each.known for each in await store.read(counter_states.read_latest)] == [known]
    states = await store.read(lambda c: counter_states.read_states(c, [counter]))
    assert [each.known for each in states.values()] == [known]
    await store.close()


def _write_bare_balances(connection: Connection) -> None:
    """As the schema before 0017 has them."""
    for table in ("states", "latest"):
        (stored,) = connection.execute(text(f"SELECT known FROM {table}")).scalars()  # noqa: S608 - our own names
        values = json.loads(stored)
        values["snapshot"]["extra_usage"]["balance"] = values["snapshot"]["extra_usage"]["balance"]["amount"]
        change = text(f"UPDATE {table} SET known = :known")  # noqa: S608 - our own names
        connection.execute(change, {"known": json.dumps(values)})
    connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '0016'"))  # noqa: S608 - our own name


async def test_opening_again_changes_nothing(database_url: str) -> None:
    store = await open_store(database_url)
    await write(store, Batch(events=[event()]))
    await store.close()
    await upgrade(database_url)
    store = await open_store(database_url)
    assert await store.read(lambda c: event_log.read_events(c, NOW)) == [event()]
    await store.close()


async def test_a_newer_database_is_refused_and_left_alone(database_url: str) -> None:
    await upgrade(database_url)
    engine = make_engine(parse_url(database_url))
    with for_writing(engine).begin() as connection:
        connection.execute(text("UPDATE meterbot_version SET version_num = '9999'"))
    with pytest.raises(StartError, match="schema 9999, which is newer than this meterbot"):
        await open_store(database_url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM meterbot_version")) == "9999"
    engine.dispose()


async def test_many_openings_at_once_make_one_schema(database_url: str) -> None:
    async with asyncio.timeout(30):
        stores = await asyncio.gather(*(open_store(database_url) for _ in range(6)))
    for store in stores:
        assert await store.read(counter_states.read_latest) == []
        await store.close()


def test_two_processes_may_start_at_once(database_url: str) -> None:
    upgraded_by_two_processes(database_url)


def upgraded_by_two_processes(database_url: str) -> None:
    processes = [
        subprocess.Popen(  # noqa: S603 - our own interpreter and program
            [sys.executable, "-c", _OPEN, database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
