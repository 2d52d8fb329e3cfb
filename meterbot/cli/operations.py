"""What an operator's command asks or does once, whether or not the bot runs: read, tell, make a token, forget, upgrade.

Sources and sessions are built by `app.py`; the database, and the chat that a command is about, are named here.
"""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path

from pydantic import SecretStr

import meterbot
from meterbot.app.build import (
    READS_AT_ONCE,
    build_chats,
    build_sessions,
    build_sources,
    open_http,
    token_digests,
)
from meterbot.app.config import Config
from meterbot.chat import Chat, Question
from meterbot.cli.checkout import LocalCommit
from meterbot.commands import export
from meterbot.commands.commands import Commands
from meterbot.commands.context import CommandContext
from meterbot.commands.outlooks import Outlooks
from meterbot.commands.readings import current_outlooks, current_report
from meterbot.commands.reports import Reports, team_report
from meterbot.commands.seat_admin import SeatInfo, make_token, overview
from meterbot.commands.team_report import TeamReport, plan_troubles
from meterbot.commands.words import pull_requests
from meterbot.core.cipher import Cipher
from meterbot.core.clock import SystemClock
from meterbot.core.deliveries import all_queues
from meterbot.core.errors import Outcome, SendError, StartError
from meterbot.core.findings import Check, Status
from meterbot.core.log import get_logger
from meterbot.core.messages import Message
from meterbot.core.models import Counter, Health, Seat, Snapshot, SourceState
from meterbot.core.privacy import Operators
from meterbot.core.text import stamp
from meterbot.delivery.alerts.test_alert import arrival_check
from meterbot.delivery.redaction import Redaction
from meterbot.delivery.seat_settings import name_of
from meterbot.ingest.changes import counts_in_team
from meterbot.ingest.ingest import forget_account as forget_account_of
from meterbot.ingest.pull_requests import counters_of, month_so_far, reckoned
from meterbot.ingest.pushes import PUSH
from meterbot.ingest.replay import WARM_UP, Progress, Replay, replay
from meterbot.rules import RuleSettings
from meterbot.rules.pull_requests import Commits, Merged, Month, PullRequest
from meterbot.rules.renewals import as_configured
from meterbot.sources import Source
from meterbot.sources.session import Keeper
from meterbot.store import (
    LAST_TICK,
    Connection,
    Forgotten,
    Store,
    StoredSession,
    database,
    deliveries,
    facts,
    forgetting,
    history,
    notes,
    push_tokens,
    sessions,
    workers,
)
from meterbot.store import pull_requests as records
from meterbot.store.database import is_there, open_store, peek_sessions, upgrade

_MOST_EVENTS = 1_000_000
_NO_KEEPERS: Mapping[str, Keeper] = {}

log = get_logger(__name__)


@dataclass
class Renewed:
    """What a seat's session key is renewed to while there is no database to keep it in."""

    key: str = field(repr=False)
    ends_at: datetime | None = None
    at: datetime | None = None
    """When it was renewed; None: it was not."""

    async def current(self) -> str:
        return self.key

    async def renewed(self, key: str, ends_at: datetime | None, now: datetime) -> None:
        self.key, self.ends_at, self.at = key, ends_at, now


async def read_seats(
    config: Config, names: Sequence[str], now: datetime, without_database: Mapping[str, Keeper] = _NO_KEEPERS
) -> list[Snapshot]:
    """Reads the named seats (all, when none is named) once, side by side; stores nothing but what claude.ai renews a
    session key to, and that only in a database that is there. `without_database`: who is told of it where none is, by
    seat."""
    async with AsyncExitStack() as closing:
        seats = [seat for seat in config.seat_list() if seat.name in names or not names]
        sending = [seat for seat in seats if seat.source == PUSH]
        store, trouble = None, None
        if config.secret_key or sending:
            store, trouble = await _store_at_hand(config, closing)
        keepers = without_database
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
    """Stores what the configured session key was renewed to, encrypted. Returns why it cannot be kept, or None."""
    assert renewed.at is not None  # noqa: S101 - it was renewed
    async with _opened(config) as store, AsyncExitStack() as closing:
        session = build_sessions(config, closing, store).seats[seat]
        await session.current()
        await session.renewed(renewed.key, renewed.ends_at, renewed.at)
        await session.save()
        return None if session.unkept is None else session.unkept.value


