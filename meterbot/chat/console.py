"""The terminal as a chat: prints alerts, reads commands.

A terminal has no buttons and no forms, and what is printed cannot be edited: an update is one more line. After a
restart nobody knows what was printed before, so a message that may not have been printed is printed again.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any, TextIO
from unicodedata import category

from rich import box
from rich.console import Console as Terminal
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text

from meterbot.chat import (
    Answerer,
    Connection,
    Forms,
    Question,
    no_forms,
)
from meterbot.chat.text_forms import bar, bar_lengths, cell_text, chart_table, section_lines, without_natives
from meterbot.core.errors import LOOKUP_EXHAUSTED, Outcome, SendError
from meterbot.core.inline import plain
from meterbot.core.log import get_logger
from meterbot.core.messages import Chart, Column, Message, Posted, Section, Table
from meterbot.core.models import Severity
from meterbot.core.text import moment

_COLOURS = {
    Severity.INFO: "cyan",
    Severity.GOOD: "green",
    Severity.WARNING: "yellow",
    Severity.CRITICAL: "red",
}
_WORDS = {Severity.INFO: "", Severity.GOOD: "", Severity.WARNING: "WARNING ", Severity.CRITICAL: "CRITICAL "}
_WIDEST = 100
_LONGEST_LINE = 4096
_REMEMBERED = 1000
_COMMAND = "/claude-spend"
_BACKGROUND_PAUSE = 0.5
_MOST_HINTS = 6
_BAR = 24
_TABLE_STYLE: dict[str, Any] = {
    "box": box.SIMPLE_HEAD,
    "pad_edge": False,
    "header_style": "dim",
    "show_edge": False,
}
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}

log = get_logger(__name__)


class Console:
    """A terminal, a pipe or a file. `user` is who asks, for `me`; `on_quit` is called when `quit` is typed.

    With `now`, each alert says when it was printed, in the zone `tz`. Colours and boxes only on a terminal, and no
    colours where `NO_COLOR` is set in `environ`.
    """

    name = "console"
    destination = "terminal"
    pause = 0.0

    def __init__(
        self,
        stdin: TextIO | None,
        stdout: TextIO,
        *,
        user: str = "operator",
        on_quit: Callable[[], None] | None = None,
        environ: Mapping[str, str] = os.environ,
        now: Callable[[], datetime] | None = None,
        tz: tzinfo = UTC,
    ) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._user = user
        self._on_quit = on_quit
        self._now = now
        self._tz = tz
        self._screen = _screen(stdout, environ)
        self._lock = asyncio.Lock()
        self._tried: deque[str] = deque(maxlen=_REMEMBERED)
        self._printed: deque[str] = deque(maxlen=_REMEMBERED)
        self._commands: asyncio.Task[None] | None = None
        self._up = False

    def connection(self) -> Connection:
        return Connection(self._up)

    async def start(self, answer: Answerer, forms: Forms = no_forms) -> None:  # noqa: ARG002 - the contract
        self._up = True
        if self._screen is not None:
            await self._print(Text("Type /claude-spend or help; quit ends.", style="dim"))
        self._commands = asyncio.create_task(self._read_commands(answer), name="console commands")

    async def close(self) -> None:
        self._up = False
        if self._commands is not None:
            self._commands.cancel()
            await asyncio.gather(self._commands, return_exceptions=True)

    async def post(self, delivery: str, channel: str, message: Message) -> Posted:
        self._tried.append(delivery)
        await self._show(message, self._stamp())
        self._printed.append(delivery)
        return Posted(channel, delivery)

    async def edit(self, delivery: str, where: Posted, message: Message) -> None:
        """What was printed stays as it is: the line that comes with every edit says what is new."""

    async def reply(self, delivery: str, where: Posted, message: Message) -> Posted:
        self._tried.append(delivery)
        await self._line(message)
        self._printed.append(delivery)
        return Posted(where.channel, delivery)

    async def find(
        self,
        delivery: str,
        channel: str,
        since: datetime,  # noqa: ARG002 - the contract
        thread: Posted | None = None,  # noqa: ARG002 - the contract
    ) -> list[Posted]:
        if delivery not in self._tried:
            raise SendError(
                Outcome.IN_DOUBT, "what an earlier process printed cannot be read back", code=LOOKUP_EXHAUSTED
            )
        return [Posted(channel, delivery)] if delivery in self._printed else []

    async def delete(self, where: Posted) -> None:
        """What was printed stays printed."""

    async def _read_commands(self, answer: Answerer) -> None:
        try:
            async for line in _lines_of(self._stdin):
                words = _words(line)
                if words is None:
                    continue
                if " ".join(words).lower() in {"quit", "exit"}:
                    if self._on_quit is not None:
                        self._on_quit()
                    return
                question = Question(words, self.name, self._user, self.destination, name=self._user)
                reply = await answer(question)
                await self._show(reply.message)
        except SendError as error:
            log.warning("the console takes no more commands", reason=error.reason)

    def _stamp(self) -> str:
        """`Wed Apr 8 14:00`"""
        return "" if self._now is None else moment(self._now(), self._tz)

    async def _show(self, message: Message, stamp: str = "") -> None:
        if self._screen is None:
            await self._print(_stamped(stamp, _plain(without_natives(message, _WIDEST - 6))))
            return
        await self._print(_panel(message, stamp))
        if message.command:
            await self._print(_one_line(message.command))  # outside the box, which would be copied along

    async def _line(self, message: Message) -> None:
        rest = f". {_one_line(message.text)}" if message.text else ""
        text = _stamped(self._stamp(), f"{_WORDS[message.severity]}{_one_line(message.title)}{rest}")
        await self._print(text if self._screen is None else Text(text, style=_COLOURS[message.severity]))

    async def _print(self, what: RenderableType) -> None:
        text = what if isinstance(what, str) else _rendered(self._screen, what)
        async with self._lock:
            try:
                # A terminal stopped with Ctrl-S, or a full pipe, must hold up nobody else.
                await asyncio.to_thread(_write, self._stdout, text)
            except (OSError, ValueError) as error:
                raise SendError(Outcome.REFUSED, "the terminal is gone") from error


def _words(line: str) -> tuple[str, ...] | None:
    """A line as a command; None for an empty one."""
    words = tuple(line.split())
    if not words:
        return None
    return words[1:] if words[0].lower() == _COMMAND else words


# --- reading ------------------------------------------------------------------------------------------------------


async def _lines_of(stream: TextIO | None) -> AsyncIterator[str]:
    """The typed lines. Uses no thread, because a thread that waits for a key cannot be ended."""
    held = b""
    async for chunk in _chunks_of(stream):
        *lines, held = (held + chunk).split(b"\n")
        for line in lines:
            yield line[:_LONGEST_LINE].decode(errors="replace")
        held = held[:_LONGEST_LINE]
    if held:
        yield held.decode(errors="replace")


async def _chunks_of(stream: TextIO | None) -> AsyncIterator[bytes]:
    try:
        fd = -1 if stream is None else stream.fileno()
    except (OSError, ValueError):  # closed, or no file at all
        return
    if fd < 0:
        return
    readable = asyncio.Event()
    while True:
        waited = await _wait_until_readable(fd, readable)
        if waited and _is_elsewhere(fd):
            # In the background of a shell what is typed is not for us, and reading it would stop the process.
            await asyncio.sleep(_BACKGROUND_PAUSE)
            continue
        try:
            chunk = os.read(fd, _LONGEST_LINE)
        except OSError:  # the terminal was closed
            return
        if not chunk:
            return
        yield chunk
        await asyncio.sleep(0)


async def _wait_until_readable(fd: int, readable: asyncio.Event) -> bool:
    """Returns False for a file and /dev/null, which are always readable and cannot be waited for."""
    loop = asyncio.get_running_loop()
    readable.clear()
    try:
        loop.add_reader(fd, readable.set)
    except OSError:
        return False
    try:
        await readable.wait()
    finally:
        loop.remove_reader(fd)
    return True


def _is_elsewhere(fd: int) -> bool:
    try:
        return os.tcgetpgrp(fd) != os.getpgrp()
    except OSError:  # not our terminal, or none at all: nobody stops us
        return False


# --- writing ------------------------------------------------------------------------------------------------------


def _screen(stdout: TextIO, environ: Mapping[str, str]) -> Terminal | None:
    """The rich console that draws boxes; None for plain text."""
    screen = Terminal(file=stdout, _environ=environ, highlight=False, markup=False, emoji=False)
    return screen if screen.is_terminal and not screen.is_dumb_terminal else None


def _rendered(screen: Terminal | None, what: RenderableType) -> str:
    if screen is None:
        return str(what)
    with screen.capture() as capture:
        screen.print(what, width=min(screen.width, _WIDEST))
    return capture.get()


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.rstrip("\n").encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()


def _stamped(stamp: str, text: str) -> str:
    return f"{stamp}  {text}" if stamp else text


def _panel(message: Message, stamp: str) -> Panel:
    colour = _COLOURS[message.severity]
    parts: list[RenderableType] = [_text(message.text)] if message.text else []
    if message.fields:
        parts.append(_spaced(parts, _field_table(message)))
    for table in message.tables:
        parts.append(_spaced(parts, _table(table)))
    for chart in message.charts:
        parts.append(_spaced(parts, _chart(chart)))
    for section in message.sections:
        parts.append(_spaced(parts, _section(section)))
    if small := [line for line in (_hint(message), _clean(message.footer)) if line]:
        parts.append(_spaced(parts, Text("\n".join(small), "dim")))
    return Panel(
        Group(*parts),
        title=Text(_one_line(message.title), f"bold {colour}"),
        title_align="left",
        subtitle=Text(stamp, "dim") if stamp else None,
        subtitle_align="right",
        border_style=colour,
        box=box.ROUNDED,
        padding=(0, 1),
    )


def _spaced(before: list[RenderableType], part: RenderableType) -> RenderableType:
    return Padding(part, (1 if before else 0, 0, 0, 0))


def _field_table(message: Message) -> RichTable:
    table = RichTable.grid(padding=(0, 2))
    for field in message.fields:
        table.add_row(Text(_one_line(field.name), "dim"), _text(field.value))
    return table


def _table(table: Table) -> Group:
    grid = RichTable(*(_one_line(column.name) for column in table.columns), **_TABLE_STYLE)
    for place, column in enumerate(table.columns):
        grid.columns[place].justify = "right" if column.numeric else "left"
    for row in table.rows:
        grid.add_row(*(_text(cell_text(cell)) for cell in row))
    note = [Text(_clean(table.note), "dim")] if table.note else []
    return Group(Text(_one_line(table.caption), "bold"), grid, *note)


def _chart(chart: Chart) -> Group:
    """Its numbers, and a bar of blocks behind each row."""
    table, lengths = chart_table(chart), bar_lengths(chart)
    most = max((length for length in lengths if length is not None), default=Decimal(0))
    bars = [bar(length, most, _BAR) for length in lengths]
    rows = tuple((*row, drawn or " ") for row, drawn in zip(table.rows, bars, strict=True))
    return _table(replace(table, columns=(*table.columns, Column("")), rows=rows))


def _section(section: Section) -> Group:
    heading = [Text(_one_line(section.heading), "bold")] if section.heading else []
    return Group(*heading, *(_text(_one_line(line)) for line in section_lines(section)))


def _text(text: str) -> Text:
    shown = Text(_clean(text))
    shown.highlight_words(["BLOCKED"], "bold red")
    return shown


def _plain(message: Message) -> str:
    """The same without a terminal: a log file or a pipe."""
    lines = [f"{_WORDS[message.severity]}{_one_line(message.title)}"]
    lines += [f"  {line}" for line in _clean(message.text).splitlines()]
    lines += [f"  {_one_line(field.name)}: {_one_line(field.value)}" for field in message.fields]
    for section in message.sections:
        lines += [f"  {_one_line(section.heading)}:"] if section.heading else []
        lines += [f"    {_one_line(line)}" for line in section_lines(section)]
    lines += [f"  {_one_line(message.command)}"] if message.command else []
    lines += [f"  {hint}"] if (hint := _hint(message)) else []
    lines += [f"  ({_one_line(message.footer)})"] if message.footer else []
    return "\n".join(lines)


def _hint(message: Message) -> str:
    """What to type instead of pressing a button: `Type ack ana, snooze ana 2h, mute ana, why ana or seat ana`"""
    typed = [_one_line(action.typed) for action in message.actions if action.typed][:_MOST_HINTS]
    if not typed:
        return ""
    return f"Type {' or '.join(filter(None, [', '.join(typed[:-1]), typed[-1]]))}"


def _one_line(text: str) -> str:
    return _clean(text).replace("\n", " ")


def _clean(text: str) -> str:
    """Escape sequences and marks that turn the direction of writing become visible and harmless."""
    return "".join("�" if category(char) in _UNSEEN and char != "\n" else char for char in plain(text))
