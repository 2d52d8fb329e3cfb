"""What the services answer, and the findings."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from meterbot.cli.check import live
from meterbot.cli.check.live import (
    clock,
    live_checks,
    plans,
    readings,
    schema,
    unasked,
)
from meterbot.cli.operations import invite
from meterbot.core.findings import Check, Status
from meterbot.core.models import Health, Seat, Snapshot, SourceState
from meterbot.store import Batch, Glance, batches
from meterbot.store.database import glance, open_store, upgrade
from meterbot.store.migrations import VERSION_TABLE
from tests.chat.secrets import watching
from tests.e2e.team import SECRETS, SESSION_KEYS, Team, team

NOW = datetime(2026, 4, 15, 10, tzinfo=UTC)
ANA = Seat("ana", "claude_ai")


def present() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
async def three() -> AsyncIterator[Team]:
    async with team() as made:
        yield made


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/meterbot.db"


def everything_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def troubles(checks: list[Check]) -> list[tuple[str, Status]]:
    assert all(check.remedy for check in checks if check.status is not Status.OK)
    return [(check.id, check.status) for check in checks if check.status is not Status.OK]


async def test_a_sound_team_is_all_well_and_nothing_is_posted_or_made(
    three: Team, sqlite: str, tmp_path: Path
) -> None:
    checks = await live_checks(three.config(sqlite), present)
    assert troubles(checks) == []
    assert [check.id for check in checks] == [
        "schema",
        *("slack_token", "slack_scopes", "slack_channel", "slack_socket"),
        *("discord_token", "discord_channel", "discord_guild", "discord_permissions", "discord_command"),
        "discord_gateway",
        *("seat_read", "seat_read", "seat_read"),
        "clock",
    ]
    assert (three.on_slack(), three.on_discord(), everything_in(tmp_path)) == ([], [], [])
    three.claude.assert_expected_only()


async def test_the_scope_for_direct_messages_is_needed_once_somebody_on_slack_is_invited(
    three: Team, sqlite: str
) -> None:
    three.slack.scopes = tuple(scope for scope in three.slack.scopes if scope != "im:write")
    config = three.config(sqlite)
    assert troubles(await live_checks(config, present)) == []
    await invite(config, {"cleo": {"slack": "UCLEO1"}}, present())
    found = [each for each in await live_checks(config, present) if each.id == "slack_scopes"]
    assert [(each.status, each.sentence) for each in found] == [
        (Status.WARN, "without im:write nobody can get a direct message")
    ]


async def test_what_fails_is_reported_side_by_side_and_no_secret_with_it(
    three: Team, sqlite: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    three.slack.channels[three.slack.channel].member = False
    three.discord.invited = False
    three.accounts["ana"].signed_in = False
    with watching(caplog, capsys) as watch:
        checks = await live_checks(three.config(sqlite, SLACK_APP_TOKEN="xapp-planted-wrong"), present)
        for secret in (*SECRETS, "xapp-planted-wrong"):
            watch.assert_hidden(secret, checks)
    assert troubles(checks) == [
        ("slack_channel", Status.FAIL),
        ("slack_socket", Status.FAIL),
        ("discord_channel", Status.FAIL),
        ("seat_read", Status.FAIL),
    ]


async def test_a_seat_whose_service_asked_for_a_pause_is_not_asked(three: Team, sqlite: str) -> None:
    store = await open_store(sqlite)
    pausing = SourceState("ana", Health.RATE_LIMITED, failures=1, next_due=present() + timedelta(hours=1))
    await store.run(lambda c: batches.write(c, Batch(sources=[pausing])))
    await store.close()
    checks = await live_checks(three.config(sqlite), present)
    assert troubles(checks) == [("seat_read", Status.WARN)]
    asking = {key for request in three.claude.requests for key in request.session_keys}
    assert asking == {SESSION_KEYS["bo"], SESSION_KEYS["cy"]}


async def test_a_read_that_takes_too_long_is_given_up(
    three: Team, sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "READ_SECONDS", 0.0)
    checks = await live_checks(three.config(sqlite), present)
    assert troubles(checks) == [("seat_read", Status.FAIL)]


# --- the database's schema ------------------------------------------------------------------------------------------


async def test_the_schema_is_seen_without_a_change(database_url: str) -> None:
    before = await glance(database_url)
    assert schema(before).status is Status.OK
    assert (before.found, before.there) == (None, "postgresql" in database_url)
    await upgrade(database_url)
    after = await glance(database_url)
    assert (after.found, after.unknown) == (after.newest, False)
    assert schema(after).status is Status.OK


@pytest.mark.parametrize(("found", "unknown"), [("0008", False), ("9999", True)])
async def test_another_schema_is_reported_and_no_seat_is_read(
    three: Team,
    sqlite: str,
    found: str,
    unknown: bool,  # noqa: FBT001
) -> None:
    await upgrade(sqlite)
    engine = create_engine(sqlite)
    with engine.begin() as connection:
        connection.execute(text(f"update {VERSION_TABLE} set version_num = '{found}'"))  # noqa: S608 - our own
    engine.dispose()
    seen = await glance(sqlite)
    assert (seen.found, seen.unknown) == (found, unknown)
    status = Status.FAIL if unknown else Status.WARN
    checks = await live_checks(three.config(sqlite), present)
    assert troubles(checks) == [("schema", status), ("seat_read", Status.WARN)]
    assert three.claude.requests == []


async def test_a_database_that_is_none_is_reported(three: Team, sqlite: str, tmp_path: Path) -> None:
    (tmp_path / "meterbot.db").write_bytes(bytes(range(1, 256)) * 64)
    assert troubles(await live_checks(three.config(sqlite), present))[0] == ("schema", Status.FAIL)


@pytest.mark.parametrize(
    ("found", "step"), [("9", "install the newer version again"), ("1", "set another database in ")]
)
def test_a_schema_that_cannot_be_upgraded_fails_and_says_what_to_do(found: str, step: str) -> None:
    finding = schema(Glance(found, "3", unknown=True))
    assert finding.status is Status.FAIL
    assert step in str(finding)


# --- seats ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (None, None),
        (SourceState("ana"), None),
        (SourceState("ana", Health.OK, last_ok_at=NOW - timedelta(seconds=59)), Status.OK),
        (SourceState("ana", Health.OK, last_ok_at=NOW - timedelta(minutes=1)), None),
        (SourceState("ana", Health.OK, next_due=NOW + timedelta(hours=1)), None),
        (SourceState("ana", Health.RATE_LIMITED, next_due=NOW + timedelta(seconds=1)), Status.WARN),
        (SourceState("ana", Health.RATE_LIMITED, next_due=NOW), None),
        (SourceState("ana", Health.CHALLENGED, next_due=NOW + timedelta(hours=6)), Status.WARN),
    ],
)
def test_a_seat_is_asked_unless_it_was_just_read_or_asked_for_a_pause(
    state: SourceState | None, status: Status | None
) -> None:
    found = unasked(ANA, state, NOW)
    assert (found and found.status) == status


def test_a_seat_that_pushes_is_never_asked_and_always_told() -> None:
    state = SourceState("bo", Health.STALE, next_due=NOW + timedelta(hours=1))
    assert unasked(Seat("bo", "push"), state, NOW) is None


@pytest.mark.parametrize("health", [*Health])
def test_every_health_is_reported_with_what_to_do(health: Health) -> None:
    (found,) = readings([ANA], [Snapshot("ana", "claude_ai", NOW, health)])
    assert (found.status is Status.OK) == (health is Health.OK)
    assert bool(found.remedy) == (health is not Health.OK)


def test_of_several_organizations_the_worst_is_reported() -> None:
    shots = [Snapshot("ana", "claude_ai", NOW, health) for health in (Health.OK, Health.DRIFTED, Health.OK)]
    (found,) = readings([ANA], shots)
    assert "drifted" in found.sentence


def test_a_plan_that_is_another_than_the_accounts_is_worth_a_look() -> None:
    seats = [Seat("ana", "claude_ai", plan="max_5x"), Seat("bo", "claude_ai", plan="pro")]
    shots = [Snapshot(name, "claude_ai", NOW, Health.OK, tier="pro") for name in ("ana", "bo")]
    (found,) = plans(seats, shots)
    assert (found.id, found.status) == ("plan", Status.WARN)
    assert found.sentence == "ana is configured with plan max_5x, and its account says pro"


# --- clocks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap", "status", "words"),
    [
        (timedelta(seconds=29), Status.OK, "agrees"),
        (timedelta(seconds=30), Status.WARN, "30 seconds behind that of Slack"),
        (timedelta(seconds=-90), Status.WARN, "90 seconds ahead of that of Slack"),
        (timedelta(minutes=5), Status.FAIL, "300 seconds behind that of Slack"),
    ],
)
def test_a_clock_that_is_off_is_reported_by_how_much(gap: timedelta, status: Status, words: str) -> None:
    (found,) = clock({"Slack": gap, "Discord": timedelta(0)})
    assert (found.status, words in found.sentence) == (status, True)


def test_nobody_who_answered_says_nothing_of_the_clock() -> None:
    assert [*clock({"Slack": None, "Discord": None})] == []
