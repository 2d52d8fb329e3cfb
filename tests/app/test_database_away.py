"""A PostgreSQL that goes away, or takes no writes, under a running bot: our own trouble, never a seat's."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg
import pytest
from structlog.testing import capture_logs

from meterbot.app.build import assembled
from meterbot.app.run import Bot
from meterbot.core.clock import ManualClock
from meterbot.core.models import Health
from meterbot.store import source_states
from meterbot.store.url import parse_url
from tests.e2e.team import EVERYBODY_ONCE, NAMES, NOW, play, team


async def altered(server: str, url: str, setting: str, *, end: bool = True) -> None:
    """Changes the database. `end`: ends its connections, which would keep the setting that they began with."""
    name = parse_url(url).database
    async with await psycopg.AsyncConnection.connect(server, autocommit=True) as connection:
        await connection.execute(f"ALTER DATABASE {name} {setting}".encode())
        if end:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            await connection.execute(others, [name])


@asynccontextmanager
async def away(server: str, url: str) -> AsyncIterator[None]:
    await altered(server, url, "ALLOW_CONNECTIONS false")
    try:
        yield
    finally:
        await altered(server, url, "ALLOW_CONNECTIONS true")


async def live(bot: Bot, clock: ManualClock, length: timedelta) -> None:
    """What `Bot.run` does, with its clock in steps: a job that fails is tried again at its next turn."""
    jobs: list[Callable[[], Awaitable[None]]] = [
        bot.heartbeat.beat, bot.tick, bot.poller.drain, bot.run_checks, bot.note_tick, bot.delivery_worker.drain
    ]  # fmt: skip
    end = clock.now() + length
    while clock.now() < end:
        clock.advance(timedelta(seconds=20))
        for job in jobs:
            await bot.jobs.attempt(job)


@pytest.mark.databases("postgresql")
async def test_a_database_that_is_away_during_a_read_is_no_outage_of_the_seats(
    database_url: str, postgres_server: str
) -> None:
    clock = ManualClock(NOW)
    clock.speed = 1.0  # or a pause of any length would be one in which the machine slept
    async with team(clock) as three, assembled(three.config(database_url), clock) as bot:
        bot.awake_since = clock.now()
        await bot.run_once()
        await play(bot, clock)
        assert len(await bot.store.read(source_states.read_sources)) == len(NAMES)
        before = three.on_slack(), three.on_discord()
        clock.advance(EVERYBODY_ONCE)
        bot.counters.end_round()
        await bot.tick()  # which begins to read everybody
        async with away(postgres_server, database_url):
            await live(bot, clock, timedelta(minutes=45))
        assert len(bot.counters.end_round()) == len(NAMES)  # those that had begun
        await bot.heartbeat.beat()
        await bot.run_checks()  # before what was read is stored: any job may be the first
        await live(bot, clock, timedelta(minutes=5))
        assert (three.on_slack(), three.on_discord()) == before
        states = await bot.store.read(source_states.read_sources)
        assert {state.health for state in states.values()} == {Health.OK}
        three.block("ana")
        await live(bot, clock, timedelta(minutes=3))
        assert any("ana is BLOCKED" in text for text in three.on_slack())


@pytest.mark.databases("postgresql")
async def test_a_bot_on_a_database_that_takes_no_writes_is_not_ready_until_it_does(
    database_url: str, postgres_server: str
) -> None:
    clock = ManualClock(NOW)
    clock.speed = 1.0
    async with team(clock) as three, assembled(three.config(database_url), clock) as bot:
        bot.awake_since = clock.now()
        await bot.run_once()
        await play(bot, clock)
        assert (await bot.health()).problems() == []
        with capture_logs() as logs:
            await altered(postgres_server, database_url, "SET default_transaction_read_only = on")
            await live(bot, clock, timedelta(minutes=1))
            assert "the database cannot be written to" in (await bot.health()).problems()
            await altered(postgres_server, database_url, "RESET default_transaction_read_only", end=False)
            await live(bot, clock, timedelta(minutes=1))
        assert (await bot.health()).problems() == []
    began = [line for line in logs if line["event"] == "a job fails, it will be tried again"]
    assert all("read-only transaction" in str(line["exc_info"]) for line in began)
    over = [line["job"] for line in logs if line["event"] == "a job works again"]
    by_turn = [line["job"] for line in began if line["job"] != "beat"]  # which beats by itself, too
    assert sorted(by_turn) == sorted({*over} - {"beat"})
    assert by_turn
