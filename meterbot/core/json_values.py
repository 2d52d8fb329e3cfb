"""Dataclasses as JSON text. Decimals are strings in it and stay exact."""

from functools import cache
from typing import Any

from pydantic import TypeAdapter


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """Created when first needed, which makes the start faster."""
    return TypeAdapter(kind)


def json_of(kind: Any, value: object) -> str:
    """JSON text without default values."""
    return adapter(kind).dump_json(value, exclude_defaults=True).decode()


def value_of(kind: Any, text: str) -> Any:
    """The inverse of `json_of`. Raises ValueError for another text."""
    return adapter(kind).validate_json(text)
