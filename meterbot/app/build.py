"""Builds every part from the configuration, runs them together, and closes them in reverse order.

Concrete sources, stores and chats are named here, and where an operator's command needs one (`operations.py`).
"""

import asyncio
import errno
import os
import random
import secrets
import socket
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from math import ceil
from typing import TextIO
from urllib.parse import urlsplit

from pydantic import SecretStr

import meterbot
from meterbot.app.agent_script import agent_script
from meterbot.app.channels import channel_problems
from meterbot.app.config import AdminApiSeat, ClaudeAiSeat, ClaudeCodeSeat, Config, PushSeat
from meterbot.app.config.infrastructure import HttpConfig
from meterbot.app.github_endpoint import GitHubEndpoint
from meterbot.app.heartbeat import Heartbeat
from meterbot.app.join_endpoint import JoinEndpoint
from meterbot.app.metrics import Metrics
from meterbot.app.push_endpoint import PushEndpoint
from meterbot.app.run import Bot
from meterbot.app.systemd import Systemd
from meterbot.app.watchdog import DeadMansSwitch, Watchdog
from meterbot.app.web import HttpServer, Route, application
from meterbot.chat import Chat
from meterbot.commands.commands import Commands
from meterbot.commands.context import CommandContext
from meterbot.commands.digest_sender import DigestSender
from meterbot.commands.join import JoinCommand, JoinTerms
from meterbot.commands.readings import current_outlooks
from meterbot.commands.team_report import SeatRow
from meterbot.core.cipher import Cipher
from meterbot.core.clock import Clock
from meterbot.core.counters import ProcessCounters
from meterbot.core.deliveries import Destination
from meterbot.core.errors import StartError, UnavailableError
from meterbot.core.lease import GATEWAY, SWEEP, Lease
from meterbot.core.log import get_logger
from meterbot.core.models import Counter
from meterbot.delivery.alerts.message import renderer
from meterbot.delivery.worker import DeliveryWorker
from meterbot.ingest.ingest import Ingest
from meterbot.ingest.poller import Poller
from meterbot.ingest.pull_requests import PullRequestTracker
from meterbot.ingest.pushes import PUSH, PushReceiver
from meterbot.ingest.recording import Recorder
from meterbot.ingest.retention import Retention
from meterbot.ingest.sweep import Sweep
from meterbot.sources import CommitReader, Source
from meterbot.sources.admin_api import AdminApiSource
from meterbot.sources.claude_ai import RETRY_PAUSES, ClaudeAiSource
from meterbot.sources.claude_code import ClaudeCodeSource
from meterbot.sources.claude_login import RENEW_COPY, RUN_CLAUDE, Login, read_login, read_token
from meterbot.sources.github import GitHub, read_hook
from meterbot.sources.http_client import HttpClient
from meterbot.sources.oauth import SignIn
from meterbot.sources.pushed import snapshots_of
from meterbot.sources.session import Keeper
from meterbot.sources.session_keys import Sessions
from meterbot.store import Latest, Store, counter_states, errors, notes
from meterbot.store.database import open_store

READS_AT_ONCE = 16
_MOST_AT_ONCE = 256
_READ_TAKES = 1.2
"""Seconds that a reading may take, for all to be read within their interval."""

Note = Callable[[str], Awaitable[str | None]]
SetNote = Callable[[str, str], Awaitable[None]]

outage_as_warning = errors.as_warning
"""A step for `log.set_up`: the database's failures are not the bot's."""

log = get_logger(__name__)


