"""The faults of a schedule: chosen at random, written down before it starts, and applied to the bots' calls."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from qa.faults.refusals import Refusal
from qa.faults.stage import SECOND, World, reset
from tests.simulator import discord_faults
from tests.simulator.discord_faults import Handler
from tests.simulator.discord_objects import Json

CALL_FAULTS = ("drop", "reset", "hang", "500", "502", "503", "429", "kill", "term")
"""A fault of one call. With `accept`, the call took effect first."""
_OUTAGES = ("drop", "503", "429", "hang")
_ANY_TIME = ("kill point", "kill commit", "kill", "term")
_SOCKETS = {
    "slack": ("socket refresh", "socket drop", "handshake refused"),
    "discord": ("gateway reconnect", "gateway invalid", "gateway resumable", "gateway drop", "gateway close"),
}
_DATABASE = {"sqlite": ("locked", "disk full"), "postgresql": ("connections cut", "database down")}
_GROUPS = ("post", "post", "post", "edit", "look", "start", "any")
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, from the beginning of step `step`. `number` is what the kind counts: seconds, callbacks, commits,
    milliseconds."""

    kind: str
    step: int
    platform: str = ""
    group: str = ""
    number: float = 0.0
    accept: bool = False
    times: int = 1

    def __str__(self) -> str:
        where = f" of {self.platform} {self.group}".rstrip() if self.platform else ""
        number = f" {self.number:g}" if self.number else ""
        taken = " after it took effect" if self.accept else ""
        times = f" x{self.times}" if self.times > 1 else ""
        return f"step {self.step}: {self.kind}{number}{where}{taken}{times}"


def choose(rng: random.Random, steps: int, platforms: tuple[str, ...], database: str) -> tuple[Fault, ...]:
    faults = [_one(rng, rng.randrange(-1, steps), platforms, database) for _ in range(rng.randint(1, 5))]
    return tuple(sorted(faults, key=lambda fault: fault.step))


def _one(rng: random.Random, step: int, platforms: tuple[str, ...], database: str) -> Fault:
    platform, sort = rng.choice(platforms), rng.random()
    if sort < 0.5:
        kind = rng.choice(CALL_FAULTS)
        number = 0.0
        if kind == "429":
            number = rng.choice((0, 1, 3, 30, 60))
        elif kind == "kill":
            number = rng.choice((0, 0, rng.randint(1, 60)))
        times = rng.choice((1, 1, 1, 2, 6)) if kind not in {"kill", "term"} else 1
        accept = rng.random() < 0.6
        return Fault(kind, step, platform, rng.choice(_GROUPS), number, accept, times)
    if sort < 0.7:
        kind = rng.choice(_ANY_TIME)
        most = {"kill point": 600, "kill commit": 16}.get(kind, 0)
        number = rng.randint(1, most) if most else rng.choice((0.0, 1.0, 30.0))
        return Fault(kind, step, number=number)
    if sort < 0.79:
        return Fault(
            "outage " + rng.choice(_OUTAGES), step, platform, "any", rng.choice((20.0, 120.0, 1200.0))
        )
    if sort < 0.88:
        return Fault(rng.choice(_SOCKETS[platform]), step, platform)
    if sort < 0.96:
        kind = rng.choice(_DATABASE[database])
        if database == "postgresql" and rng.random() < 0.05:
            kind = "server crashed"
        return Fault(kind, step, number=rng.choice((40, 1_500) if kind == "locked" else (10.0, 100.0)))
    return Fault("clock jump", step, number=rng.choice((_DAY, -_DAY)), times=rng.choice((1, 2)))


def group_of(platform: str, call: str) -> str:
    """The purpose of a call: `post`, `edit`, `look`, or `start` for all before."""
    if platform == "slack":
        if call.startswith("conversations."):
            return "look"
        return {"chat.postMessage": "post", "chat.update": "edit", "chat.delete": "edit"}.get(call, "start")
    verb, _, path = call.partition(" ")
    if not path.startswith("/channels/{channel_id}/messages"):
        return "start"
    return {"POST": "post", "GET": "look"}.get(verb, "edit")


