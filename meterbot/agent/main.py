"""The command: reads and sends once or repeatedly, or installs itself.

Exit status: 0 done, 1 it ran and something failed, 2 wrong usage or settings.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import random
import re
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

from meterbot.agent.claude_code import profile, read
from meterbot.agent.document import from_claude_meter, parse_json, render
from meterbot.agent.network import VERSION, Problem, Refused, UsageProblem, base_address, exchange
from meterbot.agent.scheduler import (
    folder,
    read_settings,
    schedule,
    settings_file,
    start,
    stop,
    write_private,
    write_settings,
)

# Seconds. Anthropic allows few readings, and every program of the account shares them.
SHORTEST, EVERY, LONGEST = 300, 900, 6 * 3600
LADDER = (300, 900, 1800, 3600)  # waits after one refusal, two, and so on
RUN_SECONDS = 300  # a run that takes longer is stuck, in a name lookup for instance


class Agent:
    """Reads Claude Code when it is time, and sends what meterbot does not have yet.

    `path` holds what is remembered between runs: a deadline, ids and the last reading, no secret. Times are seconds
    since 1970. `chance` gives 0 to 1.
    """

    def __init__(
        self, path: Path, every: float, now: Callable[[], float], chance: Callable[[], float] = random.random
    ) -> None:
        self._path, self._every, self._now, self._chance = path, every, now, chance
        self._state: dict[str, Any] = {}

    def once(self, send: Callable[[bytes], str]) -> str:
        """Reads if it is time, and sends what was not sent yet; returns the result as a sentence. Raises
        `Problem`."""
        with self._alone():
            self._read_if_due()
            if not self._state.get("sent"):
                outcome = send(self._body())
                self._save(sent=True)
                return outcome
            if self._state.get("refusal"):
                raise Problem(self._why_not())
            return f"nothing new to send; next reading {self._next()}"

    def body(self) -> bytes:
        """The bytes that would be sent now. Raises `Problem`."""
        with self._alone():
            self._read_if_due()
            return self._body()

    def send_again(self) -> None:
        """Makes the next run send the last reading again, for another meterbot that may not have it."""
        with self._alone():
            self._save(sent=False)

    def pause(self) -> float:
        """Seconds until the next run has something to do."""
        wait: float = self._state.get("read_after", 0) - self._now()
        return wait if 0 < wait <= LONGEST else self._every

    def _read_if_due(self) -> None:
        now = self._now()
        # A deadline further away than any wait was set while the clock was wrong.
        if 0 < self._state.get("read_after", 0) - now <= LONGEST:
            return
        try:
            snapshots = [read(self._state, now, self._path.parent)]
        except Refused as refusal:
            failures = self._state.get("failures", 0) + 1
            # A retry exactly on time was seen to cost another hour, and "0 seconds" is no permission.
            wait = max(refusal.wait, LADDER[min(failures, len(LADDER)) - 1]) + 300 * self._chance()
            self._save(failures=failures, refusal=str(refusal), read_after=now + min(wait, LONGEST))
            raise Problem(self._why_not()) from None
        # Earlier than the interval, so that a scheduler's next run is not a moment too soon.
        due = now + self._every * 0.8
        self._save(failures=0, refusal="", read_after=due, snapshots=snapshots, sent=False)

    def _body(self) -> bytes:
        if not self._state.get("snapshots"):
            raise Problem(self._why_not())
        return render(self._state["snapshots"])

    def _why_not(self) -> str:
        return f"{self._state.get('refusal') or 'nothing was read'}; next try {self._next()}"

    def _next(self) -> str:
        return time.strftime("after %H:%M", time.localtime(self._state.get("read_after", 0)))

    def _save(self, **changes: Any) -> None:
        self._state.update(changes)
        write_private(self._path, json.dumps(self._state, indent=1) + "\n")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One agent for each account on a machine. Raises `Problem` while another one runs."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as failure:
            raise Problem(f"cannot write to {self._path.parent}: {failure.strerror}") from None
        with os.fdopen(lock, "w") as file:
            try:
                _lock(file.fileno())
            except OSError:
                raise Problem("another agent is running here: one is enough for an account") from None
            try:
                state = parse_json(self._path.read_bytes())
            except (OSError, ValueError):
                state = None  # a damaged file costs one reading
            self._state = state if isinstance(state, dict) else {}
            yield


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def send(body: bytes) -> str:
    """Sends snapshots to the meterbot of the settings; returns the result as a sentence. Raises `Problem`."""
    token, url = destination()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    answer = exchange("POST", url, headers, body)
    told, status = _texts(answer.body), answer.status
    if status in {200, 202}:
        return f"{told['seat']}: {told['spent']} sent" if {"seat", "spent"} <= told.keys() else "sent"
    if "error" in told:
        raise Problem("; ".join([told["error"], *filter(None, [told.get("remedy")])]) + f" ({status})")
    if status in {408, 425, 429} or status >= 500:
        raise Problem(f"meterbot cannot take the reading now; the next run sends it ({status})")
    raise Problem(f"this is no answer of meterbot: is METERBOT_URL the right and final address? ({status})")


def _texts(body: bytes) -> dict[str, str]:
    """The texts in meterbot's answer, fit for a terminal."""
    try:
        told = parse_json(body)
    except ValueError:
        told = None
    texts = told.items() if isinstance(told, dict) else ()
    return {name: re.sub("[^ -~€£¥]", "?", text)[:300] for name, text in texts if isinstance(text, str)}


