"""The whole bot in one process: the real parts, connected, on a simulated claude.ai, Slack and Discord."""

import asyncio
import io
import logging
import shutil
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from meterbot.app import build_sources, log_setup
from meterbot.app.build import assembled
from meterbot.app.config import Config
from meterbot.app.run import Bot
from meterbot.chat import Question
from meterbot.core.clock import ManualClock, SystemClock
from meterbot.core.errors import StartError
from meterbot.core.models import Health
from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from meterbot.store import counter_states, event_log, source_states
from tests import postgres
from tests.chat.discord.rig import POST_MESSAGE
from tests.e2e.team import (
    EVERYBODY_ONCE,
    NOW,
    SECRETS,
    SESSION_KEYS,
    Team,
    deliver,
    play,
    shown,
    team,
)
from tests.ports import free_port
from tests.simulator import claude_ai, discord_faults, server, slack_faults
from tests.simulator.slack_faults import hanging


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def three(clock: ManualClock) -> AsyncIterator[Team]:
    async with team(clock) as made:
        yield made
        made.claude.assert_expected_only()


@pytest.fixture
async def live() -> AsyncIterator[Team]:
    """By the clock of the machine."""
    async with team() as made:
        yield made


@pytest.fixture
def sqlite(tmp_path: Path, sqlite_template: Path) -> str:
    path = tmp_path / "meterbot.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@asynccontextmanager
async def running(config: Config, clock: ManualClock) -> AsyncIterator[Bot]:
    """Started and connected; everybody has been read once, with nothing to tell."""
    async with assembled(config, clock) as bot:
        await bot.run_once()
        await play(bot, clock)
        yield bot


# --- alerts ---------------------------------------------------------------------------------------------------------


async def test_a_crossed_threshold_is_reported_on_both_platforms_once_and_restarts_repeat_nothing(
    three: Team, clock: ManualClock, database_url: str
) -> None:
    config = three.config(database_url)
    async with running(config, clock) as bot:
        three.spend("ana", "26")
        await play(bot, clock, rounds=3)
    posts = three.on_slack(), three.on_discord()
    assert [text for text in posts[0] if "50%" in text] == [posts[0][-1]]
    assert "ana passed 50% of the cap" in posts[0][-1]
    assert [title for title in posts[1] if "50%" in title] == [posts[1][-1]]
    for _ in range(2):
        async with running(config, clock) as bot:
            await play(bot, clock)
    assert (three.on_slack(), three.on_discord()) == posts


async def test_a_block_is_reported_and_its_end_edits_the_message_and_adds_one_line_to_its_thread(
    three: Team, clock: ManualClock, sqlite: str
) -> None:
    async with running(three.config(sqlite), clock) as bot:
        three.block("ana")
        await play(bot, clock)
        blocked = next(each for each in three.slack.messages() if "ana is BLOCKED" in each.text)
        stood = len(three.on_slack()), len(three.on_discord())
        three.unblock("ana")
        await play(bot, clock, rounds=2)
    assert blocked.text.startswith("✅ ana is no longer blocked")
    (line,) = three.slack.replies(blocked)
    assert "ana is no longer blocked" in line.text
    new_on_slack = three.on_slack()[stood[0] :]
    assert [text for text in new_on_slack if "blocked" in text] == []
    edited = [title for title in three.on_discord() if "Resolved: ana is BLOCKED" in title]
    replies = [message for message in three.discord.messages() if message.get("message_reference")]
    assert len(edited) == 1
    assert ["ana is no longer blocked" in shown(reply) for reply in replies] == [True]


