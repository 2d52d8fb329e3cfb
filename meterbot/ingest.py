"""The door: every new fact, polled or pushed, comes in here.

One transaction per batch: what was known is read, the rules are asked, and the knowledge, the history, the events
and the deliveries they cause are written together. Posting comes after, from what was committed.
"""

from base64 import b32encode
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from itertools import groupby

from meterbot import alerts, rules
from meterbot.fold import TEAM_MEMORY, Fold, counters_of, counts_in_team, memory_of
from meterbot.forecast import PACE_WINDOWS, calendar_month, cap_eta, month_end, pace
from meterbot.messages import Message
from meterbot.models import Counter, Event, EventKind, Health, Sample, Seat, Snapshot
from meterbot.rules import RuleSettings, SourceMemory, fact_money
from meterbot.store import Batch, DeliveryKind, NewDelivery, Store, Transaction

Destination = tuple[str, str]
"""(chat, channel)"""


@dataclass(frozen=True, slots=True)
class _Alerts:
    """Alerts by key, and where each was queued for."""

    events: dict[str, Event]
    places: dict[str, list[Destination]]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a push: how many snapshots were new, how many old or repeated. `refused`: why none was taken."""

    new: int = 0
    unchanged: int = 0
    refused: str | None = None


class Ingest:
    """Every told event is queued for every destination; `wake` is called after a commit that brought events.
    `session_ends` answers when the sessions in use end, by seat."""

    def __init__(
        self,
        store: Store,
        seats: Mapping[str, Seat],
        destinations: Sequence[Destination],
        settings: RuleSettings,
        wake: Callable[[], None],
        *,
        session_ends: Callable[[], Mapping[str, datetime]] = dict,
    ) -> None:
        self._store = store
        self._seats = seats
        self._destinations = destinations
        self._settings = settings
        self._wake = wake
        self._session_ends = session_ends

    async def take(
        self,
        snapshots: Sequence[Snapshot],
        now: datetime,
        next_due: Mapping[str, datetime] | None = None,
        *,
        reader: str | None = None,
    ) -> list[Event]:
        """Folds snapshots of configured seats in their order; returns the events that were new.

        `next_due`: seat → when it may be read again, stored with what its read brought. With a `reader`, the worker that
        had claimed these seats, they are given back, and of one that was no longer its own nothing is taken. When this
        raises, nothing was written and the same call may be repeated.
        """
        async with self._store.transaction() as transaction:
            if reader is not None and next_due:
                own = await transaction.release_seats(reader, next_due)
                snapshots = [one for one in snapshots if one.seat in own]
                next_due = {name: due for name, due in next_due.items() if name in own}
            fold = await self._load(transaction, snapshots)
            events = await self._fold(transaction, fold, snapshots, now, next_due)
        self._tell(events)
        return events

    async def receive(self, seat: str, snapshots: Sequence[Snapshot], now: datetime) -> Receipt:
        """Folds what a configured seat's machine pushed: all of it, or nothing where a snapshot is of another account.

        Then the refusal is what the source is said to ail from.
        """
        configured = self._seats[seat]
        wanted = [one for one in snapshots if one.org_uuid is not None and configured.wants(one.org_uuid)]
        async with self._store.transaction() as transaction:
            fold = await self._load(transaction, snapshots)
            refused = _refusal(fold.stranger(configured, wanted), any_wanted=bool(wanted))
            if refused is not None:
                wanted = [Snapshot(seat, configured.source, now, Health.REFUSED, detail=refused)]
            events = await self._fold(transaction, fold, wanted, now)
        self._tell(events)
        if refused is not None:
            return Receipt(refused=refused)
        return Receipt(len(fold.news), len(wanted) - len(fold.news))

    async def record(
        self, find: Callable[[Transaction], Awaitable[Sequence[Event]]], now: datetime
    ) -> list[Event]:
        """What is found otherwise than by a reading: `find` asks and writes what is its own, and its events are told.
        When this raises, nothing was written."""
        async with self._store.transaction() as transaction:
            fold = Fold(self._settings, sources={}, memories={})
            fold.events += [event for event in await find(transaction) if event.kind in self._settings.kinds]
            events = await self._write(transaction, fold, now)
        self._tell(events)
        return events

    async def forget_account(self, seat: str) -> bool:
        """Lets a seat be another account from now on, and shows nothing of the one before; its history stays.

        False when nothing was known of it.
        """
        name = memory_of(seat)
        async with self._store.transaction() as transaction:
            stored = (await transaction.memories([name])).get(name)
            memory = rules.load(SourceMemory, stored)
            rows = [(one.seat, one.counter) for one in await transaction.latest_of([seat])]
            if not memory.identities and not rows:
                return False
            new = rules.dump(replace(memory, identities=(), identity_at=None))
            await transaction.write(Batch(memories={name: new}, gone=rows))
        return True

    async def _fold(
        self,
        transaction: Transaction,
        fold: Fold,
        snapshots: Sequence[Snapshot],
        now: datetime,
        next_due: Mapping[str, datetime] | None = None,
    ) -> list[Event]:
        for (name, _), tick in groupby(snapshots, key=lambda one: (one.seat, one.fetched_at)):
            fold.take(self._seats[name], list(tick), now)
        for name in dict.fromkeys(snapshot.seat for snapshot in snapshots):
            fold.watch_source(self._seats[name], now)
        for name, due in (next_due or {}).items():
            fold.sources[name] = replace(fold.source(name), next_due=due)
        if self._settings.budgets:
            await self._watch_team(transaction, fold, now)
        return await self._write(transaction, fold, now)

    async def sweep(self, now: datetime, awake_since: datetime | None = None) -> list[Event]:
        """What becomes true by waiting: a silent source is stale, an ailing one is down after its grace time, the end
        of a session is near.

        A source is not blamed for the time before `awake_since`, when nobody asked it: it has its patience anew.
        """
        async with self._store.transaction() as transaction:
            fold = Fold(
                self._settings,
                sources=await transaction.sources(),
                memories=await transaction.memories(map(memory_of, self._seats)),
            )
            for seat in self._seats.values():
                if awake_since is None or now - awake_since > seat.patience:
                    fold.wait(seat, now)
            for name, ends_at in self._session_ends().items():
                fold.watch_session(self._seats[name], ends_at, now)
            events = await self._write(transaction, fold, now)
        self._tell(events)
        return events

    def _tell(self, events: Sequence[Event]) -> None:
        if events:
            self._wake()

    async def _load(self, transaction: Transaction, snapshots: Sequence[Snapshot]) -> Fold:
        names = {snapshot.seat for snapshot in snapshots}
        latest = await transaction.latest_of(names)
        return Fold(
            self._settings,
            sources=await transaction.sources(),
            memories=await transaction.memories([*map(memory_of, names), TEAM_MEMORY]),
            latest=latest,
            states=await transaction.states(counters_of(snapshots, latest)),
        )

    async def _watch_team(self, transaction: Transaction, fold: Fold, now: datetime) -> None:
        batch = fold.batch(())
        rows = {(one.seat, one.counter) for one in await transaction.all_latest()}
        rows = (rows | {(one.seat, one.counter) for one in batch.latest}) - set(batch.gone)
        readers: dict[Counter, list[str]] = {}
        for name, counter in sorted(rows, key=str):
            seat = self._seats.get(name)
            if seat is not None and counts_in_team(seat, counter):
                readers.setdefault(counter, []).append(name)
        stored = await transaction.states(readers.keys() - fold.states.keys())
        fold.add_states(stored)
        fold.watch_team(readers, now)

    async def _write(self, transaction: Transaction, fold: Fold, now: datetime) -> list[Event]:
        told = [event for event in fold.events if event.muted_by is None]
        endings = await self._endings(transaction, told)
        samples = await self._samples(transaction, told, fold.samples, now)
        deliveries: list[NewDelivery] = []
        for event in told:
            if event.resolves is None:
                message = self._alert(event, samples, now)
                posts = [
                    new_delivery(event, place, DeliveryKind.POST, message) for place in self._destinations
                ]
                endings.places.setdefault(event.key, [(post.chat, post.channel) for post in posts])
                deliveries += posts
            else:
                deliveries += self._ending(event, endings)
        return await transaction.write(fold.batch(deliveries))

    async def _endings(self, transaction: Transaction, told: Iterable[Event]) -> _Alerts:
        """The alerts that are ended here, stored or of this very batch."""
        ended = {event.resolves for event in told if event.resolves is not None}
        stored = await transaction.events(ended)
        return _Alerts({event.key: event for event in told} | stored, await transaction.posts_of(ended))

    def _ending(self, event: Event, endings: _Alerts) -> Iterator[NewDelivery]:
        """The edit of the alert's post and a line in its thread, wherever it was queued for; never a new post."""
        alert = endings.events.get(event.resolves or "")
        if alert is None:
            return
        seat, tz = self._seat_of(event), self._settings.timezone
        edited, line = alerts.resolved(alert, event, seat, tz), alerts.resolution_line(event, seat, tz)
        for place in endings.places.get(alert.key, ()):
            yield new_delivery(event, place, DeliveryKind.EDIT, edited)
            yield new_delivery(event, place, DeliveryKind.REPLY, line)

    async def _samples(
        self, transaction: Transaction, told: Iterable[Event], new: Sequence[Sample], now: datetime
    ) -> list[Sample]:
        """What the pace at which levels were crossed is measured on, this batch's samples included."""
        crossed = {event.counter for event in told if event.kind is EventKind.THRESHOLD_CROSSED}
        counters = {counter for counter in crossed if counter is not None}
        return [*await transaction.samples(counters, now - PACE_WINDOWS[-1]), *new] if counters else []

    def _alert(self, event: Event, samples: Iterable[Sample], now: datetime) -> Message:
        seat, tz = self._seat_of(event), self._settings.timezone
        if event.kind is not EventKind.THRESHOLD_CROSSED:
            return alerts.alert(event, seat, tz)
        used, cap = fact_money(event.facts["used"]), fact_money(event.facts["cap"])
        speed = pace([sample for sample in samples if sample.counter == event.counter], now)
        period = event.facts["period"]
        ends = month_end(period[:7] if isinstance(period, str) else calendar_month(now))
        eta = None if used is None else cap_eta(used, cap, speed, now, ends)
        return alerts.alert(event, seat, tz, None if speed is None else speed.per_hour, eta)

    def _seat_of(self, event: Event) -> Seat | None:
        return None if event.seat is None else self._seats.get(event.seat)


def _refusal(stranger: str | None, *, any_wanted: bool) -> str | None:
    if not any_wanted:
        return "what arrives is of none of the organizations that the seat is configured for"
    return None if stranger is None else f"what arrives is another account's (its {stranger} is a new one)"


def new_delivery(event: Event, place: Destination, kind: DeliveryKind, message: Message) -> NewDelivery:
    """The event's delivery of this kind at this place. The same event, place and kind always have the same id."""
    chat, channel = place
    digest = sha256(f"{event.key}\n{chat}\n{channel}\n{kind}".encode()).digest()
    return NewDelivery(
        id=b32encode(digest).decode().lower()[:20],
        event=event.key,
        chat=chat,
        channel=channel,
        kind=kind,
        message=message,
        about=event.resolves,
    )
