"""Builds every part from the configuration, runs them together, and closes them in reverse order.

The only place that names concrete sources, stores and chats.
"""

import asyncio
import os
import random
import secrets
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TextIO

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from pydantic import SecretStr

import meterbot
from meterbot.chat import Chat, Question
from meterbot.cipher import Cipher
from meterbot.claude_login import RENEW_COPY, RUN_CLAUDE, Login, read_login, read_token
from meterbot.clock import Clock, SystemClock
from meterbot.commands import Commands, current_report
from meterbot.config import Bind, Config, SeatConfig
from meterbot.errors import StartError
from meterbot.ingest import Ingest
from meterbot.joining import Joining, Terms
from meterbot.models import Health, Seat, Snapshot
from meterbot.notify import Notify
from meterbot.pasting import Pasting
from meterbot.poller import Poller
from meterbot.push_route import PushRoute
from meterbot.reception import PUSH, Reception
from meterbot.renewal import as_configured
from meterbot.report import TeamReport, team_report
from meterbot.rules import RuleSettings
from meterbot.seats import SeatInfo, make_token, overview
from meterbot.sessions import Sessions
from meterbot.sources import Source
from meterbot.sources.admin_api import AdminApiSource
from meterbot.sources.claude_ai import RETRY_PAUSES, ClaudeAiSource
from meterbot.sources.claude_code import ClaudeCodeSource
from meterbot.sources.oauth import SignIn
from meterbot.sources.pushed import snapshots_of
from meterbot.sources.transport import Transport
from meterbot.store import Forgotten, Latest, Store, StoredSession
from meterbot.store.database import open_store, peek_sessions, upgrade
from meterbot.web import Listener, Route, Vitals, application

TICK_SECONDS = 1.0
"""How often the seats that are due are looked for."""
SWEEP_SECONDS = 30.0
"""How often is looked for what time alone makes true."""
ASLEEP = timedelta(minutes=5)
"""Ticks farther apart mean that the machine was suspended: no source is to blame for that time."""
READS_AT_ONCE = 16

log = structlog.get_logger(__name__)


async def run(config: Config) -> None:
    """The bot, until SIGTERM or SIGINT."""
    stop, itself = asyncio.Event(), asyncio.current_task()
    assert itself is not None  # noqa: S101 - a coroutine that runs is in a task
    # A platform that hangs may take long to connect to: a bot that is told to end meanwhile does not wait for it.
    _on_signals(itself.cancel)
    try:
        async with assembled(config, SystemClock(), on_quit=stop.set) as bot:
            _on_signals(stop.set)
            await bot.run(stop)
    except asyncio.CancelledError:
        log.info("stopped while starting")


def _on_signals(handler: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, handler)


async def read_seats(config: Config, names: Sequence[str], now: datetime) -> list[Snapshot]:
    """Reads the named seats (all, when none is named) once, side by side; stores nothing but what claude.ai renews a
    session key to."""
    async with AsyncExitStack() as closing:
        sources = _sources(config, closing, await _sessions_alone(config, closing), (), patient=False)
        wanted = [sources[name] for name in names or sources if name in sources]
        sending = [
            seat for seat in config.seat_list() if seat.source == PUSH and (seat.name in names or not names)
        ]
        gate = asyncio.Semaphore(READS_AT_ONCE)

        async def read(source: Source) -> tuple[Snapshot, ...]:
            async with gate:
                return await source.read(now)

        renews_on = {seat.name: seat.renews_on for seat in config.seat_list()}
        today = now.astimezone(config.timezone).date()
        read_now = await asyncio.gather(*map(read, wanted))
        shots = [as_configured(shot, renews_on[shot.seat], today) for shots in read_now for shot in shots]
        return shots + (await _last_pushed(config, sending, now) if sending else [])


async def _last_pushed(config: Config, seats: Sequence[Seat], now: datetime) -> list[Snapshot]:
    """What arrived last of seats that cannot be asked, with how their sources are doing now."""
    async with _opened(config) as store:
        report = team_report(await store.latest(), await store.sources(), seats, now, config.timezone)
        return [row.snapshot for row in report.rows]