async def test_an_expired_session_is_reported_after_its_grace_time_and_so_is_its_recovery(
    three: Team, clock: ManualClock, sqlite: str
) -> None:
    async with running(three.config(sqlite), clock) as bot:
        three.accounts["bo"].signed_in = False
        await play(bot, clock, rounds=3)
        assert [text for text in three.on_slack() if "cannot be read" in text] == []
        await play(bot, clock, rounds=6)
        (down,) = (each for each in three.slack.messages() if "cannot be read" in each.text)
        assert "bo cannot be read: the sign-in has expired" in down.text
        assert "session_expired" in {
            state.health.value for state in (await bot.store.read(source_states.read_sources)).values()
        }
        three.accounts["bo"].signed_in = True
        clock.advance(timedelta(hours=1))
        await bot.run_once()
        await deliver(bot, clock)
    assert down.text.startswith("✅ bo can be read again")
    assert ["bo can be read again" in reply.text for reply in three.slack.replies(down)] == [True]


async def test_no_source_is_blamed_for_the_time_in_which_nobody_asked_it(
    three: Team, clock: ManualClock, sqlite: str
) -> None:
    async with running(three.config(sqlite), clock):
        before = three.on_slack()
    clock.advance(timedelta(hours=8))
    async with assembled(three.config(sqlite), clock) as bot:
        bot.awake_since = clock.now()
        await bot.run_checks()
        await bot.delivery_worker.drain()
        assert three.on_slack() == before
        bot.awake_since = None
        await bot.run_checks()
        await bot.delivery_worker.drain()
        await deliver(bot, clock)
    assert len([text for text in three.on_slack() if "cannot be read" in text]) == 3


async def test_a_bot_notes_for_status_when_it_last_looked_after_its_seats(
    three: Team, clock: ManualClock, sqlite: str
) -> None:
    async with running(three.config(sqlite), clock) as bot:
        await bot.run_once()
        noted = await bot.commands.answer(Question(("status",), "slack", "UANA1"))
        assert "Last tick just now." in noted.message.text
        clock.advance(timedelta(minutes=3))
        later = await bot.commands.answer(Question(("status",), "slack", "UANA1"))
        assert "Last tick 3 min ago." in later.message.text


async def test_an_organization_read_before_a_restart_stays_in_the_total_when_it_refuses(
    three: Team, clock: ManualClock, sqlite: str
) -> None:
    ana = three.accounts["ana"]
    ana.organizations.append(SimulatedOrganization("11111111-1111-4111-8111-1111111111ff"))
    three.spend("ana", "20")
    async with running(three.config(sqlite), clock):
        pass
    three.accounts["bo"].signed_in = three.accounts["cy"].signed_in = False
    three.claude.fail("usage", server.error(401, "authentication_error", "Unauthorized"))
    async with assembled(three.config(sqlite), clock) as bot:
        await play(bot, clock, rounds=2)
        rows = [one for one in await bot.store.read(counter_states.read_latest) if one.seat == "ana"]
        state = (await bot.store.read(source_states.read_sources))["ana"]
    amounts = [one.known.snapshot.extra_usage.used for one in rows if one.known.snapshot.extra_usage]
    assert sorted(map(str, amounts)) == ["$0.00", "$20.00"]
    assert state.health is Health.REFUSED


@pytest.mark.parametrize("spent", ["12", "0"])
async def test_a_restart_does_not_forget_whose_amounts_a_teams_usage_has(
    three: Team, clock: ManualClock, sqlite: str, spent: str
) -> None:
    """The row fails at the first reading after the restart, when `/usage` still has everybody's amounts."""
    (organization,) = three.accounts["ana"].organizations
    organization.capabilities = ["raven", "chat"]
    everybody = {
        "is_enabled": True,
        "monthly_limit": 800_000,
        "used_credits": 100_100,
        "currency": "USD",
        "decimal_places": 2,
    }
    three.spend("ana", spent)
    three.claude.fail_always(
        "usage", server.Reply(body={"five_hour": {"utilization": 1}, "extra_usage": everybody})
    )
    async with running(three.config(sqlite), clock):
        pass
    three.claude.fail_always("overage", server.error(500, "api_error", "Internal server error"))
    async with assembled(three.config(sqlite), clock) as bot:
        await play(bot, clock, rounds=2)
        (row,) = [one for one in await bot.store.read(counter_states.read_latest) if one.seat == "ana"]
    assert row.known.snapshot.usage_is_total
    extra = row.known.snapshot.extra_usage
    assert extra is not None
    assert str(extra.used) == f"${spent}.00"


