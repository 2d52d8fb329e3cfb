"""What is wrong in a text that is not TOML, in words that say what to do. tomli has found the mistake."""

import re
from collections.abc import Callable, Collection
from typing import NamedTuple

import tomli

from meterbot.app.config.toml_positions import Position


class Mistake(NamedTuple):
    position: Position
    sentence: str


class _Line(NamedTuple):
    """The line on which tomli gave up. `key` and `header` are empty where it does not begin with one."""

    before: list[str]
    """The lines above."""
    alone: bool
    """Whether the document has no other line."""
    nearest: str
    """The key right before the place where tomli gave up, or that of the line."""
    rest: str
    """From that place on."""
    key: str
    header: str
    known: Collection[str]

    def named(self, name: str, otherwise: str) -> str:
        """The key or header, unless it may be a secret that was pasted where a key belongs."""
        parts = [part.strip(" \t\"'") for part in name.strip("[]").split(".")]
        return name if all(part in self.known for part in parts) else otherwise

    def earlier(self, pattern: str, *, in_table: bool = False) -> int:
        """The number of the line above that matches; `in_table`: no header is between. 0 for none."""
        for number in range(len(self.before), 0, -1):
            if re.match(pattern, self.before[number - 1]):
                return number
            if in_table and self.before[number - 1].lstrip().startswith("["):
                break
        return 0


def mistake(error: tomli.TOMLDecodeError, known: Collection[str]) -> Mistake:
    """Where it is, and a sentence that repeats no value and only `known` keys; tomli's own where there is no better
    one."""
    lines = error.doc.split("\n")
    text = lines[error.lineno - 1]
    found = re.match(r"\s*(?:(?P<header>\[\[?[^\[\]#]*\]\]?)|(?P<key>[\w.-]+)\s*=)", text, re.ASCII)
    key, header = (found["key"] or "", found["header"] or "") if found else ("", "")
    before, rest = text[: error.colno - 1], text[error.colno - 1 :]
    near = re.search(r"([\w.-]+)\s*=\s*$", before, re.ASCII)
    alone = len(error.doc.splitlines()) == 1
    line = _Line(lines[: error.lineno - 1], alone, near[1] if near else key, rest, key, header, known)
    for start, said in _SENTENCES.items():
        if error.msg.startswith(start):
            begins = start in _AT_THE_BEGINNING and bool(key or header)
            column = len(text) - len(text.lstrip()) + 1 if begins else error.colno
            return Mistake(Position(error.lineno, column), said if isinstance(said, str) else said(line))
    return Mistake(Position(error.lineno, error.colno), error.msg)


def _invalid_value(line: _Line) -> str:
    nearest = line.named(line.nearest, "")
    of = f" of {nearest}" if nearest else ""
    if not line.rest.strip() or line.rest.startswith(("#", ",")):
        return f"the value{of} is missing"
    if line.rest.lower().startswith(("true", "false")):
        return f"the value{of} must be lowercase: true or false"
    if line.rest[0] in "“”„‘’«»":
        return f'the value{of} needs straight quotes: "…"'
    return f'put the value{of} in quotes ("…"); only numbers, dates, true and false go without'


def _table_twice(line: _Line) -> str:
    name = line.header.strip("[] \t")
    pattern = rf"\s*\[(\[?)\s*{re.escape(name)}\s*\]"
    if not (first := line.earlier(pattern)):
        return (
            f"{line.named(line.header, 'the table')} is already defined above: put all its keys in one place"
        )
    header, name = line.named(line.header, "this table"), line.named(name, "name")
    if line.before[first - 1].lstrip().startswith("[["):
        return f"{header} must be [[{name}]], as on line {first}"
    return f"{header} appears twice, first on line {first}: move all its keys under one [{name}]"


def _value_twice(line: _Line) -> str:
    if line.key and (first := line.earlier(rf"\s*{re.escape(line.key)}\s*=", in_table=True)):
        return f"{line.named(line.key, 'a key')} is set twice, first on line {first}: delete one of them"
    name = line.named(line.header or line.key, "the key")
    return f"{name} is already set above: delete one of them"


def _goes_on(line: _Line) -> str:
    if re.match(r"\[|[\w.-]+\s*=", line.rest, re.ASCII):
        said = "a line break is missing here: every key and every [table] starts on its own line"
        return f"{said}. A variable keeps its line breaks with {_WITH_BREAKS}" if line.alone else said
    if key := line.named(line.key, "a key" if line.key else ""):
        return f'unexpected text after the value of {key}: put text values in quotes ("…"), and # before a comment'
    return "unexpected text here: only a comment after # may follow"


def only_a_comment(text: str) -> str:
    """The sentence about a document whose first comment holds all the rest, because its line breaks were lost; empty
    for any other."""
    lost = text.lstrip().startswith("#") and "=" in text and len(text.splitlines()) == 1
    said = "is a single line that starts with #, so all of it is a comment. Set the variable with its line breaks"
    return f"{said}: {_WITH_BREAKS}" * lost


_WITH_BREAKS = 'METERBOT_CONFIG_TOML="$(cat config.toml)"'
_NOT_CLOSED = "the closing quote is missing"
_SENTENCES: dict[str, str | Callable[[_Line], str]] = {
    "Invalid value": _invalid_value,
    "Cannot declare": _table_twice,
    "Cannot overwrite a value": _value_twice,
    "Cannot mutate immutable namespace": _value_twice,
    "Duplicate inline table key": "a key is set twice in this table: delete one of them",
    "Illegal character '\\n'": _NOT_CLOSED,
    "Found invalid character '\\n'": _NOT_CLOSED,
    "Unterminated string": _NOT_CLOSED,
    "Expected \"'": _NOT_CLOSED,
    "Expected newline or end of document after a statement": _goes_on,
    "Unclosed array": "the closing ] of a list is missing",
    "Unclosed inline table": "the closing } of a table is missing",
    "Expected ']' at the end of a table declaration": "the ] after a table's name is missing",
    "Expected ']]' at the end of an array declaration": "the ]] after a table's name is missing",
    "Expected '=' after a key in a key/value pair": "the = after a key is missing",
    "Invalid statement": "expected key = value or [table]",
    "Unescaped '\\' in a string": r"write \\ for \ in double quotes, or use single quotes",
}
"""How tomli's message begins → what a person reads."""
_AT_THE_BEGINNING = {"Cannot declare", "Cannot overwrite a value", "Cannot mutate immutable namespace"}
"""For these, tomli has read the whole line; the mistake is at its start."""
