"""Slack's Socket Mode connection, which also recovers where the library's client does not."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient

from meterbot.core.errors import SendError
from meterbot.core.hosts import proxy_for

_CLOSE_SECONDS = 1.0
_HANDSHAKE_SECONDS = 30.0
_MISSED_PINGS = 3
_QUERY = re.compile(r"\?[^\s'\")]+")


class QuietLog(logging.Filter):
    """For the libraries' log: removes tickets from URLs, tracebacks, and repeated lines."""

    def __init__(self) -> None:
        super().__init__()
        self._last = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _QUERY.sub("?…", record.getMessage()), ()
        record.exc_info = record.exc_text = record.stack_info = None
        repeated = record.msg == self._last
        self._last = record.msg
        return not repeated


class SlackSocket(SocketModeClient):
    """`new_url` asks Slack for a one-use address; `heard` is called at every hello. `trouble` says why there is no
    address; None if all is well."""

    def __init__(
        self,
        *,
        new_url: Callable[[], Awaitable[str]],
        heard: Callable[[], object],
        ping_interval: float,
        logger: logging.Logger,
    ) -> None:
        super().__init__(app_token="", logger=logger, ping_interval=ping_interval)
        self.trouble: str | None = None
        self._new_url = new_url
        self._heard = heard
        self._greeted: aiohttp.ClientWebSocketResponse | None = None
        self._greeted_at = 0.0
        self.message_listeners.append(self._listen_for_hello)

    async def open(self, url: str | None) -> None:
        """Connects, to `url` if it is still fresh; returns when a socket is open, which may take as long as an
        outage."""
        await self.aiohttp_client_session.close()
        self.aiohttp_client_session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_HANDSHAKE_SECONDS)
        )
        self.wss_uri = url
        self.proxy = None if url is None else proxy_for(url)
        await self.connect()  # type: ignore[no-untyped-call]

    async def issue_new_wss_url(self) -> str:
        """The library's own method gives up after one failure while an old socket is still open."""
        while True:
            try:
                url = await self._new_url()
            except SendError as failure:
                self.trouble = failure.reason
                await asyncio.sleep(max(self.ping_interval, failure.retry_after or 0))
            else:
                self.trouble = None
                self.proxy = proxy_for(url)
                return url

    def alive(self) -> bool:
        """Slack has greeted this socket and answered one of the last pings: an open socket alone proves nothing."""
        socket = self.current_session
        if socket is None or socket.closed or socket is not self._greeted:
            return False
        last_word = max(self._greeted_at, self.last_ping_pong_time or 0)
        return time.time() - last_word < _MISSED_PINGS * self.ping_interval

    def drop_stale_url(self) -> None:
        """After a failed handshake the library's `connect` would try the same one-use address for ever."""
        if self.current_session is None or self.current_session.closed:
            self.wss_uri = None

    async def close(self) -> None:
        """Ends within a second, whatever the other side does."""
        tasks = [self.message_processor, self.current_session_monitor, self.message_receiver]
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await super().close()  # type: ignore[no-untyped-call]
        except TimeoutError:
            # The server did not answer our close frame.
            await self.aiohttp_client_session.close()
        pending = [task for task in tasks if task is not None]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def _listen_for_hello(
        self, _client: AsyncBaseSocketModeClient, message: dict[str, Any], _raw: str | None
    ) -> None:
        if message.get("type") == "hello":
            self._greeted, self._greeted_at = self.current_session, time.time()
            self._heard()
