"""Checks whether the bot can work on a Discord server: calls Discord, opens one WebSocket, posts nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar

import aiohttp
import discord
from discord.http import Route

from meterbot.chat.discord.client import PERMISSIONS, invite_url, set_up_library
from meterbot.chat.discord.failures import FAILURES, NEW_TOKEN, parsing, reason_of
from meterbot.core.clock import ahead
from meterbot.core.findings import Check, Status
from meterbot.core.hosts import proxy_for

_SECONDS = 10.0
_NETWORK = "check this machine's network and endpoints.discord_api, then try again"
_UNKNOWN_CHANNEL = 10003
_UNPOSTABLE = {2: "voice channel", 4: "category", 13: "stage channel", 15: "forum", 16: "media channel"}
_THREADS = {10, 11, 12}
_HELLO = 10

Answer = TypeVar("Answer")


class DiscordCheck(AbstractAsyncContextManager["DiscordCheck"]):
    """One check. `ahead`: how far Discord's clock is ahead of `now`, once Discord has answered; `guild_id`: the
    channel's server."""

    def __init__(
        self, token: str, api_url: str, *, now: Callable[[], datetime], seconds: float = _SECONDS
    ) -> None:
        self._token = token
        self._seconds = seconds
        self.ahead: timedelta | None = None
        self._now = now
        self.guild_id: int | None = None
        set_up_library(api_url)
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self._answered)
        self._client = discord.Client(
            intents=discord.Intents.none(),
            max_ratelimit_timeout=30.0,
            http_trace=trace,
            proxy=proxy_for(api_url),
        )

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    @property
    def application_id(self) -> int | None:
        """Once the token was accepted."""
        return self._client.application_id

    async def bot(self) -> Check:
        """Whether the bot's token is accepted."""
        try:
            await self._in_time(self._client.login(self._token))
        except discord.LoginFailure:
            return Check("discord_token", Status.FAIL, "Discord rejects the bot's token", NEW_TOKEN)
        except FAILURES as error:
            sentence = f"the bot's token could not be checked: {reason_of(error)}"
            return Check("discord_token", Status.FAIL, sentence, _NETWORK)
        return Check("discord_token", Status.OK, f"Discord knows the bot ({self._client.user})")

    async def channel(self, channel_id: int, guild_id: int | None) -> list[Check]:
        """Whether the bot is on the server, sees the channel, and has its permissions there. After `bot`."""
        try:
            about = await self._in_time(self._client.http.get_channel(channel_id))
        except FAILURES as error:
            return [self._unseen(channel_id, error)]
        if kind := _UNPOSTABLE.get(about["type"]):
            sentence = f"{channel_id} is a {kind}: alerts cannot be posted there"
            remedy = "set [discord] channel_id to a text channel, or to one thread of the forum"
            return [Check("discord_channel", Status.FAIL, sentence, remedy)]
        # Discord has no permissions for a thread itself: its parent's count.
        thread = about["type"] in _THREADS
        judged_by = int(str(about.get("parent_id") or channel_id)) if thread else channel_id
        found = [Check("discord_channel", Status.OK, f"the bot sees the channel {channel_id}")]
        at: Any = about.get("guild_id")
        if at is None:
            return found  # a direct message: nobody else's permissions there
        self.guild_id = int(at)
        if guild_id not in {None, self.guild_id}:
            sentence = f"the channel is on the server {at}, and guild_id names {guild_id}: /claude-spend is offered there"
            found.append(
                Check("discord_guild", Status.WARN, sentence, f"set guild_id = {at} under [discord]")
            )
        try:
            return found + await self._on_server(judged_by, thread=thread)
        except FAILURES as error:
            sentence = f"the server {at} could not be checked: {reason_of(error)}"
            return [*found, Check("discord_guild", Status.FAIL, sentence, self._invitation())]

    async def _on_server(self, channel_id: int, *, thread: bool) -> list[Check]:
        assert self.guild_id is not None  # noqa: S101 - the caller knows the server
        assert self._client.user is not None  # noqa: S101 - logged in
        guild = await self._in_time(self._client.fetch_guild(self.guild_id, with_counts=False))
        me = await self._in_time(guild.fetch_member(self._client.user.id))
        channel = await self._in_time(guild.fetch_channel(channel_id))
        held = channel.permissions_for(me)
        found = [Check("discord_guild", Status.OK, f"the bot is on the server {guild.name}")]
        wanted = dict(PERMISSIONS)
        if thread:
            del wanted["send_messages"]
            wanted["send_messages_in_threads"] = ("Send Messages in Threads", "nothing can be posted")
        lacking = [lost for name, lost in wanted.items() if not getattr(held, name)]
        vital = {lost for name, lost in wanted.items() if name.startswith(("view_channel", "send_messages"))}
        found += [
            Check(
                "discord_permissions",
                Status.FAIL if (permission, lost) in vital else Status.WARN,
                f"without {permission} {lost}",
                f"give the bot {permission} in the channel's settings",
            )
            for permission, lost in lacking
        ]
        if not lacking:
            found.append(
                Check("discord_permissions", Status.OK, "the bot has every permission it needs there")
            )
        return [*found, await self._command()]

    async def _command(self) -> Check:
        """Whether the command can be offered on the server; the invitation must have allowed that."""
        try:
            await self._in_time(
                self._client.http.get_guild_commands(self._client.application_id or 0, self.guild_id or 0)
            )
        except discord.Forbidden:
            sentence = "the bot may not offer /claude-spend on the server"
            return Check("discord_command", Status.WARN, sentence, self._invitation())
        return Check("discord_command", Status.OK, "the bot may offer /claude-spend on the server")

    async def gateway(self) -> Check:
        """Whether a WebSocket to Discord's gateway can be opened; starts no session. After `bot`."""
        try:
            about = await self._in_time(self._client.http.request(Route("GET", "/gateway/bot")))
            with parsing():
                url, left = about["url"], about["session_start_limit"]["remaining"]
            await self._in_time(self._greet(f"{url}?v=10&encoding=json"))
        except FAILURES as error:
            sentence = f"no WebSocket to Discord's gateway can be opened ({type(error).__name__})"
            remedy = "let wss://gateway.discord.gg through the proxy or firewall"
            return Check("discord_gateway", Status.FAIL, sentence, remedy)
        return Check("discord_gateway", Status.OK, f"the gateway answers; {left} sessions are left today")

    async def _greet(self, url: str) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, proxy=proxy_for(url)) as socket,
        ):
            if (await socket.receive_json())["op"] != _HELLO:
                raise ValueError("no greeting")

    def _unseen(self, channel_id: int, error: BaseException) -> Check:
        if isinstance(error, discord.NotFound) and error.code == _UNKNOWN_CHANNEL:
            remedy = "copy the channel's id again (Developer Mode, then Copy ID) into [discord] channel_id"
            return Check("discord_channel", Status.FAIL, f"Discord knows no channel {channel_id}", remedy)
        if isinstance(error, discord.Forbidden):
            sentence = f"the bot cannot see the channel {channel_id}"
            remedy = f"{self._invitation()}; if the channel is private, add the bot to it"
            return Check("discord_channel", Status.FAIL, sentence, remedy)
        sentence = f"the channel {channel_id} could not be checked: {reason_of(error)}"
        return Check("discord_channel", Status.FAIL, sentence, _NETWORK)

    def _invitation(self) -> str:
        return f"invite the bot: {invite_url(self.application_id or 0, self.guild_id)}"

    async def _in_time(self, asked: Awaitable[Answer]) -> Answer:
        async with asyncio.timeout(self._seconds):
            with parsing():
                return await asked

    async def _answered(
        self, _session: aiohttp.ClientSession, _context: SimpleNamespace, end: aiohttp.TraceRequestEndParams
    ) -> None:
        self.ahead = ahead(end.response.headers.get("Date"), self._now())
