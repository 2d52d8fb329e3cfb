"""What commands do once, whether or not the bot runs: test alerts, invitations, stored sessions, the database."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from pydantic import SecretStr

import meterbot
from meterbot.app.build_chats import build_chats
from meterbot.app.build_sources import known_seats, token_digests
from meterbot.app.config import Config
from meterbot.chat import Chat
from meterbot.commands.invitations import Invitations, Invited, seat_for
from meterbot.commands.join_lines import unix_line
from meterbot.commands.seat_admin import SeatInfo, make_token, overview
from meterbot.core.cipher import Cipher
from meterbot.core.clock import SystemClock
from meterbot.core.errors import Outcome, SendError
from meterbot.core.findings import Check, Status
from meterbot.core.messages import Message
from meterbot.core.seats import SeatDirectory
from meterbot.delivery.alerts.message import arrival_check
from meterbot.ingest.pushes import make_code
from meterbot.store import Connection, Store, database, invited_seats, notes, sessions
from meterbot.store.invited_seats import InvitedSeat

Result = TypeVar("Result")


async def try_alerts(config: Config, now: datetime, command: str) -> list[Check]:
    """Posts a test message to every chat, in the same way as alerts, and says where each is. `command`: which command
    posts it."""
    chats = build_chats(config, SystemClock(), None, terminal=(None, sys.stdout))
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
    return Check("test_alert", Status.OK, f"{place}: posted as message {posted.message}")


async def make_push_token(config: Config, seat: str, now: datetime, *, replace: bool) -> str | None:
    """A new push token; None if there is one that must not be replaced."""
    async with opened(config.database_url) as store:
        return await make_token(store, seat, now, replace=replace)


async def seat_overview(config: Config, now: datetime) -> list[SeatInfo]:
    """The state of every seat, and whether it has a token."""
    async with opened_with_seats(config) as (store, seats):
        return await overview(store, seats, token_digests(config), now)


async def all_seats(config: Config) -> SeatDirectory:
    async with opened_with_seats(config) as (_, seats):
        return seats


async def invite(config: Config, owners: Mapping[str, dict[str, str] | None], now: datetime) -> list[Invited]:
    """Invites seats by name; None: with the owner that is known. The running bot sends the direct messages. Raises
    `NotInvitedError`."""
    async with opened_with_seats(config) as (store, seats):
        wanted = [seat_for(seats, name, owner or {}) for name, owner in owners.items()]
        redaction = replace(config.routing_settings().redaction, salt=await store.run(notes.salt))
        chats = [place.chat for place in config.destinations() if place.chat != "console"]
        return await Invitations(store, seats, chats, redaction).invite(wanted, now)


async def join_line(config: Config, seat: str, url: str, now: datetime) -> str:
    """The line with a new code for a seat's machine."""
    async with opened(config.database_url) as store:
        return unix_line(url, await make_code(store, seat, now))


async def invited(config: Config) -> list[InvitedSeat]:
    """The invited seats that are not in the configuration."""
    configured = {seat.name for seat in config.seat_list()}
    async with opened(config.database_url) as store:
        return [each for each in await store.read(invited_seats.read) if each.name not in configured]


async def discard_unreadable_sessions(config: Config) -> list[str]:
    """Deletes the stored session keys that the configured METERBOT_SECRET_KEY cannot decrypt; returns their seats."""
    cipher = Cipher(config.secret_keys)
    async with opened(config.database_url) as store:
        stored = (await store.read(sessions.read)).values()
        lost = [row.seat for row in stored if not cipher.can_decrypt(row.seat, row.ciphertext)]
        return [seat for seat in sorted(lost) if await store.run(partial(sessions.forget, seat=seat))]


async def transacted(url: SecretStr, work: Callable[[Connection], Result]) -> Result:
    """What `work` returns: one transaction on the database."""
    async with opened(url) as store:
        return await store.run(work)


@asynccontextmanager
async def opened_with_seats(config: Config) -> AsyncIterator[tuple[Store, SeatDirectory]]:
    """The database, and the seats of the configuration and those that were invited."""
    async with opened(config.database_url) as store:
        yield store, await known_seats(config, store)


def opened(url: SecretStr) -> AbstractAsyncContextManager[Store]:
    return database.opened(url.get_secret_value())
