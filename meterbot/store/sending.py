"""The next message of a destination: who may send it, and what it is. What came of the attempt, `outcomes` notes.

Whoever claims a destination's line may send its next message. What that is, is decided and written down in the same
transaction, so that a process that dies leaves a line that says what may have left.
"""

from base64 import b32encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import ColumnElement, and_, bindparam, case, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from meterbot.core.deliveries import (
    Choose,
    Delivery,
    DeliveryKind,
    DeliveryState,
    DestinationTrouble,
    PostContent,
    Priority,
    Purpose,
    Waiting,
)
from meterbot.core.messages import Message, Posted
from meterbot.store import cards, tables, workers
from meterbot.store.deliveries import AT_ONCE, WAITING, Found, as_found, post_of
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
_rows, _lines, _events = tables.deliveries.c, tables.lines.c, tables.events.c
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
        _lines.free_at <= now, _lines.free_at > set_back, is_gone(_lines.claimed_by, now, unbelievable)
    )


def _times(now: datetime) -> dict[str, datetime]:
    return {"now": now, "set_back": now + _LONGEST_REST, "unbelievable": workers.unbelievable(now)}


_at = {name: bindparam(name, type_=tables.Instant()) for name in ("now", "set_back", "unbelievable")}
_IN_DOUBT = _rows.state.in_(MAYBE_SENT)
_MAY_LEAVE = and_(_rows.claimable_at <= _at["now"], or_(_rows.about.is_(None), ~_POST_WAITS))
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
    .where(_rows.chat == bindparam("chat"), WAITING)
    .where(or_(_IN_DOUBT, _MAY_LEAVE))
    .where(or_(_lines.chat.is_(None), _free(**_at)))
    .order_by(_rows.sequence)
    .limit(1)
)
_TAKE = update(tables.lines).where(
    _lines.chat == bindparam("its_chat"),
    _lines.channel == bindparam("its_channel"),
    _lines.free_at == bindparam("seen_free_at"),
    _lines.claimed_by.is_not_distinct_from(bindparam("seen_by", type_=_lines.claimed_by.type)),
    _free(**_at),
)
_OF_LINE = and_(_rows.chat == bindparam("chat"), _rows.channel == bindparam("channel"))
_MESSAGES = select(tables.deliveries, _events.event.label("happened"), _events.ended_by).join_from(
    tables.deliveries, tables.events, _events.key == _rows.event
)
_WAITING = (
    _MESSAGES.where(_OF_LINE, WAITING)
    .where(or_(_IN_DOUBT, _MAY_LEAVE))
    .order_by(case((_IN_DOUBT, -1), else_=_rows.lane), _rows.sequence)
    .limit(_MOST_CONSIDERED)
)
"""What may have left first, then what may leave, in the order of lanes; what belongs to a post that waits itself comes
after it."""
_CLAIM = update(tables.deliveries).where(_rows.sequence == bindparam("its_sequence"))


async def first_free(connection: AsyncConnection, chat: str, now: datetime) -> Found | None:
    """The line of this chat whose next message waits longest and may leave now."""
    return as_found((await connection.execute(_FIRST_FREE, {"chat": chat, **_times(now)})).first())


async def take(connection: AsyncConnection, seen: Found, claim: Claim) -> bool:
    """Claims the line if nobody touched it since it was seen."""
    if seen.free_at is None:
        new = {
            "chat": seen.chat,
            "channel": seen.channel,
            "free_at": AT_ONCE,
            "failures": 0,
            "refused": False,
        }
        await insert_new(connection, tables.lines, [new])
    was = {
        "its_chat": seen.chat,
        "its_channel": seen.channel,
        "seen_free_at": seen.free_at or AT_ONCE,
        "seen_by": seen.claimed_by,
    }
    becomes = {"free_at": claim.until, "claimed_by": claim.worker}
    taken = await connection.execute(_TAKE, {**was, **_times(claim.now), **becomes})
    return taken.rowcount == 1


async def next_of(connection: AsyncConnection, line: Found, claim: Claim, choose: Choose) -> Delivery | None:
    """The line's next message, claimed; None when nothing of it can leave now. The line must have been taken."""
    here = {"chat": line.chat, "channel": line.channel, "now": claim.now}
    waiting = (await connection.execute(_WAITING, here)).all()
    if not waiting:
        return None
    row = as_found(waiting[0])
    if waiting[0].state not in MAYBE_SENT:
        row = await _chosen(connection, waiting, line, claim.now, choose)
    return None if row is None else await _claimed(connection, row, line, claim)


async def _chosen(
    connection: AsyncConnection, waiting: Sequence[Found], line: Found, now: datetime, choose: Choose
) -> Found | None:
    choice = choose([_as_waiting(row) for row in waiting], _trouble(line), now)
    members = [row for row in waiting if row.id in choice.ids]
    if choice.heading is None:
        return members[0]
    return await _bundle(connection, members, choice.heading, now)


def _trouble(line: Found) -> DestinationTrouble | None:
    if line.trouble is None or line.troubled_since is None:
        return None
    return DestinationTrouble(line.trouble, line.troubled_since, refused=line.refused)


def _as_waiting(row: Found) -> Waiting:
    return Waiting(
        id=row.id,
        kind=DeliveryKind(row.kind),
        lane=Priority(row.lane),
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
        "claimable_at": AT_ONCE,
        "attempts": 0,
        "unsure": False,
    }
    await insert_new(connection, tables.deliveries, [new])
    told = update(tables.deliveries).where(_rows.id.in_([row.id for row in members]))
    await connection.execute(
        told.values(state=DeliveryState.SUPERSEDED, told_in=id_, claimable_at=None, trouble=None)
    )
    return (await connection.execute(_MESSAGES.where(_rows.id == id_))).first()


async def _claimed(connection: AsyncConnection, row: Found, line: Found, claim: Claim) -> Delivery:
    settle = row.state in MAYBE_SENT
    root = row if row.kind == DeliveryKind.POST else await post_of(connection, row)
    card = await cards.read(connection, root if root is not None else row)
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
        values["told"] = told_by(card, row.message, row.event)
    await connection.execute(_CLAIM, values)
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
        told=() if root is None else root.told or (),
        shown=None if root is None else root.shown,
    )


def told_by(card: PostContent, message: Message | None, event: str) -> tuple[str, ...]:
    """What a post says happened: what is on its card, unless its words were given to it."""
    return card.told if message is None else (event,)
