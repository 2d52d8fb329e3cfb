"""What is drawn: the answers of `meterbot demo` in the middle of its month, for teams of several sizes, and one alert
of each kind. Names and amounts are made up; the messages are the program's own."""

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from meterbot.app.run import Bot
from meterbot.chat import Answer, Question
from meterbot.commands.digest import DigestReader, Schedule, message
from meterbot.commands.privacy import View
from meterbot.commands.readings import current_outlooks
from meterbot.core.clock import ManualClock
from meterbot.core.deliveries import Destination, PostContent
from meterbot.core.messages import Message
from meterbot.core.models import EventKind, Seat, Severity
from meterbot.delivery.alerts.message import post, reminder
from meterbot.delivery.alerts.why import why
from meterbot.delivery.grouping import AT_ONCE
from meterbot.demo import month
from meterbot.demo.demo import stage
from meterbot.demo.month import Teammate
from meterbot.store import history
from tests.delivery.alerts.events import BERLIN, event, month_closed
from tests.teams import NOW, seat

SIZES = (1, 5, 30, 300)
_END = datetime(2026, 4, 21, 13, 30, tzinfo=UTC)
_STEP = timedelta(hours=3)
"""Shorter than the time after which a seat without a reading is stale."""
_MANY = 100
"""A team of so many plays two days instead of three weeks, because each reading takes a moment."""
_QUESTIONS = (
    "",
    "me",
    "seat ana",
    "seat anna",
    "forecast",
    "history 7d",
    "history 30d",
    "history 90d ana",
    "renewals",
    "pr",
    "muted",
    "why ana",
    "ack ana",
    "snooze ana 2h",
    "settings",
    "join",
    "report",
    "status",
    "help",
)


def crowd(size: int) -> tuple[Teammate, ...]:
    """The demo's team again and again: `ana`, …, `eve`, `ana2`, …"""
    people = (divmod(number, len(month.TEAM)) for number in range(size))
    return tuple(
        replace(
            month.TEAM[who], name=f"{month.TEAM[who].name}{again + 1 if again else ''}", number=number + 1
        )
        for number, (again, who) in enumerate(people)
    )


async def played(size: int) -> tuple[dict[str, Answer], dict[str, Message]]:
    """Question → answer, and the digests, in the middle of the demo's month."""
    clock = ManualClock(_END - timedelta(days=2 if size > _MANY else 20))
    with redirect_stdout(io.StringIO()):
        async with stage(clock, team=crowd(size)) as bot:
            while clock.now() < _END:
                await bot.run_once()
                clock.advance(_STEP)
            words = (*_QUESTIONS, "home mine", "home team")
            asked = {each: Question(tuple(each.split()), "console", "operator") for each in words}
            answers = {each: await bot.commands.answer(question) for each, question in asked.items()}
            return answers, await _digests(bot)


async def _digests(bot: Bot) -> dict[str, Message]:
    """The digests of a day and a week for a channel, and a person's own."""
    report = await bot.commands.context.report(_END)
    outlooks = await current_outlooks(bot.store, report)
    counters = {row.counter for row in report.rows if row.counter is not None}
    channel, person = Destination("slack", "C0123456789"), Destination("slack", "@UANA")
    readers = {
        "digest of a day": DigestReader(channel, Schedule("day")),
        "digest of a week": DigestReader(channel, Schedule("week")),
        "digest of one's own": DigestReader(person, Schedule("week"), ("ana",)),
    }

    async def made(reader: DigestReader) -> Message:
        since = _END - reader.schedule.span
        own = frozenset(reader.seats)
        view = View(report, UTC, "named", own, public=not own)
        rows = tuple(row for row in report.rows if not own or row.seat.name in own)
        ahead = outlooks if not own else await current_outlooks(bot.store, replace(report, rows=rows))
        samples = await bot.store.read(lambda connection: history.read(connection, counters, since))
        return message(reader, view, samples, since, ahead)

    return {name: await made(reader) for name, reader in readers.items()}


def alert_posts() -> dict[str, Message]:
    """An alert of each kind with its buttons, **Why?** of each, and the forms of a post that lives on."""
    seats = {name: seat(name) for name in ("ana", "bo")}
    contents = {kind.value: PostContent("ref1", (event(kind),)) for kind in EventKind}
    blocked = replace(event(EventKind.SEAT_BLOCKED), severity=Severity.CRITICAL)
    contents["seat_blocked"] = replace(contents["seat_blocked"], events=(blocked,))
    over = replace(event(EventKind.SEAT_UNBLOCKED, severity=Severity.GOOD), resolves=blocked.key)
    contents["resolved"] = PostContent("ref1", (blocked,), {blocked.key: over})
    crossed = event(EventKind.THRESHOLD_CROSSED)
    contents["grown"] = PostContent("ref1", (replace(crossed, key="first"), crossed))
    several = (replace(crossed, seat="bo"), blocked, event(EventKind.WINDOW_FULL))
    contents["several"] = PostContent("ref1", several, heading=AT_ONCE)
    shown = {name: post(content, seats, BERLIN) for name, content in contents.items()}
    reasons = {f"why {name}": why(content, seats, BERLIN, NOW) for name, content in contents.items()}
    later = NOW + timedelta(hours=25)
    return {**shown, "reminder": reminder(blocked, seats, BERLIN, later), "month": month_closed(), **reasons}


def team_posts(size: int) -> dict[str, Message]:
    """What many seats post together: one renewal day, several alerts at once, the month's report."""
    names = [person.name for person in crowd(size)]
    seats: Mapping[str, Seat] = {name: seat(name) for name in names}

    def together(kind: EventKind, heading: str = AT_ONCE) -> Message:
        one = event(kind)
        events = tuple(replace(one, key=name, seat=name) for name in names)
        return post(PostContent("ref1", events, heading=heading if size > 1 else None), seats, BERLIN)

    rows = [{"seat": name, "final": {"minor": "4010", "currency": "USD", "exponent": 2}} for name in names]
    return {
        "renewals on one day": together(EventKind.RENEWAL_NEAR),
        "blocked at once": together(EventKind.SEAT_BLOCKED),
        "after an outage": together(EventKind.THRESHOLD_CROSSED, "While meterbot could not post"),
        "month": month_closed(seats=[{**row, "previous": None, "blocked_hours": 0} for row in rows]),
    }