def unread(snapshot: Snapshot) -> bool:
    """Whether a seat could not be read, or not for certain."""
    return snapshot.health is not Health.OK


async def team_now(config: Config, now: datetime) -> TeamReport:
    """The team as the database knows it."""
    async with _opened(config) as store:
        return await current_report(store, config.seat_list(), now, config.timezone)


async def print_team(config: Config, now: datetime) -> None:
    """`/claude-spend`, answered on the terminal by an operator who sees everything."""
    from meterbot.chat.console import Console  # noqa: PLC0415

    async with _opened(config) as store:
        seats = {seat.name: seat for seat in config.seat_list()}
        commands = Commands(
            store, seats, now=lambda: now, tz=config.timezone, version=meterbot.__version__, rows="named"
        )
        answer = await commands.answer(Question((), "console", "operator"))
        await Console(None, sys.stdout).post("spend", "terminal", answer.message)


async def make_push_token(config: Config, seat: str, now: datetime, *, replace: bool) -> str | None:
    """A new token to push with; None where there is one that shall not be replaced."""
    async with _opened(config) as store:
        return await make_token(store, seat, now, replace=replace)


async def seat_overview(config: Config, now: datetime) -> list[SeatInfo]:
    """How every seat is doing, and whether it has a token."""
    async with _opened(config) as store:
        return await overview(store, config.seat_list(), _digests(config), now)


async def forget_seat(url: SecretStr, seat: str) -> Forgotten:
    """Deletes what is stored of a seat, configured or not."""
    async with _opened_at(url) as store:
        return await store.forget(seat)


async def revoke_push_token(url: SecretStr, seat: str) -> bool:
    """Makes the seat's token worthless. False when it had none."""
    async with _opened_at(url) as store:
        return await store.revoke_push_token(seat)


async def forget_account(url: SecretStr, seat: str) -> bool:
    """Lets the seat be another account from its next reading on. False when none was known."""
    async with _opened_at(url) as store:
        return await Ingest(store, {}, (), RuleSettings(), lambda: None).forget_account(seat)


async def stored_sessions(config: Config) -> dict[str, StoredSession]:
    """By seat, as they are in the database, which stays as it is. Raises `StartError`."""
    return await peek_sessions(config.database_url.get_secret_value())


async def discard_unreadable_sessions(config: Config) -> list[str]:
    """Deletes the stored session keys that the configured METERBOT_SECRET_KEY does not decrypt; returns whose."""
    cipher = Cipher([key.get_secret_value() for key in config.secret_key])
    async with _opened(config) as store:
        stored = (await store.sessions()).values()
        lost = [row.seat for row in stored if not cipher.can_decrypt(row.seat, row.ciphertext)]
        return [seat for seat in sorted(lost) if await store.forget_session(seat)]


async def upgrade_database(url: SecretStr) -> None:
    """Runs the migrations that are due."""
    await upgrade(url.get_secret_value())


def slack_manifest(http_url: str | None) -> str:
    from meterbot.chat.slack_manifest import manifest  # noqa: PLC0415

    return manifest(http_url)


def discord_invite(application_id: int, guild_id: int | None) -> str:
    from meterbot.chat.discord_client import invite_url  # noqa: PLC0415

    return invite_url(application_id, guild_id)


def _opened(config: Config) -> AbstractAsyncContextManager[Store]:
    return _opened_at(config.database_url)


@asynccontextmanager
async def _opened_at(url: SecretStr) -> AsyncIterator[Store]:
    store = await open_store(url.get_secret_value())
    try:
        yield store
    finally:
        await store.close()


