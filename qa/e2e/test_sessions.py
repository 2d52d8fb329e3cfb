"""Session keys over restarts: the whole bot, on a claude.ai that renews them."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from meterbot.app.build import assembled
from meterbot.chat import Question
from meterbot.cli import operations, seat_reads
from meterbot.cli.check.seats import read_stored
from meterbot.core.cipher import new_key
from meterbot.core.clock import ManualClock
from meterbot.core.models import Health
from meterbot.store import counter_states, forgetting, source_states
from tests.e2e import process
from tests.e2e.team import (
    NOW,
    SECRET_KEY,
    SECRETS,
    SESSION_KEYS,
    Team,
    play,
    team,
)

RENEWED = "sk-ant-sid02-planted-renewed-key-ana-BBBBBBBB"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def three(clock: ManualClock) -> AsyncIterator[Team]:
    async with team(clock) as made:
        yield made


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/meterbot.db"


async def lived(three: Team, database: str, clock: ManualClock, **environ: str) -> dict[str, Health]:
    """Starts a bot, lets it read everybody, and ends it; returns the sources' states then."""
    async with assembled(three.config(database, **environ), clock) as bot:
        await bot.run_once()
        await play(bot, clock)
        return {
            name: state.health for name, state in (await bot.store.read(source_states.read_sources)).items()
        }


async def test_a_bot_that_starts_again_goes_on_with_the_renewed_key(
    three: Team, database_url: str, clock: ManualClock
) -> None:
    three.accounts["ana"].rotate_to.append(RENEWED)
    await lived(three, database_url, clock)
    three.claude.requests.clear()
    assert (await lived(three, database_url, clock))["ana"] is Health.OK
    sent = {key for request in three.claude.requests for key in request.session_keys}
    assert RENEWED in sent
    assert SESSION_KEYS["ana"] not in sent
    three.claude.assert_expected_only()


async def test_without_a_secret_key_the_seat_ends_with_the_process_and_status_has_said_so(
    three: Team, sqlite: str, clock: ManualClock
) -> None:
    three.accounts["ana"].rotate_to.append(RENEWED)
    async with assembled(three.config(sqlite, METERBOT_SECRET_KEY=""), clock) as bot:
        await bot.run_once()
        await play(bot, clock)
        said = await bot.commands.answer(Question(("status",), "slack", "UANA1"))
        why = "there is no METERBOT_SECRET_KEY"
        (set_up,) = [section for section in said.message.sections if section.heading == "Set-up"]
        assert set_up.lines == (
            f"Renewed session keys of ana, bo and cy are not kept, so that a restart may end them: {why}.",
        )
    assert (await lived(three, sqlite, clock, METERBOT_SECRET_KEY=""))["ana"] is Health.SESSION_EXPIRED


async def test_with_a_kept_session_status_says_nothing_of_it(
    three: Team, sqlite: str, clock: ManualClock
) -> None:
    async with assembled(three.config(sqlite), clock) as bot:
        await bot.run_once()
        said = await bot.commands.answer(Question(("status",), "slack", "UANA1"))
    assert "Set-up" not in {section.heading for section in said.message.sections}


async def test_a_secret_key_is_rotated_without_losing_a_session(
    three: Team, sqlite: str, clock: ManualClock
) -> None:
    newer = new_key()
    three.accounts["ana"].rotate_to.append(RENEWED)
    await lived(three, sqlite, clock)
    three.accounts["ana"].rotate_to.append(f"{RENEWED}2")
    await lived(three, sqlite, clock, METERBOT_SECRET_KEY=f"{newer},{SECRET_KEY}")
    assert (await lived(three, sqlite, clock, METERBOT_SECRET_KEY=newer))["ana"] is Health.OK


async def test_with_a_wrong_secret_key_the_right_one_still_finds_everything(
    three: Team, sqlite: str, clock: ManualClock
) -> None:
    three.accounts["ana"].rotate_to.append(RENEWED)
    await lived(three, sqlite, clock)
    wrong = await lived(three, sqlite, clock, METERBOT_SECRET_KEY=new_key())
    assert (wrong["ana"], wrong["bo"]) == (Health.SESSION_EXPIRED, Health.OK)
    clock.advance(timedelta(hours=1))
    assert (await lived(three, sqlite, clock))["ana"] is Health.OK


