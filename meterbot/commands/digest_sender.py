"""Sends the digests: looks who is due, and queues what they are told, once for each reader and day of theirs."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from functools import partial

from meterbot.commands.digest import (
    DigestReader,
    DigestState,
    digest_event,
    due,
    dump,
    load,
    mark,
    message,
)
from meterbot.commands.outlooks import NOWHERE, Outlooks
from meterbot.commands.team_report import TeamReport
from meterbot.commands.view import View
from meterbot.core.deliveries import DeliveryKind, NewDelivery, Priority
from meterbot.core.models import Sample
from meterbot.delivery.planner import delivery_id
from meterbot.delivery.routing import RoutingSettings, hold
from meterbot.store import Batch, Connection, Store, batches, delivery_queue, facts, history, locks

Report = Callable[[datetime], Awaitable[TeamReport]]
Ahead = Callable[[TeamReport], Awaitable[Outlooks]]
_NEWER = "a newer digest says it, too"


@dataclass(frozen=True, slots=True)
class _Saying:
    """What a digest would say to a reader. `mark` is None while nothing is known."""

    reader: DigestReader
    view: View
    mark: str | None
    samples: Sequence[Sample] = ()
    headings: Outlooks = NOWHERE


def _told(connection: Connection, reader: DigestReader) -> DigestState | None:
    return load(facts.read_memories(connection, [reader.name]).get(reader.name))


@dataclass
class DigestSender:
    """`report` is the team as the store knows it, `headings` where its seats are heading; `wake` is called after something
    was queued. What each reader was told last is stored, so that a restart neither repeats nor forgets a digest."""

    store: Store
    readers: Sequence[DigestReader]
    report: Report
    headings: Ahead
    wake: Callable[[], None]
    tz: tzinfo
    routing: RoutingSettings

    def __post_init__(self) -> None:
        self._told: dict[str, DigestState] = {}

    async def step(self, now: datetime) -> None:
        """Queues every digest that is due. A reader who was never looked at begins with what holds now."""
        waiting = [each for each in self.readers if self._is_waiting(each, now)]
        if not waiting:
            return
        report = await self.report(now)
        queued = False
        for reader in waiting:
            known = self._told.get(reader.name) or await self._remembered(reader)
            said = await self._ahead(reader, report, known, now)
            told, new = await self.store.run(partial(self._look, said=said, known=known, now=now))
            # Only what was committed is taken for told.
            queued |= new
            if told is not None:
                self._told[reader.name] = told
        if queued:
            self.wake()

    def _is_waiting(self, reader: DigestReader, now: datetime) -> bool:
        told = self._told.get(reader.name)
        return told is None or due(reader.schedule, now, told) is not None

    async def _remembered(self, reader: DigestReader) -> DigestState | None:
        return await self.store.read(lambda c: _told(c, reader))

    async def _ahead(
        self, reader: DigestReader, report: TeamReport, known: DigestState | None, now: datetime
    ) -> _Saying:
        """What a digest is made of, read before anybody is kept waiting, and only where one will be made."""
        view = self._view(reader, report)
        now_said = mark(view, reader.seats)
        if known is None or now_said in {None, known.mark} or due(reader.schedule, now, known) is None:
            return _Saying(reader, view, now_said)
        rows = [row for row in report.rows if not reader.seats or row.seat.name in reader.seats]
        counters = {row.counter for row in rows if row.counter is not None and not row.beside}
        since = min(known.at, known.since or known.at)
        samples = await self.store.read(lambda c: history.read(c, counters, since))
        heading = await self.headings(replace(report, rows=tuple(rows)))
        return _Saying(reader, view, now_said, samples, heading)

    def _look(
        self, connection: Connection, said: _Saying, known: DigestState | None, now: datetime
    ) -> tuple[DigestState | None, bool]:
        """What the reader knows now, and whether something was queued for them."""
        reader = said.reader
        locks.names(connection, [reader.name])
        before = _told(connection, reader)
        if before is None:
            return self._begin(connection, reader, said.mark, now), False
        day = due(reader.schedule, now, before)
        if day is None or before != known:
            return before, False  # another worker was here
        if said.mark is None or said.mark == before.mark:
            told = replace(before, day=day)
            facts.write_memories(connection, {reader.name: dump(told)})
            return told, False
        since = before.at
        if before.digest is not None and before.since is not None:
            last = digest_event(reader, before.digest, now)
            if delivery_queue.withdraw(connection, last.key, reader.place, _NEWER):
                since = before.since  # what it would have said, this one says
        told = DigestState(day, now, said.mark, digest=day, since=since)
        batches.write(connection, self._batch(said, told, now))
        return told, True

    def _batch(self, said: _Saying, told: DigestState, now: datetime) -> Batch:
        reader, since = said.reader, told.since or told.at
        event = digest_event(reader, told.day, now)
        held = hold(event, replace(self.routing, quiet=None), (), now)
        delivery = NewDelivery(
            id=delivery_id(self.routing.redaction.salted(event.key), reader.place, DeliveryKind.POST),
            event=event.key,
            chat=reader.place.chat,
            channel=reader.place.channel,
            kind=DeliveryKind.POST,
            message=message(reader, said.view, said.samples, since, said.headings),
            lane=Priority.DIGEST,
            not_before=None if held is None else held.until,
            held=None if held is None else held.why,
        )
        return Batch(memories={reader.name: dump(told)}, events=(event,), deliveries=(delivery,))

    def _begin(
        self, connection: Connection, reader: DigestReader, now_said: str | None, now: datetime
    ) -> DigestState | None:
        if now_said is None:
            return None  # nothing is known yet that could change
        passed = due(reader.schedule, now, None)
        if passed is None:
            return None
        told = DigestState(passed, now, now_said)
        facts.write_memories(connection, {reader.name: dump(told)})
        return told

    def _view(self, reader: DigestReader, report: TeamReport) -> View:
        alone = bool(reader.seats) or reader.operator
        return View(
            report,
            self.tz,
            self.routing.redaction.rows,
            frozenset(reader.seats),
            public=not alone,
            operator=reader.operator,
            salt=secrets.token_hex(16),
        )