async def test_a_database_that_is_away_is_logged_when_it_goes_and_when_it_is_back(
    three: Team, clock: ManualClock, sqlite: str
) -> None:
    async with running(three.config(sqlite), clock) as bot:
        with capture_logs() as logs:
            for now, then in (("notes", "away"), ("away", "notes")):
                with closing(sqlite3.connect(sqlite.removeprefix("sqlite:///"))) as connection:
                    connection.execute(f"ALTER TABLE {now} RENAME TO {then}")
                for _ in range(3):
                    await bot.jobs.attempt(bot.note_tick)
    assert [(one["log_level"], one["event"]) for one in logs] == [
        ("error", "a job fails, it will be tried again"),
        ("info", "a job works again"),
    ]
    assert {one["job"] for one in logs} == {"note_tick"}


async def test_a_bug_of_a_job_is_logged_although_the_job_fails_already(
    three: Team, clock: ManualClock, sqlite: str
) -> None:
    errors: list[Exception] = [OSError("away"), OSError("away"), KeyError("a bug"), KeyError("a bug")]

    async def job() -> None:
        raise errors.pop(0)

    async with assembled(three.config(sqlite), clock) as bot:
        with capture_logs() as logs:
            for _ in range(4):
                await bot.jobs.attempt(job)
    assert [type(one["exc_info"]) for one in logs] == [OSError, KeyError]


def _take_away(path: Path, how: str) -> None:
    if how == "replaced":
        shutil.copy(path, path.with_name("copy"))
        path.with_name("copy").rename(path)
    else:
        path.rename(path.with_name("elsewhere"))


@pytest.mark.parametrize("how", ["replaced", "moved away"])
async def test_a_bot_ends_when_its_database_file_is_another_one(
    three: Team, clock: ManualClock, sqlite: str, how: str
) -> None:
    path = Path(sqlite.removeprefix("sqlite:///"))
    async with running(three.config(sqlite), clock) as bot:
        ending = asyncio.create_task(bot.run(asyncio.Event()))
        _take_away(path, how)
        await bot.jobs.attempt(bot.note_tick)
        with pytest.raises(StartError, match="the database's file was replaced or moved"):
            await asyncio.wait_for(ending, 20)


async def test_a_machine_that_was_suspended_blames_no_source_for_it(
    three: Team, clock: ManualClock, sqlite: str
) -> None:
    async with running(three.config(sqlite), clock) as bot:
        bot.awake_since = clock.now()
        woken = clock.advance(timedelta(hours=8))
        await bot.tick()
        await bot.poller.drain()
        assert bot.awake_since == woken


async def test_a_job_that_is_cut_off_at_the_end_is_no_failure(
    three: Team, clock: ManualClock, sqlite: str
) -> None:
    begun = asyncio.Event()

    async def unending() -> None:
        begun.set()
        await asyncio.Event().wait()

    async with assembled(three.config(sqlite), clock) as bot:
        with capture_logs() as logs:
            job = asyncio.create_task(bot.jobs.attempt(unending))
            await begun.wait()
            job.cancel()
            await asyncio.wait([job])
    assert (job.cancelled(), logs) == (True, [])


async def test_what_is_old_becomes_less_while_the_bot_runs(
    three: Team, clock: ManualClock, sqlite: str
) -> None:
    async with assembled(three.config(sqlite), clock) as bot:
        three.spend("ana", "1")
        await play(bot, clock)
        three.spend("ana", "26")
        await play(bot, clock)
        keys = {
            event.key
            for event in await bot.store.read(
                lambda c: event_log.read_events(c, clock.now() - timedelta(days=1))
            )
        }
        assert keys
        clock.advance(timedelta(days=200))
        three.spend("ana", "1")
        await bot.run_once()
        left = {
            event.key
            for event in await bot.store.read(
                lambda c: event_log.read_events(c, clock.now() - timedelta(days=300))
            )
        }
        assert not keys & left


