"""Claiming the next message: which channel's queue has one, and which message of it is sent next.

The choice is stored in the transaction that claims the queue, so that a process that dies leaves behind what it may
have sent. Every transaction locks a channel's queue before its deliveries, or two workers could wait for each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, case, exists, or_, select, update

from meterbot.core.deliveries import (
    Choose,
    Delivery,
    DeliveryKind,
    DeliveryState,
    DestinationTrouble,
    PostContent,
    Priority,
    Purpose,
    WaitingDelivery,
    first_come,
    short_id,
)
from meterbot.core.messages import Message, Posted
from meterbot.store import failed_deliveries, post_contents, tables, workers
from meterbot.store.column_types import Instant
from meterbot.store.deliveries import AT_ONCE, MAYBE_SENT, MESSAGES, QUEUED, WAITING, post_of
from meterbot.store.statements import insert_new
from meterbot.store.workers import is_gone


@dataclass(frozen=True, slots=True)
class Claim:
    """Which worker claims, when, and for how many seconds."""

    worker: str
    now: datetime
    seconds: float

    @property
    def until(self) -> datetime:
        return self.now + timedelta(seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class Claimed:
    """The delivery, or None if there is nothing to send; `unreadable` are the ids of the messages that failed in its
    place, because this version cannot read them."""

    delivery: Delivery | None = None
    unreadable: tuple[str, ...] = ()


# These statements run for every message: building one takes longer than running it.
_rows, _queues = tables.deliveries.c, tables.channel_queues.c
_LONGEST_PAUSE = timedelta(hours=2)
"""No queue pauses longer. One that seems to was paused by a clock that was ahead."""
_MOST_CONSIDERED = 200
"""The next message is chosen among so many, so that a backlog of thousands costs no more."""

_post = tables.deliveries.alias().c
_POST_WAITS = exists(
    select(_post.id).where(
        _post.event == _rows.about,
        _post.chat == _rows.chat,
        _post.channel == _rows.channel,
        _post.kind == DeliveryKind.POST,
        _post.heading.is_(None),
        _post.claimable_at.is_not(None),
    )
)
"""The post that the row edits or replies to has not been sent yet."""


def _times(now: datetime) -> dict[str, datetime]:
    return {"now": now, "set_back": now + _LONGEST_PAUSE, "unbelievable": workers.unbelievable(now)}


_at = {name: bindparam(name, type_=Instant()) for name in ("now", "set_back", "unbelievable")}
_FREE = or_(
    _queues.free_at <= _at["now"],
    _queues.free_at > _at["set_back"],
    is_gone(_queues.claimed_by, _at["now"], _at["unbelievable"]),
)
"""Queues that may be claimed: nobody sends there, the worker that did is dead, or the clock was set back since."""
_IN_DOUBT = _rows.state.in_(MAYBE_SENT)
_MAY_BE_SENT = and_(_rows.claimable_at <= _at["now"], or_(_rows.about.is_(None), ~_POST_WAITS))
_OF_QUEUE = ("free_at", "claimed_by", "failures", "trouble", "troubled_since", "refused")
_READY_QUEUE: Select[Any] = (
    select(_rows.chat, _rows.channel, *(_queues[name] for name in _OF_QUEUE))
    .join_from(
        tables.deliveries,
        tables.channel_queues,
        and_(_queues.chat == _rows.chat, _queues.channel == _rows.channel),
        isouter=True,
    )
    .where(_rows.chat == bindparam("chat"), WAITING)
    .where(or_(_IN_DOUBT, _MAY_BE_SENT))
    .where(or_(_queues.chat.is_(None), _FREE))
    .order_by(_rows.sequence)
    .limit(1)
)
_CLAIM_QUEUE = update(tables.channel_queues).where(
    _queues.chat == bindparam("its_chat"),
    _queues.channel == bindparam("its_channel"),
    _queues.free_at == bindparam("seen_free_at"),
    _queues.claimed_by.is_not_distinct_from(bindparam("seen_by", type_=_queues.claimed_by.type)),
    _FREE,
)
_FREE_QUEUE = update(tables.channel_queues).where(
    _queues.chat == bindparam("its_chat"), _queues.channel == bindparam("its_channel")
)
_NEXT_MESSAGES = (
    MESSAGES.where(_rows.chat == bindparam("chat"), _rows.channel == bindparam("channel"), WAITING)
    .where(or_(_IN_DOUBT, _MAY_BE_SENT))
    .order_by(case((_IN_DOUBT, -1), else_=_rows.priority), _rows.sequence)
    .limit(_MOST_CONSIDERED)
)
"""First what may have been sent already, then by priority. What belongs to a waiting post comes after that post."""
_NEXT_AS_STORED = _NEXT_MESSAGES.with_only_columns(*failed_deliveries.AS_STORED)
_CLAIM_MESSAGE = update(tables.deliveries).where(_rows.sequence == bindparam("its_sequence"))


def claim(connection: Connection, chat: str, claim: Claim, choose: Choose = first_come) -> Claimed:
    """Claims the next message of one of the chat's channels, and the channel's queue, so that nobody else sends there.

    A message that may have been sent before comes back first, with `in_doubt`; otherwise `choose` decides. Messages
    that this version cannot read fail, at most as many as are considered at once: then claim again. Run it as a durable
    transaction: a power cut must not forget the attempt, or the message would be posted twice.
    """
    while (queue := ready_queue(connection, chat, claim.now)) is not None:
        if not claim_queue(connection, queue, claim):
            continue
        claimed = _claim_next(connection, queue, claim, choose)
        if claimed.delivery is None:
            free = {"free_at": queue.free_at or AT_ONCE, "claimed_by": None}
            connection.execute(_FREE_QUEUE, {"its_chat": queue.chat, "its_channel": queue.channel, **free})
        return claimed
    return Claimed()


def ready_queue(connection: Connection, chat: str, now: datetime) -> Row[Any] | None:
    """Of the chat's free queues, the one whose next message waits longest."""
    return connection.execute(_READY_QUEUE, {"chat": chat, **_times(now)}).first()


