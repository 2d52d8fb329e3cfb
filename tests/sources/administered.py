"""An organization read through the real client from an Admin API on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from meterbot.core.models import Seat, Snapshot
from meterbot.core.org_spend import OrgSpend
from meterbot.sources.admin_api import AdminApiSource
from meterbot.sources.http_client import HttpClient
from tests.simulator.admin_api import AdminApi

ORG = "11111111-1111-4111-8111-111111111111"
KEY = "sk-ant-admin01-planted-0123456789abcdefghij"
NOW = datetime(2026, 10, 2, 12, tzinfo=UTC)


@dataclass(slots=True)
class Administered:
    """The service, and the source that reads it."""

    server: AdminApi
    transport: HttpClient
    source: AdminApiSource

    async def read(self, now: datetime = NOW) -> Snapshot:
        (snapshot,) = await self.source.read(now)
        return snapshot

    async def spend(self, now: datetime = NOW) -> OrgSpend:
        """The spend in a reading that found the organization."""
        spend = (await self.read(now)).org_spend
        assert spend is not None
        return spend


@asynccontextmanager
async def administering(
    *,
    wanted: tuple[str, ...] = (),
    key: str = KEY,
    name_people: bool = True,
    page_size: int | None = None,
    deadline: float = 5.0,
) -> AsyncIterator[Administered]:
    """An organization without any spend, and its reader. Fails at the end if the reader sent what it must not."""
    async with AdminApi(KEY, page_size=page_size) as server, HttpClient(deadline=deadline) as transport:
        seat = Seat("api", "admin_api", organizations=wanted, interval=900.0)
        source = AdminApiSource(seat, key, transport, server.url, name_people=name_people)
        yield Administered(server, transport, source)
        server.assert_expected_only()