@dataclass
class Bot:
    """The parts, connected. `run` drives them by the clock; a demonstration may drive them itself."""

    clock: Clock
    store: Store
    chats: Mapping[str, Chat]
    poller: Poller
    ingest: Ingest
    notify: Notify
    commands: Commands
    reception: Reception
    last_tick: datetime | None = None
    awake_since: datetime | None = None
    """Since when seats are asked without a break; None while a demonstration drives the parts itself."""
    failing: set[str] = field(default_factory=set)
    """The jobs whose last try failed."""

    async def run(self, stop: asyncio.Event, tick_seconds: float = TICK_SECONDS) -> None:
        """Polls and tells until `stop` is set; what is running then is finished, and nothing is lost."""
        scheduler = AsyncIOScheduler(timezone=UTC)
        for job, seconds in ((self.tick, 1.0), (self.sweep, SWEEP_SECONDS)):
            scheduler.add_job(self.attempt, "interval", [job], seconds=seconds * tick_seconds, **_COARSE)
        telling = asyncio.create_task(self.notify.run(), name="notify")
        self.awake_since = self.clock.now()
        scheduler.start()
        log.info("started", version=meterbot.__version__, chats=sorted(self.chats))
        try:
            await stop.wait()
        finally:
            log.info("stopping")
            scheduler.shutdown(wait=False)
            self.notify.stop()
            await asyncio.gather(self.poller.close(), _ended(telling))

    async def attempt(self, job: Callable[[], Awaitable[None]]) -> None:
        """A job of the scheduler. One that fails, as while the database is away, comes again: its failing is logged when
        it begins and when it ends, not each time."""
        name = getattr(job, "__name__", "job")
        try:
            await job()
        except Exception:
            if name not in self.failing:
                log.exception("a job fails, it will be tried again", job=name)
            self.failing.add(name)
            return
        if name in self.failing:
            self.failing.remove(name)
            log.info("a job works again", job=name)

    async def step(self) -> None:
        """All that is due at this moment, to its end: for a clock that stands still meanwhile."""
        await self.tick()
        await self.poller.drain()
        await self.sweep()
        await self.notify.drain()

    async def tick(self) -> None:
        """Starts the reads that are due, and lets waiting deliveries have another try."""
        now = self.clock.now()
        if self.awake_since and self.last_tick and now - self.last_tick > ASLEEP * self.clock.speed:
            self.awake_since = now
        self.last_tick = now
        await self.poller.tick(now)
        self.notify.wake()

    async def sweep(self) -> None:
        """Finds what time alone makes true."""
        await self.ingest.sweep(self.clock.now(), self.awake_since)

    async def vitals(self) -> Vitals:
        """What the health routes tell."""
        try:
            queues, sources, database = await self.store.queues(), await self.store.sources(), True
        except Exception:  # noqa: BLE001 - whatever ails the database, it does not answer
            queues, sources, database = [], {}, False
        # What was queued for a chat that has left the configuration waits for nobody here.
        queues = [queue for queue in queues if queue.chat in self.chats]
        waiting = Counter(dict.fromkeys(self.chats, 0))
        for queue in queues:
            waiting[queue.chat] += queue.waiting
        waits = [queue.oldest for queue in queues if queue.oldest is not None]
        return Vitals(
            now=self.clock.now(),
            version=meterbot.__version__,
            database=database,
            last_tick=self.last_tick,
            chats={name: chat.connection() for name, chat in self.chats.items()},
            waiting=waiting,
            oldest_waiting=min(waits, default=None),
            seats={name: state.health.value for name, state in sources.items()},
        )


_COARSE = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
_FAREWELL_SECONDS = 4.0


async def _ended(telling: asyncio.Task[None]) -> None:
    """Lets the messages being sent arrive; one that takes too long is in doubt, and the next start looks for it."""
    _, unfinished = await asyncio.wait([telling], timeout=_FAREWELL_SECONDS)
    for task in unfinished:
        task.cancel()
    await asyncio.gather(telling, return_exceptions=True)


@asynccontextmanager
async def assembled(
    config: Config,
    clock: Clock,
    *,
    on_quit: Callable[[], None] | None = None,
    terminal: tuple[TextIO | None, TextIO] | None = None,
    reads_at_once: int = READS_AT_ONCE,
    rng: random.Random | None = None,
) -> AsyncIterator[Bot]:
    """A bot whose chats are connected and whose listener listens. `rng` is for jitter. Raises `StartError`."""
    async with AsyncExitStack() as closing:
        store = await open_store(config.database_url.get_secret_value())
        closing.push_async_callback(store.close)
        sessions = _sessions(config, closing, store)
        sources = _sources(config, closing, sessions, await store.latest(), patient=True)
        chats = _chats(config, clock, store, on_quit, terminal or (sys.stdin, sys.stdout))
        bot = _connected(
            config, clock, store, sources, chats, sessions=sessions, reads_at_once=reads_at_once, rng=rng
        )
        if config.http is not None:
            await _listen(closing, bot, config.http.bind)
        elif any(seat.source == PUSH for seat in config.seats):
            log.warning("nobody_can_push", why="nothing listens: add [http], or set PORT")
        for chat in chats.values():
            closing.push_async_callback(chat.close)
        await _start(chats.values(), bot.commands)
        yield bot


