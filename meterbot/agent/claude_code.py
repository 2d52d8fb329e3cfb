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

from meterbot.agent.document import ID, parse_json, snapshot
from meterbot.agent.network import Answer, Problem, Refused, base_address, exchange

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
SIGN_IN = "sign in again: run `claude` and type /login"
WRONG_KIND = f"this sign-in may not read usage, like the tokens of `claude setup-token`: {SIGN_IN}"


class NotSignedIn(Problem):
    """A person has to sign in. Waiting does not help, so the next run may try at once."""


def read(state: dict[str, Any], now: float, directory: Path) -> dict[str, Any]:
    """One snapshot. `state["account"]` remembers whose sign-in was verified. Raises `Problem`.

    `now`: seconds since 1970. `directory`: where the program runs, so that no project's settings apply.
    """
    reply, at = _ask_program(directory), now
    usage = reply.get("rate_limits")
    if isinstance(usage, dict) and usage:
        ids, at = _noted_ids(since=now), _fetched_at(usage, now)
    elif reply.get("rate_limits_available") is True:
        # The program says this both when its sign-in is rejected and when it has to wait.
        if _noted_ids(since=now) is None:
            _api("/api/oauth/profile", _token())
        raise Refused("Anthropic asks Claude Code to wait, so it has no numbers now")
    else:
        ids, usage = _verified_ids(state), _api("/api/oauth/usage", _token())
    org, account = ids or _verified_ids(state)
    return snapshot(usage, org, account, at)


# What Claude Code notes in its files


def claude_directory() -> Path:
    """Where Claude Code keeps its sign-in."""
    named = os.environ.get("CLAUDE_CONFIG_DIR")
    return Path(unicodedata.normalize("NFC", named)) if named else Path.home() / ".claude"


def profile() -> str:
    """Tells apart several sign-ins on one machine; empty for the usual one."""
    digest = hashlib.sha256(str(claude_directory()).encode()).hexdigest()[:8]
    return f"-{digest}" if os.environ.get("CLAUDE_CONFIG_DIR") else ""


def _notes(*keys: str) -> Any:
    path = (claude_directory() if profile() else Path.home()) / ".claude.json"
    try:
        return _at(parse_json(path.read_bytes()), *keys)
    except (OSError, ValueError):
        return None


def _noted_ids(since: float) -> tuple[str, str] | None:
    """Organization and account, if Claude Code has checked them since then. While it answers it corrects its notes,
    which may name an earlier sign-in until then."""
    checked_ms = _notes("oauthAccount", "profileFetchedAt")
    fresh = isinstance(checked_ms, (int, float)) and checked_ms / 1000 >= since - 1
    return _ids(_notes("oauthAccount"), ("organizationUuid",), ("accountUuid",)) if fresh else None


def _fetched_at(usage: dict[str, Any], now: float) -> float:
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
        return next((reply for reply in map(_reply, replies) if reply is not None), {})
    except OSError:
        return {}
    finally:
        alarm.cancel()
        _end(process)
        process.communicate()


def _reply(line: bytes) -> dict[str, Any] | None:
    """The answer to our request; None for any other line."""
    try:
        response = _at(parse_json(line), "response")
    except ValueError:
        return None
    body = _at(response, "response")
    return None if _at(response, "request_id") != "meterbot" else body if isinstance(body, dict) else {}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the program and everything it started."""
    try:
        process.kill() if os.name == "nt" else os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()


# The sign-in


def _token() -> str:
    """The access token that Claude Code keeps: in the macOS keychain, else in a file. Raises `NotSignedIn`."""
    try:
        held = (sys.platform == "darwin" and _keychain()) or parse_json(
            (claude_directory() / ".credentials.json").read_bytes()
        )
    except FileNotFoundError:
        held = None
    except (OSError, ValueError):
        raise NotSignedIn(f"Claude Code's .credentials.json cannot be read: {SIGN_IN}") from None
    token, scopes = (_at(held, "claudeAiOauth", key) for key in ("accessToken", "scopes"))
    if not isinstance(token, str) or not re.fullmatch("[!-~]+", token):
        other = "on Windows" if os.environ.get("WSL_DISTRO_NAME") else ""
        other = "inside WSL" if sys.platform.startswith("win") else other
        hint = f" (if you use it {other}, run this {other})" if other else ""
        raise NotSignedIn(f"Claude Code is not signed in here: run `claude` and type /login{hint}")
    if isinstance(scopes, list) and scopes and "user:profile" not in scopes:
        raise NotSignedIn(WRONG_KIND)
    return token


def _keychain() -> Any:
    service = f"Claude Code-credentials{profile()}"
    command = ["security", "find-generic-password", "-a", getpass.getuser(), "-s", service, "-w"]
    try:
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True)  # noqa: S603
        held = parse_json(ran.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return held if _at(held, "claudeAiOauth", "accessToken") else None


def _verified_ids(state: dict[str, Any]) -> tuple[str, str]:
    """The organization and account of the sign-in, asked once for each token. Raises `Problem`."""
    token = _token()
    mark = hashlib.sha256(token.encode()).hexdigest()[:16]
    known = state.get("account") or {}
    if known.get("token") != mark:
        ids = _ids(_api("/api/oauth/profile", token), ("organization", "uuid"), ("account", "uuid"))
        if ids is None:
            raise Refused("cannot verify whose numbers these are, so they are not sent: run `claude` once")
        known = state["account"] = {"token": mark, "ids": ids}
    return known["ids"][0], known["ids"][1]


def _api(path: str, token: str) -> Any:
    """One body of api.anthropic.com. Raises `NotSignedIn` or `Refused`."""
    base = base_address(os.environ.get("METERBOT_ANTHROPIC_API") or API, "METERBOT_ANTHROPIC_API")
    headers = {"anthropic-beta": "oauth-2025-04-20", "anthropic-version": "2023-06-01"}
    answer = exchange("GET", base + path, {**headers, "Authorization": f"Bearer {token}"})
    try:
        body = parse_json(answer.body)
    except ValueError:
        body = ...
    error = _at(body, "error")
    if answer.status == 200 and body is not ... and error is None:
        return body
    raise _refusal(answer, _at(error, "type"), str(_at(error, "message")))


def _refusal(answer: Answer, kind: Any, message: str) -> Problem:
    status = answer.status
    if status == 429 or kind == "rate_limit_error":
        return Refused("Anthropic says that this account's usage was requested too often", answer.wait)
    if status == 401 or kind == "authentication_error":
        return NotSignedIn(f"Anthropic rejects the sign-in of Claude Code: {SIGN_IN}")
    if status == 403 and "user:profile" in message:
        return NotSignedIn(WRONG_KIND)
    sentence = {
        200: "a web page came instead of numbers: does this network want you to sign in?",
        403: "Anthropic refuses this request: is this region or network blocked?",
        404: "Anthropic has no usage for this account: is it a Pro, Max, Team or Enterprise seat?",
    }
    return Refused(f"{sentence.get(status, 'Anthropic cannot answer now')} ({status})", answer.wait)


def _ids(value: Any, org: tuple[str, ...], account: tuple[str, ...]) -> tuple[str, str] | None:
    found = [_at(value, *keys) for keys in (org, account)]
    valid = all(isinstance(each, str) and ID.fullmatch(each) for each in found)
    return (found[0], found[1]) if valid else None


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
