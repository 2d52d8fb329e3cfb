"""`python -m qa.faults.days`: ninety days of two hundred seats, on a clock that jumps from step to step.

This is the whole bot without the network: configuration, poller, readings of pushed documents, rules, store,
retention, deliveries, and the terminal as its chat. Each seat is read twice a day instead of every minute. The same
seed must give exactly the same messages, and memory, open files and disk must not grow.
"""

import argparse
import asyncio
import hashlib
import io
import json
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from meterbot.app import build, log_setup, serve
from meterbot.app.build_sources import build_sources
from meterbot.app.config import load
from meterbot.core.clock import ManualClock
from meterbot.core.models import Seat, Snapshot
from meterbot.sources import Source
from meterbot.sources.pushed import snapshots_of
from tests import memory

START = datetime(2026, 1, 5, tzinfo=UTC)
_STEP = timedelta(hours=12)
_LOOK = timedelta(days=5)
_CAP = 50_00


@cache  # for all accounts
def _workdays(until: date) -> int:
    """The working days of the month, up to and including this day."""
    return sum(until.replace(day=day).weekday() < 5 for day in range(1, until.day + 1))


@dataclass(frozen=True, slots=True)
class Account:
    """One person's months as a pure function of time: the same cents on every working day, until the cap."""

    number: int
    daily: int

    def used(self, at: datetime) -> int:
        today = at.date()
        over = _workdays(today) - (today.weekday() < 5 and at.hour < 18)
        return min(self.daily * over, _CAP)

    def document(self, at: datetime) -> bytes:
        used = self.used(at)
        blocked = used >= _CAP
        month_end = (at.replace(day=1, hour=0) + timedelta(days=32)).replace(day=1)
        extra = {
            "is_enabled": True,
            "used_credits": used,
            "monthly_limit": _CAP,
            "currency": "USD",
            "decimal_places": 2,
            "disabled_reason": "self_selected_spend_limit_reached" if blocked else None,
            "disabled_until": month_end.isoformat() if blocked else None,
            "spend_limit_reached": blocked,
        }
        window = {"utilization": 100.0 if at.hour >= 12 else float(at.hour), "resets_at": None}
        said = {
            "org_uuid": f"bbbbbbbb-0000-4000-8000-{self.number:012d}",
            "account_uuid": f"aaaaaaaa-0000-4000-8000-{self.number:012d}",
            "fetched_at": at.isoformat(),
            "stale": False,
            "usage": {"five_hour": window, "seven_day": window, "extra_usage": extra},
            "overage": None,
            "subscription": None,
            "errors": [],
        }
        return json.dumps(said).encode()


class _Wire:
    """A source that needs no network."""

    def __init__(self, seat: Seat, account: Account) -> None:
        self._seat, self._account = seat, account

    async def read(self, now: datetime) -> tuple[Snapshot, ...]:
        return snapshots_of(self._seat, self._account.document(now), now)


@dataclass(frozen=True, slots=True)
class Look:
    """The bot's resources at one moment: kilobytes of memory, open files, kilobytes of database."""

    day: int
    memory: int
    files: int
    database: int

    def __str__(self) -> str:
        return f"day {self.day:3}: memory {self.memory:,} kB, {self.files} open files, database {self.database:,} kB"


def grown(looks: Sequence[Look]) -> list[str]:
    """The resources of which the bot uses clearly more at the end than half-way, when it already deletes old data. The
    history may grow: it keeps one sample a day of every seat."""
    early, late = looks[len(looks) // 2], looks[-1]
    return [
        name
        for name, before, after, most in (
            ("memory", early.memory, late.memory, 1.05),
            ("open files", early.files, late.files, 1),
            ("database", early.database, late.database, 1.20),
        )
        if after > most * before
    ]


@dataclass
class Days:
    """The result. `trace` is a digest of every message."""

    looks: list[Look] = field(default_factory=list)
    trace: str = ""
    messages: int = 0


class _Ear(io.StringIO):
    """Reads the terminal, and keeps a digest of its text."""

    def __init__(self) -> None:
        super().__init__()
        self.digest = hashlib.sha256()
        self.lines = 0

    def write(self, text: str, /) -> int:
        self.digest.update(text.encode())
        self.lines += text.count("\n")
        return len(text)


def play(seats: int, days: int, seed: int) -> Days:
    with tempfile.TemporaryDirectory(prefix="meterbot-days-", dir=memory.folder()) as folder:
        return asyncio.run(_play(Path(folder), seats, days, seed))


async def _play(folder: Path, seats: int, days: int, seed: int) -> Days:
    rng = random.Random(seed)
    accounts = {f"seat{number:03}": Account(number, rng.randint(20, 400)) for number in range(1, seats + 1)}
    clock, ear, result = ManualClock(START), _Ear(), Days()
    config = load(None, _environment(folder, accounts), folder)
    with _without_network(accounts):
        chances = random.Random(seed)
        async with build.assembled(
            config, clock, terminal=(None, ear), concurrency=1, rng=chances, salt=""
        ) as bot:
            end, look = START + timedelta(days=days), START
            while clock.now() < end:
                await bot.run_once()
                if clock.now() >= look:
                    look += _LOOK
                    result.looks.append(_look(folder, (clock.now() - START).days))
                clock.advance(_STEP)
    result.trace, result.messages = ear.digest.hexdigest(), ear.lines
    return result


@contextmanager
def _without_network(accounts: Mapping[str, Account]) -> Iterator[None]:
    built = build_sources

    def ours(config: Any, *_args: Any, **_more: Any) -> dict[str, Source]:
        return {seat.name: _Wire(seat, accounts[seat.name]) for seat in config.seat_list()}

    setattr(build, "build_sources", ours)  # noqa: B010
    try:
        yield
    finally:
        setattr(build, "build_sources", built)  # noqa: B010


def _environment(folder: Path, accounts: Mapping[str, Account]) -> dict[str, str]:
    tables = "".join(
        f'[[seats]]\nname = "{name}"\nsource = "claude_ai"\nsession_key_env = "KEY"\n' for name in accounts
    )
    text = f"""
database_url = "sqlite:///{folder}/days.db"
poll_interval = "12h"
[console]
enabled = true
[storage]
keep_changes = "14d"
keep_hours = "21d"
[alerts]
mute = ["window_full"]
{tables}"""
    return {"METERBOT_CONFIG_TOML": text, "KEY": "sk-ant-sid01-days"}


def _look(folder: Path, day: int) -> Look:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    size = sum(each.stat().st_size for each in folder.iterdir())
    memory = pages * os.sysconf("SC_PAGE_SIZE") // 1024
    return Look(day, memory, len(list(Path("/proc/self/fd").iterdir())), size // 1024)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m qa.faults.days", description=__doc__)
    parser.add_argument("--seats", type=int, default=200)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    log_setup.set_up(level=logging.ERROR)
    serve.spare_garbage()
    traces, grows = [], list[str]()
    for _ in range(2):
        began = time.monotonic()
        result = play(options.seats, options.days, options.seed)
        traces.append(result.trace)
        grows += grown(result.looks)
        print(*result.looks, sep="\n")
        print(
            f"{result.messages:,} lines in {time.monotonic() - began:.0f} s, trace {result.trace[:16]}",
            flush=True,
        )
    print("the same twice" if traces[0] == traces[1] else "NOT the same twice")
    print(f"GROWS: {', '.join(grows)}" if grows else "nothing grows in the second half")
    return int(traces[0] != traces[1] or bool(grows))


if __name__ == "__main__":
    sys.exit(main())
