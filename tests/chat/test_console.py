import asyncio
import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from meterbot.chat import Answer, Chat, Question
from meterbot.chat.console import Console
from meterbot.core.errors import LOOKUP_EXHAUSTED, Outcome, SendError
from meterbot.core.messages import (
    Action,
    Chart,
    ChartKind,
    Column,
    Field,
    Message,
    Posted,
    Section,
    Series,
    Table,
)
from meterbot.core.models import Severity
from meterbot.core.text import moment
from tests.chat import background_console
from tests.teams import NOW

COLOUR = re.compile(r"\x1b\[[\d;]*m")

ALERT = Message(
    title="bo is blocked",
    fallback="bo is blocked",
    severity=Severity.CRITICAL,
    text="Its extra usage cap is spent.\nThe next prompt is refused.",
    fields=(Field("Spent", "$50.00 of $50.00 (100%)"), Field("Until", "Fri May 1 02:00")),
    sections=(Section(("bo   $50.00 / $50.00  BLOCKED", "cy   $1.00"), heading="Seats", fixed=True),),
    actions=(
        Action("ack:een37kczuza6zlt5xqqt", "Acknowledge", "ack bo"),
        Action("snooze:een37kczuza6zlt5xqqt", "Snooze…", "snooze bo 2h"),
        Action("seat:bo", "Show seat", "seat bo"),
        Action("refresh:team", "Refresh"),
        Action("share:team", "Share"),
    ),
    owner={"slack": "U1"},
    footer="Seat blocked: used $50.00 of $50.00",
)

PLAIN = """\
CRITICAL bo is blocked
  Its extra usage cap is spent.
  The next prompt is refused.
  Spent: $50.00 of $50.00 (100%)
  Until: Fri May 1 02:00
  Seats:
    bo   $50.00 / $50.00  BLOCKED
    cy   $1.00
  Seat blocked: used $50.00 of $50.00
  Type ack bo, snooze bo 2h or seat bo
"""


class Screen(io.StringIO):
    """A terminal to print on."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def on(stdout: io.TextIOBase, **environ: str) -> Console:
    """A console without input."""
    with patch.dict(os.environ, {"TERM": "xterm-256color", "COLUMNS": "60", **environ}, clear=True):
        return Console(None, stdout)  # type: ignore[arg-type]  # StringIO is a text stream


async def printed(message: Message, stdout: io.StringIO, **environ: str) -> str:
    await on(stdout, **environ).post("d" * 20, "terminal", message)
    return stdout.getvalue()


# --- what is printed -----------------------------------------------------------------------------------------------


async def test_a_pipe_gets_plain_text() -> None:
    assert await printed(ALERT, io.StringIO()) == PLAIN


async def test_a_terminal_gets_the_same_in_colour() -> None:
    coloured = await printed(ALERT, Screen())
    assert coloured != PLAIN
    assert COLOUR.sub("", coloured) == PLAIN


TEAM = Message(
    title="Spend",
    fallback="Spend",
    tables=(
        Table(
            "Seats",
            (Column("Seat"), Column("Spent", numeric=True), Column("State")),
            (("ana", "$100.00", "BLOCKED"), ("bo", "$8.00", "")),
            note="and 2 more: $1.00",
        ),
    ),
    charts=(
        Chart(
            "Spend",
            ChartKind.BAR,
            ("Apr 1", "Apr 2", "Apr 3"),
            (Series("ana", (Decimal("4.00"), Decimal("1.00"), None)),),
            unit="USD",
        ),
    ),
)

DRAWN = """\
Spend
  Seats:
    Seat    Spent  State
    ana   $100.00  BLOCKED
    bo      $8.00  –
    and 2 more: $1.00
  Spend (USD):
            ana
    Apr 1  4.00  ████████████████████████
    Apr 2  1.00  ██████
    Apr 3     –
