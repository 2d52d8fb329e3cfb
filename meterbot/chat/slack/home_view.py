"""A person's Home tab: answers, one below the other, as one view. Pure."""

from dataclasses import replace

from meterbot.chat import HomePage
from meterbot.chat.slack.data_blocks import NativeBudget
from meterbot.chat.slack.render import Payload, render
from meterbot.chat.slack.text import Block
from meterbot.core.messages import Message

HOME = "home"
"""The question of the page, and the first word of the buttons that open one of its tabs."""

_BLOCKS = 100
_ELSEWHERE = ("share:", "refresh:")
"""Buttons that make sense only in a channel."""


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
        more = {"type": "plain_text", "text": "There is more: type /claude-spend.", "emoji": False}
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
    text = {"type": "plain_text", "text": label, "emoji": False}
    style = {"style": "primary"} if chosen else {}
    return {"type": "button", "action_id": f"home-{name}", "text": text, "value": value, **style}


def _blocks(number: int, message: Message, budget: NativeBudget) -> list[Block]:
    actions = [action for action in message.actions if not action.id.startswith(_ELSEWHERE)]
    blocks: list[Block] = render(replace(message, actions=tuple(actions)), budget)["blocks"]
    for block in blocks:
        for element in block.get("elements", []):
            if "action_id" in element:
                element["action_id"] = f"home-{number}-{element['action_id']}"
    return [{"type": "divider"}, *blocks] if number else blocks
