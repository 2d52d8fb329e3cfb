"""Plays many schedules, in parallel on every core, and reports the results."""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from meterbot.store.database import upgrade
from qa.faults.bases import Base, Postgres, copy_of, make_databases
from qa.faults.oracle import Verdict
from qa.faults.play import Outcome, Play, Schedule
from qa.faults.zygote import Zygote, die_with_parent
from tests import memory, postgres

_TEMPLATE = "template.db"
SIDE_BY_SIDE = 3
"""Schedules on one core at a time: while one waits for a process to start, another goes on."""


@dataclass
class Report:
    """The sum of the outcomes."""

    runs: int = 0
    births: int = 0
    kills: int = 0
    facts: int = 0
    messages: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    items: Counter[str] = field(default_factory=Counter)
    """Kind of bad item → how many schedules have one."""
    met: Counter[str] = field(default_factory=Counter)
    """Kind of bad item → how many schedules came upon theirs."""
    bad: list[Outcome] = field(default_factory=list)
    last: Outcome | None = None

    def add(self, outcome: Outcome) -> None:
        self.runs += 1
        self.births += outcome.births
        self.kills += outcome.kills
        self.facts += outcome.facts
        self.messages += outcome.messages
        self.hits += outcome.hits
        if outcome.item is not None:
            self.items[outcome.item] += 1
            self.met[outcome.item] += outcome.met
        self.last = outcome
        if not outcome.good:
            self.bad.append(outcome)

    def count(self, what: str) -> int:
        return sum(len(getattr(outcome.verdict, what)) for outcome in self.bad)

    @property
    def problems(self) -> int:
        return sum(len(outcome.problems) for outcome in self.bad)

    @property
    def verdict(self) -> str:
        """`lost: 0, doubled: 0, out of order: 0, held up: 0, other problems: 0`"""
        wrong = {"lost": "lost", "doubled": "doubled", "out of order": "disordered", "held up": "held"}
        counts = {**{word: self.count(what) for word, what in wrong.items()}, "other problems": self.problems}
        return ", ".join(f"{what}: {number:,}" for what, number in counts.items())

    def lines(self) -> list[str]:
        faults = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.hits.items()))
        items = ", ".join(
            f"{kind} {self.met[kind]:,} of {count:,}" for kind, count in sorted(self.items.items())
        )
        return [
            f"{self.runs:,} schedules, {self.births:,} starts, {self.kills:,} of them ended by SIGKILL",
            f"{self.hits.total():,} faults: {faults}",
            f"{self.met.total():,} of {self.items.total():,} bad items met: {items}",
            f"{self.facts:,} facts, {self.messages:,} messages",
            self.verdict,
        ]


@dataclass(frozen=True, slots=True)
class Campaign:
    schedules: tuple[Schedule, ...]
    database: str = "sqlite"
    workers: int = 2
    naive: bool = False
    show: bool = False
    """Keep the channels' contents."""
    seconds: float = 3600.0
    """Seconds after which the campaign ends, even if schedules are left."""

    def run(self, progress: Callable[[Report], None] = lambda _: None) -> Report:
        """Plays all schedules. Leaves no process and no file behind."""
        report, deadline = Report(), time.monotonic() + self.seconds
        urls: list[str] = []
        with ExitStack() as stack:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="meterbot-faults-", dir=memory.folder())
            )
            if self.database == "postgresql":
                server = stack.enter_context(postgres.running())
                urls = asyncio.run(make_databases(server, self.workers * SIDE_BY_SIDE))
            else:
                asyncio.run(upgrade(f"sqlite:///{folder}/{_TEMPLATE}"))
            reader, writer = os.pipe()
            pids = [
                self._fork(number, Path(folder), urls, (reader, writer)) for number in range(self.workers)
            ]
            os.close(writer)
            try:
                with os.fdopen(reader, encoding="utf-8") as said:
                    for line in said:
                        report.add(_outcome(json.loads(line)))
                        progress(report)
                        if time.monotonic() > deadline:
                            break
            finally:
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)
                for pid in pids:
                    os.waitpid(pid, 0)
        return report

    def _fork(self, number: int, folder: Path, urls: Sequence[str], pipe: tuple[int, int]) -> int:
        pid = os.fork()
        if pid:
            return pid
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            die_with_parent()
            # Each on one core with all its bots: waking a thread on another core costs most in such short lives.
            cores = sorted(os.sched_getaffinity(0))
            if self.workers <= len(cores):
                os.sched_setaffinity(0, {cores[number]})
            os.close(pipe[0])
            zygote = Zygote(urls[number * SIDE_BY_SIDE] if urls else "")
            asyncio.run(self._work(number, folder, urls, zygote, pipe[1]))
            zygote.close()
            status = 0
        except BaseException:  # noqa: BLE001 - nothing may come back into the parent
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    async def _work(self, number: int, folder: Path, urls: Sequence[str], zygote: Zygote, pipe: int) -> None:
        mine = iter(self.schedules[number :: self.workers])
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=20)
        ) as http:

            async def lane(url: str) -> None:
                for schedule in mine:
                    place = folder / schedule.name.replace(" ", "-")
                    place.mkdir()
                    base = await _base(url, folder, place)
                    outcome = await Play(
                        schedule, base, zygote, place, http, naive=self.naive, show=self.show
                    ).run()
                    shutil.rmtree(place)
                    said = {**vars(outcome), "verdict": vars(outcome.verdict)}
                    os.write(pipe, (json.dumps(said) + "\n").encode())

            first = number * SIDE_BY_SIDE
            mine_too = urls[first : first + SIDE_BY_SIDE] or [""] * SIDE_BY_SIDE
            await asyncio.gather(*map(lane, mine_too))


async def _base(url: str, folder: Path, place: Path) -> Base:
    """An empty database: one on PostgreSQL, or a file if there is no URL."""
    if not url:
        return copy_of(folder / _TEMPLATE, place)
    base = Postgres(url, folder / "crashes")
    await base.empty()
    return base


def _outcome(said: dict[str, Any]) -> Outcome:
    return Outcome(**{**said, "verdict": Verdict(**said["verdict"]), "hits": Counter(said["hits"])})
