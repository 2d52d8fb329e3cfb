"""Instants and links inside a text, as values that each chat renders in its own way.

`str(Instant(...))` and `str(Link(...))` are marks of private-use characters, so they fit in any f-string. A chat
splits the text with `pieces`; a chat that cannot render them uses `plain`. Foreign text cannot contain a mark,
because `core.text.one_line` removes private-use characters.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from meterbot.core.text import moment

_OPEN, _NEXT, _CLOSE = "\ue000", "\ue001", "\ue002"
_MARK = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}")
_BROKEN = re.compile(f"{_OPEN}[^{_CLOSE}]*$|[{_OPEN}{_NEXT}{_CLOSE}]")


@dataclass(frozen=True, slots=True)
class Instant:
    """A point in time, shown in each reader's own zone if the platform can do that; otherwise as `shown`."""

    at: datetime
    shown: str

    @property
    def epoch(self) -> int:
        return int(self.at.timestamp())

    def __str__(self) -> str:
        return f"{_OPEN}t{_NEXT}{self.epoch}{_NEXT}{self.shown}{_CLOSE}"


@dataclass(frozen=True, slots=True)
class Link:
    """A web page (`https:` or `http:`). Both its label and its address are shown if links cannot have labels."""

    url: str
    label: str

    def __str__(self) -> str:
        return f"{_OPEN}l{_NEXT}{self.url}{_NEXT}{self.label}{_CLOSE}"


def instant(at: datetime, tz: tzinfo) -> str:
    """The mark of an instant; `tz` is used if the reader's own zone is unknown."""
    return str(Instant(at, moment(at, tz)))


def link(url: str, label: str) -> str:
    return str(Link(url, label))


def pieces(text: str) -> list[str | Instant | Link]:
    """The text's parts in order. A mark that was cut in two is dropped."""
    *parts, rest = _MARK.split(text)  # text and marks by turns
    values = [_value(part) if place % 2 else part for place, part in enumerate(parts)]
    return [value for value in [*values, _BROKEN.sub("", rest)] if value != ""]


def plain(text: str) -> str:
    """The text without marks: instants in the configured zone, links as `label (url)`."""
    if _OPEN not in text:
        return text
    return "".join(part if isinstance(part, str) else _plain_value(part) for part in pieces(text))


def _value(mark: str) -> str | Instant | Link:
    match mark.split(_NEXT):
        case ["t", epoch, shown]:
            try:
                return Instant(datetime.fromtimestamp(int(epoch), UTC), shown)
            except (ValueError, OverflowError, OSError):
                return shown
        case ["l", url, label]:
            return Link(url, label)
    return ""


def _plain_value(value: Instant | Link) -> str:
    return value.shown if isinstance(value, Instant) else f"{value.label} ({value.url})"
