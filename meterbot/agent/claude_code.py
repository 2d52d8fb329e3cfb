"""Reads this seat's numbers from the Claude Code of this machine.

The installed program is asked first, with the request behind its `/usage`: no prompt is sent, no model runs, and no
token passes through the agent. Where that is not possible, the agent asks api.anthropic.com with the sign-in that
Claude Code keeps. It never renews that sign-in, which would sign the person out.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import unicodedata
from pathlib import Path
from typing import Any

from meterbot.agent.document import snapshot
from meterbot.agent.network import base_address, exchange
from meterbot.agent.storage import Problem, parse_json, read_json

API = "https://api.anthropic.com"  # the only host that ever sees the sign-in's token
PROGRAM_SECONDS = 60.0  # a throttled program tries several times before it answers
SAVED_SECONDS = 6 * 3600.0

# No session is kept, and no settings, hooks, MCP servers or skills are loaded.
ARGUMENTS = (
    "-p --verbose --input-format stream-json --output-format stream-json --no-session-persistence "
    "--setting-sources project --strict-mcp-config --disable-slash-commands"
)
REQUEST = {
    "type": "control_request",
    "request_id": "meterbot",
    "request": {"subtype": "get_usage", "skip_behaviors": True},
}
# They may belong to another account, or are meterbot's own.
NOT_PASSED_ON = ("CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_", "METERBOT_")
QUIET = {"DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1", "DISABLE_ERROR_REPORTING": "1"}
SENTENCES = {
    200: "a web page came instead of numbers: does this network want you to sign in?",
    401: "Anthropic rejects the sign-in of Claude Code: sign in again: run `claude` and type /login",
    403: "Anthropic refuses this request: is the sign-in a token of `claude setup-token`, which may not read usage "
    "(run `claude` and type /login), or is this region or network blocked?",
    404: "Anthropic has no usage for this account: is it a Pro, Max, Team or Enterprise seat?",
    429: "Anthropic says that this account's usage was requested too often",
}


def read(state: dict[str, Any], now: float, directory: Path) -> dict[str, Any]:
    """One snapshot. `state` remembers whose sign-in was verified. Raises `Problem`.

    `now`: seconds since 1970. `directory`: where the program runs, so that no project's settings apply.
    """
    reply, at = _ask_program(directory), now
    usage = reply.get("rate_limits")
    if usage:
        ids, at = _noted_ids(since=now), _fetched_at(usage, now)
    elif reply.get("rate_limits_available") is True:
        # The program says this both when its sign-in is rejected and when it has to wait.
        if _noted_ids(since=now) is None:
            _api("/api/oauth/profile", _token())
        raise Problem("Anthropic asks Claude Code to wait, so it has no numbers now", wait=0)
    else:
        ids, usage = _verified_ids(state), _api("/api/oauth/usage", _token())
    org, account = ids or _verified_ids(state)
    return snapshot(usage, org, account, at)


def is_of_this_sign_in(kept: Any, state: dict[str, Any]) -> bool:
    """Whether a snapshot is of the account that is signed in now; False where that cannot be verified."""
    try:
        return _verified_ids(state) == [_at(kept, name) for name in ("org_uuid", "account_uuid")]
    except Problem:
        return False


# What Claude Code notes in its files


def claude_directory() -> Path:
    """Where Claude Code keeps its sign-in."""
    named = unicodedata.normalize("NFC", os.environ.get("CLAUDE_CONFIG_DIR") or "")  # as Claude Code does
    return Path(named) if named else Path.home() / ".claude"


def profile() -> str:
    """Tells apart several sign-ins on one machine; empty for the usual one."""
    digest = hashlib.sha256(str(claude_directory()).encode()).hexdigest()[:8]
    return f"-{digest}" if os.environ.get("CLAUDE_CONFIG_DIR") else ""


def _notes(*keys: str) -> Any:
    return _at(read_json((claude_directory() if profile() else Path.home()) / ".claude.json"), *keys)


def _noted_ids(since: float) -> list[str] | None:
    """Organization and account, if Claude Code has checked them since then. While it answers it corrects its notes,
    which may name an earlier sign-in until then."""
    checked_ms = _notes("oauthAccount", "profileFetchedAt")
    ids = [_notes("oauthAccount", key) for key in ("organizationUuid", "accountUuid")]
    fresh = isinstance(checked_ms, (int, float)) and checked_ms / 1000 >= since - 1
    return ids if fresh and all(ids) else None


def _fetched_at(usage: Any, now: float) -> float:
    """When the program got these numbers: while it has to wait, it answers with those it saved."""
    saved, saved_ms = (_notes("cachedUsageUtilization", key) for key in ("utilization", "fetchedAtMs"))
    old, new = (
        [_at(body, name, key) for name in ("five_hour", "seven_day") for key in ("resets_at", "utilization")]
        for body in (saved, usage)
    )
    if old != new or not any(new) or not isinstance(saved_ms, (int, float)):
        return now
    return saved_ms / 1000 if 0 <= now - saved_ms / 1000 <= SAVED_SECONDS else now


# The program


def search_path() -> str:
    """PATH and the usual places of installers: a scheduler's PATH is shorter than a shell's."""
    home = str(Path.home())
    usual = [f"{home}/.local/bin", f"{home}/.claude/local", "/opt/homebrew/bin", "/usr/local/bin"]
    return os.pathsep.join([os.environ.get("PATH") or os.defpath, *usual])


def _ask_program(directory: Path) -> dict[str, Any]:
    """The installed program's answer; empty if there is no program, or if it does not know the request."""
    program = shutil.which("claude", path=search_path())
    if program is None:
        return {}
    env = {name: value for name, value in os.environ.items() if not name.startswith(NOT_PASSED_ON)}
    try:
        process = subprocess.Popen(  # noqa: S603 - the program that its user runs all day, no shell
            [program, *ARGUMENTS.split()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**env, **QUIET, "PATH": search_path()},
            cwd=str(directory),
            start_new_session=True,
        )
    except OSError:
        return {}
    alarm = threading.Timer(PROGRAM_SECONDS, _end, [process])
    alarm.start()
    try:
        # Standard input stays open: at its end, the program may leave before it has answered.
        requests, replies = process.stdin, process.stdout
        assert requests is not None and replies is not None  # noqa: S101, PT018 - both are pipes
        requests.write(json.dumps(REQUEST).encode() + b"\n")
        requests.flush()
        answers = (_at(parse_json(line), "response") for line in replies)
        reply = next((each for each in answers if _at(each, "request_id") == "meterbot"), None)
    except OSError:
        reply = None
    finally:
        alarm.cancel()
        _end(process)
        process.communicate()
    body = _at(reply, "response")
    return body if isinstance(body, dict) else {}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the program and everything it started."""
    try:
        process.kill() if os.name == "nt" else os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()


# The sign-in


def _token() -> str:
    """The access token that Claude Code keeps: in the macOS keychain, else in a file. Raises `Problem`."""
    for kept in (
        sys.platform == "darwin" and _keychain(),
        read_json(claude_directory() / ".credentials.json"),
    ):
        token = _at(kept, "claudeAiOauth", "accessToken")
        if isinstance(token, str) and re.fullmatch("[!-~]+", token):
            return token
    raise Problem(
        "Claude Code is not signed in here: run `claude` and type /login (with WSL, run this on the side where you use it)"
    )


def _keychain() -> Any:
    service = f"Claude Code-credentials{profile()}"
    command = ["security", "find-generic-password", "-a", getpass.getuser(), "-s", service, "-w"]
    try:
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_json(ran.stdout)


def _verified_ids(state: dict[str, Any]) -> list[str]:
    """The organization and account of the sign-in, asked once for each token. Raises `Problem`."""
    token = _token()
    mark = hashlib.sha256(token.encode()).hexdigest()[:16]
    if state.get("token") != mark:
        body = _api("/api/oauth/profile", token)
        ids = [_at(body, name, "uuid") for name in ("organization", "account")]
        if not all(ids):
            raise Problem(
                "cannot verify whose numbers these are, so they are not sent: run `claude` once", wait=0
            )
        state.update(token=mark, ids=ids)
    verified: list[str] = state["ids"]
    return verified


def _api(path: str, token: str) -> Any:
    """One body of api.anthropic.com. Raises `Problem`."""
    base = base_address(os.environ.get("METERBOT_ANTHROPIC_API") or API, "METERBOT_ANTHROPIC_API")
    if base != API and base.startswith("https:"):  # http is for this machine alone
        raise Problem("METERBOT_ANTHROPIC_API must be on this machine: it is for tests", status=2)
    headers = {"anthropic-beta": "oauth-2025-04-20", "anthropic-version": "2023-06-01"}
    answer = exchange("GET", base + path, {**headers, "Authorization": f"Bearer {token}"})
    failed = _at(answer.document, "error") is not None
    if answer.status == 200 and isinstance(answer.document, dict) and not failed:
        return answer.document
    kind = str(_at(answer.document, "error", "type"))
    status = {"rate_limit_error": 429, "authentication_error": 401}.get(kind, answer.status)
    sentence = SENTENCES.get(status, "Anthropic cannot answer now")
    raise Problem(f"{sentence} ({status})", wait=None if status == 401 else answer.wait)


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
