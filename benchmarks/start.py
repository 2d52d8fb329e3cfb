"""How long it takes to begin: `python -m benchmarks.start`. Whole processes, beside a Python that does nothing."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import measure
from benchmarks.measure import Line
from meterbot.simulator.slack import SlackSimulator

_RUNS = 5
_READY = """
import asyncio, io, os, sys, json, time
from pathlib import Path
from meterbot import app
from meterbot.clock import SystemClock
from meterbot.config import load

async def main():
    folder = Path(sys.argv[1])
    config = load(None, {"METERBOT_CONFIG_TOML": sys.argv[2], **os.environ}, folder)
    async with app.assembled(config, SystemClock(), terminal=(None, io.StringIO())):
        cpu = time.process_time()
        libraries = [name for name in ("discord", "slack_bolt", "matplotlib", "asyncpg") if name in sys.modules]
        print(json.dumps({"cpu": cpu, "libraries": libraries}))
        sys.stdout.flush()

asyncio.run(main())
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


def _spent(command: list[str], environment: dict[str, str] | None = None) -> tuple[float, str]:
    """Seconds of CPU of a whole process, and what it printed."""
    before = os.times()
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)  # noqa: S603 - our own
    after = os.times()
    children = after.children_user + after.children_system - before.children_user - before.children_system
    return children, done.stdout


async def lines() -> list[Line]:
    helping, bare = [], []
    program = str(Path(sys.executable).with_name("meterbot"))
    for _ in range(_RUNS):
        bare.append(_spent([sys.executable, "-c", "import asyncio"])[0])
        helping.append(_spent([program, "--help"])[0])
    ready, libraries = await _ready()
    floor = f"{statistics.median(bare) * 1e3:,.0f} ms (import asyncio)"
    said = ", ".join(libraries) or "none"
    return [
        _line("`meterbot --help`", 120, floor, "", statistics.median(helping) * 1e3),
        _line(
            "ready, with Slack alone",
            1000,
            floor,
            f"of Slack, Discord, charts, PostgreSQL loaded: {said}",
            ready,
        ),
    ]


def _line(what: str, goal: int, floor: str, peers: str, milliseconds: float) -> Line:
    shown = f"{milliseconds:,.0f} ms of CPU"
    return Line(what, f"≤ {goal:,} ms", floor, peers, shown, milliseconds, goal, shown)


async def _ready() -> tuple[float, list[str]]:
    """Milliseconds of CPU until the bot is connected, and the large libraries that it loaded."""
    told = []
    async with SlackSimulator() as slack:
        for _ in range(_RUNS):
            with tempfile.TemporaryDirectory(prefix="meterbot-bench-") as folder:
                text = _CONFIG.format(folder=folder, url=slack.api_url)
                secrets = {"SLACK_BOT_TOKEN": slack.bot_token, "SLACK_SIGNING_SECRET": slack.signing_secret}
                child = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-c",
                    _READY,
                    folder,
                    text,
                    stdout=asyncio.subprocess.PIPE,
                    env={**os.environ, **secrets},
                )
                printed, _ = await child.communicate()
                told.append(json.loads(printed.splitlines()[-1]))
    return statistics.median(one["cpu"] for one in told) * 1e3, told[0]["libraries"]


if __name__ == "__main__":
    measure.prepare()
    print(measure.table(asyncio.run(lines())))
