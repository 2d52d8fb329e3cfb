"""Sends the digests: looks who is due, and queues what they are told, once for each reader and day of theirs."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from meterbot.deliveries import DeliveryKind, Lane, NewDelivery
from meterbot.digest import Reader, Told, digest_event, due, dump, load, mark, message
from meterbot.noise import NoiseSettings, hold
from meterbot.planner import delivery_id
from meterbot.privacy import View
from meterbot.report import TeamReport
from meterbot.store import Batch, Store, Transaction

Report = Callable[[datetime], Awaitable[TeamReport]]


@dataclass
class Digests:
    """`report` is the team as the store knows it; `wake` is called after something was queued. What each reader was
    told last is stored, so that a restart neither repeats nor forgets a digest."""

    store: Store
    readers: Sequence[Reader]
    report: Report
    wake: Callable[[], None]
    tz: tzinfo
    noise: NoiseSettings

    def __post_init__(self) -> None:
        self._told: dict[str, Told] = {}

    async def step(self, now: datetime) -> None:
        """Queues every digest that is due. A reader who was never looked at begins with what holds now."""
        waiting = [each for each in self.readers if self._is_waiting(each, now)]
        if not waiting:
            return
        report = await self.report(now)
        queued = False
        for reader in waiting:
            async with self.store.transaction() as transaction:
                told, new = await self._look(transaction, reader, report, now)
            # Only what was committed is taken for told.
            queued |= new
            if told is not None:
                self._told[reader.name] = told
        if queued:
            self.wake()

    def _is_waiting(self, reader: Reader, now: datetime) -> bool:
        told = self._told.get(reader.name)
        return told is None or due(reader.schedule, now, told) is not None

    async def _look(
        self, transaction: Transaction, reader: Reader, report: TeamReport, now: datetime
    ) -> tuple[Told | None, bool]:
        """What the reader knows now, and whether something was queued for them."""
        stored = (await transaction.memories([reader.name])).get(reader.name)
        before, view = load(stored), self._view(reader, report)
        now_said = mark(view, reader.seats)
        if before is None:
            return await self._begin(transaction, reader, now_said, now), False
        day = due(reader.schedule, now, before)
        if day is None:
            return before, False  # another worker was here
        changed = now_said is not None and now_said != before.mark
        told = Told(day, now, now_said or before.mark) if changed else replace(before, day=day)
        batch = Batch(memories={reader.name: dump(told)})
        if changed:
            counters = {row.counter for row in report.rows if row.counter is not None and not row.beside}
            samples = await transaction.samples(counters, before.at)
            said = message(reader, view, samples, before.at)
            event = digest_event(reader, day, now)
            held = hold(event, replace(self.noise, quiet=None), (), now)
            delivery = NewDelivery(
                id=delivery_id(event.key, reader.place, DeliveryKind.POST),
                event=event.key,
                chat=reader.place.chat,
                channel=reader.place.channel,
                kind=DeliveryKind.POST,
                message=said,
                lane=Lane.DIGEST,
                not_before=None if held is None else held.until,
                held=None if held is None else held.why,
            )
            batch = replace(batch, events=(event,), deliveries=(delivery,))
        await transaction.write(batch)
        return told, changed

    async def _begin(
        self, transaction: Transaction, reader: Reader, now_said: str | None, now: datetime
    ) -> Told | None:
        if now_said is None:
            return None  # nothing is known yet that could change
        passed = due(reader.schedule, now, None)
        if passed is None:
            return None
        told = Told(passed, now, now_said)
        await transaction.write(Batch(memories={reader.name: dump(told)}))
        return told

    def _view(self, reader: Reader, report: TeamReport) -> View:
        alone = bool(reader.seats) or reader.operator
        return View(
            report,
            self.tz,
            self.noise.veil.rows,
            frozenset(reader.seats),
            public=not alone,
            operator=reader.operator,
            salt=secrets.token_hex(16),
        )
