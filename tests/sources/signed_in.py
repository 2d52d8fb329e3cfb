"""A seat read through the real client from an api.anthropic.com on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from meterbot.core.models import Seat, Snapshot
from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from meterbot.sources.claude_code import ClaudeCodeSource
from meterbot.sources.claude_code import SignIn as OAuth
from meterbot.sources.claude_login import Login
from meterbot.sources.http_client import HttpClient
from tests.simulator.anthropic_api import AnthropicApi, SignIn

ORG = "11111111-1111-4111-8111-111111111111"
OTHER_ORG = "11111111-1111-4111-8111-111111111112"
ACCOUNT = "22222222-2222-4222-8222-222222222221"
OTHER_ACCOUNT = "22222222-2222-4222-8222-222222222222"
TOKEN = "sk-ant-oat01-planted-0123456789abcdefghij"
OTHER_TOKEN = "sk-ant-oat01-planted-9876543210abcdefghij"
NOW = datetime(2026, 4, 20, tzinfo=UTC)
REMEDY = "run `claude` once on that machine"


@dataclass(slots=True)
class Kept:
    """The place of a sign-in: each look at it takes the next of `coming`, and the last one stays."""

    coming: list[Login]
    looks: int = 0

    def __call__(self) -> Login:
        self.looks += 1
        return self.coming.pop(0) if len(self.coming) > 1 else self.coming[0]


@dataclass(slots=True)
class SignedIn:
    """One account, and the source that reads its seat."""

    server: AnthropicApi
    transport: HttpClient
    account: SignIn
    seat: Seat
    kept: Kept
    source: ClaudeCodeSource
    asked_before: int = field(default=0)

    async def read(self, now: datetime = NOW) -> Snapshot:
        (snapshot,) = await self.source.read(now)
        return snapshot

    def routes(self) -> list[str]:
        """The routes requested since the last call, in order."""
        new = self.server.requests[self.asked_before :]
        self.asked_before = len(self.server.requests)
        return [request.route for request in new]


@asynccontextmanager
async def signed_in(
    *coming: Login, wanted: tuple[str, ...] = (), expected_account: str | None = None, deadline: float = 5.0
) -> AsyncIterator[SignedIn]:
    """An account with a token, and its reader. Fails at the end if the reader sent what it must not."""
    async with AnthropicApi() as server, HttpClient(deadline=deadline) as transport:
        account = server.sign_in(TOKEN, account=ACCOUNT, organization=SimulatedOrganization(ORG))
        seat = Seat("ana", "claude_code", organizations=wanted, interval=900)
        kept = Kept([*coming] or [Login(TOKEN)])
        source = ClaudeCodeSource(
            seat, OAuth(kept, REMEDY), transport, server.url, expected_account=expected_account
        )
        yield SignedIn(server, transport, account, seat, kept, source)
        server.assert_expected_only()
