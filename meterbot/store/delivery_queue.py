"""The queue of messages to send: claim the next one, then record what became of it.

A worker that claims a channel's queue may send its next message. Which one that is, is decided and stored in the same
transaction: a process that dies leaves behind what it may have sent. Every function locks the channel's queue before its
messages, or two workers could wait for each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from meterbot.core.deliveries import (
    Choose,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Destination,
    DestinationTrouble,
    FailedDelivery,
    PostContent,
    Priority,
    Purpose,
    Waiting,
    first_come,
)
from meterbot.core.messages import Message, Posted
from meterbot.store import bundles, cards, tables, workers
from meterbot.store.column_types import Instant
from meterbot.store.deliveries import AT_ONCE, MESSAGES, WAITING, Found, as_found, post_of
from meterbot.store.statements import insert_new
from meterbot.store.workers import At, is_gone


@dataclass(frozen=True, slots=True)
class Claim:
    """Who claims when, and for how long."""

    worker: str
    now: datetime
    seconds: float

    @property
    def until(self) -> datetime:
        return self.now + timedelta(seconds=self.seconds)


# Statements that every message needs are made once: to build one takes longer than to run it.
_rows, _queues, _events = tables.deliveries.c, tables.channel_queues.c, tables.events.c
MAYBE_SENT = (DeliveryState.CLAIMED, DeliveryState.IN_DOUBT)
_LONGEST_REST = timedelta(hours=2)
"""No line rests longer: one that would rests by a clock that was ahead."""
_MOST_CONSIDERED = 200
"""So many of a line are looked at for the next message: a backlog of thousands is worked off piece by piece."""


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
"""The row belongs to a post that has not been told yet."""


def _free(now: At, set_back: At, unbelievable: At) -> ColumnElement[bool]:
    """Lines that may be claimed: nobody sends there, who does is dead, or the clock was set back since."""
    return or_(
        _queues.free_at <= now, _queues.free_at > set_back, is_gone(_queues.claimed_by, now, unbelievable)
    )


def _times(now: datetime) -> dict[str, datetime]:
    return {"now": now, "set_back": now + _LONGEST_REST, "unbelievable": workers.unbelievable(now)}


_at = {name: bindparam(name, type_=Instant()) for name in ("now", "set_back", "unbelievable")}
_IN_DOUBT = _rows.state.in_(MAYBE_SENT)
_MAY_LEAVE = and_(_rows.claimable_at <= _at["now"], or_(_rows.about.is_(None), ~_POST_WAITS))
_FIRST_FREE = (
    select(
        _rows.chat,
        _rows.channel,
        _queues.free_at,
        _queues.claimed_by,
        _queues.failures,
        _queues.trouble,
        _queues.troubled_since,
        _queues.refused,
    )
    .join_from(
        tables.deliveries,
        tables.channel_queues,
        and_(_queues.chat == _rows.chat, _queues.channel == _rows.channel),
        isouter=True,
    )
    .where(_rows.chat == bindparam("chat"), WAITING)
    .where(or_(_IN_DOUBT, _MAY_LEAVE))
    .where(or_(_queues.chat.is_(None), _free(**_at)))
    .order_by(_rows.sequence)
    .limit(1)
)
_TAKE = update(tables.channel_queues).where(
    _queues.chat == bindparam("its_chat"),
    _queues.channel == bindparam("its_channel"),
    _queues.free_at == bindparam("seen_free_at"),
    _queues.claimed_by.is_not_distinct_from(bindparam("seen_by", type_=_queues.claimed_by.type)),
    _free(**_at),
)
_OF_LINE = and_(_rows.chat == bindparam("chat"), _rows.channel == bindparam("channel"))
_WAITING = (
    MESSAGES.where(_OF_LINE, WAITING)
    .where(or_(_IN_DOUBT, _MAY_LEAVE))
    .order_by(case((_IN_DOUBT, -1), else_=_rows.priority), _rows.sequence)
    .limit(_MOST_CONSIDERED)
)
"""What may have left first, then what may leave, in the order of lanes; what belongs to a post that waits itself comes
after it."""
_CLAIM = update(tables.deliveries).where(_rows.sequence == bindparam("its_sequence"))


def claim(connection: Connection, chat: str, claim: Claim, choose: Choose = first_come) -> Delivery | None:
    """The next message of one of the chat's channels, or None. Its channel's queue is claimed, so that nobody else sends
    there. A message that may have been sent before comes back first, with `settle`; else `choose` says which.

    Run it as a durable transaction: a power cut must not forget the attempt, or the message would be posted twice.
    """
    while (line := first_free(connection, chat, claim.now)) is not None:
        if take(connection, line, claim):
            return next_of(connection, line, claim, choose)
    return None


def first_free(connection: Connection, chat: str, now: datetime) -> Found | None:
    """The line of this chat whose next message waits longest and may leave now."""
    return as_found((connection.execute(_FIRST_FREE, {"chat": chat, **_times(now)})).first())


def take(connection: Connection, seen: Found, claim: Claim) -> bool:
    """Claims the line if nobody touched it since it was seen."""
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
    taken = connection.execute(_TAKE, {**was, **_times(claim.now), **becomes})
    return taken.rowcount == 1


def next_of(connection: Connection, line: Found, claim: Claim, choose: Choose) -> Delivery | None:
    """The line's next message, claimed; None when nothing of it can leave now. The line must have been taken."""
    here = {"chat": line.chat, "channel": line.channel, "now": claim.now}
    waiting = (connection.execute(_WAITING, here)).all()
    if not waiting:
        return None
    row = as_found(waiting[0])
    if waiting[0].state not in MAYBE_SENT:
        row = _chosen(connection, waiting, line, claim.now, choose)
    return None if row is None else _claimed(connection, row, line, claim)


