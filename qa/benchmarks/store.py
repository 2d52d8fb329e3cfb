"""The cost of storing a reading, and of answering from the database: `python -m qa.benchmarks.store`.

The floor is a bare `executemany` of the same columns, in one transaction for all seats; on PostgreSQL a COPY.
"""

import asyncio
import shutil
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import psycopg
from sqlalchemy import Connection, text

from meterbot.core.models import (
    Counter,
    ExtraUsage,
    Health,
    LastKnown,
    Sample,
    Snapshot,
    Subscription,
    Window,
)
from meterbot.core.money import Money
from meterbot.store import (
    Batch,
    CounterState,
    Latest,
    Store,
    batches,
    counter_states,
    history,
    rollup,
    source_states,
)
from meterbot.store.database import open_store
from qa.benchmarks import measure
from qa.benchmarks.measure import Line
from tests import postgres

SEATS = 1_000
_ROUNDS = 5
BEGAN = datetime(2026, 4, 1, tzinfo=UTC)
_CAP = Money(Decimal(50_000), "USD", 2)
_FLOOR = """
CREATE TABLE sample (at INTEGER, counter INTEGER, used TEXT, cap TEXT, blocked INTEGER, PRIMARY KEY (at, counter)) WITHOUT ROWID;
CREATE TABLE newest (seat TEXT, counter INTEGER, at INTEGER, used TEXT, cap TEXT, PRIMARY KEY (seat, counter));
"""


def counters(seats: int) -> list[Counter]:
    return [
        Counter(f"aaaaaaaa-0000-4000-8000-{n:012d}", f"bbbbbbbb-0000-4000-8000-{n:012d}")
        for n in range(seats)
    ]


def samples(of: list[Counter], at: datetime, spent: int) -> list[Sample]:
    return [
        Sample(at, counter, Money(Decimal(1720 + spent), "USD", 2), _CAP, blocked=False) for counter in of
    ]


def batch(of: list[Counter], at: datetime, spent: int) -> Batch:
    """The rows that a tick writes if every seat has spent."""
    new = samples(of, at, spent)
    latest, states = [], {}
    for number, sample in enumerate(new):
        extra = ExtraUsage(enabled=True, used=sample.used, cap=sample.cap, currency="USD")
        windows = (
            Window("five_hour", Decimal(41), at + timedelta(hours=2)),
            Window("seven_day", Decimal(20), at + timedelta(days=2)),
        )
        shot = Snapshot(
            f"seat{number}", "claude_ai", at, Health.OK, sample.counter.account, None, sample.counter.org,
            windows=windows, windows_read=True, extra_usage=extra, extra_usage_read=True,
            subscription=Subscription("active", at.date()), subscription_read=True,
        )  # fmt: skip
        known = LastKnown(shot, at, at, at)
        latest.append(Latest(shot.seat, sample.counter, known))
        states[sample.counter] = CounterState(known, '{"period":"2026-04","used":null}')
    return Batch(latest=latest, states=states, samples=new)


async def write(store: Store, made: Batch) -> None:
    await store.run(lambda c: batches.write(c, made))


async def append(store: Store, new: list[Sample]) -> None:
    """Writes the history alone: each sample, and the end of its counter's history."""
    await write(store, Batch(samples=new))


