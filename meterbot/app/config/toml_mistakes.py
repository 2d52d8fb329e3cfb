"""What is wrong in a text that is not TOML, in words that say what to do. tomli has found the mistake."""

import re
from collections.abc import Callable
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

    def earlier(self, pattern: str, *, in_table: bool = False) -> int:
        """The number of the line above that matches; `in_table`: no header is between. 0 for none."""
        for number in range(len(self.before), 0, -1):
            if re.match(pattern, self.before[number - 1]):
                return number
            if in_table and self.before[number - 1].lstrip().startswith("["):
                break
        return 0


def mistake(error: tomli.TOMLDecodeError) -> Mistake:
    """Where it is, and a sentence that repeats no value; tomli's own where there is no better one."""
    lines = error.doc.split("\n")
    text = lines[error.lineno - 1]
    found = re.match(r"\s*(?:(?P<header>\[\[?[^\[\]#]*\]\]?)|(?P<key>[\w.-]+)\s*=)", text, re.ASCII)
    key, header = (found["key"] or "", found["header"] or "") if found else ("", "")
    before, rest = text[: error.colno - 1], text[error.colno - 1 :]
    near = re.search(r"([\w.-]+)\s*=\s*$", before, re.ASCII)
    alone = len(error.doc.splitlines()) == 1
    line = _Line(lines[: error.lineno - 1], alone, near[1] if near else key, rest, key, header)
    for start, said in _SENTENCES.items():
        if error.msg.startswith(start):
            begins = start in _AT_THE_BEGINNING and bool(key or header)
            column = len(text) - len(text.lstrip()) + 1 if begins else error.colno
            return Mistake(Position(error.lineno, column), said if isinstance(said, str) else said(line))
    return Mistake(Position(error.lineno, error.colno), error.msg)


def _invalid_value(line: _Line) -> str:
    of = f" of {line.nearest}" if line.nearest else ""
    if not line.rest.strip() or line.rest.startswith(("#", ",")):
        return f"the value{of} is missing"
    if line.rest.lower().startswith(("true", "false")):
        return f"the value{of} must be in small letters: true or false"
    if line.rest[0] in "“”„‘’«»":
        return f'the value{of} needs straight quotes: "…"'
    return f'the value{of} needs quotes, unless it is a number, a date, true or false: "…"'


def _table_twice(line: _Line) -> str:
    name = line.header.strip("[] \t")
    pattern = rf"\s*\[(\[?)\s*{re.escape(name)}\s*\]"
    if not (first := line.earlier(pattern)):
        return f"{line.header or 'the table'} is there already: put its keys together"
    if line.before[first - 1].lstrip().startswith("[["):
        return f"{line.header} must be [[{name}]], as on line {first}"
    return f"{line.header} is there twice, first on line {first}: put its keys together under one"


def _value_twice(line: _Line) -> str:
    if line.key and (first := line.earlier(rf"\s*{re.escape(line.key)}\s*=", in_table=True)):
        return f"{line.key} is written twice, first on line {first}: keep one of the two"
    return f"{line.header or line.key or 'the key'} is written already: keep one of the two"


def _goes_on(line: _Line) -> str:
    if re.match(r"\[|[\w.-]+\s*=", line.rest, re.ASCII):
        said = "a line break is missing here: every key and every [table] has a line of its own"
        return f"{said}. {_KEEP_BREAKS}" if line.alone else said
    if line.key:
        return f'the value of {line.key} goes on here: put a text in quotes, "…", and # before a comment'
    return "nothing may follow here, except a comment after #"


def only_a_comment(text: str) -> str:
    """The sentence about a document whose first comment holds all the rest, because its line breaks were lost; empty
    for any other."""
    lost = text.lstrip().startswith("#") and "=" in text and len(text.splitlines()) == 1
    return f"is one line, and so all of it is a comment: the line breaks are missing. {_KEEP_BREAKS}" * lost


_KEEP_BREAKS = 'A variable keeps them with quotes: "$(cat config.toml)"'
_NOT_CLOSED = "a text is not closed: its second quote is missing"
_SENTENCES: dict[str, str | Callable[[_Line], str]] = {
    "Invalid value": _invalid_value,
    "Cannot declare": _table_twice,
    "Cannot overwrite a value": _value_twice,
    "Cannot mutate immutable namespace": _value_twice,
    "Duplicate inline table key": "a key is twice in one table: keep one of the two",
    "Illegal character '\\n'": _NOT_CLOSED,
    "Found invalid character '\\n'": _NOT_CLOSED,
    "Unterminated string": _NOT_CLOSED,
    "Expected \"'": _NOT_CLOSED,
    "Expected newline or end of document after a statement": _goes_on,
    "Unclosed array": "a list is not closed: its ] is missing",
    "Unclosed inline table": "a table in braces is not closed: its } is missing",
    "Expected ']' at the end of a table declaration": "the ] after a table's name is missing",
    "Expected ']]' at the end of an array declaration": "the ]] after a table's name is missing",
    "Expected '=' after a key in a key/value pair": "the = after a key is missing",
    "Invalid statement": "a line must be a key with its value, or a table's name in brackets",
    "Unescaped '\\' in a string": r"write \\ for \ in double quotes, or use single quotes",
}
"""How tomli's message begins → what a person reads."""
_AT_THE_BEGINNING = {"Cannot declare", "Cannot overwrite a value", "Cannot mutate immutable namespace"}
"""Of these, tomli has read the whole line, and what is wrong is at its beginning."""
