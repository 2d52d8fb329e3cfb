"""JSON with exact numbers, and with marks in place of ambiguous values."""

import json
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal


class NotJsonError(ValueError):
    """Not one JSON document in UTF-8. The text never quotes it."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Replaces an ambiguous value of the document; `what` says why."""

    what: str


def parse(document: bytes) -> object:
    """The document's value, with numbers as exact `Decimal` and ambiguous values as `Unusable`. Raises
    `NotJsonError`, and `RecursionError` for nesting that is too deep."""
    try:
        text = document.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotJsonError("not UTF-8") from None
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError:
        raise NotJsonError("not JSON" if text.strip() else "empty") from None


def _number(literal: str) -> Decimal | Unusable:
    try:
        return Decimal(literal)
    except ArithmeticError:
        return Unusable("a number beyond measure")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A key that is there twice is ambiguous, so neither value is used."""
    values = dict(pairs)
    if len(values) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        values |= {key: Unusable("two values") for key, count in counts.items() if count > 1}
    return values


_DECODER = json.JSONDecoder(
    parse_float=_number, parse_int=_number, parse_constant=Unusable, object_pairs_hook=_object
)