async def test_a_key_that_the_operator_replaces_is_used_from_the_next_start_on(
    three: Team, sqlite: str, clock: ManualClock
) -> None:
    three.accounts["ana"].rotate_to.append(RENEWED)
    await lived(three, sqlite, clock)
    three.accounts["ana"].session_key = fresh = "sk-ant-sid01-planted-signed-in-again-CCCC"
    assert (await lived(three, sqlite, clock, ANA_SESSION_KEY=fresh))["ana"] is Health.OK


async def test_the_end_of_a_session_is_reported_in_time_once_for_each_level_and_with_its_owner(
    three: Team, sqlite: str, clock: ManualClock
) -> None:
    ana = three.accounts["ana"]
    ana.rotate_to.append(RENEWED)
    ana.session_ends = NOW + timedelta(days=8)
    await lived(three, sqlite, clock)
    assert three.on_slack() == []
    for day in (1, 2, 5, 7):
        clock.advance(NOW + timedelta(days=day, minutes=30) - clock.now())
        await lived(three, sqlite, clock)
        await lived(three, sqlite, clock)
    assert ends_told(three) == [NOW + timedelta(days=8)] * 3
    (first, *_) = [message for message in three.discord.messages() if "session ends" in json.dumps(message)]
    assert "<@42>" in json.dumps(first)
    ana.rotate_to.append(f"{RENEWED}2")
    ana.session_ends = clock.now() + timedelta(days=2)
    await lived(three, sqlite, clock)
    assert ends_told(three)[3:] == [ana.session_ends]


async def test_a_session_whose_cookie_says_nothing_is_reported_by_its_age(
    three: Team, sqlite: str, clock: ManualClock
) -> None:
    await lived(three, sqlite, clock)
    for day in (20, 21, 25, 27):
        clock.advance(NOW + timedelta(days=day, minutes=30) - clock.now())
        await lived(three, sqlite, clock)
        await lived(three, sqlite, clock)
    assert ends_told(three, "probably ends on") == [NOW + timedelta(days=28, minutes=2)] * 3


async def test_credits_that_run_out_are_reported_once_for_each_level(
    three: Team, sqlite: str, clock: ManualClock
) -> None:
    organization = three.accounts["ana"].organizations[0]
    for cents in (3000, 900, 700, 0, 0):
        organization.balance = Decimal(cents)
        await lived(three, sqlite, clock)
        clock.advance(timedelta(minutes=5))
    said = [json.dumps(message) for message in three.discord.messages()]
    amounts_named = [
        [amount for amount in ("$9.00", "$7.00", "no") if f"ana has {amount} " in message] for message in said
    ]
    assert [amounts for amounts in amounts_named if amounts] == [["$9.00"], ["no"]]
    three.claude.assert_expected_only()


def ends_told(three: Team, words: str = "ends on") -> list[datetime]:
    """When ana's session ends by each of Discord's messages, alone or together with other alerts."""
    end = rf"ana: the claude\.ai session {words} <t:(\d+)"
    said = (re.search(end, json.dumps(message)) for message in three.discord.messages())
    return [datetime.fromtimestamp(int(found[1]), UTC) for found in said if found is not None]


async def test_another_account_behind_a_seat_shows_after_a_restart(
    three: Team, sqlite: str, clock: ManualClock
) -> None:
    await lived(three, sqlite, clock)
    three.accounts["ana"].uuid = str(UUID(int=77))
    async with assembled(three.config(sqlite), clock) as bot:
        await bot.run_once()
        await play(bot, clock)
        (row,) = [one for one in await bot.store.read(counter_states.read_latest) if one.seat == "ana"]
    assert row.known.snapshot.errors[0].startswith(
        "account: the session belongs to another account than before"
    )


