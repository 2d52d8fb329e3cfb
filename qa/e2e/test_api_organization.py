"""A whole bot with an API organization beside a seat: what it stores, shows and leaves out of every total."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from meterbot.app.build import assembled
from meterbot.app.config import Config, load
from meterbot.app.run import Bot
from meterbot.chat import Question
from meterbot.cli import answers, seat_reads
from meterbot.commands.report_json import spend_json
from meterbot.core.clock import ManualClock
from meterbot.core.models import EventKind, Health
from meterbot.store import event_log, source_states
from tests.commands.words.test_team import as_text
from tests.simulator.admin_api import AdminApi, key_invalid
from tests.simulator.claude_ai import ClaudeAi

KEY = "sk-ant-admin01-planted-0123456789abcdefghij"
SESSION = "sk-ant-sid01-planted-0123456789abcdefghij"
NOW = datetime(2026, 10, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def organization() -> AsyncIterator[AdminApi]:
    async with AdminApi(KEY) as server:
        server.charge(date(2026, 10, 1), "12345.00")
        server.charge(date(2026, 10, 1), "2500.00")
        server.use(date(2026, 10, 1), "planted@example.com", 964, 113)
        server.limit("planted@example.com", "50000", "31402.5")
        yield server
        server.assert_expected_only()


def configured(api: AdminApi, claude: ClaudeAi, directory: Path, more: str = "") -> Config:
    text = f"""
