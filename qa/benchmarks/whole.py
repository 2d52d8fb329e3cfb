"""The whole bot on one core, with everything on, and a claude.ai that answers after 200 ms: `python -m
qa.benchmarks.whole`.

Each size is a bot in a process of its own: configuration, encrypted session keys, budget, rules, SQLite, alerts,
listener. In the first minute it reads every seat for the first time; the measurement begins after that.
"""

import argparse
import asyncio
import io
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meterbot.app import build, serve
from meterbot.app.config import Config, load
from meterbot.chat import Question
from meterbot.chat.slack.render import render
from meterbot.core.clock import SystemClock
from meterbot.core.models import SourceState
from meterbot.ingest.schedule import phase
from meterbot.store import Batch, batches
from meterbot.store.database import open_store
from qa.benchmarks import measure, upstream
from qa.benchmarks.measure import Line

FEW, MANY, MOST = 100, 3_000, 10_000
INTERVALS = {FEW: 15.0, MANY: 60.0, MOST: 60.0}
"""(seats, seconds between two readings of one seat). The bot is watched for this long, too: each seat is read twice,
and the second time is measured."""
_QUIET = 2.0
_LEAD = 3.0
_PROBE = 0.01
_ASK_EVERY = 4.0

_CONFIG = """
timezone = "Europe/Berlin"
poll_interval = "{interval:.0f}s"
database_url = "sqlite:///{folder}/meterbot.db"
secret_key_env = "BENCH_KEY"
[console]
enabled = true
[http]
bind = "127.0.0.1:{port}"
[endpoints]
claude_ai = "{url}"
# Thousands of first dollars in one minute are no ordinary minute.
[alerts]
mute = ["spend_started", "charged_within_plan"]
[[alerts.budgets]]
amount = "9000000.00"
currency = "USD"
thresholds = ["80%", "100%"]
"""
_SEAT = """
[[seats]]
name = "seat{number}"
source = "claude_ai"
session_key_env = "KEY_{number}"
plan = "max_20x"
"""


def environment(seats: int, url: str, folder: Path, interval: float) -> dict[str, str]:
    """The bot's environment: its configuration, and the secrets that it names."""
    text = _CONFIG.format(folder=folder, url=url, port=_free_port(), interval=interval)
    text += "".join(_SEAT.format(number=number) for number in range(seats))
    keys = {f"KEY_{number}": upstream.session_key(number) for number in range(seats)}
    return {"METERBOT_CONFIG_TOML": text, "BENCH_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", **keys}


def _free_port() -> int:
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@dataclass
class Probe:
    """How long the event loop was blocked, and how much CPU its thread used meanwhile: other programs on the machine do
    not change the latter."""

    away: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            wall, cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(_PROBE)
            self.away.append(time.perf_counter() - wall - _PROBE)
            self.busy.append(time.thread_time() - cpu)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, math.ceil(len(values) * share) - 1)]


async def _in_step(config: Config, interval: float) -> None:
    """Gives each seat the deadline that it would have if the bot had run all along."""
    store, begin = await open_store(config.database_url.get_secret_value()), time.time() + _LEAD
    due = []
    for seat in config.seats:
        wait = (phase(seat.name, interval) - begin) % interval
        due.append(SourceState(seat.name, next_due=datetime.fromtimestamp(begin + wait, UTC)))
    await store.run(lambda c: batches.write(c, Batch(sources=due)))
    await store.close()


async def _child(
    seats: int, url: str, seconds: float, interval: float, profile: str | None
) -> dict[str, Any]:
    quiet = Probe()
    task = asyncio.create_task(quiet.run())
    await asyncio.sleep(min(_QUIET, seconds))
    task.cancel()
    with tempfile.TemporaryDirectory(prefix="meterbot-bench-") as folder:
        config = load(None, environment(seats, url, Path(folder), interval), Path(folder))
        await _in_step(config, interval)
        stop, probe, took = asyncio.Event(), Probe(), list[float]()
        async with build.assembled(config, SystemClock(), terminal=(None, io.StringIO())) as bot:
            serve.spare_garbage()
            running = asyncio.create_task(bot.run(stop))
            await asyncio.sleep(interval + _LEAD)
            upstream.Running(url).seen(reset=True)
            profiler = None
            if profile:
                import cProfile  # noqa: PLC0415

                profiler = cProfile.Profile(time.process_time)
                profiler.enable()
            task = asyncio.create_task(probe.run())
            cpu, wall, lags = time.process_time(), time.monotonic(), list[float]()
            while time.monotonic() - wall < seconds:
                await asyncio.sleep(min(_ASK_EVERY, seconds))
                asked = time.perf_counter()
                answer = await bot.commands.answer(Question((), "slack", "U1"))
                render(answer.message)
                took.append(time.perf_counter() - asked)
                lags.append(bot.poller.lag(bot.clock.now()).total_seconds())
            cpu, wall = time.process_time() - cpu, time.monotonic() - wall
            task.cancel()
            if profiler is not None:
                profiler.disable()
                profiler.dump_stats(str(profile))
            seen = upstream.Running(url).seen()
            stop.set()
            await running
    return {
        "seats": seats,
        "cpu": cpu / wall,
        "per_read": cpu / max(seen["readings"], 1) * 1e6,
        "readings": seen["readings"],
        "expected": seats * wall / interval,
        "gets": seen["gets"],
        "stall": max(probe.away) * 1e3,
        "busy": max(probe.busy) * 1e3,
        "quiet": max(quiet.away) * 1e3,
        "answer": percentile(took, 0.99) * 1e3,
        "answer_median": statistics.median(took) * 1e3,
        "lag": max(lags),
        "memory": _most_memory(),
    }


