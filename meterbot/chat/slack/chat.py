"""Slack: alerts as Block Kit messages, `/claude-spend` and buttons over Socket Mode or signed HTTP."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from aiohttp import web

from meterbot.chat import LOOK_BACK, Answerer, Connection, Forms, no_forms, send_best
from meterbot.chat.slack.connection import QuietLog, SlackSocket
from meterbot.chat.slack.groups import SlackGroups
from meterbot.chat.slack.listen import SlackListener
from meterbot.chat.slack.manifest import lacking
from meterbot.chat.slack.render import Payload, forms_of, render_line
from meterbot.chat.slack.web_api import ROTATION, SlackWeb, rotates
from meterbot.core.errors import LOOKUP_EXHAUSTED, Outcome, SendError, StartError
from meterbot.core.log import get_logger
from meterbot.core.messages import Message, Posted

log = get_logger(__name__)
_library_log = logging.getLogger(f"{__name__}.library")
_library_log.setLevel(logging.ERROR)  # its lower levels log bodies, with response_urls in them
_library_log.addFilter(QuietLog())

_METADATA = "meterbot_delivery"
_PAGE = 200
_PAGES = 20
_FEW = 15  # if only one is requested, Slack may return none
_CLOCKS_APART = timedelta(minutes=5)
_GREETING_SECONDS = 10.0
_LONGEST_PAUSE = 60.0
_FAREWELL_SECONDS = 0.5


@dataclass(eq=False, repr=False, kw_only=True)
class SlackChat:
    """The bot in one workspace. `channel` is a channel's id; `ping_interval` and `timeout` are in seconds; `groups` are
    the user groups whose members the commands need to know; people of the workspaces `allow_teams` may use the bot in
    shared channels, too."""

    name = "slack"
    pause = 1.0
    """Slack takes about one message a second in a channel."""

    bot_token: str
    channel: str
    app_token: str | None = None
    signing_secret: str | None = None
    mode: Literal["socket", "http"] = "socket"
    api_url: str = "https://slack.com/api/"
    ping_interval: float = 10.0
    timeout: float = 15.0
    groups: Sequence[str] = ()
    allow_teams: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.destination = self.channel
        self._web = SlackWeb(self.bot_token, self.api_url, self.timeout, _library_log)
        self._bot: Mapping[str, Any] | None = None
        self._listener: SlackListener | None = None
        self._socket: SlackSocket | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._running = False
        self._connected = asyncio.Event()
        self._connection = Connection(up=False, detail="not started")
        self._trouble: str | None = None
        self._direct: dict[str, str] = {}
        self._groups = SlackGroups(self._web, self.groups)

    # --- Connecting

    async def start(self, answer: Answerer, forms: Forms = no_forms) -> None:
        """Returns when Slack has greeted us, or at once when it cannot be reached; then it keeps trying."""
        if rotates(self.bot_token):
            raise StartError(ROTATION)
        self._listener = SlackListener(
            answer,
            forms,
            self._web,
            self.signing_secret,
            _library_log,
            groups_of=self._groups.of,
            teams=self._teams,
        )
        self._running = True
        try:
            url = await self._sign_in()
        except StartError:
            await self.close()
            raise
        except SendError as outage:
            log.warning("not connected", chat="slack", reason=outage.reason)
            self._trouble = outage.reason
            keeping = self._sign_in_later(self._listener, outage)
        else:
            await self._groups.refresh()
            keeping = self._stay_connected(self._listener, url)
        self._tasks = [asyncio.create_task(keeping), asyncio.create_task(self._groups.keep())]
        if self._trouble is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._connected.wait(), _GREETING_SECONDS)

    async def close(self) -> None:
        self._running = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listener is not None:
            await self._listener.finish(_FAREWELL_SECONDS)
        if self._socket is not None:
            await self._socket.close()
        await self._web.close()
        self._connection = Connection(up=False, since=datetime.now(UTC), detail="closed")

    def connection(self) -> Connection:
        return self._observe() if self._running else self._connection

    def _teams(self) -> frozenset[str]:
        own = (self._bot or {}).get("team_id")
        return frozenset({*self.allow_teams, own}) if isinstance(own, str) else frozenset()

    def routes(self) -> list[web.RouteDef]:
        """The routes that Slack calls in HTTP mode."""
        return [web.post("/slack/events", self._receive)] if self.mode == "http" else []

    async def _sign_in(self) -> str | None:
        """Who the bot is, and the address of a socket in Socket Mode. `StartError` when a token is refused."""
        try:
            bot, headers = await self._web.exchange("auth.test")
        except SendError as failure:
            raise self._fatal(failure, "SLACK_BOT_TOKEN (xoxb-…)") from None
        self._bot = bot
        _check_scopes(headers.get("x-oauth-scopes"))
        if self.mode == "http":
            return None
        try:
            return await self._socket_url()
        except SendError as failure:
            raise self._fatal(failure, "SLACK_APP_TOKEN (xapp-…)") from None

    @staticmethod
    def _fatal(failure: SendError, setting: str) -> SendError | StartError:
        if failure.outcome is not Outcome.REFUSED:
            return failure
        return StartError(f"Slack rejects {setting}: {failure.reason}")

    async def _socket_url(self) -> str:
        opened = await self._web.call("apps.connections.open", params={"token": self.app_token})
        url = opened.get("url")
        if not isinstance(url, str):
            raise SendError(Outcome.IN_DOUBT, "Slack gave no address for a socket")
        return url

    async def _sign_in_later(self, listener: SlackListener, failure: SendError | StartError) -> None:
        """A token that is refused now may be accepted again: an app can be disabled and enabled."""
        pause = self.ping_interval
        while True:
            self._trouble = str(failure)
            asked = failure.retry_after if isinstance(failure, SendError) else None
            await asyncio.sleep(max(pause, asked or 0))
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                url = await self._sign_in()
            except (SendError, StartError) as again:
                failure = again
            else:
                break
        self._trouble = None
        await self._stay_connected(listener, url)

    async def _stay_connected(self, listener: SlackListener, url: str | None) -> None:
        """Keeps Socket Mode connected until it is cancelled, starting with the socket at `url`."""
        if url is None:
            self._observe()
            return
        self._socket = socket = SlackSocket(
            new_url=self._socket_url,
            heard=self._observe,
            ping_interval=self.ping_interval,
            logger=_library_log,
        )
        socket.socket_mode_request_listeners.append(listener.on_envelope)
        opening = asyncio.create_task(socket.open(url))
        try:
            while True:
                await asyncio.sleep(self.ping_interval)
                if not self._observe().up:
                    socket.drop_stale_url()
        finally:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)

    def _observe(self) -> Connection:
        """The connection as it is now; a change is logged once."""
        up = self._is_up()
        trouble = self._trouble or (self._socket.trouble if self._socket else None)
        detail = None if up else trouble or "no word from Slack"
        if up != self._connection.up:
            self._connection = Connection(up, datetime.now(UTC), detail)
            if up:
                self._connected.set()
                log.info("connected", chat="slack")
            else:
                log.warning("not connected", chat="slack", reason=detail)
        elif detail != self._connection.detail:
            self._connection = Connection(up, self._connection.since, detail)
        return self._connection

    def _is_up(self) -> bool:
        if self._trouble is not None:
            return False
        return self.mode == "http" or (self._socket is not None and self._socket.alive())

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        if self._listener is None:
            return web.Response(status=503, text="starting")
        return await self._listener.on_request(request)

    # --- Posting

    async def post(self, delivery: str, channel: str, message: Message) -> Posted:
        place = {"channel": await self._channel(channel)}
        return await send_best(
            self.name, forms_of(message), lambda form: self._post(delivery, {**place, **form})
        )

    async def _channel(self, channel: str) -> str:
        """The channel's id; that of a direct message is asked for."""
        if not channel.startswith("@"):
            return channel
        if channel not in self._direct:
            opened = await self._web.call("conversations.open", json={"users": channel[1:]})
            id_ = (opened.get("channel") or {}).get("id")
            if not isinstance(id_, str):
                raise SendError(Outcome.NOT_SENT, "Slack did not say where the direct message is")
            self._direct[channel] = id_
        return self._direct[channel]

    async def reply(self, delivery: str, where: Posted, message: Message) -> Posted:
        line = render_line(message)
        place = {"channel": where.channel, "thread_ts": where.message, "reply_broadcast": message.loud}
        forms = (lambda: line, lambda: {"text": line["text"]})
        return await send_best(self.name, forms, lambda form: self._post(delivery, {**place, **form}))

    async def _post(self, delivery: str, payload: Payload) -> Posted:
        posted = await self._web.call(
            "chat.postMessage",
            json={
                **payload,
                "unfurl_links": False,
                "unfurl_media": False,
                "metadata": {"event_type": _METADATA, "event_payload": {"delivery": delivery}},
            },
        )
        channel, ts = posted.get("channel"), posted.get("ts")
        if not isinstance(channel, str) or not isinstance(ts, str):
            raise SendError(Outcome.IN_DOUBT, "Slack accepted the message but did not say where it is")
        return Posted(channel, ts)

    async def edit(self, delivery: str, where: Posted, message: Message) -> None:  # noqa: ARG002 - the contract
        # Without `blocks` Slack would keep the old ones beside the new text.
        place = {"channel": where.channel, "ts": where.message, "blocks": []}
        await send_best(
            self.name, forms_of(message), lambda form: self._web.call("chat.update", json={**place, **form})
        )

    async def find(
        self, delivery: str, channel: str, since: datetime, thread: Posted | None = None
    ) -> list[Posted]:
        if self._bot is None:
            self._bot = await self._web.call("auth.test")
        channel = await self._channel(channel) if thread is None else thread.channel
        newest = await self._newest(channel)
        if newest is not None:
            since = min(since, newest - LOOK_BACK)
        found: list[Posted] = []
        where = {"channel": channel} if thread is None else {"channel": channel, "ts": thread.message}
        method = "conversations.history" if thread is None else "conversations.replies"
        cursor = ""
        for _ in range(_PAGES):
            page = await self._page(method, {**where, **_from(since), "cursor": cursor})
            found += [
                Posted(channel, str(candidate["ts"]))
                for candidate in page.get("messages") or []
                if self._is_ours(candidate) and _delivery_of(candidate) == delivery
            ]
            cursor = _next_cursor(page)
            if not cursor:
                return sorted(found, key=lambda each: float(each.message))
        raise SendError(
            Outcome.IN_DOUBT,
            f"more than {_PAGES * _PAGE} messages since: not all of them were read",
            code=LOOKUP_EXHAUSTED,
        )

    async def _newest(self, channel: str) -> datetime | None:
        """When the channel's newest message was posted, by Slack's clock; None when there is none."""
        page = await self._page("conversations.history", {"channel": channel, "limit": str(_FEW)})
        for newest in page.get("messages") or []:
            return datetime.fromtimestamp(float(newest["ts"]), UTC)
        if _next_cursor(page):
            raise SendError(Outcome.IN_DOUBT, "Slack does not show the channel's newest messages")
        return None

    async def delete(self, where: Posted) -> None:
        try:
            await self._web.call("chat.delete", json={"channel": where.channel, "ts": where.message})
        except SendError as failure:
            if failure.outcome is not Outcome.GONE:
                raise

    async def _page(self, method: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            return await self._web.call(method, http_verb="GET", params=dict(params))
        except SendError as failure:
            if failure.outcome is not Outcome.REFUSED:
                raise
            reason = f"cannot look up whether a message arrived: {failure.reason}"
        raise SendError(Outcome.REFUSED, reason)

    def _is_ours(self, message: Mapping[str, Any]) -> bool:
        bot = self._bot or {}
        return any(bot.get(key) and message.get(name) == bot[key] for key, name in _SIGNATURES)


_SIGNATURES = (("bot_id", "bot_id"), ("user_id", "user"))


def _check_scopes(granted: str | None) -> None:
    if granted is None:
        return
    for scope in lacking(granted):
        names = " and ".join(scope.names)
        if scope.vital:
            raise StartError(f"the Slack app lacks the bot scope {names}: add it and reinstall the app")
        log.warning("the Slack app lacks a scope", chat="slack", scope=names, lost=scope.lost)


def _from(since: datetime) -> dict[str, str]:
    return {
        "oldest": f"{(since - _CLOCKS_APART).timestamp():.6f}",
        "limit": str(_PAGE),
        "include_all_metadata": "true",
    }


def _next_cursor(page: Mapping[str, Any]) -> str:
    return str((page.get("response_metadata") or {}).get("next_cursor") or "")


def _delivery_of(message: Mapping[str, Any]) -> object:
    metadata = message.get("metadata") or {}
    if metadata.get("event_type") != _METADATA:
        return None
    return (metadata.get("event_payload") or {}).get("delivery")
