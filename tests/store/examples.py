"""Values with good defaults, for tests of the store."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from meterbot.core.deliveries import Delivery, DeliveryKind, DeliveryState, DestinationTrouble, NewDelivery
from meterbot.core.messages import Message
from meterbot.core.models import (
    Counter,
    Event,
    EventKind,
    ExtraUsage,
    Health,
    LastKnown,
    Sample,
    Severity,
    Snapshot,
)
from meterbot.core.money import Money
from meterbot.store import Batch, Store, batches, delivery_outcomes, tables

NOW = datetime(2026, 4, 30, 10, tzinfo=UTC)
ANA = Counter("account-ana", "org-1")
BO = Counter("account-bo", "org-1")


def later(**by: float) -> datetime:
    return NOW + timedelta(**by)


def dollars(amount: str) -> Money:
    return Money(Decimal(amount) * 100, "USD", 2)


def known(seat: str = "ana", used: str = "17.20", **changes: object) -> LastKnown:
    snapshot = Snapshot(
        seat=seat,
        source="push",
        fetched_at=NOW,
        health=Health.OK,
        account_uuid="account-ana",
        org_uuid="org-1",
        extra_usage=ExtraUsage(enabled=True, used=dollars(used), cap=dollars("50")),
        extra_usage_read=True,
        **changes,  # type: ignore[arg-type]  # a factory passes what it is given
    )
    return LastKnown(snapshot, extra_usage_at=NOW)


def sample(
    minutes: float,
    used: str = "1",
    counter: Counter = ANA,
    *,
    cap: str | None = "50",
    blocked: bool = False,
) -> Sample:
    return Sample(
        at=later(minutes=minutes),
        counter=counter,
        used=dollars(used),
        cap=None if cap is None else dollars(cap),
        blocked=blocked,
    )


def event(key: str = "e1", at: datetime = NOW, seat: str | None = "ana") -> Event:
    return Event(
        key=key,
        kind=EventKind.SPEND_STARTED,
        at=at,
        severity=Severity.WARNING,
        reason="0 → 17.20",
        seat=seat,
        counter=ANA,
        facts={"used": {"minor": "1720", "currency": "USD", "exponent": 2}, "full": None},
    )


def delivery(
    id_: str,
    event_key: str = "e1",
    channel: str = "C1",
    *,
    chat: str = "slack",
    kind: DeliveryKind = DeliveryKind.POST,
    about: str | None = None,
) -> NewDelivery:
    message = Message(title=f"message {id_}", fallback=id_)
    return NewDelivery(id_, event_key, chat, channel, kind, message, about)


async def put_back(
    store: Store, claimed: Delivery, state: DeliveryState, again: datetime, why: str = "trouble"
) -> None:
    refused = state is DeliveryState.REFUSED
    await store.run(
        lambda c: delivery_outcomes.mark_waiting(
            c, claimed, state, again, DestinationTrouble(why, NOW, refused=refused)
        )
    )


async def write(store: Store, batch: Batch) -> list[Event]:
    return await store.run(lambda c: batches.write(c, batch))


async def emptied(store: Store) -> Store:
    """Empties the store, which is faster than making a new one."""
    with store._writer.begin() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(table.delete())
    return store