@asynccontextmanager
async def assembled(
    config: Config,
    clock: Clock,
    *,
    on_quit: Callable[[], None] | None = None,
    terminal: tuple[TextIO | None, TextIO] | None = None,
    reads_at_once: int | None = None,
    rng: random.Random | None = None,
    salt: str | None = None,
) -> AsyncIterator[Bot]:
    """A bot whose chats are connected and whose listener listens. `rng` is for jitter. Raises `StartError`.

    `salt`: what the ids of messages are made with, instead of the database's own.
    """
    async with AsyncExitStack() as closing:
        store = await open_store(config.database_url.get_secret_value(), as_worker=True)
        closing.push_async_callback(store.close)
        gateway, turn = Lease(GATEWAY), Lease(SWEEP)
        wanted = [turn, gateway] if config.discord is not None else [turn]
        presence = Heartbeat(store, _worker(), clock, wanted)
        closing.push_async_callback(presence.leave)
        await presence.join()
        sessions = build_sessions(config, closing, store)
        http = open_http(config, closing)
        sources = build_sources(
            config, http, sessions.seats, await store.read(counter_states.read_latest), patient=True
        )
        terminal = terminal or (sys.stdin, sys.stdout)
        chats = build_chats(
            config, clock, *_notes(store), on_quit=on_quit, terminal=terminal, gateway=gateway
        )
        bot = _connected(
            config,
            clock,
            store,
            sources,
            chats,
            sessions=sessions,
            presence=presence,
            turn=turn,
            read_commits=_commit_reader(config, http),
            http=http,
            reads_at_once=reads_at_once or _reads_at_once(config),
            salt=await store.run(notes.salt) if salt is None else salt,
            rng=rng,
        )
        if config.http is not None:
            await _listen(closing, bot, config, config.http)
        elif any(seat.source == PUSH for seat in config.seats):
            log.warning("nobody_can_push", why="nothing listens: add [http], or set PORT")
        for chat in chats.values():
            closing.push_async_callback(chat.close)
        await _start(chats.values(), bot.commands)
        yield bot


def _notes(store: Store) -> tuple[Note, SetNote]:
    """How a chat reads and keeps small things."""

    async def note(name: str) -> str | None:
        return await store.read(lambda c: notes.read(c, name))

    async def set_note(name: str, value: str) -> None:
        await store.run(lambda tx: notes.write(tx, name, value))

    return note, set_note


def _reads_at_once(config: Config) -> int:
    """As few as keep up with the seats, for the services' sake."""
    needed = sum(_READ_TAKES / seat.interval for seat in config.seat_list() if seat.source != PUSH)
    return min(max(READS_AT_ONCE, ceil(needed)), _MOST_AT_ONCE)


async def _listen(closing: AsyncExitStack, bot: Bot, config: Config, http: HttpConfig) -> None:
    async def rows() -> tuple[SeatRow, ...]:
        return (await bot.commands.context.report(bot.clock.now())).rows

    routes = [route for chat in bot.chats.values() for route in _routes(chat)]
    proxies = http.trusted_proxies
    joining = bot.commands.context.joining
    connected = None if joining is None else joining.connected
    routes += PushEndpoint(bot.receiver, bot.clock.now, proxies, connected).routes()
    routes += JoinEndpoint(bot.store, http.public_url, bot.clock.now, proxies).routes()
    if config.github is not None:
        secrets_ = config.github.webhook_secret.values
        routes += GitHubEndpoint(bot.merges, read_hook, secrets_, bot.clock.now, proxies).routes()
    names = [urlsplit(http.public_url).hostname or ""] if http.public_url else []
    names += [address.host for address in http.addresses]
    metrics = Metrics(bot.tally, rows, _secret(config.watch.metrics_token), names)
    listener = HttpServer(application(bot.health, routes, metrics), http.addresses)
    closing.push_async_callback(listener.close)
    try:
        await listener.start()
    except OSError as error:
        where = " and ".join(map(str, http.addresses))
        kind = UnavailableError if error.errno == errno.EADDRINUSE else StartError
        raise kind(f"cannot listen on {where}: {error.strerror or error}") from None


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
        hopeless = any(not isinstance(failure, UnavailableError) for failure in failures)
        raise (StartError if hopeless else UnavailableError)("\n".join(map(str, failures)))


