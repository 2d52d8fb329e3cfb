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
from typing import NamedTuple

from meterbot.agent.claude_code import profile
from meterbot.agent.network import Problem, UsageProblem

# What a scheduled run needs of this shell's environment.
KEPT = re.compile(
    "METERBOT_(URL|PUSH_TOKEN|EVERY|ALLOW_HTTP|ANTHROPIC_API)|CLAUDE_CONFIG_DIR|PATH"
    "|HTTPS_PROXY|https_proxy|NO_PROXY|no_proxy|SSL_CERT_FILE|SSL_CERT_DIR|NODE_EXTRA_CA_CERTS"
)
SERVICE = """\
[Unit]
Description=Sends this seat's Claude usage to meterbot

[Service]
Type=oneshot
ExecStart={command}
TimeoutStartSec=10min
"""
TIMER = """\
[Unit]
Description=Sends this seat's Claude usage to meterbot

[Timer]
OnStartupSec=2min
OnUnitInactiveSec={pause}s
RandomizedDelaySec={spread}s

[Install]
WantedBy=timers.target
"""
TASK = (
    "Register-ScheduledTask -Force -TaskName {label}"
    " -Action (New-ScheduledTaskAction -Execute {program} -Argument {arguments})"
    " -Trigger (New-ScheduledTaskTrigger -Once -At (Get-Date)"
    " -RepetitionInterval (New-TimeSpan -Seconds {seconds}))"
    " -Settings (New-ScheduledTaskSettingsSet -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries"
    " -StartWhenAvailable -ExecutionTimeLimit (New-TimeSpan -Minutes 10))"
)


class Command(NamedTuple):
    """A command, and its standard input."""

    words: list[str]
    text: str = ""


class Schedule(NamedTuple):
    """How a scheduler starts the agent: its files with their text, and the commands that start and stop it."""

    files: dict[Path, str]
    start: list[Command]
    stop: list[Command]


def label() -> str:
    """What the timer, task or service is called."""
    return f"meterbot-push{profile()}"


def schedule(command: list[str], seconds: int) -> Schedule | None:
    """How this machine starts `command` about every `seconds`; None if it has no scheduler."""
    if sys.platform == "win32":
        return _task_scheduler(command, seconds)
    if sys.platform == "darwin":
        return _launchd(command, seconds)
    if _run(Command(["systemctl", "--user", "show-environment"])).returncode == 0:
        return _systemd(command, seconds)
    return _cron(command, seconds) if shutil.which("crontab") else None


def start(command: list[str], seconds: int) -> None:
    """Starts the scheduled runs, instead of those of an earlier installation. Raises `Problem`."""
    made = schedule(command, seconds)
    if made is None:
        raise Problem(f"no scheduler found here: keep this running: {_quoted(command)} --every {seconds}s")
    stop(made)
    for path, text in made.files.items():
        write_private(path, text)
    for each in made.start:
        ran = _run(each)
        if ran.returncode:
            raise Problem(f"`{_quoted(each.words)}` failed: {ran.stderr.strip()[:300]}")


def stop(made: Schedule | None) -> None:
    """Stops the scheduled runs and deletes their files. Raises `Problem` if the crontab cannot be changed; elsewhere a
    failure means that nothing was scheduled."""
    for command in made.stop if made else ():
        ran = _run(command)
        if ran.returncode and command.words[0] == "crontab":
            raise Problem(f"crontab refused the change: {ran.stderr.strip()[:300]}")
    for path in filter(Path.exists, made.files if made else ()):
        path.unlink()


def _systemd(command: list[str], seconds: int) -> Schedule:
    units = folder("XDG_CONFIG_HOME", ".config").parent / "systemd/user"
    systemctl, timer = ["systemctl", "--user"], f"{label()}.timer"
    return Schedule(
        {
            units / f"{label()}.service": SERVICE.format(command=" ".join(map(_systemd_word, command))),
            units / timer: TIMER.format(pause=seconds * 4 // 5, spread=seconds * 2 // 5),
        },
        [Command([*systemctl, "daemon-reload"]), Command([*systemctl, "enable", "--now", timer])],
        [Command([*systemctl, "disable", "--now", timer])],
    )


def _launchd(command: list[str], seconds: int) -> Schedule:
    name, log = f"io.github.{label()}", str(Path.home() / f"Library/Logs/{label()}.log")
    path, domain = Path.home() / f"Library/LaunchAgents/{name}.plist", f"gui/{os.getuid()}"
    job = {
        "Label": name,
        "ProgramArguments": command,
        "StartInterval": seconds,
        "RunAtLoad": True,
        "ProcessType": "Background",
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    return Schedule(
        {path: plistlib.dumps(job).decode()},
        [Command(["launchctl", "bootstrap", domain, str(path)])],
        [Command(["launchctl", "bootout", f"{domain}/{name}"])],
    )


def _task_scheduler(command: list[str], seconds: int) -> Schedule:
    program = re.sub(r"python\.exe$", "pythonw.exe", command[0])  # the same without a window
    program, arguments = (
        "'" + text.replace("'", "''") + "'" for text in (program, subprocess.list2cmdline(command[1:]))
    )
    script = TASK.format(label=label(), program=program, arguments=arguments, seconds=seconds)
    return Schedule(
        {},
        [Command(["powershell", "-NoProfile", "-NonInteractive", "-Command", script])],
        [Command(["schtasks", "/Delete", "/TN", label(), "/F"])],
    )


def _cron(command: list[str], seconds: int) -> Schedule:
    minutes = min(max(seconds // 60, 5), 60)  # the agent itself keeps to a longer interval
    times = f"{random.randrange(minutes)}-59/{minutes}"  # noqa: S311 - to spread the load
    line = f"{times} * * * * {_quoted(command)} >/dev/null 2>&1 # {label()}\n".replace("%", r"\%")
    listed = _run(Command(["crontab", "-l"]))
    missing = any(words in listed.stderr.lower() for words in ("no crontab", "no such file"))
    if listed.returncode and not missing:  # a new one would be without the other lines
        raise Problem(f"the crontab cannot be read: {listed.stderr.strip()[:300]}")
    before = listed.stdout.splitlines()
    others = "".join(f"{each}\n" for each in before if not each.endswith(f"# {label()}"))
    change = ["crontab", "-"]
    return Schedule({}, [Command(change, others + line)], [Command(change, others)])


def _run(command: Command) -> subprocess.CompletedProcess[str]:
    words, text = command
    try:
        return subprocess.run(words, input=text, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as failure:
        return subprocess.CompletedProcess(words, 1, "", str(failure))


def _quoted(command: list[str]) -> str:
    return " ".join(map(shlex.quote, command))


def _systemd_word(word: str) -> str:
    """A word of `ExecStart`, where `%` and `$` have a meaning even inside quotes."""
    if re.fullmatch(r"[\w./,:=+-]+", word, re.ASCII):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


# Files


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
