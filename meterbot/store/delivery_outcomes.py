"""Records the result of a claimed message, and frees its channel's queue."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, literal, or_, select, update

from meterbot.core.deliveries import Delivery, DeliveryKind, DeliveryState, Destination, DestinationTrouble
from meterbot.core.messages import Posted
from meterbot.store import tables
from meterbot.store.column_types import Instant
from meterbot.store.deliveries import MAYBE_SENT, QUEUED, WAITING, postings, superseded
from meterbot.store.delivery_claims import events_in
from meterbot.store.failed_deliveries import hand_over_thread, queue_members

# These statements run for every message: building one takes longer than running it.
_rows, _queues = tables.deliveries.c, tables.channel_queues.c
_OWN_QUEUE = and_(
    _queues.chat == bindparam("its_chat"),
    _queues.channel == bindparam("its_channel"),
    _queues.claimed_by == bindparam("its_claimer"),
)
"""The delivery's queue, as long as its worker has claimed it."""
_UPDATE_QUEUE = update(tables.channel_queues).where(_OWN_QUEUE)
_UPDATE_UNDELIVERED = update(tables.deliveries).where(
    _rows.id == bindparam("its_id"), _rows.state != DeliveryState.DELIVERED
)
_UPDATE = update(tables.deliveries).where(_rows.id == bindparam("its_id"))


def mark_delivered(
    connection: Connection,
    delivery: Delivery,
    where: Posted,
    now: datetime,
    pause: float = 0.0,
    *,
    sent: bool = True,
    possible_duplicate: bool = False,
    held: str | None = None,
) -> None:
    """Records that a message is in its channel. The queue pauses for `pause` seconds.

    `sent`: this attempt put it there, so that its content is known; otherwise it was found there. `held`: why the
    rest of the queue had to wait until now.
    """
    healthy = {"failures": 0, "trouble": None, "troubled_since": None, "refused": False}
    own = _free_queue(connection, delivery, now + timedelta(seconds=pause), **healthy)
    values: dict[str, Any] = {
        "its_id": delivery.id,
        "state": DeliveryState.DELIVERED,
        "claimable_at": None,
        "claimed_by": None,
        "trouble": None,
        "delivered_at": now,
        "posted_channel": where.channel,
        "posted_message": where.message,
        "possible_duplicate": possible_duplicate,
    }
    content_hash = delivery.content.content_hash
    if sent and delivery.kind is DeliveryKind.POST:
        named = events_in(delivery.content, delivery.message, delivery.event.key)
        values |= {"posted_events": named, "content_hash": content_hash}
    # Even when the claim has run out: the message is there, whatever another worker has recorded since.
    connection.execute(_UPDATE_UNDELIVERED, values)
    if sent and delivery.kind is DeliveryKind.EDIT:
        connection.execute(_UPDATE, {"its_id": delivery.content.ref, "content_hash": content_hash})
    if held is not None and own:
        rest = update(tables.deliveries).where(_rows.chat == delivery.chat, _rows.channel == delivery.channel)
        waited = (_rows.claimable_at <= now, _rows.created_at < now, _rows.held.is_(None))
        connection.execute(rest.where(*waited).values(held=held))


def mark_superseded(connection: Connection, delivery: Delivery, reason: str, now: datetime) -> None:
    """Records that the message is not sent, because of `reason`."""
    _free_queue(connection, delivery, now)
    _end_attempt(connection, delivery, **superseded(reason))


def mark_waiting(
    connection: Connection,
    delivery: Delivery,
    state: DeliveryState,
    again: datetime,
    trouble: DestinationTrouble,
    *,
    own_failure: bool = False,
) -> None:
    """Puts a message back whose destination takes none; its queue pauses until `again`. Does nothing when another
    worker has claimed the message since. `own_failure` counts the attempt against the message, too."""
    connection.execute(select(_queues.free_at).where(_OWN_QUEUE).with_for_update(), _own_queue(delivery))
    if _is_bundle(delivery) and state not in MAYBE_SENT:
        changed = _unbundle(connection, delivery)
    else:
        back = {**QUEUED, "state": state, "trouble": trouble.reason}
        failures = delivery.own_failures + own_failure
        changed = _end_attempt(connection, delivery, **back, own_failures=failures)
    if changed:
        since = func.coalesce(_queues.troubled_since, literal(trouble.since, Instant()))
        worse = _UPDATE_QUEUE.values(
            free_at=again,
            claimed_by=None,
            failures=_queues.failures + 1,
            trouble=trouble.reason,
            troubled_since=since,
            refused=trouble.refused,
        )
        connection.execute(worse, _own_queue(delivery))