def _connected(
    config: Config,
    clock: Clock,
    store: Store,
    sources: Mapping[str, Source],
    chats: Mapping[str, Chat],
    *,
    sessions: Sessions,
    presence: Heartbeat,
    turn: Lease,
    read_commits: CommitReader | None,
    http: HttpClient,
    reads_at_once: int,
    salt: str,
    rng: random.Random | None,
) -> Bot:
    seats = {seat.name: seat for seat in config.seat_list()}
    tally = ProcessCounters()
    routing = config.routing_settings()
    routing = replace(routing, redaction=replace(routing.redaction, salt=salt))
    render = renderer(seats, config.timezone, routing)
    notify = DeliveryWorker(
        store,
        chats,
        clock,
        worker=presence.worker,
        render=render,
        group_threshold=routing.group_threshold,
        rng=rng,
        tally=tally,
    )
    destinations = [Destination(chat.name, chat.destination) for chat in chats.values()]
    rules = config.rule_settings()
    recorder = Recorder(seats, destinations, rules, routing)
    ingest = Ingest(store, recorder, notify.wake)
    sweep = Sweep(store, recorder, notify.wake, session_ends=sessions.ends)
    receiver = PushReceiver(seats, token_digests(config), store, ingest, snapshots_of)
    context = CommandContext(
        store,
        seats,
        now=clock.now,
        tz=config.timezone,
        version=meterbot.__version__,
        redaction=routing.redaction,
        thresholds=rules.thresholds,
        chats=list(chats.values()),
        remarks=sessions.remarks,
        wake=notify.wake,
        receiver=receiver,
        joining=JoinCommand(seats, store, _terms(config), chats=list(chats.values()), now=clock.now),
    )
    commands = Commands(context)
    poller = Poller(
        sources,
        seats,
        ingest,
        store,
        clock,
        worker=presence.worker,
        alive=presence.alive,
        concurrency=reads_at_once,
        rng=rng,
        tally=tally,
        prepare=sessions.prepare,
    )
    presence.when_lost(poller.let_go)
    retention = Retention(store, config.storage.keep_changes, config.storage.keep_hours)
    merges = PullRequestTracker(
        store,
        seats,
        ingest,
        read_commits=read_commits,
        repositories=() if config.github is None else config.github.repositories,
        shown=config.privacy.rows == "named",
    )
    digests = DigestSender(
        store,
        config.digest_readers(destinations),
        context.report,
        lambda report: current_outlooks(store, report),
        notify.wake,
        tz=config.timezone,
        routing=routing,
    )
    ping_url = _secret(config.watch.ping_url)
    return Bot(
        clock,
        store,
        chats,
        frozenset(seats),
        poller,
        ingest,
        sweep,
        notify,
        commands,
        receiver,
        retention,
        merges,
        digests,
        tally,
        Watchdog(Systemd(os.environ), None if ping_url is None else DeadMansSwitch(ping_url, http)),
        sessions,
        presence,
        turn,
        partial(channel_problems, config, clock.now),
    )


def open_http(config: Config, closing: AsyncExitStack) -> HttpClient:
    """The client for everything that leaves over HTTP, chats aside."""
    http = HttpClient(connections=_reads_at_once(config))
    closing.push_async_callback(http.aclose)
    return http


def _commit_reader(config: Config, http: HttpClient) -> CommitReader | None:
    """Asks GitHub, where there is a token for it."""
    if config.github is None or config.github.token is None:
        return None
    return GitHub(http, config.endpoints.github_api, config.github.token.get_secret_value()).commits


def _terms(config: Config) -> JoinTerms:
    """On which terms people get tokens by asking."""
    url = None if config.http is None else config.http.public_url
    script = agent_script()
    return JoinTerms(
        url, script.digest, script.version, config.push_approvers, frozenset(token_digests(config))
    )


def token_digests(config: Config) -> dict[str, str]:
    """The configured tokens, as SHA-256, by seat."""
    return {
        seat.name: seat.push_token_sha256
        for seat in config.seats
        if isinstance(seat, PushSeat) and seat.push_token_sha256 is not None
    }


def build_sessions(config: Config, closing: AsyncExitStack, store: Store) -> Sessions:
    """The seats' session keys; what is not stored yet is, before the store is closed."""
    configured = {
        seat.name: seat.session_key.get_secret_value()
        for seat in config.seats
        if isinstance(seat, ClaudeAiSeat)
    }
    keys = config.secret_keys
    sessions = Sessions(configured, store, Cipher(keys) if keys else None)
    closing.push_async_callback(sessions.save)
    return sessions


