"""The whole bot on one core, with everything on, while a claude.ai answers after 200 ms: `python -m qa.benchmarks.whole`.

Each size is a bot in a process of its own: configuration, session keys kept encrypted, budget, rules, SQLite, alerts,
listener. Its first minute reads every seat for the first time; what is measured comes after it.
"""

import argparse
import asyncio
import io
import json
import math
import os
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

MOST = 10_000
SIZES = {100: 15.0, 1_000: 20.0, MOST: 60.0}
"""Seats, and for how many seconds they are watched."""
INTERVALS = {100: 15.0, 1_000: 20.0, MOST: 60.0}
"""Seats, and how many seconds lie between two readings of one. Each is read twice: the second time is measured."""
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
    """What the bot is told: its configuration, and the secrets that this names."""
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
    """How long the loop was away, and how much CPU its thread used meanwhile: that is what a neighbour on the machine
    does not add to."""

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
    """Gives each seat the deadline it would have had if the bot had run all along: its next place in time."""
    store, begin = await open_store(config.database_url.get_secret_value()), time.time() + _LEAD
    due = []
    for seat in config.seats:
        wait = (phase(seat.name, interval) - begin) % interval
        due.append(SourceState(seat.name, next_due=datetime.fromtimestamp(begin + wait, UTC)))
    await store.run(lambda c: batches.write(c, Batch(sources=due)))
    await store.close()


async def _child(seats: int, url: str, seconds: float, profile: str | None) -> dict[str, Any]:
    interval = INTERVALS.get(seats, 60.0)
    quiet = Probe()
    task = asyncio.create_task(quiet.run())
    await asyncio.sleep(2)
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
                await asyncio.sleep(_ASK_EVERY)
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
    """Megabytes that this process once held. Linux also counts those of the process that started it, but not here."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = dict(line.split(":", 1) for line in status.read_text("utf-8").splitlines())
    return int(told["VmHWM"].split()[0]) / 1024


def run(seats: int, seconds: float, url: str, profile: str | None = None) -> dict[str, Any]:
    """A bot of so many seats, watched for so many seconds."""
    command = [sys.executable, "-m", "qa.benchmarks.whole", "--child", str(seats), "--seconds", str(seconds)]
    command += ["--url", url, *(["--profile", profile] if profile else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=seconds + 240)  # noqa: S603 - our own
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def growth(told: Sequence[Mapping[str, float]]) -> float:
    """With which power of the number of seats a reading's cost grows: 1 + the slope of its logarithm."""
    across = [math.log(one["seats"]) for one in told]
    up = [math.log(one["per_read"]) for one in told]
    return 1 + statistics.covariance(across, up) / statistics.variance(across)


async def lines() -> list[Line]:
    with upstream.running(0.2) as served:
        told = [await asyncio.to_thread(run, seats, seconds, served.url) for seats, seconds in SIZES.items()]
    few, many = told[0], told[-1]
    each = (many["memory"] - few["memory"]) * 1024 / (many["seats"] - few["seats"])
    missed = 100 - min(100.0, 100 * many["readings"] / many["expected"])
    share = many["per_read"] / 1e6 * MOST / INTERVALS[MOST]
    power = growth(told)
    lost = f"idle: {many['quiet']:,.0f} ms"
    return [
        Line(f"{MOST:,} seats a minute: not read in time", "0 %, ± 3 of jitter", "", "", f"{missed:.0f} %", missed, 3.0),
        Line("share of the core that all readings take", "≤ 45 %", "", f"{many['per_read']:,.0f} µs a reading; used: {many['cpu']:.0%}", f"{share:.0%}", share, 0.45),
        Line("memory", "≤ 128 MB", "", f"{few['seats']} seats: {few['memory']:,.0f} MB", f"{many['memory']:,.0f} MB", many["memory"], 128),
        Line("memory of a seat", "≤ 1 KB", "", "", f"{each:.1f} KB", each, 1.0),
        Line("longest stall: CPU of the loop between two turns", "≤ 50 ms", lost, f"by the clock {many['stall']:,.0f} ms", f"{many['busy']:,.0f} ms", many["busy"], 50),
        Line("`/claude-spend`, the slowest", "≤ 25 ms", "", f"{few['seats']} seats: {few['answer']:,.0f} ms", f"{many['answer']:,.0f} ms", many["answer"], 25),
        Line("cost from 100 seats on, as a power of their number", "≤ 1.05", "", "", "", power, 1.05, f"{power:.3f}"),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", type=int)
    parser.add_argument("--seats", type=int)
    parser.add_argument("--url")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--profile")
    asked = parser.parse_args()
    measure.prepare()
    if asked.child:
        print(
            json.dumps(asyncio.run(_child(asked.child, asked.url, asked.seconds, asked.profile))), flush=True
        )
        os._exit(0)
    if asked.seats:
        with upstream.running(0.2) as served:
            print(json.dumps(run(asked.seats, asked.seconds, served.url, asked.profile), indent=1))
        return
    print(measure.table(asyncio.run(lines())))


if __name__ == "__main__":
    main()
