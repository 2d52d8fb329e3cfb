"""The sign-in that Claude Code keeps on this machine, in the macOS keychain or in its file: read, never renewed."""

import json
import re
import subprocess
from datetime import datetime

from meterbot.agent.machine import Machine
from meterbot.agent.trouble import PushError
from meterbot.core import secret
from meterbot.sources.claude_login import (
    RUN_CLAUDE,
    Login,
    LoginError,
    LoginTrouble,
    login_of,
    read_login,
)

WRONG_KIND = "the token here may not read usage (`claude setup-token` makes such): run `claude` and sign in with /login"

_KEYCHAIN_PATIENCE = 60.0  # seconds: macOS may ask the person first
_TOKEN = re.compile(r"[!-~]+")


def find(machine: Machine, now: datetime) -> Login:
    """A sign-in that can be of use. Raises `PushError` when there is none, saying what to do about it."""
    try:
        login = _from_keychain(machine) or read_login(machine.claude_directory / ".credentials.json")
        secret.remember(login.token)
        login.check(now)
    except LoginError as error:
        here = error.sentence.replace(RUN_CLAUDE, "run `claude` once")
        raise PushError(WRONG_KIND if error.trouble is LoginTrouble.WRONG_KIND else here) from None
    if not _TOKEN.fullmatch(login.token):
        raise PushError(
            "the token of Claude Code has characters that no token has: run `claude` and sign in with /login"
        )
    return login


def _from_keychain(machine: Machine) -> Login | None:
    """None where there is no keychain, or no sign-in in it. A file beside a keychain is left over."""
    if machine.platform != "darwin":
        return None
    command = [
        machine.keychain,
        "find-generic-password",
        "-a",
        machine.user,
        "-s",
        machine.keychain_service,
        "-w",
    ]
    try:
        ran = subprocess.run(  # noqa: S603 - a fixed program, no shell
            command, capture_output=True, timeout=_KEYCHAIN_PATIENCE, check=False, stdin=subprocess.DEVNULL
        )
        return login_of(json.loads(ran.stdout)) if ran.returncode == 0 else None
    except (OSError, ValueError, RecursionError, subprocess.TimeoutExpired, LoginError):
        return None
