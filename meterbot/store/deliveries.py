"""The queue of deliveries: at each destination, one claim at a time, in the order of lanes.

Whoever claims a destination's line may send its next message. What that is, is decided and written down in the same
transaction, so that a process that dies leaves a line that says what may have left.
"""

from base64 import b32encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, exists, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from meterbot.deliveries import (
    Card,
    Choose,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Lane,
    NewDelivery,
    Place,
    Purpose,
    Queue,
    Telling,
    Trouble,
    Unsure,
    Waiting,
)
from meterbot.messages import Message, Posted
from meterbot.models import Event
from meterbot.store import cards, tables, workers
from meterbot.store.statements import insert_new, select_in
from meterbot.store.workers import At, is_gone

Found = Row[Any]
"""A row as it was seen."""


def as_found(row: Any) -> Found | None:
    """SQLAlchemy types rows by their columns; what is read of them here is named."""
    found: Found | None = row
    return found


@dataclass(frozen=True, slots=True)
class Claim:
    """Who claims when, and for how long."""

    worker: str
    now: datetime
    seconds: float

    @property
    def until(self) -> datetime:
        return self.now + timedelta(seconds=self.seconds)


_rows, _lines, _events = tables.deliveries.c, tables.lines.c, tables.events.c
_AT_ONCE = datetime.fromtimestamp(0, UTC)
_MAYBE_SENT = (DeliveryState.CLAIMED, DeliveryState.IN_DOUBT)
_WAITING = _rows.claimable_at.is_not(None)
_LONGEST_REST = timedelta(hours=2)
"""No line rests longer: one that would rests by a clock that was ahead."""
_MOST_CONSIDERED = 200
"""So many of a line are looked at for the next message: a backlog of thousands is worked off piece by piece."""


async def queue(
    connection: AsyncConnection, deliveries: Iterable[NewDelivery], created: Mapping[str, datetime]
) -> None:
    """Puts deliveries at the end of their lines. Those whose event is not among `created` are left out."""
    rows = [
        {
            "id": new.id,
            "event": new.event,
            "about": new.about,
            "chat": new.chat,
            "channel": new.channel,
            "kind": new.kind,
            "lane": int(new.lane),
            "purpose": new.purpose,
            "topic": new.topic,
            "message": new.message,
            "created_at": created[new.event],
            "state": DeliveryState.QUEUED,
            "claimable_at": new.not_before or _AT_ONCE,
            "held": new.held,
            "attempts": 0,
            "unsure": False,
        }
        for new in deliveries
        if new.event in created
    ]
    await insert_new(connection, tables.deliveries, rows)


async def release(connection: AsyncConnection, posts: Iterable[tuple[str, Place]]) -> None:
    """Lets posts go that are held back: what is to stand in their thread may not wait. Each is (event, place)."""
    for event, place in posts:
        statement = update(tables.deliveries).where(
            _rows.event == event,
            _rows.chat == place.chat,
            _rows.channel == place.channel,
            _rows.kind == DeliveryKind.POST,
            _rows.state == DeliveryState.QUEUED,
        )
        await connection.execute(statement.values(claimable_at=_AT_ONCE, held=None))


async def tellings(
    connection: AsyncConnection, keys: Iterable[str], topics: Iterable[str] = ()
) -> list[Telling]:
    """Where these events, and what belongs to these topics, were told or will be, in the order of queueing."""
    told = or_(_rows.kind == DeliveryKind.POST, _rows.kind == DeliveryKind.REPLY)
    stands = or_(_rows.state != DeliveryState.SUPERSEDED, _rows.told_in.is_not(None))
    query = select(tables.deliveries).where(
        told, stands, _rows.purpose == Purpose.TELL, _rows.heading.is_(None)
    )
    found = await select_in(connection, query, _rows.event, keys)
    found += await select_in(connection, query, _rows.topic, topics)
    return [
        Telling(row.event, row.about or row.event, Place(row.chat, row.channel), row.topic)
        for _, row in sorted({row.sequence: row for row in found}.items())
    ]


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
"""The row belongs to a post that has not been told yet. Made once: to build it takes longer than to run it."""