def destination() -> tuple[str, str]:
    """The push token and the address of the settings. Raises `UsageProblem`."""
    url, token = (os.environ.get(name, "").strip() for name in ("METERBOT_URL", "METERBOT_PUSH_TOKEN"))
    if not url or not token:
        missing = "METERBOT_PUSH_TOKEN" if url else "METERBOT_URL"
        raise UsageProblem(f"{missing} is not set: `/claude-spend join` gives you a line that sets all of it")
    if not re.fullmatch("[!-~]+", token):
        raise UsageProblem("METERBOT_PUSH_TOKEN has characters that no token has: paste it whole")
    base = base_address(url, "METERBOT_URL")
    return token, base if base.endswith("/snapshots") else f"{base}/api/v1/snapshots"


def join(url: str, code: str, program: list[str], every: int) -> int:
    """Trades a one-time code for the seat's token, sends a first reading, and installs the scheduled runs."""
    base = base_address(url, "the address")
    answer = exchange("POST", f"{base}/join/{code}", {}, b"")
    told = _texts(answer.body)
    if answer.status != 200 or not {"seat", "token"} <= told.keys():
        raise Problem(told.get("error", f"meterbot does not accept this code ({answer.status})"))
    os.environ.update(METERBOT_URL=base, METERBOT_PUSH_TOKEN=told["token"])
    agent = Agent(state_file(), every, time.time)
    agent.send_again()
    status = 0
    try:
        print(f"{agent.once(send)}, next in {every // 60} minutes", flush=True)
    except Problem as problem:
        status = 1
        print(f"{told['seat']} is connected, but nothing was sent yet: {problem}", file=sys.stderr)
    install(program, every)
    return status


def state_file() -> Path:
    """What is remembered between runs."""
    return folder("XDG_STATE_HOME", ".local/state") / f"push{profile()}.json"


def install(program: list[str], every: int) -> None:
    """Starts scheduled runs with this shell's settings. Raises `Problem`."""
    write_settings()
    start([*program, "--env-file", str(settings_file())], every)
    print(f"This machine now sends by itself. To stop that and delete it: {' '.join(program)} uninstall")