async def writing(folder: Path) -> list[Line]:
    """A sample with its latest row, compared with the floor, and the bytes that are logged for it."""
    of = counters(SEATS)
    store, other = [
        await open_store(f"sqlite:///{folder}/{name}.db", as_worker=True) for name in ("ours", "whole")
    ]
    for each in (store, other):
        await each.read(counter_states.read_latest)
    tick = 0

    def now() -> datetime:
        nonlocal tick
        tick += 1
        return BEGAN + timedelta(minutes=tick)

    with closing(sqlite3.connect(folder / "floor.db")) as floor:
        floor.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_FLOOR}")

        async def least() -> int:
            at = int(now().timestamp() * 1e6)
            rows = [(at, number, f"{1720 + tick} USD 2", "50000 USD 2", 0) for number in range(SEATS)]
            with floor:
                floor.executemany("INSERT INTO sample VALUES (?, ?, ?, ?, ?)", rows)
                newest = [(f"seat{number}", number, at, used, cap) for at, number, used, cap, _ in rows]
                floor.executemany("INSERT OR REPLACE INTO newest VALUES (?, ?, ?, ?, ?)", newest)
            return SEATS

        # The batches are made in advance: making them is not part of the cost.
        apart = [samples(of, now(), number) for number in range(_ROUNDS + 1)]
        together = [batch(of, now(), number) for number in range(_ROUNDS + 1)]

        async def ours() -> int:
            await append(store, apart.pop(0))
            return SEATS

        async def whole() -> int:
            await write(other, together.pop(0))
            return SEATS

        spent = await measure.in_turns({"floor": least, "ours": ours, "whole": whole}, _ROUNDS)
    await store.close()
    await other.close()
    least_, all_ = measure.microseconds(spent["floor"]), measure.microseconds(spent["whole"])
    return [
        Line("a sample and its newest row, SQLite", "≤ 3 × executemany", least_, f"the whole reading, rules' memory and all: {all_}", measure.microseconds(spent["ours"]), measure.ratio(spent["ours"], spent["floor"]), 3.0),
        await logged(folder, of),
    ]  # fmt: skip


async def logged(folder: Path, of: list[Counter], ticks: int = 60) -> Line:
    """The bytes of write-ahead log for a sample with a history; exact, because pages are written whole."""
    store = await open_store(f"sqlite:///{folder}/log.db")
    for tick in range(ticks):
        await append(store, samples(of, BEGAN + timedelta(minutes=tick), tick))
    file = folder / "log.db-wal"
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    await store.close()
    store = await open_store(f"sqlite:///{folder}/log.db")
    with store.engine.connect() as holding:  # a reader keeps the log from being started again
        holding.exec_driver_sql("SELECT count(*) FROM counters")
        before = file.stat().st_size if file.exists() else 0
        for tick in range(ticks, ticks + 5):
            await append(store, samples(of, BEGAN + timedelta(minutes=tick), tick))
        size = (file.stat().st_size - before) / 5 / SEATS
    await store.close()
    return Line(
        "log of a sample, with history",
        "≤ 100 bytes",
        "",
        "primary key (counter, time): 5,266",
        f"{size:,.0f} bytes",
        size,
        100,
        f"{size:,.0f}",
    )


async def year(folder: Path) -> list[Line]:
    """A week of a hundred seats that are busy in three working hours of ten. Returns the size on disk times 52, and the
    cost of an answer at the beginning and at the end."""
    of, day = counters(100), timedelta(days=1)
    store = await open_store(f"sqlite:///{folder}/year.db")
    for number in range(7):
        for minute in range(0, 24 * 60, 2):
            busy = 9 * 60 <= minute < 18 * 60 and number < 5
            new = samples(
                of, BEGAN + number * day + timedelta(minutes=minute), number * 2000 + (minute if busy else 0)
            )
            if busy:
                new = [sample for at, sample in enumerate(new) if (at + minute) % 10 < 3]
                await append(store, new)
        await store.run(lambda c: c.exec_driver_sql("DELETE FROM notes"))
        while await store.run(lambda c: rollup.roll_up(c, BEGAN + (number + 1) * day)):
            pass
        if number == 0:
            await write(store, batch(of, BEGAN + day, 99_999))
            with store.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            shutil.copy(folder / "year.db", folder / "day.db")
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    young = await open_store(f"sqlite:///{folder}/day.db")
    size = (folder / "year.db").stat().st_size * 52 / 1e9
    await _lengthen(store, len(of))
    works = {
        f"{name} {since}": partial(work, which, of, BEGAN + days * day)
        for name, work in (("team", _team), ("seat", _seat))
        for since, which, days in (("day", young, 1), ("year", store, 5))
    }
    costs = await measure.in_turns(works, 9)
    await young.close()
    await store.close()
    return [
        Line("a hundred seats for a year", "≤ 0.25 GB", "", "a week × 52; every second minute", f"{size:.2f} GB", size, 0.25),
        Line("the team's answer, a year behind it, beside a day", "≤ 1.2 ×", measure.microseconds(costs["team day"]), "", measure.microseconds(costs["team year"]), measure.ratio(costs["team year"], costs["team day"]), 1.2),
        Line("a seat's history for its answer, too", "≤ 1.2 ×", measure.microseconds(costs["seat day"]), "", measure.microseconds(costs["seat year"]), measure.ratio(costs["seat year"], costs["seat day"]), 1.2),
    ]  # fmt: skip


