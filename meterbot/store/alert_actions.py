"""What people did about alerts: each once, however often it is asked for."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, or_, select, update

from meterbot.core.deliveries import ActionKind, AlertAction
from meterbot.core.models import EventKind, Severity
from meterbot.store import tables
from meterbot.store.statements import insert_new

_actions = tables.alert_actions.c
_ABOUT = select(tables.alert_actions).where(_actions.alert.in_(bindparam("events", expanding=True)))


def holding(connection: Connection, now: datetime) -> list[AlertAction]:
    """The snoozes and mutes that still hold, in the order in which they were made."""
    lasts = or_(_actions.until.is_(None), _actions.until > now)
    query = select(tables.alert_actions).where(
        _actions.action != ActionKind.ACK, _actions.undone_at.is_(None), lasts
    )
    return [_act(row) for row in connection.execute(query.order_by(_actions.at, _actions.id))]


def muted(connection: Connection) -> set[str]:
    """The events of which somebody made a mute that has no end of its own."""
    query = select(_actions.alert).where(
        _actions.until.is_(None), _actions.undone_at.is_(None), _actions.action == ActionKind.MUTE
    )
    return {*connection.scalars(query)}


def about(connection: Connection, events: Iterable[str]) -> list[AlertAction]:
    """What was done about these events, in the order in which it was."""
    rows = connection.execute(_ABOUT, {"events": [*events]})
    return sorted(map(_act, rows), key=lambda act: (act.at, act.id))


def add(connection: Connection, act: AlertAction) -> bool:
    """False when it was done before. Alone with the facts, so that two workers cannot both add it."""
    if (connection.execute(select(_actions.id).where(_actions.id == act.id))).first() is not None:
        return False
    row = asdict(act)
    row["action"] = row.pop("deed")
    insert_new(connection, tables.alert_actions, [row])
    return True


def undo(connection: Connection, act: str, now: datetime) -> bool:
    ended = (
        update(tables.alert_actions)
        .where(_actions.id == act, _actions.undone_at.is_(None))
        .values(undone_at=now)
    )
    return (connection.execute(ended)).rowcount == 1


def _act(row: Row[Any]) -> AlertAction:
    return AlertAction(
        id=row.id,
        alert=row.alert,
        deed=ActionKind(row.action),
        at=row.at,
        by=row.by,
        platform=row.platform,
        seat=row.seat,
        kind=EventKind(row.kind),
        severity=Severity(row.severity),
        until=row.until,
        undone_at=row.undone_at,
    )