def _most_memory() -> float:
    """The most memory, in megabytes, that this process has used. Linux usually includes the process that started it;
    this does not."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines_ = dict(line.split(":", 1) for line in status.read_text("utf-8").splitlines())
    return int(lines_["VmHWM"].split()[0]) / 1024


def run(
    seats: int, seconds: float, url: str, profile: str | None = None, interval: float | None = None
) -> dict[str, Any]:
    """Runs a bot of this many seats for this many seconds. `interval`: the seconds between two readings of a seat."""
    every = interval or INTERVALS.get(seats, 60.0)
    command = [sys.executable, "-m", "qa.benchmarks.whole", "--child", str(seats), "--seconds", str(seconds)]
    command += ["--interval", str(every), "--url", url, *(["--profile", profile] if profile else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=seconds + 240)  # noqa: S603 - our own
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def growth(found: Sequence[Mapping[str, float]]) -> float:
    """The power of the number of seats with which the whole cost grows: 1 + the slope of the cost of a reading, both as
    logarithms."""
    across = [math.log(one["seats"]) for one in found]
    up = [math.log(one["per_read"]) for one in found]
    return 1 + statistics.covariance(across, up) / statistics.variance(across)


async def lines() -> list[Line]:
    with upstream.running(0.2) as served:
        found = {
            seats: await asyncio.to_thread(run, seats, seconds, served.url)
            for seats, seconds in INTERVALS.items()
        }
    few, many, most = (found[seats] for seats in (FEW, MANY, MOST))
    each = (most["memory"] - few["memory"]) * 1024 / (MOST - FEW)
    missed = 100 - min(100.0, 100 * most["readings"] / most["expected"])
    power = growth(list(found.values()))
    return [
        Line(f"{MOST:,} seats a minute: not read in time", "0 %, ± 3 of jitter", "", "", f"{missed:.0f} %", missed, 3.0),
        *_load(MOST, most, share=0.75, answer=500, stall=150),
        *_load(MANY, many, share=0.25, answer=150, stall=100),
        Line("memory of a seat", "≤ 8 KB", "", f"in all {most['memory']:,.0f} MB; {FEW} seats {few['memory']:,.0f} MB", f"{each:.1f} KB", each, 8.0),
        Line(f"cost from {FEW} seats on, as a power of their number", "≤ 1.05", "", "", "", power, 1.05, f"{power:.3f}"),
    ]  # fmt: skip


def _load(seats: int, seen: Mapping[str, float], share: float, answer: float, stall: float) -> list[Line]:
    used = seen["per_read"] / 1e6 * seats / INTERVALS[seats]
    return [
        Line(f"{seats:,} seats a minute: share of one core", f"≤ {share:.0%}", "", f"{seen['per_read']:,.0f} µs a reading", f"{used:.0%}", used, share),
        Line(f"{seats:,} seats: the slowest `/claude-spend`", f"≤ {answer:.0f} ms", "", f"median {seen['answer_median']:,.0f} ms", f"{seen['answer']:,.0f} ms", seen["answer"], answer),
        Line(f"{seats:,} seats: the longest stall of the loop", f"≤ {stall:.0f} ms", f"idle: {seen['quiet']:,.0f} ms", f"of it CPU: {seen['busy']:,.0f} ms", f"{seen['stall']:,.0f} ms", seen["stall"], stall),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", type=int)
    parser.add_argument("--seats", type=int)
    parser.add_argument("--url")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--interval", type=float)
    parser.add_argument("--profile")
    asked = parser.parse_args()
    measure.prepare()
    if asked.child:
        child = _child(asked.child, asked.url, asked.seconds, asked.interval, asked.profile)
        print(json.dumps(asyncio.run(child)))
        return
    if asked.seats:
        with upstream.running(0.2) as served:
            print(json.dumps(run(asked.seats, asked.seconds, served.url, asked.profile), indent=1))
        return
    print(measure.table(asyncio.run(lines())))


if __name__ == "__main__":
    main()
