"""Discord's gateway connection, made to recover from what discord.py does not. One process at a time has it."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any

import discord

from meterbot.chat import Connection
from meterbot.chat.discord.client import BotClient, Note, SessionLimitError, SetNote
from meterbot.chat.discord.failures import FAILURES, NEW_TOKEN
from meterbot.chat.discord.web_api import DiscordWeb
from meterbot.core.clock import Clock
from meterbot.core.errors import StartError
from meterbot.core.lease import Lease
from meterbot.core.log import get_logger

_LONGEST_PAUSE = 120.0  # Discord allows 1000 identifies a day
_SETTLED_SECONDS = 60.0
_CLOSE_SECONDS = 0.7
STANDING_BY = "another process listens to Discord's gateway, this one only sends"

# Close codes of the gateway that no retry will change.
_HOPELESS: dict[int | None, str] = {
    4004: NEW_TOKEN,
    4014: "Discord refuses the bot's intents, though it asks for none: is DISCORD_TOKEN another bot's?",
}

log = get_logger(__name__)


@dataclass(eq=False, repr=False)
class DiscordGateway:
    """`first_pause`: seconds before the first reconnect, doubled from then on. `lease`: the right to listen."""

    web: DiscordWeb
    new_client: Callable[[], BotClient]
    token: str
    clock: Clock
    _: KW_ONLY
    first_pause: float
    lease: Lease

    def __post_init__(self) -> None:
        self._started: asyncio.Future[StartError | None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.connection = Connection(up=False, detail="not connected yet")

    async def start(self, patience: float, note: Note, set_note: SetNote) -> None:
        """Connects, registers the commands, and keeps trying in the background after `patience` seconds. Raises
        `StartError` when Discord will never accept the connection."""
        self._started = asyncio.get_running_loop().create_future()
        self._tasks = [
            asyncio.create_task(self._keep_connected()),
            asyncio.create_task(self._register(note, set_note)),
        ]
        await asyncio.wait([self._started], timeout=patience)
        if self._started.done() and (hopeless := self._started.result()) is not None:
            raise hopeless

    async def close(self) -> None:
        """Ends within seconds, whatever Discord does."""
        tasks, self._tasks = self._tasks, []
        await _cancelled(tasks, 3 * _CLOSE_SECONDS)
        self.connection = Connection(up=False, since=self.clock.now(), detail="closed")

    async def _keep_connected(self) -> None:
        loop = asyncio.get_running_loop()
        pauses = _pauses(self.first_pause)
        while True:
            await self._stand_by()
            began = loop.time()
            await self._listen_while_leased()
            if loop.time() - began > _SETTLED_SECONDS:
                pauses = _pauses(self.first_pause)
            if self.lease.held:
                await asyncio.sleep(next(pauses))

    async def _stand_by(self) -> None:
        """Waits until this process may listen. Meanwhile it can send."""
        pauses = _pauses(self.first_pause)
        while not self.lease.held:
            try:
                await self.web.client()
            except FAILURES as error:
                self._set(up=False, detail=f"Discord cannot be reached ({type(error).__name__})")
            else:
                self._set(up=True, detail=STANDING_BY)
            self._report_start(None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(next(pauses)):
                    await self.lease.gained()

    async def _listen_while_leased(self) -> None:
        """One gateway connection, closed when another process takes over."""
        listening = asyncio.create_task(self._listen())
        losing = asyncio.create_task(self.lease.lost())
        try:
            await asyncio.wait([listening, losing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancelled([listening, losing], _CLOSE_SECONDS + 0.1)

    async def _listen(self) -> None:
        client = self.new_client()
        try:
            await client.listen(self.token)
        except Exception as error:  # noqa: BLE001 - discord.py parses events: a malformed one raises anything
            self._ended(error)
        else:
            self._set(up=False, detail="Discord closed the gateway connection")
        finally:
            await _close(client)

    def _ended(self, error: Exception) -> None:
        code = error.code if isinstance(error, discord.ConnectionClosed) else None
        hopeless = NEW_TOKEN if isinstance(error, discord.LoginFailure) else _HOPELESS.get(code)
        self._set(up=False, detail=hopeless or self._explained(error, code))
        self._report_start(hopeless)

    def _explained(self, error: Exception, code: int | None) -> str:
        if isinstance(error, SessionLimitError):
            return str(error)
        if code is not None:
            return f"Discord closed the gateway connection (code {code})"
        if isinstance(error, FAILURES):
            return f"Discord's gateway cannot be reached ({type(error).__name__})"
        detail = f"the connection to Discord broke ({type(error).__name__})"
        if detail != self.connection.detail:
            log.error(detail, chat="discord", exc_info=error)
        return detail

    def _report_start(self, hopeless: str | None) -> None:
        """Lets `start` return, or raise."""
        if self._started is not None and not self._started.done():
            self._started.set_result(StartError(hopeless) if hopeless else None)

    def moved(self, up: bool) -> None:  # noqa: FBT001 - a callback
        """A client's connection came up or went down."""
        if up:
            self._set(up=True, detail=None)
            self._report_start(None)
        elif self.connection.up:
            self._set(up=False, detail="the connection to Discord's gateway was lost")

    def _set(self, *, up: bool, detail: str | None) -> None:
        before = self.connection
        since = before.since if up is before.up else self.clock.now()
        self.connection = Connection(up=up, since=since, detail=detail)
        if up and (before.detail != detail or not before.up):
            log.info(detail or "connected", chat="discord")
        elif not up and detail != before.detail:
            log.warning("not connected", chat="discord", reason=detail)

    async def _register(self, note: Note, set_note: SetNote) -> None:
        """Registers the commands, and retries until that works."""
        logged = ""
        for pause in _pauses(self.first_pause):
            try:
                client = await self.web.client()
                if await client.register_commands(note, set_note):
                    log.info("registered the commands", chat="discord", guild=client.guild_id)
            except Exception as error:  # noqa: BLE001 - Discord or the database is away: the commands can wait
                if str(error) != logged:
                    logged = str(error)
                    log.warning("cannot register the commands, still trying", chat="discord", error=logged)
                await asyncio.sleep(pause)
            else:
                return


async def _cancelled(tasks: Iterable[asyncio.Task[Any]], patience: float) -> None:
    """Cancels the tasks, again after `patience` seconds: discord.py connects in a `wait_for`, which in Python 3.11
    loses a cancellation that comes when the connection is just made or fails."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=patience)


async def _close(client: BotClient) -> None:
    """Closes the connection, but does not wait for a dead one."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await client.close()
    except TimeoutError:
        log.info("the connection did not close cleanly", chat="discord")
    finally:
        await client.http.close()


def _pauses(first: float) -> Iterator[float]:
    pause = first
    while True:
        yield pause * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
        pause = min(pause * 2, _LONGEST_PAUSE)