def _accounts(latest: Iterable[Latest]) -> dict[str, str]:
    """Which account each seat was last, as far as its readings said."""
    by_age = sorted(latest, key=lambda one: one.known.snapshot.fetched_at)
    known = {one.seat: one.known.snapshot.account_uuid for one in by_age}
    return {seat: account for seat, account in known.items() if account is not None}


def _read_before(latest: Iterable[Latest]) -> Mapping[str, list[Counter]]:
    """The counters of which something was read, by seat."""
    found: defaultdict[str, list[Counter]] = defaultdict(list)
    for one in latest:
        if one.known.windows_at is not None or one.known.extra_usage_at is not None:
            found[one.seat].append(one.counter)
    return found


def build_sources(
    config: Config,
    http: HttpClient,
    keepers: Mapping[str, Keeper],
    latest: Sequence[Latest],
    *,
    patient: bool,
) -> dict[str, Source]:
    """One reader for each seat. `patient`: the bot goes on and stores what it reads, so it waits until a key that was just
    issued is accepted, and names people only where the configuration says so."""
    pauses = RETRY_PAUSES if patient else ()
    seats = {seat.name: seat for seat in config.seat_list()}
    accounts, read_before = _accounts(latest), _read_before(latest)
    sources: dict[str, Source] = {}
    for each in config.seats:
        seat, known = seats[each.name], accounts.get(each.name)
        match each:
            case ClaudeAiSeat():
                sources[each.name] = ClaudeAiSource(
                    seat,
                    each.session_key.get_secret_value(),
                    http,
                    config.endpoints.claude_ai,
                    expected_account=known,
                    read_before=read_before.get(each.name, ()),
                    keeper=keepers.get(each.name),
                    retry_pauses=pauses,
                )
            case ClaudeCodeSeat():
                base = config.endpoints.anthropic_api
                sources[each.name] = ClaudeCodeSource(
                    seat, _sign_in(each), http, base, expected_account=known
                )
            case AdminApiSeat():
                sources[each.name] = AdminApiSource(
                    seat,
                    each.token.get_secret_value(),
                    http,
                    config.endpoints.anthropic_api,
                    name_people=each.store_emails or not patient,
                )
            case PushSeat():
                pass
    return sources


def _sign_in(seat: ClaudeCodeSeat) -> SignIn:
    """Where a seat's OAuth token is, and how it is renewed."""
    if seat.credentials_file is not None:
        return SignIn(partial(read_login, seat.credentials_file), RUN_CLAUDE)
    assert seat.token is not None  # noqa: S101 - the configuration has one of the two
    if seat.token.file is not None:
        return SignIn(partial(read_token, seat.token.file), RENEW_COPY)
    login = Login(seat.token.get_secret_value())
    return SignIn(lambda: login, RENEW_COPY)


def build_chats(
    config: Config,
    clock: Clock,
    note: Note,
    set_note: SetNote,
    *,
    on_quit: Callable[[], None] | None,
    terminal: tuple[TextIO | None, TextIO],
    gateway: Lease | None = None,
) -> dict[str, Chat]:
    """The configured chats, not started. A platform's library is imported only where it is used. `note` and `set_note`
    keep small things, such as which commands Discord knows."""
    chats: list[Chat] = []
    if config.slack is not None:
        from meterbot.chat.slack.chat import SlackChat  # noqa: PLC0415

        chats.append(
            SlackChat(
                bot_token=config.slack.bot_token.get_secret_value(),
                app_token=_secret(config.slack.app_token),
                signing_secret=_secret(config.slack.signing_secret),
                channel=config.slack.channel,
                mode=config.slack.mode,
                api_url=config.endpoints.slack_api,
                groups=config.privacy.operators.slack_groups,
                allow_teams=config.slack.allow_teams,
            )
        )
    if config.discord is not None:
        from meterbot.chat.discord.chat import DiscordChat  # noqa: PLC0415

        chats.append(
            DiscordChat(
                token=config.discord.bot_token.get_secret_value(),
                channel_id=config.discord.channel_id,
                guild_id=config.discord.guild_id,
                clock=clock,
                note=note,
                set_note=set_note,
                gateway=gateway,
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
    """What this process is called among those that share a database; on Heroku by its dyno, such as `web.1`."""
    return f"{os.environ.get('DYNO') or socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
