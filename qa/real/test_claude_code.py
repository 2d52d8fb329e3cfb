"""The agent with the real Claude Code program, a made-up sign-in, and an API of Anthropic's on loopback.

`make real` downloads the program and runs this. The program reaches nothing but a CONNECT proxy of the test, behind
which every host is the test's own server with the test's own certificate.
"""

import asyncio
import contextlib
import json
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from meterbot.app.agent_script import agent_script
from tests.agent.rig import ACCESS, ACCOUNT, EMAIL, ORG
from tests.e2e.tls import make_certificate, pass_on, server_context

ROOT = Path(__file__).parents[2]
PROGRAM = Path(os.environ.get("METERBOT_REAL_CLAUDE", ROOT / ".peers/claude-code/package/claude"))
HOSTS = (
    "api.anthropic.com",
    "platform.claude.com",
    "console.anthropic.com",
    "claude.ai",
    "mcp-proxy.anthropic.com",
)
OTHER_ACCOUNT, OTHER_ORG = ACCOUNT[:-1] + "9", ORG[:-1] + "9"
RENEWED = "sk-ant-oat01-renewed-0123456789"
USAGE = {
    "five_hour": {"utilization": 30.0, "resets_at": "2099-01-01T12:00:00Z"},
    "seven_day": {"utilization": 40.0, "resets_at": "2099-01-05T12:00:00Z"},
    "limits": [
        {
            "kind": "weekly_scoped",
            "group": "weekly",
            "percent": 20,
            "severity": "normal",
            "resets_at": "2099-01-05T12:00:00Z",
            "scope": {"model": None, "surface": {"display_name": "Claude Design"}},
            "is_active": False,
        }
    ],
    "extra_usage": {
        "is_enabled": True,
        "monthly_limit": 5000,
        "used_credits": 420,
        "utilization": 8.4,
        "currency": "USD",
        "decimal_places": 2,
    },
}
PROFILE = {
    "account": {
        "uuid": ACCOUNT,
        "full_name": "Zoe",
        "display_name": "Zoe",
        "email": EMAIL,
        "has_claude_max": True,
    },
    "organization": {
        "uuid": ORG,
        "name": "Zoe's",
        "organization_type": "claude_max",
        "billing_type": "stripe_subscription",
        "rate_limit_tier": "default_claude_max_20x",
        "seat_tier": None,
        "has_extra_usage_enabled": True,
        "subscription_status": "active",
    },
}

pytestmark = pytest.mark.timeout(180)


@dataclass
class World:
    """A home with the program, and what its requests are answered. `asked` are the paths with their tokens."""

    home: Path
    env: dict[str, str]
    good: str = ACCESS
    limited: bool = False
    renewable: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.asked.append((request.path, token))
        if request.path.endswith("/oauth/token"):
            if not self.renewable:
                refusal = {
                    "error": "invalid_grant",
                    "error_description": "Refresh token not found or invalid",
                }
                return web.json_response(refusal, status=400)
            self.good = RENEWED
            renewed = {"access_token": RENEWED, "refresh_token": "sk-ant-ort01-next", "expires_in": 28800}
            return web.json_response(
                {**renewed, "scope": "user:inference user:profile", "token_type": "Bearer"}
            )
        if request.path in {"/api/oauth/usage", "/api/oauth/profile"}:
            if token != self.good:
                error = {"type": "authentication_error", "message": "OAuth access token is invalid."}
                return web.json_response({"type": "error", "error": error}, status=401)
            if self.limited and request.path.endswith("usage"):
                error = {"type": "rate_limit_error", "message": "Rate limited. Please try again later."}
                return web.json_response({"error": error}, status=429, headers={"retry-after": "0"})
            return web.json_response(USAGE if request.path.endswith("usage") else PROFILE)
        return web.json_response({}, status=404)

    def sign_in(self, expires_in: float = 8 * 3600) -> None:
        sign_in = {
            "accessToken": ACCESS,
            "refreshToken": "sk-ant-ort01-planted",
            "expiresAt": int((time.time() + expires_in) * 1000),
            "scopes": ["user:inference", "user:profile"],
            "subscriptionType": "max",
        }
        path = self.home / ".claude/.credentials.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"claudeAiOauth": sign_in}))

    def note(self, account: str, org: str) -> None:
        """An account in the program's state file, checked days ago."""
        noted: dict[str, Any] = {"accountUuid": account, "organizationUuid": org, "emailAddress": EMAIL}
        noted["profileFetchedAt"] = int((time.time() - 3 * 86_400) * 1000)
        (self.home / ".claude.json").write_text(
            json.dumps({"oauthAccount": noted, "hasCompletedOnboarding": True})
        )

    async def dry_run(self) -> tuple[int | None, Any, str]:
        """The agent's status, the document that it would send, and what it says."""
        script = self.home / "meterbot-agent.py"
        script.write_bytes(agent_script().text)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(script),
            "--dry-run",
            env=self.env,
            cwd=self.home,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, json.loads(out) if out else None, err.decode()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    certificate, key = make_certificate(tmp_path, *HOSTS)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "claude").symlink_to(PROGRAM)
    env = {
        "HOME": str(tmp_path),
        "PATH": f"{tools}{os.pathsep}{os.defpath}",
        "NODE_EXTRA_CA_CERTS": str(certificate),
        "SSL_CERT_FILE": str(certificate),
    }
    made = World(tmp_path, env)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(certificate, key)).start()
    behind = runner.addresses[0][1]

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", behind)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(pass_on(reader, inner_writer), pass_on(inner_reader, writer))

    proxy = await asyncio.start_server(connect, "127.0.0.1", 0)
    env["HTTPS_PROXY"] = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    async with proxy:
        yield made
    await runner.cleanup()


async def test_a_healthy_sign_in_is_read_through_the_program(world: World) -> None:
    world.sign_in()
    status, printed, said = await world.dry_run()
    assert status == 0, said
    assert (printed["account_uuid"], printed["org_uuid"], printed["errors"]) == (ACCOUNT, ORG, [])
    assert printed["usage"]["extra_usage"]["used_credits"] == 420
    assert printed["usage"]["limits"][0]["scope"]["surface"] == {"display_name": "Claude Design"}
    assert not [path for path, _ in world.asked if path.startswith("/v1/messages")]


async def test_the_account_of_the_sign_in_is_sent_and_not_the_one_in_old_notes(world: World) -> None:
    world.sign_in()
    world.note(OTHER_ACCOUNT, OTHER_ORG)
    status, printed, said = await world.dry_run()
    assert status == 0, said
    assert (printed["account_uuid"], printed["org_uuid"]) == (ACCOUNT, ORG)


async def test_too_many_requests_is_a_wait(world: World) -> None:
    world.sign_in()
    world.limited = True
    status, printed, said = await world.dry_run()
    assert (status, printed) == (1, None)
    assert "asks Claude Code to wait" in said


async def test_a_rejected_sign_in_asks_for_a_new_one(world: World) -> None:
    world.sign_in()
    world.good, world.renewable = "another", False
    status, printed, said = await world.dry_run()
    assert (status, printed) == (1, None)
    assert "run `claude` and type /login" in said
    assert "wait" not in said


async def test_an_expired_token_is_renewed_by_the_program_alone(world: World) -> None:
    world.sign_in(expires_in=-3600)
    world.good = RENEWED
    status, printed, said = await world.dry_run()
    assert status == 0, said
    assert printed["account_uuid"] == ACCOUNT
    assert ACCESS not in {token for path, token in world.asked if path == "/api/oauth/usage"}
