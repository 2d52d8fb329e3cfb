import shutil
import subprocess
from pathlib import Path

import pytest

from meterbot.cli.systemd_unit import hidden_by_it, unit
from tests.e2e import process
from tests.missing import judged_by

ROOT = Path(__file__).parents[2]
STORED = ROOT / "deploy/systemd/meterbot.service"
TOML = """
[slack]
channel = "C0123456789"
[discord]
channel_id = 222222222222222222
bot_token_file = "my-discord-token"
[http]
[[seats]]
name = "ana"
source = "claude_ai"
[[seats]]
name = "bo"
source = "push"
[[seats]]
name = "api"
source = "admin_api"
token_env = "ADMIN_KEY"
"""


def test_the_stored_unit_is_the_one_that_is_printed() -> None:
    assert STORED.read_text("utf-8") == unit(), "stale: write what meterbot.systemd_unit.unit() returns"


async def test_the_command_loads_a_credential_for_each_configured_secret(tmp_path: Path) -> None:
    """None of the secrets is there yet, and none needs to be."""
    (tmp_path / "config.toml").write_text(TOML)
    ended = await process.meterbot("systemd", "--program", "/opt/pipx/bin/meterbot", cwd=tmp_path)
    assert ended.status == 0, ended.stderr
    names = ["slack.bot_token", "slack.app_token", "my-discord-token", "ana.session_key", "secret_key"]
    assert ended.stdout == unit(names, "/opt/pipx/bin/meterbot")
    assert "ADMIN_KEY" in ended.stderr
    assert "for root alone: config.toml, slack.bot_token, " in ended.stderr


async def test_a_program_in_a_home_directory_is_told_to_move(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[[seats]]\nname = "ana"\nsource = "push"\n')
    ended = await process.meterbot("systemd", "--program", "/home/ana/.local/bin/meterbot", cwd=tmp_path)
    assert "pipx install --global" in ended.stderr


async def test_without_a_configuration_it_says_where_it_looked(tmp_path: Path) -> None:
    ended = await process.meterbot("systemd", cwd=tmp_path)
    assert (ended.status, ended.stdout) == (2, "")
    assert "no configuration" in ended.stderr


@pytest.mark.parametrize(
    ("program", "hidden"),
    [
        ("/home/ana/.local/bin/meterbot", True),
        ("/run/user/1000/meterbot", True),
        ("/opt/pipx/bin/meterbot", False),
        ("/usr/local/bin/meterbot", False),
    ],
)
def test_the_unit_sees_no_home_directory(program: str, *, hidden: bool) -> None:
    assert hidden_by_it(program) is hidden


def test_it_is_notified_and_watched() -> None:
    lines = unit().splitlines()
    for line in (
        "Type=notify",
        "NotifyAccess=main",
        "WatchdogSec=60",
        "DynamicUser=yes",
        "StateDirectory=meterbot",
    ):
        assert line in lines


ANALYZE = shutil.which("systemd-analyze")


def analyze(*words: str) -> str:
    assert ANALYZE
    ran = subprocess.run([ANALYZE, *words], capture_output=True, text=True, check=False)  # noqa: S603 - as found
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


@judged_by("systemd-analyze", ANALYZE)
def test_systemd_calls_its_exposure_low(tmp_path: Path) -> None:
    path = tmp_path / "meterbot.service"
    path.write_text(unit(["slack.bot_token"], "/bin/true"))
    verdict = analyze("security", "--offline=true", "--threshold=25", "--no-pager", str(path))
    exposure = float(verdict.rpartition("Overall exposure level for meterbot.service:")[2].split()[0])
    assert exposure < 2.5


@judged_by("systemd-analyze", ANALYZE)
def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "meterbot.service"
    path.write_text(unit(["slack.bot_token"], "/bin/true"))
    assert analyze("verify", "--man=no", str(path)) == ""
