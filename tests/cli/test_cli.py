"""The commands as an operator types them: exit statuses, what is printed where, and the process that runs."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

import meterbot
from meterbot.cli import cli
from meterbot.core.cipher import new_key
from meterbot.core.models import ExtraUsage, Health, Seat, Snapshot
from meterbot.core.money import Money
from meterbot.ingest.ingest import Ingest
from meterbot.ingest.recording import Recorder
from meterbot.rules.settings import RuleSettings
from meterbot.store.database import open_store
from tests.e2e import process
from tests.e2e.team import NAMES, SECRETS, SESSION_KEYS, Team, team
from tests.simulator.claude_ai import ClaudeAi
from tests.simulator.slack_faults import hanging

NEXT_YEAR = datetime.now(UTC).replace(microsecond=0) + timedelta(days=365)


def typed(*words: str, **environ: str) -> Result:
    """A command that needs no loop of its own, in this process."""
    return CliRunner().invoke(cli, words, env={"METERBOT_CONFIG_TOML": None, **environ})


# --- words ----------------------------------------------------------------------------------------------------------


def every_command() -> Iterator[tuple[str, ...]]:
    def below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield words
        for name, inner in getattr(command, "commands", {}).items():
            yield from below(inner, (*words, name))

    yield from below(typer.main.get_command(cli), ())


@pytest.mark.parametrize("words", [*every_command()], ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    said = typed(*words, "--help")
    assert said.exit_code == 0
    assert said.stdout.lower().startswith("usage: ")
    assert len(said.stdout.split("\n\n")[1].strip()) > 20
    assert typed(*words, "-h").stdout == said.stdout


def test_there_is_a_command_for_each_thing_an_operator_does() -> None:
    wanted = {("run",), ("demo",), ("check",), ("snapshot",), ("spend",), ("ask",), ("db", "upgrade")}
    assert wanted | {("slack", "manifest"), ("discord", "invite")} <= {*every_command()}


def test_the_version_is_reported() -> None:
    said = typed("--version")
    assert (said.exit_code, said.stdout) == (0, f"meterbot {meterbot.__version__}\n")


@pytest.mark.parametrize(
    "words",
    [(), ("nonsense",), ("run", "--nonsense"), ("db",), ("discord", "invite"), ("discord", "invite", "x")],
)
def test_bad_usage_is_status_2(words: tuple[str, ...]) -> None:
    said = typed(*words)
    assert said.exit_code == 2
    assert "Usage: " in said.output


def test_the_manifest_is_printed_for_either_mode() -> None:
    socket = yaml.safe_load(typed("slack", "manifest").stdout)
    http = yaml.safe_load(typed("slack", "manifest", "--http", "https://bot.example").stdout)
    assert socket["settings"]["socket_mode_enabled"] is True
    assert http["settings"]["interactivity"]["request_url"] == "https://bot.example/slack/events"


@pytest.mark.parametrize(
    "url", ["http://bot.example", "https://u:pw@bot.example", "bot.example", "https://x:port"]
)
def test_an_address_that_slack_cannot_use_is_in_no_manifest(url: str) -> None:
    said = typed("slack", "manifest", "--http", url)
    assert (said.exit_code, said.stdout) == (2, "")
    assert 'must be an https:// address without a user name, like "https://meterbot.example.com"' in " ".join(
        said.stderr.split()
    )
    assert "pw" not in said.stderr


def test_the_manifest_comes_with_the_link_that_makes_the_app() -> None:
    first, _, _ = typed("slack", "manifest").stdout.partition("\n")
    assert re.fullmatch(
        r"# One click makes the app: https://api\.slack\.com/apps\?new_app=1&manifest_yaml=\S+", first
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("init", "--source", "pull"), "--source: must be one of push, claude_code, claude_ai, admin_api\n"),
        (("init", "--keep", "here"), "--keep: must be one of files, environment\n"),
        (
            ("discord", "invite", "abc"),
            "APPLICATION_ID: must be a Discord ID (digits only)\n",
        ),
        (
            ("discord", "invite", "1", "--guild", "-5"),
            "--guild: must be a Discord ID (digits only)\n",
        ),
    ],
)
def test_invalid_options_are_refused_in_plain_words(words: tuple[str, ...], said: str) -> None:
    refused = typed(*words)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.endswith(f"Error: Invalid value for {said}")


def test_the_invitation_is_a_link() -> None:
    said = typed("discord", "invite", "1234", "--guild", "5678")
    assert said.exit_code == 0
    assert re.fullmatch(
        r"https://discord\.com/oauth2/authorize\?\S*client_id=1234\S*guild_id=5678\S*\n", said.stdout
    )


# --- configuration --------------------------------------------------------------------------------------------------

SEAT = """
[[seats]]
name = "ana"
source = "claude_ai"
session_key_env = "ANA_SESSION_KEY"
"""
KEY = SESSION_KEYS["ana"]


@pytest.mark.parametrize("command", ["run", "snapshot", "spend", "ask", "status", "check"])
def test_without_a_configuration_it_is_said_where_one_was_looked_for(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = typed(command, XDG_CONFIG_HOME=str(tmp_path))
    assert said.exit_code == 2
    assert "--config or METERBOT_CONFIG" in said.output


@pytest.mark.parametrize("command", ["run", "snapshot", "spend"])
def test_every_problem_is_reported_at_once_with_its_place(command: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('timezone = "Mars/Olympus"\npoll_intervall = "60s"\n' + SEAT + 'plan_price = "abc"\n')
    for words in ((command, "--config", str(path)), ("--config", str(path), command)):
        said = typed(*words, ANA_SESSION_KEY=KEY)
        assert said.exit_code == 2
        assert said.stdout == ""
        lines = said.stderr.splitlines()
        assert [re.sub(r".*config\.toml:", "", line).partition(" ")[0] for line in lines] == [
            "1:1",
            "2:1",
            "8:1",
        ]
        assert 'did you mean "poll_interval"?' in lines[1]
        assert "seats[0].plan_price: must be an amount" in lines[2]


def test_check_is_0_when_all_is_well_1_when_something_failed_and_2_when_the_configuration_is_wrong(
    tmp_path: Path,
) -> None:
    database = f'database_url = "sqlite:///{tmp_path}/m.db"\n'
    silent = "[console]\nenabled = false\n"
    for toml, status in ((database + SEAT, 0), (database + silent + SEAT, 1), ("nonsense", 2)):
        for words in (("check",), ("check", "--json")):
            said = typed(*words, METERBOT_CONFIG_TOML=toml, ANA_SESSION_KEY=KEY)
            assert said.exit_code == status, said.output
        found = json.loads(said.stdout)
        assert {key for check in found for key in check} == {"id", "status", "sentence", "remedy", "page"}
        assert any(check["status"] == "fail" for check in found) is (status > 0)
        assert KEY not in said.output


def test_the_database_is_brought_up_to_date_as_often_as_one_likes(tmp_path: Path) -> None:
    toml = f'database_url = "sqlite:///{tmp_path}/m.db"\n{SEAT}'
    for _ in range(2):
        said = typed("db", "upgrade", METERBOT_CONFIG_TOML=toml, ANA_SESSION_KEY=KEY)
        assert (said.exit_code, said.stdout) == (0, "the database is up to date\n")
    assert process.all_recorded(tmp_path / "m.db")


async def test_a_database_that_does_not_answer_fails_the_check(tmp_path: Path) -> None:
    environ = {
        "METERBOT_CONFIG_TOML": SEAT,
        "ANA_SESSION_KEY": KEY,
        "DATABASE_URL": "postgres://u:planted-password@127.0.0.1:1/x",
    }
    said = await process.meterbot("check", environ=environ, cwd=tmp_path)
    (line,) = [line for line in said.stdout.splitlines() if " database: " in line]
    assert said.status == 1
    assert line.startswith("fail  database: cannot read the database postgresql://127.0.0.1/x: ")
    assert " -> correct DATABASE_URL, or start the database" in line
    assert "planted-password" not in said.stdout + said.stderr


async def test_a_database_that_cannot_be_opened_is_a_sentence_without_its_password(tmp_path: Path) -> None:
    environ = {"DATABASE_URL": "postgres://u:planted-password@127.0.0.1:1/x"}
    said = await process.meterbot("db", "upgrade", environ=environ, cwd=tmp_path)
    assert (said.status, said.stdout) == (1, "")
    assert said.stderr.startswith("meterbot: cannot open the database postgresql://127.0.0.1/x: ")
    assert said.stderr.endswith(". Start PostgreSQL, or correct DATABASE_URL or database_url\n")
    assert len(said.stderr.splitlines()) == 1
    assert "planted-password" not in said.stderr


# --- snapshot -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def claude() -> AsyncIterator[ClaudeAi]:
    """Ana: $17.20 of $50.00, a window, a renewal. Bo: blocked."""
    async with ClaudeAi() as server:
        for name in ("ana", "bo"):
            server.add_account(SESSION_KEYS[name], email=f"{name}@planted.example")
        ana, bo = (account.organizations[0] for account in server.accounts)
        ana.used, ana.five_hour, ana.five_hour_resets = Decimal(1720), Decimal(41), NEXT_YEAR
        ana.seven_day, ana.next_charge = None, date(2026, 5, 14)
        bo.used, bo.disabled_reason = Decimal(5000), "self_selected_spend_limit_reached"
        bo.disabled_until = NEXT_YEAR
        yield server
        server.assert_expected_only()


def environ(claude: ClaudeAi) -> dict[str, str]:
    seats = "".join(SEAT.replace("ana", name).replace("ANA", name.upper()) for name in ("ana", "bo"))
    toml = f'[endpoints]\nclaude_ai = "{claude.url}"\n{seats}'
    return {"METERBOT_CONFIG_TOML": toml, "ANA_SESSION_KEY": KEY, "BO_SESSION_KEY": SESSION_KEYS["bo"]}


async def test_a_snapshot_is_json_as_promised(claude: ClaudeAi, tmp_path: Path) -> None:
    began = datetime.now(UTC).replace(microsecond=0)
    said = await process.meterbot("snapshot", "--json", environ=environ(claude), cwd=tmp_path)
    assert (said.status, said.stderr) == (0, "")
    ana, bo = json.loads(said.stdout)
    assert began <= datetime.fromisoformat(ana.pop("fetched_at")) <= datetime.now(UTC)
    resets = f"{NEXT_YEAR:%Y-%m-%dT%H:%M:%SZ}"
    lines = ana.pop("lines")
    promised = {
        "seat": "ana",
        "source": "claude_ai",
        "account_email": None,
        "account_uuid": claude.accounts[0].uuid,
        "org_uuid": claude.accounts[0].organizations[0].uuid,
        "health": "ok",
        "extra_usage": {
            "enabled": True,
            "used": "17.20",
            "cap": "50.00",
            "currency": "USD",
            "percent": 34.4,
            "blocked": False,
            "blocked_reason": None,
            "blocked_until": None,
        },
        "windows": [{"name": "five_hour", "utilization": 41.0, "resets_at": resets}],
        "subscription": {
            "status": "active",
            "next_charge_date": "2026-05-14",
            "billing_interval": "monthly",
            "ends_on": None,
        },
        "drift": [],
        "errors": [],
    }
    assert only(ana, promised) == promised
    assert lines[0].startswith("5-hour            41.0% used    -> resets ")
    assert lines[1:] == ["Extra usage      $17.20 / $50.00 (34%)", "Next charge      2026-05-14"]
    assert (bo["extra_usage"]["blocked"], bo["extra_usage"]["blocked_reason"]) == (True, "cap")
    assert (bo["extra_usage"]["percent"], bo["extra_usage"]["blocked_until"]) == (100.0, resets)
    assert not left_in(tmp_path)


def only(found: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    """Without additions to the promised fields, which are allowed."""
    return {
        key: only(found[key], value) if isinstance(value, dict) else found[key] for key, value in like.items()
    }


def left_in(folder: Path) -> list[Path]:
    return [*folder.iterdir()]


async def test_a_snapshot_is_text_for_people(claude: ClaudeAi, tmp_path: Path) -> None:
    said = await process.meterbot("snapshot", "ana", "ana", environ=environ(claude), cwd=tmp_path)
    assert (said.status, said.stderr) == (0, "")
    assert "ana" in said.stdout.splitlines()[0]
    assert said.stdout.count("Extra usage      $17.20 / $50.00 (34%)\n") == 1
    assert "@" not in said.stdout


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
async def test_any_terminal_shows_a_snapshot(claude: ClaudeAi, tmp_path: Path, encoding: str) -> None:
    claude.accounts[0].organizations[0].currency = "KRW"
    terminal = environ(claude) | {"PYTHONIOENCODING": encoding}
    text = await process.meterbot("snapshot", "ana", environ=terminal, cwd=tmp_path)
    assert (text.status, text.stderr) == (0, "")
    assert "?17.20 / ?50.00" in text.stdout
    document = await process.meterbot("snapshot", "ana", "--json", environ=terminal, cwd=tmp_path)
    assert any("₩17.20 / ₩50.00" in line for line in json.loads(document.stdout)[0]["lines"])


async def test_addresses_are_shown_to_those_who_ask(claude: ClaudeAi, tmp_path: Path) -> None:
    said = await process.meterbot(
        "snapshot", "ana", "--json", "--emails", environ=environ(claude), cwd=tmp_path
    )
    assert json.loads(said.stdout)[0]["account_email"] == "ana@planted.example"


async def test_a_seat_that_cannot_be_read_is_status_1_and_the_others_are_printed(
    claude: ClaudeAi, tmp_path: Path
) -> None:
    claude.accounts[0].signed_in = False
    said = await process.meterbot("snapshot", "--json", environ=environ(claude), cwd=tmp_path)
    ana, bo = json.loads(said.stdout)
    assert said.status == 1
    assert (ana["health"], ana["org_uuid"], ana["extra_usage"], ana["windows"]) == (
        "session_expired",
        None,
        None,
        [],
    )
    assert bo["health"] == "ok"
    text = await process.meterbot("snapshot", environ=environ(claude), cwd=tmp_path)
    assert text.status == 1
    assert "session" in text.stdout
    assert "$50.00 / $50.00 (100%)  BLOCKED until " in text.stdout
    assert not [secret for secret in SECRETS for out in (said, text) if secret in out.stdout + out.stderr]


PUSHING = '\n[[seats]]\nname = "cy"\nsource = "push"\n'


async def test_a_snapshot_makes_no_database(claude: ClaudeAi, tmp_path: Path) -> None:
    given = environ(claude) | {"METERBOT_SECRET_KEY": new_key()}
    given["METERBOT_CONFIG_TOML"] += PUSHING
    claude.accounts[0].rotate_to.append("sk-ant-sid01-planted-renewed-AAAAAAAA")
    said = await process.meterbot("snapshot", "ana", "cy", "--json", environ=given, cwd=tmp_path)
    ana, cy = json.loads(said.stdout)
    assert (ana["seat"], ana["health"], cy["seat"], cy["extra_usage"]) == ("ana", "ok", "cy", None)
    assert "there is no database yet" in said.stderr
    assert len(said.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - pathlib's way counts as blocking, and both are


async def test_a_snapshot_needs_no_database_that_can_be_used(claude: ClaudeAi, tmp_path: Path) -> None:
    (tmp_path / "meterbot.db").write_bytes(noise := b"no database " * 99)
    given = environ(claude) | {"METERBOT_SECRET_KEY": new_key()}
    given["METERBOT_CONFIG_TOML"] += PUSHING
    said = await process.meterbot("snapshot", "ana", "cy", "--json", environ=given, cwd=tmp_path)
    ana, cy = json.loads(said.stdout)
    assert (ana["health"], cy["health"]) == ("ok", "unreachable")
    assert "file is not a database" in said.stderr
    assert len(said.stderr.splitlines()) == 1
    assert (tmp_path / "meterbot.db").read_bytes() == noise


async def test_an_unknown_seat_is_bad_usage(claude: ClaudeAi, tmp_path: Path) -> None:
    said = await process.meterbot("snapshot", "anna", "--json", environ=environ(claude), cwd=tmp_path)
    assert (said.status, said.stdout) == (2, "")
    assert said.stderr == "no such seat: anna (there are ana, bo)\n"
    assert claude.requests == []


async def test_a_seat_that_may_be_in_a_database_that_cannot_be_read_is_not_called_unknown(
    claude: ClaudeAi, tmp_path: Path
) -> None:
    (tmp_path / "meterbot.db").write_bytes(b"no database " * 99)
    said = await process.meterbot("snapshot", "cleo", environ=environ(claude), cwd=tmp_path)
    assert (said.status, said.stdout, "no such seat" in said.stderr) == (2, "", False)
    assert "file is not a database" in said.stderr


# --- run ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[Team]:
    async with team() as made:
        toml = made.toml(f"sqlite:///{tmp_path}/meterbot.db", poll_interval="2s")
        (tmp_path / "config.toml").write_text(toml)
        yield made


async def started(running: process.Process) -> None:
    await process.line(running.stderr, lambda text: json.loads(text)["event"] == "started")


@pytest.mark.timeout(120)
async def test_a_killed_bot_repeats_nothing_and_one_that_is_told_to_ends_well(
    three: Team, tmp_path: Path
) -> None:
    three.block("ana")
    async with process.started("run", environ=three.environ, cwd=tmp_path) as running:
        await three.slack.until(lambda: "ana is BLOCKED" in str(three.on_slack()), seconds=30)
        await three.discord.until(lambda: "ana is BLOCKED" in str(three.on_discord()))
        await three.slack.until(lambda: process.all_recorded(tmp_path / "meterbot.db"))
        running.kill()
        assert (await process.ended(running)).status == -signal.SIGKILL
    three.block("cy")
    async with process.started("run", environ=three.environ, cwd=tmp_path) as running:
        await three.slack.until(lambda: "cy is BLOCKED" in str(three.on_slack()), seconds=30)
        await three.discord.until(lambda: "cy is BLOCKED" in str(three.on_discord()))
        on_slack = await three.slack.answer(await three.slack.slash("/claude-spend"))
        on_discord = await three.discord.answer_to(await three.discord.slash())
        end = await process.stop(running, signal.SIGTERM)
    assert (end.status, end.stdout) == (0, "")
    for posts in (three.on_slack(), three.on_discord()):
        assert sum("ana is BLOCKED" in each for each in posts) == 1
        assert sum("cy is BLOCKED" in each for each in posts) == 1
    for answer in (str(on_slack.payload), str(on_discord)):
        assert "$100.00 spent of $100.00 (100%)" in answer
        assert "€0.00 spent of €50.00 (0%)" in answer
    for entry in map(json.loads, end.stderr.splitlines()):
        assert entry["level"] == "info", entry
    assert not [secret for secret in SECRETS if secret in end.stderr]
    await spend_is_as_promised(three, tmp_path)


async def spend_is_as_promised(three: Team, tmp_path: Path) -> None:
    """From the database of the bot that has just ended, while claude.ai is not asked."""
    asked = len(three.claude.requests)
    said = await process.meterbot("spend", "--json", environ=three.environ, cwd=tmp_path)
    assert (said.status, said.stderr) == (0, "")
    report = json.loads(said.stdout)
    assert {"as_of", "totals", "seats", "missing", "duplicates"} <= report.keys()
    promised: list[dict[str, Any]] = [
        {
            "currency": "EUR",
            "used": "0.00",
            "cap": "50.00",
            "percent": 0.0,
            "plan_fees": None,
            "forecast": None,
        },
        {
            "currency": "USD",
            "used": "100.00",
            "cap": "100.00",
            "percent": 100.0,
            "plan_fees": "300.00",
            "forecast": None,
        },
    ]
    assert [only(total, promised[0]) for total in report["totals"]] == promised
    assert sorted(seat["seat"] for seat in report["seats"]) == [*NAMES]
    assert all(0 <= seat["age_seconds"] < 60 for seat in report["seats"])
    # Nobody reads any more: on a slow machine the numbers are old by now, at an interval of two seconds.
    assert {gone["health"] for gone in report["missing"]} <= {"stale"}
    assert report["duplicates"] == []
    text = await process.meterbot("spend", environ=three.environ, cwd=tmp_path)
    assert (text.status, text.stderr) == (0, "")
    assert "$100.00 spent of $100.00 (100%)" in text.stdout
    asked_for = [("ask",), ("ask", "team")]
    for words in asked_for:
        answer = await process.meterbot(*words, environ=three.environ, cwd=tmp_path)
        assert (answer.status, answer.stderr) == (0, "")
        assert "$100.00 spent of $100.00 (100%)" in answer.stdout
    typo = await process.meterbot("ask", "renewls", environ=three.environ, cwd=tmp_path)
    assert (typo.status, "Did you mean “renewals”?" in typo.stdout) == (0, True)
    assert len(three.claude.requests) == asked


async def shell(script: str, cwd: Path) -> process.Ended:
    """Runs a line of the shell, in which `$PYTHON` is a Python of its own."""
    environ = {**process.surroundings(), "PYTHON": sys.executable}
    pipe = asyncio.subprocess.PIPE
    started = await asyncio.create_subprocess_shell(script, env=environ, cwd=cwd, stdout=pipe, stderr=pipe)
    return await process.ended(started)


async def test_ctrl_c_while_the_parts_are_imported_ends_it_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "interrupted.py").write_text(
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "import meterbot.cli\n"
    )
    ended = await shell("exec $PYTHON interrupted.py", tmp_path)
    assert (ended.status, ended.stderr) == (-signal.SIGINT, "")


async def test_a_deleted_working_directory_is_a_sentence(tmp_path: Path) -> None:
    ended = await shell("mkdir gone; cd gone; rmdir ../gone; exec $PYTHON -m meterbot check", tmp_path)
    assert (ended.status, ended.stdout) == (2, "")
    assert (
        ended.stderr == "meterbot: the current directory no longer exists: cd to another one and try again\n"
    )


@pytest.mark.parametrize("words", ["run", "seat add ana", "seat invite zoe=U0ZOE"])
async def test_a_full_disk_is_a_sentence(tmp_path: Path, words: str) -> None:
    """No file of the process may grow."""
    (tmp_path / "config.toml").write_text(
        '[http]\nbind = "127.0.0.1:0"\npublic_url = "https://bot.example"\n'
        '[[seats]]\nname = "ana"\nsource = "push"\n'
    )
    assert (await process.meterbot("db", "upgrade", cwd=tmp_path)).status == 0
    full = await shell(f"ulimit -f 0; exec $PYTHON -m meterbot {words}", tmp_path)
    assert (full.status, full.stdout) == (1, "")
    assert full.stderr.startswith("meterbot: cannot ")
    assert full.stderr.endswith("then try again\n")


@pytest.mark.parametrize("unbuffered", ["", "PYTHONUNBUFFERED=1 "])
async def test_output_that_cannot_be_written_is_a_sentence(tmp_path: Path, unbuffered: str) -> None:
    full = await shell(f"{unbuffered}exec $PYTHON -m meterbot --version > /dev/full", tmp_path)
    assert (full.status, full.stderr) == (
        1,
        "meterbot: cannot write the output: No space left on device. Free some space or redirect it elsewhere\n",
    )
    closed = await shell(f"{unbuffered}exec $PYTHON -m meterbot --version >&-", tmp_path)
    assert (closed.status, closed.stderr) == (0, "")


async def test_ctrl_c_ends_it_well(three: Team, tmp_path: Path) -> None:
    async with process.started("run", environ=three.environ, cwd=tmp_path) as running:
        await started(running)
        end = await process.stop(running, signal.SIGINT)
    assert (end.status, end.stdout) == (0, "")
    assert "Traceback" not in end.stderr


async def test_a_bot_that_waits_for_a_platform_to_connect_to_can_be_ended(
    three: Team, tmp_path: Path
) -> None:
    three.slack.fail("auth.test", hanging(until := asyncio.Event()))
    async with process.started("run", environ=three.environ, cwd=tmp_path) as running:
        await three.slack.until(lambda: three.slack.called("auth.test"), seconds=30)
        end = await process.stop(running, signal.SIGTERM)
    until.set()
    assert (end.status, end.stdout) == (0, "")
    assert "Traceback" not in end.stderr


async def test_a_wrong_token_is_status_2_and_a_sentence(three: Team, tmp_path: Path) -> None:
    wrong = {**three.environ, "SLACK_BOT_TOKEN": "xoxb-planted-wrong-one"}
    said = await process.meterbot("run", environ=wrong, cwd=tmp_path)
    assert (said.status, said.stdout) == (2, "")
    last_line = said.stderr.splitlines()[-1]
    assert last_line.startswith("meterbot: Slack ")
    assert "SLACK_BOT_TOKEN" in last_line
    assert "Traceback" not in said.stderr
    assert "planted" not in said.stderr


# --- export -----------------------------------------------------------------------------------------------------------


def push_only(folder: Path) -> dict[str, str]:
    text = f'database_url = "sqlite:///{folder}/m.db"\n[[seats]]\nname = "ana"\nsource = "push"\n'
    return {"METERBOT_CONFIG_TOML": text}


def test_an_empty_history_is_a_header_or_an_empty_list(tmp_path: Path) -> None:
    text = typed("export", "--csv", **push_only(tmp_path))
    assert (text.exit_code, text.stdout.splitlines()[0][:17]) == (0, "at,seat,organizat")
    document = typed("export", "--json", "--since", "30d", **push_only(tmp_path))
    assert (document.exit_code, json.loads(document.stdout)) == (0, [])


@pytest.mark.parametrize("words", [("--since", "soon"), ("--since", "0d"), ("--csv", "--json")])
def test_an_export_that_makes_no_sense_is_status_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert typed("export", *words, **push_only(tmp_path)).exit_code == 2


# --- replay -----------------------------------------------------------------------------------------------------------


async def _spend(folder: Path) -> None:
    """Twelve hours of yesterday, with the alerts of the default rules."""
    seats = {"ana": Seat("ana", "push")}
    store = await open_store(f"sqlite:///{folder}/m.db")
    ingest = Ingest(store, Recorder(seats, (), RuleSettings()), lambda: None)
    began = datetime.now(UTC) - timedelta(days=1)
    for hour in range(12):
        at, used = began + timedelta(hours=hour), Money(Decimal(hour * 400), "USD", 2)
        cap = Money(Decimal(5000), "USD", 2)
        extra = ExtraUsage(enabled=True, used=used, cap=cap, currency="USD")
        shot = Snapshot("ana", "push", at, Health.OK, account_uuid="a", org_uuid="o")
        await ingest.store_snapshots([replace(shot, extra_usage=extra, extra_usage_read=True)], at)
    await store.close()


async def test_other_rules_are_tried_on_the_history_beside_what_was_reported(tmp_path: Path) -> None:
    await _spend(tmp_path)
    environ = push_only(tmp_path)
    other = tmp_path / "other.toml"
    other.write_text(environ["METERBOT_CONFIG_TOML"] + '[alerts]\nthresholds = ["70%"]\n', "utf-8")
    said = await process.meterbot("replay", "--json", environ=environ, cwd=tmp_path)
    assert said.status == 0, said.stderr
    events = json.loads(said.stdout)["events"]
    assert events
    assert all(one["replayed"] and one["fired"] for one in events)
    tried = await process.meterbot(
        "replay", "--config", "other.toml", "--since", "7d", environ=environ, cwd=tmp_path
    )
    assert tried.status == 0, tried.stderr
    lines = [line.split() for line in tried.stdout.splitlines()]
    assert ["threshold_crossed", "70%", "yes", "–"] in [line[-4:] for line in lines]
    assert ["threshold_crossed", "50%", "–", "yes"] in [line[-4:] for line in lines]
    assert "The history keeps amounts, caps and blocks" in tried.stdout


def test_a_replay_that_makes_no_sense_is_status_2(tmp_path: Path) -> None:
    assert typed("replay", "--since", "soon", **push_only(tmp_path)).exit_code == 2
    assert typed("replay", "--config", f"{tmp_path}/none.toml", **push_only(tmp_path)).exit_code == 2
