import plistlib
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from meterbot.agent import install, settings
from meterbot.agent.install import Installation, plan
from meterbot.agent.machine import Machine
from meterbot.agent.trouble import SetupError
from tests.agent.rig import PUSH_TOKEN, Home, Meterbot

EVERY = timedelta(minutes=15)
ENV = {"METERBOT_URL": "https://meterbot.example.com", "METERBOT_PUSH_TOKEN": PUSH_TOKEN}


def planned(
    platform: str, *, python: str = "/opt/meterbot/bin/python", extras: tuple[str, ...] = ()
) -> Installation:
    return plan(Machine({}, Path("/home/ana"), platform, "ana"), ENV, python, EVERY, extras)


def texts(installation: Installation) -> dict[str, str]:
    return {str(file.path): file.text for file in installation.files}


def test_on_linux_a_user_timer_runs_it() -> None:
    assert texts(planned("linux")) == {
        "/home/ana/.config/meterbot/push.env": (
            f"METERBOT_URL=https://meterbot.example.com\nMETERBOT_PUSH_TOKEN={PUSH_TOKEN}\n"
        ),
        "/home/ana/.config/systemd/user/meterbot-push.service": """\
[Unit]
Description=Sends this seat's Claude usage to meterbot

[Service]
Type=oneshot
ExecStart=/opt/meterbot/bin/python -m meterbot push --from claude-code \
--env-file /home/ana/.config/meterbot/push.env
TimeoutStartSec=10min
""",
        "/home/ana/.config/systemd/user/meterbot-push.timer": """\
[Unit]
Description=Sends this seat's Claude usage to meterbot, about every 15 minutes

[Timer]
OnStartupSec=2min
OnUnitInactiveSec=720s
RandomizedDelaySec=360s

[Install]
WantedBy=timers.target
""",
    }
    assert planned("linux").start[-1] == "systemctl --user enable --now meterbot-push.timer"
    assert planned("linux").stop == (
        "systemctl --user disable --now meterbot-push.timer",
        "meterbot push install --remove",
    )


