"""A store on SQLite or PostgreSQL."""

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import TextIOWrapper
from pathlib import Path

from sqlalchemy import URL, Connection, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from meterbot.core.deliveries import (
    AlertAction,
    Choose,
    Delivery,
    DeliveryState,
    Destination,
    DestinationTrouble,
    NewDelivery,
    PossibleDuplicate,
    PostContent,
    Posting,
    Queue,
    first_come,
)
from meterbot.core.errors import StartError
from meterbot.core.log import get_logger
from meterbot.core.messages import Posted
from meterbot.core.models import Counter, Event, EventKind, Sample, SourceState
from meterbot.rules.hours import Hour
from meterbot.rules.pull_requests import Key, WorkWindow
from meterbot.store import (
    Batch,
    Claims,
    CounterReader,
    CounterState,
    Forgotten,
    Glance,
    Latest,
    PullRecord,
    PushToken,
    StoredSession,
    Worker,
    alert_actions,
    backup,
    board,
    cards,
    deliveries,
    facts,
    forgetting,
    history,
    leases,
    lock_file,
    outcomes,
    pull_requests,
    push_tokens,
    rollup,
    sending,
    sessions,
    tables,
    thinning,
    workers,
)
from meterbot.store.engine import (
    failure_of,
    for_durable_writing,
    for_migrating,
    for_one_statement,
    for_writing,
    make_engine,
    parse_url,
    place_of,
    prepare,
)
from meterbot.store.migrations import bring_up_to_date, found_schema, make, newest_schema, schemas
from meterbot.store.statements import insert_new, upsert

_SILENT_SECONDS = 2.0
"""Who waits longer is told for what."""
_PEEK_SECONDS = 15.0
"""Longer than SQLite waits for another's write to end."""
_MIGRATION_LOCK, _INGEST_LOCK = 0x6D657401, 0x6D657402
_SALT = "salt"

log = get_logger(__name__)


async def open_store(url: str, *, as_worker: bool = False) -> "Database":
    """Opens the database and brings it to this version's schema. Raises `StartError`, without the URL's secrets.

    `as_worker`: for a bot, of which a SQLite file takes one at a time.
    """
    parsed = parse_url(url)
    hold = await asyncio.to_thread(lock_file.hold, parsed) if as_worker else None
    engine = make_engine(parsed)
    try:
        await _upgrade(engine, parsed)
        if hold is not None:
            async with for_writing(engine).begin() as connection:
                await workers.leave_all(connection)
    except BaseException:
        await engine.dispose()
        if hold is not None:
            hold.close()
        raise
    return Database(engine, hold)


async def upgrade(url: str) -> None:
    """Brings the database to this version's schema; harmless when it is there, and while others do the same."""
    store = await open_store(url)
    await store.close()


async def back_up(url: str, target: Path | None, now: datetime) -> Path:
    """Copies a SQLite database while it is used; returns where to. Raises `StartError`."""
    return await asyncio.to_thread(backup.back_up, parse_url(url), target, now)


async def restore(url: str, source: Path, now: datetime) -> Path | None:
    """Puts a copy in the place of a SQLite database that no bot uses; returns where that is kept. Raises `StartError`."""
    return await asyncio.to_thread(backup.restore, parse_url(url), source, now)


async def is_there(url: str) -> bool:
    """Whether there is something to open: a file; PostgreSQL is taken to be. Raises `StartError`."""
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite":
        return True
    return await asyncio.to_thread(Path(str(parsed.database)).exists)


async def peek_sessions(url: str) -> dict[str, StoredSession]:
    """The stored sessions of a database that is left as it is, even where it is not there yet. Raises `StartError`,
    without the URL's secrets."""
    parsed = parse_url(url)
    if not await is_there(url):
        return {}
    engine = make_engine(parsed)
    try:
        async with asyncio.timeout(_PEEK_SECONDS), engine.connect() as connection:
            known = await connection.run_sync(lambda opened: inspect(opened).has_table(tables.sessions.name))
            return await sessions.read(connection) if known else {}
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        failure = failure_of(error)
    finally:
        await engine.dispose()
    raise StartError(f"cannot read the database {place_of(parsed)}: {failure}")