async def _store_at_hand(config: Config, closing: AsyncExitStack) -> tuple[Store | None, str | None]:
    """The database where there is one, which is not made here; or else None, and what ails the one that is there."""
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
    """What arrived last of seats that cannot be asked, with how their sources are doing now."""
    latest, sources = ([], {}) if store is None else await store.read(facts.read_team)
    return [row.snapshot for row in team_report(latest, sources, seats, now, tz).rows]


def unread(snapshot: Snapshot) -> bool:
    """Whether a seat could not be read, or not for certain."""
    return snapshot.health is not Health.OK


async def team_now(config: Config, now: datetime) -> TeamReport:
    """The team as the database knows it."""
    async with _opened(config) as store:
        return await current_report(store, Reports(config.seat_list(), config.timezone), now)


async def team_heading(config: Config, now: datetime) -> tuple[TeamReport, Outlooks]:
    """The team as the database knows it, and where it is heading."""
    async with _opened(config) as store:
        report = await current_report(store, Reports(config.seat_list(), config.timezone), now)
        return report, await current_outlooks(store, report)


async def history_of(config: Config, since: datetime) -> list[dict[str, object]]:
    """Every kept change of the configured seats since then, in order of time."""
    async with _opened(config) as store:
        readers = await _readers(store, config)
        samples = await store.read(lambda c: history.read(c, readers, since))
        names = {counter: seat.name for counter, seat in readers.items()}
        return export.rows([sample for sample in samples if sample.at >= since], names)


async def replay_of(
    config: Config, settings: RuleSettings, since: datetime, now: datetime, progress: Progress | None = None
) -> Replay:
    """What these rules would have told since then on the history of the configuration's seats, and what was told."""
    async with _opened(config) as store:
        readers = await _readers(store, config)
        samples = await store.read(lambda c: history.read(c, readers, since - WARM_UP))
        fired = await store.read(lambda c: facts.read_events(c, since, _MOST_EVENTS))
        names = [name_of(seat.name) for seat in readers.values()]
        set_by_owners = await store.read(lambda c: facts.read_memories(c, names))
    made = partial(replay, since=since, until=now, memories=set_by_owners, progress=progress)
    return await asyncio.to_thread(made, samples, readers, fired, settings)


async def _readers(store: Store, config: Config) -> dict[Counter, Seat]:
    """Every counter of the team's sum, and a seat that reads it."""
    configured = {seat.name: seat for seat in config.seat_list()}
    readers: dict[Counter, Seat] = {}
    for one in await store.read(facts.read_latest):
        seat = configured.get(one.seat)
        if seat is not None and counts_in_team(seat, one.counter):
            readers.setdefault(one.counter, seat)
    return readers


_AT_THE_TERMINAL = Redaction(operators=Operators({"console": frozenset({"operator"})}))
"""Whoever can run commands on this machine sees every seat and may change every setting."""


async def print_answer(config: Config, now: datetime, *questions: str) -> None:
    """Prints what `/claude-spend` answers to each of these questions."""
    async with _opened(config) as store:
        seats = {seat.name: seat for seat in config.seat_list()}
        context = CommandContext(
            store,
            seats,
            now=lambda: now,
            tz=config.timezone,
            version=meterbot.__version__,
            redaction=_AT_THE_TERMINAL,
            thresholds=config.rule_settings().thresholds,
            places=config.places(),
        )
        commands = Commands(context)
        for words in questions:
            answer = await commands.answer(Question(tuple(words.split()), "console", "operator"))
            await _print(answer.message)


