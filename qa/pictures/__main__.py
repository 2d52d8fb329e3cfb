"""Draws the pictures of README.md and docs/ into docs/images: `make pictures`.

The team and the amounts are those of `meterbot demo`; the payloads are what meterbot would send. `--all FOLDER` draws
everything for looking at instead: each answer for teams of 1, 5, 30 and 300 seats, and each kind of alert, for Slack
and Discord, on a desktop and on a phone, light and dark. It takes some minutes.
"""

import argparse
import asyncio
import base64
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from meterbot.chat import Answer
from meterbot.chat.discord.pictures import draw as chart_picture
from meterbot.chat.discord.render import answer_payload, post_payload
from meterbot.chat.slack.render import render
from meterbot.chat.slack.views import home_view
from meterbot.core.messages import Message
from qa.pictures.draw import CannotDrawError, Chat, Drawn, Sheet, Theme, draw, install
from qa.pictures.scenes import SIZES, alert_posts, played, team_posts

_IMAGES = Path(__file__).parents[2] / "docs/images"
_DELIVERY = "picture0picture0"
_LOOKS: tuple[tuple[int, Theme, int], ...] = (
    (760, "light", 3),
    (760, "dark", 3),
    (390, "light", 6),
    (390, "dark", 6),
)
"""Width of a message, theme, and how many stand beside each other."""


def _post(chat: Chat, message: Message) -> dict[str, Any]:
    return dict(render(message) if chat == "slack" else post_payload(message, _DELIVERY))


async def _answer(chat: Chat, answer: Answer) -> dict[str, Any]:
    if chat == "slack":
        return dict(render(answer.message) if answer.page is None else home_view(answer.page))
    png = await chart_picture(answer.message.charts)
    picture = "" if png is None else f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return {**answer_payload(answer.message), "picture": picture}


async def _pages() -> Iterator[tuple[Path, Sheet]]:
    team, blocked = (await played(5))[0][""], alert_posts()["seat_blocked"]
    chats: tuple[tuple[Chat, Theme], ...] = (("slack", "light"), ("discord", "dark"))
    pages = {}
    for chat, theme in chats:
        for name, payload in (("blocked", _post(chat, blocked)), ("team", await _answer(chat, team))):
            pages[_IMAGES / f"{chat}-{name}.png"] = Sheet(chat, (Drawn(payload),), theme=theme)
    return iter(pages.items())


async def _everything(folder: Path, sizes: list[int]) -> Iterator[tuple[Path, Sheet]]:
    chats: tuple[Chat, ...] = ("slack", "discord")
    drawn = {
        ("alerts", chat): [Drawn(_post(chat, message), name) for name, message in alert_posts().items()]
        for chat in chats
    }
    for size in sizes:
        asked, digests = await played(size)
        posts = {**digests, **team_posts(size)}
        for chat in chats:
            drawn[f"{size}-seats", chat] = [
                *[Drawn(await _answer(chat, answer), words or "team") for words, answer in asked.items()],
                *[Drawn(_post(chat, message), name) for name, message in posts.items()],
            ]
    return (
        (
            folder / f"{name}-{chat}-{width}-{theme}.png",
            Sheet(chat, tuple(each), width=width, theme=theme, columns=columns),
        )
        for (name, chat), each in drawn.items()
        for width, theme, columns in _LOOKS
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m qa.pictures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--all", type=Path, metavar="FOLDER", help="draw every alert and answer into this folder"
    )
    parser.add_argument(
        "--seats", type=int, nargs="+", choices=SIZES, default=SIZES, help="with --all: only these teams"
    )
    asked = parser.parse_args()
    if asked.all is not None:
        asked.all.mkdir(parents=True, exist_ok=True)
    try:
        install()
        sheets = asyncio.run(_pages() if asked.all is None else _everything(asked.all, asked.seats))
        for path, sheet in sheets:
            draw(sheet, path)
            print(path, flush=True)  # noqa: T201 - a command that reports
    except CannotDrawError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