async def _listen(closing: AsyncExitStack, bot: Bot, bind: Bind) -> None:
    routes = [route for chat in bot.chats.values() for route in _routes(chat)]
    routes += PushRoute(bot.reception, bot.clock.now).routes()
    listener = Listener(application(bot.vitals, routes), bind.host, bind.port)
    closing.push_async_callback(listener.close)
    try:
        await listener.start()
    except OSError as error:
        raise StartError(f"cannot listen on {bind.host}:{bind.port}: {error.strerror or error}") from None


async def _start(chats: Iterable[Chat], commands: Commands) -> None:
    """Connects all of them side by side, and tells of every one that cannot."""
    outcomes = await asyncio.gather(
        *(chat.start(commands.answer, commands.form) for chat in chats), return_exceptions=True
    )
    failures = [outcome for outcome in outcomes if outcome is not None]
    for failure in failures:
        if not isinstance(failure, StartError):
            raise failure
    if failures:
        raise StartError("\n".join(map(str, failures)))


def _connected(
    config: Config,
    clock: Clock,
    store: Store,
    sources: Mapping[str, Source],
    chats: Mapping[str, Chat],
    *,
    sessions: Sessions,
    reads_at_once: int,
    rng: random.Random | None,
) -> Bot:
    seats = {seat.name: seat for seat in config.seat_list()}
    notify = Notify(store, chats, clock, worker=_worker(), rng=rng)
    destinations = [(chat.name, chat.destination) for chat in chats.values()]
    rules = config.rule_settings()
    ingest = Ingest(store, seats, destinations, rules, notify.wake, session_ends=sessions.ends)
    reception = Reception(seats, _digests(config), store, ingest, snapshots_of)
    commands = Commands(
        store,
        seats,
        now=clock.now,
        tz=config.timezone,
        version=meterbot.__version__,
        rows=config.privacy.rows,
        chats=list(chats.values()),
        remarks=sessions.remarks,
        joining=Joining(seats, store, _terms(config), chats=list(chats.values()), now=clock.now),
        pasting=Pasting(seats, reception, clock.now),
    )
    poller = Poller(sources, seats, ingest, store, clock, concurrency=reads_at_once, rng=rng)
    return Bot(clock, store, chats, poller, ingest, notify, commands, reception)


def _terms(config: Config) -> Terms:
    """On which terms people get tokens by asking."""
    url = None if config.http is None else config.http.public_url
    return Terms(url, config.push_approvers, frozenset(_digests(config)))


def _digests(config: Config) -> dict[str, str]:
    """The configured tokens, as SHA-256, by seat."""
    return {seat.name: seat.push_token_sha256 for seat in config.seats if seat.push_token_sha256 is not None}


def _sessions(config: Config, closing: AsyncExitStack, store: Store) -> Sessions:
    """The seats' session keys; what is not stored yet is, before the store is closed."""
    configured = {
        seat.name: seat.session_key.get_secret_value()
        for seat in config.seats
        if seat.session_key is not None
    }
    keys = [key.get_secret_value() for key in config.secret_key]
    sessions = Sessions(configured, store, Cipher(keys) if keys else None)
    closing.push_async_callback(sessions.save)
    return sessions


async def _sessions_alone(config: Config, closing: AsyncExitStack) -> Sessions | None:
    """The same where no bot runs. None: nothing is stored of them, so that no database is needed."""
    if not config.secret_key:
        return None
    return _sessions(config, closing, await closing.enter_async_context(_opened(config)))