async def test_one_bad_seat_harms_no_other(
    three: Team, clock: ManualClock, sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_sources, "RETRY_PAUSES", ())
    three.accounts["bo"].signed_in = False
    async with running(three.config(sqlite), clock) as bot:
        three.spend("ana", "26")
        three.spend("cy", "45")
        await play(bot, clock)
        health = {
            name: state.health for name, state in (await bot.store.read(source_states.read_sources)).items()
        }
    assert health == {"ana": Health.OK, "bo": Health.SESSION_EXPIRED, "cy": Health.OK}
    posts = " ".join(three.on_slack())
    assert "ana passed 50%" in posts
    assert "cy passed 80%" in posts


async def test_a_platform_that_is_down_gets_everything_when_it_is_back_and_the_other_at_once(
    three: Team, clock: ManualClock, sqlite: str
) -> None:
    async with running(three.config(sqlite), clock) as bot:
        three.slack.fail("chat.postMessage", *[slack_faults.server_error(503)] * 3, slack_faults.dropped())
        three.spend("ana", "26")
        three.block("cy")
        await play(bot, clock)
        on_discord = three.on_discord()
        assert any("cy is BLOCKED" in title for title in on_discord)
        assert three.on_slack() == []
        await play(bot, clock, rounds=8)
        assert three.on_discord() == on_discord
    assert len(three.on_slack()) == len(set(three.on_slack())) == len(on_discord)


# --- questions ------------------------------------------------------------------------------------------------------


async def test_the_command_is_answered_on_both_platforms_from_the_store(
    three: Team, clock: ManualClock, sqlite: str
) -> None:
    three.spend("ana", "17.20")
    async with running(three.config(sqlite), clock):
        asked_claude = len(three.claude.requests)
        for words, part in (
            ("", "$17.20"),
            ("seat ana", "$17.20 / $50.00 (34%)"),
            ("status", "3 sources ok"),
        ):
            on_slack = await three.slack.answer(await three.slack.slash("/claude-spend", words))
            on_discord = await three.discord.answer_to(await three.discord.slash(words))
            assert part in str(on_slack.payload)
            assert part in str(on_discord)
            assert on_slack.payload["response_type"] == "ephemeral"
            assert on_discord["flags"] & 64
        assert len(three.claude.requests) == asked_claude


async def test_me_is_the_person_who_asks(three: Team, clock: ManualClock, sqlite: str) -> None:
    three.spend("bo", "3")
    async with running(three.config(sqlite), clock):
        on_slack = await three.slack.answer(await three.slack.slash("/claude-spend", "me", user="UBO1"))
        on_discord = await three.discord.answer_to(await three.discord.slash("me", user="43"))
    assert "€3.00 / €50.00 (6%)" in str(on_slack.payload)
    assert "€3.00 / €50.00 (6%)" in str(on_discord)


# --- starting and ending --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"SLACK_BOT_TOKEN": "xoxb-another"}, ["SLACK_BOT_TOKEN"]),
        ({"SLACK_APP_TOKEN": "xapp-another"}, ["SLACK_APP_TOKEN"]),
        ({"DISCORD_TOKEN": "another"}, ["DISCORD_TOKEN"]),
        (
            {"SLACK_BOT_TOKEN": "xoxb-another", "DISCORD_TOKEN": "another"},
            ["SLACK_BOT_TOKEN", "DISCORD_TOKEN"],
        ),
    ],
)
async def test_every_wrong_token_is_named(
    three: Team, clock: ManualClock, sqlite: str, wrong: dict[str, str], named: list[str]
) -> None:
    with pytest.raises(StartError) as caught:
        async with assembled(three.config(sqlite, **wrong), clock):
            pytest.fail("it started")
    assert [
        name for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "DISCORD_TOKEN") if name in str(caught.value)
    ] == (named)
    assert not [value for value in wrong.values() if value in str(caught.value) and "-" in value]


