"""What a tick costs, counted: requests, statements, transactions and TLS contexts do not jitter as times do."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import Connection
from sqlalchemy import event as listening

from meterbot.app import build
from meterbot.app.config import load
from meterbot.app.run import Bot
from meterbot.core.clock import ManualClock
from meterbot.core.models import Health
from meterbot.sources import http_client
from meterbot.store import Store, source_states
from tests.simulator.claude_ai import ClaudeAi
from tests.simulator.server import Reply

NOW = datetime(2026, 4, 20, 10, tzinfo=UTC)
_CONFIG = """
poll_interval = "{interval}"
database_url = "sqlite:///{folder}/meterbot.db"
secret_key_env = "SECRET_KEY"
[console]
enabled = true
[endpoints]
claude_ai = "{url}"
[[alerts.budgets]]
amount = "900.00"
currency = "USD"
thresholds = ["80%"]
"""
_SEAT = '[[seats]]\nname = "seat{n}"\nsource = "claude_ai"\nsession_key_env = "KEY_{n}"\n'


@dataclass
class Costs:
    """A bot that reads so many seats, and what one minute of it costs."""

    bot: Bot
    clock: ManualClock
    server: ClaudeAi
    statements: list[str] = field(default_factory=list)
    begun: list[object] = field(default_factory=list)
    """Transactions that write."""

    def note_begin(self, connection: Connection) -> None:
        if "BEGIN IMMEDIATE" in connection.get_execution_options().get("sqlite_begin", ()):
            self.begun.append(connection)

    async def minute(self) -> tuple[int, int, int]:
        """Requests, statements and transactions of all seats' next reading, when they are due together."""
        self.statements.clear()
        self.begun.clear()
        self.server.requests.clear()
        self.clock.advance(timedelta(minutes=2))
        await self.bot.poller.tick(self.clock.now())
        await self.bot.poller.drain()
        return len(self.server.requests), len(self.statements), len(self.begun)

    async def pass_minutes(self, minutes: int) -> list[str]:
        """The requested routes, in order."""
        self.server.requests.clear()
        for _ in range(minutes):
            self.clock.advance(timedelta(minutes=1))
            await self.bot.poller.tick(self.clock.now())
            await self.bot.poller.drain()
        return [request.route for request in self.server.requests]


@asynccontextmanager
async def reading(
    seats: int, folder: Path, interval: str = "60s", *, before: bool = True
) -> AsyncIterator[Costs]:
    """A bot that has read its seats twice `before`."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ClaudeAi())
        keys = {f"KEY_{n}": f"sk-ant-sid01-planted-{n:04d}-0123456789abcdef" for n in range(seats)}
        for key in keys.values():
            server.add_account(key)
        text = _CONFIG.format(folder=folder, url=server.url, interval=interval) + "".join(
            _SEAT.format(n=n) for n in range(seats)
        )
        secret_key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
        config = load(None, {"METERBOT_CONFIG_TOML": text, "SECRET_KEY": secret_key, **keys}, folder)
        clock = ManualClock(NOW)
        with (folder / "terminal.txt").open("w", encoding="utf-8") as terminal:
            bot = await stack.enter_async_context(build.assembled(config, clock, terminal=(None, terminal)))
            costs = Costs(bot, clock, server)
            assert isinstance(bot.store, Store)
            engine = bot.store.engine
            listening.listen(engine, "before_cursor_execute", lambda *seen: costs.statements.append(seen[2]))
            listening.listen(engine, "begin", costs.note_begin)
            for _ in range(2 * before):
                await costs.minute()
            yield costs


async def test_a_tick_of_many_seats_takes_the_statements_and_transactions_of_one(tmp_path: Path) -> None:
    found = {}
    for seats in (2, 24):
        folder = tmp_path / str(seats)
        folder.mkdir()
        async with reading(seats, folder) as costs:
            requests, statements, transactions = await costs.minute()
        assert requests == 3 * seats  # the account is known for an hour
        found[seats] = statements, transactions
    assert found[2] == found[24]
    assert found[24][1] == 2  # the seats are claimed, and what was read of them is stored


class _Together(asyncio.Event):
    """Set once so many wait for it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._missing = number

    async def wait(self) -> Literal[True]:
        self._missing -= 1
        if not self._missing:
            self.set()
        return await super().wait()


async def test_as_many_answers_are_awaited_at_once_as_seats_and_interval_need(tmp_path: Path) -> None:
    seats = 40
    async with reading(seats, tmp_path, "1s", before=False) as costs:
        costs.server.fail_always("account", Reply(503, until=_Together(seats)))
        await costs.bot.poller.tick(costs.clock.now())
        costs.clock.advance(timedelta(minutes=2))
        await costs.bot.poller.tick(costs.clock.now())
        async with asyncio.timeout(20):
            await costs.bot.poller.drain()
        assert len(costs.server.requests) >= seats


async def test_all_seats_share_one_tls_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0
    real = ssl.create_default_context

    def counted(*values: object, **named: object) -> ssl.SSLContext:
        nonlocal made
        made += 1
        return real(*values, **named)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(ssl, "create_default_context", counted)
    http_client._trusted.cache_clear()
    async with reading(12, tmp_path):  # and all were read
        pass
    assert made == 1


async def test_of_very_many_seats_the_health_is_not_read_with_every_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reading(3, tmp_path) as costs:
        with monkeypatch.context() as patch:
            patch.setattr(costs.bot.store, "_hold", None)  # as where several processes share a PostgreSQL
            for many, reads in ((4, 3), (3, 1)):
                patch.setattr("meterbot.app.run.MANY_SEATS", many)
                costs.bot.seat_health = None
                costs.statements.clear()
                for _ in range(3):
                    assert len((await costs.bot.health()).seats) == 3
                assert sum("FROM sources" in text for text in costs.statements) == reads


async def test_a_seat_that_does_not_change_is_asked_half_as_often_and_is_never_stale_for_it(
    tmp_path: Path,
) -> None:
    async with reading(1, tmp_path, interval="10m") as costs:
        busy = await costs.pass_minutes(60)
        # Three requests for a reading, four times an hour the credits, and once the account.
        assert len(busy) <= 6 * 3 + 4 + 1
        await costs.pass_minutes(30)
        idle = await costs.pass_minutes(60)
        assert idle.count("usage") in {2, 3}
        assert len(idle) <= 3 * 4 + 1
        for _ in range(10):
            await costs.pass_minutes(3)
            await costs.bot.periodic_checks.run(costs.clock.now())
            assert {
                state.health for state in (await costs.bot.store.read(source_states.read_sources)).values()
            } == {Health.OK}
        costs.server.accounts[0].organizations[0].used += 100
        await costs.pass_minutes(25)
        assert (await costs.pass_minutes(60)).count("usage") in {5, 6}


async def test_nobody_is_asked_while_a_refusal_lasts(tmp_path: Path) -> None:
    async with reading(3, tmp_path) as costs:
        costs.server.fail_always("usage", Reply(429, {}, {"Retry-After": "0"}))
        assert await costs.pass_minutes(2)
        costs.server.heal()
        assert await costs.pass_minutes(3) == []
        assert await costs.pass_minutes(10)
