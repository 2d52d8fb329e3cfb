"""A person's Home tab: answers, one below the other, as one view. Pure."""

from dataclasses import dataclass, replace

from meterbot.chat import HomePage
from meterbot.chat.slack.render import Block, Payload, render
from meterbot.core.messages import Message

HOME = "home"
"""What is asked for it, and the first word of the buttons that turn to one of its tabs."""

_BLOCKS = 100
_MOST_ALT = 2000
_ELSEWHERE = ("share:", "refresh:")
"""Buttons of an answer in a channel that make no sense here."""


@dataclass(frozen=True, slots=True)
class History:
    """What was spent on each day, in words where they are known yet, and as an uploaded file where there is one. `alt` is
    what that shows, `mark` differs when it shows something else."""

    message: Message | None
    file: str | None = None
    alt: str = ""
    mark: str = ""


def home_view(page: HomePage, history: History | None = None) -> Payload:
    """The buttons to its tabs, where there are several, and what is on this one, the history below the first answer, as far
    as Slack's hundred blocks go; then a button to look again, and one for the days with their picture."""
    told = [_blocks(number, message) for number, message in enumerate(page.messages)]
    if history is not None:
        words = [] if history.message is None else _blocks(len(page.messages), history.message)
        told.insert(1, [*_picture(history), *words])
    blocks = [*_tabs(page), *[block for each in told for block in each]]
    again = _button("Look again", f"{HOME}:{page.tab}" if page.tab else HOME, "again")
    bottom: list[Block] = [{"type": "actions", "elements": [again, _button("History", "history", "history")]}]
    room = _BLOCKS - len(bottom)
    if len(blocks) > room:
        more = {"type": "plain_text", "text": "There is more: ask /claude-spend.", "emoji": False}
        blocks = [*blocks[: room - 1], {"type": "context", "elements": [more]}]
    return {"type": "home", "blocks": [*blocks, *bottom]}


def _tabs(page: HomePage) -> list[Block]:
    if len(page.tabs) < 2:
        return []
    buttons = [
        _button(tab.capitalize(), f"{HOME}:{tab}", f"tab-{tab}", chosen=tab == page.tab) for tab in page.tabs
    ]
    return [{"type": "actions", "elements": buttons}, {"type": "divider"}]


def _picture(history: History) -> list[Block]:
    if history.file is None:
        return []
    file = {"id": history.file}
    return [
        {
            "type": "image",
            "slack_file": file,
            "alt_text": history.alt[:_MOST_ALT] or "What was spent on each day",
        }
    ]


def _button(label: str, value: str, name: str, *, chosen: bool = False) -> Block:
    text = {"type": "plain_text", "text": label, "emoji": False}
    style = {"style": "primary"} if chosen else {}
    return {"type": "button", "action_id": f"home-{name}", "text": text, "value": value, **style}


def _blocks(number: int, message: Message) -> list[Block]:
    actions = [action for action in message.actions if not action.id.startswith(_ELSEWHERE)]
    blocks = render(replace(message, actions=tuple(actions)))["blocks"]
    for block in blocks:
        for element in block.get("elements", []):
            if "action_id" in element:
                element["action_id"] = f"home-{number}-{element['action_id']}"
    return [{"type": "divider"}, *blocks] if number else blocks
