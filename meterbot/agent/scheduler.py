"""Lets the system start the agent: a systemd user timer, a launchd agent, a Task Scheduler task, or a cron line.

Everything runs under the person's own account. The settings, with the token, are in one file that only they can read.
"""

from __future__ import annotations

import os
import plistlib
import random
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from meterbot.agent.claude_code import profile
from meterbot.agent.network import Problem, UsageProblem

# What a scheduled run needs of this shell's environment.
KEPT = re.compile(
    "METERBOT_(URL|PUSH_TOKEN|PUSH_TOKEN_FILE|EVERY|ALLOW_HTTP|ANTHROPIC_API)|CLAUDE_CONFIG_DIR|PATH"
    "|HTTPS_PROXY|https_proxy|NO_PROXY|no_proxy|SSL_CERT_FILE|SSL_CERT_DIR|NODE_EXTRA_CA_CERTS"
)


def label() -> str:
    """What the timer, task or service is called."""
    return f"meterbot-push{profile()}"


def folder(variable: str, default: str) -> Path:
    """meterbot's folder in one of the places of the XDG standard; on Windows in the local application data."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "meterbot"
    base = os.environ.get(variable, "")
    return (Path(base) if base.startswith("/") else Path.home() / default) / "meterbot"


def settings_file() -> Path:
    """NAME=VALUE lines, with the token among them."""
    return folder("XDG_CONFIG_HOME", ".config") / f"push{profile()}.env"


def read_settings(path: Path) -> dict[str, str]:
    """The settings in a file. Raises `UsageProblem` if it cannot be read, or if others could read it."""
    try:
        mode, lines = path.stat().st_mode, path.read_text("utf-8").splitlines()
    except (OSError, ValueError):
        raise UsageProblem(f"cannot read {path}") from None
    if os.name == "posix" and mode & 0o077:
        raise UsageProblem(f"{path} holds a token and others can read it: run chmod 600 {path}")
    return {name: value for name, equals, value in (line.partition("=") for line in lines) if equals}


def write_settings() -> None:
    """Keeps this environment's settings for the scheduled runs. Raises `Problem`."""
    kept = {name: value for name, value in os.environ.items() if value and KEPT.fullmatch(name)}
    if bad := [name for name, value in kept.items() if not value.isprintable()]:
        raise UsageProblem(f"{bad[0]} contains a line break or another control character")
    write_private(settings_file(), "".join(f"{name}={value}\n" for name, value in kept.items()))


