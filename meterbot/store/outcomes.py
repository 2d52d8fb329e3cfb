"""What came of the attempt to send a message: it stands, it waits again, or nothing is left to send.

The line is locked before its messages everywhere, as whoever claims does it: a line whose claimer was taken for dead
and is not has two at work, which would wait for each other.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from meterbot.core.deliveries import Delivery, DeliveryKind, DeliveryState, Destination, DestinationTrouble
from meterbot.core.messages import Posted
from meterbot.store import tables
from meterbot.store.deliveries import AT_ONCE, WAITING
from meterbot.store.sending import MAYBE_SENT, told_by

# Statements that every message needs are made once: to build one takes longer than to run it.
_rows, _lines = tables.deliveries.c, tables.lines.c
_MINE = and_(
    _lines.chat == bindparam("its_chat"),
    _lines.channel == bindparam("its_channel"),
    _lines.claimed_by == bindparam("its_claimer"),
)
"""The delivery's line, as long as it is its claimer's."""
_LINE = update(tables.lines).where(_MINE)
_STANDS = update(tables.deliveries).where(
    _rows.id == bindparam("its_id"), _rows.state != DeliveryState.DELIVERED
)
_SHOWS = update(tables.deliveries).where(_rows.id == bindparam("its_id"))


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
    mine = await _well(connection, delivery, now, pause)
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
        values |= {"told": told, "shown": delivery.card.mark}
    # Also when the claim ran out meanwhile: the message stands, whoever recorded what since.
    await connection.execute(_STANDS, values)
    if sent and delivery.kind is DeliveryKind.EDIT:
        await connection.execute(_SHOWS, {"its_id": delivery.card.ref, "shown": delivery.card.mark})
    if held is not None and mine:
        rest = update(tables.deliveries).where(_rows.chat == delivery.chat, _rows.channel == delivery.channel)
        waited = (_rows.claimable_at <= now, _rows.created_at < now, _rows.held.is_(None))
        await connection.execute(rest.where(*waited).values(held=held))


async def _well(connection: AsyncConnection, delivery: Delivery, now: datetime, pause: float) -> bool:
    well = {"failures": 0, "trouble": None, "troubled_since": None, "refused": False, "claimed_by": None}
    rested = {"free_at": now + timedelta(seconds=pause), **well}
    return (await connection.execute(_LINE, {**_mine(delivery), **rested})).rowcount == 1


def _mine(delivery: Delivery) -> dict[str, str]:
    return {
        "its_chat": delivery.chat,
        "its_channel": delivery.channel,
        "its_claimer": delivery.claimed_by,
    }


async def mark_superseded(
    connection: AsyncConnection, delivery: Delivery, reason: str, now: datetime
) -> None:
    await _free_line(connection, delivery, now)
    statement = update(tables.deliveries).where(
        _rows.id == delivery.id, _rows.attempts == delivery.attempts, WAITING
    )
    await connection.execute(
        statement.values(state=DeliveryState.SUPERSEDED, claimable_at=None, claimed_by=None, trouble=reason)
    )


async def withdraw(connection: AsyncConnection, event: str, place: Destination, reason: str) -> bool:
    """Takes back the post of an event that nobody has tried to send. False when there is none, or somebody has."""
    statement = update(tables.deliveries).where(
        _rows.event == event,
        _rows.chat == place.chat,
        _rows.channel == place.channel,
        _rows.kind == DeliveryKind.POST,
        _rows.state == DeliveryState.QUEUED,
        _rows.attempts == 0,
    )
    taken = await connection.execute(
        statement.values(state=DeliveryState.SUPERSEDED, claimable_at=None, trouble=reason)
    )
    return taken.rowcount == 1


async def _free_line(connection: AsyncConnection, delivery: Delivery, now: datetime) -> None:
    """Gives a claimed line back as it was: nothing was sent."""
    await connection.execute(_LINE, {**_mine(delivery), "free_at": now, "claimed_by": None})


async def repost(connection: AsyncConnection, delivery: Delivery, now: datetime) -> None:
    """What was to stand in a thread that is gone becomes a post of its own."""
    await _free_line(connection, delivery, now)
    statement = update(tables.deliveries).where(_rows.id == delivery.id)
    values = {
        "kind": DeliveryKind.POST,
        "about": None,
        "state": DeliveryState.QUEUED,
        "claimable_at": AT_ONCE,
        "claimed_by": None,
    }
    await connection.execute(statement.values(values))


async def mark_waiting(
    connection: AsyncConnection,
    delivery: Delivery,
    state: DeliveryState,
    again: datetime,
    trouble: DestinationTrouble,
) -> None:
    """Puts a claimed delivery back and lets its line rest; nothing when another has claimed it since."""
    await connection.execute(select(_lines.free_at).where(_MINE).with_for_update(), _mine(delivery))
    mine = (_rows.id == delivery.id, _rows.attempts == delivery.attempts, WAITING)
    if delivery.card.heading is not None and delivery.kind is DeliveryKind.POST and state not in MAYBE_SENT:
        changed = await _dissolve(connection, delivery, mine)
    else:
        back = update(tables.deliveries).where(*mine)
        changed = (
            await connection.execute(
                back.values(state=state, claimable_at=AT_ONCE, claimed_by=None, trouble=trouble.reason)
            )
        ).rowcount
    if not changed:
        return
    worse = _LINE.values(
        free_at=again,
        claimed_by=None,
        failures=_lines.failures + 1,
        trouble=trouble.reason,
        troubled_since=func.coalesce(_lines.troubled_since, literal(trouble.since, tables.Instant())),
        refused=trouble.refused,
    )
    await connection.execute(worse, _mine(delivery))


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
            members.values(state=DeliveryState.QUEUED, told_in=None, claimable_at=AT_ONCE)
        )
    return changed
