"""A person's Home tab: answers, one below the other, as one view. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from meterbot.chat.slack_blocks import Block, Payload, render
from meterbot.messages import Message

QUESTIONS: tuple[tuple[str, ...], ...] = (("me",), ("settings",), ("muted",), ())
"""What is asked for it: one's own seats, what one has set, what is snoozed or muted, and the team as one may see it."""
HISTORY = ("history", "30d")
"""Asked for once the rest stands: a picture takes longer than a person should wait."""
REFRESH = "refresh:home"

_BLOCKS = 100
_MOST_ALT = 2000
_ELSEWHERE = ("share:", "refresh:")
"""Buttons of an answer in a channel that make no sense here."""


@dataclass(frozen=True, slots=True)
class History:
    """What was spent on each day, in words, and as an uploaded file where there is one. `alt` is what that shows."""

    message: Message
    file: str | None = None
    alt: str = ""


def home_view(messages: Sequence[Message], history: History | None = None) -> Payload:
    """All of them, the history below the first, as far as Slack's hundred blocks go, and buttons to look again, and for the days with their picture."""
    told = [_blocks(number, message) for number, message in enumerate(messages)]
    if history is not None:
        told.insert(1, [*_picture(history), *_blocks(len(messages), history.message)])
    blocks = [block for each in told for block in each]
    bottom: list[Block] = [
        {"type": "actions", "elements": [_button("Look again", REFRESH), _button("History", "history")]}
    ]
    room = _BLOCKS - len(bottom)
    if len(blocks) > room:
        more = {"type": "plain_text", "text": "There is more: ask /claude-spend.", "emoji": False}
        blocks = [*blocks[: room - 1], {"type": "context", "elements": [more]}]
    return {"type": "home", "blocks": [*blocks, *bottom]}


def _picture(history: History) -> list[Block]:
    if history.file is None:
        return []
    file = {"id": history.file}
    return [{"type": "image", "slack_file": file, "alt_text": history.alt[:_MOST_ALT] or "What was spent"}]


def _button(label: str, value: str) -> Block:
    text = {"type": "plain_text", "text": label, "emoji": False}
    return {"type": "button", "action_id": value, "text": text, "value": value}


def _blocks(number: int, message: Message) -> list[Block]:
    actions = [action for action in message.actions if not action.id.startswith(_ELSEWHERE)]
    blocks = render(replace(message, actions=tuple(actions)))["blocks"]
    for block in blocks:
        for element in block.get("elements", []):
            if "action_id" in element:
                element["action_id"] = f"home-{number}-{element['action_id']}"
    return [{"type": "divider"}, *blocks] if number else blocks
