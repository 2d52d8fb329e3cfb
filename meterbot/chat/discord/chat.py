"""Discord: messages by REST, questions through the gateway."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import discord

from meterbot.chat import LOOK_BACK, Answerer, Connection, Forms, no_forms, send_best
from meterbot.chat.discord.client import BotClient, Note, SetNote, set_up_library
from meterbot.chat.discord.connection import DiscordGateway
from meterbot.chat.discord.failures import FAILURES, NEW_TOKEN, NOT_DISCORD, NotDiscordError, parsing
from meterbot.chat.discord.listen import DiscordListener
from meterbot.chat.discord.render import Payload, carries, post_payload, reply_payload, text_payload
from meterbot.chat.discord.web_api import DiscordWeb, trace
from meterbot.core.clock import Clock
from meterbot.core.errors import LOOKUP_EXHAUSTED, Outcome, SendError, StartError
from meterbot.core.lease import Lease
from meterbot.core.log import get_logger
from meterbot.core.messages import Message, Posted

_PAGE, _PAGES = 100, 30
_MESSAGES = "/channels/{channel_id}/messages"
_MESSAGE = f"{_MESSAGES}/{{message_id}}"

log = get_logger(__name__)


@dataclass(eq=False, repr=False, kw_only=True)
class DiscordChat:
    """One channel of Discord.

    `guild_id`: where the command is registered (at once); None = everywhere the bot is. `patience`: seconds after
    which a request is given up. `first_pause`: seconds before the first reconnect, doubled from then on.
    """

    name = "discord"
    pause = 0.0
    """discord.py waits as long as Discord demands."""

    token: str
    channel_id: int
    guild_id: int | None
    clock: Clock
    note: Note
    set_note: SetNote
    api_url: str
    patience: float = 15.0
    first_pause: float = 1.0
    identify_pause: float = 5.0
    gateway: Lease | None = None

    def __post_init__(self) -> None:
        self.destination = str(self.channel_id)
        self._web = DiscordWeb(self.token, self._new_client, self.patience)
        self._listener = DiscordListener()
        self._gateway = DiscordGateway(
            self._web,
            self._new_client,
            self.token,
            self.clock,
            first_pause=self.first_pause,
            lease=self.gateway or Lease("gateway", held=True),
        )
        self._direct: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"DiscordChat(channel={self.destination})"

    def connection(self) -> Connection:
        return self._gateway.connection

    async def start(self, answer: Answerer, forms: Forms = no_forms) -> None:
        self._listener.start(answer, forms)
        try:
            await self._web.client()
        except discord.LoginFailure:
            raise StartError(NEW_TOKEN) from None
        except FAILURES as error:
            log.warning("cannot be reached, still trying", chat=self.name, error=type(error).__name__)
        try:
            await self._gateway.start(self.patience, self.note, self.set_note)
        except StartError:
            await self.close()
            raise

    async def close(self) -> None:
        await self._gateway.close()
        await self._web.close()

    def _new_client(self) -> BotClient:
        set_up_library(self.api_url)
        return BotClient(
            self._listener,
            self.guild_id,
            moved=self._gateway.moved,
            identify_pause=self.identify_pause,
            trace=trace(),
        )

    async def post(self, delivery: str, channel: str, message: Message) -> Posted:
        where = await self._channel(channel)
        return await send_best(
            self.name, _forms(message, delivery), lambda payload: self._send(delivery, where, payload)
        )

    async def _channel(self, channel: str) -> str:
        """The channel's id; that of a direct message is asked for."""
        if not channel.startswith("@"):
            return channel
        if channel not in self._direct:
            opened = await self._web.call("POST", "/users/@me/channels", {"recipient_id": channel[1:]})
            with _reading_success():
                self._direct[channel] = str(opened["id"])
        return self._direct[channel]

    async def edit(self, delivery: str, where: Posted, message: Message) -> None:
        ids = {"channel_id": where.channel, "message_id": where.message}
        await send_best(
            self.name,
            _forms(message, delivery),
            lambda payload: self._web.call("PATCH", _MESSAGE, payload, **ids),
        )

    async def reply(self, delivery: str, where: Posted, message: Message) -> Posted:
        return await self._send(delivery, where.channel, reply_payload(message, delivery, where.message))

    async def _send(self, delivery: str, channel: str, payload: Payload) -> Posted:
        # Sent again with the same nonce within some minutes, it is the same message.
        payload |= {"nonce": delivery, "enforce_nonce": True}
        sent = await self._web.call("POST", _MESSAGES, payload, channel_id=channel)
        with _reading_success():
            return Posted(channel=sent["channel_id"], message=sent["id"])

    async def find(
        self, delivery: str, channel: str, since: datetime, thread: Posted | None = None
    ) -> list[Posted]:
        # Discord's replies are messages of the channel; only the mark distinguishes them.
        channel = await self._channel(channel) if thread is None else thread.channel
        me = await self._web.my_id()
        newest = await self._newest(channel)
        if newest is None:
            return []
        after = str(discord.utils.time_snowflake(min(since, newest - LOOK_BACK)))
        found: list[Posted] = []
        for _ in range(_PAGES):
            page = await self._history(channel, limit=_PAGE, after=after)
            with _reading_success():
                found += [
                    Posted(channel=posted["channel_id"], message=posted["id"])
                    for posted in page
                    if posted["author"]["id"] == me and carries(posted, delivery)
                ]
                after = max((posted["id"] for posted in page), key=int, default=after)
            if len(page) < _PAGE:
                return sorted(found, key=lambda each: int(each.message))
        raise SendError(
            Outcome.IN_DOUBT, f"more than {_PAGE * _PAGES} messages to look through", code=LOOKUP_EXHAUSTED
        )

    async def delete(self, where: Posted) -> None:
        try:
            await self._web.call("DELETE", _MESSAGE, channel_id=where.channel, message_id=where.message)
        except SendError as error:
            if error.outcome is not Outcome.GONE:
                raise

    async def _history(self, channel: str, **query: object) -> list[dict[str, Any]]:
        page: list[dict[str, Any]] = await self._web.call("GET", _MESSAGES, query=query, channel_id=channel)
        if not isinstance(page, list):
            raise SendError(Outcome.IN_DOUBT, NOT_DISCORD)
        return page

    async def _newest(self, channel: str) -> datetime | None:
        """When the channel's newest message was posted, by Discord's clock; None when there is none."""
        for newest in await self._history(channel, limit=1):
            with _reading_success():
                return discord.utils.snowflake_time(int(newest["id"]))
        # To a bot without Read Message History, Discord shows an empty channel instead of an error.
        about = await self._web.call("GET", "/channels/{channel_id}", channel_id=channel)
        with _reading_success():
            unread = about["last_message_id"] is not None
        if unread:
            raise SendError(Outcome.REFUSED, "the bot may not read the channel: give it Read Message History")
        return None


def _forms(message: Message, delivery: str) -> tuple[Callable[[], Payload], ...]:
    """How a message can be posted, the richest form first."""
    return partial(post_payload, message, delivery), partial(text_payload, message, delivery)


@contextmanager
def _reading_success() -> Iterator[None]:
    """For parsing a successful answer: if that fails, it is unknown whether the message was posted."""
    try:
        with parsing():
            yield
    except NotDiscordError as error:
        raise SendError(Outcome.IN_DOUBT, NOT_DISCORD) from error
