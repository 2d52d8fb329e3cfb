"""The text of config.toml: a new one, or an existing one with additions. Pure, and without secrets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Value = str | bool | int | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DraftTable:
    """`header` as in `[slack]` or `[[seats]]`."""

    header: str
    values: Mapping[str, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.header}\n" + "".join(_line(key, value) for key, value in self.values.items())


def drafted(existing: str | None, schema: str, top: Mapping[str, Value], tables: Sequence[DraftTable]) -> str:
    """The whole text. Everything in `existing` stays as it is; `top` are keys that it does not have."""
    first = f"#:schema {schema}\n"
    lines = "".join(_line(key, value) for key, value in top.items())
    added = "".join(f"\n{table}" for table in tables)
    if existing is None:
        return f"{first}# config.example.toml explains every key. Check this file with `meterbot check`.\n\n{lines}{added}"
    head, rest = "", existing.removeprefix("\ufeff")
    if rest.startswith("#:schema"):
        head, _, rest = rest.partition("\n")
    head = f"{head}\n" if head else first
    return f"{head}{lines}{rest}{'' if rest.endswith(chr(10)) or not rest else chr(10)}{added}"


def _line(key: str, value: Value) -> str:
    return f"{key} = {_written(value)}\n"


def _written(value: Value) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_written(inner)}" for key, inner in value.items()) + " }"
    # A basic string of TOML is one of JSON, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
