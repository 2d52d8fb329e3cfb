"""The digest: when it is due, whether there is news for it, what it says, and the sender that queues it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from hashlib import sha256
from typing import Literal
from zoneinfo import ZoneInfo

from meterbot.commands.context import CommandContext
from meterbot.commands.outlooks import NOWHERE, Outlooks
from meterbot.commands.privacy import View
from meterbot.commands.readings import current_outlooks
from meterbot.commands.rows import NAME_COLUMNS, names_text
from meterbot.commands.team_report import SeatRow, TeamReport
from meterbot.commands.words.forecast import month_ends
from meterbot.commands.words.seat import seat_detail
from meterbot.commands.words.team import seats_table, team
from meterbot.core.deliveries import DeliveryKind, Destination, NewDelivery, Priority
from meterbot.core.inline import instant
from meterbot.core.json_values import json_of, value_of
from meterbot.core.messages import Message
from meterbot.core.models import Counter, Event, EventKind, Sample, Severity, by_counter
from meterbot.core.money import Money, totals
from meterbot.core.text import amounts_text, day_text, one_line
from meterbot.delivery.planner import delivery_id
from meterbot.delivery.routing import RoutingSettings, hold
from meterbot.rules.increases import spend_between
from meterbot.store import Batch, Connection, batches, deliveries, history, locks, rule_memories

Every = Literal["day", "week"]

_Amount = tuple[Money, ...] | None
"""Per currency; None where it is not known."""
_UNKNOWN = "not known"
_NEWER = "a newer digest contains it"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a digest is due: at an hour in a time zone, every day or on one day of the week (Monday is 0)."""

    every: Every = "week"
    at: time = time(9)
    weekday: int = 0
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    @property
    def span(self) -> timedelta:
        return timedelta(days=1 if self.every == "day" else 7)


@dataclass(frozen=True, slots=True)
class DigestReader:
    """Who gets a digest: the channel at `destination`, or the person there whose `seats` it is about. An `operator`
    gets the team's digest as a direct message, with every seat by name."""

    destination: Destination
    schedule: Schedule
    seats: tuple[str, ...] = ()
    operator: bool = False

    @property
    def name(self) -> str:
        """The name under which the reader's state is stored."""
        whose = ":team" if self.operator else ""
        return f"digest:{self.destination.chat}:{self.destination.channel}{whose}"


@dataclass(frozen=True, slots=True)
class DigestState:
    """The last digest of a reader. `day` is the last day that was handled, `at` when the content of `content_hash` was
    current, `digest` the day of the last digest that was queued and `since` where it began; None before the first."""

    day: date
    at: datetime
    content_hash: str
    digest: date | None = None
    since: datetime | None = None


def due(schedule: Schedule, now: datetime, state: DigestState | None) -> date | None:
    """The local day whose digest is due and was not handled yet; else None. A missed digest stays due until the next
    one.

    An hour that the clock change skips comes later by as much; of an hour that comes twice, the first counts. The day
    names the digest, so that each day has one, however the clocks are set.
    """
    today = now.astimezone(schedule.timezone).date()
    since = (today.weekday() - schedule.weekday) % 7 if schedule.every == "week" else 0
    day = today - timedelta(days=since)
    # Some places once skipped a whole day: its hour comes on the next one.
    while now < datetime.combine(day, schedule.at, schedule.timezone).astimezone(UTC):
        day -= schedule.span
    return None if state is not None and state.day >= day else day


def content_hash(view: View, seats: Sequence[str] = ()) -> str | None:
    """Changes when the digest would say something else (ages aside); None while nothing is known.

    It covers only what the reader may see: hidden numbers neither cause nor prevent a digest.
    """
    report = view.report
    rows = [row for row in report.rows if row.seat.name in seats] if seats else list(report.rows)
    if not any(row.known for row in rows):
        return None
    seen = [row for row in rows if seats or view.sees_rows_of(row.seat.name)]
    said = sorted(_state(row, named=bool(seats) or view.may_see(row.seat.name)) for row in seen)
    sums = [] if seats else [f"{total.currency} {total.used} {total.cap}" for total in report.totals]
    missing = [f"{gone.seat} {gone.health}" for gone in report.missing if not seats or gone.seat in seats]
    return sha256("\n".join([*said, *sums, *missing]).encode()).hexdigest()[:20]