async def test_a_snapshot_uses_and_keeps_the_renewed_key_of_the_running_bot(
    three: Team, sqlite: str, clock: ManualClock
) -> None:
    three.accounts["ana"].rotate_to.append(RENEWED)
    await lived(three, sqlite, clock)
    three.accounts["ana"].rotate_to.append(f"{RENEWED}2")
    (shot,) = await seat_reads.read_seats(three.config(sqlite), ["ana"], clock.now())
    assert shot.health is Health.OK
    assert (await lived(three, sqlite, clock))["ana"] is Health.OK


async def test_forgetting_a_seat_forgets_its_session(three: Team, sqlite: str, clock: ManualClock) -> None:
    three.accounts["ana"].rotate_to.append(RENEWED)
    await lived(three, sqlite, clock)
    config = three.config(sqlite)
    assert (
        await operations.transacted(config.database_url, lambda tx: forgetting.forget(tx, "ana"))
    ).sessions == 1
    assert "ana" not in (await read_stored(config)).session_keys


async def test_no_key_of_any_kind_is_in_the_database(
    three: Team, sqlite: str, clock: ManualClock, tmp_path: Path
) -> None:
    three.accounts["ana"].rotate_to.append(RENEWED)
    async with assembled(three.config(sqlite), clock) as bot:
        await bot.run_once()
        await play(bot, clock)
        during = files_of(tmp_path)
    await lived(three, sqlite, clock)
    for secret in (*SECRETS, RENEWED):
        assert secret.encode() not in during
        assert secret.encode() not in files_of(tmp_path)


def files_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("meterbot.db*")))


def everything_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


# --- the commands -----------------------------------------------------------------------------------------------------


async def test_the_command_prints_a_key_that_the_configuration_accepts(three: Team, tmp_path: Path) -> None:
    made = await process.meterbot("secret-key", cwd=tmp_path)
    assert (made.status, made.stderr) == (0, "")
    config = three.config("sqlite:///m.db", METERBOT_SECRET_KEY=made.stdout)
    assert config.secret_keys == (made.stdout.strip(),)


async def test_check_tells_a_wrong_key_and_what_is_lost_can_be_discarded(
    three: Team, sqlite: str, clock: ManualClock, tmp_path: Path
) -> None:
    three.accounts["ana"].rotate_to.append(RENEWED)
    await lived(three, sqlite, clock)
    environ = {**three.environ, "METERBOT_CONFIG_TOML": three.toml(sqlite)}
    wrong = {**environ, "METERBOT_SECRET_KEY": new_key()}
    good = await process.meterbot("check", environ=environ, cwd=tmp_path)
    assert (good.status, "secret_key: renewed session keys are stored" in good.stdout) == (0, True)
    bad = await process.meterbot("check", environ=wrong, cwd=tmp_path)
    assert (bad.status, "does not decrypt the stored session keys of ana" in bad.stdout) == (1, True)
    discard = ("secret-key", "--discard-unreadable")
    kept = await process.meterbot(*discard, environ=environ, cwd=tmp_path)
    assert (kept.status, kept.stdout) == (0, "every stored session key can be decrypted\n")
    gone = await process.meterbot(*discard, environ=wrong, cwd=tmp_path)
    assert (gone.status, gone.stdout) == (0, "deleted the stored session keys of ana\n")
    refused = await process.meterbot(*discard, environ={**environ, "METERBOT_SECRET_KEY": ""}, cwd=tmp_path)
    assert refused.status == 2
    said = "".join(end.stdout + end.stderr for end in (good, bad, kept, gone, refused))
    assert not [planted for planted in (*SECRETS, RENEWED, wrong["METERBOT_SECRET_KEY"]) if planted in said]


async def test_check_creates_no_database(three: Team, tmp_path: Path) -> None:
    environ = {**three.environ, "METERBOT_CONFIG_TOML": three.toml("sqlite:///none.db")}
    assert (await process.meterbot("check", environ=environ, cwd=tmp_path)).status == 0
    assert everything_in(tmp_path) == []