async def glance(url: str) -> Glance:
    """The schema and the sources of a database that is left as it is, even where it is not there yet. Raises
    `StartError`, without the URL's secrets."""
    parsed = parse_url(url)
    if not await is_there(url):
        return Glance(None, newest_schema(), there=False)
    engine = make_engine(parsed)
    try:
        async with asyncio.timeout(_PEEK_SECONDS), engine.connect() as connection:
            seen = await connection.run_sync(_seen)
            known = await facts.read_sources(connection) if seen.found == seen.newest else {}
            return replace(seen, sources=known)
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        failure = failure_of(error)
    finally:
        await engine.dispose()
    raise StartError(f"cannot read the database {place_of(parsed)}: {failure}")


def _seen(connection: Connection) -> Glance:
    found = found_schema(connection)
    return Glance(found, newest_schema(), unknown=found is not None and found not in schemas())


async def _upgrade(engine: AsyncEngine, url: URL) -> None:
    failure = None
    waiting = asyncio.get_running_loop().call_later(
        _SILENT_SECONDS,
        lambda: log.warning(
            "waiting for the database, which another program may hold", database=place_of(url)
        ),
    )
    try:
        await prepare(engine)
        async with for_migrating(engine).begin() as connection:
            await _lock(connection, _MIGRATION_LOCK)
            await _migrate(connection, url)
    except (SQLAlchemyError, sqlite3.Error, OSError, ValueError) as error:
        failure = failure_of(error)
    finally:
        waiting.cancel()
    if failure is not None:
        # Raised here and not above: no chained exception carries the connection's options along.
        raise StartError(f"cannot open the database {place_of(url)}: {failure}")


def _due(connection: Connection) -> tuple[bool, str | None]:
    """Whether there is something to migrate, and from which schema; None where the database is empty."""
    found, newest = found_schema(connection), newest_schema()
    if found is not None and found not in schemas():
        raise StartError(
            f"the database has schema {found}, which is newer than this meterbot (schema {newest}): "
            "install the newer version again"
        )
    return found != newest, found


async def _migrate(connection: AsyncConnection, url: URL) -> None:
    due, found = await connection.run_sync(_due)
    if due and found is None:
        await connection.run_sync(make)
    elif due and found is not None:
        kept = None
        if url.get_backend_name() == "sqlite":
            # The lock that is held keeps everybody from writing, and nobody from reading.
            database, now = Path(str(url.database)), datetime.now(UTC)
            kept = await asyncio.to_thread(backup.before_migration, database, found, now)
        log.info(
            "bringing the database up to date",
            schema=found,
            to=newest_schema(),
            copy=None if kept is None else str(kept),
        )
        await connection.run_sync(bring_up_to_date)


