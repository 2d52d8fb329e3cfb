"""Discord: messages by REST, questions through the gateway, which one process at a time listens to."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import aiohttp
import discord
from discord.http import Route

from meterbot.chat import (
    LOOK_BACK,
    Answer,
    Answerer,
    Connection,
    Form,
    Forms,
    Question,
    no_forms,
)
from meterbot.chat.discord.client import (
    API_URL,
    BotClient,
    Note,
    SessionLimitError,
    SetNote,
    set_up_library,
)
from meterbot.chat.discord.modals import form_payload
from meterbot.chat.discord.pictures import draw, summary, with_file
from meterbot.chat.discord.render import (
    Payload,
    answer_payload,
    carries,
    line_payload,
    post_payload,
    problems,
    reply_payload,
    text_payload,
)
from meterbot.chat.discord.web_api import (
    FAILURES,
    NEW_TOKEN,
    NONSENSE,
    NOT_DISCORD,
    DiscordWeb,
    trace,
)
from meterbot.chat.simpler_forms import send_best
from meterbot.core.clock import Clock
from meterbot.core.errors import LOOKUP_EXHAUSTED, Outcome, SendError, StartError
from meterbot.core.lease import Lease
from meterbot.core.log import get_logger
from meterbot.core.messages import Chart, Message, Posted

_PAGE, _PAGES = 100, 30
_LONGEST_PAUSE = 120.0  # Discord allows 1000 identifies a day
_SETTLED_SECONDS = 60.0
_GOODBYE_SECONDS = 0.7
STANDING_BY = "another process listens to Discord's gateway, this one only sends"

# Close codes of the gateway that mean the same tomorrow.
_HOPELESS: dict[int | None, str] = {
    4004: NEW_TOKEN,
    4014: "Discord refuses the bot's intents, though it asks for none: is DISCORD_TOKEN another bot's?",
}

log = get_logger(__name__)


class DiscordChat:
    """One channel of Discord.

    `guild_id`: where the command is registered (at once); None = everywhere the bot is. `patience`: seconds after
    which a request is given up. `first_pause`: seconds before the first reconnect, doubled from then on.
    """

    name = "discord"
    pause = 0.0
    """Discord says itself when to wait, and its library obeys."""

    def __init__(
        self,
        *,
        token: str,
        channel_id: int,
        guild_id: int | None,
        clock: Clock,
        note: Note,
        set_note: SetNote,
        api_url: str = API_URL,
        patience: float = 15.0,
        first_pause: float = 1.0,
        identify_pause: float = 5.0,
        gateway: Lease | None = None,
    ) -> None:
        self.destination = str(channel_id)
        self._token = token
        self._guild_id = guild_id
        self._clock = clock
        self._note, self._set_note = note, set_note
        self._api_url = api_url
        self._patience = patience
        self._first_pause = first_pause
        self._identify_pause = identify_pause
        self._gateway = gateway or Lease("gateway", held=True)
        self._rest = DiscordWeb(token, self._new_client, patience)
        self._connection = Connection(up=False, detail="not connected yet")
        self._verdict: asyncio.Future[StartError | None] | None = None
        self._answer: Answerer | None = None
        self._forms: Forms = no_forms
        self._tasks: list[asyncio.Task[None]] = []
        self._direct: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"DiscordChat(channel={self.destination})"

    def connection(self) -> Connection:
        return self._connection

    async def start(self, answer: Answerer, forms: Forms = no_forms) -> None:
        self._answer, self._forms = answer, forms
        try:
            await self._rest.client()
        except discord.LoginFailure:
            raise StartError(NEW_TOKEN) from None
        except FAILURES as error:
            log.warning("Discord cannot be reached, still trying", error=type(error).__name__)
        self._verdict = asyncio.get_running_loop().create_future()
        self._tasks = [
            asyncio.create_task(self._keep_connected()),
            asyncio.create_task(self._keep_registered()),
        ]
        await asyncio.wait([self._verdict], timeout=self._patience)
        hopeless = self._verdict.result() if self._verdict.done() else None
        if hopeless is not None:
            await self.close()
            raise hopeless

    async def close(self) -> None:
        tasks, self._tasks = self._tasks, []
        await _cancelled(tasks, 3 * _GOODBYE_SECONDS)
        await self._rest.close()
        self._connection = Connection(up=False, since=self._clock.now(), detail="closed")

    # Sending.

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
            opened = await self._rest.call("POST", "/users/@me/channels", {"recipient_id": channel[1:]})
            with _reading():
                self._direct[channel] = str(opened["id"])
        return self._direct[channel]

    async def edit(self, delivery: str, where: Posted, message: Message) -> None:
        path = "/channels/{channel_id}/messages/{message_id}"

        async def update(payload: Payload) -> None:
            await self._rest.call("PATCH", path, payload, channel_id=where.channel, message_id=where.message)

        await send_best(self.name, _forms(message, delivery), update)

    async def reply(self, delivery: str, where: Posted, message: Message) -> Posted:
        return await self._send(delivery, where.channel, reply_payload(message, delivery, where.message))

    async def _send(self, delivery: str, channel: str, payload: Payload) -> Posted:
        # Sent again with the same nonce within some minutes, it is the same message.
        payload = _checked(payload | {"nonce": delivery, "enforce_nonce": True})
        sent = await self._rest.call("POST", "/channels/{channel_id}/messages", payload, channel_id=channel)
        with _reading():
            return Posted(channel=sent["channel_id"], message=sent["id"])

    async def find(
        self, delivery: str, channel: str, since: datetime, thread: Posted | None = None
    ) -> list[Posted]:
        # Replies stand in the channel itself; the mark tells them apart.
        channel = await self._channel(channel) if thread is None else thread.channel
        me = await self._rest.my_id()
        newest = await self._newest(channel)
        if newest is None:
            return []
        after = str(discord.utils.time_snowflake(min(since, newest - LOOK_BACK)))
        found: list[Posted] = []
        for _ in range(_PAGES):
            page = await self._history(channel, limit=_PAGE, after=after)
            with _reading():
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
        path = "/channels/{channel_id}/messages/{message_id}"
        try:
            await self._rest.call("DELETE", path, channel_id=where.channel, message_id=where.message)
        except SendError as error:
            if error.outcome is not Outcome.GONE:
                raise

    async def _history(self, channel: str, **query: object) -> list[dict[str, Any]]:
        path = "/channels/{channel_id}/messages"
        page: list[dict[str, Any]] = await self._rest.call("GET", path, query=query, channel_id=channel)
        if not isinstance(page, list):
            raise SendError(Outcome.IN_DOUBT, NOT_DISCORD)
        return page

    async def _newest(self, channel: str) -> datetime | None:
        """When the channel's newest message was posted, by Discord's clock; None when there is none."""
        for newest in await self._history(channel, limit=1):
            with _reading():
                return discord.utils.snowflake_time(int(newest["id"]))
        # To a bot without Read Message History, Discord shows an empty channel instead of an error.
        about = await self._rest.call("GET", "/channels/{channel_id}", channel_id=channel)
        with _reading():
            unread = about["last_message_id"] is not None
        if unread:
            raise SendError(Outcome.REFUSED, "the bot may not read the channel: give it Read Message History")
        return None

    # The gateway.

    async def _keep_connected(self) -> None:
        loop = asyncio.get_running_loop()
        pauses = _pauses(self._first_pause)
        while True:
            await self._stand_by()
            began = loop.time()
            await self._listen_in_turn()
            if loop.time() - began > _SETTLED_SECONDS:
                pauses = _pauses(self._first_pause)
            if self._gateway.held:
                await asyncio.sleep(next(pauses))

    async def _stand_by(self) -> None:
        """While another process listens: this one can send all the same."""
        pauses = _pauses(self._first_pause)
        while not self._gateway.held:
            try:
                await self._rest.client()
            except FAILURES as error:
                self._moved(up=False, detail=f"Discord cannot be reached ({type(error).__name__})")
            else:
                self._moved(up=True, detail=STANDING_BY)
            self._judge(None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(next(pauses)):
                    await self._gateway.gained()

    async def _listen_in_turn(self) -> None:
        """One gateway connection, cut off when another process takes over."""
        listening = asyncio.create_task(self._listen_once())
        losing = asyncio.create_task(self._gateway.lost())
        try:
            await asyncio.wait([listening, losing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancelled([listening, losing], _GOODBYE_SECONDS + 0.1)

    async def _listen_once(self) -> None:
        """One gateway connection from beginning to end."""
        client = self._new_client()
        try:
            await client.listen(self._token)
        except Exception as error:  # noqa: BLE001 - a malformed event ends it with whatever the parser stumbled over
            self._ended(error)
        else:
            self._moved(up=False, detail="Discord closed the gateway connection")
        finally:
            await _shut(client)

    def _ended(self, error: Exception) -> None:
        code = error.code if isinstance(error, discord.ConnectionClosed) else None
        hopeless = NEW_TOKEN if isinstance(error, discord.LoginFailure) else _HOPELESS.get(code)
        self._moved(up=False, detail=hopeless or self._explained(error, code))
        self._judge(hopeless)

    def _explained(self, error: Exception, code: int | None) -> str:
        if isinstance(error, SessionLimitError):
            return str(error)
        if code is not None:
            return f"Discord closed the gateway connection (code {code})"
        if isinstance(error, FAILURES) and not isinstance(error, NONSENSE):
            return f"Discord's gateway cannot be reached ({type(error).__name__})"
        detail = f"the connection to Discord broke ({type(error).__name__})"
        if detail != self._connection.detail:
            log.error(detail, exc_info=error)
        return detail

    def _new_client(self) -> BotClient:
        set_up_library(self._api_url)
        return BotClient(self, self._guild_id, identify_pause=self._identify_pause, trace=trace())

    def _judge(self, hopeless: str | None) -> None:
        """What `start` waits for: whether the first connection came up, or may yet."""
        if self._verdict is not None and not self._verdict.done():
            self._verdict.set_result(StartError(hopeless) if hopeless else None)

    def came_up(self) -> None:
        self._moved(up=True, detail=None)
        self._judge(None)

    def went_down(self) -> None:
        if self._connection.up:
            self._moved(up=False, detail="the connection to Discord's gateway was lost")

    def _moved(self, *, up: bool, detail: str | None) -> None:
        before = self._connection
        since = before.since if up is before.up else self._clock.now()
        self._connection = Connection(up=up, since=since, detail=detail)
        if up:
            if before.detail != detail or not before.up:
                log.info(detail or "connected to Discord")
        elif detail != before.detail:
            log.warning("no connection to Discord's gateway", reason=detail)

    async def _keep_registered(self) -> None:
        told = ""
        for pause in _pauses(self._first_pause):
            try:
                client = await self._rest.client()
                if await client.register_commands(self._note, self._set_note):
                    log.info("registered the commands with Discord", guild=self._guild_id)
            except Exception as error:  # noqa: BLE001 - Discord or the database is away: the commands can wait
                if str(error) != told:
                    told = str(error)
                    log.warning("cannot register the commands with Discord, still trying", error=told)
                await asyncio.sleep(pause)
            else:
                return

    # Questions.

    async def asked(
        self, interaction: discord.Interaction, words: tuple[str, ...], text: str | None = None
    ) -> None:
        question = Question(
            words=words,
            platform=self.name,
            user=str(interaction.user.id),
            channel=str(interaction.channel_id or ""),
            text=text,
            name=interaction.user.display_name,
            pressed=_pressed(interaction),
            groups=_roles(interaction),
        )
        form = self._forms(question) if text is None else None
        try:
            # Within 3 s or never; only the asker sees it, for what is published is decided with the answer.
            if form is not None:
                await _open(interaction, form)
                return
            await interaction.response.defer(ephemeral=True, thinking=True)
            await self._respond(interaction, await self._answered(question))
        except (discord.DiscordException, aiohttp.ClientError, OSError, SendError) as error:
            # A repeated or expired interaction ends here, too: Discord refuses its answer.
            log.warning("question_not_answered", chat=self.name, error=str(error))
        except Exception:
            log.exception("question_not_answered", chat=self.name)

    async def _answered(self, question: Question) -> Answer | None:
        """None when it could not be found out."""
        try:
            return await self._answer(question) if self._answer else None
        except Exception:
            # A person waits for an answer: any answer is better than Discord's "did not respond".
            log.exception("a question on Discord has no answer")
            return None

    async def _respond(self, interaction: discord.Interaction, answer: Answer | None) -> None:
        payload = line_payload("Something went wrong. The details are in meterbot's log.")
        charts: Sequence[Chart] = ()
        if answer is not None:
            payload, charts = _checked(answer_payload(answer.message)), answer.message.charts
        if answer is not None and answer.public:
            shared = line_payload("Shared with the channel.")
            await _webhook(interaction, "PATCH", "/messages/@original", shared)
            await _webhook(interaction, "POST", "", payload, charts)
        else:
            await _webhook(interaction, "PATCH", "/messages/@original", payload, charts)


async def _cancelled(tasks: Iterable[asyncio.Task[Any]], patience: float) -> None:
    """Ends them, more than once if need be: discord.py connects in a `wait_for`, which in Python 3.11 loses a
    cancellation that comes at the moment when the connection is made or fails. `patience`: seconds for each time."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=patience)