"""


async def test_tables_have_columns_and_charts_have_bars_beside_their_numbers() -> None:
    assert await printed(TEAM, io.StringIO()) == DRAWN


async def test_bars_are_beside_their_numbers_so_that_a_known_zero_is_not_taken_for_an_unknown_number() -> (
    None
):
    values = (Decimal("4.00"), Decimal("0.00"), None)
    (chart,) = TEAM.charts
    drawn = replace(chart, series=(Series("ana", values),), in_table=True)
    shown = await printed(Message("Spend", "", charts=(drawn,)), io.StringIO())
    assert [line.split()[2:] for line in shown.splitlines()[-3:]] == [["4.00", "█" * 24], ["0.00"], ["–"]]


async def test_a_line_that_begins_with_an_unknown_point_is_drawn_from_the_first_known_one() -> None:
    line = Series("so far", (None, Decimal(2), Decimal(4)))
    chart = Chart("So far", ChartKind.LINE, ("Apr 1", "Apr 2", "Apr 3"), (line,))
    shown = await printed(Message("Spend", "", charts=(chart,)), io.StringIO())
    assert [text.split()[1:] for text in shown.splitlines()[-2:]] == [
        ["2", "2", "████████████"],
        ["3", "4", "████████████████████████"],
    ]


async def test_nobody_has_to_type_an_id_of_twenty_letters() -> None:
    for stdout in (io.StringIO(), Screen()):
        assert "een37kczuza6zlt5xqqt" not in await printed(ALERT, stdout)


async def test_a_critical_alert_is_red_and_no_color_is_honoured() -> None:
    coloured = await printed(ALERT, Screen())
    assert "\x1b[1;31mCRITICAL" in coloured
    assert "\x1b[1;31mBLOCKED" in coloured
    grey = await printed(ALERT, Screen(), NO_COLOR="1")
    assert not re.search(r"\x1b\[[\d;]*3\d", grey)
    assert COLOUR.sub("", grey) == PLAIN


async def test_a_dumb_terminal_gets_plain_text() -> None:
    assert await printed(ALERT, Screen(), TERM="dumb") == PLAIN


@pytest.mark.parametrize("stdout", [io.StringIO, Screen])
async def test_markup_and_escape_sequences_are_shown_and_not_obeyed(
    stdout: Callable[[], io.StringIO],
) -> None:
    name = "[red]evil[/red] \x1b[2J\x1b]0;title\x07 \u202egnp.exe\u2066 :smile: \x9b31m"
    hostile = Message(
        title=name,
        fallback="",
        text=name,
        fields=(Field(name, name),),
        sections=(Section((name, "a\nb"), heading=name),),
        actions=(Action(f"seat:{name}", name),),
        footer=name,
    )
    shown = COLOUR.sub("", await printed(hostile, stdout(), COLUMNS="200"))
    assert "[red]evil[/red] �[2J�]0;title� �gnp.exe� :smile: �31m" in shown
    assert not set(shown) & set("\x1b\x07\x9b\u202e\u2066")
    assert "a b" in shown


@given(text=st.text())
async def test_nothing_printed_can_steer_the_terminal(text: str) -> None:
    message = Message(
        title=text, fallback="", text=text, sections=(Section((text,), heading=text),), footer=text
    )
    for stdout in (io.StringIO(), Screen()):
        shown = COLOUR.sub("", await printed(message, stdout))
        assert not [char for char in shown if ord(char) < 32 and char != "\n"]
        assert not re.search("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown)


async def test_a_terminal_without_unicode_gets_question_marks_and_no_crash() -> None:
    raw = io.BytesIO()
    stdout = io.TextIOWrapper(raw, encoding="ascii")
    await on(stdout).post("d" * 20, "terminal", Message("€4.20 for née", ""))
    assert raw.getvalue() == b"?4.20 for n?e\n"


async def test_an_edit_is_one_more_line() -> None:
    stdout = io.StringIO()
    console = on(stdout)
    where = await console.post("d" * 20, "terminal", Message("bo is blocked", ""))
    await console.edit("e" * 20, where, Message("Resolved: bo is blocked", "", text="Over\nnow."))
    assert stdout.getvalue() == "bo is blocked\n"


async def test_a_reply_is_one_line() -> None:
    stdout = io.StringIO()
    where = await on(stdout).reply("r" * 20, Posted("terminal", "d"), Message("bo is no longer blocked.", ""))
    assert stdout.getvalue() == "bo is no longer blocked.\n"
    assert where == Posted("terminal", "r" * 20)


async def test_what_was_printed_is_found_and_what_was_not_is_not() -> None:
    console = on(io.StringIO())
    where = await console.post("d" * 20, "terminal", Message("one", ""))
    line = await console.reply("r" * 20, where, Message("two", ""))
    assert await console.find("d" * 20, "terminal", NOW) == [where]
    assert await console.find("r" * 20, "terminal", NOW, where) == [line]
    # An earlier process may have printed it before it was killed, so it is printed again, marked as a possible repeat.
    with pytest.raises(SendError) as caught:
        await console.find("x" * 20, "terminal", NOW)
    assert caught.value.code == LOOKUP_EXHAUSTED


async def test_a_terminal_that_is_gone_refuses() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stdout = os.fdopen(writing, "w")
    with pytest.raises(SendError) as refused:
        await on(stdout).post("d" * 20, "terminal", ALERT)
    assert refused.value.outcome is Outcome.REFUSED
    with contextlib.suppress(BrokenPipeError):
        stdout.close()


async def test_a_terminal_that_is_held_up_holds_up_nobody_else() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stdout, os.fdopen(reading, "rb") as end:
        long = Message("x" * 1_000_000, "")  # no pipe takes that much at once
        posting = asyncio.create_task(on(stdout).post("d" * 20, "terminal", long))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not posting.done()
        assert len(await asyncio.to_thread(end.read, 1_000_001)) == 1_000_001
        await posting


# --- what is typed -------------------------------------------------------------------------------------------------


class Typist:
    """Answers with the words it was asked, and counts them."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.quit = asyncio.Event()
        self._changed = asyncio.Event()

    async def answer(self, question: Question) -> Answer:
        self.asked.append(question)
        self._changed.set()
        return Answer(Message(f"asked {' '.join(question.words)}", ""))

    async def words(self, number: int) -> list[tuple[str, ...]]:
        """What was asked, once it was `number` questions."""
        async with asyncio.timeout(5):
            while len(self.asked) < number:
                self._changed.clear()
                await self._changed.wait()
        return [question.words for question in self.asked]


