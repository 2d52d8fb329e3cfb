"""Direct messages to a seat's owner that are no alerts: an invitation, and that the first number has arrived.

They wait in the delivery queue like alerts, so each arrives, and arrives once.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from meterbot.core.deliveries import DeliveryKind, Destination, NewDelivery, Priority
from meterbot.core.messages import Message
from meterbot.core.models import Event, EventKind, Seat
from meterbot.delivery.planner import delivery_id
from meterbot.delivery.redaction import Redaction
from meterbot.store import Batch, Connection, batches


def owner_destination(seat: Seat, chats: Sequence[str]) -> Destination | None:
    """The owner's direct messages on the first of these chats where they are known."""
    return next((Destination(chat, f"@{seat.owner[chat]}") for chat in chats if chat in seat.owner), None)


def queue_notice(
    connection: Connection,
    key: str,
    seat: Seat,
    *,
    destination: Destination,
    message: Message,
    redaction: Redaction,
    now: datetime,
) -> bool:
    """Queues a direct message. False, and nothing is queued, if the same `key` was queued before."""
    event = Event(key, EventKind.NOTICE, now, message.severity, message.title, seat.name)
    delivery = NewDelivery(
        id=delivery_id(redaction.salted(key), destination, DeliveryKind.POST),
        event=key,
        chat=destination.chat,
        channel=destination.channel,
        kind=DeliveryKind.POST,
        message=replace(message, owner=seat.owner),  # which also tells where else they are known
        priority=Priority.DIGEST,
    )
    return bool(batches.write(connection, Batch(events=(event,), deliveries=(delivery,))))
