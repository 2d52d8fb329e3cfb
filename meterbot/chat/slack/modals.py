"""Forms as Slack's modals: a box to write in, and then the result in its place."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from meterbot.chat import Form
from meterbot.chat.slack.limits import checked
from meterbot.chat.slack.render import Payload, render_without_natives
from meterbot.core.messages import Message
from meterbot.core.text import one_line

LONGEST = 3000
"""Characters that Slack lets a person write into a box."""

_BOX = "text"
_ERROR = 300


def form_view(form: Form) -> Payload:
    """The modal with the box. It contains the form's words, so it survives a restart."""
    hint = f"{form.hint} Slack takes at most {LONGEST} characters."
    element = {"type": "plain_text_input", "action_id": _BOX, "multiline": True, "max_length": LONGEST}
    box = {
        "type": "input",
        "block_id": _BOX,
        "label": _plain(form.label),
        "hint": _plain(hint),
        "element": element,
    }
    return {
        "type": "modal",
        "callback_id": "form",
        "private_metadata": ":".join(form.words),
        "title": _plain(form.title),
        "submit": _plain("Send"),
        "close": _plain("Cancel"),
        "blocks": [box],
    }


def message_view(message: Message) -> Payload:
    """A message as a modal, without buttons, because Slack gives them no address for an answer. Tables and charts are
    text there."""
    blocks = checked(render_without_natives(replace(message, actions=())))["blocks"]
    return {"type": "modal", "title": _plain("meterbot"), "close": _plain("Done"), "blocks": blocks}


def errors(message: Message) -> dict[str, str]:
    """The red text below the box."""
    return {_BOX: one_line(message.text or message.title, _ERROR)}


def submitted(view: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """The words of a submitted form, and the text in its box."""
    written = view["state"]["values"][_BOX][_BOX]["value"]
    return tuple(view["private_metadata"].split(":")), written or ""


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}
