"""Slack's limits, checked before a payload is sent: a refusal would lose the whole message."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from meterbot.chat.slack import data_blocks as data
from meterbot.chat.slack.text import Block
from meterbot.core.errors import Outcome, SendError

Payload = dict[str, Any]

BLOCKS = 50
HEADER = 150
SECTION = 3000
FIELDS, FIELD = 10, 2000
ACTIONS, BUTTON, VALUE = 25, 75, 2000
CONTEXT = 10
ID = 255
TEXT = 40_000
ALL_BLOCKS = 13_200
"""Undocumented: `msg_blocks_too_long` was reported from about 13,200 characters of all blocks together. What Slack
counts is unknown, so this counts the JSON, the highest possible number; data blocks have limits of their own."""

DATA_BLOCKS = {"table", "data_table", "data_visualization"}


def checked(payload: Payload) -> Payload:
    """The payload itself, or a `SendError` that names what Slack would refuse in it."""
    if found := problems(payload):
        raise SendError(Outcome.INVALID, f"the message does not fit Slack: {'; '.join(found)}")
    return payload


def problems(payload: Payload) -> list[str]:
    """What Slack would refuse in a payload of `text` and `blocks`; empty if nothing."""
    blocks = payload.get("blocks", [])
    return [
        *_text_problems("text", payload.get("text", ""), TEXT),
        *_over("blocks", len(blocks), BLOCKS),
        *_over("characters of all blocks", _size(blocks), ALL_BLOCKS),
        *_over("tables", _count(blocks, {"table", "data_table"}), data.MAX_TABLES),
        *_over("charts", _count(blocks, {"data_visualization"}), data.MAX_CHARTS),
        *_repeated("block_id", blocks),
        *_repeated("action_id", chain.from_iterable(block.get("elements", []) for block in blocks)),
        *chain.from_iterable(_block_problems(block) for block in blocks),
    ]


def _block_problems(block: Block) -> Iterator[str]:
    match block.get("type"):
        case "header":
            yield from _text_problems("header", block["text"]["text"], HEADER)
        case "section":
            yield from _section_problems(block)
        case "actions":
            elements = block["elements"]
            yield from _count_problems("buttons", len(elements), ACTIONS)
            yield from chain.from_iterable(_button_problems(button) for button in elements)
        case "context":
            yield from _count_problems("context elements", len(block["elements"]), CONTEXT)
            for element in block["elements"]:
                yield from _text_problems("context", element["text"], SECTION)
        case "rich_text":
            yield from _count_problems("rich text elements", len(block["elements"]), BLOCKS)
            for text in _texts(block):
                yield from _text_problems("rich text", text, ALL_BLOCKS)
        case "table" | "data_table":
            yield from _table_problems(block)
        case "data_visualization":
            yield from _text_problems("chart title", block["title"], data.CHART_TITLE)
            yield from _chart_problems(block["chart"])
        case other:
            yield f"unknown block {other!r}"


def _table_problems(block: Block) -> Iterator[str]:
    rows = block["rows"]
    yield from _count_problems("table rows", len(rows) - 1, data.MAX_ROWS)
    yield from _count_problems("table columns", len(rows[0]) if rows else 0, data.MAX_COLUMNS)
    if len({len(row) for row in rows}) > 1:
        yield "table rows of different lengths"
    if block["type"] == "data_table":
        yield from _text_problems("table caption", block["caption"], SECTION)
    texts = list(_texts(rows))
    if any(not text.strip() for text in texts):
        yield "table cell is empty"
    yield from _over("characters of table cells", sum(map(len, texts)), data.MAX_CELL_CHARACTERS)


def _chart_problems(chart: Block) -> Iterator[str]:
    if chart["type"] == "pie":
        labels = [segment["label"] for segment in chart["segments"]]
        yield from _count_problems("pie segments", len(labels), data.MAX_SERIES)
        yield from _name_problems("pie segment", labels)
        return
    categories = chart["axis_config"]["categories"]
    yield from _count_problems("chart labels", len(categories), data.MAX_LABELS)
    yield from _name_problems("chart label", categories)
    yield from _count_problems("chart series", len(chart["series"]), data.MAX_SERIES)
    yield from _name_problems("chart series", [series["name"] for series in chart["series"]])
    if any([point["label"] for point in series["data"]] != categories for series in chart["series"]):
        yield "chart series without a point for each label"


def _name_problems(what: str, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        yield from _text_problems(what, name, data.CHART_LABEL)
    if len(set(names)) != len(names):
        yield f"{what} repeats"


def _section_problems(block: Block) -> Iterator[str]:
    if "text" not in block and "fields" not in block:
        yield "section has neither text nor fields"
    if "text" in block:
        yield from _text_problems("section", block["text"]["text"], SECTION)
    if "fields" in block:
        yield from _count_problems("fields", len(block["fields"]), FIELDS)
        for field in block["fields"]:
            yield from _text_problems("field", field["text"], FIELD)


def _button_problems(button: Block) -> Iterator[str]:
    yield from _text_problems("button", button["text"]["text"], BUTTON)
    yield from _text_problems("value", button["value"], VALUE)
    yield from _text_problems("action_id", button["action_id"], ID)


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


def _count(blocks: Sequence[Block], types: set[str]) -> int:
    return sum(block.get("type") in types for block in blocks)


def _size(blocks: Sequence[Block]) -> int:
    return len(
        json.dumps([block for block in blocks if block.get("type") not in DATA_BLOCKS], ensure_ascii=False)
    )


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
