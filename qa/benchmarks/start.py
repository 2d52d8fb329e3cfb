"""The time of a start: `python -m qa.benchmarks.start`.

Whole processes, compared with what a Python needs to load asyncio. The goals are those of a machine on which that takes
31 ms; the ratio is compared.
"""

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from qa.benchmarks import measure
from qa.benchmarks.measure import Line
from tests.simulator.slack import SlackSimulator

_RUNS = 5
_ASYNCIO = 31.0
"""Milliseconds that `import asyncio` takes on the machine for which the goals were set."""
_PROGRAM = str(Path(sys.executable).with_name("meterbot"))
_LARGE = ("discord", "slack_bolt", "matplotlib", "psycopg", "alembic", "rich")
_LOADED = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps([name for name in {large} if name in sys.modules])))
sys.argv = ["meterbot", "run"]
from meterbot.cli import main
main()
"""
_CONFIG = """
database_url = "sqlite:///{folder}/meterbot.db"
[slack]
channel = "C0123456789"
mode = "http"
[endpoints]
slack_api = "{url}"
[http]
bind = "127.0.0.1:0"
[[seats]]
name = "ana"
source = "push"
"""


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _spent(command: list[str]) -> float:
    """Seconds of CPU of a whole process."""
    before = _children()
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own
    return _children() - before


async def lines() -> list[Line]:
    helping, bare, ready = [], [], []
    async with SlackSimulator() as slack:
        for _ in range(_RUNS):
            loaded, empty = [
                await asyncio.to_thread(_spent, [sys.executable, "-c", code])
                for code in ("import asyncio", "pass")
            ]
            bare.append(max(loaded - empty, 1e-3))
            helping.append(await asyncio.to_thread(_spent, [_PROGRAM, "--help"]))
            ready.append(await _ready(slack))
        libraries = await _libraries(slack)
    floor = f"{statistics.median(bare) * 1e3:,.0f} ms (import asyncio)"
    said = f"of {', '.join(_LARGE)} loaded: {', '.join(libraries)}"
    return [
        _line("`meterbot --help`", 120, (floor, ""), helping, bare),
        _line("ready, with Slack alone", 1000, (floor, said), ready, bare),
    ]


def _line(what: str, goal: int, beside: tuple[str, str], ours: list[float], bare: list[float]) -> Line:
    milliseconds = statistics.median(ours) * 1e3
    times = measure.ratio(ours, bare)
    most = goal / _ASYNCIO
    shown = f"{milliseconds:,.0f} ms of CPU"
    return Line(what, f"≤ {most:.1f} × floor: {goal:,} ms", *beside, shown, times, most)


async def _started(slack: SlackSimulator, folder: str, *command: str) -> asyncio.subprocess.Process:
    """Starts `meterbot run`, and returns as soon as it says that it has started."""
    child = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "METERBOT_CONFIG_TOML": _CONFIG.format(folder=folder, url=slack.api_url),
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_SIGNING_SECRET": slack.signing_secret,
        },
    )
    assert child.stderr is not None
    async for line in child.stderr:
        if json.loads(line)["event"] == "started":
            return child
    raise AssertionError("meterbot ended before it had started")


async def _ready(slack: SlackSimulator) -> float:
    """Seconds of CPU until the bot is connected and at work; then ends it."""
    with tempfile.TemporaryDirectory(prefix="meterbot-bench-") as folder:
        before = _children()
        child = await _started(slack, folder, _PROGRAM, "run")
        child.kill()
        await child.communicate()
        return _children() - before


async def _libraries(slack: SlackSimulator) -> list[str]:
    """The large libraries that it loaded."""
    with tempfile.TemporaryDirectory(prefix="meterbot-bench-") as folder:
        child = await _started(slack, folder, sys.executable, "-c", _LOADED.format(large=_LARGE))
        child.terminate()
        printed, _ = await child.communicate()
        found: list[str] = json.loads(printed.splitlines()[-1])
        return found


if __name__ == "__main__":
    measure.prepare()
    print(measure.table(asyncio.run(lines())))
