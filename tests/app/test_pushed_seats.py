"""A seat that pushes, in the running bot: it alerts and sums like any other."""

import io
from datetime import timedelta
from pathlib import Path

import aiohttp

from meterbot.app import log_setup
from meterbot.app.build import assembled
from meterbot.app.config import Config
from meterbot.chat import Question
from meterbot.cli.answers import team_report_with_outlooks
from meterbot.cli.operations import invite, make_push_token, seat_overview, stored_settings
from meterbot.cli.seat_reads import read_seats, seats_at_hand
from meterbot.core.clock import ManualClock
from meterbot.core.models import Health
from meterbot.core.money import plain
from tests.app.config.writing import loaded
from tests.app.test_push_endpoint import JSON, NOW, body
from tests.ports import free_port


def configured(folder: Path, http: str = "") -> Config:
    seat = '[[seats]]\nname = "bo"\nsource = "push"\nplan = "pro"\n'
    return loaded(f'database_url = "sqlite:///{folder}/meterbot.db"\n{http}{seat}', {})


async def test_what_a_machine_sends_is_reported_summed_and_shown(tmp_path: Path) -> None:
    port, clock, screen = free_port(), ManualClock(NOW), io.StringIO()
    config = configured(tmp_path, f'[http]\nbind = "127.0.0.1:{port}"\n')
    async with assembled(config, clock, terminal=(None, screen)) as bot, aiohttp.ClientSession() as session:
        token = await make_push_token(config, "bo", clock.now(), replace=False)
        headers = {**JSON, "Authorization": f"Bearer {token}"}
        url = f"http://127.0.0.1:{port}/api/v1/snapshots"
        for minutes, used in ((0, 0), (15, 4100)):
            clock.set(NOW + timedelta(minutes=minutes))
            async with session.post(url, json=body(used, clock.now()), headers=headers) as answer:
                assert answer.status == 202
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
        assert token is not None
        assert token not in screen.getvalue() + str(answered)


async def test_a_seat_that_never_pushed_is_read_as_never_seen(tmp_path: Path) -> None:
    (shot,) = await read_seats(configured(tmp_path), [], NOW)
    assert (shot.seat, shot.org_uuid, shot.health) == ("bo", None, Health.NEVER_SEEN)


async def test_an_invited_seat_is_read_like_a_configured_one(tmp_path: Path) -> None:
    config = configured(tmp_path)
    assert [*await seats_at_hand(config)] == ["bo"]
    await invite(config, {"cleo": None}, NOW)
    assert [*await seats_at_hand(config)] == ["bo", "cleo"]
    assert await stored_settings(config) == {}
    (shot,) = await read_seats(config, ["cleo"], NOW)
    assert (shot.seat, shot.health) == ("cleo", Health.NEVER_SEEN)
    assert [shot.seat for shot in await read_seats(config, [], NOW)] == ["bo", "cleo"]


async def test_a_bot_that_cannot_hear_its_seats_says_so(tmp_path: Path) -> None:
    stream = io.StringIO()
    log_setup.set_up(stream)
    async with assembled(configured(tmp_path), ManualClock(NOW), terminal=(None, io.StringIO())):
        assert "nobody can push" in stream.getvalue()
