"""Bodies of one seat, read through a source and stored like readings: the resulting state, and the events."""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from meterbot.core.messages import Message
from meterbot.core.models import Counter, Event, EventKind, Sample, Seat, Snapshot
from meterbot.core.money import Money
from meterbot.delivery.alerts.message import alert
from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from meterbot.ingest.changes import Changes
from meterbot.rules.hours import hour_of, hours_of
from meterbot.rules.increases import spend_between
from meterbot.rules.settings import RuleSettings
from meterbot.sources.pushed import snapshots_of
from meterbot.store import Latest
from tests.simulator.server import Reply
from tests.sources import signed_in as oauth
from tests.sources.served import ACCOUNT, ORG, serving

CASES = Path(__file__).parents[1] / "data/cases"
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
SOURCES = ("push", "claude_ai", "claude_code")

_MOMENT = re.compile(r'"now([+-]\d+)([hd])"')


@dataclass(frozen=True)
class Bodies:
    """The service's answers at one moment."""

    at: datetime
    usage: Mapping[str, Any]
    overage: Mapping[str, Any] | None = None


def case(name: str) -> dict[str, Any]:
    """A report of others, as of noon: `now+2h` and the like become instants."""
    read: dict[str, Any] = json.loads(_dated((CASES / f"{name}.json").read_text("utf-8"), NOON))
    return read


def bodies(at: datetime, usage: Mapping[str, Any], overage: Mapping[str, Any] | None = None) -> Bodies:
    """`now+2h` and the like become instants."""
    return Bodies(at, *(json.loads(_dated(json.dumps(body), at)) for body in (usage, overage)))


def _dated(text: str, at: datetime) -> str:
    def moment(found: re.Match[str]) -> str:
        ahead = timedelta(hours=int(found[1]) * (24 if found[2] == "d" else 1))
        return json.dumps((at + ahead).isoformat())

    return _MOMENT.sub(moment, text)


class Reader(Protocol):
    async def __call__(self, given: Bodies) -> Snapshot: ...


@asynccontextmanager
async def reading(source: str, plan: str | None) -> AsyncIterator[tuple[Seat, Reader]]:
    """A seat of this source and plan, and what reads bodies for it: the parser of pushes, or a real client."""
    seat = Seat("ana", source, plan=plan, interval=900)
    if source == "push":

        async def read_pushed(given: Bodies) -> Snapshot:
            document = {
                "org_uuid": ORG,
                "account_uuid": ACCOUNT,
                "fetched_at": given.at.isoformat(),
                "usage": given.usage,
                "overage": given.overage,
            }
            (snapshot,) = snapshots_of(seat, json.dumps(document).encode(), given.at)
            return snapshot

        yield seat, read_pushed
    elif source == "claude_ai":
        async with serving(_organization(plan)) as served:

            async def read_by_cookie(given: Bodies) -> Snapshot:
                for route, body in (
                    ("usage", given.usage),
                    ("overage", given.overage),
                    ("subscription", None),
                ):
                    served.server.fail_always(route, Reply(body=body))
                return await served.read_one(given.at)

            yield seat, read_by_cookie
    else:
        async with oauth.signed_in() as signed_in:
            signed_in.account.organization_type = f"claude_{(plan or 'max').partition('_')[0]}"

            async def read_by_token(given: Bodies) -> Snapshot:
                signed_in.server.fail_always("usage", Reply(body=given.usage))
                return await signed_in.read(given.at)

            yield seat, read_by_token


def _organization(plan: str | None) -> SimulatedOrganization:
    group = (plan or "max").partition("_")[0]
    if group in {"team", "enterprise"}:
        kinds = ["raven", "chat", f"claude_{group}"]
        return SimulatedOrganization(ORG, capabilities=kinds, rate_limit_tier=f"claude_{group}")
    return SimulatedOrganization(ORG)


@dataclass
class Played:
    """The result of the bodies. `told`: the posted events of each reading."""

    seat: Seat
    snapshots: list[Snapshot] = field(default_factory=list)
    events: list[list[Event]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    @property
    def kinds(self) -> list[list[str]]:
        return [[event.kind.value for event in events] for events in self.events]

    @property
    def messages(self) -> list[Message]:
        # A seat that meterbot reads itself needs no configured plan: the account says it.
        seat = self.seat if self.seat.source == "push" else replace(self.seat, plan=None)
        return [alert(event, seat, UTC) for events in self.events for event in events]

    def spent(self) -> dict[str, Money]:
        """From the first reading to the last, as history counts it."""
        start, end = self.samples[0].at, self.samples[-1].at
        return spend_between(self.samples, start, end) or {}


class Ingested:
    """Stores snapshots like `ingest` does, one reading at a time."""

    def __init__(self, seat: Seat, settings: RuleSettings) -> None:
        self.seat = seat
        self.settings = settings
        self.changes = Changes(settings, sources={}, memories={})
        self.samples: list[Sample] = []

    def read(
        self,
        snapshot: Snapshot,
        now: datetime,
        settings: RuleSettings | None = None,
        seat: Seat | None = None,
    ) -> list[Event]:
        """The events. Other `settings` are as after a restart; `seat`: another one than usual has read it."""
        stored = self.changes
        self.changes = Changes(
            settings or self.settings,
            sources=stored.sources,
            memories=stored.memories,
            latest=[Latest(seat, counter, known) for (seat, counter), known in stored.latest.items()],
            states=stored.states,
        )
        self.changes.apply(seat or self.seat, [snapshot], now)
        self.samples += self.changes.samples
        for counter in self.changes.risen:
            hours = hours_of(self.samples, hour_of(self.samples[0].at))
            self.changes.watch_pace(counter, self.samples, hours, now)
        return self.changes.events

    def counter(self) -> Counter:
        return next(iter(self.changes.states))


async def played(
    source: str, plan: str | None, readings: Sequence[Bodies], *, kinds: Sequence[str] = ()
) -> Played:
    """`kinds`: those that are posted besides the usual ones."""
    usual = RuleSettings()
    settings = replace(usual, kinds=usual.kinds | {EventKind(kind) for kind in kinds})
    async with reading(source, plan) as (seat, read):
        found, ingested = Played(seat), Ingested(seat, settings)
        for given in readings:
            snapshot = await read(given)
            events = ingested.read(snapshot, given.at)
            found.snapshots.append(snapshot)
            found.events.append([event for event in events if event.muted_by is None])
        found.samples = ingested.samples
        return found
