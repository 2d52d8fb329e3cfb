"""Builds what reads: the HTTP client, the seats, their session keys and readers, and the reader of commits."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from math import ceil

from meterbot.app.config import Config
from meterbot.app.config.seats import AdminApiSeat, ClaudeAiSeat, ClaudeCodeSeat, PushSeat
from meterbot.core.cipher import Cipher
from meterbot.core.seats import SeatDirectory
from meterbot.ingest.pushes import PUSH
from meterbot.sources import CommitReader, Source
from meterbot.sources.admin_api import AdminApiSource
from meterbot.sources.claude_ai import RETRY_PAUSES, ClaudeAiSource
from meterbot.sources.claude_code import ClaudeCodeSource, SignIn
from meterbot.sources.claude_login import RENEW_COPY, RUN_CLAUDE, Login, read_login, read_token
from meterbot.sources.github import GitHub
from meterbot.sources.http_client import HttpClient
from meterbot.sources.session import Keeper, Session
from meterbot.sources.session_keys import Sessions
from meterbot.store import Latest, Store, invited_seats

READS_AT_ONCE = 16
_MOST_AT_ONCE = 256
_READ_SECONDS = 1.2
"""How long a reading may take if all seats must be read within their interval."""


def open_http(config: Config, closing: AsyncExitStack) -> HttpClient:
    """The client for all HTTP requests except those of the chats."""
    http = HttpClient(connections=reads_at_once(config))
    closing.push_async_exit(http)
    return http


def reads_at_once(config: Config) -> int:
    """As few as can keep up with the seats."""
    needed = sum(_READ_SECONDS / seat.interval for seat in config.seat_list() if seat.source != PUSH)
    return min(max(READS_AT_ONCE, ceil(needed)), _MOST_AT_ONCE)


def commit_reader(config: Config, http: HttpClient) -> CommitReader | None:
    """The reader of commits at GitHub; None without a token."""
    if config.github is None or config.github.token is None:
        return None
    return GitHub(http, config.endpoints.github_api, config.github.token.get_secret_value()).commits


async def known_seats(config: Config, store: Store) -> SeatDirectory:
    """The seats of the configuration, and those that were invited and are not in it."""
    invited = await store.read(invited_seats.read)
    return SeatDirectory(config.seat_list(), [each.seat for each in invited])


async def end_invitations(config: Config, store: Store) -> None:
    """Removes the invitations of seats that are in the configuration now: without their entry there, they are gone."""
    names = [seat.name for seat in config.seat_list()]
    await store.run(lambda tx: invited_seats.remove(tx, names))


def token_digests(config: Config) -> dict[str, str]:
    """The configured tokens, as SHA-256, by seat."""
    return {
        seat.name: seat.push_token_sha256
        for seat in config.seats
        if isinstance(seat, PushSeat) and seat.push_token_sha256 is not None
    }


def build_sessions(config: Config, closing: AsyncExitStack, store: Store) -> Sessions:
    """The seats' session keys; at the end it stores the renewals that are not stored yet."""
    configured = {
        seat.name: seat.session_key.get_secret_value()
        for seat in config.seats
        if isinstance(seat, ClaudeAiSeat)
    }
    keys = config.secret_keys
    sessions = Sessions(configured, store, Cipher(keys) if keys else None)
    closing.push_async_callback(sessions.save)
    return sessions


def build_sources(
    config: Config,
    http: HttpClient,
    keepers: Mapping[str, Keeper],
    latest: Sequence[Latest],
    *,
    patient: bool,
) -> dict[str, Source]:
    """One reader for each seat. `patient`: the bot stores what it reads and can wait, so it waits until a new key is
    accepted, and names people only if the configuration says so."""
    pauses = RETRY_PAUSES if patient else ()
    seats = {seat.name: seat for seat in config.seat_list()}
    accounts, by_seat = _accounts(latest), defaultdict(list)
    for one in latest:
        by_seat[one.seat].append(one)
    sources: dict[str, Source] = {}
    for each in config.seats:
        seat, known = seats[each.name], accounts.get(each.name)
        match each:
            case ClaudeAiSeat():
                key, keeper = each.session_key.get_secret_value(), keepers.get(each.name)
                sources[each.name] = ClaudeAiSource(
                    seat,
                    Session(key, http, config.endpoints.claude_ai, keeper),
                    expected_account=known,
                    known=by_seat[each.name],
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


def _accounts(latest: Iterable[Latest]) -> dict[str, str]:
    """Each seat's last account, from its readings."""
    by_age = sorted(latest, key=lambda one: one.known.snapshot.fetched_at)
    known = {one.seat: one.known.snapshot.account_uuid for one in by_age}
    return {seat: account for seat, account in known.items() if account is not None}


def _sign_in(seat: ClaudeCodeSeat) -> SignIn:
    if seat.credentials_file is not None:
        return SignIn(partial(read_login, seat.credentials_file), RUN_CLAUDE)
    assert seat.token is not None  # noqa: S101 - the configuration has one of the two
    if seat.token.file is not None:
        return SignIn(partial(read_token, seat.token.file), RENEW_COPY)
    login = Login(seat.token.get_secret_value())
    return SignIn(lambda: login, RENEW_COPY)
