"""The events: written once, found by key or time, open until another event ends them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, literal, select, tuple_, update

from meterbot.core.deliveries import Purpose
from meterbot.core.models import Event, EventKind
from meterbot.store import tables
from meterbot.store.statements import dialect_insert, is_wanted, select_in

_events = tables.events.c
_END_ALERT = update(tables.events).where(_events.key == bindparam("alert")).values(ended_by=bindparam("end"))


def read_events(connection: Connection, since: datetime, limit: int = 1000) -> list[Event]:
    """The newest `limit` events at or after `since`, in order of time."""
    when = _events.at
    query = select(_events.event).where(when >= since).order_by(when.desc(), _events.key.desc())
    return list(reversed(connection.scalars(query.limit(limit)).all()))


def old_events(connection: Connection, before: datetime, after: Event | None, limit: int) -> list[Event]:
    order = (_events.at, _events.key)
    query = select(_events.event).where(_events.at < before).order_by(*order).limit(limit)
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(literal(after.at, _events.at.type), literal(after.key)))
    return list(connection.scalars(query))


def delete_events(connection: Connection, keys: Iterable[str]) -> int:
    """Their deliveries follow by their foreign key."""
    gone = delete(tables.events).where(_events.key.in_(sorted(keys)))
    return connection.execute(gone).rowcount


def events_by_key(connection: Connection, keys: Iterable[str]) -> dict[str, Event]:
    query = select(_events.key, _events.event).where(is_wanted(_events.key))
    rows = select_in(connection, query, keys)
    return {row.key: row.event for row in rows}


def lock_event(connection: Connection, key: str) -> None:
    """Until the transaction ends, no other one uses or deletes this event."""
    query = select(_events.key).where(_events.key == key)
    connection.execute(query.with_for_update())


def open_alerts(connection: Connection, kinds: Iterable[EventKind]) -> list[Event]:
    """The alerts that were posted and have not ended, in order of time."""
    wanted = {kind.value for kind in kinds}
    posted = select(tables.deliveries.c.event).where(tables.deliveries.c.purpose == Purpose.ALERT)
    query = select(_events.event).where(
        _events.ended_by.is_(None), _events.kind.in_(wanted), _events.key.in_(posted)
    )
    return list(connection.scalars(query.order_by(_events.at)))


def write_events(connection: Connection, events: Sequence[Event]) -> list[Event]:
    """The events whose key was not stored yet, each once. Records which alerts they end."""
    if not events:
        return []
    first: dict[str, Event] = {}
    for event in events:
        first.setdefault(event.key, event)
    rows = [
        {"key": event.key, "at": event.at, "seat": event.seat, "kind": event.kind, "event": event}
        for event in first.values()
    ]
    insert = dialect_insert(connection, tables.events).on_conflict_do_nothing()
    new = {*connection.scalars(insert.returning(_events.key), rows)}
    written = [event for event in first.values() if event.key in new]
    ends = [{"alert": event.resolves, "end": event.key} for event in written if event.resolves is not None]
    if ends:
        connection.execute(_END_ALERT, ends)
    return written
