"""Builds every part from the configuration, connects them, and closes them in reverse order."""

import os
import random
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TextIO
from urllib.parse import urlsplit

import meterbot
from meterbot.app.agent_script import agent_script
from meterbot.app.build_chats import build_chats, secret_value, start_chats
from meterbot.app.build_sources import (
    build_sessions,
    build_sources,
    commit_reader,
    end_invitations,
    known_seats,
    open_http,
    reads_at_once,
    token_digests,
)
from meterbot.app.channels import channel_problems
from meterbot.app.config import Config
from meterbot.app.config.infrastructure import HttpConfig
from meterbot.app.github_endpoint import GitHubEndpoint
from meterbot.app.heartbeat import Heartbeat
from meterbot.app.join_endpoint import JoinEndpoint
from meterbot.app.listening import cannot_listen
from meterbot.app.metrics import Metrics
from meterbot.app.push_endpoint import PushEndpoint
from meterbot.app.run import Bot
from meterbot.app.watchdog import DeadMansSwitch, Systemd, Watchdog
from meterbot.app.web import HttpServer, application
from meterbot.chat import Chat
from meterbot.commands.commands import Commands
from meterbot.commands.context import CommandContext
from meterbot.commands.digest import DigestSender
from meterbot.commands.invitations import Invitations
from meterbot.commands.join_lines import JoinTerms
from meterbot.commands.team_report import SeatRow
from meterbot.core.clock import Clock
from meterbot.core.counters import ProcessCounters
from meterbot.core.deliveries import Destination
from meterbot.core.lease import CHECKS, GATEWAY, Lease
from meterbot.core.log import get_logger
from meterbot.delivery.alerts.message import renderer
from meterbot.delivery.worker import DeliveryWorker
from meterbot.ingest.ingest import Ingest
from meterbot.ingest.periodic_checks import PeriodicChecks
from meterbot.ingest.poller import Poller
from meterbot.ingest.pull_requests import PullRequestTracker
from meterbot.ingest.pushes import PUSH, PushReceiver
from meterbot.ingest.recording import Recorder
from meterbot.ingest.retention import Retention
from meterbot.sources.github import read_hook
from meterbot.sources.http_client import HttpClient
from meterbot.sources.pushed import snapshots_of
from meterbot.sources.session_keys import Sessions
from meterbot.store import Store, counter_states, notes
from meterbot.store.database import open_store

log = get_logger(__name__)


@asynccontextmanager
async def assembled(
    config: Config,
    clock: Clock,
    *,
    on_quit: Callable[[], None] | None = None,
    terminal: tuple[TextIO | None, TextIO] | None = None,
    concurrency: int | None = None,
    rng: random.Random | None = None,
    salt: str | None = None,
) -> AsyncIterator[Bot]:
    """A bot whose chats are connected and whose listener listens. `rng` is for jitter. Raises `StartError`.

    `salt`: what the ids of messages are made with, instead of the database's own.
    """
    async with AsyncExitStack() as closing:
        store = await open_store(config.database_url.get_secret_value(), as_worker=True)
        closing.push_async_callback(store.close)
        gateway, checks_lease = Lease(GATEWAY), Lease(CHECKS)
        wanted = [checks_lease, gateway] if config.discord is not None else [checks_lease]
        heartbeat = Heartbeat(store, _worker(), clock, wanted)
        closing.push_async_callback(heartbeat.leave)
        await heartbeat.join()
        terminal = terminal or (sys.stdin, sys.stdout)
        chats = build_chats(config, clock, store, terminal=terminal, on_quit=on_quit, gateway=gateway)
        bot = await _connected(
            config,
            clock,
            store,
            chats,
            heartbeat=heartbeat,
            checks_lease=checks_lease,
            sessions=build_sessions(config, closing, store),
            http=open_http(config, closing),
            concurrency=concurrency,
            salt=salt,
            rng=rng,
        )
        if config.http is not None:
            await _listen(closing, bot, config, config.http)
        elif any(seat.source == PUSH for seat in bot.seats.values()):
            log.warning("nobody can push", why="nothing listens: add [http], or set PORT")
        for chat in chats.values():
            closing.push_async_callback(chat.close)
        await start_chats(chats.values(), bot.commands)
        await end_invitations(config, store)  # last: a bot that cannot start changes nothing for the others
        yield bot