def _state(row: SeatRow, *, named: bool) -> str:
    name = row.seat.name if named else ""
    return f"{name} {row.counter if named else ''} {row.known} {row.used} {row.facts.cap} {row.blocked}"


def message(
    reader: DigestReader,
    view: View,
    samples: Iterable[Sample],
    since: datetime,
    outlooks: Outlooks = NOWHERE,
) -> Message:
    """The digest: what was spent since the last one, the current numbers, and the forecast."""
    spent = _spent(view, reader.seats, samples, since)
    amounts = _sum([*spent.values()])
    late = view.report.as_of - since > 1.5 * reader.schedule.span
    span = f"spend since {day_text(since.astimezone(view.tz).date())}" if late else reader.schedule.every
    whose = "Your" if reader.seats else "The team's"
    title = f"{whose} {span}: {'spend not known' if amounts == _UNKNOWN else f'{amounts} spent'}"
    begins = f"Since {instant(since, view.tz)}. The other amounts are for the month so far."
    lately = {name: _amounts(amount) for name, amount in spent.items()}
    if reader.seats:
        whole = seat_detail(view, reader.seats, ("me",), outlooks)
        each = [f"{one_line(name, NAME_COLUMNS)}: {amount}" for name, amount in lately.items()]
        text = [begins, *(each if len(each) > 1 else [])]
    else:
        whole = replace(team(view), tables=seats_table(view, lately))
        unknown = [name for name, amount in spent.items() if amount is None]
        some = 0 < len(unknown) < len(spent)
        left_out = [f"Not in this sum: {names_text(unknown, view)}."] if some else []
        text = [begins, *left_out, whole.text, *month_ends(outlooks)]
    fallback = f"{title}. {whole.fallback}"
    return replace(whole, title=title, fallback=fallback, text="\n".join(text), owner={})


def _spent(
    view: View, seats: Sequence[str], samples: Iterable[Sample], since: datetime
) -> dict[str, _Amount]:
    """What each seat spent since then: the reader's own seats, or each counter of a team once. The total of this month
    has no seat that was last read in the month before, but the time since then may have its spend."""
    known = by_counter(samples)
    rows = [row for row in view.report.rows if row.counter is not None and not row.beside]
    rows = [
        row
        for row in rows
        if (row.seat.name in seats if seats else row.counted or row.outdated or not row.extra_known)
    ]
    counted = {row.counter: row for row in rows if row.counted}
    once = {row.counter: row for row in reversed(rows)} | counted
    found: dict[str, _Amount] = {}
    for row in once.values():
        amount = _spent_by(row, known, since, view.report.as_of)
        before = found.get(row.seat.name, ())
        found[row.seat.name] = None if amount is None or before is None else (*before, *amount)
    never_read = (row.seat.name for row in view.report.rows if row.read_at is None and not row.beside)
    return found | {name: None for name in never_read if not seats or name in seats}


def _spent_by(
    row: SeatRow, samples: Mapping[Counter, Sequence[Sample]], since: datetime, now: datetime
) -> _Amount:
    if row.counter is None or row.counter not in samples:
        return None
    if row.outdated and (row.read_at is None or row.read_at <= since):
        return None
    found = spend_between(samples[row.counter], since, now)
    return None if found is None else tuple(found.values())


def _sum(each: Sequence[_Amount]) -> str:
    """`at least $15.00` where the amount of some is not known."""
    known = [amount for amount in each if amount is not None]
    if not known:
        return _UNKNOWN
    whole = _amounts(tuple(totals(money for amount in known for money in amount).values()))
    return whole if len(known) == len(each) else f"at least {whole}"


def _amounts(known: _Amount) -> str:
    if known is None:
        return _UNKNOWN
    sums = [*totals(known).values()]
    return amounts_text([amount for amount in sums if amount.minor] or sums[:1]) or "nothing"


def digest_event(reader: DigestReader, day: date, now: datetime) -> Event:
    """One for each reader and day: its key prevents a second one."""
    return Event(
        key=f"{reader.name}:{day.isoformat()}",
        kind=EventKind.DIGEST,
        at=now,
        severity=Severity.INFO,
        reason="it is due, and something has changed since the last one",
        seat=reader.seats[0] if len(reader.seats) == 1 else None,
        facts={"day": day.isoformat(), "every": reader.schedule.every},
    )


# --- the sender ---------------------------------------------------------------------------------------------------


