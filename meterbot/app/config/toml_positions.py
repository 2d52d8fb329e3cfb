"""The position of each key in a TOML document, which no TOML parser for Python reports.

`positions` reads only documents that tomli has accepted, and checks nothing.
"""

import re
from bisect import bisect_right
from typing import NamedTuple

import tomli

Path = tuple[str | int, ...]
"""The way to a value: keys, and indices from 0 of arrays."""


class Position(NamedTuple):
    """Both count from 1; a column is a character."""

    line: int
    column: int


def positions(document: str) -> dict[Path, Position]:
    """Every path → its key, or for an element of an array its first character (for `[[name]]`: the name)."""
    scanner = _Scanner(document)
    scanner.document()
    return scanner.found


_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'|[A-Za-z0-9_-]+')
# A multi-line string may end in up to two quotes of its own before the closing three.
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")|\'\'\'.*?\'{3,5}(?!\')|"(?:\\.|[^"\\])*"|\'[^\']*\'', re.DOTALL
)
_PLAIN = re.compile(r"[^,\]}#\r\n]+")
_LITERAL = re.compile(
    rf"""{_STRING.pattern}|\#[^\n]*
    |(?P<number>[+-]?(?:
        [0-9][0-9_]{{4300,}}(?![0-9_]*[.eE])|0[xob][0-9A-Fa-f_]{{3500,}}|[0-9][0-9_.]*[eE][+-]?[0-9_]{{18,}}
    ))(?![ \t]*=)""",
    re.DOTALL | re.VERBOSE,
)


def huge_number(document: str) -> Position | None:
    """The first number that Python cannot turn into text or from text; the document need not be TOML."""
    for match in _LITERAL.finditer(document):
        if match["number"]:
            before = document[: match.start()]
            return Position(before.count("\n") + 1, match.start() - before.rfind("\n"))
    return None


class _Scanner:
    def __init__(self, text: str) -> None:
        self.found: dict[Path, Position] = {}
        self._text = text
        self._at = 0
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._tables: dict[Path, int] = {}  # arrays of tables → how many tables so far

    def document(self) -> None:
        table: Path = ()
        self._skip()
        while self._at < len(self._text):
            if self._text.startswith("[[", self._at):
                table = self._header(2)
            elif self._text[self._at] == "[":
                table = self._header(1)
            else:
                self._pair(table)
            self._skip()

    def _header(self, brackets: int) -> Path:
        self._at += brackets
        *parents, (name, here) = self._keys()
        self._at += brackets
        path: Path = ()
        for parent, position in parents:
            path = (*path, parent)
            self.found.setdefault(path, position)
            if path in self._tables:
                path = (*path, self._tables[path] - 1)
        path = (*path, name)
        if brackets == 1:
            self.found[path] = here
            return path
        self.found.setdefault(path, here)
        index = self._tables.get(path, 0)
        self._tables[path] = index + 1
        path = (*path, index)
        self.found[path] = here
        return path

    def _pair(self, table: Path) -> None:
        path = table
        for name, position in self._keys():
            path = (*path, name)
            self.found.setdefault(path, position)
        self._at += 1  # the equals sign
        self._skip()
        self._value(path)

    def _keys(self) -> list[tuple[str, Position]]:
        """A dotted key, with the space around it."""
        keys = []
        while True:
            self._skip()
            here = self._position()
            keys.append((_unquoted(self._match(_KEY)), here))
            self._skip()
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1

    def _value(self, path: Path) -> None:
        match self._text[self._at]:
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                self._match(_STRING)
            case _:
                self._match(_PLAIN)

    def _array(self, path: Path) -> None:
        index = 0
        while self._next_item("]"):
            self.found[*path, index] = self._position()
            self._value((*path, index))
            index += 1

    def _inline_table(self, path: Path) -> None:
        while self._next_item("}"):
            self._pair(path)

    def _next_item(self, end: str) -> bool:
        """Moves past the opening bracket or the comma to the next item; False at, and past, the end."""
        self._skip()
        if self._text[self._at] != end:
            self._at += 1
            self._skip()
        if self._text[self._at] != end:
            return True
        self._at += 1
        return False

    def _skip(self) -> None:
        self._match(_SPACE)

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError("not a document that tomli accepts")
        self._at = match.end()
        return match.group()

    def _position(self) -> Position:
        line = bisect_right(self._lines, self._at)
        return Position(line, self._at - self._lines[line - 1] + 1)


def _unquoted(key: str) -> str:
    return next(iter(tomli.loads(f"{key} = 0"))) if key[0] in "\"'" else key