async def _listen(closing: AsyncExitStack, bot: Bot, config: Config, http: HttpConfig) -> None:
    async def rows() -> tuple[SeatRow, ...]:
        return (await bot.commands.context.report(bot.clock.now())).rows

    # Most chats have no routes.
    routes = [route for chat in bot.chats.values() for route in getattr(chat, "routes", list)()]
    proxies = http.trusted_proxies
    routes += PushEndpoint(bot.receiver, bot.clock.now, proxies).routes()
    joining = JoinEndpoint(bot.store, http.public_url or "", bot.clock.now, bot.receiver.accepts_now, proxies)
    routes += joining.routes()
    if config.github is not None:
        secrets_ = config.github.webhook_secret.values
        routes += GitHubEndpoint(bot.pull_requests, read_hook, secrets_, bot.clock.now, proxies).routes()
    names = [urlsplit(http.public_url).hostname or ""] if http.public_url else []
    names += [address.host for address in http.addresses]
    metrics = Metrics(bot.counters, rows, secret_value(config.watch.metrics_token), names)
    listener = HttpServer(application(bot.health, routes, metrics), http.addresses)
    closing.push_async_callback(listener.close)
    try:
        await listener.start()
    except OSError as error:
        raise cannot_listen(http.addresses, error) from None


async def _connected(
    config: Config,
    clock: Clock,
    store: Store,
    chats: Mapping[str, Chat],
    *,
    heartbeat: Heartbeat,
    checks_lease: Lease,
    sessions: Sessions,
    http: HttpClient,
    concurrency: int | None,
    salt: str | None,
    rng: random.Random | None,
) -> Bot:
    seats = await known_seats(config, store)
    latest = await store.read(counter_states.read_latest)
    counters = ProcessCounters()
    routing = config.routing_settings()
    salt = await store.run(notes.salt) if salt is None else salt
    routing = replace(routing, redaction=replace(routing.redaction, salt=salt))
    render = renderer(seats, config.timezone, routing)
    delivery_worker = DeliveryWorker(
        store,
        chats,
        clock,
        worker=heartbeat.worker,
        render=render,
        group_threshold=routing.group_threshold,
        rng=rng,
        counters=counters,
    )
    destinations = [Destination(chat.name, chat.destination) for chat in chats.values()]
    rules = config.rule_settings()
    recorder = Recorder(seats, destinations, rules, routing)
    ingest = Ingest(store, recorder, delivery_worker.wake)
    checks = PeriodicChecks(store, recorder, delivery_worker.wake, session_ends=sessions.ends)
    receiver = PushReceiver(
        seats,
        token_digests(config),
        store,
        ingest,
        snapshots_of,
        chats=list(chats),
        redaction=routing.redaction,
        wake=delivery_worker.wake,
    )
    invitations = Invitations(store, seats, list(chats), routing.redaction, delivery_worker.wake)
    context = CommandContext(
        store,
        seats,
        now=clock.now,
        tz=config.timezone,
        version=meterbot.__version__,
        redaction=routing.redaction,
        thresholds=rules.thresholds,
        chats=list(chats.values()),
        unsaved_session_keys=sessions.unkept,
        wake=delivery_worker.wake,
        receiver=receiver,
        join_terms=_terms(config),
        invitations=invitations,
    )
    commands = Commands(context)
    poller = Poller(
        build_sources(config, http, sessions.seats, latest, patient=True),
        seats,
        ingest,
        store,
        clock,
        worker=heartbeat.worker,
        alive=heartbeat.alive,
        concurrency=concurrency or reads_at_once(config),
        rng=rng,
        counters=counters,
        prepare=sessions.prepare,
    )
    heartbeat.when_lost = poller.let_go
    retention = Retention(store, config.storage.keep_changes, config.storage.keep_hours)
    pull_requests = PullRequestTracker(
        store,
        seats,
        ingest,
        read_commits=commit_reader(config, http),
        repositories=() if config.github is None else config.github.repositories,
        post_without_cost=config.github is not None and config.github.post_without_cost,
        shown=config.privacy.rows == "named",
        counters=counters,
    )
    digests = DigestSender(context, routing, lambda: config.digest_readers(destinations, seats.invited))
    ping_url = secret_value(config.watch.ping_url)
    return Bot(
        clock,
        store,
        chats,
        seats,
        poller,
        ingest,
        checks,
        delivery_worker,
        commands,
        receiver,
        retention,
        pull_requests,
        digests,
        counters,
        Watchdog(Systemd(os.environ), None if ping_url is None else DeadMansSwitch(ping_url, http)),
        sessions,
        heartbeat,
        checks_lease,
        invitations,
        partial(channel_problems, config, clock.now),
    )


def _terms(config: Config) -> JoinTerms:
    url = None if config.http is None else config.http.public_url
    script = agent_script()
    return JoinTerms(
        url, script.digest, script.version, config.push_approvers, frozenset(token_digests(config))
    )


def _worker() -> str:
    """This process's name among those that share a database; on Heroku it begins with the dyno, such as
    `web.1`."""
    return f"{os.environ.get('DYNO') or socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