async def status_json(config: Config, now: datetime) -> dict[str, object]:
    """How sources, destinations and processes are doing, as far as the database tells. Instants are ISO, in UTC."""
    async with _opened(config) as store:
        known = await store.read(facts.read_sources)
        queues = await store.read(lambda c: deliveries.read_queues(c, now))
        alive = [] if store.sole else await store.read(lambda c: workers.read(c, now))
        last_tick = await store.read(lambda c: notes.read(c, LAST_TICK))
        team = await current_report(store, Reports(config.seat_list(), config.timezone), now)
    states = [known.get(seat.name) or SourceState(seat.name) for seat in config.seats]
    return {
        "as_of": stamp(now),
        "version": meterbot.__version__,
        "last_tick": None if last_tick is None else stamp(datetime.fromisoformat(last_tick)),
        "sources": [
            {
                "seat": state.seat,
                "health": state.health.value,
                "since": _stamp(state.since),
                "last_ok_at": _stamp(state.last_ok_at),
                "detail": state.detail,
            }
            for state in states
        ],
        "destinations": [
            {
                "chat": queue.chat,
                "channel": queue.channel,
                "waiting": queue.waiting,
                "held": queue.held,
                "held_until": _stamp(queue.held_until),
                "oldest": _stamp(queue.oldest),
                "trouble": queue.trouble,
            }
            for queue in all_queues(queues, config.places())
        ],
        "processes": [
            {"name": one.name, "since": _stamp(one.since), "holds": list(one.leases)} for one in alive
        ],
        "set_up": plan_troubles(team.rows),
    }


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


async def _print(message: Message) -> None:
    from meterbot.chat.console import Console

    await Console(None, sys.stdout).post("spend", "terminal", message)


async def recorded_pull_requests(config: Config, numbers: Sequence[int]) -> list[list[PullRequest]]:
    """What the record holds under each of these numbers."""
    async with _opened(config) as store:
        return [
            [one.pull for one in await store.read(partial(records.numbered, number=number))]
            for number in numbers
        ]


async def month_of_pull_requests(config: Config, now: datetime) -> Month:
    """This month's, of all seats."""
    seats = {seat.name: seat for seat in config.seat_list()}
    async with _opened(config) as store:
        return await month_so_far(store, seats, seats, now)


async def branch_cost(
    config: Config, commits: Sequence[LocalCommit], names: Sequence[str], now: datetime
) -> PullRequest:
    """What a branch of these seats cost so far, as if it were merged now. Nothing is stored."""
    seats = {seat.name: seat for seat in config.seat_list()}
    first = min(commit.authored_at for commit in commits)
    last = max(max(commit.authored_at, commit.committed_at) for commit in commits)
    merged = Merged("", 0, commits[-1].id, "", opened_at=first, merged_at=now)

    def reckon(connection: Connection) -> PullRequest:
        counters = counters_of(names, seats, facts.read_latest(connection, names))
        pull = PullRequest(merged, tuple(names), counters, Commits(first, last))
        return replace(pull, bill=reckoned(connection, [pull])[pull.key])

    async with _opened(config) as store:
        return await store.read(reckon)


async def print_branch(config: Config, name: str, pull: PullRequest) -> None:
    """A branch's cost on the terminal."""
    await _print(pull_requests.branch(name, pull, config.timezone))


async def try_alerts(config: Config, now: datetime, command: str) -> list[Check]:
    """Posts a test message to every chat, through what posts the alerts, and says where each stands. `command`: which one
    of ours does so."""
    chats = build_chats(
        config, SystemClock(), _no_note, _set_no_note, on_quit=None, terminal=(None, sys.stdout)
    )
    message = arrival_check(meterbot.__version__, len(config.seats), command)
    try:
        return list(await asyncio.gather(*(_tried(chat, message, now) for chat in chats.values())))
    finally:
        for chat in chats.values():
            await chat.close()


