"""Draws people's Home tabs from what is stored."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from functools import partial

from meterbot.chat import Answer, HomePage, Question
from meterbot.chat.simpler_forms import send_best
from meterbot.chat.slack.home_view import HOME, home_view
from meterbot.chat.slack.render import Payload
from meterbot.chat.slack.web_api import SlackWeb
from meterbot.core.errors import SendError
from meterbot.core.log import get_logger

log = get_logger(__name__)


class SlackHome:
    """`ask` answers for a person and never raises; `groups_of` knows from memory which user groups they are in."""

    def __init__(
        self,
        web_api: SlackWeb,
        ask: Callable[[Question], Awaitable[Answer]],
        groups_of: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._web = web_api
        self._ask = ask
        self._groups_of = groups_of
        self._tabs: dict[str, str] = {}
        """Person → the tab that they looked at last, since the start."""
        self._requests: Counter[str] = Counter()
        self._publishing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def tab_of(self, user: str) -> str:
        return self._tabs.get(user, "")

    async def refresh(self, user: str) -> None:
        """Draws the page again for a person who has opened it."""
        if user in self._tabs:
            await self.draw(user, self._tabs[user])

    async def draw(self, user: str, tab: str) -> None:
        """Draws one of the tabs, or without a name the one with the most for this person."""
        self._requests[user] += 1
        request = self._requests[user]
        words = (HOME, tab) if tab else (HOME,)
        answer = await self._ask(Question(words, "slack", user, groups=self._groups_of(user)))
        page = answer.page or HomePage((answer.message,))
        async with self._publishing[user]:
            # An older, slower drawing must not replace a newer one.
            if request == self._requests[user]:
                self._tabs[user] = page.tab
                await self._publish(user, page)

    async def _publish(self, user: str, page: HomePage) -> None:
        async def publish(view: Payload) -> None:
            await self._web.call("views.publish", json={"user_id": user, "view": view})

        forms = (partial(home_view, page), partial(home_view, page, native=False))
        try:
            await send_best("slack", forms, publish)
        except SendError as failure:
            log.warning("the home tab was not shown", chat="slack", reason=failure.reason)