async def _lock(connection: AsyncConnection, number: int) -> None:
    """One transaction at a time, over all processes; on SQLite the write lock says so already."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


class WriteTransaction:
    """One transaction of `ingest`, alone with the facts until it ends."""

    def __init__(self, connection: AsyncConnection, known: board.Board | None = None) -> None:
        self._connection = connection
        self._known = known
        self._marks: list[str | None] = []
        self.written: list[Batch] = []

    async def mark(self) -> str | None:
        if not self._marks:
            self._marks.append(await board.read_mark(self._connection))
        return self._marks[0]

    async def states(self, counters: Iterable[Counter]) -> dict[Counter, CounterState]:
        return await facts.read_states(self._connection, counters)

    async def readers(self) -> list[CounterReader]:
        return await facts.read_readers(self._connection)

    async def latest_of(self, seats: Iterable[str]) -> list[Latest]:
        return await facts.read_latest(self._connection, seats)

    async def sources(self, seats: Iterable[str] | None = None) -> dict[str, SourceState]:
        if seats is None and not self.written and (known := await self._in_memory()) is not None:
            return dict(known.sources)
        return await facts.read_sources(self._connection, seats)

    async def memories(self, names: Iterable[str]) -> dict[str, str]:
        return await facts.read_memories(self._connection, names)

    async def tellings(self, event_keys: Iterable[str], topics: Iterable[str] = ()) -> list[Posting]:
        return await deliveries.tellings(self._connection, event_keys, topics)

    async def acts(self, now: datetime) -> list[AlertAction]:
        return await alert_actions.holding(self._connection, now)

    async def queues(self) -> list[Queue]:
        return await deliveries.read_queues(self._connection)

    async def open_alerts(self, kinds: Iterable[EventKind]) -> list[Event]:
        return await facts.open_alerts(self._connection, kinds)

    async def card(self, ref: str) -> PostContent | None:
        return await cards.of(self._connection, ref)

    async def card_of(self, event: str, place: Destination) -> PostContent | None:
        return await cards.of_event(self._connection, event, place)

    async def acts_about(self, event_keys: Iterable[str]) -> list[AlertAction]:
        return await alert_actions.about(self._connection, event_keys)

    async def add_act(self, act: AlertAction) -> bool:
        return await alert_actions.add(self._connection, act)

    async def undo(self, act: str, now: datetime) -> bool:
        return await alert_actions.undo(self._connection, act, now)

    async def withdraw(self, event: str, place: Destination, reason: str) -> bool:
        return await outcomes.withdraw(self._connection, event, place, reason)

    async def queue(self, deliveries_: Sequence[NewDelivery], now: datetime) -> None:
        await deliveries.queue(self._connection, deliveries_, {new.event: now for new in deliveries_})

    async def events(self, event_keys: Iterable[str]) -> dict[str, Event]:
        return await facts.events_by_key(self._connection, event_keys)

    async def samples(self, counters: Iterable[Counter], since: datetime) -> list[Sample]:
        return await history.read(self._connection, counters, since)

    async def hours(self, counters: Iterable[Counter], since: datetime) -> list[Hour]:
        return await rollup.read(self._connection, counters, since)

    async def release_seats(self, worker: str, seats: Iterable[str]) -> set[str]:
        return await leases.release(self._connection, worker, seats)

    async def old_events(self, before: datetime, after: Event | None, limit: int) -> list[Event]:
        return await facts.old_events(self._connection, before, after, limit)

    async def forget_events(self, event_keys: Iterable[str]) -> int:
        waited_for = await deliveries.waited_for(self._connection)
        waited_for |= await alert_actions.muted(self._connection)  # a mute would end with its alert
        return await facts.delete_events(self._connection, set(event_keys) - waited_for)

    async def pull_requests(self, window: WorkWindow) -> list[PullRecord]:
        return await pull_requests.meeting(self._connection, window)

    async def pull_request(self, key: Key) -> PullRecord | None:
        return await pull_requests.one(self._connection, key)

    async def add_pull_request(self, new: PullRecord) -> bool:
        return await pull_requests.add(self._connection, new)

    async def write_pull_requests(self, records: Iterable[PullRecord]) -> None:
        await pull_requests.write(self._connection, records)

    async def write(self, batch: Batch) -> list[Event]:
        connection = self._connection
        named = {one.counter for one in batch.latest} | {sample.counter for sample in batch.samples}
        named |= batch.states.keys() | {counter for _, counter in batch.gone} | batch.set_back.keys()
        ids = await self._ids(named)
        texts = facts.Texts()
        await facts.write_states(connection, ids, batch.states.items(), texts)
        await facts.write_latest(connection, ids, batch.latest, texts)
        await facts.delete_latest(connection, ids, batch.gone)
        if batch.gone:
            await board.leave_mark(connection)
        self._marks.clear()
        await history.set_back(connection, ids, batch.set_back)
        await history.append(connection, ids, batch.samples)
        await facts.write_sources(connection, batch.sources)
        await facts.write_memories(connection, batch.memories)
        new = await facts.write_events(connection, batch.events)
        await deliveries.end_alerts(connection, new)
        await deliveries.queue(connection, batch.deliveries, {event.key: event.at for event in new})
        await deliveries.release(connection, batch.release)
        self.written.append(batch)
        return new

    async def _in_memory(self) -> board.Board | None:
        """What is known in memory, where it is still so."""
        if self._known is None or self._known.mark != await self.mark():
            return None
        return self._known

    async def _ids(self, wanted: set[Counter]) -> dict[Counter, int]:
        known = await self._in_memory()
        if known is None:
            return await facts.make_ids(self._connection, wanted)
        # Not by subtracting: that goes through all that are known.
        if new := {counter for counter in wanted if counter not in known.ids}:
            known.ids |= await facts.make_ids(self._connection, new)
        return known.ids


class Database:
    """The store's contract, kept by either database."""

    def __init__(self, engine: AsyncEngine, hold: TextIOWrapper | None = None) -> None:
        self._engine = engine
        self._hold = hold
        self._writer = for_writing(engine)
        self._durable = for_durable_writing(engine)
        self._asking = for_one_statement(engine)
        # SQLite has one writer, and does not queue for it: who waits there sleeps, and often for too long.
        self._turn = asyncio.Lock() if engine.dialect.name == "sqlite" else nullcontext()
        self._board: board.Board | None = None
        self._in_doubt = False

    @asynccontextmanager
    async def _writing(self, *, durable: bool = False) -> AsyncIterator[AsyncConnection]:
        async with self._turn, (self._durable if durable else self._writer).begin() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[WriteTransaction]:
        try:
            async with self._writing() as connection:
                await _lock(connection, _INGEST_LOCK)
                transaction = WriteTransaction(connection, self._board)
                yield transaction
        except BaseException as error:
            # Who is interrupted while it commits does not know whether it did, nor whether it is about to.
            self._board = None
            self._in_doubt |= not isinstance(error, Exception)
            raise
        if self._board is not None:
            for batch in transaction.written:
                self._board.take(batch)

    @property
    def sole(self) -> bool:
        return self._hold is not None

    async def latest(self) -> list[Latest]:
        if self.sole:
            return (await self._known()).latest()
        async with self._engine.connect() as connection:
            return await facts.read_latest(connection)

    async def sources(self) -> dict[str, SourceState]:
        if self.sole:
            return dict((await self._known()).sources)
        async with self._engine.connect() as connection:
            return await facts.read_sources(connection)

    async def _known(self) -> board.Board:
        """What is in memory, read anew where something was taken away since."""
        async with self._asking.connect() as connection:
            mark = await board.read_mark(connection)
        if self._board is None or self._board.mark != mark:
            # Nothing is written meanwhile: what was read and what is committed after it make up the whole. A commit
            # that nobody waits for any more still holds the write lock, and is waited for there.
            async with self._turn, (self._writer if self._in_doubt else self._engine).connect() as connection:
                known = self._board = await board.read(connection)
                self._in_doubt = False
            return known
        return self._board

    async def samples(self, counters: Iterable[Counter], since: datetime) -> list[Sample]:
        async with self._engine.connect() as connection:
            return await history.read(connection, counters, since)

    async def hours(self, counters: Iterable[Counter], since: datetime) -> list[Hour]:
        async with self._engine.connect() as connection:
            return await rollup.read(connection, counters, since)

    async def roll_up(self, now: datetime) -> bool:
        async with self._writing() as connection:
            await _lock(connection, _INGEST_LOCK)
            return await rollup.roll_up(connection, now)

    async def thin(self, before: datetime, step: timedelta) -> bool:
        async with self._engine.connect() as connection:
            stretch = await thinning.next_stretch(connection, before, step)
        if stretch is None:
            return False
        for counters in stretch.parts:
            async with self._writing() as connection:
                await thinning.thin(connection, stretch, counters, step)
        async with self._writing() as connection:
            await thinning.remember(connection, stretch, step)
        return True

    async def events(self, since: datetime, limit: int = 1000) -> list[Event]:
        async with self._engine.connect() as connection:
            return await facts.read_events(connection, since, limit)

    async def claim(
        self, chat: str, now: datetime, worker: str, seconds: float, choose: Choose = first_come
    ) -> Delivery | None:
        claim = sending.Claim(worker, now, seconds)
        while (line := await self._first_free(chat, now)) is not None:
            # On the disk before the message leaves: else a power cut could forget the attempt and post twice.
            async with self._writing(durable=True) as connection:
                if await sending.take(connection, line, claim):
                    return await sending.next_of(connection, line, claim, choose)
        return None

    async def _first_free(self, chat: str, now: datetime) -> deliveries.Found | None:
        async with self._asking.connect() as connection:
            return await sending.first_free(connection, chat, now)

    async def delivered(
        self,
        delivery: Delivery,
        where: Posted,
        now: datetime,
        pause: float = 0.0,
        *,
        sent: bool = True,
        unsure: bool = False,
        held: str | None = None,
    ) -> None:
        async with self._writing() as connection:
            await outcomes.mark_delivered(
                connection, delivery, where, now, pause, sent=sent, unsure=unsure, held=held
            )

    async def superseded(self, delivery: Delivery, reason: str, now: datetime) -> None:
        async with self._writing() as connection:
            await outcomes.mark_superseded(connection, delivery, reason, now)

    async def repost(self, delivery: Delivery, now: datetime) -> None:
        async with self._writing() as connection:
            await outcomes.repost(connection, delivery, now)

    async def put_back(
        self, delivery: Delivery, state: DeliveryState, again: datetime, trouble: DestinationTrouble
    ) -> None:
        async with self._writing() as connection:
            await outcomes.mark_waiting(connection, delivery, state, again, trouble)

    async def unsure(self, chat: str, limit: int = 20) -> list[PossibleDuplicate]:
        async with self._engine.connect() as connection:
            return await deliveries.unsure(connection, chat, limit)

    async def settled(self, delivery: str) -> None:
        async with self._writing() as connection:
            await deliveries.settle(connection, delivery)

    async def queues(self, now: datetime | None = None) -> list[Queue]:
        async with self._asking.connect() as connection:
            return await deliveries.read_queues(connection, now)

    async def acts(self, now: datetime) -> list[AlertAction]:
        async with self._asking.connect() as connection:
            return await alert_actions.holding(connection, now)

    async def beat(
        self, worker: str, now: datetime, alive_until: datetime, wanted: Iterable[str] = ()
    ) -> set[str]:
        async with self._writing() as connection:
            # First of all: who takes this worker for dead does so before the beat is seen, or not at all.
            await workers.lock(connection)
            await workers.beat(connection, worker, now, alive_until)
            return await workers.take(connection, worker, wanted, now)

    async def leave(self, worker: str, now: datetime) -> None:
        async with self._writing() as connection:
            await workers.leave(connection, worker, now)

    async def workers(self, now: datetime) -> list[Worker]:
        async with self._engine.connect() as connection:
            return await workers.read(connection, now)

    async def claim_seats(self, worker: str, seen: Mapping[str, datetime | None], now: datetime) -> Claims:
        async with self._writing() as connection:
            return await leases.claim(connection, worker, seen, now)

    async def release_seats(self, worker: str, seats: Iterable[str]) -> set[str]:
        async with self._writing() as connection:
            return await leases.release(connection, worker, seats)

    async def note(self, name: str) -> str | None:
        async with self._asking.connect() as connection:
            return await connection.scalar(select(tables.notes.c.value).where(tables.notes.c.name == name))

    async def set_note(self, name: str, value: str) -> None:
        async with self._writing() as connection:
            await upsert(connection, tables.notes, [{"name": name, "value": value}])

    async def salt(self) -> str:
        async with self._writing() as connection:
            await insert_new(connection, tables.notes, [{"name": _SALT, "value": secrets.token_hex(16)}])
        return await self.note(_SALT) or ""

    async def sessions(self, seats: Iterable[str] | None = None) -> dict[str, StoredSession]:
        async with self._engine.connect() as connection:
            return await sessions.read(connection, seats)

    async def start_session(self, new: StoredSession, instead_of: StoredSession | None) -> bool:
        async with self._writing() as connection:
            return await sessions.start(connection, new, instead_of)

    async def start_sessions(self, new: Sequence[StoredSession]) -> None:
        async with self._writing() as connection:
            await sessions.start_all(connection, new)

    async def renew_session(self, renewed: StoredSession, descends_from: Iterable[str]) -> bool:
        # On the disk before the next request: claude.ai may not accept the key before it any more.
        async with self._writing(durable=True) as connection:
            return await sessions.renew(connection, renewed, descends_from)

    async def forget_session(self, seat: str) -> bool:
        async with self._writing() as connection:
            return await sessions.forget(connection, seat)

    async def push_tokens(self) -> list[PushToken]:
        async with self._engine.connect() as connection:
            return await push_tokens.read(connection)

    async def set_push_token(self, token: PushToken) -> None:
        async with self._writing() as connection:
            await push_tokens.write(connection, token)

    async def revoke_push_token(self, seat: str) -> bool:
        async with self._writing() as connection:
            return await push_tokens.revoke(connection, seat)

    async def open_pull_requests(self) -> list[PullRecord]:
        async with self._engine.connect() as connection:
            return await pull_requests.still_open(connection)

    async def pull_requests_numbered(self, number: int) -> list[PullRecord]:
        async with self._engine.connect() as connection:
            return await pull_requests.numbered(connection, number)

    async def pull_requests_within(self, window: WorkWindow) -> list[PullRecord]:
        async with self._engine.connect() as connection:
            return await pull_requests.within(connection, window)

    async def claim_pull_request(self, key: Key, attempts: int, until: datetime) -> bool:
        async with self._writing() as connection:
            return await pull_requests.claim(connection, key, attempts, until)

    async def forget(self, seat: str) -> Forgotten:
        async with self._writing() as connection:
            await _lock(connection, _INGEST_LOCK)
            await board.leave_mark(connection)
            return await forgetting.forget(connection, seat)

    async def close(self) -> None:
        await self._engine.dispose()
        if self._hold is not None:
            self._hold.close()