def claim_queue(connection: Connection, seen: Row[Any], claim: Claim) -> bool:
    """Claims the queue unless another worker has changed it since it was `seen`."""
    if seen.free_at is None:
        new = {
            "chat": seen.chat,
            "channel": seen.channel,
            "free_at": AT_ONCE,
            "failures": 0,
            "refused": False,
        }
        insert_new(connection, tables.channel_queues, [new])
    was = {
        "its_chat": seen.chat,
        "its_channel": seen.channel,
        "seen_free_at": seen.free_at or AT_ONCE,
        "seen_by": seen.claimed_by,
    }
    becomes = {"free_at": claim.until, "claimed_by": claim.worker}
    return connection.execute(_CLAIM_QUEUE, {**was, **_times(claim.now), **becomes}).rowcount == 1


def _claim_next(connection: Connection, queue: Row[Any], claim: Claim, choose: Choose) -> Claimed:
    """Claims a message of the queue, or sets aside what cannot be read. After a group was dissolved, it looks again."""
    here = {"chat": queue.chat, "channel": queue.channel, "now": claim.now}
    claimed = Claimed()
    while claimed == Claimed():
        try:
            waiting = connection.execute(_NEXT_MESSAGES, here).all()
        except ValueError:
            bad = failed_deliveries.unreadable(connection.execute(_NEXT_AS_STORED, here))
            if not bad:
                raise
            claimed = Claimed(unreadable=failed_deliveries.set_aside(connection, bad))
            continue
        if not waiting:
            break
        in_doubt = waiting[0].state in MAYBE_SENT
        row = waiting[0] if in_doubt else _chosen(connection, waiting, queue, claim.now, choose)
        claimed = _claim_message(connection, row, queue, claim)
    return claimed


def _chosen(
    connection: Connection, waiting: Sequence[Row[Any]], queue: Row[Any], now: datetime, choose: Choose
) -> Row[Any]:
    choice = choose([_as_waiting(row) for row in waiting], _trouble(queue), now)
    members = [row for row in waiting if row.id in choice.ids]
    return members[0] if choice.heading is None else _bundle(connection, members, choice.heading, now)