def _free(now: At, set_back: At, unbelievable: At) -> ColumnElement[bool]:
    """Lines that may be claimed: nobody sends there, who does is dead, or the clock was set back since."""
    return or_(
        _lines.free_at <= now, _lines.free_at > set_back, is_gone(_lines.claimed_by, now, unbelievable)
    )


def _times(now: datetime) -> dict[str, datetime]:
    return {"now": now, "set_back": now + _LONGEST_REST, "unbelievable": workers.unbelievable(now)}


_at = {name: bindparam(name, type_=tables.Instant()) for name in ("now", "set_back", "unbelievable")}
_FIRST_FREE = (
    select(
        _rows.chat,
        _rows.channel,
        _lines.free_at,
        _lines.claimed_by,
        _lines.failures,
        _lines.trouble,
        _lines.troubled_since,
        _lines.refused,
    )
    .join_from(
        tables.deliveries,
        tables.lines,
        and_(_lines.chat == _rows.chat, _lines.channel == _rows.channel),
        isouter=True,
    )
    .where(_rows.chat == bindparam("chat"), _WAITING)
    .where(
        or_(
            _rows.state.in_(_MAYBE_SENT),
            and_(_rows.claimable_at <= _at["now"], or_(_rows.about.is_(None), ~_POST_WAITS)),
        )
    )
    .where(or_(_lines.chat.is_(None), _free(**_at)))
    .order_by(_rows.sequence)
    .limit(1)
)
"""Made once: it is asked every second, and to build it takes longer than to run it."""


async def first_free(connection: AsyncConnection, chat: str, now: datetime) -> Found | None:
    """The line of this chat whose next message waits longest and may leave now."""
    return as_found((await connection.execute(_FIRST_FREE, {"chat": chat, **_times(now)})).first())


async def take(connection: AsyncConnection, seen: Found, claim: Claim) -> bool:
    """Claims the line if nobody touched it since it was seen."""
    if seen.free_at is None:
        new = {
            "chat": seen.chat,
            "channel": seen.channel,
            "free_at": _AT_ONCE,
            "failures": 0,
            "refused": False,
        }
        await insert_new(connection, tables.lines, [new])
    taken = (
        update(tables.lines)
        .where(
            _lines.chat == seen.chat,
            _lines.channel == seen.channel,
            _lines.free_at == (seen.free_at or _AT_ONCE),
            _lines.claimed_by.is_not_distinct_from(seen.claimed_by),
            _free(**_times(claim.now)),
        )
        .values(free_at=claim.until, claimed_by=claim.worker)
    )
    return (await connection.execute(taken)).rowcount == 1


async def next_of(connection: AsyncConnection, line: Found, claim: Claim, choose: Choose) -> Delivery | None:
    """The line's next message, claimed; None when nothing of it can leave now. The line must have been taken."""
    mine = (_rows.chat == line.chat, _rows.channel == line.channel)
    doubts = select(tables.deliveries).where(*mine, _WAITING, _rows.state.in_(_MAYBE_SENT))
    row = (await connection.execute(doubts.order_by(_rows.sequence).limit(1))).first()
    if row is None:
        row = await _chosen(connection, line, claim.now, choose)
    return None if row is None else await _claimed(connection, row, line, claim)


async def _chosen(connection: AsyncConnection, line: Found, now: datetime, choose: Choose) -> Found | None:
    waiting = await _ready(connection, line, now)
    if not waiting:
        return None
    choice = choose([_as_waiting(row) for row in waiting], _trouble(line), now)
    members = [row for row in waiting if row.id in choice.ids]
    if choice.heading is None:
        return members[0]
    return await _bundle(connection, members, choice.heading, now)