async def test_an_address_in_use_is_a_sentence(three: Team, clock: ManualClock, sqlite: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StartError, match=f"cannot listen on {bind}"):
            async with assembled(three.config(sqlite, f'[http]\nbind = "{bind}"'), clock):
                pytest.fail("it started")


async def test_a_running_bot_polls_alerts_and_ends_when_told_to(live: Team, sqlite: str) -> None:
    live.block("ana")
    config, stop = live.config(sqlite), asyncio.Event()
    async with assembled(config, SystemClock()) as bot:
        working = asyncio.create_task(bot.run(stop, tick_seconds=0.02))
        await live.slack.until(live.slack.messages, seconds=30)
        await live.discord.until(live.discord.messages)
        stop.set()
        await asyncio.wait_for(working, 5)
    assert any("ana is BLOCKED" in text for text in live.on_slack())
    assert any("ana is BLOCKED" in title for title in live.on_discord())


async def test_a_bot_whose_platform_hangs_ends_in_time_and_the_next_one_settles_the_doubt(
    live: Team, sqlite: str
) -> None:
    until = asyncio.Event()
    live.slack.fail("chat.postMessage", hanging(until))
    live.block("ana")
    config, stop = live.config(sqlite), asyncio.Event()
    async with assembled(config, SystemClock()) as bot:
        working = asyncio.create_task(bot.run(stop, tick_seconds=0.02))
        await live.slack.until(live.slack.messages, seconds=30)
        began = time.monotonic()
        stop.set()
        await working
    assert time.monotonic() - began < 10
    until.set()
    async with assembled(config, SystemClock()) as bot:
        stop.clear()
        working = asyncio.create_task(bot.run(stop, tick_seconds=0.02))
        await live.slack.until(lambda: live.slack.called("conversations.history"))
        stop.set()
        await working
    assert len(live.on_slack()) == len(set(live.on_slack()))


# --- the listener ---------------------------------------------------------------------------------------------------


async def get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
        return response.status, await response.text()


async def test_the_listener_tells_how_the_bot_is(three: Team, clock: ManualClock, sqlite: str) -> None:
    port = free_port()
    config = three.config(sqlite, f'[http]\nbind = "127.0.0.1:{port}"')
    async with assembled(config, clock) as bot:
        assert await get(port, "/healthz") == (200, '{"status": "alive"}')
        assert (await get(port, "/readyz"))[0] == 503
        await bot.run_once()
        await play(bot, clock)
        assert await get(port, "/readyz") == (200, '{"status": "ready", "problems": [], "notes": []}')
        metrics = (await get(port, "/metrics"))[1]
        assert 'meterbot_seat_health{health="ok",seat="ana"} 1.0' in metrics
        assert 'meterbot_chat_connected{chat="discord"} 1.0' in metrics
        assert 'meterbot_deliveries_waiting{chat="slack"} 0.0' in metrics

        three.slack.fail("chat.postMessage", *[slack_faults.refused("not_in_channel")] * 9)
        three.block("ana")
        await play(bot, clock, rounds=9)
        status, body = await get(port, "/readyz")
        assert (status, "an alert is waiting to be delivered" in body) == (503, True)
        assert "for slack cannot be delivered: " in body
        assert "not_in_channel" in body
        assert "meterbot_ready 0.0" in (await get(port, "/metrics"))[1]
    with pytest.raises(aiohttp.ClientConnectionError):
        await get(port, "/healthz")


