"""`status`: how meterbot itself is doing."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from meterbot.chat import Connection, Question
from meterbot.commands.context import CommandContext, Request
from meterbot.commands.invitations import join_status
from meterbot.commands.join_lines import JoinTerms
from meterbot.commands.privacy import View
from meterbot.commands.rows import NAME_COLUMNS, Columns, at_most, filled, missing_lines, names_text, table
from meterbot.commands.seat_lines import health_text
from meterbot.commands.team_report import SeatRow, TeamReport, plan_troubles
from meterbot.core.deliveries import ChannelQueue, Destination, all_queues
from meterbot.core.inline import instant
from meterbot.core.json_values import value_of
from meterbot.core.lease import GATEWAY
from meterbot.core.messages import Column, Message, Section, Table, button, buttons
from meterbot.core.models import Seat, Severity
from meterbot.core.text import age, count, listed, one_line
from meterbot.ingest.pushes import PUSH
from meterbot.store import (
    CONNECTIONS,
    LAST_TICK,
    Store,
    Worker,
    deliveries,
    notes,
    pull_requests,
    push_tokens,
    workers,
)

_NEVER = datetime.min.replace(tzinfo=UTC)
_MOST_SEATS = 30
_MOST_LINES = 25
_TICK_LATE = timedelta(minutes=5)
"""A running bot notes a tick every minute."""


async def answer(context: CommandContext, request: Request) -> Message:
    view, store = await context.view(request), context.store
    now = view.report.as_of
    ticked = await store.read(lambda c: notes.read(c, LAST_TICK))
    last_tick = None if ticked is None else datetime.fromisoformat(ticked)
    seen = [row for row in view.report.rows if view.may_see(row.seat.name)]
    plans = [f"{trouble}: correct plan in the configuration." for trouble in plan_troubles(seen)]
    seats = list({row.seat.name: row.seat for row in seen}.values())
    agents = await store.read(push_tokens.read_agents)
    terms, may_invite = context.join_terms, view.operator and context.invitations is not None
    joined, absent = await join_status(store, seats, terms, now, may_invite=may_invite)
    hidden: list[ChannelQueue] = []
    queues = await _queues(context, now)
    if len(seen) < len(view.report.rows):
        hidden = [queue for queue in queues if _tells_an_owner(queue, view, request.question)]
    unsaved = [
        f"Renewed session keys of {names_text(names, view)} are not kept, so that a restart may end them: {why}."
        for why, names in context.unsaved_session_keys().items()
    ]
    return status(
        view,
        queues,
        await _connections(context, now, last_tick),
        [*unsaved, *_old_agents(terms, seats, agents), *joined, *plans, *await _failed(store)],
        [] if store.sole else await store.read(lambda c: workers.read(c, now)),
        version=context.version,
        last_tick=last_tick,
        agents=agents,
        hidden=hidden,
        remind=absent[:5] if may_invite else (),
    )


def _tells_an_owner(queue: ChannelQueue, view: View, question: Question) -> bool:
    """A queue of direct messages tells who owns a seat. The asker may see their own."""
    theirs = not view.public and (queue.chat, queue.channel) == (question.platform, f"@{question.user}")
    return queue.channel.startswith("@") and not theirs


def _old_agents(terms: JoinTerms | None, seats: Iterable[Seat], agents: Mapping[str, str]) -> list[str]:
    pushing = [seat.name for seat in seats if seat.source == PUSH]
    old = [name for name in pushing if terms and agents.get(name, terms.agent_version) != terms.agent_version]
    line = "run a new line from /claude-spend join to update it"
    return [f"An older agent sends for {listed(old, 10)}: {line}."] if old else []


async def _failed(store: Store) -> list[str]:
    """What was given up, a line for each kind; `meterbot failed` names them."""
    messages, pulls = await store.read(deliveries.failed), await store.read(pull_requests.failed)
    given_up = {
        f"{count(len(messages), 'message')} could not be posted": [one.reason for one in messages],
        f"The cost of {count(len(pulls), 'pull request')} could not be calculated": [
            one.reason for one in pulls
        ],
    }
    return [
        f"{what} (last reason: {one_line(reasons[-1])}). Run meterbot failed."
        for what, reasons in given_up.items()
        if reasons
    ]


async def _queues(context: CommandContext, now: datetime) -> list[ChannelQueue]:
    """Every queue, whether its chat runs here or not, and an empty one for each other destination."""
    running = [Destination(chat.name, chat.destination) for chat in context.chats]
    queues = await context.store.read(lambda c: deliveries.read_queues(c, now))
    return all_queues(queues, context.destinations or running)


async def _connections(
    context: CommandContext, now: datetime, last_tick: datetime | None
) -> dict[str, Connection]:
    """How the chats are connected that run here, or else those of the bot that stored its last tick."""
    connections = {chat.name: chat.connection() for chat in context.chats}
    if not connections and last_tick is not None and now - last_tick <= _TICK_LATE:
        noted = await context.store.read(lambda c: notes.read(c, CONNECTIONS))
        connections = value_of(dict[str, Connection], noted or "{}")
    return connections


def status(
    view: View,
    queues: Sequence[ChannelQueue],
    connections: Mapping[str, Connection],
    remarks: Sequence[str] = (),
    processes: Sequence[Worker] = (),
    *,
    version: str,
    last_tick: datetime | None = None,
    agents: Mapping[str, str] | None = None,
    hidden: Collection[ChannelQueue] = (),
    remind: Sequence[str] = (),
) -> Message:
    """What meterbot cannot read or post, and `remarks` about the set-up. `connections`: of the running chats, by name.
    `processes`: the workers on a shared database.
    `last_tick`: when one of them last checked its seats. `agents`: the version of the agent on each seat's machine.
    `hidden`: the queues that are only counted, because they would tell the reader who owns a seat.
    `remind`: the seats whose owners the reader may remind to join."""
    report, tz, now = view.report, view.tz, view.report.as_of
    sources = len({row.seat.name for row in report.rows})
    down = not connections and not processes and (last_tick is None or now - last_tick > _TICK_LATE)
    troubled = (
        down
        or bool(report.missing)
        or any(not connection.up for connection in connections.values())
        or any(queue.trouble for queue in queues)
    )
    first = f"{sources - len(report.missing)} of {count(sources, 'source')} ok. {_last_reading(report)}"
    text = f"{first} {_running(last_tick, now, down=down)}".strip()
    shown = [queue for queue in queues if queue not in hidden]
    places = [_destination_line(each, connections.get(each.chat), now, tz) for each in shown]
    if hidden:
        troubled_too = sum(bool(queue.trouble) for queue in hidden)
        trouble = f" ({troubled_too} in trouble)" if troubled_too else ""
        places.append(f"and {count(len(hidden), 'queue')} of direct messages, not shown to you{trouble}")
    troubles = missing_lines(report.missing, tz)
    attention = at_most(_MOST_LINES, troubles, "and {} more that need attention")
    tables, unseen_seats = _sources(view, agents or {})
    sections = filled(
        Section(unseen_seats, heading="Sources"),
        Section(attention, heading="Needs attention"),
        Section(tuple(places) or ("none configured",), heading="Destinations"),
        Section(tuple(_worker_line(each, tz) for each in processes), heading="Processes"),
        Section(tuple(remarks), heading="Set-up"),
    )
    reminder = button("Remind to join", "invite", *remind) if remind else ()
    return Message(
        title="meterbot status",
        fallback=f"meterbot {version}: {text}",
        severity=Severity.WARNING if troubled else Severity.GOOD,
        text=text,
        tables=tables,
        sections=sections,
        actions=() if view.public else (*reminder, *buttons("status")),
        footer=f"meterbot {version}",
    )


def _last_reading(report: TeamReport) -> str:
    read = max((row.read_at for row in report.rows if row.read_at is not None), default=None)
    return "Nothing has been read yet." if read is None else f"Last reading {age(read, report.as_of)}."


def _running(last_tick: datetime | None, now: datetime, *, down: bool) -> str:
    if down:
        ago = "" if last_tick is None else f", its last tick was {age(last_tick, now)}"
        return f"No bot seems to be running{ago}: start it with meterbot run, or look at its log."
    return "" if last_tick is None else f"Last tick {age(last_tick, now)}."


def _sources(view: View, agents: Mapping[str, str]) -> tuple[tuple[Table, ...], tuple[str, ...]]:
    """How old each seat's numbers are; seats that need attention come first, and are for everyone. A line instead where
    all seats are hidden from this reader."""
    report = view.report
    gone = {missing.seat: missing for missing in report.missing}
    newest = {row.seat.name: row for row in sorted(report.rows, key=lambda row: row.read_at or _NEVER)}
    seen = [row for name, row in newest.items() if name in gone or view.may_see(name)]
    seen.sort(key=lambda row: (row.seat.name not in gone, row.seat.name))
    columns: Columns[SeatRow] = (
        (Column("Seat"), lambda row: one_line(row.seat.name, NAME_COLUMNS)),
        (
            Column("State"),
            lambda row: health_text(gone[row.seat.name].health) if row.seat.name in gone else "ok",
        ),
        (
            Column("Read", before="read "),
            lambda row: age(row.read_at, report.as_of) if row.read_at else "never",
        ),
        (Column("Source"), lambda row: row.seat.source),
        (Column("Agent", before="agent "), lambda row: one_line(agents.get(row.seat.name, ""), 12)),
    )
    cut, hidden = len(seen) - _MOST_SEATS, len(newest) - len(seen)
    unseen = f"{count(hidden, 'seat')} not shown to you"
    rest = [f"and {cut} more"] * (cut > 0) + [f"and {unseen}"] * (hidden > 0)
    if not seen:
        return (), (unseen,) * (hidden > 0)
    return table("Sources", columns, seen[:_MOST_SEATS], ", ".join(rest)), ()


def _worker_line(worker: Worker, tz: tzinfo) -> str:
    listens = "; listens to Discord" if GATEWAY in worker.leases else ""
    return f"{one_line(worker.name, 60)}: running since {instant(worker.since, tz)}{listens}"


def _destination_line(queue: ChannelQueue, connection: Connection | None, now: datetime, tz: tzinfo) -> str:
    parts = [_connection_text(connection, tz)]
    if connection is not None and connection.detail:
        parts.append(one_line(connection.detail))
    late = queue.waiting - queue.held
    if late:
        oldest = "" if queue.oldest is None else f", the oldest queued {age(queue.oldest, now)}"
        parts.append(f"{count(late, 'message')} waiting{oldest}")
    if queue.held:
        until = "" if queue.held_until is None else f" until {instant(queue.held_until, tz)}"
        parts.append(f"{count(queue.held, 'message')} held{until} (snooze, quiet hours or silence)")
    if not queue.waiting:
        parts.append("nothing waiting")
    if queue.trouble:
        parts.append(f"trouble: {one_line(queue.trouble)}")
    where = f"{queue.chat} {one_line(queue.channel, 60)}".rstrip()
    return f"{where}: {'; '.join(parts)}"


def _connection_text(connection: Connection | None, tz: tzinfo) -> str:
    if connection is None:
        return "not running"
    since = "" if connection.since is None else f" since {instant(connection.since, tz)}"
    return f"connected{since}" if connection.up else f"not connected{since}"