async def _tried(chat: Chat, message: Message, now: datetime) -> Check:
    delivery, place = secrets.token_hex(10), f"{chat.name} {chat.destination}"
    try:
        try:
            posted = await chat.post(delivery, chat.destination, message)
        except SendError as failure:
            found = []
            if failure.outcome is Outcome.IN_DOUBT:
                found = await chat.find(delivery, chat.destination, now)
            if not found:
                raise
            posted = found[0]
    except SendError as failure:
        doubt = failure.outcome is Outcome.IN_DOUBT
        sentence = f"{place}: {'it is not known whether it arrived: ' * doubt}{failure.reason}"
        return Check("test_alert", Status.FAIL, sentence, "`meterbot check --live` looks for the reason")
    return Check("test_alert", Status.OK, f"{place}: it stands there as message {posted.message}")


async def _no_note(_: str) -> str | None:
    """Nothing that posts needs a note."""
    return None


async def _set_no_note(_name: str, _value: str) -> None:
    """As `_no_note`."""


async def make_push_token(config: Config, seat: str, now: datetime, *, replace: bool) -> str | None:
    """A new token to push with; None where there is one that shall not be replaced."""
    async with _opened(config) as store:
        return await make_token(store, seat, now, replace=replace)


async def seat_overview(config: Config, now: datetime) -> list[SeatInfo]:
    """How every seat is doing, and whether it has a token."""
    async with _opened(config) as store:
        return await overview(store, config.seat_list(), token_digests(config), now)


async def forget_seat(url: SecretStr, seat: str) -> Forgotten:
    """Deletes what is stored of a seat, configured or not."""
    async with _opened_at(url) as store:
        return await store.run(lambda tx: forgetting.forget(tx, seat))


async def revoke_push_token(url: SecretStr, seat: str) -> bool:
    """Makes the seat's token worthless. False when it had none."""
    async with _opened_at(url) as store:
        return await store.run(lambda tx: push_tokens.revoke(tx, seat))


async def forget_account(url: SecretStr, seat: str) -> bool:
    """Lets the seat be another account from its next reading on. False when none was known."""
    async with _opened_at(url) as store:
        return await store.run(lambda tx: forget_account_of(tx, seat))


async def stored_sessions(config: Config) -> dict[str, StoredSession]:
    """By seat, as they are in the database, which stays as it is. Raises `StartError`."""
    return await peek_sessions(config.database_url.get_secret_value())


async def discard_unreadable_sessions(config: Config) -> list[str]:
    """Deletes the stored session keys that the configured METERBOT_SECRET_KEY does not decrypt; returns whose."""
    cipher = Cipher(config.secret_keys)
    async with _opened(config) as store:
        stored = (await store.read(sessions.read)).values()
        lost = [row.seat for row in stored if not cipher.can_decrypt(row.seat, row.ciphertext)]
        return [seat for seat in sorted(lost) if await store.run(partial(sessions.forget, seat=seat))]


async def upgrade_database(url: SecretStr) -> None:
    """Runs the migrations that are due."""
    await upgrade(url.get_secret_value())


async def back_up(url: SecretStr, target: Path | None, now: datetime) -> Path:
    """Copies the database, be it in use or not; returns where to."""
    return await database.back_up(url.get_secret_value(), target, now)


async def restore(url: SecretStr, source: Path, now: datetime) -> Path | None:
    """Puts a copy in the database's place; returns where that is kept, if there was one."""
    return await database.restore(url.get_secret_value(), source, now)


def slack_manifest(http_url: str | None) -> tuple[str, str]:
    """The manifest, and the link that makes the app of it."""
    from meterbot.chat.slack.manifest import creation_link, manifest

    return manifest(http_url), creation_link(http_url)


def discord_invite(application_id: int, guild_id: int | None) -> str:
    from meterbot.chat.discord.client import invite_url

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
