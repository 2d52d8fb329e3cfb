"""Where time and memory go, as shares, which are meaningful on a busy machine, too: `make bench ARGS="--profile
tick"`."""

import asyncio
import cProfile
import gc
import io
import pstats
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event

from meterbot.app import build
from meterbot.app.config import load
from meterbot.app.run import Bot
from meterbot.chat import Question
from meterbot.chat.slack.render import render
from meterbot.core.clock import ManualClock
from meterbot.core.models import Health, SourceState
from meterbot.store import counter_states
from meterbot.store.database import open_store
from qa.benchmarks import store, tick, upstream, whole
from tests import postgres

_MOST = 40


class _Here(ThreadPoolExecutor):
    """Runs at once what would run in a thread, where no profiler sees it."""

    def submit(self, work: Callable[..., Any], /, *values: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*values, **named))
        return done


async def of_tick() -> str:
    """A tick of 128 seats, as `tick` measures it."""
    with upstream.running() as served:
        async with tick.ticking(served) as (tick_, _):
            await tick_()
            return await _profiled(lambda: _several(tick_, 4))


@asynccontextmanager
async def _known(clock: ManualClock) -> AsyncIterator[Bot]:
    """A bot that has read ten thousand seats and checked them once."""
    with tempfile.TemporaryDirectory(prefix="meterbot-bench-") as name:
        folder, of = Path(name), store.counters(whole.MOST)
        config = load(None, whole.environment(whole.MOST, "http://127.0.0.1:9", folder, 60.0), folder)
        async with build.assembled(config, clock, terminal=(None, io.StringIO())) as bot:
            now = clock.now()
            well = [SourceState(seat.name, Health.OK, now, last_ok_at=now) for seat in config.seats]
            await store.write(bot.store, replace(store.batch(of, now, 0), sources=well))
            await bot.store.read(counter_states.read_latest)
            await bot.run_checks()
            yield bot


async def of_answer() -> str:
    """An answer to `/claude-spend`, 170 seats of which were read since the one before."""
    clock = ManualClock(store.BEGAN)
    async with _known(clock) as bot:
        asyncio.get_running_loop().set_default_executor(_Here())

        async def answer() -> None:
            render((await bot.commands.answer(Question((), "slack", "U1"))).message)

        await answer()
        clock.advance(timedelta(seconds=1))
        await store.write(bot.store, store.batch(store.counters(170), clock.now(), 1))
        return await _profiled(answer)


async def of_checks() -> str:
    """The periodic checks of ten thousand healthy seats."""
    async with _known(ManualClock(store.BEGAN)) as bot:
        return await _profiled(bot.run_checks)


async def of_memory(seats: int = 2_000) -> str:
    """The memory of a seat, as Python allocates it: its configuration, its reader, what is known of it, its row."""
    with tempfile.TemporaryDirectory(prefix="meterbot-bench-") as name:
        folder, clock, of = Path(name), ManualClock(store.BEGAN), store.counters(seats)
        told = whole.environment(seats, "http://127.0.0.1:9", folder, 60.0)
        shares = dict[str, float]()
        tracemalloc.start()

        def note(what: str) -> None:
            gc.collect()
            shares[what] = tracemalloc.get_traced_memory()[0] - sum(shares.values())

        note("before")
        config = load(None, told, folder)
        note("its configuration")
        async with build.assembled(config, clock, terminal=(None, io.StringIO())) as bot:
            note("its session, its reader, the rest that is made at the start")
            await store.write(bot.store, store.batch(of, clock.now(), 0))
            await bot.store.read(counter_states.read_latest)
            note("what is known of it")
            await bot.commands.context.report(clock.now())
            note("its row of the report")
        tracemalloc.stop()
    del shares["before"]
    return _shares(shares)


async def of_postgresql() -> str:
    """Storing samples on PostgreSQL, as `store` measures it: time by statement, and between the statements."""
    spent, begun = Counter[str](), [0.0]

    def before(*_: object) -> None:
        begun[0] = time.perf_counter()

    def after(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        spent[" ".join(statement.split())[:90]] += time.perf_counter() - begun[0]  # type: ignore[assignment]

    of = store.counters(store.SEATS)
    with postgres.running() as server:
        async with postgres.fresh_database(server) as url:
            kept = await open_store(url)
            await store.append(kept, store.samples(of, store.BEGAN, 0))
            event.listen(kept.engine, "before_cursor_execute", before)
            event.listen(kept.engine, "after_cursor_execute", after)
            began = time.perf_counter()
            for number in range(1, 8):
                await store.append(
                    kept,
                    store.samples(of, store.BEGAN + timedelta(minutes=number), number),
                )
            took = time.perf_counter() - began
            await kept.close()
    return _shares({**spent, "Python, and the way there": took - sum(spent.values())})


async def of_help() -> str:
    """The imports of `meterbot --help`."""
    return await asyncio.to_thread(_imported, "import meterbot.cli")


async def of_start() -> str:
    """The imports of `meterbot run`, with Slack."""
    return await asyncio.to_thread(_imported, "import meterbot.cli, meterbot.app, meterbot.chat.slack")


PROFILES: Mapping[str, Callable[[], Awaitable[str]]] = {
    "tick": of_tick,
    "answer": of_answer,
    "checks": of_checks,
    "memory": of_memory,
    "postgresql": of_postgresql,
    "help": of_help,
    "start": of_start,
}


async def _several(work: Callable[[], Awaitable[object]], times: int) -> None:
    for _ in range(times):
        await work()


async def _profiled(work: Callable[[], Awaitable[object]]) -> str:
    """The functions that used most of the CPU time, and the functions that they call."""
    profiler = cProfile.Profile(time.process_time)
    profiler.enable()
    await work()
    profiler.disable()
    stats: Any = pstats.Stats(profiler)
    spent = {_named(where): told[3] for where, told in stats.stats.items() if "meterbot" in where[0]}
    return f"{stats.total_tt * 1e3:,.0f} ms of CPU\n{_shares(spent, of=stats.total_tt)}"


def _named(where: tuple[str, int, str]) -> str:
    file, line, function = where
    return f"{file.rpartition('/meterbot/')[2]}:{line} {function}"


def _imported(statement: str) -> str:
    """The time of each package's own modules, by `-X importtime`."""
    done = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-X", "importtime", "-c", statement], capture_output=True, text=True, check=True
    )
    spent = Counter[str]()
    for line in done.stderr.splitlines()[1:]:
        own, _, module = line.removeprefix("import time:").split("|")
        package = module.strip().partition(".")[0].lstrip("_")
        spent["Python's own" if package in sys.stdlib_module_names else package] += int(own)
    return _shares(spent)


def _shares(spent: Mapping[str, float], of: float | None = None) -> str:
    whole_ = of or sum(spent.values())
    most = sorted(spent.items(), key=lambda one: -one[1])[:_MOST]
    return "\n".join(f"{value / whole_:6.1%}  {what}" for what, value in most if value > whole_ / 200)
