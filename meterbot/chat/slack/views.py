"""Slack's views: people's Home tabs, with answers one below the other; forms and answers as modals."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from meterbot.chat import Answer, Form, HomePage, Question, send_best
from meterbot.chat.slack.data_blocks import NativeBudget
from meterbot.chat.slack.render import Payload, render, render_without_natives
from meterbot.chat.slack.text import Block, plain_text
from meterbot.chat.slack.web_api import SlackWeb
from meterbot.core.errors import SendError
from meterbot.core.log import get_logger
from meterbot.core.messages import Message
from meterbot.core.text import one_line

HOME = "home"
"""The question of the page, and the first word of the buttons that open one of its tabs."""

LONGEST = 3000
"""Characters that Slack lets a person write into a box."""

_BLOCKS, _BUTTON, _TITLE, _INPUT_TEXT = 100, 75, 24, 2000
_OUR_LINE = 300
_BOX = "text"
_ERROR = 300
_ELSEWHERE = ("share:", "refresh:")
"""Buttons that make sense only in a channel."""

log = get_logger(__name__)


@dataclass(eq=False, repr=False)
class SlackHome:
    """`ask` answers for a person and never raises; `groups_of` knows from memory which user groups they are in."""

    web_api: SlackWeb
    ask: Callable[[Question], Awaitable[Answer]]
    groups_of: Callable[[str], tuple[str, ...]]

    def __post_init__(self) -> None:
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
        answer = await self.ask(Question(words, "slack", user, groups=self.groups_of(user)))
        page = answer.page or HomePage((answer.message,))
        async with self._publishing[user]:
            # An older, slower drawing must not replace a newer one.
            if request == self._requests[user]:
                self._tabs[user] = page.tab
                await self._publish(user, page)

    async def _publish(self, user: str, page: HomePage) -> None:
        forms = (partial(home_view, page), partial(home_view, page, native=False))
        try:
            await send_best(
                "slack",
                forms,
                lambda view: self.web_api.call("views.publish", json={"user_id": user, "view": view}),
            )
        except SendError as failure:
            log.warning("the home tab was not shown", chat="slack", reason=failure.reason)


def home_view(page: HomePage, *, native: bool = True) -> Payload:
    """The buttons of its tabs, if there are several, and the messages of this one, within Slack's hundred blocks;
    then buttons to refresh and for the history. Without `native`, tables and charts are text."""
    budget = NativeBudget() if native else NativeBudget(tables=0, charts=0)
    shown = [_blocks(number, message, budget) for number, message in enumerate(page.messages)]
    blocks = [*_tabs(page), *[block for each in shown for block in each]]
    again = _button("Refresh", f"{HOME}:{page.tab}" if page.tab else HOME, "again")
    bottom: list[Block] = [{"type": "actions", "elements": [again, _button("History", "history", "history")]}]
    room = _BLOCKS - len(bottom)
    if len(blocks) > room:
        more = plain_text("There is more: type /claude-spend.", _OUR_LINE)
        blocks = [*blocks[: room - 1], {"type": "context", "elements": [more]}]
    return {"type": "home", "blocks": [*blocks, *bottom]}


def _tabs(page: HomePage) -> list[Block]:
    if len(page.tabs) < 2:
        return []
    buttons = [
        _button(tab.capitalize(), f"{HOME}:{tab}", f"tab-{tab}", chosen=tab == page.tab) for tab in page.tabs
    ]
    return [{"type": "actions", "elements": buttons}, {"type": "divider"}]


def _button(label: str, value: str, name: str, *, chosen: bool = False) -> Block:
    style = {"style": "primary"} if chosen else {}
    text = plain_text(label, _BUTTON)
    return {"type": "button", "action_id": f"home-{name}", "text": text, "value": value, **style}


def _blocks(number: int, message: Message, budget: NativeBudget) -> list[Block]:
    actions = [action for action in message.actions if not action.id.startswith(_ELSEWHERE)]
    blocks: list[Block] = render(replace(message, actions=tuple(actions)), budget)["blocks"]
    for block in blocks:
        for element in block.get("elements", []):
            if "action_id" in element:
                element["action_id"] = f"home-{number}-{element['action_id']}"
    return [{"type": "divider"}, *blocks] if number else blocks


def form_view(form: Form) -> Payload:
    """The modal with the box. It contains the form's words, so it survives a restart."""
    hint = f"{form.hint} Slack takes at most {LONGEST} characters."
    element = {"type": "plain_text_input", "action_id": _BOX, "multiline": True, "max_length": LONGEST}
    box = {
        "type": "input",
        "block_id": _BOX,
        "label": plain_text(form.label, _INPUT_TEXT),
        "hint": plain_text(hint, _INPUT_TEXT),
        "element": element,
    }
    return {
        "type": "modal",
        "callback_id": "form",
        "private_metadata": ":".join(form.words),
        "title": plain_text(form.title, _TITLE),
        "submit": plain_text("Send", _TITLE),
        "close": plain_text("Cancel", _TITLE),
        "blocks": [box],
    }


def message_view(message: Message) -> Payload:
    """A message as a modal, without buttons, because Slack gives them no address for an answer. Tables and charts are
    text there."""
    blocks = render_without_natives(replace(message, actions=()))["blocks"]
    return {
        "type": "modal",
        "title": plain_text("meterbot", _TITLE),
        "close": plain_text("Done", _TITLE),
        "blocks": blocks,
    }


def errors(message: Message) -> dict[str, str]:
    """The red text below the box."""
    return {_BOX: one_line(message.text or message.title, _ERROR)}


def submitted(view: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """The words of a submitted form, and the text in its box."""
    written = view["state"]["values"][_BOX][_BOX]["value"]
    return tuple(view["private_metadata"].split(":")), written or ""