def mark_own_failure(
    connection: Connection, delivery: Delivery, reason: str, now: datetime, again: datetime | None
) -> bool:
    """Records that the message itself is at fault: it is tried `again`, or fails for good (None), unless it is an edit
    and a reply says the same. Returns whether it failed. The queue goes on. After the failure of a post that groups
    several messages, each of them is sent alone."""
    _free_queue(connection, delivery, now)
    if _is_bundle(delivery):
        _unbundle(connection, delivery, own_failures=1)
        return False
    if again is not None:
        state = DeliveryState.IN_DOUBT if delivery.in_doubt else DeliveryState.QUEUED
    elif delivery.kind is DeliveryKind.EDIT and _has_reply(connection, delivery):
        state = DeliveryState.SUPERSEDED
    else:
        state = DeliveryState.FAILED
    values = {"state": state, "claimable_at": again, "claimed_by": None, "trouble": reason}
    changed = _end_attempt(connection, delivery, **values, own_failures=delivery.own_failures + 1)
    failed = changed and state is DeliveryState.FAILED
    if failed and delivery.kind is DeliveryKind.POST:
        hand_over_thread(connection, delivery.event.key, delivery.chat, delivery.channel)
    return failed


def _has_reply(connection: Connection, edit: Delivery) -> bool:
    """Whether a reply says what this edit would have shown."""
    reply = select(_rows.sequence).where(
        _rows.event == edit.event.key,
        _rows.chat == edit.chat,
        _rows.channel == edit.channel,
        _rows.kind == DeliveryKind.REPLY,
        _rows.purpose == edit.purpose,
        _rows.state != DeliveryState.FAILED,
    )
    return connection.execute(reply.limit(1)).first() is not None


def move(connection: Connection, delivery: Delivery, channel: str, note: str, now: datetime) -> None:
    """Moves a post, with its edits and replies, to another channel, or makes a post there of a reply; supersedes them
    where the event is posted there already. A post that groups several messages does not move: each of them is sent
    alone, and moves by itself."""
    _free_queue(connection, delivery, now)
    if _is_bundle(delivery):
        _unbundle(connection, delivery, own_failures=1)
        return
    if not _end_attempt(connection, delivery, **QUEUED, kind=DeliveryKind.POST, about=None, note=note):
        return
    event = delivery.event.key
    moved = and_(
        _rows.chat == delivery.chat,
        _rows.channel == delivery.channel,
        or_(_rows.event == event, _rows.about == event),
        _rows.message.is_(None),  # one that was written in advance is for its person alone
        WAITING,
    )
    there = Destination(delivery.chat, channel)
    is_there = any(each.destination == there for each in postings(connection, [event]))
    values: dict[str, object] = superseded(note) if is_there else {"channel": channel}
    connection.execute(update(tables.deliveries).where(moved).values(values))


def move_to_chat(
    connection: Connection, delivery: Delivery, to: Destination, note: str | None, now: datetime
) -> None:
    """Moves a direct message to another chat, where it is shown with the `note`."""
    _free_queue(connection, delivery, now)
    _end_attempt(connection, delivery, **QUEUED, chat=to.chat, channel=to.channel, note=note)


def repost(connection: Connection, delivery: Delivery, now: datetime) -> None:
    """Makes a post of a reply whose thread is gone."""
    _free_queue(connection, delivery, now)
    _end_attempt(connection, delivery, **QUEUED, kind=DeliveryKind.POST, about=None)


def _end_attempt(connection: Connection, delivery: Delivery, **values: object) -> bool:
    """Changes the delivery's row. False when another attempt has begun since: it may have been delivered."""
    mine = (_rows.id == delivery.id, _rows.attempts == delivery.attempts, WAITING)
    return connection.execute(update(tables.deliveries).where(*mine).values(values)).rowcount == 1


def _free_queue(connection: Connection, delivery: Delivery, at: datetime, **changes: object) -> bool:
    """Lets anybody claim the queue from `at` on. False when the delivery's worker no longer holds it."""
    values = {**_own_queue(delivery), "free_at": at, "claimed_by": None, **changes}
    return connection.execute(_UPDATE_QUEUE, values).rowcount == 1


def _own_queue(delivery: Delivery) -> dict[str, str]:
    return {"its_chat": delivery.chat, "its_channel": delivery.channel, "its_claimer": delivery.claimed_by}


def _is_bundle(delivery: Delivery) -> bool:
    return delivery.content.heading is not None and delivery.kind is DeliveryKind.POST


def _unbundle(connection: Connection, bundle: Delivery, **changes: object) -> bool:
    """Queues the members of a post that was not sent, so that the next choice is made by what holds then. False when
    another attempt has begun since."""
    changed = _end_attempt(connection, bundle, **superseded("not sent together"))
    if changed:
        queue_members(connection, bundle.id, **changes)
    return changed
