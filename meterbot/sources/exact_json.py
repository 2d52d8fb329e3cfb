"""JSON as it was written: exact numbers, and marks where a value cannot be trusted."""

import json
from dataclasses import dataclass
from decimal import Decimal


class NotJsonError(ValueError):
    """Bytes that are not one JSON document in UTF-8. The text never quotes them."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Stands where the document has a value that means nothing certain; `what` says why, in our words."""

    what: str


def parse(document: bytes) -> object:
    """The document's value: numbers as exact `Decimal`, doubtful values as `Unusable`.

    Raises `NotJsonError`, and `RecursionError` for nesting deeper than any answer needs.
    """
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
    """Of a key stated twice nobody knows which is meant: neither is taken."""
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                values[key] = Unusable("two values")
            seen.add(key)
    return values


_DECODER = json.JSONDecoder(
    parse_float=_number, parse_int=_number, parse_constant=Unusable, object_pairs_hook=_object
)