database_url = "sqlite:///{directory}/meterbot.db"
[endpoints]
claude_ai = "{claude.url}"
anthropic_api = "{api.url}"
[[alerts.budgets]]
amount = "10.00"
[[seats]]
name = "ana"
source = "claude_ai"
session_key_env = "ANA"
plan = "pro"
[[seats]]
name = "team-api"
source = "admin_api"
token_env = "ADMIN"
{more}
"""
    return load(None, {"METERBOT_CONFIG_TOML": text, "ANA": SESSION, "ADMIN": KEY}, directory)


@asynccontextmanager
async def running(
    api: AdminApi, directory: Path, clock: ManualClock, more: str = ""
) -> AsyncIterator[tuple[Bot, Config, io.StringIO]]:
    async with ClaudeAi() as claude:
        ana = claude.add_account(SESSION)
        ana.organizations[0].used += 420
        config, screen = configured(api, claude, directory, more), io.StringIO()
        async with assembled(config, clock, terminal=(None, screen)) as bot:
            await step(bot, clock)
            yield bot, config, screen


async def step(bot: Bot, clock: ManualClock, minutes: int = 16, *, every: int = 1) -> None:
    """Does everything that is due within the next minutes, checking at this interval."""
    for _ in range(0, minutes, every):
        await bot.run_once()
        clock.advance(every * MINUTE)


async def asked(bot: Bot, *words: str) -> str:
    answer = await bot.commands.answer(Question(words, "console", "operator"))
    return as_text(answer.message)


async def test_what_an_organization_spends_is_beside_the_total(
    organization: AdminApi, tmp_path: Path
) -> None:
    clock = ManualClock(NOW)
    async with running(organization, tmp_path, clock) as (bot, config, screen):
        team = await asked(bot)
        assert "$4.20 spent of $50.00 (8%)" in team
        assert "team-api: $148.45 this month (cost report)" in team
        assert "Claude Code use: $10.77 by 1 person (list-price estimate, not charged to seats)" in team
        document = spend_json((await answers.team_report_with_outlooks(config, clock.now()))[0], UTC)
        assert [(total["used"], total["plan_fees"]) for total in document["totals"]] == [("4.20", "20.00")]  # type: ignore[attr-defined]
        kinds = {event.kind for event in await bot.store.read(lambda c: event_log.read_events(c, NOW))}
        assert EventKind.BUDGET_CROSSED not in kinds, "the organization's money is in no budget"
        assert "148.45" not in screen.getvalue()


async def test_the_rate_comes_from_the_history(organization: AdminApi, tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    async with running(organization, tmp_path, clock) as (bot, _, _screen):
        assert "Rate" not in await asked(bot, "seat", "team-api")
        for _ in range(6):
            organization.charge(date(2026, 10, 1), "100.00")  # days of the past are still corrected
            await step(bot, clock)
        seat = await asked(bot, "seat", "team-api")
    assert "API spend        $154.45 this month (cost report)" in seat
    assert "Projection       $" in seat
    assert "an hour over the last" in seat
    assert "Extra usage" not in seat


async def test_nobody_is_named_unless_it_is_asked_for(organization: AdminApi, tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    async with running(organization, tmp_path, clock) as (bot, config, _):
        assert "planted" not in await asked(bot, "seat", "team-api")
        shots = await seat_reads.read_seats(config, ["team-api"], clock.now())
        assert "planted@example.com" in repr(shots), "for `snapshot --emails`, which stores nothing"
    await asyncio.to_thread(no_trace, tmp_path, b"planted@example.com")
    async with running(organization, tmp_path, clock, "store_emails = true") as (bot, _, _screen):
        seat = await asked(bot, "seat", "team-api")
    assert "planted@example.com: $10.77 (list-price estimate, not charged to seats)" in seat
    assert "planted@example.com: $314.03 / $500.00 (63%)" in seat


async def test_the_key_is_in_no_file_and_on_no_screen(
    organization: AdminApi, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock(NOW)
    async with running(organization, tmp_path, clock) as (bot, _, screen):
        organization.fail_always("cost_report", key_invalid())
        await step(bot, clock, minutes=60, every=5)
        said = await asked(bot, "status") + screen.getvalue() + caplog.text
    assert KEY not in said
    await asyncio.to_thread(no_trace, tmp_path, KEY.encode())


async def test_a_key_that_was_taken_back_is_reported_once_and_asked_for_ever_more_rarely(
    organization: AdminApi, tmp_path: Path
) -> None:
    clock = ManualClock(NOW)
    async with running(organization, tmp_path, clock) as (bot, _, screen):
        organization.fail_always("cost_report", key_invalid())
        before = len(organization.requests)
        await step(bot, clock, minutes=600, every=10)
        assert len(organization.requests) - before <= 8
        assert (await bot.store.read(source_states.read_sources))["team-api"].health is Health.REFUSED
        assert screen.getvalue().count("team-api cannot be read: access is refused") == 1
        assert "makes a new admin key in the Console" in screen.getvalue()
        team = await asked(bot)
        assert "team-api: $148.45 this month (cost report), " in team
        organization.heal()
        await step(bot, clock, minutes=400, every=10)
        assert (await bot.store.read(source_states.read_sources))["team-api"].health is Health.OK


async def test_a_zero_that_means_unknown_survives_a_restart_as_the_last_known(
    organization: AdminApi, tmp_path: Path
) -> None:
    clock = ManualClock(NOW)
    async with running(organization, tmp_path, clock):
        pass
    organization.limits = None
    organization.limit("planted@example.com", "50000", "0")
    async with running(organization, tmp_path, clock, "store_emails = true") as (bot, _, _screen):
        assert "$314.03 / $500.00 (63%, the last known)" in await asked(bot, "seat", "team-api")


async def test_a_new_month_begins_with_nothing(organization: AdminApi, tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 10, 31, 23, 30, tzinfo=UTC))
    async with running(organization, tmp_path, clock) as (bot, _, _screen):
        organization.fail_always("cost_report", key_invalid())
        clock.set(datetime(2026, 11, 1, 0, 1, tzinfo=UTC))
        assert "team-api: unknown, not read this month" in await asked(bot)
        organization.heal()
        await step(bot, clock, minutes=60, every=5)
        last = "team-api: not known yet this month, $148.45 last month (cost report)"
        assert last in await asked(bot)
        clock.set(datetime(2026, 11, 2, 0, 30, tzinfo=UTC))
        await step(bot, clock, minutes=60, every=5)
        assert "team-api: $0.00 this month (cost report)" in await asked(bot)


def no_trace(directory: Path, secret: bytes) -> None:
    """Checks that no file of the database contains what was planted."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if secret in path.read_bytes()]
