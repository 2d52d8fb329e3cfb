"""What people did about alerts."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, or_, select, update

from meterbot.core.deliveries import ActionKind, AlertAction
from meterbot.core.json_values import adapter
from meterbot.store import tables
from meterbot.store.statements import insert_new

_actions = tables.alert_actions.c
_IN_ORDER = select(tables.alert_actions).order_by(_actions.at, _actions.id)
_ABOUT = _IN_ORDER.where(_actions.alert.in_(bindparam("events", expanding=True)))


def holding(connection: Connection, now: datetime) -> list[AlertAction]:
    """The snoozes and mutes that are still active, the oldest first."""
    lasts = or_(_actions.until.is_(None), _actions.until > now)
    held = (_actions.kind != ActionKind.ACK, _actions.undone_at.is_(None), lasts)
    return _read(connection, _IN_ORDER.where(*held))


def muted(connection: Connection) -> set[str]:
    """The keys of the events that were muted for ever."""
    query = select(_actions.alert).where(
        _actions.until.is_(None), _actions.undone_at.is_(None), _actions.kind == ActionKind.MUTE
    )
    return {*connection.scalars(query)}


def about(connection: Connection, events: Iterable[str]) -> list[AlertAction]:
    """What people did about these events, the oldest first."""
    return _read(connection, _ABOUT, events=[*events])


def add(connection: Connection, action: AlertAction) -> None:
    insert_new(connection, tables.alert_actions, [asdict(action)])


def undo(connection: Connection, action: str, now: datetime) -> bool:
    """False if it was undone already."""
    open_ = update(tables.alert_actions).where(_actions.id == action, _actions.undone_at.is_(None))
    return connection.execute(open_.values(undone_at=now)).rowcount == 1


def _read(connection: Connection, query: Select[Any], **parameters: object) -> list[AlertAction]:
    rows = connection.execute(query, parameters).mappings()
    return [adapter(AlertAction).validate_python({**row}) for row in rows]
