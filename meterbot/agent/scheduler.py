"""Lets the system start the agent: a systemd user timer, a launchd agent, a Task Scheduler task, or a cron line.

Everything runs under the person's own account. The settings, with the token, are in one file that only they can read.
"""

from __future__ import annotations

import json
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
from meterbot.agent.storage import Problem, folder, read_json, write_private

EVERY = 900  # seconds; Anthropic allows few readings, and every program of the account shares them
# What a scheduled run needs of this shell's environment.
KEPT = re.compile(
    "METERBOT_(URL|PUSH_TOKEN|ANTHROPIC_API)|CLAUDE_CONFIG_DIR|PATH"
    "|HTTPS_PROXY|https_proxy|NO_PROXY|no_proxy|SSL_CERT_FILE|SSL_CERT_DIR|NODE_EXTRA_CA_CERTS"
)
SERVICE = """\
[Service]
Type=oneshot
ExecStart={command}
"""
TIMER = """\
[Timer]
OnStartupSec=2min
OnUnitInactiveSec=12min
RandomizedDelaySec=6min

[Install]
WantedBy=timers.target
"""
TASK = (
    "Register-ScheduledTask -Force -TaskName {name}"
    " -Action (New-ScheduledTaskAction -Execute {program} -Argument {arguments})"
    " -Trigger (New-ScheduledTaskTrigger -Once -At (Get-Date) -RepetitionInterval (New-TimeSpan -Minutes 15))"
    " -Settings (New-ScheduledTaskSettingsSet -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries"
    " -StartWhenAvailable -ExecutionTimeLimit (New-TimeSpan -Minutes 10))"
)
# Unlike schtasks, whose messages are in the user's language, it succeeds where there is no such task.
NO_TASK = (
    "$ErrorActionPreference = 'Stop'; "
    "Get-ScheduledTask | Where-Object TaskName -eq '{name}' | Unregister-ScheduledTask -Confirm:$false"
)
POWERSHELL = ["powershell", "-NoProfile", "-NonInteractive", "-Command"]
# How systemctl and launchctl say that there is nothing to stop.
ABSENT = ("does not exist", "not loaded", "could not find", "cannot find", "no such process")


class Schedule(NamedTuple):
    """How a scheduler starts the agent: its files with their text, and the commands that start it and stop it.
    `inputs`: what the last command to start, and the one to stop, get on standard input."""

    files: dict[Path, str]
    start: list[list[str]]
    stop: list[str]
    inputs: tuple[str, str] = ("", "")


def schedule(command: list[str]) -> Schedule | None:
    """How this machine starts `command` about every quarter of an hour; None if it has no scheduler."""
    name = f"meterbot-push{profile()}"
    if sys.platform == "win32":
        return _task_scheduler(name, command)
    if sys.platform == "darwin":
        return _launchd(f"io.github.{name}", command)
    if _run(["systemctl", "--user", "show-environment"]).returncode == 0:
        return _systemd(name, command)
    return _cron(name, command) if shutil.which("crontab") else None


def start(command: list[str]) -> bool:
    """Starts the scheduled runs, instead of those of an earlier installation; returns whether this machine has a
    scheduler. Raises `Problem`."""
    made = schedule(command)
    stop(made)
    if made is None:
        return False
    for path, text in made.files.items():
        write_private(path, text)
    for words in made.start:
        ran = _run(words, made.inputs[0])
        if ran.returncode:
            raise _failure(words, ran.stderr)
    return True


def stop(made: Schedule | None) -> None:
    """Stops the scheduled runs and deletes their files. Raises `Problem`, after that, if the scheduler refuses."""
    if made is None:
        return
    ran = _run(made.stop, made.inputs[1])
    missing = made.files and not any(path.exists() for path in made.files)
    for path in made.files:
        path.unlink(missing_ok=True)
    if ran.returncode and not missing and not any(words in ran.stderr.lower() for words in ABSENT):
        raise _failure(made.stop, ran.stderr)


def _failure(words: list[str], error: str) -> Problem:
    return Problem(f"`{shlex.join(words)}` failed: {error.strip()[:300]}")


