"""Checks whether Discord would accept a message, where its OpenAPI description is not at hand, and whom it mentions.

It shares nothing with the rules by which `meterbot.chat` cuts its texts, so that one can find the other's mistakes.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

CONTENT, TITLE, DESCRIPTION, FIELDS, NAME, VALUE, FOOTER = 2000, 256, 4096, 25, 256, 1024, 2048
EMBEDS, EMBED_TOTAL, ROWS, BUTTONS_PER_ROW, LABEL, CUSTOM_ID, NONCE = 10, 6000, 5, 5, 80, 100, 25

_MENTION = re.compile(r"<(?:@[!&]?|#)(\d+)>|@(everyone|here)\b")


def units(text: str) -> int:
    """The length in UTF-16 code units."""
    return len(text) + sum(character > "\uffff" for character in text)


def problems(payload: Mapping[str, Any]) -> list[str]:
    """Why Discord would refuse a payload, or must not get it; empty when it may be sent."""
    embeds, rows = payload.get("embeds", []), payload.get("components", [])
    found = [
        *_too_long(payload, {"content": CONTENT, "nonce": NONCE}, "message"),
        *_too_many(embeds, EMBEDS, "embeds"),
        *_too_many(rows, ROWS, "rows of buttons"),
        *(problem for embed in embeds for problem in _embed_problems(embed)),
        *_button_problems(rows),
        *_mention_problems(payload),
    ]
    if sum(units(text) for embed in embeds for text in _texts(embed)) > EMBED_TOTAL:
        found.append(f"embeds: more than {EMBED_TOTAL} characters together")
    if not embeds and not payload.get("content", "").strip():
        found.append("message: empty")
    return found


def _embed_problems(embed: Mapping[str, Any]) -> Iterator[str]:
    yield from _too_long(embed, {"title": TITLE, "description": DESCRIPTION}, "embed")
    yield from _too_long(embed.get("footer", {}), {"text": FOOTER}, "footer")
    yield from _too_many(embed.get("fields", []), FIELDS, "fields")
    if not embed.keys() & {"title", "description", "fields", "footer"}:
        yield "embed: empty"
    if "title" in embed:
        yield from _blank(embed, ["title"], "embed")
    for field in embed.get("fields", []):
        yield from _too_long(field, {"name": NAME, "value": VALUE}, "field")
        yield from _blank(field, ["name", "value"], "field")


def _button_problems(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    buttons = [button for row in rows for button in row["components"]]
    for row in rows:
        yield from _too_many(row["components"], BUTTONS_PER_ROW, "buttons in a row")
        yield from _blank(row, ["components"], "row")
    for button in buttons:
        yield from _too_long(button, {"label": LABEL, "custom_id": CUSTOM_ID}, "button")
        yield from _blank(button, ["label", "custom_id"], "button")
    if len({button["custom_id"] for button in buttons}) != len(buttons):
        yield "buttons: the same custom_id twice"


def _mention_problems(payload: Mapping[str, Any]) -> Iterator[str]:
    allowed = payload.get("allowed_mentions")
    if allowed is None or allowed.get("parse") != [] or allowed.get("roles"):
        yield "allowed_mentions: must name each person, and parse nothing"
        return
    texts = [
        payload.get("content", ""),
        *(text for embed in payload.get("embeds", []) for text in _texts(embed)),
    ]
    meant = set(allowed.get("users", []))
    live = {found[1] or found[2] for text in texts for found in _MENTION.finditer(text)}
    if live - meant:
        yield "message: mentions somebody it should not"


def _texts(embed: Mapping[str, Any]) -> Iterator[str]:
    yield embed.get("title", "")
    yield embed.get("description", "")
    yield embed.get("footer", {}).get("text", "")
    for field in embed.get("fields", []):
        yield field["name"]
        yield field["value"]


def _too_long(part: Mapping[str, Any], limits: Mapping[str, int], where: str) -> Iterator[str]:
    for key, limit in limits.items():
        if units(part.get(key, "")) > limit:
            yield f"{where}: {key} longer than {limit}"


def _too_many(items: Sequence[object], limit: int, what: str) -> Iterator[str]:
    if len(items) > limit:
        yield f"more than {limit} {what}"


def _blank(part: Mapping[str, Any], keys: Sequence[str], where: str) -> Iterator[str]:
    for key in keys:
        value = part.get(key)
        if not value or (isinstance(value, str) and not value.strip()):
            yield f"{where}: {key} missing or blank"