def uninstall(program: list[str]) -> None:
    """Stops the scheduled runs and deletes settings, state and script. Raises `Problem`."""
    stop(schedule(program, EVERY))
    script = [Path(word) for word in program if word.endswith("meterbot-agent.py")]
    for path in [settings_file(), state_file(), state_file().with_suffix(".lock"), *script]:
        if path.exists():
            path.unlink()
    print("stopped, and deleted: settings, state and script")


def main(arguments: list[str], program: list[str]) -> int:
    """Runs one command and returns its exit status. `program` is what a scheduler has to start."""
    parser = argparse.ArgumentParser(
        "meterbot push", description="Send this machine's Claude numbers to meterbot."
    )
    add = parser.add_argument
    add("action", nargs="*", help="install, uninstall, or join URL CODE; without one, read and send once")
    add("--from", dest="source", default="claude-code", metavar="claude-code|FILE|-", help="what to read")
    add("--every", metavar="TIME", help="one reading about every 15m (or 1h, ...), until stopped")
    add("--dry-run", action="store_true", help="show the exact bytes that would be sent, and send nothing")
    add("--email", action="store_true", help="send the e-mail address in claude-meter's JSON, too")
    add("--env-file", metavar="PATH", help="settings, one NAME=VALUE per line; install writes such a file")
    add("--version", action="version", version=VERSION)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        return _act(options, program)
    except Problem as problem:
        print(f"meterbot: {problem}", file=sys.stderr)
        return 2 if isinstance(problem, UsageProblem) else 1


def _act(options: argparse.Namespace, program: list[str]) -> int:
    action, *words = options.action or ["push"]
    if options.env_file:
        os.environ.update(read_settings(Path(options.env_file).expanduser()))
    elif action == "install" and settings_file().exists():
        os.environ.update({**read_settings(settings_file()), **os.environ})
    every = _seconds(options.every or os.environ.get("METERBOT_EVERY") or "15m")
    os.environ["METERBOT_EVERY"] = f"{every}s"
    if action == "join" and len(words) == 2:
        return join(words[0], words[1], program, every)
    if action == "install" and not words and destination():
        install(program, every)
    elif action == "uninstall" and not words:
        uninstall(program)
    elif action == "push" and not words:
        _push(options, every)
    else:
        raise UsageProblem("say install, uninstall or join URL CODE, or none of them to read and send")
    return 0


def _seconds(text: str) -> int:
    matched = re.fullmatch("([0-9]{1,6})([smh])", text.strip())
    seconds = int(matched[1]) * {"s": 1, "m": 60, "h": 3600}[matched[2]] if matched else 0
    if not SHORTEST <= seconds <= LONGEST:
        raise UsageProblem(f"--every must be between 5m and 6h, like 15m; got {text[:20]}")
    return seconds


def _push(options: argparse.Namespace, every: int) -> None:
    agent = Agent(state_file(), every, time.time)
    ours = options.source == "claude-code"
    if options.dry_run:
        body = agent.body() if ours else _from_claude_meter(options)
        print(f"these {len(body)} bytes would be sent; nothing is sent", file=sys.stderr)
        sys.stdout.buffer.write(body)
        return
    destination()
    said = ""
    while True:
        if sys.stderr:
            faulthandler.dump_traceback_later(RUN_SECONDS, exit=True)
        try:
            outcome = agent.once(send) if ours else send(_from_claude_meter(options))
        except Problem as problem:
            outcome = str(problem)
            if not options.every:
                raise
        faulthandler.cancel_dump_traceback_later()
        if outcome != said:
            print(outcome, flush=True)
        if not options.every:
            return
        said = outcome
        time.sleep((agent.pause() if ours else every) * (1 + 0.2 * random.random()))  # noqa: S311 - to spread the load


def _from_claude_meter(options: argparse.Namespace) -> bytes:
    try:
        text = sys.stdin.buffer.read() if options.source == "-" else Path(options.source).read_bytes()
    except OSError as failure:
        raise Problem(f"cannot read {options.source}: {failure.strerror}") from None
    return render(from_claude_meter(text, email=options.email))