def _systemd(name: str, command: list[str]) -> Schedule:
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    units, systemctl = config / "systemd/user", ["systemctl", "--user"]
    # `%`, `$` and the backslash have a meaning even inside quotes.
    quoted = (re.sub(r'([\\"])', r"\\\1", word).replace("%", "%%").replace("$", "$$") for word in command)
    service = SERVICE.format(command=" ".join(f'"{word}"' for word in quoted))
    return Schedule(
        {units / f"{name}.service": service, units / f"{name}.timer": TIMER},
        [[*systemctl, "daemon-reload"], [*systemctl, "enable", "--now", f"{name}.timer"]],
        [*systemctl, "disable", "--now", f"{name}.timer"],
    )


def _launchd(name: str, command: list[str]) -> Schedule:
    path, domain = Path.home() / f"Library/LaunchAgents/{name}.plist", f"gui/{os.getuid()}"
    job = {"Label": name, "ProgramArguments": command, "StartInterval": EVERY, "RunAtLoad": True}
    return Schedule(
        {path: plistlib.dumps({**job, "ProcessType": "Background"}).decode()},
        [["launchctl", "bootstrap", domain, str(path)]],
        ["launchctl", "bootout", f"{domain}/{name}"],
    )


def _task_scheduler(name: str, command: list[str]) -> Schedule:
    program = re.sub(r"python\.exe$", "pythonw.exe", command[0])  # the same without a window
    words = (program, subprocess.list2cmdline(command[1:]))
    program, arguments = ("'" + word.replace("'", "''") + "'" for word in words)
    script = TASK.format(name=name, program=program, arguments=arguments)
    return Schedule({}, [[*POWERSHELL, script]], [*POWERSHELL, NO_TASK.format(name=name)])


def _cron(name: str, command: list[str]) -> Schedule:
    times = f"{random.randrange(15)}-59/15"  # noqa: S311 - to spread the load
    line = f"{times} * * * * {shlex.join(command)} >/dev/null 2>&1 # {name}\n".replace("%", r"\%")
    listed = _run(["crontab", "-l"])
    missing = any(words in listed.stderr.lower() for words in ("no crontab", "no such file"))
    if listed.returncode and not missing:  # a new one would be without the other lines
        raise Problem(f"the crontab cannot be read: {listed.stderr.strip()[:300]}")
    lines = listed.stdout.split("\n")  # not splitlines(), which would end lines elsewhere, too
    others = "\n".join(each for each in lines if not each.endswith(f"# {name}"))
    others += "\n" if others and not others.endswith("\n") else ""
    return Schedule({}, [["crontab", "-"]], ["crontab", "-"], (others + line, others))


def _run(words: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    code, errors = "utf-8", "surrogateescape"  # a crontab of any encoding comes back as it was
    try:
        typed = text.encode(code, errors)
        ran = subprocess.run(words, input=typed, capture_output=True, timeout=60, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as failure:
        return subprocess.CompletedProcess(words, 1, "", str(failure))
    output = (part.decode(code, errors) for part in (ran.stdout, ran.stderr))
    return subprocess.CompletedProcess(words, ran.returncode, *output)


def settings_file() -> Path:
    """What the scheduled runs need of the environment, the token among it."""
    return folder() / f"settings{profile()}.json"


def use_settings(path: Path) -> None:
    """Sets the environment of a scheduled run. Raises `Problem`."""
    kept = read_json(path)
    if not kept or not all(isinstance(value, str) for value in kept.values()):
        raise Problem(f"{path} holds no settings: a new line of `/claude-spend join` writes them", status=2)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise Problem(f"other users may read the token in {path}: run chmod 600 on it", status=2)
    os.environ.update(kept)


def write_settings() -> None:
    """Keeps this shell's settings for the scheduled runs. Raises `Problem`."""
    kept = {name: value for name, value in os.environ.items() if value and KEPT.fullmatch(name)}
    write_private(settings_file(), json.dumps(kept, indent=1) + "\n")