def test_systemd_finds_nothing_wrong_with_it(home: Home, tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed here")
    odd = tmp_path / "an odd 100% place"
    odd.mkdir()
    (odd / "python").symlink_to(sys.executable)
    home.env["XDG_CONFIG_HOME"] = str(tmp_path / 'a "$HOME"')
    installation = plan(home.machine, ENV, str(odd / "python"), EVERY, ("ccusage",))
    install.write(installation)
    units = [str(file.path) for file in installation.files if file.path.suffix in {".service", ".timer"}]
    (tmp_path / "run").mkdir(mode=0o700)
    ran = subprocess.run(  # noqa: S603 - as found
        [program, "verify", "--user", "--man=no", *units],
        env={"XDG_RUNTIME_DIR": str(tmp_path / "run"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "initialize manager" in ran.stderr:
        pytest.skip("systemd-analyze needs a user manager's surroundings, which are missing here")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_path_with_signs_of_systemd_is_quoted() -> None:
    assert install._systemd_word('/a "b" $c 100%\\') == '"/a \\"b\\" $$c 100%%\\\\"'


def test_on_a_mac_a_launch_agent_runs_it() -> None:
    installation = planned("darwin", extras=("ccusage", "pace-maker"))
    _, agent = installation.files
    assert str(agent.path) == "/home/ana/Library/LaunchAgents/io.github.meterbot.push.plist"
    assert plistlib.loads(agent.text.encode()) == {
        "Label": "io.github.meterbot.push",
        "ProgramArguments": [
            "/opt/meterbot/bin/python",
            *("-m", "meterbot", "push", "--from", "claude-code"),
            *("--env-file", "/home/ana/.config/meterbot/push.env"),
            *("--with", "ccusage,pace-maker"),
        ],
        "StartInterval": 900,
        "RunAtLoad": True,
        "ProcessType": "Background",
        "StandardOutPath": "/home/ana/Library/Logs/meterbot-push.log",
        "StandardErrorPath": "/home/ana/Library/Logs/meterbot-push.log",
    }


def test_on_windows_a_task_runs_it_without_a_window() -> None:
    installation = planned("win32", python="C:/Program Files/R&D/python.exe")
    _, task = installation.files
    space = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
    root = ET.fromstring(task.text.encode("utf-16"))  # noqa: S314 - our own text
    told = {element.tag.removeprefix(space): element.text for element in root.iter()}
    assert told["Command"] == "C:/Program Files/R&D/pythonw.exe"
    assert told["Arguments"] is not None
    assert told["Arguments"].startswith("-m meterbot push --from claude-code --env-file ")
    assert (told["Interval"], told["RandomDelay"]) == ("PT900S", "PT180S")
    assert (told["RunLevel"], told["MultipleInstancesPolicy"]) == ("LeastPrivilege", "IgnoreNew")
    assert installation.start[0] == f'schtasks /Create /TN meterbot-push /XML "{task.path}"'


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_the_token_is_in_the_one_file_that_only_its_user_may_read(home: Home, platform: str) -> None:
    home.platform = platform
    home.env["LOCALAPPDATA"] = str(home.path / "AppData")
    home.set_up()
    installation = plan(home.machine, home.env, sys.executable, EVERY)
    assert [file.path.exists() for file in installation.files] == [True] * len(installation.files)
    holding = [file.path for file in installation.files if PUSH_TOKEN.encode() in file.path.read_bytes()]
    assert holding == [home.machine.config_directory / "push.env"]
    assert {file.path.stat().st_mode & 0o777 for file in installation.files} == {0o600}
    assert PUSH_TOKEN not in "\n".join(home.said)
    assert [text.partition("\n")[0] for text in home.said] == ["written:", "start it:", "see it:", "undo it:"]


def test_what_the_runs_start_with_is_what_the_shell_had(home: Home) -> None:
    home.env |= {"CLAUDE_CONFIG_DIR": "/home/ana/work", "HTTPS_PROXY": "http://proxy.example:1", "OTHER": "x"}
    home.set_up()
    kept = settings.read(home.machine.config_directory / "push.env")
    assert kept == {
        "METERBOT_URL": "http://127.0.0.1:9",
        "METERBOT_PUSH_TOKEN": PUSH_TOKEN,
        "CLAUDE_CONFIG_DIR": "/home/ana/work",
        "HTTPS_PROXY": "http://proxy.example:1",
        "PATH": str(home.path / "bin"),
    }


def test_installing_again_keeps_the_token_and_takes_what_is_new(home: Home, tmp_path: Path) -> None:
    home.set_up()
    home.env.clear()
    home.set_up(url="https://new.example.com", every="30m")
    kept = settings.read(home.machine.config_directory / "push.env")
    assert (kept["METERBOT_URL"], kept["METERBOT_PUSH_TOKEN"]) == ("https://new.example.com", PUSH_TOKEN)
    (tmp_path / "token").write_text("another")
    home.env["METERBOT_PUSH_TOKEN_FILE"] = str(tmp_path / "token")
    home.set_up()
    kept = settings.read(home.machine.config_directory / "push.env")
    assert "METERBOT_PUSH_TOKEN" not in kept
    assert kept["METERBOT_PUSH_TOKEN_FILE"] == str(tmp_path / "token")


def test_what_would_be_written_is_shown_without_the_token_and_not_written(home: Home) -> None:
    home.set_up(only_print=True)
    assert "METERBOT_PUSH_TOKEN=[hidden]" in home.said[0]
    assert "RandomizedDelaySec=360s" in "\n".join(home.said)
    assert PUSH_TOKEN not in "\n".join(home.said)
    assert home.files() == {}


def test_undoing_deletes_what_was_written_and_nothing_else(home: Home) -> None:
    home.set_up()
    other = home.machine.config_directory / "config.toml"
    other.write_text("")
    home.said.clear()
    home.set_up(undo=True)
    assert list(home.files()) == [other]
    assert "systemctl --user disable --now meterbot-push.timer" in home.said[-1]
    home.set_up(undo=True)
    assert home.said[-1] == "nothing was installed here"


@pytest.mark.parametrize(
    ("missing", "said"),
    [("METERBOT_URL", "METERBOT_URL is not set"), ("METERBOT_PUSH_TOKEN", "seat add NAME")],
)
def test_nothing_is_installed_that_could_not_run(home: Home, missing: str, said: str) -> None:
    del home.env[missing]
    with pytest.raises(SetupError, match=said):
        home.set_up()
    assert home.files() == {}


@pytest.mark.usefixtures("anthropic")
async def test_what_was_installed_pushes(home: Home, meterbot: Meterbot) -> None:
    home.set_up()
    home.env.clear()  # a scheduler's environment
    await home.pushing(env_file=str(home.machine.config_directory / "push.env"))
    assert [push.headers["Authorization"] for push in meterbot.pushes] == [f"Bearer {PUSH_TOKEN}"]