async def test_a_snoozed_alert_is_held_and_keeps_nobody_waiting(
    three: Team, clock: ManualClock, sqlite: str
) -> None:
    silence = "[[alerts.silences]]\nstart = 2020-01-01\nend = 2100-01-01\n"
    async with running(three.config(sqlite, silence), clock) as bot:
        three.block("ana")
        await play(bot, clock)
        clock.advance(timedelta(hours=1))
        await bot.run_once()
        health = await bot.health()
    assert (health.problems(), health.chats["slack"].waiting, health.chats["slack"].oldest) == ([], 0, None)
    assert health.chats["slack"].held > 0


async def test_a_wrong_channel_is_said_at_the_start_and_keeps_the_bot_from_being_ready(
    three: Team, clock: ManualClock, sqlite: str
) -> None:
    config = three.config(sqlite)
    assert config.slack is not None
    wrong = config.slack.model_copy(update={"channel": "C0NOSUCH"})
    config = config.model_copy(update={"slack": wrong, "discord": None})
    async with running(config, clock) as bot:
        with capture_logs() as logged:
            await bot.check_channels()
            await bot.check_channels()
        health = await bot.health()
    assert [(line["log_level"], line["chat"]) for line in logged] == [("error", "slack")]
    assert "no alert can be posted: the configured channel is wrong" in health.problems()
    assert [note for note in health.notes() if note.startswith("slack: Slack rejects the channel")]


async def test_what_waits_for_a_chat_that_left_the_configuration_is_no_failure_of_this_bot(
    three: Team, clock: ManualClock, sqlite: str
) -> None:
    async with running(three.config(sqlite), clock) as bot:
        three.slack.fail("chat.postMessage", slack_faults.refused("not_in_channel"))
        three.block("ana")
        await play(bot, clock)
        assert (await bot.health()).chats["slack"].waiting > 0
    config = three.config(sqlite)
    async with running(config.model_copy(update={"slack": None}), clock) as bot:
        clock.advance(timedelta(hours=1))
        await bot.run_once()
        await deliver(bot, clock)
        health = await bot.health()
    assert (
        health.problems(),
        {name: (chat.waiting, chat.trouble) for name, chat in health.chats.items()},
    ) == ([], {"discord": (0, None)})


async def test_a_seat_that_left_the_configuration_ails_nobody(
    three: Team, clock: ManualClock, sqlite: str
) -> None:
    three.accounts["bo"].signed_in = False
    async with running(three.config(sqlite), clock) as bot:
        await play(bot, clock)
        assert (await bot.health()).notes() == ["1 of 3 seats cannot be read reliably"]
    config = three.config(sqlite)
    without = [seat for seat in config.seats if seat.name != "bo"]
    async with running(config.model_copy(update={"seats": tuple(without)}), clock) as bot:
        assert (await bot.health()).notes() == []


async def test_a_second_bot_on_a_file_is_refused(three: Team, clock: ManualClock, sqlite: str) -> None:
    config = three.config(sqlite)
    async with assembled(config, clock):
        with pytest.raises(StartError, match="another meterbot already runs on"):
            async with assembled(config, clock):
                pytest.fail("it started")


# --- secrets --------------------------------------------------------------------------------------------------------


