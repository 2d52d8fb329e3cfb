"""The terminal as a chat: prints alerts, reads commands.

A terminal has no buttons and no forms, and what is printed cannot be edited: an update is one more line. After a
restart nobody knows what was printed before, so a message that may not have been printed is printed again.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime, tzinfo
from typing import TextIO
from unicodedata import category

from rich.console import Console as Terminal
from rich.text import Text

from meterbot.chat import Answerer, Connection, Forms, Question, no_forms
from meterbot.chat.text_forms import body_lines, with_bars, without_natives
from meterbot.core.errors import LOOKUP_EXHAUSTED, Outcome, SendError
from meterbot.core.inline import plain
from meterbot.core.log import get_logger
from meterbot.core.messages import Message, Posted
from meterbot.core.models import Severity
from meterbot.core.text import moment

_TITLES = {
    Severity.INFO: ("", "bold cyan"),
    Severity.GOOD: ("", "bold green"),
    Severity.WARNING: ("WARNING ", "bold yellow"),
    Severity.CRITICAL: ("CRITICAL ", "bold red"),
}
"""The word in front of a title, and how the title looks on a terminal."""
_WIDEST, _INDENT = 100, 4
_LONGEST_LINE = 4096
_REMEMBERED = 1000
_COMMAND = "/claude-spend"
_BACKGROUND_PAUSE = 0.5
_MOST_HINTS = 6
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}

log = get_logger(__name__)


@dataclass(eq=False, repr=False)
class Console:
    """A terminal, a pipe or a file. `user` is who asks, for `me`; `on_quit` is called when `quit` is typed.

    With `now`, each message says when it was printed, in the zone `tz`. Colours only on a terminal.
    """

    name = "console"
    destination = "terminal"
    pause = 0.0

    stdin: TextIO | None
    stdout: TextIO
    _: KW_ONLY
    user: str = "operator"
    on_quit: Callable[[], None] | None = None
    now: Callable[[], datetime] | None = None
    tz: tzinfo = UTC

    def __post_init__(self) -> None:
        self._screen = Terminal(file=self.stdout, highlight=False)
        self._lock = asyncio.Lock()
        self._printed: deque[str] = deque(maxlen=_REMEMBERED)
        self._commands: asyncio.Task[None] | None = None
        self._up = False

    def connection(self) -> Connection:
        return Connection(self._up)

    async def start(self, answer: Answerer, forms: Forms = no_forms) -> None:  # noqa: ARG002 - the contract
        self._up = True
        if self._screen.is_terminal:
            await self._print(Text("Type /claude-spend or help; quit ends.", "dim"))
        self._commands = asyncio.create_task(self._read_commands(answer), name="console commands")

    async def close(self) -> None:
        self._up = False
        if self._commands is not None:
            self._commands.cancel()
            await asyncio.gather(self._commands, return_exceptions=True)

    async def post(self, delivery: str, channel: str, message: Message) -> Posted:
        await self._show(message)
        self._printed.append(delivery)
        return Posted(channel, delivery)

    async def edit(self, delivery: str, where: Posted, message: Message) -> None:
        """What was printed stays as it is: the line that comes with every edit says what is new."""

    async def reply(self, delivery: str, where: Posted, message: Message) -> Posted:
        line = Message(message.fallback or message.title, "", message.severity)
        return await self.post(delivery, where.channel, line)

    async def find(
        self,
        delivery: str,
        channel: str,
        since: datetime,  # noqa: ARG002 - the contract
        thread: Posted | None = None,  # noqa: ARG002 - the contract
    ) -> list[Posted]:
        if delivery in self._printed:
            return [Posted(channel, delivery)]
        raise SendError(Outcome.IN_DOUBT, "what is on a terminal cannot be read back", code=LOOKUP_EXHAUSTED)

    async def delete(self, where: Posted) -> None:
        """What was printed stays printed."""

    async def _read_commands(self, answer: Answerer) -> None:
        try:
            async for line in _lines_of(self.stdin):
                if not (words := tuple(line.split())):
                    continue
                words = words[1:] if words[0].lower() == _COMMAND else words
                if " ".join(words).lower() in {"quit", "exit"}:
                    if self.on_quit is not None:
                        self.on_quit()
                    return
                question = Question(words, self.name, self.user, self.destination, name=self.user)
                await self._show((await answer(question)).message)
        except SendError as error:
            log.warning("the console takes no more commands", reason=error.reason)
        except Exception:  # a bug: nobody else looks at how this task ends
            log.exception("the console takes no more commands")

    async def _show(self, message: Message) -> None:
        stamp = "" if self.now is None else f"{moment(self.now(), self.tz)}  "
        width = min(self._screen.width, _WIDEST) if self._screen.is_terminal else _WIDEST
        await self._print(_text(message, stamp, width))

    async def _print(self, text: Text) -> None:
        with self._screen.capture() as capture:
            self._screen.print(text, soft_wrap=True)
        async with self._lock:
            try:
                # A terminal stopped with Ctrl-S, or a full pipe, must hold up nobody else.
                await asyncio.to_thread(_write, self.stdout, capture.get())
            except (OSError, ValueError) as error:
                raise SendError(Outcome.REFUSED, "the terminal is gone") from error


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
    while True:
        waited = await _wait_until_readable(fd)
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
        await asyncio.sleep(0)  # reading a file never waits, and must hold up nobody else


async def _wait_until_readable(fd: int) -> bool:
    """Returns False for a file and /dev/null, which are always readable and cannot be waited for."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
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


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()


def _text(message: Message, stamp: str, width: int) -> Text:
    """The title, and below it everything else, one step to the right."""
    word, style = _TITLES[message.severity]
    lines = body_lines(without_natives(with_bars(message), width - _INDENT), columns=True)
    body = "".join(f"\n  {_one_line(line)}" for line in lines)
    text = Text.assemble((f"{stamp}{word}{_one_line(message.title)}", style), body, (_hint(message), "dim"))
    text.highlight_words(["BLOCKED"], "bold red")
    return text


def _hint(message: Message) -> str:
    """What to type instead of pressing a button: `Type ack ana, snooze ana 2h, mute ana, why ana or seat ana`"""
    typed = [_one_line(action.typed) for action in message.actions if action.typed][:_MOST_HINTS]
    if not typed:
        return ""
    return f"\n  Type {' or '.join(filter(None, [', '.join(typed[:-1]), typed[-1]]))}"


def _one_line(text: str) -> str:
    """Escape sequences and marks that turn the direction of writing become visible and harmless."""
    return "".join("�" if category(char) in _UNSEEN else char for char in plain(text).replace("\n", " "))
