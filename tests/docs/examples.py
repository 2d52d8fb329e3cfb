"""Writes the examples in README.md and docs/alerts.md, and all of docs/commands.md and tests/data/demo-month.txt.

The team, the services and the amounts are those of `meterbot demo`; the messages come from the real program.
"""

import asyncio
import io
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from rich.text import Text

from meterbot.chat import Question
from meterbot.chat.console import Console
from meterbot.core.clock import ManualClock
from meterbot.core.messages import Message
from meterbot.core.models import EventKind, Severity
from meterbot.demo.demo import stage
from tests.delivery.alerts.events import BERLIN, month_closed, said
from tests.docs import reference
from tests.teams import NOW

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
ALERTS = ROOT / "docs/alerts.md"
MONTH = ROOT / "tests/data/demo-month.txt"
"""What `meterbot demo --once` prints: always the same, so that a changed word shows in the diff."""

_STEP = timedelta(hours=3)
"""Longer than the demo's interval and its jitter together, so that every step reads every seat."""
_LATER = timedelta(minutes=2)
_TERMINAL = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": "84"}
_PLACE = r"(?<=<!-- rendered: {name} -->\n)```text\n.*?```\n"


# What the rules give to such events; the others are warnings.
_SEVERITIES = {
    EventKind.SPEND_STARTED: Severity.INFO,
    EventKind.SEAT_BLOCKED: Severity.CRITICAL,
    EventKind.SEAT_UNBLOCKED: Severity.GOOD,
    EventKind.METERING_CHANGED: Severity.INFO,
    EventKind.RENEWAL_NEAR: Severity.INFO,
    EventKind.PERIOD_CLOSED: Severity.INFO,
    EventKind.SPEND_SPIKE: Severity.INFO,
    EventKind.SOURCE_UP: Severity.GOOD,
    EventKind.PULL_REQUEST_MERGED: Severity.INFO,
    EventKind.DESTINATION_UP: Severity.GOOD,
}


@dataclass(frozen=True, slots=True)
class Examples:
    """`texts`: name → block for the README. `alerts`: kind → its whole text."""

    texts: Mapping[str, str]
    alerts: Mapping[str, str]


async def examples() -> Examples:
    """Everything that the README and docs/alerts.md show, as the program says it now."""
    plain = await _played(_april(21), 3, "/claude-spend")
    said = re.split(r"(?<=\n)(?=\S)", plain)
    return Examples({"team": _one(said, "CRITICAL Claude spend, April 2026: ")}, await _alerts())


async def _alerts() -> dict[str, str]:
    """kind → the console's message about the first example of the tests of that kind, without its footer."""
    messages = {
        kind.value: replace(said(kind), severity=_SEVERITIES.get(kind, Severity.WARNING))
        for kind in EventKind
    }
    messages["month_closed"] = month_closed()
    return {name: await _alert(name, message) for name, message in messages.items()}


async def _alert(kind: str, message: Message) -> str:
    screen = io.StringIO()
    message = replace(message, footer="")
    await Console(None, screen, now=lambda: NOW, tz=BERLIN).post(kind, "terminal", message)
    return screen.getvalue()


def _april(day: int) -> datetime:
    return datetime(2026, 4, day, 6, 30, tzinfo=UTC)


async def _played(start: datetime, steps: int, question: str) -> str:
    """What the terminal shows after some steps of the demo, with the answer to a question."""
    screen, clock = io.StringIO(), ManualClock(start)
    bare = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    with redirect_stdout(screen), patch.dict(os.environ, bare | _TERMINAL, clear=True):
        async with stage(clock) as bot:
            await bot.run_once()
            for _ in range(steps):
                clock.advance(_STEP)
                await bot.run_once()
            clock.advance(_LATER)
            console = bot.chats["console"]
            answer = await bot.commands.answer(Question(tuple(question.split()), "console", "operator"))
            await console.post("answer", console.destination, answer.message)
    return screen.getvalue()


def _one(said: Sequence[str], title: str) -> str:
    """The message with this title, after its time."""
    (found,) = (text for text in said if _title(text).startswith(title))
    return found


def _title(text: str) -> str:
    line = Text.from_ansi(text).plain.splitlines()[0]
    return re.sub(r"^\w{3} \w{3} \d+ [\d:]{5}  ", "", line.strip())


def placed(page: str, texts: Mapping[str, str]) -> str:
    """The page with every block at its mark. Raises `LookupError` if a mark is missing."""
    for name, text in texts.items():
        block = f"```text\n{text.rstrip()}\n```\n".replace("\\", r"\\")
        page, count = re.subn(_PLACE.format(name=name), block, page, flags=re.DOTALL)
        if count != 1:
            raise LookupError(f"the page has {count} marks for the example {name}: <!-- rendered: {name} -->")
    return page


def alerts_page(page: str, alerts: Mapping[str, str]) -> str:
    """The page with each kind's first line in its row, and with the whole text of those that have a mark."""
    for kind, text in alerts.items():
        page = re.sub(
            rf"(?<=^\| `{kind}` \|)(.*?)\|.*\|$", rf"\1| {_first_line(text)} |", page, flags=re.MULTILINE
        )
    return placed(page, {kind: text for kind, text in alerts.items() if f"rendered: {kind} -->" in page})


def _first_line(text: str) -> str:
    return _title(text).removeprefix("WARNING ").removeprefix("CRITICAL ")


def _month() -> str:
    command = [sys.executable, "-m", "meterbot", "demo", "--once"]
    return subprocess.run(command, env={}, capture_output=True, text=True, check=True).stdout  # noqa: S603 - ourselves


def main() -> None:
    made = asyncio.run(examples())
    README.write_text(placed(README.read_text("utf-8"), made.texts), "utf-8")
    ALERTS.write_text(alerts_page(ALERTS.read_text("utf-8"), made.alerts), "utf-8")
    MONTH.write_text(_month(), "utf-8")
    (ROOT / "docs/commands.md").write_text(reference.commands_page(), "utf-8")


if __name__ == "__main__":
    main()
