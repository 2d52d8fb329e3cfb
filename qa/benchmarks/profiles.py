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
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event

from meterbot.app import build
from meterbot.app.config import load
from meterbot.app.run import Bot
from meterbot.chat.slack.render import render
from meterbot.commands.privacy import View
from meterbot.commands.readings import read_report
from meterbot.commands.words.team import team
from meterbot.core.clock import ManualClock
from meterbot.core.models import Health, SourceState
from meterbot.store import counter_states
from meterbot.store.database import open_store
from qa.benchmarks import measure, store, tick, upstream, whole, workers
from tests import postgres

_MOST = 40


async def of_tick() -> str:
    """A tick of 128 seats, as `tick` measures it: on the event loop, and on the store's thread."""
    with upstream.running() as served:
        async with tick.ticking(served) as (tick_, _, kept):
            await tick_()
            loop, writer = (cProfile.Profile(time.thread_time) for _ in range(2))
            loop.enable()
            await _several(tick_, 4)
            loop.disable()
            await kept.run(lambda _: writer.enable())
            await _several(tick_, 4)
            await kept.run(lambda _: writer.disable())
    parts = {"the event loop": _rooms(loop), "the store's thread": _rooms(writer)}
    took = {name: sum(rooms.values()) for name, rooms in parts.items()}
    return "\n\n".join(
        [_shares(took), *(f"{name}, by who has the CPU:\n{_shares(rooms)}" for name, rooms in parts.items())]
    )


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
    """An answer to `/claude-spend` about ten thousand seats."""
    clock = ManualClock(store.BEGAN)
    async with _known(clock) as bot:
        profiler = cProfile.Profile(time.thread_time)
        profiler.enable()
        with bot.store.engine.connect() as connection:
            report = read_report(connection, bot.seats.values(), clock.now())
        render(team(View(report)))
        profiler.disable()
    return f"By who has the CPU:\n{_shares(_rooms(profiler))}\n\nBy function:\n{_functions(profiler)}"


async def of_checks() -> str:
    """The periodic checks of ten thousand healthy seats."""
    async with _known(ManualClock(store.BEGAN)) as bot:
        return await _profiled(bot.run_checks)


async def of_memory(seats: int = 2_000) -> str:
    """What a seat takes, as Python allocates it: for ever, and while an answer is made."""
    with tempfile.TemporaryDirectory(prefix="meterbot-bench-") as name:
        folder, clock, of = Path(name), ManualClock(store.BEGAN), store.counters(seats)
        environ = whole.environment(seats, "http://127.0.0.1:9", folder, 60.0)
        found = dict[str, int]()
        tracemalloc.start()

        def note(what: str) -> None:
            gc.collect()
            found[what] = tracemalloc.get_traced_memory()[0] - sum(found.values())

        note("before")
        config = load(None, environ, folder)
        note("its configuration")
        async with build.assembled(config, clock, terminal=(None, io.StringIO())) as bot:
            await store.write(bot.store, store.batch(of, clock.now(), 0))
            note("its session, its reader, its deadline")
            tracemalloc.reset_peak()
            held, _ = tracemalloc.get_traced_memory()
            await bot.commands.context.report(clock.now())
            found["its part of an answer, while that is made"] = tracemalloc.get_traced_memory()[1] - held
        tracemalloc.stop()
    del found["before"]
    return "\n".join(f"{size / seats:6,.0f} bytes  {what}" for what, size in found.items())


async def of_samples() -> str:
    """Samples kept on SQLite, as `store` measures it."""
    of, profiler = store.counters(store.SEATS), cProfile.Profile(time.thread_time)
    with tempfile.TemporaryDirectory(prefix="meterbot-bench-") as folder:
        kept = await open_store(f"sqlite:///{folder}/samples.db")
        for minute in range(4):
            if minute == 1:
                await kept.run(lambda _: profiler.enable())
            await store.append(kept, store.samples(of, store.BEGAN + timedelta(minutes=minute), minute))
        await kept.run(lambda _: profiler.disable())
        await kept.close()
    return f"By who has the CPU:\n{_shares(_rooms(profiler))}\n\nBy function:\n{_functions(profiler)}"


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


async def of_workers() -> str:
    """What a reading costs by the number of workers on one PostgreSQL."""
    return "\n".join(
        f"{measure.counted(each.workers, 'worker')}: {each.readings:,.0f} readings a second; CPU of a reading"
        f" {each.loop / each.readings * 1e6:,.0f} µs on the event loop,"
        f" {(each.cpu - each.loop) / each.readings * 1e6:,.0f} µs on other threads;"
        f" {each.readings / each.commits:.1f} readings for each commit,"
        f" {each.statements / each.readings:.1f} statements for each reading"
        for each in await workers.measured((1, 2))
    )


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
    "samples": of_samples,
    "postgresql": of_postgresql,
    "workers": of_workers,
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
    return _functions(profiler)


def _functions(profiler: cProfile.Profile) -> str:
    stats: Any = pstats.Stats(profiler)
    spent = {_named(where): timing[3] for where, timing in stats.stats.items() if "meterbot" in where[0]}
    return f"{stats.total_tt * 1e3:,.0f} ms of CPU\n{_shares(spent, of=stats.total_tt)}"


def _rooms(profiler: cProfile.Profile) -> Mapping[str, float]:
    """Seconds by room of meterbot and by library, without what they call. A function written in C counts for its
    callers."""
    stats: Any = pstats.Stats(profiler)
    spent = Counter[str]()
    for (file, _, _), (_, _, own, _, callers) in stats.stats.items():
        if file != "~":
            spent[_room(file)] += own
            continue
        for (caller, _, _), (_, _, its, _) in callers.items():
            spent[_room(caller)] += its
    return spent


def _room(file: str) -> str:
    _, library, inside = file.rpartition("site-packages/")
    if library:
        return inside.partition("/")[0]
    _, ours, inside = file.rpartition("/meterbot/")
    return f"meterbot/{inside.partition('/')[0]}" if ours else "Python's own"


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
