"""The schema: the first process to open the database makes it, once."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, delete, select, text, update

from meterbot.commands.readings import current_report
from meterbot.core.errors import StartError
from meterbot.core.models import Balance, Counter, EventKind, ExtraUsage, Health, LastKnown, Seat, Snapshot
from meterbot.core.money import Money
from meterbot.ingest.ingest import Ingest
from meterbot.ingest.recording import Recorder
from meterbot.rules.seat_facts import SeatFacts
from meterbot.rules.settings import RuleSettings, parse_threshold
from meterbot.store import Batch, CounterState, Latest, counter_states, event_log, source_states, tables
from meterbot.store.database import open_store, upgrade
from meterbot.store.engine import for_writing, make_engine
from meterbot.store.migrations import VERSION_TABLE, bring_up_to_date, newest_schema, schemas, settings
from meterbot.store.url import parse_url
from tests.e2e import process
from tests.store.earlier import load
from tests.store.examples import NOW, event, write


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection,
        opts={"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True},
    )
    return list(compare_metadata(context, tables.metadata))


async def test_the_migrations_make_the_tables_that_the_code_expects(database_url: str) -> None:
    await load(database_url, min(schemas()))
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
    _set_back(connection, "0016")


async def test_what_was_posted_about_a_balance_is_not_posted_again(database_url: str) -> None:
    """For a seat's own credits, and for those that the members of an organization share."""
    seats = {name: Seat(name, "claude_ai") for name in ("ana", "bo", "cy")}
    rules = RuleSettings(balance_levels=(parse_threshold("$20"), parse_threshold("$5")))
    snapshots = [
        _with_balance("ana", "of ana", shared=False),
        _with_balance("bo", "acme", shared=True),
        _with_balance("cy", "acme", shared=True),
    ]
    store = await open_store(database_url)
    first = await Ingest(store, Recorder(seats, [], rules), lambda: None).store_snapshots(snapshots, NOW)
    assert [event.seat for event in first if event.kind is EventKind.BALANCE_LOW] == ["ana", "bo"]
    await store.run(_write_old_balance_memories)
    await store.close()
    await upgrade(database_url)
    store = await open_store(database_url)
    later = [replace(one, fetched_at=NOW + timedelta(minutes=15)) for one in snapshots]
    ingest = Ingest(store, Recorder(seats, [], rules), lambda: None)
    assert await ingest.store_snapshots(later, NOW + timedelta(minutes=15)) == []
    await store.close()


async def test_a_row_without_facts_counts_like_any_other(database_url: str) -> None:
    """Until its seat is read again, after which it has them."""
    money, counter = Money(Decimal(1240), "USD", 2), Counter("acc", "org")
    extra = ExtraUsage(enabled=True, used=money, cap=None, currency="USD")
    shot = Snapshot("ana", "claude_ai", NOW, Health.OK, "acc", None, "org", extra_usage=extra)
    latest = Latest("ana", counter, LastKnown(shot, NOW, NOW, NOW))
    store = await open_store(database_url)
    await write(store, Batch(latest=[latest]))
    await store.run(lambda c: _set_back(c, "0018"))
    await store.close()
    store = await open_store(database_url)
    for facts in (None, latest.facts):
        (row,), _ = await store.read(source_states.read_team)
        assert row.facts == facts
        report = await current_report(store, [Seat("ana", "claude_ai")], NOW)
        assert [total.used for total in report.totals] == [money]
        await write(store, Batch(latest=[latest]))
    await store.close()


def _with_balance(seat: str, org: str, *, shared: bool) -> Snapshot:
    """$4 of prepaid credits are left."""
    used, left = Money(Decimal(1000), "USD", 2), Money(Decimal(400), "USD", 2)
    balance = Balance(left, shared=shared)
    extra = ExtraUsage(enabled=True, used=used, cap=None, currency="USD", balance=balance)
    read = Snapshot(seat, "claude_ai", NOW, Health.OK, f"account of {seat}", None, org)
    return replace(read, extra_usage=extra, extra_usage_read=True)


def _write_old_balance_memories(connection: Connection) -> None:
    """As the schema before 0018 has them: each member of an organization remembers its balance, and events have the
    time of their reading in their keys."""
    for row in connection.execute(select(tables.states)).all():
        memory = json.loads(row.memory)
        memory["alerted_balance_levels"] = memory.pop("balance")["levels"]
        changed = update(tables.states).where(tables.states.c.counter == row.counter)
        connection.execute(changed.values(memory=json.dumps(memory)))
    connection.execute(delete(tables.memories).where(tables.memories.c.name.startswith("balance:")))
    connection.execute(update(tables.events).values(key=tables.events.c.key + ":" + NOW.isoformat()))
    _set_back(connection, "0017")


def _set_back(connection: Connection, revision: str) -> None:
    """To a schema before 0019."""
    for name in ("known_crc32", *SeatFacts._fields):
        connection.execute(text(f"ALTER TABLE latest DROP COLUMN {name}"))
    connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'"))  # noqa: S608 - our own name


async def test_opening_again_changes_nothing(database_url: str) -> None:
    store = await open_store(database_url)
    await write(store, Batch(events=[event()]))
    await store.close()
    await upgrade(database_url)
    store = await open_store(database_url)
    assert await store.read(lambda c: event_log.read_events(c, NOW)) == [event()]
    await store.close()


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ("9999", "which is newer than this meterbot .*: install the newer version again$"),
        (
            "0005",
            "which is older than this meterbot can upgrade .schema 0008 or newer.: set another database in DATA",
        ),
    ],
)
async def test_a_database_of_an_unknown_schema_is_refused_and_left_alone(
    database_url: str, schema: str, why: str
) -> None:
    await upgrade(database_url)
    engine = make_engine(parse_url(database_url))
    with for_writing(engine).begin() as connection:
        connection.execute(text("UPDATE meterbot_version SET version_num = :schema"), {"schema": schema})
    with pytest.raises(StartError, match=f"schema {schema}, {why}"):
        await open_store(database_url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM meterbot_version")) == schema
    engine.dispose()


async def test_many_openings_at_once_make_one_schema(database_url: str) -> None:
    async with asyncio.timeout(30):
        stores = await asyncio.gather(*(open_store(database_url) for _ in range(6)))
    for store in stores:
        assert await store.read(counter_states.read_latest) == []
        await store.close()


async def test_two_processes_may_start_at_once(database_url: str, tmp_path: Path) -> None:
    await upgraded_by_two_processes(database_url, tmp_path)


async def upgraded_by_two_processes(database_url: str, folder: Path) -> None:
    seat = '[[seats]]\nname = "ana"\nsource = "push"'
    environ = {"DATABASE_URL": database_url, "METERBOT_CONFIG_TOML": seat}
    upgrades = [process.meterbot("db", "upgrade", environ=environ, cwd=folder) for _ in range(2)]
    both = await asyncio.gather(*upgrades)
    assert [(ended.status, ended.stdout) for ended in both] == [(0, "the database is up to date\n")] * 2
    assert "".join(ended.stderr for ended in both).count("\n") <= 1  # one of them says what it does
