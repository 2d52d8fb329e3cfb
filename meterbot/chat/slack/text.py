"""Text for Slack: cleaned, cut and escaped, so that Slack shows it and does not interpret it.

Slack reads control sequences (`<!channel>`) in `mrkdwn` and `plain_text`, so `&`, `<` and `>` are escaped there. Rich
text has no control sequences.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from meterbot.chat.text_forms import DASH
from meterbot.core.inline import Instant, Link, pieces, plain

Block = dict[str, Any]

_DATE_FORMAT = "{date_short_pretty} at {time}"
# Controls but the line feed, lone surrogates, and what reorders the text around it: a name could make an amount read
# backwards.
_UNWANTED = re.compile(r"[\0-\t\v-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def plain_text(text: str, limit: int) -> Block:
    """A `plain_text` object of at most `limit` characters."""
    return {"type": "plain_text", "text": escaped(text, limit), "emoji": False}


def mrkdwn(text: str, limit: int) -> Block:
    """A `mrkdwn` object with instants in the reader's own zone, and no automatic links."""
    return {"type": "mrkdwn", "text": _cut(text, limit, _marked_up), "verbatim": True}


def escaped(text: str, limit: int) -> str:
    """At most `limit` characters, escapes included, never empty."""
    return _cut(plain(text), limit, _escape)


def rich_elements(text: str) -> list[Block]:
    """The elements of a rich text section: texts, instants and links; never empty."""
    found = [_rich_element(piece) for piece in pieces(text)]
    return [element for element in found if element.get("text") != ""] or [{"type": "text", "text": DASH}]


def clipped(text: str, limit: int) -> str:
    """The text, or its beginning and "…"."""
    return text if len(text) <= limit else f"{text[: max(limit - 1, 0)]}…"


def clean(text: str) -> str:
    """Without characters that JSON cannot contain or that change the reading order: controls, lone surrogates,
    direction marks."""
    return _UNWANTED.sub("", text)


def one_line(text: str) -> str:
    """Cleaned, on one line."""
    return clean(text).replace("\n", " ")


def visible(text: str) -> bool:
    """Whether anything in it is visible."""
    return any(
        not character.isspace() and unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Mn"}
        for character in plain(text)
    )


def largest(most: int, fits: Callable[[int], bool]) -> int | None:
    """The largest of 0…most that fits; None if none does. If a number below `most` fits, smaller ones do, too."""
    if fits(most):
        return most
    smaller = bisect_left(range(most), True, key=lambda number: not fits(number))
    return smaller - 1 if smaller else None


def _cut(text: str, limit: int, escape: Callable[[str], str]) -> str:
    if not visible(text):
        return DASH
    text = clean(text)
    cut = largest(len(text), lambda length: len(escape(clipped(text, length))) <= limit)
    return escape(clipped(text, cut or 0))


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _marked_up(text: str) -> str:
    return "".join(
        _escape(piece) if isinstance(piece, str) else _control_sequence(piece) for piece in pieces(text)
    )


def _control_sequence(value: Instant | Link) -> str:
    """In it `|` and `>` would end a part."""
    if isinstance(value, Link):
        return f"<{_escape(value.url).replace('|', '%7C')}|{_escape(value.label).replace('|', '/')}>"
    return f"<!date^{value.epoch}^{_DATE_FORMAT}|{_escape(value.shown).replace('|', '/')}>"


def _rich_element(piece: str | Instant | Link) -> Block:
    if isinstance(piece, str):
        return {"type": "text", "text": clean(piece)}
    if isinstance(piece, Link):
        return {"type": "link", "url": piece.url, "text": clean(piece.label) or piece.url}
    return {
        "type": "date",
        "timestamp": piece.epoch,
        "format": _DATE_FORMAT,
        "fallback": clean(piece.shown) or DASH,
    }