def _chosen(
    connection: Connection, waiting: Sequence[Found], line: Found, now: datetime, choose: Choose
) -> Found | None:
    choice = choose([_as_waiting(row) for row in waiting], _trouble(line), now)
    members = [row for row in waiting if row.id in choice.ids]
    if choice.heading is None:
        return members[0]
    return bundles.make(connection, members, choice.heading, now)


def _trouble(line: Found) -> DestinationTrouble | None:
    if line.trouble is None or line.troubled_since is None:
        return None
    return DestinationTrouble(line.trouble, line.troubled_since, refused=line.refused)


def _as_waiting(row: Found) -> Waiting:
    return Waiting(
        id=row.id,
        kind=DeliveryKind(row.kind),
        lane=Priority(row.priority),
        event=row.happened,
        ended=row.ended_by is not None,
        created_at=row.created_at,
        rendered=row.message is None and not row.own_failures,  # a bad item is sent alone
        purpose=Purpose(row.purpose),
        held=row.held,
    )


def _claimed(connection: Connection, row: Found, line: Found, claim: Claim) -> Delivery:
    settle = row.state in MAYBE_SENT
    root = row if row.kind == DeliveryKind.POST else post_of(connection, row)
    card = cards.read(connection, root if root is not None else row)
    # One noted by a clock that was ahead is noted anew: what is looked for was posted after it.
    first_tried_at = min(row.first_tried_at or claim.now, claim.now)
    values = {
        "its_sequence": row.sequence,
        "state": DeliveryState.CLAIMED,
        "claimable_at": claim.until,
        "claimed_by": claim.worker,
        "attempts": row.attempts + 1,
        "first_tried_at": first_tried_at,
    }
    if row.kind == DeliveryKind.POST and not settle:
        # What an attempt that may have arrived said must not be forgotten for what a later one would say.
        values["posted_events"] = told_by(card, row.message, row.event)
    connection.execute(_CLAIM, values)
    stands = root is not None and root.state == DeliveryState.DELIVERED
    return Delivery(
        id=row.id,
        event=row.happened,
        chat=row.chat,
        channel=row.channel,
        claimed_by=claim.worker,
        kind=DeliveryKind(row.kind),
        message=row.message,
        attempts=row.attempts + 1,
        created_at=row.created_at,
        settle=settle,
        root=Posted(root.posted_channel, root.posted_message) if root is not None and stands else None,
        card=card,
        first_tried_at=first_tried_at,
        failures=line.failures or 0,
        trouble=_trouble(line),
        purpose=Purpose(row.purpose),
        told=() if root is None else root.posted_events or (),
        shown=None if root is None else root.content_hash,
        own_failures=row.own_failures or 0,
        note=row.note,
    )


def told_by(card: PostContent, message: Message | None, event: str) -> tuple[str, ...]:
    """What a post says happened: what is on its card, unless its words were given to it."""
    return card.told if message is None else (event,)


_MINE = and_(
    _queues.chat == bindparam("its_chat"),
    _queues.channel == bindparam("its_channel"),
    _queues.claimed_by == bindparam("its_claimer"),
)
"""The delivery's line, as long as it is its claimer's."""
_LINE = update(tables.channel_queues).where(_MINE)
_STANDS = update(tables.deliveries).where(
    _rows.id == bindparam("its_id"), _rows.state != DeliveryState.DELIVERED
)
_SHOWS = update(tables.deliveries).where(_rows.id == bindparam("its_id"))


