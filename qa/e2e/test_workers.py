"""Two real processes on one PostgreSQL: while a deploy lets them overlap, when one is stopped, and when one is
killed."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests import postgres
from tests.e2e import process
from tests.e2e.team import NAMES, Team, team
from tests.missing import missing
from tests.simulator.claude_ai import Received
from tests.simulator.server import Reply
from tests.simulator.slack_faults import hanging

TAKEN_OVER = 10.0
"""Seconds after a death until another process does everything that the dead one did."""
STARTED = 60.0
"""Seconds within which a process has started, on a busy machine."""
EVERY = 3.0

pytestmark = pytest.mark.timeout(240)


class Watched(list[Received]):
    """The requests to claude.ai, and when each seat's reading began."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: dict[str, list[float]] = {}
        self.changed = asyncio.Event()

    def append(self, received: Received) -> None:
        super().append(received)
        if received.route == "usage":
            self.begun.setdefault(str(received.organization), []).append(time.monotonic())
            self.changed.set()

    def numbers(self) -> list[int]:
        return [len(times) for times in self.begun.values()]

    async def until_read(self, times: int, seconds: float) -> None:
        """Waits until every seat's reading was started this many times."""
        async with asyncio.timeout(seconds):
            while len(self.begun) < len(NAMES) or min(self.numbers()) < times:
                self.changed.clear()
                await self.changed.wait()

    def shortest_gap(self) -> float:
        return min(
            (b - a for times in self.begun.values() for a, b in pairwise(times)),
            default=EVERY,
        )


@pytest.fixture
async def three() -> AsyncIterator[Team]:
    async with team() as made:
        made.claude.requests = Watched()
        yield made
        made.claude.assert_expected_only()


@pytest.fixture
async def environ(three: Team, postgres_server: str) -> AsyncIterator[dict[str, str]]:
    """The environment on Heroku: the database in a variable, under its old name."""
    async with postgres.fresh_database(postgres_server) as url:
        toml = three.toml("sqlite:///not-this-one.db", poll_interval=f"{EVERY:.0f}s")
        database = url.replace("postgresql://", "postgres://", 1)
        assert database.startswith("postgres://")
        yield {**three.environ, "METERBOT_CONFIG_TOML": toml, "DATABASE_URL": database}


def watched(three: Team) -> Watched:
    requests = three.claude.requests
    assert isinstance(requests, Watched)
    return requests


def started(environ: dict[str, str], dyno: str, tmp_path: Path) -> Any:
    return process.started("run", environ={**environ, "DYNO": dyno}, cwd=tmp_path)


async def standing_by(other: process.Process) -> None:
    """Waits until a process runs, and another has the gateway."""
    await process.line(other.stderr, lambda line: "another process listens" in line)
    await process.line(other.stderr, lambda line: "started" in line)


def times_posted(lines: list[str], title: str) -> int:
    return sum(title in line for line in lines)


def told_once(three: Team, *titles: str) -> None:
    for lines in (three.on_slack(), three.on_discord()):
        assert len(lines) == len(set(lines))
        assert [times_posted(lines, title) for title in titles] == [1] * len(titles)


async def test_an_old_and_a_new_process_overlap_and_the_old_one_hands_everything_over(
    three: Team, environ: dict[str, str], tmp_path: Path
) -> None:
    requests = watched(three)
    async with started(environ, "web.1", tmp_path) as old:
        await three.discord.until(lambda: three.discord.gateway.live, seconds=STARTED)
        async with started(environ, "web.2", tmp_path) as new:
            await standing_by(new)
            three.block("ana")
            await three.discord.until(
                lambda: times_posted(three.on_discord(), "ana is BLOCKED"), seconds=STARTED
            )
            await three.slack.until(lambda: times_posted(three.on_slack(), "ana is BLOCKED"), seconds=STARTED)
            await requests.until_read(3, seconds=STARTED)
            assert three.discord.gateway.identifies == 1
            said = await three.discord.answer_to(await three.discord.slash("status"), seconds=STARTED)
            assert all(dyno in str(said) for dyno in ("web.1", "web.2", "listens to Discord"))

            ended = await process.stop(old)
            assert (ended.status, "Traceback" in ended.stderr) == (0, False)
            await three.discord.until(lambda: three.discord.gateway.live, seconds=TAKEN_OVER)
            assert three.discord.gateway.identifies == 2
            three.spend("bo", "26")
            await three.discord.until(
                lambda: times_posted(three.on_discord(), "bo passed 50%"), seconds=STARTED
            )
            await three.slack.until(lambda: times_posted(three.on_slack(), "bo passed 50%"), seconds=STARTED)
            await requests.until_read(max(requests.numbers()) + 1, seconds=STARTED)
            ended = await process.stop(new)
            assert (ended.status, "Traceback" in ended.stderr) == (0, False)
    assert requests.shortest_gap() > EVERY / 2
    told_once(three, "ana is BLOCKED", "bo passed 50%")


