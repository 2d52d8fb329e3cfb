"""What people did about alerts: each once, whoever asks and however often."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, or_, select, update

from meterbot.core.deliveries import ActionKind, AlertAction
from meterbot.core.models import EventKind, Severity
from meterbot.store import tables
from meterbot.store.statements import insert_new

_acts = tables.acts.c
_ABOUT = select(tables.acts).where(_acts.alert.in_(bindparam("events", expanding=True)))


def holding(connection: Connection, now: datetime) -> list[AlertAction]:
    """The snoozes and mutes that still hold, in the order in which they were made."""
    lasts = or_(_acts.until.is_(None), _acts.until > now)
    query = select(tables.acts).where(_acts.deed != ActionKind.ACK, _acts.undone_at.is_(None), lasts)
    return [_act(row) for row in connection.execute(query.order_by(_acts.at, _acts.id))]


def muted(connection: Connection) -> set[str]:
    """The events of which somebody made a mute that has no end of its own."""
    query = select(_acts.alert).where(
        _acts.until.is_(None), _acts.undone_at.is_(None), _acts.deed == ActionKind.MUTE
    )
    return {*connection.scalars(query)}


def about(connection: Connection, events: Iterable[str]) -> list[AlertAction]:
    """What was done about these events, in the order in which it was."""
    rows = connection.execute(_ABOUT, {"events": [*events]})
    return sorted(map(_act, rows), key=lambda act: (act.at, act.id))


def add(connection: Connection, act: AlertAction) -> bool:
    """False when it was done before. Alone with the facts, so that two workers cannot both add it."""
    if (connection.execute(select(_acts.id).where(_acts.id == act.id))).first() is not None:
        return False
    insert_new(connection, tables.acts, [asdict(act)])
    return True


def undo(connection: Connection, act: str, now: datetime) -> bool:
    ended = update(tables.acts).where(_acts.id == act, _acts.undone_at.is_(None)).values(undone_at=now)
    return (connection.execute(ended)).rowcount == 1


def _act(row: Row[Any]) -> AlertAction:
    return AlertAction(
        id=row.id,
        alert=row.alert,
        deed=ActionKind(row.deed),
        at=row.at,
        by=row.by,
        platform=row.platform,
        seat=row.seat,
        kind=EventKind(row.kind),
        severity=Severity(row.severity),
        until=row.until,
        undone_at=row.undone_at,
    )
