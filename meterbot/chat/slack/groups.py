"""The members of Slack's user groups, kept in memory, so that an answer does not wait for Slack."""

import asyncio
from collections.abc import Sequence

from meterbot.chat.slack.web_api import SlackWeb
from meterbot.core.errors import Outcome, SendError
from meterbot.core.log import get_logger

REFRESH_SECONDS = 600.0

log = get_logger(__name__)


class SlackGroups:
    """The members of the configured groups, as of Slack's last answer. An outage keeps them; a refusal by Slack empties
    the group."""

    def __init__(self, web: SlackWeb, groups: Sequence[str]) -> None:
        self._web = web
        self._members: dict[str, frozenset[str]] = dict.fromkeys(groups, frozenset())
        self._trouble: dict[str, str] = {}

    def of(self, user: str) -> tuple[str, ...]:
        return tuple(group for group, members in self._members.items() if user in members)

    async def refresh(self) -> None:
        """Asks Slack once for each group."""
        for group in self._members:
            try:
                answer = await self._web.call("usergroups.users.list", params={"usergroup": group})
                self._members[group] = frozenset(map(str, answer.get("users") or ()))
                if self._trouble.pop(group, None):
                    log.info("a user group can be read again", chat="slack", group=group)
            except SendError as failure:
                if failure.outcome is Outcome.REFUSED:
                    self._members[group] = frozenset()
                if self._trouble.get(group) != failure.reason:
                    self._trouble[group] = failure.reason
                    log.warning(
                        "a user group cannot be read", chat="slack", group=group, reason=failure.reason
                    )

    async def keep(self) -> None:
        """Asks again every ten minutes until it is cancelled. Does nothing without groups."""
        while self._members:
            await asyncio.sleep(REFRESH_SECONDS)
            await self.refresh()
