"""The record of merged pull requests."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, or_, select, update

from meterbot.rules.pull_requests import Key, WorkWindow
from meterbot.store.statements import insert_new
from meterbot.store.tables import pull_requests
from meterbot.store.values import PullRecord

_pulls = pull_requests.c


def add(connection: Connection, new: PullRecord) -> bool:
    merged = new.pull.merged
    known = or_(_is(new.pull.key), _pulls.delivery == new.delivery)
    if (connection.execute(select(_pulls.id).where(known))).first() is not None:
        return False
    row = {"repo": merged.repo, "number": merged.number, "merge": merged.merge, "merged_at": merged.merged_at}
    insert_new(
        connection,
        pull_requests,
        [
            {
                **row,
                "delivery": new.delivery,
                "received_at": new.received_at,
                "attempts": new.attempts,
                **_changing(new),
            }
        ],
    )
    return True


def write(connection: Connection, records: Iterable[PullRecord]) -> None:
    """Everything that may change except the attempts, which `claim` counts."""
    rows = [
        {"of_repo": repo, "of_number": number, "of_merge": merge, **_changing(record)}
        for record in records
        for repo, number, merge in [record.pull.key]
    ]
    if rows:
        mine = (
            (_pulls.repo == bindparam("of_repo"))
            & (_pulls.number == bindparam("of_number"))
            & (_pulls.merge == bindparam("of_merge"))
        )
        connection.execute(update(pull_requests).where(mine), rows)


def _changing(record: PullRecord) -> dict[str, Any]:
    window = record.pull.window
    return {
        "pull": record.pull,
        "starts_at": window.start,
        "ends_at": window.end,
        "reported_at": record.reported_at,
        "open": record.open,
        "due_at": record.due_at,
    }


def claim(connection: Connection, key: Key, attempts: int, until: datetime) -> bool:
    """Counts an attempt if the update changed exactly one row."""
    mine = _is(key) & (_pulls.attempts == attempts) & _pulls.due_at.is_not(None)
    statement = update(pull_requests).where(mine).values(attempts=attempts + 1, due_at=until)
    return (connection.execute(statement)).rowcount == 1


def one(connection: Connection, key: Key) -> PullRecord | None:
    return next(iter(_read(connection, _is(key))), None)


def still_open(connection: Connection) -> list[PullRecord]:
    return _read(connection, _pulls.open)


def numbered(connection: Connection, number: int) -> list[PullRecord]:
    return list(reversed(_read(connection, _pulls.number == number)))


def meeting(connection: Connection, window: WorkWindow) -> list[PullRecord]:
    return _read(connection, _meets(window))


def within(connection: Connection, window: WorkWindow) -> list[PullRecord]:
    merged = (_pulls.merged_at > window.start) & (_pulls.merged_at <= window.end)
    return _read(connection, or_(_meets(window), merged))


def forget(connection: Connection, seat: str) -> int:
    """Deletes the seat's pull requests; returns how many."""
    rows = connection.execute(select(_pulls.id, _pulls.pull))
    gone = [row.id for row in rows if seat in row.pull.seats]
    for number in gone:
        connection.execute(delete(pull_requests).where(_pulls.id == number))
    return len(gone)


def _is(key: Key) -> ColumnElement[bool]:
    repo, number, merge = key
    return (_pulls.repo == repo) & (_pulls.number == number) & (_pulls.merge == merge)


def _meets(window: WorkWindow) -> ColumnElement[bool]:
    return (_pulls.starts_at < window.end) & (_pulls.ends_at > window.start)


def _read(connection: Connection, wanted: ColumnElement[bool]) -> list[PullRecord]:
    rows = connection.execute(select(pull_requests).where(wanted).order_by(_pulls.merged_at, _pulls.id))
    return [
        PullRecord(
            pull=row.pull,
            delivery=row.delivery,
            received_at=row.received_at,
            open=row.open,
            reported_at=row.reported_at,
            attempts=row.attempts,
            due_at=row.due_at,
        )
        for row in rows
    ]
