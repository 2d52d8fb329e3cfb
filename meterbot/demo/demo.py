"""The whole bot on a simulated claude.ai and a team of five: no account, no token, nothing stored.

Everything but claude.ai and the clock is real: configuration, poller, store, rules, deliveries, console.
"""

import asyncio
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from meterbot.app.build import assembled
from meterbot.app.build_sources import READS_AT_ONCE
from meterbot.app.config import load
from meterbot.app.run import Bot
from meterbot.chat import Question
from meterbot.core.cipher import new_key
from meterbot.core.clock import Clock, FastClock, ManualClock
from meterbot.demo import month
from meterbot.demo.month import Teammate
from meterbot.demo.simulated_claude_ai import SimulatedAccount, claude_ai

SPEED = 10_000.0
"""The month in a little over four minutes, the first alert within seconds."""

_STEP = timedelta(hours=2)
_TICK_SECONDS = 0.1
_UNHURRIED = "4h"
"""How often the live demo reads a seat. After three intervals without an answer, four seconds at `SPEED`, a seat counts
as stale, and a busy machine may need seconds for an answer."""
_HELLO = "A simulated team of five in April 2026, on the real bot. All names and amounts are made up."
_HOW = "Meanwhile you can type /claude-spend, me, seat ana, forecast, history, pr or help; quit ends."
_GOODBYE = "That was the month. Your own team's: see README.md."


async def play_once() -> None:
    """Plays the month in one go, step by step, and ends with the team's answer."""
    clock = ManualClock(month.START)
    print(f"{_HELLO}\n")
    # One read at a time and the same jitter, so that every run tells the same.
    same = random.Random(2026)  # noqa: S311 - jitter, not a secret
    async with stage(clock, concurrency=1, rng=same) as bot:
        while clock.now() < month.END:
            await _merge_what_is_due(bot, clock.now() - _STEP, clock.now())
            await bot.run_once()
            await _ask_what_is_due(bot, clock.now(), clock.now() + _STEP)
            clock.advance(_STEP)
        await _ask(bot, "")
    print(f"\n{_GOODBYE}")


async def play_live(speed: float) -> None:
    """Plays the month `speed` times as fast as life; commands can be typed all the while. Ends on `quit`, and after
    the month when nobody sits at the terminal."""
    clock, stop = FastClock(month.START, speed, held=True), asyncio.Event()
    print(f"{_HELLO}\n{_HOW}\n", flush=True)
    async with stage(clock, stop=stop.set, poll_interval=_UNHURRIED) as bot:
        clock.begin()
        try:
            async with asyncio.TaskGroup() as group:
                directing = group.create_task(_direct_until_end(bot, clock, stop))
                await bot.run(stop, _TICK_SECONDS)
                directing.cancel()
        except BaseExceptionGroup as failures:
            if len(failures.exceptions) > 1:
                raise
            # A caller explains a known failure in one sentence, but not a group of one.
            raise failures.exceptions[0] from None


async def _direct_until_end(bot: Bot, clock: Clock, stop: asyncio.Event) -> None:
    somebody_is_there = sys.stdin.isatty()
    now = month.START
    while now < month.END:
        await asyncio.sleep(_TICK_SECONDS)
        before, now = now, clock.now()
        await _merge_what_is_due(bot, before, now)
        if not somebody_is_there:
            await _ask_what_is_due(bot, before, now)
    print(f"\n{_GOODBYE}")
    if somebody_is_there:
        print("/claude-spend still answers; quit ends.")
    else:
        stop.set()


async def _merge_what_is_due(bot: Bot, since: datetime, until: datetime) -> None:
    """Reports to the bot what was merged in (since, until], as GitHub would."""
    for merged, commits in month.PULLS:
        if since < merged.merged_at <= until:
            await bot.pull_requests.add(merged, merged.merge, until, commits)


async def _ask_what_is_due(bot: Bot, since: datetime, until: datetime) -> None:
    """Asks the team's questions of the half-open span."""
    for at, words in month.QUESTIONS:
        if since <= at < until:
            await _ask(bot, words)


async def _ask(bot: Bot, words: str) -> None:
    print(f"\n> {f'/claude-spend {words}'.strip()}")
    console = bot.chats["console"]
    answer = await bot.commands.answer(Question(tuple(words.split()), console.name, "operator"))
    await console.post("answer", console.destination, answer.message)
    print()


@asynccontextmanager
async def stage(
    clock: Clock,
    *,
    stop: Callable[[], None] | None = None,
    concurrency: int = READS_AT_ONCE,
    rng: random.Random | None = None,
    poll_interval: str = "2h",
    team: Sequence[Teammate] = month.TEAM,
) -> AsyncIterator[Bot]:
    """A bot for the team, which reads the accounts as they are at the clock's moment. `stop` is what `quit` does at the
    terminal; None: nothing is read there."""
    people = {person.session_key: person for person in team}

    def account_of(session_key: str) -> SimulatedAccount | None:
        person = people.get(session_key)
        return None if person is None else month.account_of(person, clock.now())

    with tempfile.TemporaryDirectory(prefix="meterbot-demo-") as folder:
        async with claude_ai(account_of) as url:
            environ = {person.key_variable: person.session_key for person in team}
            environ["METERBOT_SECRET_KEY"] = new_key()
            database = Path(folder, "demo.db")
            environ["METERBOT_CONFIG_TOML"] = _configuration(url, database, poll_interval, team)
            async with assembled(
                load(None, environ, Path(folder)),
                clock,
                on_quit=stop,
                terminal=(None if stop is None else sys.stdin, sys.stdout),
                concurrency=concurrency,
                rng=rng,
                salt="",  # every demonstration has the same ids
            ) as bot:
                yield bot


def _configuration(url: str, database: Path, poll_interval: str, team: Sequence[Teammate]) -> str:
    seats = "".join(
        f"""
[[seats]]
name = "{person.name}"
source = "claude_ai"
session_key_env = "{person.key_variable}"
plan = "{person.plan}"
plan_price = "{person.plan_price}"
owner = {{ github = "{person.name}"{', console = "operator"' * (person.name == "ana")} }}
"""
        for person in team
    )
    return f"""
timezone = "UTC"
poll_interval = "{poll_interval}"
database_url = "sqlite:///{database}"

[console]
enabled = true

[alerts]
thresholds = ["80%", "95%"]
source_grace = "2h"
# A window that is full is every day's business here; quiet teams like to hear of the money only. All sessions of the demo
# begin on the same day, and would be expected to end on the same day.
mute = ["window_full", "session_expiring"]

[[alerts.budgets]]
amount = "250.00"
currency = "USD"
thresholds = ["80%", "100%"]

[endpoints]
claude_ai = "{url}"
{seats}"""
