"""`status`: how meterbot itself is doing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from meterbot.chat import Answer
from meterbot.commands.context import CommandContext, Request
from meterbot.commands.rows import health_sentence
from meterbot.commands.team_report import MissingSeat, plan_troubles
from meterbot.commands.view import View
from meterbot.core.deliveries import Destination, all_queues
from meterbot.core.lease import GATEWAY
from meterbot.core.messages import Message, Section, buttons
from meterbot.core.models import Severity
from meterbot.core.text import age, count, moment, one_line
from meterbot.store import LAST_TICK, deliveries, notes, workers

_MOST_LINES = 25
_TICK_LATE = timedelta(minutes=5)
"""A running bot notes a tick every minute."""


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """Where alerts go, and how that place is doing. `up` is None when the chat is not running here; `trouble` is why
    the line of messages does not move."""

    chat: str
    channel: str
    up: bool | None = None
    since: datetime | None = None
    detail: str | None = None
    waiting: int = 0
    oldest: datetime | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One of several on the database, alive: its name, since when it runs, and whether it is the one that listens to
    Discord."""

    name: str
    since: datetime
    listens: bool = False


async def answer(context: CommandContext, request: Request) -> Answer:
    view = await context.view(request)
    ticked = await context.store.read(lambda c: notes.read(c, LAST_TICK))
    seen = [row for row in view.report.rows if view.may_see(row.seat.name)]
    plans = [f"{trouble}: correct plan in the configuration." for trouble in plan_troubles(seen)]
    message = status(
        view,
        await _destinations(context),
        context.version,
        [*context.remarks(), *plans],
        await _workers(context, view.report.as_of),
        last_tick=None if ticked is None else datetime.fromisoformat(ticked),
    )
    return Answer(message, request.public)


async def _workers(context: CommandContext, now: datetime) -> list[WorkerStatus]:
    """The workers that share the database; none where only one can."""
    alive = [] if context.store.sole else await context.store.read(lambda c: workers.read(c, now))
    return [WorkerStatus(worker.name, worker.since, GATEWAY in worker.leases) for worker in alive]


async def _destinations(context: CommandContext) -> list[DestinationStatus]:
    """Every running chat and every queue, whether its chat runs here or not."""
    connections = {chat.name: chat.connection() for chat in context.chats}
    places = context.places or [Destination(chat.name, chat.destination) for chat in context.chats]
    found = []
    for queue in all_queues(await context.store.read(deliveries.read_queues), places):
        connection = connections.get(queue.chat)
        found.append(
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
    return found


def status(
    view: View,
    destinations: Sequence[DestinationStatus],
    version: str,
    remarks: Sequence[str] = (),
    processes: Sequence[WorkerStatus] = (),
    *,
    last_tick: datetime | None = None,
) -> Message:
    """How meterbot is doing: what it cannot read, what it cannot post, and what `remarks` say of its set-up.
    `processes`: where the database may be shared, those that work on it. `last_tick`: when one last looked after its
    seats, as it says once a minute."""
    report, tz, now = view.report, view.tz, view.report.as_of
    well = len({row.seat.name for row in report.rows}) - len(report.missing)
    sources = [f"{count(well, 'source')} ok"] if well else []
    sources += [_source_line(gone, tz) for gone in report.missing[:_MOST_LINES]]
    if len(report.missing) > _MOST_LINES:
        sources.append(f"and {len(report.missing) - _MOST_LINES} more that need attention")
    read = max((row.read_at for row in report.rows if row.read_at is not None), default=None)
    places = [_destination_line(place, now, tz) for place in destinations]
    troubled = bool(report.missing) or any(place.up is False or place.trouble for place in destinations)
    last = "Nothing has been read yet." if read is None else f"Last reading {age(read, now)}."
    # Whoever has a connection is the bot itself, and runs.
    outside = all(place.up is None for place in destinations)
    if outside and not processes and (last_tick is None or now - last_tick > _TICK_LATE):
        troubled = True
        ago = "" if last_tick is None else f", its last tick was {age(last_tick, now)}"
        last += f"\nNo bot seems to run{ago}: start it with meterbot run, or look at its log."
    elif last_tick is not None:
        last += f" Last tick {age(last_tick, now)}."
    return Message(
        title="meterbot status",
        fallback=f"meterbot {version}: {well} of {count(well + len(report.missing), 'source')} ok. {last}",
        severity=Severity.WARNING if troubled else Severity.GOOD,
        text=last,
        sections=(
            Section(tuple(sources) or ("none configured",), heading="Sources"),
            Section(tuple(places) or ("none configured",), heading="Destinations"),
            *([Section(_process_lines(processes, tz), heading="Processes")] if processes else []),
            *([Section(tuple(remarks), heading="Set-up")] if remarks else []),
        ),
        actions=() if view.public else buttons("status"),
        footer=f"meterbot {version}",
    )


def _process_lines(processes: Sequence[WorkerStatus], tz: tzinfo) -> tuple[str, ...]:
    return tuple(
        f"{one_line(each.name, 60)}: running since {moment(each.since, tz)}"
        + ("; listens to Discord" if each.listens else "")
        for each in processes
    )


def _source_line(gone: MissingSeat, tz: tzinfo) -> str:
    return f"{one_line(gone.seat, 60)}: {health_sentence(gone, tz)}"


def _destination_line(place: DestinationStatus, now: datetime, tz: tzinfo) -> str:
    since = "" if place.since is None else f" since {moment(place.since, tz)}"
    state = {True: f"connected{since}", False: f"not connected{since}", None: "not running here"}[place.up]
    parts = [state]
    if place.detail:
        parts.append(one_line(place.detail))
    if place.waiting:
        oldest = "" if place.oldest is None else f", the oldest queued {age(place.oldest, now)}"
        parts.append(f"{count(place.waiting, 'message')} waiting{oldest}")
    else:
        parts.append("nothing waiting")
    if place.trouble:
        parts.append(f"trouble: {one_line(place.trouble)}")
    where = f"{place.chat} {one_line(place.channel, 60)}".rstrip()
    return f"{where}: {'; '.join(parts)}"