def write_private(path: Path, text: str) -> None:
    """Replaces a file, completely or not at all, by one that only its user can read. Raises `Problem`."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(
            os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
        new.replace(path)
    except OSError as failure:
        raise Problem(f"cannot write {path}: {failure.strerror}") from None


class Schedule:
    """How this machine starts `command` about every `seconds`."""

    def __init__(self, command: list[str], seconds: int) -> None:
        self.files: dict[Path, str] = {}
        self.start: list[list[str]] = []
        self.stop: list[list[str]] = []
        self.cron_line = self.missing = ""
        if sys.platform == "win32":
            self._task_scheduler(command, seconds)
        elif sys.platform == "darwin":
            self._launchd(command, seconds)
        elif _run(["systemctl", "--user", "show-environment"]).returncode == 0:
            self._systemd(command, seconds)
        elif shutil.which("crontab"):
            minutes = min(max(seconds // 60, 5), 60)  # the agent itself keeps to a longer interval
            times = f"{random.randrange(minutes)}-59/{minutes}"  # noqa: S311 - to spread the load
            self.cron_line = f"{times} * * * * {_quoted(command)} >/dev/null 2>&1 # {label()}".replace(
                "%", r"\%"
            )
        else:
            self.missing = (
                f"no scheduler found here: keep this running: {_quoted(command)} --every {seconds}s"
            )

    def install(self) -> None:
        """Starts the scheduled runs, instead of those of an earlier installation. Raises `Problem`."""
        if self.missing:
            raise Problem(self.missing)
        self.remove()
        for path, text in self.files.items():
            write_private(path, text)
        for command in self.start:
            ran = _run(command)
            if ran.returncode:
                raise Problem(f"`{_quoted(command)}` failed: {ran.stderr.strip()[:300]}")
        if self.cron_line:
            _change_crontab(self.cron_line)

    def remove(self) -> None:
        """Stops the scheduled runs and deletes their files. Raises `Problem`."""
        for command in self.stop:
            _run(command)
        for path in filter(Path.exists, self.files):
            path.unlink()
        if self.cron_line:
            _change_crontab("")

    def _systemd(self, command: list[str], seconds: int) -> None:
        units = folder("XDG_CONFIG_HOME", ".config").parent / "systemd/user"
        about = "[Unit]\nDescription=Sends this seat's Claude usage to meterbot\n"
        words = " ".join(_systemd_word(word) for word in command)
        self.files[units / f"{label()}.service"] = (
            f"{about}\n[Service]\nType=oneshot\nExecStart={words}\nTimeoutStartSec=10min\n"
        )
        self.files[units / f"{label()}.timer"] = (
            f"{about}\n[Timer]\nOnStartupSec=2min\nOnUnitInactiveSec={seconds * 4 // 5}s\n"
            f"RandomizedDelaySec={seconds * 2 // 5}s\n\n[Install]\nWantedBy=timers.target\n"
        )
        systemctl, timer = ["systemctl", "--user"], f"{label()}.timer"
        self.start = [[*systemctl, "daemon-reload"], [*systemctl, "enable", "--now", timer]]
        self.stop = [[*systemctl, "disable", "--now", timer]]

    def _launchd(self, command: list[str], seconds: int) -> None:
        name, log = f"io.github.{label()}", str(Path.home() / f"Library/Logs/{label()}.log")
        path = Path.home() / f"Library/LaunchAgents/{name}.plist"
        job = {
            "Label": name,
            "ProgramArguments": command,
            "StartInterval": seconds,
            "RunAtLoad": True,
            "ProcessType": "Background",
            "StandardOutPath": log,
            "StandardErrorPath": log,
        }
        self.files[path] = plistlib.dumps(job).decode()
        self.start = [["launchctl", "bootstrap", f"gui/{os.getuid()}", str(path)]]
        self.stop = [["launchctl", "bootout", f"gui/{os.getuid()}/{name}"]]

    def _task_scheduler(self, command: list[str], seconds: int) -> None:
        program = re.sub(r"python\.exe$", "pythonw.exe", command[0])  # the same without a window
        program, arguments = (
            "'" + text.replace("'", "''") + "'" for text in (program, subprocess.list2cmdline(command[1:]))
        )
        script = (
            f"Register-ScheduledTask -Force -TaskName {label()}"
            f" -Action (New-ScheduledTaskAction -Execute {program} -Argument {arguments})"
            " -Trigger (New-ScheduledTaskTrigger -Once -At (Get-Date)"
            f" -RepetitionInterval (New-TimeSpan -Seconds {seconds}))"
            " -Settings (New-ScheduledTaskSettingsSet -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries"
            " -StartWhenAvailable -ExecutionTimeLimit (New-TimeSpan -Minutes 10))"
        )
        self.start = [["powershell", "-NoProfile", "-NonInteractive", "-Command", script]]
        self.stop = [["schtasks", "/Delete", "/TN", label(), "/F"]]


def _run(command: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as failure:
        return subprocess.CompletedProcess(command, 1, "", str(failure))


def _change_crontab(line: str) -> None:
    before = _run(["crontab", "-l"]).stdout.splitlines()
    lines = [other for other in before if not other.endswith(f"# {label()}")] + [line] * bool(line)
    ran = _run(["crontab", "-"], "".join(f"{each}\n" for each in lines))
    if ran.returncode:
        raise Problem(f"crontab refused the change: {ran.stderr.strip()[:300]}")


def _quoted(command: list[str]) -> str:
    return " ".join(shlex.quote(word) for word in command)


def _systemd_word(word: str) -> str:
    """A word of `ExecStart`, where `%` and `$` have a meaning even inside quotes."""
    if re.fullmatch(r"[\w./,:=+-]+", word, re.ASCII):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
