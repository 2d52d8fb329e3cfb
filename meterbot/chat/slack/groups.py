"""Who is in which of Slack's user groups, kept in memory: a person who asks does not wait for Slack to say so."""

import asyncio
import logging
from collections.abc import Sequence

from meterbot.chat.slack.web_api import SlackWeb
from meterbot.core.errors import Outcome, SendError

REFRESH_SECONDS = 600.0

_log = logging.getLogger(__name__)


class SlackGroups:
    """The members of the configured groups, as Slack said last. While Slack cannot be reached that stands; where Slack
    refuses to say, nobody is in the group."""

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
                self._trouble.pop(group, None)
            except SendError as failure:
                if failure.outcome is Outcome.REFUSED:
                    self._members[group] = frozenset()
                if self._trouble.get(group) != failure.reason:
                    self._trouble[group] = failure.reason
                    _log.warning("the members of the user group %s are not known: %s", group, failure.reason)

    async def keep(self) -> None:
        """Until it is cancelled, asks again every ten minutes. Without groups there is nothing to ask."""
        while self._members:
            await asyncio.sleep(REFRESH_SECONDS)
            await self.refresh()
