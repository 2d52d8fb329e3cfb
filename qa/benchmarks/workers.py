"""One, two and four bots on one PostgreSQL, with more seats than they can read: `python -m qa.benchmarks.workers`.

Measures the cost of a reading with each number of workers, and how many sessions of the server wait for a lock at a
time.
"""

import argparse
import asyncio
import io
import json
import os
import sys
import tempfile
import time
from collections import Counter as Counted
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy import event

from meterbot.app import build, serve
from meterbot.app.config import load
from meterbot.core.clock import SystemClock
from qa.benchmarks import measure, upstream, whole
from qa.benchmarks.measure import Line
from tests import postgres

SEATS = 4_000
_INTERVAL = 10.0
_WARM, _SECONDS, _LOOK = 20.0, 15.0, 0.25
_SESSIONS = """
SELECT count(*) FILTER (WHERE state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock'),
       count(*) FILTER (WHERE wait_event_type = 'Lock')
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True, slots=True)
class Together:
    """The work of all workers in a second: readings, CPU seconds (`loop`: of the event loops), commits, statements, and
    on average sessions at work and waiting."""

    workers: int
    readings: float
    cpu: float
    loop: float
    commits: float
    statements: float
    active: float
    waiting: float

    @property
    def cost(self) -> float:
        """Microseconds of CPU for a reading, of all workers together."""
        return self.cpu / max(self.readings, 1e-9) * 1e6


def _used(seen: Counted[str]) -> dict[str, float]:
    """What this process has used so far; called on its event loop."""
    return {**seen, "cpu": time.process_time(), "loop": time.thread_time(), "wall": time.monotonic()}


async def _child(url: str) -> None:
    """A bot, which prints what it used a second between the first line on its standard input and the second."""
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory(prefix="meterbot-bench-") as folder:
        variables = whole.environment(SEATS, url, Path(folder), _INTERVAL)
        config = load(None, variables | {"DATABASE_URL": os.environ["DATABASE_URL"]}, Path(folder))
        stop = asyncio.Event()
        async with build.assembled(config, SystemClock(), terminal=(None, io.StringIO())) as bot:
            serve.spare_garbage()
            seen = Counted(commits=0, statements=0)
            event.listen(bot.store.engine, "commit", lambda _: seen.update(commits=1))
            event.listen(bot.store.engine, "before_cursor_execute", lambda *_: seen.update(statements=1))
            running = asyncio.create_task(bot.run(stop))
            await loop.run_in_executor(None, sys.stdin.readline)
            before = _used(seen)
            await loop.run_in_executor(None, sys.stdin.readline)
            used = {name: value - before[name] for name, value in _used(seen).items()}
            stop.set()
            await running
    print(json.dumps({name: value / used["wall"] for name, value in used.items()}), flush=True)


async def together(workers: int, served: upstream.Running, database: str) -> Together:
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "qa.benchmarks.workers", "--child", served.url,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "DATABASE_URL": database},
        )
        for _ in range(workers)
    ]  # fmt: skip
    await asyncio.sleep(_WARM)
    _tell(children)
    await asyncio.to_thread(served.seen, reset=True)
    active, waiting, looks = 0, 0, round(_SECONDS / _LOOK)
    connection, began = await psycopg.AsyncConnection.connect(database, autocommit=True), time.monotonic()
    for _ in range(looks):
        await asyncio.sleep(_LOOK)
        row = await (await connection.execute(_SESSIONS)).fetchone()
        assert row is not None
        at_work, at_the_lock = row
        active, waiting = active + at_work, waiting + at_the_lock
    seconds = time.monotonic() - began
    seen = await asyncio.to_thread(served.seen)
    await connection.close()
    _tell(children)
    printed = [(await child.communicate())[0] for child in children]
    figures = [json.loads(text.splitlines()[-1]) for text in printed]
    used = {name: sum(one[name] for one in figures) for name in ("cpu", "loop", "commits", "statements")}
    return Together(
        workers, seen["readings"] / seconds, **used, active=active / looks, waiting=waiting / looks
    )


def _tell(children: list[asyncio.subprocess.Process]) -> None:
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"now\n")


async def measured(numbers: Sequence[int] = (1, 2, 4)) -> list[Together]:
    """With each of these numbers of workers."""
    found = []
    measure.bind(measure.CORES)  # they share them all
    with upstream.running(0.2) as served, postgres.running() as server:
        for workers in numbers:
            async with postgres.fresh_database(server) as url:
                found.append(await together(workers, served, url))
    return found


async def lines() -> list[Line]:
    found = await measured()
    alone, *others = found
    return [_waiting(max(found, key=lambda each: each.waiting)), *(_cost(each, alone) for each in others)]


def _waiting(most: Together) -> Line:
    workers = measure.counted(most.workers, "worker")
    return Line("sessions that wait for a lock, at most", "≤ 0.1", "", f"{workers}; {most.active:.1f} at work", f"{most.waiting:.2f}", most.waiting, 0.1)  # fmt: skip


def _cost(each: Together, alone: Together) -> Line:
    limit = 1.15 if each.workers == 2 else 1.3
    return Line(
        f"CPU of a reading with {each.workers} workers on one PostgreSQL, beside one", f"≤ {limit} ×", "",
        f"{each.readings:,.0f} readings a second; one worker {alone.readings:,.0f}",
        f"{each.cost:,.0f} µs; one worker {alone.cost:,.0f} µs", each.cost / alone.cost, limit,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child")
    asked = parser.parse_args()
    if asked.child:
        measure.quiet()
        asyncio.run(_child(asked.child))
        return
    measure.quiet()
    print(measure.table(asyncio.run(lines())))


if __name__ == "__main__":
    main()
