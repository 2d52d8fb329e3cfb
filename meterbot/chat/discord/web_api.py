"""Requests to Discord's REST API, and what is known if one fails."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from json import dumps
from types import SimpleNamespace
from typing import Any

import aiohttp
import discord
from discord.http import Route

from meterbot.chat.discord.client import BotClient
from meterbot.chat.discord.failures import FAILURES, judge, parsing
from meterbot.core.errors import Outcome, SendError


@dataclass(slots=True)
class _Tries:
    """The HTTP requests of one call: discord.py may make several."""

    unanswered: int = 0
    """How many were sent without an answer that proves that nothing was done (a 4xx)."""
    retry_after: float | None = None


_tries: ContextVar[_Tries | None] = ContextVar("tries", default=None)


def trace() -> aiohttp.TraceConfig:
    """Counts the request for its call."""
    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(_left)
    config.on_request_end.append(_answered)
    return config


async def _left(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, _sent: aiohttp.TraceRequestHeadersSentParams
) -> None:
    if tries := _tries.get():
        tries.unanswered += 1


async def _answered(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, end: aiohttp.TraceRequestEndParams
) -> None:
    tries = _tries.get()
    if tries is None or not 400 <= end.response.status < 500:
        return
    tries.unanswered -= 1
    tries.retry_after = _retry_after(end.response)
    await _refuse_global_limit(end.response)


async def _refuse_global_limit(response: aiohttp.ClientResponse) -> None:
    """Raises `discord.RateLimited` before discord.py sees a global rate limit: it would block all calls of the client
    until this call has waited, which means for ever if this call is given up or cancelled."""
    if response.status != 429 or response.content_type != "application/json":
        return
    about = await response.json()
    if isinstance(about, dict) and about.get("global"):
        raise discord.RateLimited(float(about["retry_after"]))


class DiscordWeb:
    """A login for sending, without a gateway, so that messages are sent while the gateway is down. `patience`:
    seconds after which a call is given up."""

    def __init__(self, token: str, new_client: Callable[[], BotClient], patience: float) -> None:
        self._token = token
        self._new_client = new_client
        self._patience = patience
        self._client: BotClient | None = None
        self._logging_in = asyncio.Lock()

    async def client(self) -> BotClient:
        """The logged-in client. Raises `FAILURES`; then nothing was sent."""
        async with self._logging_in:
            if self._client is None:
                client = self._new_client()
                try:
                    async with asyncio.timeout(self._patience):
                        with parsing():
                            await client.login(self._token)
                except BaseException:
                    await client.close()
                    raise
                self._client = client
            return self._client

    async def my_id(self) -> str:
        """The bot's own id. Raises `SendError`."""
        user = (await self._logged_in()).user
        return str(user.id) if user else ""

    async def call(self, method: str, path: str, json: Any = None, query: Any = None, **ids: str) -> Any:
        """The answer's JSON. Raises `SendError`; TypeError for a payload that is no JSON."""
        tries = _Tries()
        body = {} if json is None else {"json": json}
        dumps(json)  # discord.py encodes it, too, but within `parsing`
        client = await self._logged_in()
        route = Route(method, path, **ids)  # only now: the client sets the address that it starts with
        _tries.set(tries)
        try:
            async with asyncio.timeout(self._patience):
                with parsing():
                    return await client.http.request(route, params=query, **body)
        except FAILURES as error:
            raise _send_error(error, tries) from error
        finally:
            _tries.set(None)

    async def _logged_in(self) -> BotClient:
        """The client for a call. Raises `SendError`; then nothing was sent."""
        tries = _Tries()
        _tries.set(tries)
        try:
            return await self.client()
        except FAILURES as error:
            tries.unanswered = 0  # a login posts nothing
            raise _send_error(error, tries) from error
        finally:
            _tries.set(None)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def _send_error(error: BaseException, tries: _Tries) -> SendError:
    outcome, reason = judge(error)
    if tries.unanswered:
        # An earlier attempt may have arrived, whatever happened to the last one.
        outcome = Outcome.IN_DOUBT
    retry_after = tries.retry_after
    if isinstance(error, discord.RateLimited):
        retry_after = error.retry_after
    return SendError(outcome, reason, retry_after if outcome is not Outcome.REFUSED else None)


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    try:
        seconds = float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return None
    return seconds if 0 <= seconds < float("inf") else None
