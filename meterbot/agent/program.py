"""Claude Code itself, asked for its usage: it answers with its own sign-in, so no token passes through here.

The request is the one behind `/usage`, on the stream of JSON lines that Anthropic's own SDK speaks with the program.
It is marked experimental there: a program that does not know it, or answers otherwise, is no failure.
"""

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meterbot.agent.machine import Machine
from meterbot.agent.trouble import RefusedError
from meterbot.sources.exact_json import NotJsonError, parse

PATIENCE = 60.0
"""Seconds; a throttled program tries several times before it answers."""

# No prompt is sent, so no model runs; no session is kept, and no settings, hooks, servers or skills are loaded.
_ARGUMENTS = [
    "-p",
    "--verbose",
    *("--input-format", "stream-json"),
    *("--output-format", "stream-json"),
    "--no-session-persistence",
    *("--setting-sources", "project"),
    "--strict-mcp-config",
    "--disable-slash-commands",
]
_ID = "meterbot"
_REQUEST = {
    "type": "control_request",
    "request_id": _ID,
    "request": {"subtype": "get_usage", "skip_behaviors": True},
}
# Each of these would make the program answer for somebody else; the last ones are not its business.
_KEPT_FROM_IT = ("CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_", "METERBOT_")
_QUIET = {"DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1", "DISABLE_ERROR_REPORTING": "1"}


def ask(machine: Machine, directory: Path, patience: float = PATIENCE) -> object:
    """The numbers of `/usage`, as `exact_json.parse` gives them; None where the program cannot tell.

    `directory`: where it runs, so that no project's settings count. Raises `RefusedError` when it can tell in
    general and has nothing now, as while Anthropic asks it to wait.
    """
    found = shutil.which("claude", path=machine.search_path)
    if found is None:
        return None
    try:
        answer = _answer(found, machine, directory, patience)
    except (OSError, UnicodeDecodeError):
        return None
    if answer is None:
        return None
    numbers = answer.get("rate_limits")
    if isinstance(numbers, dict) and numbers:
        return numbers
    if answer.get("rate_limits_available") is True:
        raise RefusedError("Claude Code has no numbers at the moment (Anthropic may have asked it to wait)")
    return None


def _answer(found: str, machine: Machine, directory: Path, patience: float) -> dict[str, object] | None:
    env = {name: value for name, value in machine.env.items() if not name.startswith(_KEPT_FROM_IT)}
    with _running(
        [found, *_ARGUMENTS], {**env, **_QUIET, "PATH": machine.search_path}, directory, patience
    ) as process:
        if process.stdin is None or process.stdout is None:
            return None
        process.stdin.write(json.dumps(_REQUEST).encode() + b"\n")
        process.stdin.flush()  # and left open: at its end the program leaves, perhaps before it has answered
        for line in process.stdout:
            response = _response(line)
            if response is not None:
                body = response.get("response")
                return body if response.get("subtype") == "success" and isinstance(body, dict) else None
    return None


def _response(line: bytes) -> dict[str, object] | None:
    try:
        message = parse(line)
    except (NotJsonError, RecursionError):
        return None
    if not isinstance(message, dict) or message.get("type") != "control_response":
        return None
    response = message.get("response")
    return response if isinstance(response, dict) and response.get("request_id") == _ID else None


@contextmanager
def _running(
    command: list[str], env: dict[str, str], directory: Path, patience: float
) -> Iterator[subprocess.Popen[bytes]]:
    """The process, ended with all it started when the block ends or patience does."""
    process = subprocess.Popen(  # noqa: S603 - the program its user runs all day, no shell
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env,
        cwd=directory,
        start_new_session=True,
    )
    alarm = threading.Timer(patience, _end, [process])
    alarm.start()
    try:
        yield process
    finally:
        alarm.cancel()
        _end(process)
        process.communicate()


def _end(process: "subprocess.Popen[bytes]") -> None:
    if os.name == "nt":
        process.kill()
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()  # already gone; this only notes it
