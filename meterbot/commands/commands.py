"""What `/claude-spend` answers, the same on every chat: from the store, never from a fetch."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from difflib import get_close_matches
from functools import partial
from typing import ParamSpec, TypeVar

from meterbot.chat import Answer, Chat, Form, HomePage, Question
from meterbot.commands import charts, pull_requests, seat_view
from meterbot.commands.daily import DailySpend, days_of, first_hour, stretch_of
from meterbot.commands.forecast import forecast_answer
from meterbot.commands.history import SPANS, alt_text, history_answer, title_of
from meterbot.commands.join import JoinCommand
from meterbot.commands.outlooks import Outlooks, outlooks
from meterbot.commands.paste import PasteCommand, PasteResult
from meterbot.commands.report import Reports, SeatRow, TeamReport, plan_troubles, with_paces
from meterbot.commands.seat_view import DestinationStatus, WorkerStatus
from meterbot.commands.settings import VERB as SETTINGS
from meterbot.commands.settings import SettingsCommand
from meterbot.commands.team_view import team
from meterbot.commands.view import View
from meterbot.core.deliveries import Destination, all_queues
from meterbot.core.lease import GATEWAY
from meterbot.core.log import get_logger
from meterbot.core.messages import Message, Picture, notice
from meterbot.core.models import Counter, Sample, Seat, Severity, by_counter
from meterbot.core.privacy import Operators, Rows
from meterbot.core.text import listed, one_line, sentence
from meterbot.delivery.actions import AlertActions
from meterbot.ingest.pull_requests import month_so_far
from meterbot.rules.hours import Hour, joined, last_month, this_day_of_last_month
from meterbot.rules.months import calendar_month
from meterbot.rules.outlook import HABIT
from meterbot.rules.pace_and_caps import PACE_WINDOWS, pace
from meterbot.store import LAST_TICK, Store

_MENTION = re.compile(r"<@!?(?P<id>\w+)(\|[^>]*)?>|@(?P<name>\S+)")
_PULL = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)?#?(?P<number>\d{1,10})", re.ASCII)
_NOT_ASKED = {"/claude-spend", "claude-spend", "spend", "refresh"}
_SET = {"threshold", "thresholds", "level", "levels", "quiet"}
"""What people look for that is among their settings."""
_NAMED = 20
_MANY = 200
_BUSY = timedelta(hours=6)
MINE, TEAM = "mine", "team"
"""The tabs of a person's page."""
_HELD = (SETTINGS, "muted")
"""What stands below one's own seats there."""
_READ_AT_ONCE = 30
_NOT_SHOWN = notice(
    "Not shown",
    "Here the numbers of a seat are for its owner only. Ask “me” for your own seats, or nothing at all for the "
    "team's total.",
)

log = get_logger(__name__)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question, read: who asks, with which words, seen through which eyes."""

    words: tuple[str, ...]
    platform: str
    user: str
    view: View


async def current_report(store: Store, reports: Reports, now: datetime) -> TeamReport:
    """The team as the store knows it."""
    latest, sources = await store.latest(), await store.sources()
    report = await _aside(len(latest), reports.at, latest, sources, now)
    beside = {row.counter for row in report.rows if row.beside and row.counter is not None}
    return with_paces(report, await store.samples(beside, now - PACE_WINDOWS[-1])) if beside else report


async def _aside(
    seats: int, work: Callable[Parameters, Result], *values: Parameters.args, **named: Parameters.kwargs
) -> Result:
    """The result of pure work: of many seats in a thread, so that whoever else waits has a turn."""
    if seats < _MANY:
        return work(*values, **named)
    return await asyncio.to_thread(work, *values, **named)


async def current_outlooks(store: Store, report: TeamReport) -> Outlooks:
    """Where the report's seats are heading."""
    now = report.as_of
    counters = {row.counter for row in report.rows if row.counter is not None and not row.beside}
    samples = await asyncio.to_thread(_paced, await store.samples(counters, now - _BUSY), now)
    # Who has been quiet for hours has left few samples behind.
    quiet = counters - {one.counter for one in samples}
    samples += await store.samples(quiet, now - PACE_WINDOWS[-1])
    hours = await hours_joined(store, counters, now - HABIT, datetime.date)
    return await asyncio.to_thread(outlooks, report, samples, hours)