def _pressed(interaction: discord.Interaction) -> Posted | None:
    message = interaction.message
    return None if message is None else Posted(str(message.channel.id), str(message.id))


def _roles(interaction: discord.Interaction) -> tuple[str, ...]:
    """As Discord sends them along; none in a direct message."""
    user = interaction.user
    # Not its public `roles`: without an intent for it, the library does not know the server's roles by their ids.
    return tuple(map(str, user._roles)) if isinstance(user, discord.Member) else ()  # noqa: SLF001


async def _open(interaction: discord.Interaction, form: Form) -> None:
    path = "/interactions/{interaction_id}/{webhook_token}/callback"
    route = Route("POST", path, interaction_id=interaction.id, webhook_token=interaction.token)
    await interaction.client.http.request(route, json=form_payload(form))


async def _webhook(
    interaction: discord.Interaction,
    method: str,
    path: str,
    payload: Payload,
    charts: Sequence[Chart] = (),
) -> None:
    application, token = str(interaction.application_id), interaction.token
    route = Route(
        method, "/webhooks/{webhook_id}/{webhook_token}" + path, webhook_id=application, webhook_token=token
    )
    png = await draw(charts)
    if png is None:
        await interaction.client.http.request(route, json=payload)
    else:
        await interaction.client.http.request(route, form=with_file(payload, png, summary(charts)))


async def _shut(client: BotClient) -> None:
    """Says goodbye to the gateway, but does not wait for a dead one."""
    try:
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await client.close()
    except TimeoutError:
        log.info("Discord's gateway connection did not close cleanly")
    finally:
        await client.http.close()


def _forms(message: Message, delivery: str) -> tuple[Callable[[], Payload], ...]:
    """How a message can be posted, the richest form first."""
    return (
        lambda: _checked(post_payload(message, delivery)),
        lambda: _checked(text_payload(message, delivery)),
    )


def _checked(payload: Payload) -> Payload:
    if found := problems(payload):
        raise SendError(Outcome.INVALID, f"the message does not fit Discord: {'; '.join(found)}")
    return payload


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """Around the reading of a successful answer: if it makes no sense, nobody knows what was done."""
    try:
        yield
    except NONSENSE as error:
        raise SendError(Outcome.IN_DOUBT, NOT_DISCORD) from error


def _pauses(first: float) -> Iterator[float]:
    pause = first
    while True:
        yield pause * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
        pause = min(pause * 2, _LONGEST_PAUSE)
