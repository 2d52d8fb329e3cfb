"""What people did about alerts."""

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
    """The snoozes and mutes that are still active, the oldest first."""
    lasts = or_(_actions.until.is_(None), _actions.until > now)
    query = select(tables.alert_actions).where(
        _actions.kind != ActionKind.ACK, _actions.undone_at.is_(None), lasts
    )
    return [_action(row) for row in connection.execute(query.order_by(_actions.at, _actions.id))]


def muted(connection: Connection) -> set[str]:
    """The keys of the events that were muted for ever."""
    query = select(_actions.alert).where(
        _actions.until.is_(None), _actions.undone_at.is_(None), _actions.kind == ActionKind.MUTE
    )
    return {*connection.scalars(query)}


def about(connection: Connection, events: Iterable[str]) -> list[AlertAction]:
    """What people did about these events, the oldest first."""
    rows = connection.execute(_ABOUT, {"events": [*events]})
    return sorted(map(_action, rows), key=lambda action: (action.at, action.id))


def add(connection: Connection, action: AlertAction) -> None:
    insert_new(connection, tables.alert_actions, [asdict(action)])


def undo(connection: Connection, action: str, now: datetime) -> bool:
    """False if it was undone already."""
    open_ = update(tables.alert_actions).where(_actions.id == action, _actions.undone_at.is_(None))
    return connection.execute(open_.values(undone_at=now)).rowcount == 1


def _action(row: Row[Any]) -> AlertAction:
    return AlertAction(
        id=row.id,
        alert=row.alert,
        kind=ActionKind(row.kind),
        at=row.at,
        by=row.by,
        platform=row.platform,
        seat=row.seat,
        event_kind=EventKind(row.event_kind),
        severity=Severity(row.severity),
        until=row.until,
        undone_at=row.undone_at,
    )
