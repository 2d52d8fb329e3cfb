"""What the system's scheduler is given, and that it can be undone."""

import ast
import os
import plistlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from meterbot.agent import main
from meterbot.agent.scheduler import schedule, settings_file, start, stop
from meterbot.agent.storage import Problem, read_json
from tests.agent.rig import PUSH_TOKEN, Home, program
from tests.missing import judged_by

COMMAND = ["/usr/bin/python3", "/home/ana/meterbot-agent.py"]


def recording(home: Home, name: str, *, status: int = 0, answer: str = "") -> Path:
    """A program that writes down how it was called, and its input."""
    log = home.path / f"{name}.log"
    source = f"""import sys
open({str(log)!r}, "a").write(repr((sys.argv[1:], sys.stdin.read())) + "\\n")
print({answer!r}, end="")
sys.exit({status})
"""
    program(home.path / "bin", name, source)
    return log


def refusing(home: Home, name: str, error: str) -> None:
    """A program that can be asked about itself, and fails at everything else."""
    source = f"import sys\nsys.exit(0 if 'show-environment' in sys.argv else {error!r})"
    program(home.path / "bin", name, source)


def calls(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def test_on_linux_a_user_timer_runs_it(home: Home) -> None:
    log = recording(home, "systemctl")
    start(COMMAND)
    units = home.path / ".config/systemd/user"
    assert (
        'ExecStart="/usr/bin/python3" "/home/ana/meterbot-agent.py"\n'
        in (units / "meterbot-push.service").read_text()
    )
    assert "OnUnitInactiveSec=12min\nRandomizedDelaySec=6min\n" in (units / "meterbot-push.timer").read_text()
    assert calls(log)[-1] == "(['--user', 'enable', '--now', 'meterbot-push.timer'], '')"
    stop(schedule(COMMAND))
    assert calls(log)[-1] == "(['--user', 'disable', '--now', 'meterbot-push.timer'], '')"
    assert list(units.iterdir()) == []


VERIFIER = shutil.which("systemd-analyze", path=os.defpath)


@judged_by("systemd-analyze", VERIFIER)
def test_systemd_finds_nothing_wrong_with_it(home: Home, tmp_path: Path) -> None:
    assert VERIFIER
    recording(home, "systemctl")
    odd = tmp_path / "an odd 100% place"
    odd.mkdir()
    (odd / "python").symlink_to(sys.executable)
    start([str(odd / "python"), "-c", 'print("$HOME")'])
    units = [str(path) for path in (home.path / ".config/systemd/user").iterdir()]
    (tmp_path / "run").mkdir(mode=0o700)
    ran = subprocess.run(  # noqa: S603 - as found
        [VERIFIER, "verify", "--user", "--man=no", *units],
        env={"XDG_RUNTIME_DIR": str(tmp_path / "run"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "initialize manager" in ran.stderr:
        pytest.skip("systemd-analyze needs a user manager's surroundings, which are missing here")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_path_with_signs_of_systemd_is_quoted(home: Home) -> None:
    recording(home, "systemctl")
    start(['/a "b" $c 100%\\'])
    service = (home.path / ".config/systemd/user/meterbot-push.service").read_text()
    assert 'ExecStart="/a \\"b\\" $$c 100%%\\\\"\n' in service


def test_on_a_mac_a_launch_agent_runs_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    log = recording(home, "launchctl")
    start(COMMAND)
    path = home.path / "Library/LaunchAgents/io.github.meterbot-push.plist"
    job = plistlib.loads(path.read_bytes())
    assert (job["ProgramArguments"], job["StartInterval"], job["RunAtLoad"]) == (COMMAND, 900, True)
    assert calls(log)[-1] == f"(['bootstrap', 'gui/{os.getuid()}', {str(path)!r}], '')"
    stop(schedule(COMMAND))
    assert not path.exists()


def test_on_windows_a_task_runs_it_without_a_window(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    log = recording(home, "powershell")
    start(["C:/Program Files/it's/python.exe", "C:/a b/agent.py"])
    arguments, _ = ast.literal_eval(calls(log)[-1])
    assert "-Execute 'C:/Program Files/it''s/pythonw.exe' -Argument '\"C:/a b/agent.py\"')" in arguments[-1]
    assert "-AllowStartIfOnBatteries" in arguments[-1]
    stop(schedule(COMMAND))
    arguments, _ = ast.literal_eval(calls(log)[-1])
    assert "Where-Object TaskName -eq 'meterbot-push' | Unregister-ScheduledTask" in arguments[-1]


def test_a_task_that_windows_does_not_delete_is_said(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    recording(home, "powershell")
    main.install(COMMAND)
    refusing(home, "powershell", "Zugriff verweigert")
    with pytest.raises(Problem, match=r"Unregister-ScheduledTask .* failed: Zugriff verweigert"):
        main.uninstall(COMMAND)
    assert home.files() == {}


def crontab(home: Home, table: str | bytes) -> Path:
    """A crontab that keeps its table in a file."""
    path = home.path / "table"
    path.write_bytes(table.encode() if isinstance(table, str) else table)
    source = f"""import pathlib, sys
path = pathlib.Path({str(path)!r})
if sys.argv[1] == "-l":
    sys.stdout.buffer.write(path.read_bytes())
else:
    path.write_bytes(sys.stdin.buffer.read())
"""
    program(home.path / "bin", "crontab", source)
    return path


def test_without_systemd_cron_runs_it_and_other_lines_stay(home: Home) -> None:
    recording(home, "systemctl", status=1)
    other = "0 1 * * * backup '100\\%'\n0 * * * * other # meterbot-push-0123abcd\n"
    table = crontab(home, other + "0 * * * * old # meterbot-push\n")
    start([*COMMAND, "it's", "100%"])
    kept, line = table.read_text()[: len(other)], table.read_text()[len(other) :]
    assert kept == other
    assert re.fullmatch(
        r"\d+-59/15 \* \* \* \* /usr/bin/python3 /home/ana/meterbot-agent.py "
        r"""'it'"'"'s' '?100\\%'? >/dev/null 2>&1 # meterbot-push\n""",
        line,
    )
    stop(schedule(COMMAND))
    assert table.read_text() == other


def test_a_last_line_without_a_line_break_stays_a_line_of_its_own(home: Home) -> None:
    recording(home, "systemctl", status=1)
    table = crontab(home, "0 1 * * * backup")
    start(COMMAND)
    assert table.read_text().splitlines()[0] == "0 1 * * * backup"


def test_a_crontab_that_cannot_be_read_or_changed_is_left_alone_and_said(home: Home) -> None:
    recording(home, "systemctl", status=1)
    crontab(home, "0 1 * * * backup\n")
    made = schedule(COMMAND)
    program(home.path / "bin", "crontab", "import sys\nsys.exit('the disk is full')")
    with pytest.raises(Problem, match="`crontab -` failed: the disk is full"):
        stop(made)
    with pytest.raises(Problem, match="the crontab cannot be read: the disk is full"):
        schedule(COMMAND)


def test_a_machine_without_a_scheduler_is_left_as_it_is(home: Home) -> None:
    assert not start(COMMAND)
    assert home.files() == {}


@pytest.mark.parametrize(
    "other",
    [
        "# T\u00e4glich\n0 1 * * * backup\n".encode("latin-1"),
        "# a\x0cb\r\n0 1 * * * x\u2028y\n".encode(),
        b"0 1 * * * backup",
    ],
    ids=["not UTF-8", "other ends of lines", "no last end of line"],
)
def test_the_other_lines_of_a_crontab_stay_byte_for_byte(home: Home, other: bytes) -> None:
    table = crontab(home, other)
    start(COMMAND)
    assert table.read_bytes().startswith(other.rstrip(b"\n") + b"\n")
    assert table.read_bytes().count(b"# meterbot-push\n") == 1
    stop(schedule(COMMAND))
    assert table.read_bytes() == other.rstrip(b"\n") + b"\n"


def test_systemd_finds_its_units_where_the_user_keeps_configuration(home: Home) -> None:
    recording(home, "systemctl")
    home.env["XDG_CONFIG_HOME"] = str(home.path / "settings")
    start(COMMAND)
    assert (home.path / "settings/systemd/user/meterbot-push.timer").exists()


def test_a_scheduler_that_refuses_is_quoted(home: Home) -> None:
    recording(home, "systemctl", status=1)
    program(home.path / "bin", "crontab", "import sys\nsys.exit('not allowed to use crontab')")
    with pytest.raises(Problem, match="not allowed to use crontab"):
        start(COMMAND)


def test_the_token_is_in_the_one_file_that_only_its_user_may_read(home: Home) -> None:
    recording(home, "systemctl")
    main.install(COMMAND)
    assert [path for path, text in home.files().items() if PUSH_TOKEN in text] == [settings_file()]
    assert {path.stat().st_mode & 0o777 for path in home.files()} == {0o600}


def test_what_the_runs_start_with_is_what_the_shell_had(home: Home) -> None:
    recording(home, "systemctl")
    home.env.update(HTTPS_PROXY="http://proxy.example:1", SSL_CERT_FILE="/ca.pem", OTHER="x")
    main.install(COMMAND)
    assert read_json(settings_file()) == {
        "METERBOT_URL": "http://127.0.0.1:9",
        "METERBOT_PUSH_TOKEN": PUSH_TOKEN,
        "HTTPS_PROXY": "http://proxy.example:1",
        "SSL_CERT_FILE": "/ca.pem",
        "PATH": str(home.path / "bin"),
    }


def test_two_sign_ins_have_two_schedules(home: Home) -> None:
    recording(home, "systemctl")
    found = []
    for directory in ("", "/home/ana/work"):
        home.env["CLAUDE_CONFIG_DIR"] = directory
        made = schedule(COMMAND)
        assert made is not None
        found.append({settings_file(), main.state_file(), *made.files})
    assert not found[0] & found[1]


def test_uninstalling_deletes_all_of_it_and_nothing_else(home: Home) -> None:
    recording(home, "systemctl")
    script = home.path / ".local/share/meterbot/meterbot-agent.py"
    other = home.path / ".config/meterbot/config.toml"
    for path in (script, other):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    main.install([sys.executable, str(script)])
    home.agent().start_over()
    main.uninstall([sys.executable, str(script)])
    assert list(home.files()) == [other]


@pytest.mark.parametrize(
    ("platform", "name", "error"),
    [
        ("linux", "systemctl", "Failed to connect to bus: Connection refused"),
        ("darwin", "launchctl", "Boot-out failed: 5: Input/output error"),
    ],
)
def test_uninstalling_says_that_the_scheduler_refuses_and_still_deletes_everything(
    home: Home, monkeypatch: pytest.MonkeyPatch, platform: str, name: str, error: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    recording(home, name)
    script = home.path / ".local/share/meterbot/meterbot-agent.py"
    script.parent.mkdir(parents=True)
    script.write_text("")
    main.install([sys.executable, str(script)])
    refusing(home, name, error)
    with pytest.raises(Problem, match=f"`{name} .*` failed: {error}"):
        main.uninstall([sys.executable, str(script)])
    assert home.files() == {}


@pytest.mark.parametrize(
    ("platform", "name", "error"),
    [
        ("linux", "systemctl", "Failed to disable unit: Unit file meterbot-push.timer does not exist."),
        ("linux", "systemctl", "Failed to stop meterbot-push.timer: Unit meterbot-push.timer not loaded."),
        ("darwin", "launchctl", "Boot-out failed: 3: No such process"),
        ("darwin", "launchctl", "Could not find service in domain for user gui: 501"),
    ],
)
def test_a_schedule_that_the_system_does_not_have_needs_no_stop(
    home: Home, monkeypatch: pytest.MonkeyPatch, platform: str, name: str, error: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    recording(home, name)
    main.install(COMMAND)
    refusing(home, name, error)
    main.uninstall(COMMAND)
    assert home.files() == {}
    refusing(home, name, "anything")
    main.uninstall(COMMAND)  # its files do not exist


def test_uninstalling_deletes_the_token_even_where_the_crontab_cannot_be_read(home: Home) -> None:
    recording(home, "systemctl", status=1)
    crontab(home, "")
    main.install(COMMAND)
    assert settings_file().exists()
    program(home.path / "bin", "crontab", "import sys\nsys.exit('you are not allowed to use this program')")
    with pytest.raises(Problem, match="the crontab cannot be read: you are not allowed"):
        main.uninstall(COMMAND)
    assert not settings_file().exists()


def test_uninstalling_says_of_a_script_only_what_it_did(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    recording(home, "systemctl")
    main.install(COMMAND)
    capsys.readouterr()
    main.uninstall([sys.executable, "-m", "meterbot", "push"])
    assert capsys.readouterr().out == "stopped the scheduled runs and deleted the settings and the state\n"
    main.uninstall([sys.executable, "-m", "meterbot", "push"])
    assert capsys.readouterr().out == "nothing to uninstall: the agent is not installed for this sign-in\n"


@pytest.mark.parametrize(("platform", "name"), [("linux", "systemctl"), ("darwin", "launchctl")])
def test_uninstalling_says_that_it_stopped_a_schedule_of_which_only_the_files_are_left(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], platform: str, name: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    recording(home, name)
    main.install(COMMAND)
    settings_file().unlink()
    capsys.readouterr()
    main.uninstall(COMMAND)
    assert capsys.readouterr().out.startswith("stopped")
    assert home.files() == {}


def test_uninstalling_leaves_a_script_that_another_sign_in_or_installation_uses(home: Home) -> None:
    recording(home, "systemctl")
    script = home.path / ".local/share/meterbot/meterbot-agent.py"
    script.parent.mkdir(parents=True)
    script.write_text("")
    home.env["CLAUDE_CONFIG_DIR"] = str(home.path / "work")
    main.install([sys.executable, str(script)])
    main.uninstall([sys.executable, "-m", "meterbot", "push"])
    assert script.exists()
    main.install([sys.executable, str(script)])
    del home.env["CLAUDE_CONFIG_DIR"]
    main.uninstall([sys.executable, str(script)])
    assert script.exists()
    home.env["CLAUDE_CONFIG_DIR"] = str(home.path / "work")
    main.uninstall([sys.executable, str(script)])
    assert not script.exists()