async def test_no_secret_and_no_address_of_a_person_is_left_anywhere(
    three: Team, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through failures of every part: what was logged, posted, answered and stored."""
    monkeypatch.setattr(build_sources, "RETRY_PAUSES", ())
    stderr = io.StringIO()
    log_setup.set_up(stderr)
    logging.getLogger("meterbot").setLevel(logging.DEBUG)
    port, database = free_port(), tmp_path / "meterbot.db"
    http = f'[http]\nbind = "127.0.0.1:{port}"'
    config = three.config(f"sqlite:///{database}", http)
    seen: list[str] = [repr(config), str(config)]
    three.accounts["ana"].rotate_to.append(rotated := "sk-ant-sid01-planted-rotated-BBBBBBBB")
    async with running(config, clock) as bot:
        for failing in failures(three):
            failing()
            three.spend("ana", f"{26 + len(seen)}")
            await play(bot, clock, rounds=2)
            seen += [(await get(port, path))[1] for path in ("/readyz", "/metrics", "/healthz")]
            seen += [
                str((await three.slack.answer(await three.slack.slash("/claude-spend", words))).payload)
                for words in ("", "status", "seat bo")
            ]
            three.claude.heal()
        three.accounts["bo"].signed_in = False
        await play(bot, clock, rounds=8)
        seen += [
            str(await three.discord.answer_to(await three.discord.slash(words))) for words in ("", "status")
        ]
    for wrong in ({"SLACK_BOT_TOKEN": "xoxb-planted-wrong-one"}, {"DISCORD_TOKEN": DISCORD_WRONG}):
        with pytest.raises(StartError) as caught:
            async with assembled(three.config(f"sqlite:///{database}", **wrong), clock):
                pytest.fail("it started")
        seen.append(str(caught.value))
    with pytest.raises(StartError) as caught:
        async with assembled(three.config(DATABASE_WRONG), clock):
            pytest.fail("it started")
    seen.append(str(caught.value))
    seen += [stderr.getvalue(), str([message.payload for message in three.slack.messages()])]
    seen += [str(three.discord.messages())]
    seen += stored_in(tmp_path)
    planted = [
        *SECRETS,
        rotated,
        "xoxb-planted-wrong-one",
        DISCORD_WRONG,
        "planted-db-password",
        "planted.example",
    ]
    assert [secret for secret in planted if any(secret in text for text in seen)] == []
    # It did have faults, and logged them.
    logged = stderr.getvalue()
    assert all(part in logged for part in ("a message has to wait", "found out whether a message arrived"))
    assert any("bo cannot be read" in text for text in three.on_slack())
    assert database.read_bytes()


def stored_in(folder: Path) -> list[str]:
    return [path.read_bytes().decode("latin-1") for path in folder.iterdir()]


DISCORD_WRONG = "MTExMTExMTExMTExMTExMTEx.Gwrong.planted-wrong-discord-token-000000"
DATABASE_WRONG = "postgresql://planted:planted-db-password@127.0.0.1:1/meterbot"


def failures(three: Team) -> Iterator[Callable[[], None]]:
    usage = [
        claude_ai.challenge(),
        server.Reply(status=500, body=f"sessionKey={SESSION_KEYS['ana']}"),
        server.Reply(body={"echo": SESSION_KEYS["ana"]}),
        server.Reply(drop=True),
    ]
    on_slack = [slack_faults.refused("invalid_auth"), slack_faults.dropped(), slack_faults.server_error()]
    on_discord = [
        discord_faults.refused(401),
        discord_faults.dropped(done=True),
        discord_faults.garbled("<html>"),
    ]
    yield from (partial(three.claude.fail, "usage", *[reply] * 3) for reply in usage)
    yield from (partial(three.slack.fail, "chat.postMessage", fault) for fault in on_slack)
    yield from (partial(three.discord.fail, "POST", POST_MESSAGE, fault) for fault in on_discord)


# --- two at once ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def postgresql(postgres_server: str) -> AsyncIterator[str]:
    async with postgres.fresh_database(postgres_server) as url:
        yield url


async def test_two_bots_on_one_database_read_each_seat_and_post_each_alert_once(
    three: Team, clock: ManualClock, postgresql: str
) -> None:
    config = three.config(postgresql)
    async with running(config, clock) as one, assembled(config, clock) as other:
        assert three.discord.gateway.identifies == 1
        await other.run_once()
        three.claude.requests.clear()
        three.spend("ana", "26")
        three.block("cy")
        clock.advance(EVERYBODY_ONCE)
        await asyncio.gather(one.run_once(), other.run_once())
        read = [request.organization for request in three.claude.requests if request.route == "usage"]
        assert len(read) == len(set(read)) == 3
        await play(one, clock)
        await play(other, clock)
    assert len(three.on_slack()) == len(set(three.on_slack()))
    assert len(three.on_discord()) == len(set(three.on_discord()))
    assert any("cy is BLOCKED" in text for text in three.on_slack())