async def test_what_a_killed_process_did_another_does_within_ten_seconds(
    three: Team, environ: dict[str, str], tmp_path: Path
) -> None:
    requests, never = watched(three), asyncio.Event()
    three.claude.fail_always("usage", Reply(until=never))
    three.block("ana")
    async with started(environ, "web.1", tmp_path) as doomed:
        await three.discord.until(lambda: three.discord.gateway.live, seconds=STARTED)
        await requests.until_read(1, seconds=STARTED)
        async with started(environ, "web.2", tmp_path) as heir:
            await standing_by(heir)
            # All seats are in the hands of the first, and it is alive: nobody else reads them.
            assert requests.numbers() == [1, 1, 1]
            three.claude.heal()
            doomed.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            await requests.until_read(2, seconds=TAKEN_OVER)
            await three.discord.until(
                lambda: three.discord.gateway.identifies == 2 and three.discord.gateway.live,
                seconds=TAKEN_OVER - (time.monotonic() - killed),
            )
            await three.discord.until(
                lambda: times_posted(three.on_discord(), "ana is BLOCKED"), seconds=STARTED
            )
            await three.slack.until(lambda: times_posted(three.on_slack(), "ana is BLOCKED"), seconds=STARTED)
            ended = await process.stop(heir)
            assert (ended.status, "Traceback" in ended.stderr) == (0, False)
    never.set()
    told_once(three, "ana is BLOCKED")


async def test_a_message_in_the_hands_of_a_killed_process_is_settled_by_another_within_ten_seconds(
    three: Team, environ: dict[str, str], tmp_path: Path
) -> None:
    never = asyncio.Event()
    async with started(environ, "web.1", tmp_path) as doomed:
        await watched(three).until_read(1, seconds=STARTED)
        three.slack.fail("chat.postMessage", hanging(never))
        three.block("ana")
        await three.slack.until(three.on_slack, seconds=STARTED)
        async with started(environ, "web.2", tmp_path) as heir:
            await process.line(heir.stderr, lambda line: '"started"' in line)
            assert not looks(three)
            doomed.send_signal(signal.SIGKILL)
            await three.slack.until(lambda: looks(three), seconds=TAKEN_OVER)
            await three.slack.until(lambda: times_posted(three.on_slack(), "ana is BLOCKED"), seconds=STARTED)
            await three.discord.until(
                lambda: times_posted(three.on_discord(), "ana is BLOCKED"), seconds=STARTED
            )
            assert (await process.stop(heir)).status == 0
    never.set()
    told_once(three, "ana is BLOCKED")


async def test_a_postgresql_that_restarts_halts_the_bot_and_no_more(three: Team, tmp_path: Path) -> None:
    if why := postgres.trouble():
        missing(why)
    with postgres.own() as server:
        toml = three.toml(server.get_uri(), poll_interval=f"{EVERY:.0f}s")
        environ = {**three.environ, "METERBOT_CONFIG_TOML": toml}
        async with started(environ, "web.1", tmp_path) as bot:
            await three.discord.until(lambda: three.discord.gateway.live, seconds=STARTED)
            await watched(three).until_read(1, seconds=STARTED)
            await asyncio.to_thread(server.stop)
            three.block("ana")
            await process.line(bot.stderr, lambda line: '"job": "beat"' in line)
            await asyncio.to_thread(server.ensure_postgres_running)
            await three.discord.until(
                lambda: times_posted(three.on_discord(), "ana is BLOCKED"), seconds=STARTED
            )
            await three.slack.until(lambda: times_posted(three.on_slack(), "ana is BLOCKED"), seconds=STARTED)
            await three.discord.until(lambda: three.discord.gateway.live, seconds=STARTED)
            assert (await process.stop(bot)).status == 0
    told_once(three, "ana is BLOCKED")


def looks(three: Team) -> list[dict[str, Any]]:
    """The searches for a message in doubt; a bot that starts asks for one message, to check the channel."""
    return [asked for asked in three.slack.called("conversations.history") if asked.get("limit") != "1"]
