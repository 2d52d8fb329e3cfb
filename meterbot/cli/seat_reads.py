"""Reads seats once, for a command, whether or not the bot runs."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from meterbot.app.build_sources import READS_AT_ONCE, build_sessions, build_sources, open_http
from meterbot.app.config import Config
from meterbot.cli.operations import opened
from meterbot.commands.reports import team_report
from meterbot.core.errors import StartError
from meterbot.core.log import get_logger
from meterbot.core.models import Health, Seat, Snapshot
from meterbot.core.seats import SeatDirectory
from meterbot.ingest.pushes import PUSH
from meterbot.rules.billing import as_configured
from meterbot.sources import Source
from meterbot.sources.session import Keeper
from meterbot.store import Store, source_states
from meterbot.store.database import is_there, open_store, peek_invited

log = get_logger(__name__)


@dataclass
class Renewed:
    """Renewals of a seat's session key while there is no database to store them."""

    key: str = field(repr=False)
    ends_at: datetime | None = None
    at: datetime | None = None
    """When it was renewed; None if it was not."""

    async def current(self) -> str:
        return self.key

    async def renewed(self, key: str, ends_at: datetime | None, now: datetime) -> None:
        self.key, self.ends_at, self.at = key, ends_at, now


async def seats_at_hand(config: Config, wanted: Sequence[str] = ()) -> SeatDirectory:
    """The configured seats and, if the database can be read, the invited ones. Raises `StartError` if it cannot be read
    and a `wanted` seat is not configured."""
    configured = config.seat_list()
    try:
        invited = await peek_invited(config.database_url.get_secret_value())
    except StartError:
        if set(wanted) - {seat.name for seat in configured}:
            raise
        invited = []
    return SeatDirectory(configured, invited)


async def read_seats(
    config: Config, names: Sequence[str], now: datetime, without_database: Mapping[str, Keeper] | None = None
) -> list[Snapshot]:
    """Reads the named seats (all, if none is named) once, in parallel. Stores only what claude.ai renews a session
    key to, and only in an existing database.

    `without_database`: the keeper, by seat, that receives a renewal if there is no database.
    """
    async with AsyncExitStack() as closing:
        seats = [seat for seat in (await seats_at_hand(config)).values() if seat.name in names or not names]
        sending = [seat for seat in seats if seat.source == PUSH]
        store, trouble = None, None
        if config.secret_key or sending:
            store, trouble = await _store_at_hand(config, closing)
        keepers = without_database or {}
        if store and config.secret_key:
            keepers = build_sessions(config, closing, store).seats
        sources = build_sources(config, open_http(config, closing), keepers, (), patient=False)
        gate = asyncio.Semaphore(READS_AT_ONCE)

        async def read(source: Source) -> tuple[Snapshot, ...]:
            async with gate:
                return await source.read(now)

        renews_on = {seat.name: seat.renews_on for seat in seats}
        today = now.astimezone(config.timezone).date()
        wanted = [sources[name] for name in names or sources if name in sources]
        read_now = await asyncio.gather(*map(read, wanted))
        shots = [as_configured(shot, renews_on[shot.seat], today) for shots in read_now for shot in shots]
        if trouble is not None:
            return shots + [
                Snapshot(each.name, PUSH, now, Health.UNREACHABLE, detail=trouble) for each in sending
            ]
        return shots + await _last_pushed(store, sending, now, config.timezone)


async def keep_renewed(config: Config, seat: str, renewed: Renewed) -> str | None:
    """Stores the renewal of the configured session key, encrypted. Returns why it cannot be stored, or None."""
    assert renewed.at is not None  # noqa: S101 - it was renewed
    async with opened(config.database_url) as store, AsyncExitStack() as closing:
        session = build_sessions(config, closing, store).seats[seat]
        await session.current()
        await session.renewed(renewed.key, renewed.ends_at, renewed.at)
        await session.save()
        return None if session.unkept is None else session.unkept.value


async def _store_at_hand(config: Config, closing: AsyncExitStack) -> tuple[Store | None, str | None]:
    """The database, if it exists, or None; and why an existing one cannot be used."""
    url, trouble = config.database_url.get_secret_value(), None
    try:
        if await is_there(url):
            store = await open_store(url)
            closing.push_async_callback(store.close)
            return store, None
    except StartError as error:
        trouble = str(error)
    log.warning(
        "read without a database: session keys are the configured ones",
        why=trouble or "there is no database yet",
    )
    return None, trouble


async def _last_pushed(
    store: Store | None, seats: Sequence[Seat], now: datetime, tz: tzinfo
) -> list[Snapshot]:
    """The last pushes of seats that cannot be read, with the current state of their sources."""
    latest, sources = ([], {}) if store is None else await store.read(source_states.read_team)
    return [row.snapshot for row in team_report(latest, sources, seats, now, tz).rows]
