"""What lets the system's own scheduler push: a systemd user timer, a launchd agent or a task of Task Scheduler.

Files are written and nothing else is done; the commands that start, show and undo it are for the person to type.
"""

import plistlib
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from xml.sax.saxutils import escape

from meterbot.agent import settings
from meterbot.agent.machine import Machine
from meterbot.agent.memory import write_private
from meterbot.agent.trouble import PushError

_LABEL = "meterbot-push"
_ABOUT = "Sends this seat's Claude usage to meterbot"


@dataclass(frozen=True, slots=True)
class File:
    """One file of an installation. `secret`: its text is for no eyes."""

    path: Path
    text: str = field(repr=False)
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Installation:
    """What is written, and the commands to type."""

    files: tuple[File, ...]
    start: tuple[str, ...]
    see: tuple[str, ...]
    stop: tuple[str, ...]


def plan(
    machine: Machine, env: Mapping[str, str], python: str, every: timedelta, extras: tuple[str, ...] = ()
) -> Installation:
    """What would be installed on this machine. `python` is the interpreter that has meterbot; `env` gives the
    settings of the runs. Raises `SetupError` for settings that no file can hold."""
    kept = File(machine.config_directory / "push.env", settings.write(env), secret=True)
    command = [python, "-m", "meterbot", "push", "--from", "claude-code", "--env-file", str(kept.path)]
    if extras:
        command += ["--with", ",".join(extras)]
    plans = {"darwin": _launchd, "win32": _task_scheduler}
    return plans.get(machine.platform, _systemd)(machine, kept, command, every)


def write(installation: Installation) -> None:
    """Writes the files, each for its user alone. Raises `PushError`."""
    for file in installation.files:
        write_private(file.path, file.text, "utf-16" if file.path.suffix == ".xml" else "utf-8")


def remove(installation: Installation) -> list[Path]:
    """Deletes the files; those that were there. Raises `PushError`."""
    found = [file.path for file in installation.files if file.path.exists()]
    for path in found:
        try:
            path.unlink()
        except OSError as failure:
            raise PushError(f"cannot delete {path}: {failure.strerror}") from None
    return found


def _systemd(machine: Machine, kept: File, command: list[str], every: timedelta) -> Installation:
    told = machine.env.get("XDG_CONFIG_HOME", "")
    directory = (Path(told) if told.startswith("/") else machine.home / ".config") / "systemd/user"
    service = (
        f"[Unit]\nDescription={_ABOUT}\n\n"
        f"[Service]\nType=oneshot\nExecStart={' '.join(map(_systemd_word, command))}\nTimeoutStartSec=10min\n"
    )
    seconds = int(every.total_seconds())
    timer = (
        f"[Unit]\nDescription={_ABOUT}, about every {seconds // 60} minutes\n\n"
        f"[Timer]\nOnStartupSec=2min\nOnUnitInactiveSec={seconds * 4 // 5}s\nRandomizedDelaySec={seconds * 2 // 5}s\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )
    return Installation(
        files=(
            kept,
            File(directory / f"{_LABEL}.service", service),
            File(directory / f"{_LABEL}.timer", timer),
        ),
        start=(
            "systemctl --user daemon-reload",
            f"systemctl --user enable --now {_LABEL}.timer",
        ),
        see=(f"systemctl --user list-timers {_LABEL}.timer", f"journalctl --user -u {_LABEL} -n 20"),
        stop=(f"systemctl --user disable --now {_LABEL}.timer", "meterbot push install --remove"),
    )


def _systemd_word(word: str) -> str:
    """Quoted where need be; `%` and `$` mean something to systemd, even in quotes."""
    if re.fullmatch(r"[\w./,:=+-]+", word, re.ASCII):
        return word
    quoted = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{quoted}"'


def _launchd(machine: Machine, kept: File, command: list[str], every: timedelta) -> Installation:
    label = "io.github.meterbot.push"
    path = machine.home / "Library/LaunchAgents" / f"{label}.plist"
    log = machine.home / "Library/Logs/meterbot-push.log"
    text = plistlib.dumps(
        {
            "Label": label,
            "ProgramArguments": command,
            "StartInterval": int(every.total_seconds()),
            "RunAtLoad": True,
            "ProcessType": "Background",
            "StandardOutPath": str(log),
            "StandardErrorPath": str(log),
        }
    ).decode()
    where = shlex.quote(str(path))
    return Installation(
        files=(kept, File(path, text)),
        start=(f"launchctl bootstrap gui/$(id -u) {where}",),
        see=(f"launchctl print gui/$(id -u)/{label}", f"tail {shlex.quote(str(log))}"),
        stop=(f"launchctl bootout gui/$(id -u)/{label}", "meterbot push install --remove"),
    )


def _task_scheduler(machine: Machine, kept: File, command: list[str], every: timedelta) -> Installation:
    path = machine.config_directory / f"{_LABEL}.xml"
    seconds = int(every.total_seconds())
    program = command[0].removesuffix("python.exe")
    program += "pythonw.exe" if program != command[0] else ""  # the same without a window
    text = f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>{escape(_ABOUT)}</Description>
  </RegistrationInfo>
  <Triggers>
    <TimeTrigger>
      <Repetition>
        <Interval>PT{seconds}S</Interval>
      </Repetition>
      <StartBoundary>2026-01-01T00:00:00</StartBoundary>
      <Enabled>true</Enabled>
      <RandomDelay>PT{seconds // 5}S</RandomDelay>
    </TimeTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT10M</ExecutionTimeLimit>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{escape(program)}</Command>
      <Arguments>{escape(subprocess.list2cmdline(command[1:]))}</Arguments>
    </Exec>
  </Actions>
</Task>
"""
    return Installation(
        files=(kept, File(path, text)),
        start=(f'schtasks /Create /TN {_LABEL} /XML "{path}"', f"schtasks /Run /TN {_LABEL}"),
        see=(f"schtasks /Query /TN {_LABEL} /V /FO LIST",),
        stop=(f"schtasks /Delete /TN {_LABEL} /F", "meterbot push install --remove"),
    )
