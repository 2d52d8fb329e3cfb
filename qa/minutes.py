"""The first five minutes, timed: from a clone to an alert in the channel, here and as on a dyno. `make minutes`.

What a person types is read from README.md, and the lines of the processes from the Procfile; Slack and claude.ai are
simulated on this machine, PostgreSQL is real. Packages are fetched as a person fetches them, which is most of the time.
"""

import asyncio
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests import postgres
from tests.e2e.team import SESSION_KEYS, Team, team
from tests.ports import free_port

ROOT = Path(__file__).parents[1]
PATIENCE = 300.0
"""Seconds: the five minutes."""


@dataclass
class Watch:
    """Prints how long each step took."""

    commands: int = 0
    begun: float = field(default_factory=time.monotonic)

    def typed(self) -> None:
        self.commands += 1

    def says(self, what: str) -> None:
        print(f"{time.monotonic() - self.begun:6.1f} s  {what}", flush=True)  # noqa: T201 - its job


def readme_commands() -> list[str]:
    """The commands of "Install", to be typed in a checkout."""
    readme = (ROOT / "README.md").read_text("utf-8")
    (block,) = re.findall(r"^## Install\n\n.*\n\n((?: {4}.*\n)+)", readme, re.MULTILINE)
    return [line.strip() for line in block.splitlines()]


def procfile() -> dict[str, str]:
    text = (ROOT / "Procfile").read_text("utf-8")
    return dict(re.findall(r"^([a-z]+): (.*)$", text, re.MULTILINE))


def environ(home: Path, **more: str) -> dict[str, str]:
    """The environment of a new account on this machine, with what the network here requires."""
    network = {
        name: value for name, value in os.environ.items() if re.search("CERT|CA_BUNDLE|_proxy$|_PROXY$", name)
    }
    return {"HOME": str(home), "PATH": os.environ["PATH"], **network, **more}


async def run(command: str, folder: Path, env: Mapping[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{command}\n{output.decode()}")


@asynccontextmanager
async def running(command: str, folder: Path, env: Mapping[str, str]) -> AsyncIterator[None]:
    """A running bot, stopped as a host stops it."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", command, cwd=folder, env=env, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
        os.killpg(process.pid, signal.SIGTERM)
        async with asyncio.timeout(10):
            if await process.wait():
                raise SystemExit(f"{command} ended with {process.returncode}")
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def posted(three: Team, words: Callable[[str], bool]) -> None:
    await three.slack.until(lambda: any(map(words, three.on_slack())), seconds=PATIENCE)


async def here(folder: Path) -> None:
    """As the README says, in a clone."""
    clone = folder / "meterbot"
    async with team() as three:
        watch = Watch()
        await run(f"git clone -q {ROOT} {clone}", folder, environ(folder))
        watch.says("cloned")
        first, install, init, start = readme_commands()
        for command in (first, install):
            await run(command, clone, environ(folder))
            watch.typed()
            watch.says(command)
        flags = (
            f"--slack --slack-channel {three.slack.channel} --seat ana --source claude_ai --credential-env ANA"
            f" --plan max_20x --timezone UTC --endpoint slack_api={three.slack.api_url} --endpoint claude_ai={three.claude.url}"
        )
        secrets = {
            "SLACK_BOT_TOKEN": three.slack.bot_token,
            "SLACK_APP_TOKEN": three.slack.app_token,
            "ANA": SESSION_KEYS["ana"],
        }
        await run(f"{init} {flags}", clone, environ(folder, **secrets))
        watch.typed()
        await posted(three, lambda text: text.startswith("Test"))
        watch.says(f"{init}: the test alert is in the channel, after {watch.commands} commands")
        three.block("ana")
        async with running(start, clone, environ(folder, **secrets)):
            watch.typed()
            await posted(three, lambda text: "ana is BLOCKED" in text)
            watch.says(f"{start}: so is an alert of the seat, after {watch.commands} commands")


async def on_a_dyno(folder: Path) -> None:
    """The build, the release line and the worker line, with the source read-only and the configuration only in
    variables."""
    app, built = folder / "app", folder / "built"
    await run(f"git clone -q {ROOT} {app} && rm -rf {app}/.git", folder, environ(folder))
    with postgres.running() as server:
        async with team() as three, postgres.fresh_database(server) as url:
            toml = three.toml("sqlite:///never-used.db", poll_interval="60s")
            path = f"{built}/bin:{os.environ['PATH']}"
            dyno = {
                "DYNO": "run.1",
                "PORT": str(free_port()),
                "WEB_CONCURRENCY": "8",
                "PYTHONDONTWRITEBYTECODE": "1",
                "DATABASE_URL": url.replace("postgresql://", "postgres://", 1),
                "METERBOT_CONFIG_TOML": toml,
                "PATH": path,
                **three.environ,
            }
            watch = Watch()
            build = f"{sys.executable} -m venv {built} && {built}/bin/pip install -q -r requirements.txt"
            await run(build, app, environ(folder))
            watch.says("built: pip install -r requirements.txt")
            for each in [app, *app.rglob("*")]:
                each.chmod(each.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
            lines = procfile()
            await run(lines["release"], app, environ(folder, **dyno))
            watch.says(f"release: {lines['release']}")
            three.block("ana")
            async with running(lines["worker"], app, environ(folder, **{**dyno, "DYNO": "worker.1"})):
                await posted(three, lambda text: "ana is BLOCKED" in text)
                watch.says(f"worker: {lines['worker']}: the alert is in the channel")
            for each in [app, *app.rglob("*")]:
                each.chmod(each.stat().st_mode | stat.S_IWUSR)


async def main() -> None:
    for name, story in (("Here, as the README says", here), ("As on a dyno", on_a_dyno)):
        print(f"\n{name}", flush=True)  # noqa: T201 - as above
        folder = Path(tempfile.mkdtemp(prefix="meterbot-minutes-"))
        try:
            await story(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    asyncio.run(main())
