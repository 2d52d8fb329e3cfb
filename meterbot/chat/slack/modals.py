"""Forms as Slack's modals: a box to write in, and then the result in its place."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from meterbot.chat import Form
from meterbot.chat.slack.render import Payload, render_without_natives
from meterbot.chat.slack.text import plain_text
from meterbot.core.messages import Message
from meterbot.core.text import one_line

LONGEST = 3000
"""Characters that Slack lets a person write into a box."""

_BOX = "text"
_ERROR = 300
_TITLE, _HINT = 24, 2000


def form_view(form: Form) -> Payload:
    """The modal with the box. It contains the form's words, so it survives a restart."""
    hint = f"{form.hint} Slack takes at most {LONGEST} characters."
    element = {"type": "plain_text_input", "action_id": _BOX, "multiline": True, "max_length": LONGEST}
    box = {
        "type": "input",
        "block_id": _BOX,
        "label": plain_text(form.label, _HINT),
        "hint": plain_text(hint, _HINT),
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
