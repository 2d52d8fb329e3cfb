"""A person's Home tab: answers, one below the other, as one view. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from meterbot.chat.slack_blocks import Block, Payload, render
from meterbot.messages import Message

QUESTIONS: tuple[tuple[str, ...], ...] = (("me",), ("settings",), ("muted",), ())
"""What is asked for it: one's own seats, what one has set, what is snoozed or muted, and the team as one may see it."""
REFRESH = "refresh:home"

_BLOCKS = 100
_ELSEWHERE = ("share:", "refresh:")
"""Buttons of an answer in a channel that make no sense here."""


def home_view(messages: Sequence[Message]) -> Payload:
    """All of them, as far as Slack's hundred blocks go, and buttons to look again, and for the days with their picture."""
    blocks = [block for number, message in enumerate(messages) for block in _blocks(number, message)]
    bottom: list[Block] = [
        {"type": "actions", "elements": [_button("Look again", REFRESH), _button("History", "history")]}
    ]
    room = _BLOCKS - len(bottom)
    if len(blocks) > room:
        more = {"type": "plain_text", "text": "There is more: ask /claude-spend.", "emoji": False}
        blocks = [*blocks[: room - 1], {"type": "context", "elements": [more]}]
    return {"type": "home", "blocks": [*blocks, *bottom]}


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