def mark_delivered(
    connection: Connection,
    delivery: Delivery,
    where: Posted,
    now: datetime,
    pause: float = 0.0,
    *,
    sent: bool = True,
    unsure: bool = False,
    held: str | None = None,
) -> None:
    """`sent`: this attempt put it there, so that what it says is known; else it was found standing. `held`: what has
    held back the rest of the line until now."""
    mine = _well(connection, delivery, now, pause)
    values: dict[str, Any] = {
        "its_id": delivery.id,
        "state": DeliveryState.DELIVERED,
        "claimable_at": None,
        "claimed_by": None,
        "trouble": None,
        "delivered_at": now,
        "posted_channel": where.channel,
        "posted_message": where.message,
        "unsure": unsure,
    }
    if sent and delivery.kind is DeliveryKind.POST:
        told = told_by(delivery.card, delivery.message, delivery.event.key)
        values |= {"posted_events": told, "content_hash": delivery.card.mark}
    # Also when the claim ran out meanwhile: the message is there, whatever another worker recorded since.
    connection.execute(_STANDS, values)
    if sent and delivery.kind is DeliveryKind.EDIT:
        connection.execute(_SHOWS, {"its_id": delivery.card.ref, "content_hash": delivery.card.mark})
    if held is not None and mine:
        rest = update(tables.deliveries).where(_rows.chat == delivery.chat, _rows.channel == delivery.channel)
        waited = (_rows.claimable_at <= now, _rows.created_at < now, _rows.held.is_(None))
        connection.execute(rest.where(*waited).values(held=held))


def _well(connection: Connection, delivery: Delivery, now: datetime, pause: float) -> bool:
    well = {"failures": 0, "trouble": None, "troubled_since": None, "refused": False, "claimed_by": None}
    rested = {"free_at": now + timedelta(seconds=pause), **well}
    return (connection.execute(_LINE, {**_mine(delivery), **rested})).rowcount == 1


def _mine(delivery: Delivery) -> dict[str, str]:
    return {
        "its_chat": delivery.chat,
        "its_channel": delivery.channel,
        "its_claimer": delivery.claimed_by,
    }


def mark_superseded(connection: Connection, delivery: Delivery, reason: str, now: datetime) -> None:
    _free_line(connection, delivery, now)
    statement = update(tables.deliveries).where(
        _rows.id == delivery.id, _rows.attempts == delivery.attempts, WAITING
    )
    connection.execute(
        statement.values(state=DeliveryState.SUPERSEDED, claimable_at=None, claimed_by=None, trouble=reason)
    )


def mark_own_failure(
    connection: Connection, delivery: Delivery, reason: str, now: datetime, again: datetime | None
) -> None:
    """Records that the message itself is at fault: it is tried `again`, or set aside as failed (None). What waits behind
    it goes on. Of several in one message each is then tried alone."""
    _free_line(connection, delivery, now)
    mine = (_rows.id == delivery.id, _rows.attempts == delivery.attempts, WAITING)
    if delivery.card.heading is not None and delivery.kind is DeliveryKind.POST:
        members = update(tables.deliveries).where(_rows.bundle_id == delivery.id)
        connection.execute(members.values(own_failures=1))
        bundles.dissolve(connection, delivery, mine)
        return
    values: dict[str, Any] = {
        "own_failures": delivery.own_failures + 1,
        "claimed_by": None,
        "trouble": reason,
    }
    if again is None:
        values |= {"state": DeliveryState.FAILED, "claimable_at": None}
    else:
        values |= {
            "state": DeliveryState.IN_DOUBT if delivery.settle else DeliveryState.QUEUED,
            "claimable_at": again,
        }
    connection.execute(update(tables.deliveries).where(*mine).values(values))


def count_own_failure(connection: Connection, delivery: Delivery) -> None:
    """One more attempt that failed by a bug of ours."""
    counted = update(tables.deliveries).where(_rows.id == delivery.id)
    connection.execute(counted.values(own_failures=delivery.own_failures + 1))


