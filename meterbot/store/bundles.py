"""Several deliveries that one message says together."""

from base64 import b32encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from sqlalchemy import ColumnElement, Connection, update

from meterbot.core.deliveries import Delivery, DeliveryKind, DeliveryState, Purpose
from meterbot.store import deliveries, tables
from meterbot.store.deliveries import AT_ONCE, Found
from meterbot.store.statements import insert_new

_rows = tables.deliveries.c


def make(connection: Connection, members: Sequence[Found], heading: str, now: datetime) -> Found | None:
    """One delivery for several, which are told in it."""
    names = "\n".join([now.isoformat(), *(row.id for row in members)])
    id_ = b32encode(sha256(names.encode()).digest()).decode().lower()[:20]
    first = members[0]
    new = {
        "id": id_,
        "event": first.event,
        "chat": first.chat,
        "channel": first.channel,
        "kind": DeliveryKind.POST,
        "priority": min(row.priority for row in members),
        "purpose": Purpose.TELL,
        "heading": heading,
        "created_at": min(row.created_at for row in members),
        "state": DeliveryState.QUEUED,
        "claimable_at": AT_ONCE,
        "attempts": 0,
        "unsure": False,
    }
    insert_new(connection, tables.deliveries, [new])
    told = update(tables.deliveries).where(_rows.id.in_([row.id for row in members]))
    connection.execute(
        told.values(state=DeliveryState.SUPERSEDED, bundle_id=id_, claimable_at=None, trouble=None)
    )
    return deliveries.as_found(connection.execute(deliveries.MESSAGES.where(_rows.id == id_)).first())


def dissolve(connection: Connection, delivery: Delivery, mine: tuple[ColumnElement[bool], ...]) -> int:
    """What was not sent together is chosen anew, by what holds then."""
    gone = update(tables.deliveries).where(*mine)
    changed = (
        connection.execute(
            gone.values(
                state=DeliveryState.SUPERSEDED,
                claimable_at=None,
                claimed_by=None,
                trouble="not sent together",
            )
        )
    ).rowcount
    if changed:
        members = update(tables.deliveries).where(_rows.bundle_id == delivery.id)
        connection.execute(members.values(state=DeliveryState.QUEUED, bundle_id=None, claimable_at=AT_ONCE))
    return changed
