"""A developer's machine in a folder, its Claude Code, and a meterbot on loopback."""

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

from aiohttp import web

from meterbot.agent import main, scheduler
from meterbot.agent.main import Agent
from meterbot.agent.storage import Problem
from meterbot.core.clock import ManualClock

ORG = "11111111-1111-4111-8111-111111111111"
ACCOUNT = "22222222-2222-4222-8222-222222222221"
NOW = datetime(2026, 4, 20, 10, 0, tzinfo=UTC)
ACCESS = "sk-ant-oat01-planted-access-0123456789"
REFRESH = "sk-ant-ort01-planted-refresh-0123456789"
PUSH_TOKEN = "mbpush_planted-push-0123456789abcdef"
EMAIL = "zoe.planted@example.com"
NAME = "Zoe Planted"
SECRETS = (ACCESS, REFRESH, PUSH_TOKEN, EMAIL, NAME)

METER = {
    "org_uuid": ORG,
    "browser": "Arc",
    "account_email": EMAIL,
    "fetched_at": "2026-04-20T09:59:00.123Z",
    "usage": {"five_hour": {"utilization": 12.5, "resets_at": "2026-04-20T12:00:00Z"}},
    "overage": None,
    "subscription": {"status": "active", "payment_method": {"brand": "visa", "last4": "4242"}},
    "errors": [f"cookie of {EMAIL} expired"],
    "stale": False,
}

Result = TypeVar("Result")


def program(directory: Path, name: str, source: str) -> Path:
    """An executable of that name, written in Python."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(f"#!{sys.executable} -IS\n{source}")
    path.chmod(0o755)
    return path


@dataclass(slots=True)
class Home:
    """A home directory in which this process runs. `env` is its environment; `chance` replaces random numbers."""

    path: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    chance: float = 0.5

    @property
    def env(self) -> "os._Environ[str]":
        return os.environ

    @property
    def now(self) -> float:
        return self.clock.now().timestamp()

    @property
    def memory(self) -> dict[str, Any]:
        """What the agent remembers between runs."""
        held: dict[str, Any] = json.loads(main.state_file().read_text())
        return held

    def agent(self, every: float = scheduler.EVERY) -> Agent:
        """A new run of the agent."""
        return Agent(main.state_file(), every, lambda: self.now, lambda: self.chance)

    async def push(self) -> str:
        """One run, while servers of this loop answer; returns its sentence. Raises `Problem`."""
        return await self.run(lambda: self.agent().once(main.send))

    async def said(self) -> str:
        """The same, but a problem's sentence is returned, too."""
        try:
            return await self.push()
        except Problem as problem:
            return str(problem)

    async def run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.to_thread(work)

    async def keep_going(self, until: timedelta) -> list[str]:
        """Runs the agent for a stretch of the machine's time, without waiting; returns the sentence of each run."""
        end, said = self.clock.now() + until, []
        while self.clock.now() < end:
            said.append(await self.said())
            due = self.memory["read_after"] - self.now
            self.clock.advance(timedelta(seconds=due if due > 0 else scheduler.EVERY))
        return said

    def sign_in(
        self,
        token: str = ACCESS,
        *,
        until: datetime | None = NOW + timedelta(days=30),
        scopes: list[str] | None = None,
    ) -> None:
        """Writes a sign-in into Claude Code's file."""
        path = Path(self.env.get("CLAUDE_CONFIG_DIR") or self.path / ".claude") / ".credentials.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(credentials(token, until=until, scopes=scopes)))

    def note_account(
        self, account: str = ACCOUNT, org: str = ORG, checked: datetime | None = None, **more: object
    ) -> None:
        """Writes Claude Code's notes on the account. `checked`: when it last asked whose sign-in it is."""
        noted: dict[str, object] = {
            "accountUuid": account,
            "organizationUuid": org,
            "emailAddress": EMAIL,
            "organizationName": NAME,
        }
        if checked is not None:
            noted["profileFetchedAt"] = int(checked.timestamp() * 1000)
        (self.path / ".claude.json").write_text(json.dumps({"oauthAccount": noted, **more}))

    def install_claude(self, answer: object, *, subtype: str = "success", before: str = "") -> None:
        """A Claude Code that answers a usage request, and leaves `seen.json` with how it was started. `before` runs
        first, as Claude Code's own requests do."""
        response = {"subtype": subtype, "request_id": "ID", "response": answer}
        reply = {"type": "control_response", "response": response}
        program(
            self.path / "bin",
            "claude",
            f"""import json, os, sys
{before}
request = json.loads(sys.stdin.readline())
with open({str(self.path / "seen.json")!r}, "w") as file:
    json.dump([sys.argv[1:], dict(os.environ), os.getcwd(), request], file)
print(json.dumps({{"type": "system", "subtype": "init"}}))
print("not JSON")
print(json.dumps({reply!r}).replace('"ID"', json.dumps(request["request_id"])), flush=True)
sys.stdin.read()
""",
        )

    def files(self) -> dict[Path, str]:
        """Every file that the agent wrote, as text."""
        roots = [self.path / ".local", self.path / ".config", self.path / "Library"]
        found = {path for root in roots for path in root.rglob("*") if path.is_file()}
        return {path: path.read_text(errors="replace") for path in found}


def credentials(
    token: str = ACCESS, *, until: datetime | None = None, scopes: list[str] | None = None
) -> dict[str, object]:
    """The document in which Claude Code keeps a sign-in."""
    sign_in: dict[str, object] = {"accessToken": token, "refreshToken": REFRESH}
    if until is not None:
        sign_in["expiresAt"] = int(until.timestamp() * 1000)
    sign_in["scopes"] = ["user:inference", "user:profile"] if scopes is None else scopes
    return {"claudeAiOauth": sign_in, "mcpOAuth": {}}


@dataclass(frozen=True, slots=True)
class Pushed:
    """A push as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a push."""

    status: int = 202
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = '{"status": "stored", "seat": "zoe", "spent": "$4.20 of $50.00"}'


class Meterbot:
    """Where snapshots are posted. Answers 202 unless told otherwise."""

    def __init__(self) -> None:
        self.pushes: list[Pushed] = []
        self.answers: deque[Answered] = deque()
        self.url = ""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = "http://{}:{}".format(*self._runner.addresses[0][:2])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.pushes.append(
            Pushed(request.path_qs, {**request.headers, "method": request.method}, await request.read())
        )
        answer = self.answers.popleft() if self.answers else Answered()
        return web.Response(status=answer.status, headers=dict(answer.headers), text=answer.text)