async def hours_joined(
    store: Store, counters: Iterable[Counter], since: datetime, key: Callable[[datetime], Hashable]
) -> list[Hour]:
    """The hours as far as `key` tells them apart, read a few counters at a time: all at once would be so many that whoever
    else waits would notice."""
    found: list[Hour] = []
    wanted = sorted(counters, key=str)
    for start in range(0, len(wanted), _READ_AT_ONCE):
        hours = await store.hours(wanted[start : start + _READ_AT_ONCE], since)
        found += await asyncio.to_thread(joined, hours, key)
    return found


def _paced(samples: Iterable[Sample], now: datetime) -> list[Sample]:
    """Those of the counters of which they say a pace."""
    return [one for own in by_counter(samples).values() if pace(own, now) for one in own]


class Commands:
    """Answers questions. `rows` and `operators` are the configured privacy, `chats` are those running here, `now` tells the time,
    `remarks` what a person should know of the set-up. With `joining` and `pasting` people hand in their own numbers, with `handling`
    they do something about alerts."""

    def __init__(
        self,
        store: Store,
        seats: Mapping[str, Seat],
        *,
        now: Callable[[], datetime],
        tz: tzinfo,
        version: str,
        rows: Rows = "named",
        operators: Operators | None = None,
        chats: Sequence[Chat] = (),
        remarks: Callable[[], Sequence[str]] = tuple,
        joining: JoinCommand | None = None,
        pasting: PasteCommand | None = None,
        handling: AlertActions | None = None,
        settings: SettingsCommand | None = None,
        places: Sequence[Destination] = (),
    ) -> None:
        self._store = store
        self._seats = seats
        self._now = now
        self._tz = tz
        self._version = version
        self._rows = rows
        self._operators = operators or Operators()
        self._chats = chats
        self._places = places or [Destination(chat.name, chat.destination) for chat in chats]
        self._remarks = remarks
        self._answers: dict[str, Callable[[_Asked], Awaitable[Message]]] = {
            "team": self._team,
            "me": self._me,
            "seat": self._seat,
            "forecast": self._forecast,
            "renewals": self._renewals,
            "pr": self._pull_requests,
            "status": self._status,
        }
        self._reports = Reports(seats.values(), tz)
        self._reporting = asyncio.Lock()
        self._reading: dict[tuple[frozenset[Counter], datetime], asyncio.Future[list[Hour]]] = {}
        self._pasting = pasting
        self._private: dict[str, Callable[[Question, Sequence[str]], Awaitable[Answer]]] = {}
        if joining is not None:
            self._private |= {"join": joining.join, "approve": joining.approve}
        self._settings = settings
        if settings is not None:
            self._private[SETTINGS] = settings.answer
        if handling is not None:
            self._private |= {
                "why": handling.why,
                "ack": handling.acknowledge,
                "snooze": handling.snooze,
                "mute": handling.mute,
                "muted": handling.muted,
                "unmute": handling.muted,
            }
        if pasting is not None:
            self._private["report"] = partial(self._report, pasting)

    def form(self, question: Question) -> Form | None:
        """The form that a question opens, from memory."""
        words, _ = _read(question.words)
        if self._settings is not None and words[:1] == (SETTINGS,):
            return self._settings.form(question, words)
        if self._pasting is None or words[:1] != ("report",):
            return None
        return self._pasting.form(question, words)

    async def answer(self, question: Question) -> Answer:
        """Never raises: what goes wrong is logged, and said in a sentence."""
        words, public = _read(question.words)
        try:
            if words and (private := self._private.get(words[0])):
                return await private(question, words)
            if words[:1] == ("history",):
                return await self._history(words, question, public=public)
            if words[:1] == ("home",):
                return await self._home(words, question)
            return Answer(await self._message(words, question, public=public), public)
        except Exception:
            log.exception("answer_failed", platform=question.platform, command=words[0] if words else "team")
            sorry = "I could not read my database just now. Please try again in a minute; my log says more."
            form = question.text is not None
            return Answer(notice("No answer", sorry, Severity.WARNING), invalid=form)

    async def _message(self, words: tuple[str, ...], question: Question, *, public: bool) -> Message:
        command, *arguments = words or ("team",)
        if command == "help":
            return seat_view.help_answer()
        handler = self._answers.get(command)
        if handler is None:
            return seat_view.help_answer(command, self._guess(command))
        if arguments and command not in {"seat", "pr"}:
            return seat_view.help_answer(" ".join(words), command)
        view = await self._view(question, public=public)
        return await handler(_Asked(words, question.platform, question.user, view))

    async def report(self, now: datetime) -> TeamReport:
        """The team at `now`. Seats of which nothing is new are as the last report had them."""
        async with self._reporting:
            return await current_report(self._store, self._reports, now)

    async def _view(self, question: Question, *, public: bool) -> View:
        report = await self.report(self._now())
        own = frozenset(self._owned(question.platform, question.user))
        operator = self._operators.include(question.platform, question.user, question.groups)
        salt = secrets.token_hex(16)
        return View(report, self._tz, self._rows, own, public, operator, salt)

    def _owned(self, platform: str, user: str) -> list[str]:
        return sorted(seat.name for seat in self._seats.values() if seat.owner.get(platform) == user)

    def _guess(self, word: str) -> str | None:
        if word in self._seats:
            return f"seat {word}"
        if word in _SET and SETTINGS in self._private:
            return SETTINGS
        return next(iter(get_close_matches(word, [*self._answers, *self._private, "help"], n=1)), None)

    async def _team(self, asked: _Asked) -> Message:
        return await _aside(len(self._seats), team, asked.view)

    async def _me(self, asked: _Asked) -> Message:
        if not asked.view.own:
            return _none_yours(asked.platform, asked.user)
        return await self._detail(asked.view, sorted(asked.view.own), ("me",))

    async def _seat(self, asked: _Asked) -> Message:
        if len(asked.words) < 2:
            return self._which_seat("Which seat?", None)
        named = " ".join(asked.words[1:])
        names = self._named(named, asked.platform)
        if not names:
            return self._which_seat(f"No seat is called “{one_line(named, 40)}”.", named)
        if not all(map(asked.view.may_ask_for, names)):
            return _NOT_SHOWN
        return await self._detail(asked.view, names, ("seat", *asked.words[1:]))

    async def _detail(self, view: View, names: Sequence[str], words: Sequence[str]) -> Message:
        rows = tuple(row for row in view.report.rows if row.seat.name in names)
        heading = await current_outlooks(self._store, replace(view.report, rows=rows))
        hours = await self._two_months(view, rows)
        return await asyncio.to_thread(seat_view.seat_detail, view, names, words, heading, hours)

    async def _two_months(self, view: View, rows: Iterable[SeatRow]) -> list[Hour]:
        """The hours of this month and the one before."""
        counters = {row.counter for row in rows if row.counter is not None and not row.beside}
        now = view.report.as_of
        then = this_day_of_last_month(now)
        return await hours_joined(
            self._store, counters, last_month(now), lambda at: (calendar_month(at), at < then)
        )

    def _named(self, named: str, platform: str) -> list[str]:
        """Seats by name, or by a mention of their owner."""
        if match := _MENTION.fullmatch(named):
            if match["id"] is not None:
                return self._owned(platform, match["id"].upper())
            named = match["name"]
        return [named] if named in self._seats else []

    def _which_seat(self, title: str, wanted: str | None) -> Message:
        near = get_close_matches(wanted, self._seats, n=1) if wanted else []
        guess = f"Did you mean “{near[0]}”? " if near else ""
        names = listed(sorted(self._seats), _NAMED)
        return notice(title, f"{guess}The seats: {names}." if names else "No seats are configured.")

    async def _report(self, pasting: PasteCommand, question: Question, words: Sequence[str]) -> Answer:
        taken = await pasting.take(question, words)
        if not isinstance(taken, PasteResult):
            return taken
        view = await self._view(question, public=False)
        detail = seat_view.seat_detail(view, [taken.seat], ("seat", taken.seat))
        return Answer(replace(detail, text=taken.said, fallback=f"{taken.said} {detail.fallback}"))

    async def _history(self, words: Sequence[str], question: Question, *, public: bool) -> Answer:
        """`history [7d|30d|90d] [seat|me]`, in either order."""
        named = [word for word in words[1:] if word not in SPANS]
        spans = [SPANS[word] for word in words[1:] if word in SPANS] or [SPANS["30d"]]
        wanted = " ".join(named)
        if wanted == "me":
            seats = self._owned(question.platform, question.user)
            if not seats:
                return Answer(_none_yours(question.platform, question.user), public)
        else:
            seats = self._named(wanted, question.platform)[:1] if named else []
        if len(spans) > 1 or (named and not seats):
            how = "Ask “history 30d”, with 7d, 30d or 90d, and perhaps “me” or a seat behind it."
            if any(re.fullmatch(r"\d+d?", word) for word in named):
                return Answer(notice("Which days?", how), public)
            message = self._which_seat(f"No seat is called “{one_line(wanted, 40)}”.", wanted)
            return Answer(message if named else notice("Which days?", how), public)
        view = await self._view(question, public=public)
        if not all(map(view.may_see, seats)):
            return Answer(_NOT_SHOWN, public)
        return await self._days(view, seats, spans[0], question.platform)

    async def _days(self, view: View, seats: Sequence[str], number: int, platform: str) -> Answer:
        """So many days of these seats, or of the team."""
        since = first_hour(number, view.report.as_of, self._tz)
        rows = [row for row in view.report.rows if (not seats or row.seat.name in seats) and not row.beside]
        counters = {row.counter for row in rows if row.counter is not None}
        hours = await self._hours_of_days(frozenset(counters), since)
        found = await asyncio.to_thread(days_of, view, hours, number, seats)
        picture, note = await _drawn(found, title_of(view, number, seats), dark=platform == "discord")
        return Answer(history_answer(view, found, number, seats, note), view.public, picture=picture)

    async def _hours_of_days(self, counters: frozenset[Counter], since: datetime) -> list[Hour]:
        """Whoever asks for the same meanwhile gets the same: of a team it is the dear part of an answer."""
        key = counters, since
        if (reading := self._reading.get(key)) is None:
            hours = hours_joined(self._store, counters, since, partial(stretch_of, tz=self._tz))
            reading = self._reading[key] = asyncio.ensure_future(hours)
            reading.add_done_callback(lambda _: self._reading.pop(key))
        return await asyncio.shield(reading)

    async def _home(self, words: Sequence[str], question: Question) -> Answer:
        """A person's own page: `home mine` is their seats and what they may set, `home team` what they may see of all."""
        view = await self._view(question, public=False)
        tabs = (MINE, TEAM) if view.sees_others else (MINE,)
        wanted = words[1] if len(words) > 1 else MINE if view.own else TEAM
        if wanted not in tabs or wanted == MINE:
            asked = _Asked(("me",), question.platform, question.user, view)
            held = [await self._private[word](question, (word,)) for word in _HELD if word in self._private]
            messages = [await self._me(asked), *(answer.message for answer in held)]
            own = sorted(view.own)
            history = partial(self._days, view, own, SPANS["30d"], question.platform) if own else None
            return Answer(messages[0], page=HomePage(tuple(messages), MINE, tabs, history))
        message = await _aside(len(self._seats), team, view)
        history = partial(self._days, view, (), SPANS["30d"], question.platform)
        return Answer(message, page=HomePage((message,), TEAM, tabs, history))

    async def _forecast(self, asked: _Asked) -> Message:
        heading = await current_outlooks(self._store, asked.view.report)
        return await asyncio.to_thread(forecast_answer, asked.view, heading)

    async def _renewals(self, asked: _Asked) -> Message:
        view = asked.view
        hours = await self._two_months(view, view.report.rows)
        return await asyncio.to_thread(seat_view.renewals, view, hours)

    async def _pull_requests(self, asked: _Asked) -> Message:
        view, wanted = asked.view, " ".join(asked.words[1:])
        if not wanted:
            names = [name for name in self._seats if _may_ask_for(view, [name])]
            found = await month_so_far(self._store, self._seats, names, view.report.as_of)
            return pull_requests.month(view, found)
        number = _PULL.fullmatch(wanted)
        if number is None:
            return notice("Which pull request?", "Ask with its number, as in “pr 812”.")
        stored = [one.pull for one in await self._store.pull_requests_numbered(int(number["number"]))]
        pulls = [pull for pull in stored if number["repo"] in {None, pull.merged.repo}]
        if not pulls:
            return notice(
                f"PR #{number['number']} is not in the record",
                "It holds what GitHub told of merged pull requests whose author has a seat.",
            )
        shown = [pull for pull in pulls if _may_ask_for(view, pull.seats)]
        if not shown:
            return notice("Not shown", "Here what a pull request cost is for its author only.")
        return pull_requests.pull_requests(view, shown, asked.words)

    async def _status(self, asked: _Asked) -> Message:
        places, processes = await self._destinations(), await self._processes(asked.view.report.as_of)
        ticked = await self._store.note(LAST_TICK)
        last_tick = None if ticked is None else datetime.fromisoformat(ticked)
        seen = [row for row in asked.view.report.rows if asked.view.may_see(row.seat.name)]
        plans = [f"{trouble}: correct plan in the configuration." for trouble in plan_troubles(seen)]
        return seat_view.status(
            asked.view,
            places,
            self._version,
            [*self._remarks(), *plans],
            processes,
            last_tick=last_tick,
        )

    async def _processes(self, now: datetime) -> list[WorkerStatus]:
        """Those that share the database; none where only one can."""
        workers = [] if self._store.sole else await self._store.workers(now)
        return [WorkerStatus(worker.name, worker.since, GATEWAY in worker.leases) for worker in workers]

    async def _destinations(self) -> list[DestinationStatus]:
        """Every running chat, and every queue, be its chat running here or not."""
        connections = {chat.name: chat.connection() for chat in self._chats}
        places = []
        for queue in all_queues(await self._store.queues(), self._places):
            connection = connections.get(queue.chat)
            places.append(
                DestinationStatus(
                    chat=queue.chat,
                    channel=queue.channel,
                    up=None if connection is None else connection.up,
                    since=None if connection is None else connection.since,
                    detail=None if connection is None else connection.detail,
                    waiting=queue.waiting,
                    oldest=queue.oldest,
                    trouble=queue.trouble,
                )
            )
        return places


def _none_yours(platform: str, user: str) -> Message:
    how = f'owner = {{ {platform} = "{user}" }}'
    return notice("No seat is yours", f"To make one yours, its configuration needs {how}.")


def _may_ask_for(view: View, seats: Iterable[str]) -> bool:
    return view.rows == "named" or any(map(view.may_ask_for, seats))


async def _drawn(found: Sequence[DailySpend], title: str, *, dark: bool) -> tuple[Picture | None, str]:
    """The picture of the first currency; or none, and why."""
    if not found:
        return None, ""
    try:
        draw = partial(charts.draw, found[0], title, dark=dark)
        png = await asyncio.get_running_loop().run_in_executor(charts.PAINTER, draw)
    except charts.NoCharts as reason:
        return None, sentence(str(reason))
    return Picture(png, alt_text(found[0], title), "claude-spend.png"), ""


def _read(raw: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """The command's words in lower case, and whether the channel may read the answer.

    What a chat leaves around them is dropped: the command itself, a mention of the bot, the verb of a button.
    """
    words = [word.lower() for word in " ".join(raw).split()]
    while words and (words[0] in _NOT_ASKED or _MENTION.fullmatch(words[0])):
        del words[0]
    return tuple(word for word in words if word != "share"), "share" in words
