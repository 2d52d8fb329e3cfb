"""A developer's machine in a folder, its Claude Code, and a meterbot on loopback."""

import asyncio
import json
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from meterbot.agent import main
from meterbot.agent.machine import Machine
from meterbot.agent.main import Options
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


def program(directory: Path, name: str, source: str) -> Path:
    """An executable of that name, written in Python."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(f"#!{sys.executable} -IS\n{source}")
    path.chmod(0o755)
    return path


@dataclass(slots=True)
class Home:
    """A home directory, and how the agent runs in it. `said` and `shown` collect what a person reads."""

    path: Path
    env: dict[str, str] = field(default_factory=dict)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    platform: str = "linux"
    chance: float = 0.5
    chances: Iterator[float] | None = None
    said: list[str] = field(default_factory=list)
    shown: bytes = b""
    typed: bytes = b""

    @property
    def machine(self) -> Machine:
        env = {"PATH": str(self.path / "bin"), **self.env}
        return Machine(env, self.path, self.platform, "zoe", keychain=str(self.path / "bin/security"))

    @property
    def memory(self) -> dict[str, Any]:
        held: dict[str, Any] = json.loads(self.machine.memory_file.read_text())
        return held

    def sign_in(
        self,
        token: str = ACCESS,
        *,
        until: datetime | None = NOW + timedelta(days=30),
        scopes: list[str] | None = None,
    ) -> None:
        """What Claude Code keeps of a sign-in, in its file."""
        path = self.machine.claude_directory / ".credentials.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(credentials(token, until=until, scopes=scopes)))

    def note_account(self, **more: object) -> None:
        """What Claude Code notes of the account at sign-in."""
        account = {
            "accountUuid": ACCOUNT,
            "organizationUuid": ORG,
            "emailAddress": EMAIL,
            "organizationName": NAME,
        }
        path = self.machine.claude_config
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"oauthAccount": account, **more}))

    def install_claude(self, answer: object, *, subtype: str = "success", before: str = "") -> None:
        """A Claude Code that answers a usage request, and leaves `seen.json` with how it was started."""
        response = {"subtype": subtype, "request_id": "ID", "response": answer}
        told = {"type": "control_response", "response": response}
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
print(json.dumps({told!r}).replace('"ID"', json.dumps(request["request_id"])), flush=True)
sys.stdin.read()
""",
        )

    def push(self, *, pause: Callable[[float], None] | None = None, **options: Any) -> None:
        """`meterbot push`, in this home."""
        main.push(
            Options(**options),
            self.machine,
            self.clock,
            say=self.said.append,
            read_input=lambda most: self.typed[:most],
            show=self._show,
            pause=pause or (lambda _: None),
            chance=lambda: self.chance if self.chances is None else next(self.chances),
        )

    async def pushing(self, **options: Any) -> None:
        """The same, while servers of this loop answer."""
        await asyncio.to_thread(lambda: self.push(**options))

    def set_up(self, *, only_print: bool = False, undo: bool = False, **options: Any) -> None:
        """`meterbot push install`, in this home."""
        main.set_up(Options(**options), self.machine, say=self.said.append, only_print=only_print, undo=undo)

    def files(self) -> dict[Path, str]:
        """Every file that the agent wrote, as text."""
        roots = [self.machine.state_directory, self.machine.config_directory, self.path / ".config"]
        found = {path for root in roots for path in root.rglob("*") if path.is_file()}
        return {path: path.read_text(errors="replace") for path in found}

    def _show(self, body: bytes) -> None:
        self.shown += body


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
    """What is said to a push."""

    status: int = 202
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = '{"status": "stored"}'


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


def with_env(machine: Machine, **env: str) -> Machine:
    """The same machine with more in its environment."""
    return replace(machine, env={**machine.env, **env})
