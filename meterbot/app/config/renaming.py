"""Keys that have a new name, or none any more: the old one is taken for one more minor version, and its line is told."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from meterbot.app.config.toml_positions import Path


@dataclass(frozen=True, slots=True)
class Renamed:
    """`table` is where the key stands, such as `("alerts",)`; for `("seats",)` in each of them. Without a `new` name it
    does nothing any more. `until` is the version that knows the old name no longer."""

    table: tuple[str, ...]
    old: str
    new: str | None
    until: str


RENAMED: tuple[Renamed, ...] = ()
"""What this version still takes."""


@dataclass(frozen=True, slots=True)
class OldKey:
    """An old key that stands in a document, and what to say of it. `new` is where its value went."""

    path: Path
    new: Path | None
    sentence: str
    usable: bool = True


def rename(document: dict[str, Any], renamed: Sequence[Renamed]) -> Iterator[OldKey]:
    """Gives old keys their new names, in place."""
    for each in renamed:
        for path, table in _tables_at(document, each.table):
            if each.old in table:
                yield _moved(each, (*path, each.old), table)


def _moved(each: Renamed, path: Path, table: dict[str, Any]) -> OldKey:
    value = table.pop(each.old)
    if each.new is None:
        return OldKey(path, None, f"does nothing any more: take it out, meterbot {each.until} refuses it")
    if each.new in table:
        return OldKey(path, None, f"stands beside {each.new}, its new name: take it out", usable=False)
    table[each.new] = value
    new = (*path[:-1], each.new)
    return OldKey(
        path, new, f"is called {each.new} now: rename it, meterbot {each.until} refuses the old name"
    )


def _tables_at(
    value: object, names: tuple[str, ...], path: Path = ()
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The tables under this name, each of an array's, as far as they are tables."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _tables_at(item, names, (*path, index))
    elif isinstance(value, dict):
        if not names:
            yield path, value
        elif names[0] in value:
            yield from _tables_at(value[names[0]], names[1:], (*path, names[0]))