@pytest.fixture
def typist() -> Typist:
    return Typist()


@contextlib.asynccontextmanager
async def listening(console: Console, typist: Typist) -> AsyncIterator[None]:
    await console.start(typist.answer)
    try:
        yield
    finally:
        await console.close()


@pytest.fixture
def keyboard() -> Iterator[tuple[io.TextIOWrapper, Callable[[bytes], object], Callable[[], None]]]:
    """A pipe: the end to read from, how to type, how to hang up."""
    reading, writing = os.pipe()
    open_ends = [writing]

    def hang_up() -> None:
        os.close(open_ends.pop())

    with os.fdopen(reading) as stdin:
        yield stdin, lambda keys: os.write(writing, keys), hang_up
    if open_ends:
        hang_up()


Keyboard = tuple[io.TextIOWrapper, Callable[[bytes], object], Callable[[], None]]


async def test_words_are_asked_with_and_without_the_command(keyboard: Keyboard, typist: Typist) -> None:
    stdin, press, _ = keyboard
    stdout = io.StringIO()
    async with listening(Console(stdin, stdout, user="ana"), typist):
        press(b"status\n\n  /claude-spend   seat  bo \r\n/Claude-Spend\nsea")
        press("t né\n".encode())
        words = await typist.words(4)
    assert words == [("status",), ("seat", "bo"), (), ("seat", "né")]
    assert typist.asked[0] == Question(("status",), "console", "ana", "terminal", name="ana")
    assert stdout.getvalue().splitlines()[:2] == ["asked status", "asked seat bo"]


async def test_a_command_can_be_copied_exactly_from_a_narrow_terminal() -> None:
    command = "METERBOT_URL=https://meterbot.example meterbot push install --every 15m " + "x" * 200
    message = Message("Join", "Join", sections=(Section((command,), fixed=True, verbatim=True),))
    for stdout in (io.StringIO(), Screen()):
        assert f"    {command}" in COLOUR.sub("", await printed(message, stdout)).splitlines()


async def test_the_end_of_the_input_ends_the_commands_and_not_the_alerts(
    keyboard: Keyboard, typist: Typist
) -> None:
    stdin, press, hang_up = keyboard
    stdout = io.StringIO()
    console = Console(stdin, stdout)
    async with listening(console, typist):
        press(b"status")
        hang_up()
        assert await typist.words(1) == [("status",)]
        await console.post("d" * 20, "terminal", Message("bo is blocked", ""))
        assert console.connection().up
    assert "bo is blocked" in stdout.getvalue()


@pytest.mark.parametrize("word", ["quit", "EXIT", "/claude-spend quit"])
async def test_quit_ends_the_bot(keyboard: Keyboard, typist: Typist, word: str) -> None:
    stdin, press, _ = keyboard
    async with listening(Console(stdin, io.StringIO(), on_quit=typist.quit.set), typist):
        press(f"{word}\nstatus\n".encode())
        async with asyncio.timeout(5):
            await typist.quit.wait()
    assert typist.asked == []


async def test_a_terminal_is_read(typist: Typist) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(ours, "wb", buffering=0) as keys, os.fdopen(theirs) as stdin:
        async with listening(Console(stdin, io.StringIO()), typist):
            keys.write(b"status\nme\n")
            assert await typist.words(2) == [("status",), ("me",)]


async def test_a_terminal_that_hangs_up_ends_the_commands(typist: Typist) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs) as stdin:
        console = Console(stdin, io.StringIO())
        async with listening(console, typist):
            os.close(ours)
            commands = console._commands
            assert commands is not None
            await asyncio.wait_for(commands, 5)


