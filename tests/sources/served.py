"""A seat read through the real client from a claude.ai on loopback."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from meterbot.core.models import Seat, Snapshot
from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from meterbot.sources.claude_ai import ClaudeAiSource
from meterbot.sources.http_client import HttpClient
from meterbot.sources.session import Session
from meterbot.store import Latest
from tests.simulator.claude_ai import ClaudeAi, RotatingAccount
from tests.simulator.server import Reply

ORG = "11111111-1111-4111-8111-111111111111"
OTHER_ORG = "11111111-1111-4111-8111-111111111112"
ACCOUNT = "22222222-2222-4222-8222-222222222221"
KEY = "sk-ant-sid01-planted-0123456789abcdefghij"
NOW = datetime(2026, 4, 20, tzinfo=UTC)

SOME_USAGE = {
    "five_hour": {"utilization": 12.0, "resets_at": "2026-07-30T17:00:00.440902+00:00"},
    "seven_day": {"utilization": 41.0, "resets_at": "2026-08-03T09:00:00.440921+00:00"},
    "extra_usage": None,
}


@dataclass(slots=True)
class Served:
    """One account with one organization, and the source that reads it. `pauses` collects what was waited."""

    server: ClaudeAi
    transport: HttpClient
    account: RotatingAccount
    seat: Seat
    source: ClaudeAiSource
    pauses: list[float] = field(default_factory=list)

    @property
    def organization(self) -> SimulatedOrganization:
        return self.account.organizations[0]

    async def read(self, now: datetime = NOW) -> tuple[Snapshot, ...]:
        return await self.source.read(now)

    async def read_one(self, now: datetime = NOW) -> Snapshot:
        (snapshot,) = await self.source.read(now)
        return snapshot

    def paths(self) -> list[str]:
        """The paths asked for so far, in order, without the organization."""
        return [request.route for request in self.server.requests]


@asynccontextmanager
async def serving(
    *organizations: SimulatedOrganization,
    wanted: tuple[str, ...] = (),
    key: str = KEY,
    expected_account: str | None = None,
    known: Iterable[Latest] = (),
    deadline: float = 5.0,
    largest: int = 2_000_000,
) -> AsyncIterator[Served]:
    """A claude.ai with one account, and its reader. Fails at the end if the reader sent what it must not."""
    async with ClaudeAi() as server, HttpClient(deadline=deadline, largest=largest) as transport:
        account = server.add_account(
            KEY, uuid=ACCOUNT, organizations=list(organizations) or [SimulatedOrganization(ORG)]
        )
        seat = Seat("ana", "claude_ai", organizations=wanted)
        pauses: list[float] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)

        source = ClaudeAiSource(
            seat,
            Session(key, transport, server.url),
            expected_account=expected_account,
            known=known,
            pause=pause,
        )
        yield Served(server, transport, account, seat, source, pauses)
        server.assert_expected_only()


async def read_bodies(
    usage: object = SOME_USAGE,
    overage: object = None,
    subscription: object = None,
    *,
    now: datetime = NOW,
    team: bool = False,
) -> Snapshot:
    """The snapshot made from these bodies, sent as answers; a `Reply` is sent as it is."""
    organization = SimulatedOrganization(ORG)
    if team:
        organization.capabilities = ["raven", "chat"]
    async with serving(organization) as served:
        for route, body in (("usage", usage), ("overage", overage), ("subscription", subscription)):
            served.server.fail_always(route, body if isinstance(body, Reply) else Reply(body=body))
        return await served.read_one(now)
