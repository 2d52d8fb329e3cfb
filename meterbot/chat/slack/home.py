"""Draws people's Home tabs: at once what is stored, a moment later the history with its picture."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from logging import getLogger
from typing import Any

from meterbot.chat import Answer, HomePage, Question
from meterbot.chat.slack.home_view import HOME, History, home_view
from meterbot.chat.slack.web_api import SlackWeb
from meterbot.core.errors import SendError
from meterbot.core.messages import Picture

_log = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NoteStore:
    """Where is kept, beyond a restart, which picture stands on whose tab."""

    read: Callable[[str], Awaitable[str | None]]
    write: Callable[[str, str], Awaitable[None]]


def notes_in_memory() -> NoteStore:
    """For as long as the process runs."""
    held: dict[str, str] = {}

    async def read(name: str) -> str | None:
        return held.get(name)

    async def write(name: str, value: str) -> None:
        held[name] = value

    return NoteStore(read, write)


@dataclass(slots=True)
class _Drawing:
    """One that is under way: the newest words that stand there, how often they were asked for, and whether the tab was
    opened anew meanwhile."""

    page: HomePage | None = None
    asked: int = 0
    again: bool = False


class SlackHome:
    """`ask` answers for a person and never raises; `groups_of` knows from memory which user groups they are in."""

    def __init__(
        self,
        web: SlackWeb,
        ask: Callable[[Question], Awaitable[Answer]],
        groups_of: Callable[[str], tuple[str, ...]],
        notes: NoteStore,
    ) -> None:
        self._web = web
        self._ask = ask
        self._groups_of = groups_of
        self._notes = notes
        self._shown: dict[str, str] = {}
        """Who has opened it since the start, and which of its tabs they look at."""
        self._drawings: dict[str, _Drawing] = {}
        """Each person's newest: what an older one finds must not stand over it."""
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def opened(self, user: str) -> None:
        """Slack tells it with every look. One that comes while the history is being drawn sees at once what is known, and
        the history is drawn once more, however many came: it may have been read before something changed."""
        drawing = self._drawings.get(user)
        if drawing is None:
            await self.look(user, self.tab_of(user))
            return
        drawing.again = True
        if drawing.page is not None:  # else its words are about to come
            await self._say(user, drawing.page.tab, drawing)

    def tab_of(self, user: str) -> str:
        """The one that they look at, as far as that is known."""
        return self._shown.get(user, "")

    async def changed(self, user: str) -> None:
        """Draws it anew; for a person who has not opened it, nothing."""
        if user in self._shown:
            await self.look(user, self._shown[user])

    async def look(self, user: str, tab: str) -> None:
        """Draws this of its tabs; without one, the one that is most of interest to them."""
        drawing = self._drawings[user] = _Drawing()
        try:
            page = await self._say(user, tab, drawing)
            if page is not None and page.history is not None:
                answer = await page.history()
                history = await self._history(answer, await self._picture_of(user, page.tab))
                async with self._turns[user]:
                    await self._show(user, page, history, drawing)
        finally:
            if newest := self._is_newest(user, drawing):
                del self._drawings[user]
        if newest and drawing.again:
            await self.look(user, self.tab_of(user))

    def _is_newest(self, user: str, drawing: _Drawing) -> bool:
        return self._drawings.get(user) is drawing

    async def _say(self, user: str, tab: str, drawing: _Drawing) -> HomePage | None:
        """All but the history, with the picture that stands there. None where something newer stands there, or nothing."""
        drawing.asked += 1
        turn = drawing.asked
        words = (HOME, tab) if tab else (HOME,)
        answer = await self._ask(Question(words, "slack", user, groups=self._groups_of(user)))
        page = answer.page or HomePage((answer.message,))
        if turn != drawing.asked or not self._is_newest(user, drawing):
            return None
        self._shown[user], drawing.page = page.tab, page
        async with self._turns[user]:
            before = await self._picture_of(user, page.tab)
            if not await self._publish(user, home_view(page, before)):
                if before is None:
                    return None
                # Its picture may be what Slack does not want to show any more.
                await self._notes.write(_note(user, page.tab), "")
                await self._publish(user, home_view(page))
        return page

    async def _show(self, user: str, page: HomePage, history: History, drawing: _Drawing) -> None:
        """The page's history, below the newest words, in the place of the one that stands there. A picture that is nobody's
        any more leaves the workspace's files."""
        before, said = await self._picture_of(user, page.tab), drawing.page or page
        newest = self._is_newest(user, drawing) and said.tab == page.tab
        if newest and not await self._publish(user, home_view(said, history)):
            history = replace(history, file=None)
            await self._publish(user, home_view(said, history))
        stands, goes = (history, before) if newest else (before, history)
        stays = None if stands is None else stands.file
        if goes is not None and goes.file is not None and goes.file != stays:
            await self._take_away(goes.file)
        if newest:
            await self._notes.write(_note(user, page.tab), f"{history.file} {history.mark}" if stays else "")

    async def _publish(self, user: str, view: Mapping[str, Any]) -> bool:
        try:
            await self._web.call("views.publish", json={"user_id": user, "view": view})
        except SendError as failure:
            _log.warning("a Home tab was not shown: %s", failure.reason)
            return False
        return True

    async def _history(self, answer: Answer, before: History | None) -> History:
        """With its picture, which is uploaded only when it shows something else than the one before."""
        picture = answer.picture
        if picture is None:
            return History(answer.message)
        if before is not None and before.mark == _mark(picture):
            return replace(before, message=answer.message, alt=picture.alt)
        try:
            file = await self._web.upload(picture, None)
        except SendError as failure:
            _log.warning("a picture did not reach Slack: %s", failure.reason)
            return History(answer.message)
        return History(answer.message, file, picture.alt, _mark(picture))

    async def _picture_of(self, user: str, tab: str) -> History | None:
        """The picture that stands there, without its words."""
        file, _, mark = (await self._notes.read(_note(user, tab)) or "").partition(" ")
        return History(None, file, mark=mark) if file else None

    async def _take_away(self, file: str) -> None:
        try:
            await self._web.call("files.delete", json={"file": file})
        except SendError as failure:
            _log.warning("an old picture stays among Slack's files: %s", failure.reason)


def _note(user: str, tab: str) -> str:
    return f"slack:home:{user}:{tab}"


def _mark(picture: Picture) -> str:
    """Of what it shows: on another day the same words may stand for other bars."""
    return sha256(picture.alt.encode() + picture.png).hexdigest()[:16]