def _stored_state(connection: Connection, reader: DigestReader) -> DigestState | None:
    stored = rule_memories.read_memories(connection, [reader.name]).get(reader.name)
    state: DigestState | None = None if stored is None else value_of(DigestState, stored)
    return state


def _memory(reader: DigestReader, state: DigestState) -> dict[str, str]:
    return {reader.name: json_of(DigestState, state)}


@dataclass
class DigestSender:
    """`readers` tells who gets digests now. Each reader's state is stored, so that a restart neither repeats nor
    forgets a digest."""

    context: CommandContext
    routing: RoutingSettings
    readers: Callable[[], Sequence[DigestReader]]
    _states: dict[str, DigestState] = field(init=False, default_factory=dict)

    async def queue_due(self, now: datetime) -> None:
        """Queues every digest that is due. A new reader's first digest compares with the state at their first check."""
        waiting = [each for each in self.readers() if due(each.schedule, now, self._states.get(each.name))]
        if not waiting:
            return
        report = await self.context.report(now)
        queued, store = False, self.context.store
        for reader in waiting:
            known = self._states.get(reader.name) or await store.read(partial(_stored_state, reader=reader))
            content, write = await self._draft(reader, report, known, now)
            queue = partial(self._queue, reader=reader, content=content, write=write, known=known, now=now)
            state, new = await store.run(queue)
            queued |= new
            if state is not None:
                self._states[reader.name] = state
        if queued:
            self.context.wake()

    async def _draft(
        self, reader: DigestReader, report: TeamReport, known: DigestState | None, now: datetime
    ) -> tuple[str | None, Callable[[datetime], Message]]:
        """The hash of the content, and what makes the digest since an instant: the slow reading, before the
        transaction, and only where a digest will be made."""
        alone = bool(reader.seats) or reader.operator
        view = self.context.view_of(report, reader.seats, public=not alone, operator=reader.operator)
        content = content_hash(view, reader.seats)
        if known is None or content in {None, known.content_hash} or due(reader.schedule, now, known) is None:
            return content, partial(message, reader, view, ())
        rows = [row for row in report.rows if not reader.seats or row.seat.name in reader.seats]
        counters = {row.counter for row in rows if row.counter is not None and not row.beside}
        since, store = min(known.at, known.since or known.at), self.context.store
        samples = await store.read(lambda c: history.read(c, counters, since))
        outlooks = await current_outlooks(store, replace(report, rows=tuple(rows)))
        return content, partial(message, reader, view, samples, outlooks=outlooks)

    def _queue(
        self,
        connection: Connection,
        *,
        reader: DigestReader,
        content: str | None,
        write: Callable[[datetime], Message],
        known: DigestState | None,
        now: datetime,
    ) -> tuple[DigestState | None, bool]:
        """The reader's new state, and whether a digest was queued."""
        locks.names(connection, [reader.name])
        before = _stored_state(connection, reader)
        day = due(reader.schedule, now, before)
        if before is None and day is not None and content is not None:
            before = DigestState(day, now, content)
            rule_memories.write_memories(connection, _memory(reader, before))
            return before, False
        if before is None or day is None or before != known:
            return before, False  # another worker was here, or nothing is known yet
        if content is None or content == before.content_hash:
            state = replace(before, day=day)
            rule_memories.write_memories(connection, _memory(reader, state))
            return state, False
        since = before.at
        if before.digest is not None and before.since is not None:
            last = digest_event(reader, before.digest, now)
            if deliveries.withdraw(connection, last.key, reader.destination, _NEWER):
                since = before.since  # this one covers the time of the one that was not sent
        state = DigestState(day, now, content, digest=day, since=since)
        batches.write(connection, self._batch(reader, state, write(since), now))
        return state, True

    def _batch(self, reader: DigestReader, state: DigestState, digest: Message, now: datetime) -> Batch:
        event = digest_event(reader, state.day, now)
        held = hold(event, replace(self.routing, quiet=None), (), now)
        delivery = NewDelivery(
            id=delivery_id(self.routing.redaction.salted(event.key), reader.destination, DeliveryKind.POST),
            event=event.key,
            chat=reader.destination.chat,
            channel=reader.destination.channel,
            kind=DeliveryKind.POST,
            message=digest,
            priority=Priority.DIGEST,
            not_before=None if held is None else held.until,
            held=None if held is None else held.why,
        )
        return Batch(memories=_memory(reader, state), events=(event,), deliveries=(delivery,))
