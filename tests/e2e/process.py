"""meterbot as a process of its own, as an operator starts it."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.e2e import nursery
from tests.tripwire import sitecustomize as tripwire

Process = asyncio.subprocess.Process | nursery.Process

SECONDS = 60.0
"""The seconds in which a command must have ended."""


@dataclass(frozen=True)
class Ended:
    """A command that ran to its end."""

    status: int
    stdout: str
    stderr: str


def surroundings(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The smallest environment that a process needs: nothing of the developer's own set-up."""
    # As in the tests themselves: every warning is an error, but for one that discord.py causes.
    warnings = "error,ignore:'audioop' is deprecated:DeprecationWarning"
    home = {"HOME": "/nowhere", "PATH": os.environ.get("PATH", ""), "PYTHONWARNINGS": warnings}
    return {**home, **tripwire.surroundings(Path(__file__).parents[2]), **(environ or {})}


@asynccontextmanager
async def started(
    *words: str,
    environ: Mapping[str, str] | None = None,
    cwd: Path,
    stdin: bytes | None = None,
    module: str = "meterbot",
) -> AsyncIterator[Process]:
    """`meterbot <words>`, killed with the block if it has not ended. `stdin` None is an empty one. `module`: another
    main program that takes the same words."""
    own = {name for name in environ or {} if name.startswith("PYTHON")} - {"PYTHONIOENCODING"}
    begin = spawned if own else nursery.piped
    process = await begin(
        words, environ=surroundings(environ), cwd=cwd, stdin=stdin is not None, module=module
    )
    if process.stdin is not None and stdin:
        process.stdin.write(stdin)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await ended(process)


async def spawned(
    words: tuple[str, ...], *, environ: Mapping[str, str], cwd: Path, stdin: bool, module: str = "meterbot"
) -> Process:
    """A process with a Python of its own, as in production."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *words, env=environ, cwd=cwd,
        stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=2**20,
    )  # fmt: skip


async def ended(process: Process, seconds: float = SECONDS) -> Ended:
    """Waits for its end."""
    async with asyncio.timeout(seconds):
        stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, stdout.decode(), stderr.decode())


async def meterbot(
    *words: str,
    environ: Mapping[str, str] | None = None,
    cwd: Path,
    seconds: float = SECONDS,
    module: str = "meterbot",
) -> Ended:
    """Runs a command to its end."""
    async with started(*words, environ=environ, cwd=cwd, module=module) as process:
        return await ended(process, seconds)


async def line(stream: asyncio.StreamReader | None, wanted: Callable[[str], bool]) -> str:
    """Reads until a line matches."""
    assert stream is not None
    heard = ""
    try:
        async with asyncio.timeout(SECONDS):
            async for raw in stream:
                heard += raw.decode()
                if wanted(raw.decode()):
                    return raw.decode()
    except TimeoutError:
        raise TimeoutError(f"it was not said, only: {heard}") from None
    raise EOFError(f"the process ended and said only: {heard}")


async def readyz(port: int) -> tuple[int, str]:
    """What a bot answers when it is asked whether it is ready. Its log has a line when that changes."""
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/readyz") as answer:
        return answer.status, await answer.text()


async def stop(process: Process, number: signal.Signals = signal.SIGTERM) -> Ended:
    """Asks the process to end, and waits for the ten seconds in which it promises to do so."""
    process.send_signal(number)
    return await ended(process, 10)


def all_recorded(database: Path) -> bool:
    """Whether nothing waits in a bot's SQLite file, and nothing is being sent. A post that was not recorded before its
    process was killed would be looked for, too, but only when its claim has run out."""
    with closing(sqlite3.connect(database)) as connection:
        query = "select count(*) from deliveries where claimable_at is not null"
        return bool(connection.execute(query).fetchone() == (0,))
