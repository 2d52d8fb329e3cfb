"""The environment of one schedule: the simulated platforms, the bots, and the time, which jumps once everything
waits."""

import asyncio
import heapq
import itertools
import os
import resource
import signal
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from aiohttp import web

from qa.faults.virtual import NEVER, Page, Slot
from qa.faults.zygote import Birth, Zygote
from tests.simulator.discord import DiscordSimulator
from tests.simulator.discord_faults import Handler
from tests.simulator.discord_objects import Json
from tests.simulator.slack import SlackSimulator

SECOND = 1_000_000
_ports = itertools.count()
_LOOK_SECONDS = 0.02
"""How often the director checks whether everything waits, if nobody reports it."""
_TURNS = 12
"""Rounds of our event loop in which a connection is accepted and its request reaches a platform."""


class Weather(Protocol):
    """Applies faults between a call and the platform."""

    async def serve(
        self, platform: str, call: str, request: web.Request, handler: Handler
    ) -> web.StreamResponse: ...


FLOOD = {"slack": 4_200, "discord": 3_200}
"""More messages than the bot searches for one that may have arrived."""


class StormySlack(SlackSimulator):
    """A simulated Slack with faults."""

    def __init__(self, weather: Weather, **more: Any) -> None:
        super().__init__(**more)
        self._weather = weather

    async def _serve_call(self, request: web.Request) -> web.StreamResponse:
        return await self._weather.serve("slack", request.match_info["method"], request, super()._serve_call)

    async def flood(self) -> None:
        """Adds thousands of people's messages after the newest one, where that is."""
        newest = self.channels[self.channel].messages[-1]
        for _ in range(FLOOD["slack"]):
            self._add(self.channel, {"text": "well"}, {"user": self.user}, newest.thread_ts)


class StormyDiscord(DiscordSimulator):
    """A simulated Discord with faults. `edits`: earlier texts of messages, by id."""

    def __init__(self, weather: Weather, **more: Any) -> None:
        super().__init__(**more)
        self._weather = weather
        self.edits: dict[str, list[Json]] = {}

    async def _served(self, request: web.Request, path: str, handler: Handler) -> web.StreamResponse:
        async def inner(again: web.Request) -> web.StreamResponse:
            return await super(StormyDiscord, self)._served(again, path, handler)

        return await self._weather.serve("discord", f"{request.method} {path}", request, inner)

    async def flood(self) -> None:
        """Adds thousands of people's messages."""
        for _ in range(FLOOD["discord"]):
            await self.say("well")

    async def _edit_message(self, request: web.Request) -> web.Response:
        before = self._message(request)
        if not isinstance(before, web.Response):
            self.edits.setdefault(before["id"], []).append(before)
        return await super()._edit_message(request)


@dataclass
class Bot:
    """One process."""

    pid: int
    slot: Slot
    socket: socket.socket
    ended: asyncio.Future[int]


