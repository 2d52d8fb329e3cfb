"""A terminal with a person who answers questions."""

import asyncio
import os
import pty
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.nursery import Process, nursery
from tests.e2e.process import SECONDS, surroundings


@dataclass
class Screen:
    """Everything that was shown. Typed text is shown, too, unless the program hides it."""

    process: Process
    _master: int
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    shown: str = ""
    _read: int = 0

    def receive(self) -> None:
        try:
            data = os.read(self._master, 65_536)
        except OSError:  # the other end is closed: how Linux says that a terminal has ended
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        self._arrived.set()

    async def sees(self, words: str) -> None:
        """Waits for words that were not read before."""
        try:
            async with asyncio.timeout(SECONDS):
                while (at := self.shown.find(words, self._read)) < 0:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise TimeoutError(f"{words!r} was not shown after: {self.shown[self._read :]}") from None
        self._read = at + len(words)

    async def answers(self, question: str, answer: str) -> None:
        await self.sees(question)
        os.write(self._master, f"{answer}\n".encode())

    async def interrupts(self, question: str) -> None:
        """Presses Ctrl-C instead of an answer."""
        await self.sees(question)
        os.write(self._master, b"\x03")

    async def ended(self) -> int:
        async with asyncio.timeout(SECONDS):
            return await self.process.wait()


@asynccontextmanager
async def sitting_at(
    *words: str, environ: Mapping[str, str] | None = None, cwd: Path
) -> AsyncIterator[Screen]:
    """`meterbot <words>` on a terminal of its own, killed with the block if it has not ended."""
    master, slave = pty.openpty()
    process = nursery().start(
        words,
        environ={**surroundings(environ), "TERM": "dumb", "COLUMNS": "200"},
        cwd=cwd,
        files=(slave, slave, slave),
        terminal=True,
    )
    os.close(slave)
    screen = Screen(process, master)
    asyncio.get_running_loop().add_reader(master, screen.receive)
    try:
        yield screen
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)
