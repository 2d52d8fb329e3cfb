"""Draws people's Home tabs: at once what is stored, a moment later the history with its picture."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from logging import getLogger
from typing import Any

from meterbot.chat import Answer, Question
from meterbot.chat.slack_home_view import HISTORY, QUESTIONS, History, home_view
from meterbot.chat.slack_web import SlackWeb
from meterbot.errors import SendError

_log = getLogger(__name__)


class SlackHome:
    """`ask` answers for a person and never raises; `groups_of` knows from memory which user groups they are in."""

    def __init__(
        self,
        web: SlackWeb,
        ask: Callable[[Question], Awaitable[Answer]],
        groups_of: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._web = web
        self._ask = ask
        self._groups_of = groups_of
        self._shown: dict[str, History | None] = {}
        """Who has opened it since the start, and the history that stands there."""
        self._begun: Counter[str] = Counter()
        """How often each was begun to be drawn: what is not the newest any more must not stand over the newest."""

    async def opened(self, user: str) -> None:
        self._shown.setdefault(user, None)
        await self.changed(user)

    async def changed(self, user: str) -> None:
        """Draws it anew; for a person who has not opened it, nothing."""
        if user not in self._shown:
            return
        self._begun[user] += 1
        turn = self._begun[user]
        groups = self._groups_of(user)
        asked = (self._ask(Question(words, "slack", user, groups=groups)) for words in QUESTIONS)
        messages = [answer.message for answer in await asyncio.gather(*asked)]
        if turn != self._begun[user]:
            return
        before = self._shown[user]
        if not await self._draw(user, home_view(messages, before)):
            self._shown[user] = None  # its picture may be what Slack does not want to show any more
            return
        history = await self._history(Question(HISTORY, "slack", user, groups=groups), before)
        if history == before or turn != self._begun[user]:
            return
        if not await self._draw(user, home_view(messages, history)):
            history = replace(history, file=None)
            await self._draw(user, home_view(messages, history))
        self._shown[user] = history

    async def _draw(self, user: str, view: Mapping[str, Any]) -> bool:
        try:
            await self._web.call("views.publish", json={"user_id": user, "view": view})
        except SendError as failure:
            _log.warning("a Home tab was not shown: %s", failure.reason)
            return False
        return True

    async def _history(self, question: Question, before: History | None) -> History:
        """With its picture, which is uploaded only when it shows something else than the one before."""
        answer = await self._ask(question)
        picture = answer.picture
        if picture is None:
            return History(answer.message)
        if before is not None and before.alt == picture.alt:
            return replace(before, message=answer.message)
        try:
            file = await self._web.upload(picture, None)
        except SendError as failure:
            _log.warning("a picture did not reach Slack: %s", failure.reason)
            return History(answer.message)
        return History(answer.message, file, picture.alt)