def _trouble(line: Found) -> Trouble | None:
    if line.trouble is None or line.troubled_since is None:
        return None
    return Trouble(line.trouble, line.troubled_since, refused=line.refused)


async def _ready(connection: AsyncConnection, line: Found, now: datetime) -> Sequence[Found]:
    """What may leave, in the order of lanes; what belongs to a post that waits itself comes after it."""
    query = (
        select(tables.deliveries, _events.event.label("happened"), _events.ended_by)
        .join_from(tables.deliveries, tables.events, _events.key == _rows.event)
        .where(_rows.chat == line.chat, _rows.channel == line.channel, _rows.claimable_at <= now)
        .where(or_(_rows.about.is_(None), ~_POST_WAITS))
        .order_by(_rows.lane, _rows.sequence)
        .limit(_MOST_CONSIDERED)
    )
    return (await connection.execute(query)).all()


def _as_waiting(row: Found) -> Waiting:
    return Waiting(
        id=row.id,
        kind=DeliveryKind(row.kind),
        lane=Lane(row.lane),
        event=row.happened,
        ended=row.ended_by is not None,
        created_at=row.created_at,
        rendered=row.message is None,
        purpose=Purpose(row.purpose),
        held=row.held,
    )


async def _bundle(
    connection: AsyncConnection, members: Sequence[Found], heading: str, now: datetime
) -> Found | None:
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
        "lane": min(row.lane for row in members),
        "purpose": Purpose.TELL,
        "heading": heading,
        "created_at": min(row.created_at for row in members),
        "state": DeliveryState.QUEUED,
        "claimable_at": _AT_ONCE,
        "attempts": 0,
        "unsure": False,
    }
    await insert_new(connection, tables.deliveries, [new])
    told = update(tables.deliveries).where(_rows.id.in_([row.id for row in members]))
    await connection.execute(
        told.values(state=DeliveryState.SUPERSEDED, told_in=id_, claimable_at=None, trouble=None)
    )
    return (await connection.execute(select(tables.deliveries).where(_rows.id == id_))).first()


async def _claimed(connection: AsyncConnection, row: Found, line: Found, claim: Claim) -> Delivery:
    settle = row.state in _MAYBE_SENT
    root = row if row.kind == DeliveryKind.POST else await _post_of(connection, row)
    card = await cards.read(connection, root if root is not None else row)
    values = {
        "state": DeliveryState.CLAIMED,
        "claimable_at": claim.until,
        "claimed_by": claim.worker,
        "attempts": row.attempts + 1,
        "first_tried_at": row.first_tried_at or claim.now,
    }
    if row.kind == DeliveryKind.POST and not settle:
        # What an attempt that may have arrived said must not be forgotten for what a later one would say.
        values["told"] = _told(card, row.message, row.event)
    await connection.execute(update(tables.deliveries).where(_rows.sequence == row.sequence).values(values))
    stands = root is not None and root.state == DeliveryState.DELIVERED
    event = (await connection.execute(select(_events.event).where(_events.key == row.event))).one().event
    return Delivery(
        id=row.id,
        event=event,
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
        first_tried_at=row.first_tried_at or claim.now,
        failures=line.failures or 0,
        trouble=_trouble(line),
        purpose=Purpose(row.purpose),
        told=() if root is None else root.told or (),
        shown=None if root is None else root.shown,
    )


def _told(card: Card, message: Message | None, event: str) -> tuple[str, ...]:
    """What a post says happened: what is on its card, unless its words were given to it."""
    return card.told if message is None else (event,)


async def _post_of(connection: AsyncConnection, row: Found) -> Found | None:
    """The post that an edit or a line belongs to: its own, or the one that told it with others."""
    query = select(tables.deliveries).where(
        _rows.event == row.about,
        _rows.chat == row.chat,
        _rows.channel == row.channel,
        or_(_rows.kind == DeliveryKind.POST, _rows.told_in.is_not(None)),
        _rows.heading.is_(None),
    )
    own = (await connection.execute(query.order_by(_rows.sequence.desc()).limit(1))).first()
    if own is None or own.told_in is None:
        return own
    return (await connection.execute(select(tables.deliveries).where(_rows.id == own.told_in))).first()