@dataclass
class World:
    """The time of one schedule, and everything that uses it. `calls`: how many requests the platforms are answering."""

    page: Page
    zygote: Zygote
    bots: dict[int, Bot] = field(default_factory=dict)
    calls: int = 0
    leaps: int = 0
    births: int = 0
    exits: list[int] = field(default_factory=list)
    _alarms: list[tuple[int, int, asyncio.Future[None]]] = field(default_factory=list)
    _alarm: int = 0
    _pulse: asyncio.Event = field(default_factory=asyncio.Event)
    _conducting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._conducting = asyncio.create_task(self._conduct())
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._conducting is not None:
            self._conducting.cancel()
        for number in list(self.bots):
            self.kill(number)
        await asyncio.gather(*(bot.ended for bot in list(self.bots.values())))

    # Time.

    @property
    def now(self) -> int:
        return self.page.now

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._alarm += 1
        heapq.heappush(self._alarms, (self.now + round(seconds * SECOND), self._alarm, future))
        self._pulse.set()
        await future

    def pulse(self) -> None:
        """Reports that something has ended, so that everything may be waiting now."""
        self._pulse.set()

    async def _conduct(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            look = loop.call_later(_LOOK_SECONDS, self._pulse.set)
            await self._pulse.wait()
            look.cancel()
            self._pulse.clear()
            seen = self._rests()
            if seen is None:
                continue
            # Everything that a bot has sent is in our sockets by now: receive that first, with new connections.
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            if self._rests() == seen and not self._pulse.is_set() and self._all_asleep():
                self._leap(seen)

    def _rests(self) -> dict[int, tuple[int, int]] | None:
        """The next instant at which somebody wakes up; None while somebody is working."""
        if self.calls:
            return None
        rests = {}
        for number, bot in self.bots.items():
            rest = bot.slot.rest
            if rest is None:
                return None
            rests[number] = rest
        return rests

    def _all_asleep(self) -> bool:
        return all(_state(bot.pid) == "S" for bot in self.bots.values())

    def _leap(self, rests: Mapping[int, tuple[int, int]]) -> None:
        while self._alarms and self._alarms[0][2].cancelled():
            heapq.heappop(self._alarms)
        alarm = self._alarms[0][0] if self._alarms else NEVER
        to = min([alarm, *(deadline for _, deadline in rests.values())])
        if to == NEVER:
            return
        self.leaps += 1
        self.page.now = now = max(self.now, to)
        while self._alarms and self._alarms[0][0] <= now:
            future = heapq.heappop(self._alarms)[2]
            if not future.done():
                future.set_result(None)
        for number, (_, deadline) in rests.items():
            if deadline <= now:
                self._wake(self.bots[number])
        self._pulse.set()

    def _wake(self, bot: Bot) -> None:
        try:
            bot.socket.send(b".")
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            return  # it has enough to read, or is gone

    # Bots.

    def start(self, number: int, birth: Birth, **kill: int) -> Bot:
        """`kill` is that of `Slot.clear`."""
        slot = self.page.slot(number)
        slot.clear(**kill)
        pid, line = self.zygote.start(birth)
        self.births += 1
        line.setblocking(False)
        loop = asyncio.get_running_loop()
        bot = Bot(pid, slot, line, loop.create_future())
        self.bots[number] = bot
        loop.add_reader(line.fileno(), self._heard, number, bot)
        return bot

    def _heard(self, number: int, bot: Bot) -> None:
        self._pulse.set()
        try:
            if bot.socket.recv(4096):
                return
        except BlockingIOError:
            return
        except ConnectionResetError:
            pass
        asyncio.get_running_loop().remove_reader(bot.socket.fileno())
        bot.socket.close()
        if self.bots.get(number) is bot:
            del self.bots[number]
        status = self.zygote.reap(bot.pid)
        self.exits.append(status)
        bot.ended.set_result(status)

    def kill(self, number: int) -> None:
        self._signal(number, signal.SIGKILL)

    def terminate(self, number: int) -> None:
        self._signal(number, signal.SIGTERM)

    def _signal(self, number: int, what: signal.Signals) -> None:
        # It is reaped only after its socket was read to the end, so the number is still its own.
        if number in self.bots:
            os.kill(self.bots[number].pid, what)

    def limit_files(self, size: int | None) -> None:
        """Limits the size of files that a bot can write, like a full disk. None removes the limit."""
        for bot in self.bots.values():
            hard = resource.prlimit(bot.pid, resource.RLIMIT_FSIZE)[1]
            soft = hard if size is None else size
            resource.prlimit(bot.pid, resource.RLIMIT_FSIZE, (soft, hard))


def _state(pid: int) -> str:
    """`S` for a process whose main thread sleeps."""
    try:
        with Path(f"/proc/{pid}/stat").open("rb") as file:
            return file.read(256).rpartition(b")")[2][1:2].decode()
    except FileNotFoundError:
        return "X"


def reset(request: web.Request) -> None:
    """Breaks the connection with a RST instead of a FIN."""
    if request.transport is not None:
        raw = request.transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()


def free_port() -> int:
    """A port that nothing else uses: the system gives only higher ones, and no other process of a campaign gets it."""
    mine = 20_000 + os.getpid() % 100 * 100
    for _ in range(100):
        port = mine + next(_ports) % 100
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError(f"no port from {mine} on is free")