async def test_a_file_is_read_to_its_end(tmp_path: Path, typist: Typist) -> None:
    script = tmp_path / "script"
    script.write_text("status\n" * 3000 + "me")
    with script.open() as stdin:
        async with listening(Console(stdin, io.StringIO()), typist):
            words = await typist.words(3001)
    assert words[-1] == ("me",)


async def test_a_fault_of_our_own_that_ends_the_commands_is_logged(
    keyboard: Keyboard, typist: Typist
) -> None:
    stdin, *_ = keyboard
    console = Console(stdin, io.StringIO())
    fault = patch.object(asyncio.get_running_loop(), "add_reader", side_effect=ValueError("not a file"))
    with capture_logs() as logs, fault:
        async with listening(console, typist):
            commands = console._commands
            assert commands is not None
            await asyncio.wait_for(commands, 5)
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("the console takes no more commands", "error")


def closed() -> io.TextIOBase:
    stream = io.TextIOWrapper(io.BytesIO())
    stream.close()
    return stream


def null() -> io.TextIOWrapper:
    return Path(os.devnull).open()


@pytest.mark.parametrize("stdin", [type(None), closed, io.StringIO, null])
async def test_nothing_to_read_from_is_no_failure(
    stdin: Callable[[], io.TextIOWrapper | None], typist: Typist
) -> None:
    stream = stdin()
    console = Console(stream, io.StringIO())
    async with listening(console, typist):
        commands = console._commands
        assert commands is not None
        await asyncio.wait_for(commands, 5)
        await console.post("d" * 20, "terminal", ALERT)
    if stream is not None:
        stream.close()


async def test_an_endless_line_is_cut(keyboard: Keyboard, typist: Typist) -> None:
    stdin, press, _ = keyboard
    async with listening(Console(stdin, io.StringIO()), typist):
        # From a thread: a full pipe makes the typist wait for the reader.
        await asyncio.to_thread(press, b"x" * 200_000 + b"\nstatus\n")
        words = await typist.words(2)
    assert len(words[0][0]) <= 4096
    assert words[1] == ("status",)


async def test_a_terminal_says_what_can_be_typed(typist: Typist) -> None:
    screen = Screen()
    async with listening(on(screen), typist):
        assert COLOUR.sub("", screen.getvalue()) == "Type /claude-spend or help; quit ends.\n"


async def test_the_connection_is_up_between_start_and_close(typist: Typist) -> None:
    console = on(io.StringIO())
    assert not console.connection().up
    async with listening(console, typist):
        assert console.connection().up
    assert not console.connection().up


def test_the_console_keeps_the_contract() -> None:
    chat: Chat = on(io.StringIO())
    assert (chat.name, chat.destination) == ("console", "terminal")


def test_in_the_background_the_bot_is_not_stopped_by_what_is_typed_to_others() -> None:
    """A background job that reads its terminal is stopped as a whole: here the line waits until the job is in front."""
    ours, theirs = os.openpty()
    orders, giving = os.pipe()
    command = [sys.executable, background_console.__file__, str(orders)]
    shell = subprocess.Popen(  # noqa: S603 - ourselves
        command, stdin=theirs, stdout=subprocess.PIPE, start_new_session=True, pass_fds=[orders]
    )
    os.close(theirs)
    os.close(orders)
    assert shell.stdout is not None
    try:
        assert shell.stdout.readline() == b"ready\n"
        os.write(ours, b"status\nquit\n")
        for _ in range(3):  # by the second, the line that can be read has been seen
            os.write(giving, b"p")
            assert shell.stdout.readline() == b"alive\n"
        os.write(giving, b"f")
        assert shell.stdout.readline() == b"asked status\n"
        os.close(giving)
        assert shell.wait(20) == 0
    finally:
        shell.kill()
        shell.wait()
        shell.stdout.close()
        os.close(ours)


# --- when -----------------------------------------------------------------------------------------------------------


async def test_an_alert_and_its_reply_say_when_they_were_printed() -> None:
    stdout = io.StringIO()
    console = Console(None, stdout, now=lambda: NOW, tz=ZoneInfo("Europe/Berlin"))
    where = await console.post("d" * 20, "terminal", ALERT)
    await console.edit("e" * 20, where, ALERT)
    await console.reply("f" * 20, where, ALERT)
    stamped = [line for line in stdout.getvalue().splitlines() if not line.startswith("  ")]
    assert [line.partition(" bo is")[0] for line in stamped] == [
        f"{moment(NOW, ZoneInfo('Europe/Berlin'))}  {what}" for what in ("CRITICAL", "CRITICAL")
    ]
