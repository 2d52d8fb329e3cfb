"""The whole bot on a simulated claude.ai and a team of five: no account, no token, nothing kept.

Everything but claude.ai and the clock is real: configuration, poller, store, rules, deliveries, console.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from meterbot.app import Bot, assembled
from meterbot.chat import Question
from meterbot.clock import Clock, FastClock, ManualClock
from meterbot.config import load
from meterbot.simulator import month
from meterbot.simulator.claude_ai import ClaudeAi, Organization
from meterbot.simulator.month import Person

SPEED = 10_000.0
"""The month in a little over four minutes, the first alert within seconds."""

_STEP = timedelta(minutes=30)
_TICK_SECONDS = 0.1
_HELLO = """\
A simulated team of five in April 2026, on the real bot. All names and amounts are made up.
"""
_GOODBYE = "That was the month. Your own team's: see README.md."


async def play_once() -> None:
    """Plays the month in one go, step by step, and ends with the team as it stands."""
    clock = ManualClock(month.START)
    async with _stage(clock, stop=lambda: None, interactive=False) as (bot, direct):
        while clock.now() < month.END:
            direct()
            await bot.step()
            clock.advance(_STEP)
        console = bot.chats["console"]
        answer = await bot.commands.answer(Question((), "console", "operator"))
        await console.post("goodbye", console.destination, answer.message)
    print(f"\n{_GOODBYE}")


async def play_live(speed: float) -> None:
    """Plays the month `speed` times as fast as life; commands can be typed all the while. Ends on `quit`, and after
    the month when nobody sits at the terminal."""
    clock, stop = FastClock(month.START, speed), asyncio.Event()
    async with _stage(clock, stop=stop.set, interactive=True) as (bot, direct):
        directing = asyncio.create_task(_direct_until_end(clock, direct, stop))
        try:
            await bot.run(stop, _TICK_SECONDS)
        finally:
            directing.cancel()
            await asyncio.gather(directing, return_exceptions=True)


async def _direct_until_end(clock: Clock, direct: Callable[[], None], stop: asyncio.Event) -> None:
    while clock.now() < month.END:
        direct()
        await asyncio.sleep(_TICK_SECONDS)
    print(f"\n{_GOODBYE}")
    if sys.stdin.isatty():
        print("/claude-spend still answers; quit ends.")
    else:
        stop.set()


@asynccontextmanager
async def _stage(
    clock: Clock, *, stop: Callable[[], None], interactive: bool
) -> AsyncIterator[tuple[Bot, Callable[[], None]]]:
    """A bot for the team, and what brings the team's accounts to the present moment."""
    print(_HELLO)
    with tempfile.TemporaryDirectory(prefix="meterbot-demo-") as folder:
        async with ClaudeAi() as claude:
            accounts = {
                person: claude.add_account(
                    person.session_key,
                    uuid=person.account,
                    email=f"{person.name}@example.com",
                    organizations=[Organization(person.org, name=f"{person.name}'s organization")],
                )
                for person in month.TEAM
            }

            def direct() -> None:
                now = clock.now()
                claude.requests.clear()
                for person, account in accounts.items():
                    standing = month.standing(person, now)
                    account.signed_in = standing.signed_in
                    _set(account.organizations[0], person, standing)

            environ = {person.key_variable: person.session_key for person in month.TEAM}
            environ["METERBOT_CONFIG_TOML"] = _configuration(claude.url, Path(folder, "demo.db"))
            config = load(None, environ, Path(folder))
            terminal = (sys.stdin if interactive else None, sys.stdout)
            async with assembled(config, clock, on_quit=stop, terminal=terminal) as bot:
                yield bot, direct


def _set(organization: Organization, person: Person, standing: month.Standing) -> None:
    organization.rate_limit_tier = person.tier
    organization.currency = person.currency
    organization.used = Decimal(standing.used)
    organization.cap = standing.cap
    organization.enabled = standing.disabled_reason is None
    organization.disabled_reason = standing.disabled_reason
    organization.disabled_until = standing.disabled_until
    organization.five_hour = standing.five_hour
    organization.five_hour_resets = standing.five_hour_resets
    organization.seven_day = standing.seven_day
    organization.seven_day_resets = standing.seven_day_resets
    organization.next_charge = standing.next_charge


def _configuration(claude_ai: str, database: Path) -> str:
    seats = "".join(
        f"""
[[seats]]
name = "{person.name}"
source = "claude_ai"
session_key_env = "{person.key_variable}"
plan = "{person.plan}"
plan_price = "{person.plan_price}"
"""
        for person in month.TEAM
    )
    return f"""
timezone = "UTC"
poll_interval = "1h"
database_url = "sqlite:///{database}"

[console]
enabled = true

[alerts]
thresholds = ["50%", "80%", "95%", "$25.00"]
renewal_days = [7, 1]
source_grace = "2h"

[[alerts.budgets]]
amount = "250.00"
currency = "USD"
thresholds = ["80%", "100%"]

[endpoints]
claude_ai = "{claude_ai}"
{seats}"""
