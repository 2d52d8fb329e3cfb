"""Forms as Discord's modals."""

from collections.abc import Iterator, Sequence
from typing import Any

from meterbot.chat import Form
from meterbot.chat.discord.limits import Payload

LONGEST = 4000
"""Characters that Discord lets a person write into a box."""

_MODAL = 9
_LABEL, _TEXT_INPUT, _PARAGRAPH = 18, 4, 2


def form_payload(form: Form) -> Payload:
    """The body of a first reaction that opens the form. Its id contains the words, so it survives a restart."""
    box = {
        "type": _TEXT_INPUT,
        "custom_id": "text",
        "style": _PARAGRAPH,
        "required": True,
        "max_length": LONGEST,
    }
    labelled = {"type": _LABEL, "label": form.label, "description": form.hint, "component": box}
    data = {"custom_id": f"mb:{':'.join(form.words)}", "title": form.title, "components": [labelled]}
    return {"type": _MODAL, "data": data}


def written_in(components: Sequence[Any]) -> str:
    """The text in the box of a submitted form."""
    return next(_values(components), "")


def _values(components: Sequence[Any]) -> Iterator[str]:
    for component in components:
        if component.get("type") == _TEXT_INPUT:
            yield str(component.get("value") or "")
        yield from _values([*component.get("components", []), *filter(None, [component.get("component")])])
