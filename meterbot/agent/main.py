"""The command: reads and sends once, or installs itself.

Exit status: 0 done, 1 it ran and something failed, 2 wrong usage or settings.
"""

from __future__ import annotations

import argparse
import errno
import faulthandler
import io
import json
import os
import random
import re
import shlex
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

from meterbot.agent.claude_code import is_of_this_sign_in, profile, read
from meterbot.agent.document import render
from meterbot.agent.network import VERSION, base_address, exchange
from meterbot.agent.scheduler import (
    EVERY,
    schedule,
    settings_file,
    start,
    stop,
    use_settings,
    write_settings,
)
from meterbot.agent.storage import Problem, folder, read_json, write_private

# Seconds.
LONGEST = 6 * 3600
LADDER = (300, 900, 1800, 3600)  # waits after one refusal, two, and so on
RUN_SECONDS = 300  # a run that takes longer is stuck, in a name lookup for instance


class Agent:
    """Reads Claude Code when it is time, and sends what meterbot does not have yet.

    `path` holds what is remembered between runs: a deadline, ids and the last reading, no secret. Times are seconds
    since 1970. `chance` gives 0 to 1.
    """

    def __init__(
        self,
        path: Path,
        every: float = EVERY,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._path, self._every, self._now, self._chance = path, every, now, chance
        self._state: dict[str, Any] = {}

    def once(self, send: Callable[[bytes], str]) -> str:
        """Reads if it is time, and sends what was not sent yet; returns the result as a sentence. Raises `Problem`."""
        with self._alone():
            body = self._body()
            if not self._state.get("sent"):
                outcome = send(body)
                self._save(sent=True)
                return outcome
            if self._state.get("refusal"):
                raise Problem(self._why_not())
            return f"nothing new to send; next reading {self._next()}"

    def body(self) -> bytes:
        """The bytes of the last reading, which is a new one if it is time. Raises `Problem`."""
        with self._alone():
            return self._body()

    def start_over(self) -> None:
        """Lets the next run send the last reading again if it is certainly of this sign-in. Raises `Problem`."""
        with self._alone():
            kept = self._state.get("snapshot")
            if kept and not is_of_this_sign_in(kept, self._state):
                self._save(snapshot=None, refusal="the last reading may be of another sign-in")
            self._save(sent=False)

    def pause(self) -> float:
        """Seconds until the next run has something to do."""
        wait: float = self._state.get("read_after", 0) - self._now()
        return wait if 0 < wait <= LONGEST else self._every

    def _body(self) -> bytes:
        now = self._now()
        # A deadline further away than any wait was set while the clock was wrong.
        if not 0 < self._state.get("read_after", 0) - now <= LONGEST:
            self._read(now)
        if not self._state.get("snapshot"):
            raise Problem(self._why_not())
        return render(self._state["snapshot"])

    def _read(self, now: float) -> None:
        try:
            snapshot = read(self._state, now, self._path.parent)
        except Problem as problem:
            if problem.wait is None:
                raise
            failures = self._state.get("failures", 0) + 1
            # A retry exactly on time was seen to cost another hour, and "0 seconds" is no permission.
            wait = max(problem.wait, LADDER[min(failures, len(LADDER)) - 1]) + 300 * self._chance()
            self._save(failures=failures, refusal=str(problem), read_after=now + min(wait, LONGEST))
            raise Problem(self._why_not()) from None
        # Earlier than the interval, so that a scheduler's next run is not a moment too soon.
        due = now + self._every * 0.8
        self._save(failures=0, refusal="", read_after=due, snapshot=snapshot, sent=False)

    def _why_not(self) -> str:
        return f"{self._state.get('refusal') or 'nothing was read'}; next try {self._next()}"

    def _next(self) -> str:
        return time.strftime("after %H:%M", time.localtime(self._state.get("read_after", 0)))

    def _save(self, **changes: Any) -> None:
        self._state.update(changes)
        write_private(self._path, json.dumps(self._state, indent=1) + "\n")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Waits for another run of the same sign-in, whose back-off would be lost otherwise. Raises `Problem`."""
        lock = self._path.with_suffix(".lock")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as failure:
            raise Problem(f"cannot write {lock}: {failure.strerror}") from None
        with os.fdopen(descriptor, "w") as file:
            try:
                _lock(file.fileno())
            except OSError as failure:
                if failure.errno not in {errno.EAGAIN, errno.EACCES, errno.EDEADLK}:
                    raise Problem(f"cannot lock {lock}: {failure.strerror}") from None
                raise Problem("another run has not ended: try again in a few minutes") from None
            self._state = read_json(self._path)
            yield


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def state_file() -> Path:
    """What is remembered between runs."""
    return folder() / f"state{profile()}.json"


def destination() -> tuple[str, str]:
    """The address and the push token of the settings. Raises `Problem`."""
    url, token = (os.environ.get(name, "").strip() for name in ("METERBOT_URL", "METERBOT_PUSH_TOKEN"))
    if not url or not token:
        missing = "METERBOT_PUSH_TOKEN" if url else "METERBOT_URL"
        raise Problem(f"{missing} is not set: `/claude-spend join` gives you a line that sets it", status=2)
    if not re.fullmatch("[!-~]+", token):
        raise Problem("METERBOT_PUSH_TOKEN has characters that no token has: paste it whole", status=2)
    return re.sub("(/api/v1)?/snapshots$", "", base_address(url, "METERBOT_URL")), token


def send(body: bytes) -> str:
    """Sends a reading to the meterbot of the settings; returns the result as a sentence. Raises `Problem`."""
    url, token = destination()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    answer = exchange("POST", f"{url}/api/v1/snapshots", headers, body)
    fields = _texts(answer.document)
    if answer.status in {200, 202} and "status" in fields:
        both = {"seat", "spent"} <= fields.keys()
        return f"{fields['seat']}: numbers sent ({fields['spent']})" if both else "numbers sent"
    later = answer.status in {408, 425, 429} or answer.status >= 500
    doubt = "meterbot cannot take it now" if later else "is METERBOT_URL right?"
    why = fields.get("error", f"the reading was not taken, the next run sends it again: {doubt}")
    raise Problem("; ".join([why, *filter(None, [fields.get("remedy")])]) + f" ({answer.status})")


def _texts(document: Any) -> dict[str, str]:
    """The texts in meterbot's answer, fit for a terminal."""
    texts = document.items() if isinstance(document, dict) else ()
    return {name: re.sub("[^ -~€£¥]", "?", text)[:300] for name, text in texts if isinstance(text, str)}


def join(url: str, code: str, program: list[str]) -> int:
    """Trades a one-time code for the seat's token, sends a first reading, and installs the scheduled runs."""
    base = base_address(url, "the address")
    answer = exchange("POST", f"{base}/join/{code}", {}, b"")
    fields = _texts(answer.document)
    if answer.status != 200 or not {"seat", "token"} <= fields.keys():
        raise Problem(fields.get("error", f"meterbot does not accept this code ({answer.status})"))
    os.environ.update(METERBOT_URL=base, METERBOT_PUSH_TOKEN=fields["token"])
    try:
        agent = Agent(state_file())
        agent.start_over()  # this meterbot, and this seat, may be another one
        print(agent.once(send), flush=True)
        status = 0
    except Problem as problem:
        print(f"{fields['seat']} is connected, but nothing was sent yet: {problem}", file=sys.stderr)
        status = 1
    install(program)
    return status


def install(program: list[str]) -> bool:
    """Starts scheduled runs with this shell's settings, and says what is next; returns whether this machine has a
    scheduler. Raises `Problem`."""
    destination()
    write_settings()
    repeated = start(_scheduled(program))
    if repeated:
        print(f"This machine now sends by itself every {EVERY // 60} minutes or so.")
    else:
        print(
            f"No scheduler was found here, so nothing repeats this. Run this line about every {EVERY // 60} minutes "
            f"from your own scheduler:\n{shlex.join(_scheduled(program))}"
        )
    print(f"To stop that and delete it: {shlex.join([*program, 'uninstall'])}")
    return repeated


def _scheduled(program: list[str]) -> list[str]:
    return [*program, "--settings", str(settings_file())]


def uninstall(program: list[str]) -> None:
    """Stops the scheduled runs and deletes settings, state and script. Raises `Problem`."""
    script, deleted = folder() / "meterbot-agent.py", False
    ours = Path(program[-1]).resolve() == script.resolve()
    installed = settings_file().exists() or state_file().exists() or (ours and script.exists())
    try:
        made = schedule(program)
        installed = installed or (made is not None and any(path.exists() for path in made.files))
        stop(made)
    finally:  # the token goes even where the scheduler cannot be asked
        for path in (settings_file(), state_file(), state_file().with_suffix(".lock")):
            path.unlink(missing_ok=True)
        if ours and not any(folder().glob("settings*.json")):  # another sign-in's runs may need it
            deleted = True
            script.unlink(missing_ok=True)
    if installed:
        things = "the settings, the state and the script" if deleted else "the settings and the state"
        print(f"stopped the scheduled runs and deleted {things}")
    else:
        print("nothing to uninstall: the agent is not installed for this sign-in")


def main(arguments: list[str], program: list[str]) -> int:
    """Runs one command and returns its exit status. `program` is what a scheduler has to start."""
    parser = argparse.ArgumentParser(
        description="Reads this machine's Claude numbers and sends them to meterbot."
    )
    add = parser.add_argument
    add("action", nargs="*", help="join URL CODE, or uninstall; without one: read and send once")
    add("--dry-run", action="store_true", help="show the exact bytes that would be sent, and send nothing")
    add("--settings", metavar="PATH", help="the settings of the scheduled runs")
    add("--version", action="version", version=VERSION)
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may have no sign for the euro
    if sys.stderr:
        faulthandler.dump_traceback_later(RUN_SECONDS, exit=True)
    try:
        return _act(options, program)
    except Problem as problem:
        print(f"meterbot: {problem}", file=sys.stderr)
        return problem.status
    finally:
        faulthandler.cancel_dump_traceback_later()


def _act(options: argparse.Namespace, program: list[str]) -> int:
    action, *words = options.action or ["push"]
    if options.dry_run and action != "push":
        raise Problem(f"--dry-run is for sending, and {action} was not done: leave one of them out", status=2)
    if options.settings:
        use_settings(Path(options.settings))
    if action == "join" and len(words) == 2:
        return join(words[0], words[1], program)
    if words or action not in {"push", "uninstall"}:
        raise Problem("say join URL CODE, or uninstall, or none of them to read and send", status=2)
    if action == "uninstall":
        uninstall(program)
    elif options.dry_run:
        show(Agent(state_file()).body())
    else:
        destination()
        print(Agent(state_file()).once(send))
    return 0


def show(body: bytes) -> None:
    """Prints the bytes that would be sent."""
    print(f"these {len(body)} bytes would be sent; nothing is sent", file=sys.stderr)
    sys.stdout.buffer.write(body)
