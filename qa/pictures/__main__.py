"""Draws the pictures of README.md and docs/ into docs/images: `make pictures`.

The team, the services and the amounts are those of `meterbot demo`; the payloads are what meterbot would send. With
`--all FOLDER`, every kind of alert and every answer is drawn for looking at, on a desktop and a phone, light and dark.
"""

import argparse
import asyncio
import io
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from meterbot.chat import Question
from meterbot.chat.discord.render import answer_payload, post_payload
from meterbot.chat.slack.render import render
from meterbot.core.clock import ManualClock
from meterbot.core.messages import Message
from meterbot.core.models import EventKind
from meterbot.demo.demo import _stage
from qa.pictures.draw import CannotDrawError, Picture, draw, install
from tests.delivery.alerts.events import said

_IMAGES = Path(__file__).parents[2] / "docs/images"
_START, _END = datetime(2026, 4, 1, 6, 30, tzinfo=UTC), datetime(2026, 4, 21, 13, 30, tzinfo=UTC)
_STEP = timedelta(hours=3)
"""Shorter than the time after which a seat without a reading is stale."""
_SENT_AT = "2026-04-21T15:30:00Z"
_HEIGHT = 3000
_QUESTIONS = (
    "",
    "seat ana",
    "forecast",
    "history 7d",
    "history 30d",
    "renewals",
    "pr",
    "settings",
    "status",
    "help",
)
_DELIVERY = "picture0picture0"
_PAGES = (
    ("slack-blocked", "slack", "seat_blocked", "light"),
    ("slack-team", "slack", "", "light"),
    ("discord-blocked", "discord", "seat_blocked", "dark"),
    ("discord-team", "discord", "", "dark"),
)


async def answers() -> dict[str, Message]:
    """Question → answer, in the middle of the demo's month."""
    clock = ManualClock(_START)
    with redirect_stdout(io.StringIO()):
        async with _stage(clock, stop=lambda: None, interactive=False) as (bot, direct):
            while clock.now() < _END:
                direct()
                await bot.run_once()
                clock.advance(_STEP)
            asked = (Question(tuple(words.split()), "console", "operator") for words in _QUESTIONS)
            return {" ".join(each.words): (await bot.commands.answer(each)).message for each in asked}


def alerts() -> dict[str, Message]:
    """Kind → an alert of it."""
    return {kind.value: said(kind) for kind in EventKind}


def _picture(
    chat: Literal["slack", "discord"], message: Message, *, alert: bool, theme: str, width: int
) -> Picture:
    if chat == "slack":
        payload = render(message)
    else:
        payload = post_payload(message, _DELIVERY) if alert else answer_payload(message)
    return Picture(chat, dict(payload), _SENT_AT, width, "dark" if theme == "dark" else "light")


def _pages(asked: dict[str, Message], told: dict[str, Message]) -> Iterator[tuple[Path, Picture]]:
    for name, chat, which, theme in _PAGES:
        message = told.get(which) or asked[which]
        place: Literal["slack", "discord"] = "slack" if chat == "slack" else "discord"
        yield _IMAGES / f"{name}.png", _picture(place, message, alert=which in told, theme=theme, width=760)


def _everything(
    folder: Path, asked: dict[str, Message], told: dict[str, Message]
) -> Iterator[tuple[Path, Picture]]:
    chats: tuple[Literal["slack", "discord"], ...] = ("slack", "discord")
    for which, message in (asked | told).items():
        for chat in chats:
            for width, theme in ((760, "light"), (390, "dark")):
                name = f"{chat}-{which.replace(' ', '-') or 'team'}-{width}.png"
                yield folder / name, _picture(chat, message, alert=which in told, theme=theme, width=width)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m qa.pictures", description=__doc__)
    parser.add_argument(
        "--all", type=Path, metavar="FOLDER", help="draw every alert and answer into this folder"
    )
    folder = parser.parse_args().all
    asked, told = asyncio.run(answers()), alerts()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        install()
        for path, picture in _pages(asked, told) if folder is None else _everything(folder, asked, told):
            draw(picture, path, _HEIGHT)
            print(path)  # noqa: T201 - a command that reports
    except CannotDrawError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
