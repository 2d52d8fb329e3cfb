"""Message → Slack's Block Kit: pure renderer, and the rules a payload must keep before it leaves.

Seats may be named by anybody, so every text reaches Slack as text: `&`, `<` and `>` are escaped wherever Slack
reads control sequences, and longer texts are `plain_text` or `rich_text`, which have no markup to break out of.
The one live mention is `Message.owner`.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

from meterbot.chat.text_forms import without_natives
from meterbot.core.errors import Outcome, SendError
from meterbot.core.inline import plain
from meterbot.core.messages import Action, Field, Message, Section
from meterbot.core.models import Severity

Block = dict[str, Any]
Payload = dict[str, Any]

# Slack's documented limits, in characters and pieces.
_BLOCKS = 50
_HEADER = 150
_SECTION = 3000
_FIELDS, _FIELD = 10, 2000
_ACTIONS, _BUTTON, _VALUE = 25, 75, 2000
_CONTEXT = 10
_ID = 255
_TEXT = 40_000
# Not documented: `msg_blocks_too_long` was reported from about 13,200 characters of all blocks together. What is
# counted is not known, so the JSON is, which is the most it can be.
_ALL_BLOCKS = 13_200

# What a message of ours may fill. Everything but the sections fits into 12,000 even when every character is a
# quotation mark, which JSON writes as two; the sections get what is left.
_OUR_BLOCKS = 12_000
_OUR_TEXT = 3000
_OUR_SECTION = 1500
_OUR_FIELDS, _OUR_NAME, _OUR_VALUE = 10, 40, 150
_OUR_SECTIONS = 20
_OUR_ACTIONS = 6
_OUR_LINE = 300
_TEXT_WIDTH = 60

_EMOJI = {Severity.INFO: "", Severity.GOOD: "✅ ", Severity.WARNING: "⚠️ ", Severity.CRITICAL: "🚨 "}
_USER_ID = re.compile(r"[UW][A-Z0-9]{2,20}")
# Controls that reorder the text around them: a name could make an amount read backwards.
_BIDI = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def render(message: Message) -> Payload:
    """The `text` and `blocks` of a whole message."""
    message = without_natives(message, _TEXT_WIDTH)
    top = list(_top(message))
    bottom = list(_bottom(message))
    room = _OUR_BLOCKS - _size(top) - _size(bottom)
    return {"text": _fallback(message), "blocks": [*top, *_sections(message.sections, room), *bottom]}


def render_line(message: Message) -> Payload:
    """One line for a thread; mentions nobody."""
    text = _fallback(message)
    return {"text": text, "blocks": [{"type": "section", "text": {"type": "plain_text", "text": text}}]}


def checked(payload: Payload) -> Payload:
    """The payload itself, or a `SendError` that names what Slack would refuse in it."""
    if found := problems(payload):
        raise SendError(Outcome.REFUSED, f"the message does not fit Slack: {'; '.join(found)}")
    return payload


def _fallback(message: Message) -> str:
    return _escaped(_EMOJI[message.severity] + (message.fallback or message.title), _OUR_TEXT)


def _top(message: Message) -> Iterator[Block]:
    yield {"type": "header", "text": _plain(_EMOJI[message.severity] + _one_line(message.title), _HEADER)}
    owner = message.owner.get("slack", "")
    if _USER_ID.fullmatch(owner):
        yield {"type": "section", "text": {"type": "mrkdwn", "text": f"<@{owner}>"}}
    if _visible(message.text):
        yield {"type": "section", "text": _plain(message.text, _OUR_SECTION)}
    if message.fields:
        yield {"type": "section", "fields": _fields(message.fields)}


def _fields(fields: Sequence[Field]) -> list[Block]:
    shown = [*fields] if len(fields) <= _OUR_FIELDS else [*fields[: _OUR_FIELDS - 1], _more_fields(fields)]
    return [
        {
            "type": "mrkdwn",
            "text": f"*{_escaped(_one_line(field.name), _OUR_NAME)}*\n{_escaped(field.value, _OUR_VALUE)}",
            "verbatim": True,
        }
        for field in shown
    ]


def _more_fields(fields: Sequence[Field]) -> Field:
    return Field("…", _and_more(len(fields) - _OUR_FIELDS + 1))


def _bottom(message: Message) -> Iterator[Block]:
    if message.command:
        yield _section(None, [_one_line(message.command)], fixed=True)
    if message.actions:
        yield {"type": "actions", "elements": _buttons(message.actions)}
    if _visible(message.footer):
        yield {"type": "context", "elements": [_plain(message.footer, _OUR_LINE)]}


def _buttons(actions: Sequence[Action]) -> list[Block]:
    return [
        {
            "type": "button",
            "action_id": f"action-{number}",
            "text": _plain(action.label, _BUTTON),
            "value": action.id,
        }
        for number, action in enumerate(actions[:_OUR_ACTIONS])
    ]


def _sections(sections: Sequence[Section], room: int) -> list[Block]:
    """As many sections as fit, each with as many lines as fit, and what was left out counted."""
    blocks: list[Block] = []
    note = _size([_section(None, [_and_more(10**9)], fixed=False)])
    for index, section in enumerate(sections):
        rest = len(sections) - index
        block = _fitted(section, room - note)
        if block is None or len(blocks) == _OUR_SECTIONS:
            blocks.append(
                _section(None, [f"{_and_more(rest)} section{'s' if rest > 1 else ''}"], fixed=False)
            )
            break
        blocks.append(block)
        room -= _size([block])
    return blocks


def _fitted(section: Section, room: int) -> Block | None:
    """The section with its first lines, as many as `room` characters hold; None when not even one does."""
    heading = section.heading if section.heading and _visible(section.heading) else None
    lines = [_clipped(_one_line(line), _OUR_LINE) for line in section.lines]

    def block(kept: int) -> Block:
        left_out = [_and_more(len(lines) - kept)] if kept < len(lines) else []
        return _section(heading, [*lines[:kept], *left_out], fixed=section.fixed)

    kept = _largest(len(lines), lambda count: _size([block(count)]) <= room)
    return None if kept is None or (kept == 0 and lines) else block(kept)


def _largest(most: int, fits: Callable[[int], bool]) -> int | None:
    """The largest of 0…most that fits, found by halving: what fits, fits with less, too."""
    if fits(most):
        return most
    if not fits(0):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _section(heading: str | None, lines: Sequence[str], *, fixed: bool) -> Block:
    elements: list[Block] = []
    if heading is not None:
        bold = {"type": "text", "text": _clipped(_one_line(heading), _OUR_LINE), "style": {"bold": True}}
        elements.append({"type": "rich_text_section", "elements": [bold]})
    text = "\n".join(lines)
    if _visible(text) or heading is None:
        kind = "rich_text_preformatted" if fixed else "rich_text_section"
        elements.append(
            {"type": kind, "elements": [{"type": "text", "text": text if _visible(text) else "–"}]}
        )
    return {"type": "rich_text", "elements": elements}


def _and_more(count: int) -> str:
    return f"and {count} more"


def _plain(text: str, limit: int) -> Block:
    return {"type": "plain_text", "text": _escaped(text, limit), "emoji": False}


def _escaped(text: str, limit: int) -> str:
    """At most `limit` characters, escapes included, never empty."""
    clean = _clean(text) if _visible(text) else "–"
    cut = _largest(len(clean), lambda length: len(_escape(_clipped(clean, length))) <= limit)
    return _escape(_clipped(clean, cut or 0))


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clipped(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: max(limit - 1, 0)]}…"


def _clean(text: str) -> str:
    """Without what JSON cannot carry or a reader cannot see coming: controls, lone surrogates, reordering."""
    return "".join(
        character
        for character in plain(text).translate(_BIDI)
        if character == "\n" or unicodedata.category(character) not in {"Cc", "Cs"}
    )


def _one_line(text: str) -> str:
    return _clean(text).replace("\n", " ")


def _visible(text: str) -> bool:
    return any(
        not character.isspace() and unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Mn"}
        for character in text
    )


def _size(blocks: Sequence[Block]) -> int:
    return len(json.dumps(blocks, ensure_ascii=False))


def problems(payload: Payload) -> list[str]:
    """What Slack would refuse in a payload of `text` and `blocks`; empty when there is nothing."""
    blocks = payload.get("blocks", [])
    return [
        *_text_problems("text", payload.get("text", ""), _TEXT),
        *_over("blocks", len(blocks), _BLOCKS),
        *_over("characters of all blocks", _size(blocks), _ALL_BLOCKS),
        *_repeated("block_id", blocks),
        *_repeated("action_id", chain.from_iterable(block.get("elements", []) for block in blocks)),
        *chain.from_iterable(_block_problems(block) for block in blocks),
    ]


def _block_problems(block: Block) -> Iterator[str]:
    match block.get("type"):
        case "header":
            yield from _text_problems("header", block["text"]["text"], _HEADER)
        case "section":
            yield from _section_problems(block)
        case "actions":
            elements = block["elements"]
            yield from _count_problems("buttons", len(elements), _ACTIONS)
            yield from chain.from_iterable(_button_problems(button) for button in elements)
        case "context":
            yield from _count_problems("context elements", len(block["elements"]), _CONTEXT)
            for element in block["elements"]:
                yield from _text_problems("context", element["text"], _SECTION)
        case "rich_text":
            yield from _count_problems("rich text elements", len(block["elements"]), _BLOCKS)
            for text in _texts(block):
                yield from _text_problems("rich text", text, _ALL_BLOCKS)
        case other:
            yield f"unknown block {other!r}"


def _section_problems(block: Block) -> Iterator[str]:
    if "text" not in block and "fields" not in block:
        yield "section has neither text nor fields"
    if "text" in block:
        yield from _text_problems("section", block["text"]["text"], _SECTION)
    if "fields" in block:
        yield from _count_problems("fields", len(block["fields"]), _FIELDS)
        for field in block["fields"]:
            yield from _text_problems("field", field["text"], _FIELD)


def _button_problems(button: Block) -> Iterator[str]:
    yield from _text_problems("button", button["text"]["text"], _BUTTON)
    yield from _text_problems("value", button["value"], _VALUE)
    yield from _text_problems("action_id", button["action_id"], _ID)


def _text_problems(what: str, text: str, limit: int) -> Iterator[str]:
    if not text.strip():
        yield f"{what} is empty"
    yield from _over(f"characters of {what}", len(text), limit)


def _count_problems(what: str, count: int, limit: int) -> Iterator[str]:
    if count == 0:
        yield f"no {what}"
    yield from _over(what, count, limit)


def _over(what: str, count: int, limit: int) -> Iterator[str]:
    if count > limit:
        yield f"{count} {what}, at most {limit}"


def _repeated(key: str, holders: Sequence[Block] | Iterator[Block]) -> Iterator[str]:
    ids = [holder[key] for holder in holders if key in holder]
    if len(ids) != len(set(ids)):
        yield f"{key} repeats"


def _texts(node: object) -> Iterator[str]:
    """Every text of a block or payload, at any depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "text" and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
