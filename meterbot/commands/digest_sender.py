"""Queues the digests that are due, one for each reader and day."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from meterbot.commands.context import CommandContext
from meterbot.commands.digest import (
    DigestReader,
    DigestState,
    content_hash,
    digest_event,
    due,
    message,
)
from meterbot.commands.outlooks import NOWHERE, Outlooks
from meterbot.commands.privacy import View
from meterbot.commands.readings import current_outlooks
from meterbot.commands.team_report import TeamReport
from meterbot.core.deliveries import DeliveryKind, NewDelivery, Priority
from meterbot.core.json_values import json_of, value_of
from meterbot.core.models import Sample
from meterbot.delivery.planner import delivery_id
from meterbot.delivery.routing import RoutingSettings, hold
from meterbot.store import Batch, Connection, batches, deliveries, history, locks, rule_memories

_NEWER = "a newer digest contains it"


@dataclass(frozen=True, slots=True)
class _Draft:
    """What a digest for a reader is made from. `content_hash` is None while nothing is known."""

    reader: DigestReader
    view: View
    content_hash: str | None
    samples: Sequence[Sample] = ()
    outlooks: Outlooks = NOWHERE


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
        waiting = [each for each in self.readers() if self._is_waiting(each, now)]
        if not waiting:
            return
        report = await self.context.report(now)
        queued, store = False, self.context.store
        for reader in waiting:
            known = self._states.get(reader.name) or await store.read(partial(_stored_state, reader=reader))
            draft = await self._draft(reader, report, known, now)
            state, new = await store.run(partial(self._queue, draft=draft, known=known, now=now))
            queued |= new
            if state is not None:
                self._states[reader.name] = state
        if queued:
            self.context.wake()

    def _is_waiting(self, reader: DigestReader, now: datetime) -> bool:
        state = self._states.get(reader.name)
        return state is None or due(reader.schedule, now, state) is not None

    async def _draft(
        self, reader: DigestReader, report: TeamReport, known: DigestState | None, now: datetime
    ) -> _Draft:
        """The slow reading, before the transaction, and only where a digest will be made."""
        view = self._view(reader, report)
        content = content_hash(view, reader.seats)
        if known is None or content in {None, known.content_hash} or due(reader.schedule, now, known) is None:
            return _Draft(reader, view, content)
        rows = [row for row in report.rows if not reader.seats or row.seat.name in reader.seats]
        counters = {row.counter for row in rows if row.counter is not None and not row.beside}
        since, store = min(known.at, known.since or known.at), self.context.store
        samples = await store.read(lambda c: history.read(c, counters, since))
        outlooks = await current_outlooks(store, replace(report, rows=tuple(rows)))
        return _Draft(reader, view, content, samples, outlooks)

    def _view(self, reader: DigestReader, report: TeamReport) -> View:
        return View(
            report,
            self.context.tz,
            self.routing.redaction.rows,
            frozenset(reader.seats),
            public=not reader.seats and not reader.operator,
            operator=reader.operator,
            salt=secrets.token_hex(16),
        )

    def _queue(
        self, connection: Connection, draft: _Draft, known: DigestState | None, now: datetime
    ) -> tuple[DigestState | None, bool]:
        """The reader's new state, and whether a digest was queued."""
        reader = draft.reader
        locks.names(connection, [reader.name])
        before = _stored_state(connection, reader)
        day = due(reader.schedule, now, before)
        if before is None and day is not None and draft.content_hash is not None:
            before = DigestState(day, now, draft.content_hash)
            rule_memories.write_memories(connection, _memory(reader, before))
            return before, False
        if before is None or day is None or before != known:
            return before, False  # another worker was here, or nothing is known yet
        if draft.content_hash is None or draft.content_hash == before.content_hash:
            state = replace(before, day=day)
            rule_memories.write_memories(connection, _memory(reader, state))
            return state, False
        since = before.at
        if before.digest is not None and before.since is not None:
            last = digest_event(reader, before.digest, now)
            if deliveries.withdraw(connection, last.key, reader.destination, _NEWER):
                since = before.since  # this one covers the time of the one that was not sent
        state = DigestState(day, now, draft.content_hash, digest=day, since=since)
        batches.write(connection, self._batch(draft, state, since, now))
        return state, True

    def _batch(self, draft: _Draft, state: DigestState, since: datetime, now: datetime) -> Batch:
        reader = draft.reader
        event = digest_event(reader, state.day, now)
        held = hold(event, replace(self.routing, quiet=None), (), now)
        delivery = NewDelivery(
            id=delivery_id(self.routing.redaction.salted(event.key), reader.destination, DeliveryKind.POST),
            event=event.key,
            chat=reader.destination.chat,
            channel=reader.destination.channel,
            kind=DeliveryKind.POST,
            message=message(reader, draft.view, draft.samples, since, draft.outlooks),
            priority=Priority.DIGEST,
            not_before=None if held is None else held.until,
            held=None if held is None else held.why,
        )
        return Batch(memories=_memory(reader, state), events=(event,), deliveries=(delivery,))
