"""Checks whether Slack would accept a message: with the library's own block models, and with rules for what they let
pass.

It shares nothing with the rules by which `meterbot.chat` cuts its texts, so that one can find the other's mistakes.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

_DATA = {"table", "data_table", "data_visualization"}


def verdict(payload: Mapping[str, Any]) -> str | None:
    """Slack's error code with what is wrong, or None. Slack takes blocks without a text, but its notification would be
    blank."""
    blocks = payload.get("blocks") or []
    if not str(payload.get("text") or "").strip():
        return "no_text"
    if len(str(payload.get("text") or "")) > 40_000:
        return "msg_too_long"
    counted = [block for block in blocks if block.get("type") not in _DATA]
    if len(json.dumps(counted, ensure_ascii=False)) > 13_200:
        return "msg_blocks_too_long"
    wrong = [*_wrong(blocks)]
    return f"invalid_blocks: {'; '.join(wrong)}" if wrong else None


def view_verdict(view: Any, kind: str = "modal") -> str | None:
    """Why Slack would refuse a modal or a Home tab; None if it would not."""
    if not isinstance(view, dict) or view.get("type") != kind:
        return f"not a {kind}"
    blocks = view.get("blocks") or []
    known_blocks = [block for block in blocks if block.get("type") not in _DATA]
    try:
        known = {**View(**{**view, "blocks": known_blocks}).to_dict(), "blocks": blocks}
    except (SlackObjectFormationError, TypeError) as error:
        return f"view: {error}"
    if known != view:
        return "view: the library does not know all of it"
    wrong = [*_wrong(blocks, 100)]
    if kind == "home":
        wrong += [f"a {key}" for key in ("title", "submit", "close") if key in view]
        wrong += ["a box"] if any(block["type"] == "input" for block in blocks) else []
        return "; ".join(wrong) or None
    titles = [view.get(key) or {} for key in ("title", "submit", "close")]
    if any(len(title.get("text", "x")) not in range(1, 25) for title in titles) or "title" not in view:
        wrong.append("a title, submit or close without text or with more than 24 characters")
    if any(block["type"] == "input" for block in blocks) and "submit" not in view:
        wrong.append("a box and nothing to send it with")
    if len(view.get("private_metadata", "")) > 3000:
        wrong.append("private_metadata of more than 3000 characters")
    return "; ".join(wrong) or None


def _wrong(blocks: list[dict[str, Any]], most: int = 50) -> Iterator[str]:
    if len(blocks) > most:
        yield f"{len(blocks)} blocks"
    for key in ("block_id", "action_id"):
        ids = [node[key] for node in _nodes(blocks) if key in node]
        if len(ids) != len(set(ids)):
            yield f"{key} repeats"
    yield from _wrong_data(blocks)
    for number, block in enumerate(blocks):
        if block.get("type") in _DATA - {"table"}:
            continue  # not in the library's models yet
        try:
            parsed = Block.parse(block)
            if parsed is None:
                yield f"block {number}: unknown type"
            elif parsed.to_dict() != block:
                yield f"block {number}: the library does not know all of it"
        except (SlackObjectFormationError, TypeError) as error:
            yield f"block {number}: {error}"
    for node in _nodes(blocks):
        yield from _wrong_texts(node)


def _wrong_data(blocks: list[dict[str, Any]]) -> Iterator[str]:
    """Native tables and charts, by the reference pages and by what Slack enforces beyond them."""
    tables = [block for block in blocks if block.get("type") in {"table", "data_table"}]
    charts = [block for block in blocks if block.get("type") == "data_visualization"]
    if len(tables) > 1 or len(charts) > 2:
        yield f"{len(tables)} tables, {len(charts)} charts"
    for table in tables:
        rows = table["rows"]
        if not 2 <= len(rows) <= 101 or {len(row) for row in rows} - {len(rows[0])} or len(rows[0]) > 20:
            yield "a table of a wrong shape"
        if table["type"] == "data_table" and any(cell["type"] == "rich_text" for cell in rows[0]):
            yield "rich text in a header"
        if table["type"] == "data_table" and not table["caption"].strip():
            yield "a table without a caption"
        if any("text" in cell and not cell["text"].strip() for row in rows for cell in row):
            yield "an empty cell"
        if len("".join(str(node.get("text", "")) for node in _nodes(rows))) > 10_000:
            yield "too much text in a table"
    for block in charts:
        yield from _wrong_chart(block)


def _wrong_chart(block: dict[str, Any]) -> Iterator[str]:
    chart = block["chart"]
    if not 1 <= len(block["title"]) <= 50:
        yield "a chart's title"
    labels = chart["axis_config"]["categories"]
    names = [series["name"] for series in chart["series"]]
    points = [[point["label"] for point in series["data"]] for series in chart["series"]]
    if not 1 <= len(labels) <= 20 or any(each != labels for each in points) or not 1 <= len(names) <= 6:
        yield "a chart's points"
    names = [*names, *(f"label {label}" for label in labels)]
    if len(set(names)) != len(names) or any(
        not 1 <= len(name.removeprefix("label ")) <= 20 for name in names
    ):
        yield "a chart's names"


def _wrong_texts(node: Mapping[str, Any]) -> Iterator[str]:
    text = node.get("text")
    if isinstance(text, str) and not text.strip():
        yield f"an empty {node.get('type')}"
    if node.get("type") == "header" and isinstance(text, dict) and text.get("type") != "plain_text":
        yield "a header with markup"
    for field in node.get("fields") or []:
        if len(field["text"]) > 2000:
            yield "a field of more than 2000 characters"
    elements = node.get("elements") or []
    if node.get("type") in {"actions", "context", "rich_text"} and not elements:
        yield f"an empty {node['type']}"
    if node.get("type") == "context" and any(len(each.get("text", "")) > 3000 for each in elements):
        yield "a context of more than 3000 characters"
    if node.get("type") == "rich_text" and len(elements) > 50:
        yield "a rich text of more than 50 elements"


def _nodes(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _nodes(value)