def move(connection: Connection, delivery: Delivery, channel: str, note: str, now: datetime) -> None:
    """Sends a post, and all that follows it, to another channel. Where the event is posted there anyway, it is enough."""
    _free_line(connection, delivery, now)
    key = delivery.card.events[0].key if delivery.card.events else delivery.event.key
    theirs = and_(
        _rows.chat == delivery.chat,
        _rows.channel == delivery.channel,
        or_(_rows.id == delivery.id, _rows.event == key, _rows.about == key, _rows.bundle_id == delivery.id),
    )
    there = select(_rows.id).where(
        _rows.chat == delivery.chat, _rows.channel == channel, _rows.event == delivery.event.key
    )
    if connection.execute(there.limit(1)).first() is not None:
        superseded = {
            "state": DeliveryState.SUPERSEDED,
            "claimable_at": None,
            "claimed_by": None,
            "trouble": note,
        }
        connection.execute(update(tables.deliveries).where(theirs, WAITING).values(superseded))
        return
    connection.execute(update(tables.deliveries).where(theirs).values(channel=channel))
    back = {"state": DeliveryState.QUEUED, "claimable_at": AT_ONCE, "claimed_by": None, "note": note}
    connection.execute(update(tables.deliveries).where(_rows.id == delivery.id).values(back))


def failed(connection: Connection) -> list[FailedDelivery]:
    """The messages that were given up, the oldest first."""
    query = select(tables.deliveries).where(_rows.state == DeliveryState.FAILED).order_by(_rows.sequence)
    return [
        FailedDelivery(
            row.id, row.chat, row.channel, row.event, row.trouble or "", row.attempts, row.created_at
        )
        for row in connection.execute(query)
    ]


def retry_failed(connection: Connection, delivery: str | None = None) -> int:
    """Queues a failed message again, or all of them; returns how many."""
    which = _rows.state == DeliveryState.FAILED
    if delivery is not None:
        which = and_(which, _rows.id == delivery)
    again = {"state": DeliveryState.QUEUED, "claimable_at": AT_ONCE, "own_failures": 0}
    return connection.execute(update(tables.deliveries).where(which).values(again)).rowcount


def withdraw(connection: Connection, event: str, place: Destination, reason: str) -> bool:
    """Takes back the post of an event that nobody has tried to send. False when there is none, or somebody has."""
    statement = update(tables.deliveries).where(
        _rows.event == event,
        _rows.chat == place.chat,
        _rows.channel == place.channel,
        _rows.kind == DeliveryKind.POST,
        _rows.state == DeliveryState.QUEUED,
        _rows.attempts == 0,
    )
    taken = connection.execute(
        statement.values(state=DeliveryState.SUPERSEDED, claimable_at=None, trouble=reason)
    )
    return taken.rowcount == 1


def _free_line(connection: Connection, delivery: Delivery, now: datetime) -> None:
    """Gives a claimed line back as it was: nothing was sent."""
    connection.execute(_LINE, {**_mine(delivery), "free_at": now, "claimed_by": None})


def repost(connection: Connection, delivery: Delivery, now: datetime) -> None:
    """What was to stand in a thread that is gone becomes a post of its own."""
    _free_line(connection, delivery, now)
    statement = update(tables.deliveries).where(_rows.id == delivery.id)
    values = {
        "kind": DeliveryKind.POST,
        "about": None,
        "state": DeliveryState.QUEUED,
        "claimable_at": AT_ONCE,
        "claimed_by": None,
    }
    connection.execute(statement.values(values))


def mark_waiting(
    connection: Connection,
    delivery: Delivery,
    state: DeliveryState,
    again: datetime,
    trouble: DestinationTrouble,
) -> None:
    """Puts a claimed delivery back and lets its line rest; nothing when another has claimed it since."""
    connection.execute(select(_queues.free_at).where(_MINE).with_for_update(), _mine(delivery))
    mine = (_rows.id == delivery.id, _rows.attempts == delivery.attempts, WAITING)
    if delivery.card.heading is not None and delivery.kind is DeliveryKind.POST and state not in MAYBE_SENT:
        changed = bundles.dissolve(connection, delivery, mine)
    else:
        back = update(tables.deliveries).where(*mine)
        changed = (
            connection.execute(
                back.values(state=state, claimable_at=AT_ONCE, claimed_by=None, trouble=trouble.reason)
            )
        ).rowcount
    if not changed:
        return
    worse = _LINE.values(
        free_at=again,
        claimed_by=None,
        failures=_queues.failures + 1,
        trouble=trouble.reason,
        troubled_since=func.coalesce(_queues.troubled_since, literal(trouble.since, Instant())),
        refused=trouble.refused,
    )
    connection.execute(worse, _mine(delivery))