def _bundle(connection: Connection, members: Sequence[Row[Any]], heading: str, now: datetime) -> Row[Any]:
    """One post in place of several deliveries."""
    id_ = short_id(now.isoformat(), *(row.id for row in members))
    first = members[0]
    new = {
        "id": id_,
        "event": first.event,
        "chat": first.chat,
        "channel": first.channel,
        "kind": DeliveryKind.POST,
        "priority": min(row.priority for row in members),
        "purpose": Purpose.ALERT,
        "heading": heading,
        "created_at": min(row.created_at for row in members),
        **QUEUED,
        "attempts": 0,
        "possible_duplicate": False,
    }
    insert_new(connection, tables.deliveries, [new])
    bundled = update(tables.deliveries).where(_rows.id.in_([row.id for row in members]))
    connection.execute(
        bundled.values(state=DeliveryState.SUPERSEDED, bundle_id=id_, claimable_at=None, trouble=None)
    )
    return connection.execute(MESSAGES.where(_rows.id == id_)).one()


def _trouble(queue: Row[Any]) -> DestinationTrouble | None:
    if queue.trouble is None or queue.troubled_since is None:
        return None
    return DestinationTrouble(queue.trouble, queue.troubled_since, refused=queue.refused)


def _as_waiting(row: Row[Any]) -> WaitingDelivery:
    return WaitingDelivery(
        id=row.id,
        kind=DeliveryKind(row.kind),
        priority=Priority(row.priority),
        event=row.happened,
        ended=row.ended_by is not None,
        created_at=row.created_at,
        groupable=row.message is None
        and not row.own_failures,  # a message that failed by itself is sent alone
        purpose=Purpose(row.purpose),
        held=row.held,
    )


def _claim_message(connection: Connection, row: Row[Any], queue: Row[Any], claim: Claim) -> Claimed:
    """Claims the message, or sets aside what makes its post's content unreadable."""
    in_doubt = row.state in MAYBE_SENT
    root = row if row.kind == DeliveryKind.POST else post_of(connection, row)
    try:
        content = post_contents.read(connection, row if root is None else root)
    except ValueError:
        return Claimed(unreadable=failed_deliveries.set_aside_for_post(connection, row))
    if row.kind == DeliveryKind.POST and row.own_failures and content.heading is None:
        # Another event of the post may be what is refused: it becomes a reply.
        content = replace(content, events=(row.happened,))
    # Noted by a clock that was ahead? The lost message can only be newer than the present attempt.
    first_tried_at = min(row.first_tried_at or claim.now, claim.now)
    values = {
        "its_sequence": row.sequence,
        "state": DeliveryState.CLAIMED,
        "claimable_at": claim.until,
        "claimed_by": claim.worker,
        "attempts": row.attempts + 1,
        "first_tried_at": first_tried_at,
    }
    if row.kind == DeliveryKind.POST and not in_doubt:
        # An attempt in doubt may have arrived: keep what it said, not what the next one would say.
        values["posted_events"] = events_in(content, row.message, row.event)
    connection.execute(_CLAIM_MESSAGE, values)
    delivered = root is not None and root.state == DeliveryState.DELIVERED
    delivery = Delivery(
        id=row.id,
        event=row.happened,
        chat=row.chat,
        channel=row.channel,
        claimed_by=claim.worker,
        kind=DeliveryKind(row.kind),
        message=row.message,
        attempts=row.attempts + 1,
        created_at=row.created_at,
        in_doubt=in_doubt,
        root=Posted(root.posted_channel, root.posted_message) if root is not None and delivered else None,
        content=content,
        first_tried_at=first_tried_at,
        failures=queue.failures or 0,
        trouble=_trouble(queue),
        purpose=Purpose(row.purpose),
        posted_events=() if root is None else root.posted_events or (),
        shown_hash=None if root is None else root.content_hash,
        own_failures=row.own_failures or 0,
        note=row.note,
    )
    return Claimed(delivery)


def events_in(content: PostContent, message: Message | None, event: str) -> tuple[str, ...]:
    """The keys of the events that a post names: those of its content, unless its message was written in advance."""
    return content.named_keys if message is None else (event,)
