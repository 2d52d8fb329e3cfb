"""Would Slack take this message? The library's own block models judge, and what they let pass is checked here.

Kept apart from the rules `meterbot.chat` checks itself by, so that one can catch the other's mistakes.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View


def verdict(payload: Mapping[str, Any]) -> str | None:
    """Slack's error code with what is wrong, or None."""
    blocks = payload.get("blocks") or []
    if not blocks and not str(payload.get("text") or "").strip():
        return "no_text"
    if len(str(payload.get("text") or "")) > 40_000:
        return "msg_too_long"
    if len(json.dumps(blocks, ensure_ascii=False)) > 13_200:
        return "msg_blocks_too_long"
    wrong = [*_wrong(blocks)]
    return f"invalid_blocks: {'; '.join(wrong)}" if wrong else None


def view_verdict(view: Any, kind: str = "modal") -> str | None:
    """What Slack has against a modal, or against a Home tab, or None."""
    if not isinstance(view, dict) or view.get("type") != kind:
        return f"not a {kind}"
    blocks = view.get("blocks") or []
    try:
        known = View(**view).to_dict()
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
    for number, block in enumerate(blocks):
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


def _wrong_texts(node: Mapping[str, Any]) -> Iterator[str]:
    text = node.get("text")
    if isinstance(text, str) and not text.strip():
        yield f"an empty {node.get('type')}"
    if node.get("type") == "header" and isinstance(text, dict) and text.get("type") != "plain_text":
        yield "a header with markup"
    for field in node.get("fields") or []:
        if len(field["text"]) > 2000:
            yield "a field of more than 2000 characters"
    if node.get("type") in {"actions", "context", "rich_text"} and not node.get("elements"):
        yield f"an empty {node['type']}"


def _nodes(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _nodes(value)
