"""Alternating measurements, and the lines of the table."""

import asyncio
import gc
import logging
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from meterbot.app import log_setup

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
"""The cores that this process could use before `prepare` bound it."""

Work = Callable[[], Awaitable[int]]
"""Does a bounded piece of work and returns how many items it processed."""


@dataclass(frozen=True, slots=True)
class Line:
    """A goal, and what was measured. `ours` and `floor` are in their own unit; `value` is compared with `goal`."""

    what: str
    goal: str
    floor: str
    peers: str
    ours: str
    value: float
    limit: float
    shown: str = ""

    @property
    def met(self) -> bool:
        return self.value <= self.limit

    def cells(self) -> tuple[str, ...]:
        value = self.shown or f"{self.value:.2f}"
        return self.what, self.goal, self.floor, self.peers, self.ours, value, "yes" if self.met else "NO"


_HEAD = ("what", "goal", "floor", "peers", "ours", "measured", "met")


def table(lines: Iterable[Line]) -> str:
    rows = [_HEAD, *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    written = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    return "\n".join([written[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *written[1:]])


def quiet() -> None:
    log_setup.set_up(level=logging.WARNING)


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def prepare() -> None:
    """Binds this process to the first core it may use, if the system can do that, and makes it quiet."""
    quiet()
    bind(CORES[:1])


def bind(cores: Iterable[int]) -> None:
    """Binds this process and its children to these cores, if the system can do that; without cores, it changes
    nothing."""
    if cores := set(cores):
        os.sched_setaffinity(0, cores)


async def in_turns(works: Mapping[str, Work], rounds: int) -> dict[str, list[float]]:
    """Microseconds of CPU per item, by name: one value for each round. Every second round runs in reverse order. A
    round before them warms everything up."""
    costs: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name in works if number % 2 else reversed(list(works)):
            gc.collect()
            began = time.process_time()
            things = await works[name]()
            if number:
                costs[name].append((time.process_time() - began) / things * 1e6)
    return costs


def ratio(ours: Sequence[float], other: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, other, strict=True))


def microseconds(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.0f} µs"


async def at_once(poll: Callable[[int], Awaitable[object]], numbers: Iterable[int], in_flight: int) -> int:
    """Polls each seat once, with this many requests at a time; returns the number of seats."""
    waiting, done = iter(numbers), 0

    async def one_after_another() -> None:
        nonlocal done
        for number in waiting:
            await poll(number)
            done += 1

    await asyncio.gather(*(one_after_another() for _ in range(in_flight)))
    return done