@dataclass
class _Armed:
    fault: Fault
    left: int


@dataclass
class Weather:
    """The faults of calls. `hits` counts those that really happened."""

    world: World
    hits: Counter[str] = field(default_factory=Counter)
    refusal: Refusal | None = None
    """The permanent refusals of a platform."""
    flood: Callable[[], Awaitable[None]] | None = None
    _armed: list[_Armed] = field(default_factory=list)
    _outages: dict[str, tuple[str, int]] = field(default_factory=dict)
    _healed: asyncio.Event = field(default_factory=asyncio.Event)

    def arm(self, fault: Fault) -> None:
        if fault.kind.startswith("outage"):
            until = self.world.now + round(fault.number * SECOND)
            self._outages[fault.platform] = (fault.kind.removeprefix("outage "), until)
            self.hits[fault.kind] += 1
        else:
            self._armed.append(_Armed(fault, fault.times))

    def heal(self) -> None:
        """Ends all faults."""
        self._armed.clear()
        self._outages.clear()
        self._healed.set()

    async def serve(
        self, platform: str, call: str, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        group = group_of(platform, call)
        fault = self._next(platform, group)
        self.world.calls += 1
        refusal = self.refusal
        if refusal is not None:
            inner = handler

            async def handler(again: web.Request) -> web.StreamResponse:
                return await refusal.answer(platform, group, again) or await inner(again)

        try:
            if fault is None:
                return await handler(request)
            return await self._strike(fault, request, handler)
        finally:
            self.world.calls -= 1
            self.world.pulse()

    def _next(self, platform: str, group: str) -> Fault | None:
        kind, until = self._outages.get(platform, ("", 0))
        if self.world.now < until:
            return Fault(kind, 0, platform, "any", 30.0)
        for armed in self._armed:
            if armed.fault.platform == platform and armed.fault.group in {group, "any"}:
                armed.left -= 1
                if not armed.left:
                    self._armed.remove(armed)
                when = " after taking it" if armed.fault.accept else ""
                self.hits[f"{armed.fault.kind}{when}"] += 1
                return armed.fault
        return None

    async def _strike(self, fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
        if fault.kind == "429":
            return _too_many(fault)
        answer = await handler(request) if fault.accept else None
        if fault.kind in {"kill", "term"}:
            return await self._end_bot(fault, request, answer, handler)
        if fault.kind == "hang":
            await self._hang()
        if fault.kind == "flood" and self.flood is not None:
            await self.flood()
        if fault.kind in {"drop", "hang", "flood"}:
            if request.transport is not None:
                request.transport.abort()
        elif fault.kind == "reset":
            reset(request)
        else:
            return web.Response(status=int(fault.kind), text="<html>no</html>", content_type="text/html")
        return web.Response()

    async def _hang(self) -> None:
        """Gives no answer, however long the caller waits: the time passes meanwhile."""
        self.world.calls -= 1
        self.world.pulse()
        try:
            await self._healed.wait()
        finally:
            self.world.calls += 1

    async def _end_bot(
        self, fault: Fault, request: web.Request, answer: web.StreamResponse | None, handler: Handler
    ) -> web.StreamResponse:
        number = min(self.world.bots, default=0)
        if fault.kind == "term":
            self.world.terminate(number)
        elif fault.number and number in self.world.bots:
            self.world.bots[number].slot.kill_after(int(fault.number))
        else:
            self.world.kill(number)
            return web.Response()
        return answer or await handler(request)


def _too_many(fault: Fault) -> web.Response:
    if fault.platform == "discord":
        body: Json = {"message": "no", "retry_after": fault.number, "global": False, "code": 0}
        return discord_faults.answer(body, 429, {"Retry-After": f"{fault.number:g}", "Via": "1.1 simulator"})
    # Slack says it in either way.
    status = 200 if fault.accept else 429
    headers = {"Retry-After": f"{fault.number:.0f}"}
    return web.json_response({"ok": False, "error": "ratelimited"}, status=status, headers=headers)
