"""Whether the bot can do its work in a Slack workspace: asked of Slack, with nothing posted and no socket opened."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from meterbot.chat.slack.manifest import lacking
from meterbot.chat.slack.web_api import REMEDIES, SlackWeb
from meterbot.core.clock import ahead
from meterbot.core.errors import Outcome, SendError
from meterbot.core.findings import Check, Status

_log = logging.getLogger(__name__)
_log.setLevel(logging.ERROR)  # the library's lower levels log bodies
_SECONDS = 10.0
_BOT_PAGE = "copy the Bot User OAuth Token (xoxb-…) from the app's page Install App"
_APP_PAGE = "generate an app-level token (xapp-…) with the scope connections:write on the app's page Basic Information"


class SlackCheck:
    """One look. `ahead`: by how much Slack's clock is ahead of `now`, once Slack has answered; `team`: the workspace's name."""

    def __init__(
        self, bot_token: str, api_url: str, *, now: Callable[[], datetime], seconds: float = _SECONDS
    ) -> None:
        self._web = SlackWeb(bot_token, api_url, seconds, _log)
        self.ahead: timedelta | None = None
        self._now = now
        self.team: str | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._web.close()

    async def bot(self) -> list[Check]:
        """Whether the bot's token is accepted, and what the app may do."""
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
        return found if granted is None else found + _scopes(granted)

    async def app(self, token: str) -> Check:
        """Whether Socket Mode lets us in with the app-level token. The address it gives out is not used."""
        try:
            await self._web.call("apps.connections.open", params={"token": token})
        except SendError as failure:
            return _failed("slack_socket", "the app-level token", failure, _APP_PAGE)
        return Check("slack_socket", Status.OK, "Socket Mode accepts the app-level token")

    async def channel(self, channel: str) -> Check:
        """Whether the bot sits in the channel and may read it, as far as the scopes let one see."""
        try:
            await self._web.call(
                "conversations.history", http_verb="GET", params={"channel": channel, "limit": "1"}
            )
        except SendError as failure:
            if failure.code == "missing_scope":
                sentence = (
                    f"whether the bot sits in {channel} cannot be seen: it lacks the scope to read there"
                )
                remedy = "add channels:history (public channel) or groups:history (private one) and reinstall the app"
                return Check("slack_channel", Status.WARN, sentence, remedy)
            return _failed("slack_channel", f"the channel {channel}", failure, "check [slack] channel")
        return Check("slack_channel", Status.OK, f"the bot sits in {channel} and may read it")


def _scopes(granted: str) -> list[Check]:
    found = [
        Check(
            "slack_scopes",
            Status.FAIL if scope.vital else Status.WARN,
            f"without {' or '.join(scope.names)} {scope.lost}",
            "add the scope under OAuth & Permissions and reinstall the app",
        )
        for scope in lacking(granted)
    ]
    return found or [Check("slack_scopes", Status.OK, "the app has every scope that the manifest asks for")]


def _failed(id_: str, what: str, failure: SendError, page: str) -> Check:
    """A refusal is told with what to do about it; an outage says nothing of what was to be looked at."""
    if failure.outcome is Outcome.REFUSED:
        sentence = f"Slack does not take {what}: {failure.code or failure.reason}"
        return Check(id_, Status.FAIL, sentence, REMEDIES.get(failure.code or "", page))
    sentence = f"{what} could not be looked at: {failure.reason}"
    return Check(
        id_, Status.FAIL, sentence, "check this machine's network and endpoints.slack_api, then try again"
    )