async def mark_delivered(
    connection: AsyncConnection,
    delivery: Delivery,
    where: Posted,
    now: datetime,
    pause: float,
    *,
    sent: bool,
    unsure: bool = False,
    held: str | None = None,
) -> None:
    """`sent`: this attempt put it there, so that what it says is known; else it was found standing. `held`: what has
    held back the rest of the line until now."""
    # Also when the claim ran out meanwhile: the message stands, whoever recorded what since.
    done = update(tables.deliveries).where(_rows.id == delivery.id, _rows.state != DeliveryState.DELIVERED)
    values: dict[str, Any] = {
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
        told = _told(delivery.card, delivery.message, delivery.event.key)
        values |= {"told": told, "shown": delivery.card.mark}
    await connection.execute(done.values(values))
    if sent and delivery.kind is DeliveryKind.EDIT:
        shows = update(tables.deliveries).where(_rows.id == delivery.card.ref)
        await connection.execute(shows.values(shown=delivery.card.mark))
    if held is not None:
        rest = update(tables.deliveries).where(_rows.chat == delivery.chat, _rows.channel == delivery.channel)
        waited = (_rows.claimable_at <= now, _rows.created_at < now, _rows.held.is_(None))
        await connection.execute(rest.where(*waited).values(held=held))
    await _well(connection, delivery, now, pause)


async def _well(connection: AsyncConnection, delivery: Delivery, now: datetime, pause: float) -> None:
    well = {"failures": 0, "trouble": None, "troubled_since": None, "refused": False, "claimed_by": None}
    await connection.execute(
        update(tables.lines).where(*_mine(delivery)).values(free_at=now + timedelta(seconds=pause), **well)
    )


def _mine(delivery: Delivery) -> tuple[ColumnElement[bool], ...]:
    """The delivery's line, as long as it is its claimer's."""
    here = (_lines.chat == delivery.chat, _lines.channel == delivery.channel)
    return (*here, _lines.claimed_by == delivery.claimed_by)


async def mark_superseded(
    connection: AsyncConnection, delivery: Delivery, reason: str, now: datetime
) -> None:
    statement = update(tables.deliveries).where(
        _rows.id == delivery.id, _rows.attempts == delivery.attempts, _WAITING
    )
    await connection.execute(
        statement.values(state=DeliveryState.SUPERSEDED, claimable_at=None, claimed_by=None, trouble=reason)
    )
    await _free_line(connection, delivery, now)


async def _free_line(connection: AsyncConnection, delivery: Delivery, now: datetime) -> None:
    """Gives a claimed line back as it was: nothing was sent."""
    line = update(tables.lines).where(*_mine(delivery))
    await connection.execute(line.values(free_at=now, claimed_by=None))


async def repost(connection: AsyncConnection, delivery: Delivery, now: datetime) -> None:
    """What was to stand in a thread that is gone becomes a post of its own."""
    statement = update(tables.deliveries).where(_rows.id == delivery.id)
    values = {
        "kind": DeliveryKind.POST,
        "about": None,
        "state": DeliveryState.QUEUED,
        "claimable_at": _AT_ONCE,
        "claimed_by": None,
    }
    await connection.execute(statement.values(values))
    await _free_line(connection, delivery, now)


async def mark_waiting(
    connection: AsyncConnection, delivery: Delivery, state: DeliveryState, again: datetime, trouble: Trouble
) -> None:
    """Puts a claimed delivery back and lets its line rest; nothing when another has claimed it since."""
    mine = (_rows.id == delivery.id, _rows.attempts == delivery.attempts, _WAITING)
    if delivery.card.heading is not None and delivery.kind is DeliveryKind.POST and state not in _MAYBE_SENT:
        changed = await _dissolve(connection, delivery, mine)
    else:
        back = update(tables.deliveries).where(*mine)
        changed = (
            await connection.execute(
                back.values(state=state, claimable_at=_AT_ONCE, claimed_by=None, trouble=trouble.reason)
            )
        ).rowcount
    if not changed:
        return
    await connection.execute(
        update(tables.lines)
        .where(*_mine(delivery))
        .values(
            free_at=again,
            claimed_by=None,
            failures=_lines.failures + 1,
            trouble=trouble.reason,
            troubled_since=func.coalesce(_lines.troubled_since, literal(trouble.since, tables.Instant())),
            refused=trouble.refused,
        )
    )


async def _dissolve(
    connection: AsyncConnection, delivery: Delivery, mine: tuple[ColumnElement[bool], ...]
) -> int:
    """What was not sent together is chosen anew, by what holds then."""
    gone = update(tables.deliveries).where(*mine)
    changed = (
        await connection.execute(
            gone.values(
                state=DeliveryState.SUPERSEDED,
                claimable_at=None,
                claimed_by=None,
                trouble="not sent together",
            )
        )
    ).rowcount
    if changed:
        members = update(tables.deliveries).where(_rows.told_in == delivery.id)
        await connection.execute(
            members.values(state=DeliveryState.QUEUED, told_in=None, claimable_at=_AT_ONCE)
        )
    return changed


async def waited_for(connection: AsyncConnection) -> set[str]:
    """The events that something waits to be sent of, or about."""
    rows = await connection.execute(select(_rows.event, _rows.about).where(_rows.claimable_at.is_not(None)))
    return {key for row in rows for key in row if key is not None}


async def read_queues(connection: AsyncConnection, now: datetime | None = None) -> list[Queue]:
    """Every destination at which something waits. With `now`, what is held back on purpose is told apart."""
    late = _rows.claimable_at <= now if now is not None else _WAITING
    waiting = (
        select(
            _rows.chat,
            _rows.channel,
            func.count().label("waiting"),
            func.count().filter(~late).label("held"),
            func.min(_rows.created_at).filter(late).label("oldest"),
        )
        .where(_WAITING)
        .group_by(_rows.chat, _rows.channel)
        .subquery()
    )
    here = and_(_lines.chat == waiting.c.chat, _lines.channel == waiting.c.channel)
    query = (
        select(waiting, _lines.trouble, _lines.troubled_since, _lines.refused)
        .join_from(waiting, tables.lines, here, isouter=True)
        .order_by(waiting.c.chat, waiting.c.channel)
    )
    return [
        Queue(
            chat=row.chat,
            channel=row.channel,
            waiting=row.waiting,
            oldest=row.oldest,
            trouble=row.trouble,
            troubled_since=row.troubled_since,
            refused=bool(row.refused),
            held=row.held,
        )
        for row in await connection.execute(query)
    ]


async def end_alerts(connection: AsyncConnection, events: Iterable[Event]) -> None:
    """Notes which alerts these events end."""
    for event in events:
        if event.resolves is not None:
            ended = update(tables.events).where(_events.key == event.resolves)
            await connection.execute(ended.values(ended_by=event.key))


async def unsure(connection: AsyncConnection, chat: str, limit: int) -> list[Unsure]:
    query = select(tables.deliveries).where(_rows.chat == chat, _rows.unsure.is_(True))
    found = []
    for row in (await connection.execute(query.order_by(_rows.sequence.desc()).limit(limit))).all():
        post = await _post_of(connection, row) if row.about is not None else None
        found.append(
            Unsure(
                id=row.id,
                channel=row.channel,
                where=Posted(row.posted_channel, row.posted_message),
                since=row.first_tried_at,
                about=None if post is None else Posted(post.posted_channel, post.posted_message),
            )
        )
    return found


async def settle(connection: AsyncConnection, delivery: str) -> None:
    await connection.execute(update(tables.deliveries).where(_rows.id == delivery).values(unsure=False))
