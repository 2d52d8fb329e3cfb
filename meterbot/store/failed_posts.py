"""What belongs to a post that is not sent: its thread, and the messages that it was to say together."""

from sqlalchemy import Connection, Text, and_, select, type_coerce, update

from meterbot.core.deliveries import MAY_REPEAT, DeliveryKind, DeliveryState, Purpose
from meterbot.core.models import Event
from meterbot.store import tables
from meterbot.store.column_types import is_readable, value_of
from meterbot.store.deliveries import AT_ONCE, MAYBE_SENT, WAITING

_rows, _events = tables.deliveries.c, tables.events.c


def hand_over_thread(connection: Connection, event: str, chat: str, channel: str) -> None:
    """Makes a post of the first alert that was to be a reply to the event's post; the rest belongs to that post."""
    thread = and_(_rows.about == event, _rows.chat == chat, _rows.channel == channel, WAITING)
    replies = (
        select(_rows.sequence, _rows.event, type_coerce(_events.event, Text).label("happened"))
        .join_from(tables.deliveries, tables.events, _events.key == _rows.event)
        .where(thread, _rows.kind == DeliveryKind.REPLY, _rows.purpose == Purpose.ALERT)
        .where(_rows.message.is_(None))
        .order_by(_rows.sequence)
    )
    for row in connection.execute(replies):
        if is_readable(Event, row.happened) and not value_of(Event, row.happened).only_ends:
            # Nobody would look for one in its old thread.
            doubtful = update(tables.deliveries).where(thread, _rows.state.in_(MAYBE_SENT))
            again = {"state": DeliveryState.QUEUED, "claimable_at": AT_ONCE, "claimed_by": None}
            connection.execute(doubtful.values(**again, note=MAY_REPEAT))
            first = update(tables.deliveries).where(_rows.sequence == row.sequence)
            connection.execute(first.values(kind=DeliveryKind.POST, about=None))
            connection.execute(update(tables.deliveries).where(thread).values(about=row.event))
            return


def queue_members(connection: Connection, bundle: str, **changes: object) -> None:
    """Queues the messages again that one post was to say together."""
    again = {"state": DeliveryState.QUEUED, "bundle_id": None, "claimable_at": AT_ONCE, **changes}
    connection.execute(update(tables.deliveries).where(_rows.bundle_id == bundle).values(again))