def _accounts(latest: Iterable[Latest]) -> dict[str, str]:
    """Which account each seat was last, as far as its readings said."""
    by_age = sorted(latest, key=lambda one: one.known.snapshot.fetched_at)
    known = {one.seat: one.known.snapshot.account_uuid for one in by_age}
    return {seat: account for seat, account in known.items() if account is not None}


def _was_read(one: Latest) -> bool:
    return one.known.windows_at is not None or one.known.extra_usage_at is not None


def _sources(
    config: Config,
    closing: AsyncExitStack,
    sessions: Sessions | None,
    latest: Sequence[Latest],
    *,
    patient: bool,
) -> dict[str, Source]:
    """A reader per seat, over one transport. `patient`, for a bot that goes on and stores what it reads: a key that was
    just issued may be refused at first, and people are named only where that is asked for."""
    transport = Transport()
    closing.push_async_callback(transport.aclose)
    pauses = RETRY_PAUSES if patient else ()
    seats = {seat.name: seat for seat in config.seat_list()}
    accounts = _accounts(latest)
    sources: dict[str, Source] = {
        each.name: ClaudeAiSource(
            seats[each.name],
            each.session_key.get_secret_value(),
            transport,
            config.endpoints.claude_ai,
            expected_account=accounts.get(each.name),
            read_before=[one.counter for one in latest if one.seat == each.name and _was_read(one)],
            keeper=None if sessions is None else sessions.seats[each.name],
            retry_pauses=pauses,
        )
        for each in config.seats
        if each.session_key is not None
    }
    for each in config.seats:
        if each.source == "claude_code":
            base = config.endpoints.anthropic_api
            known = accounts.get(each.name)
            sources[each.name] = ClaudeCodeSource(
                seats[each.name], _sign_in(each), transport, base, expected_account=known
            )
        elif each.source == "admin_api" and each.token is not None:
            sources[each.name] = AdminApiSource(
                seats[each.name],
                each.token.get_secret_value(),
                transport,
                config.endpoints.anthropic_api,
                name_people=each.store_emails or not patient,
            )
    return sources


def _sign_in(seat: SeatConfig) -> SignIn:
    """Where a seat's OAuth token is, and how it is renewed."""
    if seat.credentials_file is not None:
        return SignIn(partial(read_login, Path(seat.credentials_file)), RUN_CLAUDE)
    if seat.token_file is not None:
        return SignIn(partial(read_token, Path(seat.token_file)), RENEW_COPY)
    assert seat.token is not None  # noqa: S101 - the configuration has one of the three
    login = Login(seat.token.get_secret_value())
    return SignIn(lambda: login, RENEW_COPY)


def _chats(
    config: Config,
    clock: Clock,
    store: Store,
    on_quit: Callable[[], None] | None,
    terminal: tuple[TextIO | None, TextIO],
) -> dict[str, Chat]:
    """The configured chats. A platform's library is imported only where it is used."""
    chats: list[Chat] = []
    if config.slack is not None:
        from meterbot.chat.slack import SlackChat  # noqa: PLC0415

        chats.append(
            SlackChat(
                bot_token=config.slack.bot_token.get_secret_value(),
                app_token=_secret(config.slack.app_token),
                signing_secret=_secret(config.slack.signing_secret),
                channel=config.slack.channel,
                mode=config.slack.mode,
                api_url=config.endpoints.slack_api,
            )
        )
    if config.discord is not None:
        from meterbot.chat.discord import DiscordChat  # noqa: PLC0415

        chats.append(
            DiscordChat(
                token=config.discord.bot_token.get_secret_value(),
                channel_id=config.discord.channel_id,
                guild_id=config.discord.guild_id,
                clock=clock,
                note=store.note,
                set_note=store.set_note,
                api_url=config.endpoints.discord_api,
            )
        )
    if config.console_enabled:
        from meterbot.chat.console import Console  # noqa: PLC0415

        chats.append(Console(*terminal, on_quit=on_quit, now=clock.now, tz=config.timezone))
    return {chat.name: chat for chat in chats}


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def _routes(chat: Chat) -> list[Route]:
    """What a chat wants to receive over HTTP; most want nothing."""
    routes: list[Route] = getattr(chat, "routes", list)()
    return routes


def _worker() -> str:
    """Who claims deliveries: unique among the processes that share a database."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
