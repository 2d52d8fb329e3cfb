"""A seat that pushes, in the running bot: it alerts and sums like any other."""

import io
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from meterbot.app import log_setup
from meterbot.app.build import assembled
from meterbot.app.config import Config
from meterbot.app.run import Bot
from meterbot.chat import Question
from meterbot.cli.answers import team_report_with_outlooks
from meterbot.cli.check.seats import Stored, read_stored
from meterbot.cli.operations import invite, make_push_token, seat_overview
from meterbot.cli.seat_reads import read_seats, seats_at_hand
from meterbot.core.clock import ManualClock
from meterbot.core.errors import UnavailableError
from meterbot.core.models import Health
from meterbot.core.money import plain
from meterbot.store.database import peek_invited
from tests.app.config.writing import loaded
from tests.app.test_push_endpoint import JSON, NOW, ORG, body
from tests.e2e import process
from tests.ports import free_port

TOML = """
database_url = "sqlite:///{folder}/meterbot.db"
{http}
[[seats]]
name = "bo"
source = "push"
plan = "pro"
"""
Push = Callable[[dict[str, Any]], Awaitable[None]]


def configured(folder: Path, http: str = "") -> Config:
    return loaded(TOML.format(folder=folder, http=http), {})


@asynccontextmanager
async def pushing(folder: Path, clock: ManualClock) -> AsyncIterator[tuple[Bot, Push, io.StringIO]]:
    """A bot, how bo's machine pushes to it, and its terminal, on which at the end no token may stand."""
    port, screen = free_port(), io.StringIO()
    config = configured(folder, f'[http]\nbind = "127.0.0.1:{port}"')
    async with assembled(config, clock, terminal=(None, screen)) as bot, aiohttp.ClientSession() as session:
        token = await make_push_token(config, "bo", clock.now(), replace=False)
        assert token is not None
        headers = {**JSON, "Authorization": f"Bearer {token}"}
        url = f"http://127.0.0.1:{port}/api/v1/snapshots"

        async def push(numbers: dict[str, Any]) -> None:
            async with session.post(url, json=numbers, headers=headers) as answer:
                assert answer.status == 202

        yield bot, push, screen
        assert token not in screen.getvalue()


async def test_what_a_machine_sends_is_reported_summed_and_shown(tmp_path: Path) -> None:
    clock, config = ManualClock(NOW), configured(tmp_path)
    async with pushing(tmp_path, clock) as (bot, push, screen):
        for minutes, used in ((0, 0), (15, 4100)):
            clock.set(NOW + timedelta(minutes=minutes))
            await push(body(used, clock.now()))
            await bot.run_once()
        assert "bo passed 80% of the cap" in screen.getvalue()
        answered = await bot.commands.answer(Question(("seat", "bo"), "console", "operator"))
        assert "$41.00 / $50.00 (82%)" in str(answered.message)
        (total,) = (await team_report_with_outlooks(config, clock.now()))[0].totals
        assert total.used is not None
        assert plain(total.used) == "41.00"
        (shot,) = await read_seats(config, ["bo"], clock.now())
        assert (shot.org_uuid, shot.health) == (body()["org_uuid"], Health.OK)
        (info,) = await seat_overview(config, clock.now())
        assert info.last_reading == clock.now()


async def test_a_snapshot_says_that_a_pushed_seat_was_not_asked_and_how_old_its_numbers_are(
    tmp_path: Path,
) -> None:
    sent = datetime.now(UTC) - timedelta(hours=2)
    async with pushing(tmp_path, ManualClock(sent)) as (bot, push, _):
        await push(body(4100, sent))
        await bot.run_once()
    variables = {"METERBOT_CONFIG_TOML": TOML.format(folder=tmp_path, http="")}
    said = await process.meterbot("snapshot", "bo", environ=variables, cwd=tmp_path)
    head, *lines = said.stdout.splitlines()
    assert head == f"bo (push), {ORG}, stale, as sent 2 h ago"
    assert "Extra usage      $41.00 / $50.00 (82%)" in lines
    assert (said.status, said.stderr) == (1, "")


async def test_an_unreadable_amount_beside_a_new_cap_is_not_set_against_it(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    async with pushing(tmp_path, clock) as (bot, push, screen):
        for changes in ({"monthly_limit": 50000}, {"monthly_limit": 200, "used_credits": "?"}):
            numbers = body(20000, clock.now())
            numbers["usage"]["extra_usage"] |= changes
            await push(numbers)
            await bot.run_once()
            clock.advance(timedelta(minutes=15))
        seen = str((await bot.commands.answer(Question(("seat", "bo"), "console", "operator"))).message)
        assert "$200.00 used (cap unknown)" in seen
        said = seen + screen.getvalue()
        assert not [wrong for wrong in ("/ $2.00", "of $2.00", "10000%", "BLOCKED") if wrong in said]


async def test_a_seat_that_never_pushed_is_read_as_never_seen(tmp_path: Path) -> None:
    (shot,) = await read_seats(configured(tmp_path), [], NOW)
    assert (shot.seat, shot.org_uuid, shot.health) == ("bo", None, Health.NEVER_SEEN)


async def test_an_invited_seat_is_read_like_a_configured_one(tmp_path: Path) -> None:
    config = configured(tmp_path)
    assert [*await seats_at_hand(config)] == ["bo"]
    await invite(config, {"cleo": None}, NOW)
    assert [*await seats_at_hand(config)] == ["bo", "cleo"]
    assert await read_stored(config) == Stored()
    (shot,) = await read_seats(config, ["cleo"], NOW)
    assert (shot.seat, shot.health) == ("cleo", Health.NEVER_SEEN)
    assert [shot.seat for shot in await read_seats(config, [], NOW)] == ["bo", "cleo"]


async def test_a_bot_that_cannot_hear_its_seats_says_so(tmp_path: Path) -> None:
    stream = io.StringIO()
    log_setup.set_up(stream)
    async with assembled(configured(tmp_path), ManualClock(NOW), terminal=(None, io.StringIO())):
        assert "nobody can push" in stream.getvalue()


async def test_a_bot_that_cannot_start_ends_no_invitation(tmp_path: Path) -> None:
    before = loaded(TOML.format(folder=tmp_path, http="").replace('"bo"', '"zed"'), {})
    await invite(before, {"bo": None}, NOW)
    url = before.database_url
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = configured(tmp_path, f'[http]\nbind = "127.0.0.1:{taken.getsockname()[1]}"')
        with pytest.raises(UnavailableError):
            async with assembled(config, ManualClock(NOW), terminal=(None, io.StringIO())):
                pass
    assert [seat.name for seat in await peek_invited(url.get_secret_value())] == ["bo"]
    async with assembled(configured(tmp_path), ManualClock(NOW), terminal=(None, io.StringIO())):
        assert await peek_invited(url.get_secret_value()) == []
