"""The cost of a whole tick, compared with the bare requests of a stock httpx: `python -m qa.benchmarks.tick`.

A tick claims the seats, reads them, applies the rules and the team's budget, and stores the results in SQLite, as the
bot does it. The clock is set by hand, and all seats are due at once.
"""

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from meterbot.app import build
from meterbot.app.config import load
from meterbot.core.clock import ManualClock
from meterbot.store import Store
from qa.benchmarks import measure, poll, upstream, whole
from qa.benchmarks.measure import Line

SEATS = 128
_HTTPX = 64
_BEGAN = datetime(2026, 4, 30, 8, tzinfo=UTC)


@asynccontextmanager
async def ticking(served: upstream.Running) -> AsyncIterator[tuple[measure.Work, measure.Work, Store]]:
    """A whole tick of the bot, the bare requests of a reading by a stock httpx, and the bot's store."""
    with tempfile.TemporaryDirectory(prefix="meterbot-bench-") as name:
        folder, clock = Path(name), ManualClock(_BEGAN)
        config = load(None, whole.environment(SEATS, served.url, folder, 60.0), folder)
        async with (
            build.assembled(config, clock, terminal=(None, io.StringIO()), concurrency=8) as bot,
            httpx.AsyncClient() as client,
        ):

            async def tick() -> int:
                """Reads all seats that are due, and returns their number: no tick begins more than it can read soon."""
                served.seen(reset=True)
                clock.advance(timedelta(minutes=2))
                await bot.poller.tick(clock.now())
                while bot.poller.lag(clock.now()):
                    await bot.poller.drain()
                    await bot.poller.tick(clock.now())
                await bot.poller.drain()
                return int(served.seen()["readings"])

            bare = poll.stock_httpx(client, served.url)
            assert [await tick() for _ in range(2)][-1] == SEATS
            yield tick, lambda: measure.at_once(bare, range(_HTTPX), 8), bot.store
            await bot.poller.close()


async def ratios(served: upstream.Running, rounds: int) -> dict[str, list[float]]:
    """Microseconds of CPU for a seat: `ours` is the whole tick, `httpx` the bare requests of a reading."""
    async with ticking(served) as (tick, bare, _):
        found = await measure.in_turns({"ours": tick, "httpx": bare}, rounds)
    served.seen()
    return found


async def lines() -> list[Line]:
    with upstream.running() as served:
        found = await ratios(served, 5)
    return [
        Line(
            "the whole tick with rules and store, beside stock httpx", "≤ 0.55 × httpx", "",
            f"httpx {measure.microseconds(found['httpx'])}", measure.microseconds(found["ours"]),
            measure.ratio(found["ours"], found["httpx"]), 0.55,
        )
    ]  # fmt: skip


if __name__ == "__main__":
    measure.prepare()
    print(measure.table(asyncio.run(lines())))
