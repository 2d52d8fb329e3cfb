"""Checks whether the bot can work in a Slack workspace: calls Slack, opens one WebSocket, posts nothing."""

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

import aiohttp

from meterbot.chat.slack.manifest import lacking
from meterbot.chat.slack.web_api import REMEDIES, ROTATION, SlackWeb, rotates
from meterbot.core.clock import ahead
from meterbot.core.errors import Outcome, SendError
from meterbot.core.findings import Check, Status
from meterbot.core.hosts import proxy_for

_log = logging.getLogger(__name__)
_log.setLevel(logging.ERROR)  # the library's lower levels log bodies
_SECONDS = 10.0
_BOT_PAGE = "copy the Bot User OAuth Token (xoxb-…) from the app's page Install App"
_APP_PAGE = "generate an app-level token (xapp-…) with the scope connections:write on the app's page Basic Information"


class SlackCheck(AbstractAsyncContextManager["SlackCheck"]):
    """One check. `ahead`: how far Slack's clock is ahead of `now`, once Slack has answered; `team`: the workspace's
    name."""

    def __init__(
        self, bot_token: str, api_url: str, *, now: Callable[[], datetime], seconds: float = _SECONDS
    ) -> None:
        self._token = bot_token
        self._seconds = seconds
        self._web = SlackWeb(bot_token, api_url, seconds, _log)
        self.ahead: timedelta | None = None
        self._now = now
        self.team: str | None = None

    async def __aexit__(self, *_: object) -> None:
        await self._web.close()

    async def bot(self, *, direct_messages: bool = False) -> list[Check]:
        """Whether the bot's token is accepted, and which scopes the app lacks. `direct_messages`: a route needs
        them."""
        if rotates(self._token):
            return [Check("slack_token", Status.FAIL, ROTATION, _BOT_PAGE)]
        try:
            answer, headers = await self._web.exchange("auth.test")
        except SendError as failure:
            return [_failed("slack_token", "the bot token", failure, _BOT_PAGE)]
        self.ahead = ahead(headers.get("Date"), self._now())
        team, user = answer.get("team"), answer.get("user_id")
        self.team = team if isinstance(team, str) else None
        found = [
            Check("slack_token", Status.OK, f"Slack knows the bot ({self.team or 'a workspace'}, {user})")
        ]
        granted = headers.get("x-oauth-scopes")
        return found if granted is None else found + _scopes(granted, direct_messages=direct_messages)

    async def app(self, token: str) -> Check:
        """Whether Socket Mode accepts the app-level token, and whether a WebSocket can be opened from here."""
        try:
            answer = await self._web.call("apps.connections.open", params={"token": token})
        except SendError as failure:
            return _failed("slack_socket", "the app-level token", failure, _APP_PAGE)
        try:
            await self._greet(str(answer.get("url")))
        except (aiohttp.ClientError, TypeError, OSError, ValueError) as error:
            return Check(
                "slack_socket",
                Status.FAIL,
                f"Slack accepts the app-level token, but no WebSocket can be opened ({type(error).__name__})",
                "let wss://*.slack.com through the proxy or firewall, or use HTTP mode",
            )
        return Check(
            "slack_socket", Status.OK, "Socket Mode accepts the app-level token and opens a WebSocket"
        )

    async def _greet(self, url: str) -> None:
        """Waits for Slack's first message on a socket of its own, then closes it."""
        timeout = aiohttp.ClientTimeout(total=self._seconds)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.ws_connect(url, proxy=proxy_for(url)) as socket,
        ):
            await socket.receive_json(timeout=self._seconds)

    async def channel(self, channel: str) -> Check:
        """Whether the bot is in the channel and may read it, as far as its scopes allow to check that."""
        try:
            await self._web.call(
                "conversations.history", http_verb="GET", params={"channel": channel, "limit": "1"}
            )
        except SendError as failure:
            if failure.code == "missing_scope":
                sentence = f"cannot tell whether the bot is in {channel}: it lacks the scope to read there"
                remedy = "add channels:history (public channel) or groups:history (private one) and reinstall the app"
                return Check("slack_channel", Status.WARN, sentence, remedy)
            return _failed("slack_channel", f"the channel {channel}", failure, "check [slack] channel")
        return Check("slack_channel", Status.OK, f"the bot is in {channel} and may read it")


def _scopes(granted: str, *, direct_messages: bool) -> list[Check]:
    found = [
        Check(
            "slack_scopes",
            Status.FAIL if scope.vital else Status.WARN,
            f"without {' or '.join(scope.names)} {scope.lost}",
            "add the scope under OAuth & Permissions and reinstall the app",
        )
        for scope in lacking(granted, direct_messages=direct_messages)
    ]
    return found or [Check("slack_scopes", Status.OK, "the app has every scope that the manifest asks for")]


def _failed(id_: str, what: str, failure: SendError, page: str) -> Check:
    """A refusal is reported with what to do; an outage says nothing about what was checked."""
    if failure.outcome is Outcome.REFUSED:
        sentence = f"Slack rejects {what}: {failure.code or failure.reason}"
        return Check(id_, Status.FAIL, sentence, REMEDIES.get(failure.code or "", page))
    sentence = f"{what} could not be checked: {failure.reason}"
    return Check(
        id_, Status.FAIL, sentence, "check this machine's network and endpoints.slack_api, then try again"
    )