async def _lengthen(store: Store, counters_: int) -> None:
    """Adds a year of hours before the existing data: a sample of each counter in each hour, and its sums."""
    hour, first = 3_600_000_000, int((BEGAN - timedelta(days=365)).timestamp()) * 1_000_000
    rows = (
        f"WITH RECURSIVE steps(at) AS (SELECT {first} UNION ALL SELECT at + {hour} FROM steps LIMIT 8760), "  # noqa: S608 - numbers
        "amounts(at, counter, used) AS (SELECT at, id, 1000 + at / 3600000000 % 700 FROM steps, counters)"
    )

    def lengthen(connection: Connection) -> None:
        assert connection.scalar(text("SELECT count(*) FROM counters")) == counters_
        for into in (
            "history (at, counter, used, cap, blocked) SELECT at, counter, used, '50000', 0",
            "hours (at, counter, currency, spent, used, cap, blocked) SELECT at, counter, 'USD', '10', used, '50000', 0",
        ):
            connection.exec_driver_sql(f"INSERT INTO {into} FROM ({rows} SELECT * FROM amounts)")  # noqa: S608 - our own words

    await store.run(lengthen)


async def _team(store: Store, _of: list[Counter], _end: datetime) -> int:
    """Reads the data of a `/claude-spend` answer."""
    for _ in range(5):
        await store.read(counter_states.read_latest)
        await store.read(source_states.read_sources)
    return 5


async def _seat(store: Store, of: list[Counter], end: datetime) -> int:
    """Reads the additional data of a seat's answer: the newest samples, and some hours, up to the end of a working
    day."""
    for counter in of[:20]:
        await store.read(lambda c: history.read(c, [counter], end - timedelta(hours=6)))
        await store.read(lambda c: rollup.read(c, [counter], end - timedelta(hours=12)))
    return 20


async def postgresql() -> list[Line]:
    """Measures wall time, because most of the time is spent in the server."""
    of = counters(SEATS)
    with postgres.running() as server:
        async with postgres.fresh_database(server) as url:
            store = await open_store(url)
            plain = await psycopg.AsyncConnection.connect(url, autocommit=True)
            await plain.execute(
                "CREATE TABLE floor (at bigint, counter bigint, used text, cap text, blocked boolean)"
            )
            await append(store, samples(of, BEGAN, 0))
            ratios, floors, own = [], [], []
            for tick in range(1, 8):
                at = BEGAN + timedelta(minutes=tick)
                rows = [
                    (int(at.timestamp() * 1e6), n, f"{1720 + tick} USD 2", "50000 USD 2", False)
                    for n in range(SEATS)
                ]
                began = time.perf_counter()
                async with plain.cursor() as cursor, cursor.copy("COPY floor FROM STDIN") as copy:
                    for row in rows:
                        await copy.write_row(row)
                least = time.perf_counter() - began
                new = samples(of, at, tick)
                began = time.perf_counter()
                await append(store, new)
                ours = time.perf_counter() - began
                ratios.append(ours / least)
                floors.append(least / SEATS * 1e6)
                own.append(ours / SEATS * 1e6)
            await plain.close()
            await store.close()
    return [Line("a sample and the end of its history, PostgreSQL", "≤ 4 × COPY", measure.microseconds(floors), "", measure.microseconds(own), statistics.median(ratios), 4.0)]  # fmt: skip


async def lines() -> list[Line]:
    with tempfile.TemporaryDirectory(prefix="meterbot-bench-") as folder:
        return [*await writing(Path(folder)), *await year(Path(folder)), *await postgresql()]


if __name__ == "__main__":
    measure.prepare()
    print(measure.table(asyncio.run(lines())))
