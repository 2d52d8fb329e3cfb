"""The record of merged pull requests."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    and_,
    bindparam,
    delete,
    or_,
    select,
    type_coerce,
    update,
)

from meterbot.rules.pull_requests import Key, PullRequest, WorkWindow
from meterbot.store.column_types import value_of
from meterbot.store.statements import insert_new
from meterbot.store.tables import pull_requests
from meterbot.store.values import FailedPull, PullRecord

_pulls = pull_requests.c
_ROWS = select(
    *(column for column in _pulls if column.name != "pull"), type_coerce(_pulls.pull, Text).label("text")
)
"""What is stored of a pull request stays text: one that cannot be read must not hide the others."""


def add(connection: Connection, new: PullRecord) -> bool:
    known = or_(_is(new.pull.key), _pulls.delivery == new.delivery)
    if connection.execute(select(_pulls.id).where(known)).first() is not None:
        return False
    merged = {name: getattr(new.pull.merged, name) for name in ("repo", "number", "merge", "merged_at")}
    fixed = {name: getattr(new, name) for name in ("delivery", "received_at", "attempts")}
    insert_new(connection, pull_requests, [{**merged, **fixed, **_changing(new)}])
    return True


def write(connection: Connection, records: Iterable[PullRecord]) -> None:
    """Everything that may change except the attempts, which `claim` counts."""
    rows = [
        {"of_repo": repo, "of_number": number, "of_merge": merge, **_changing(record)}
        for record in records
        for repo, number, merge in [record.pull.key]
    ]
    if rows:
        mine = _is((bindparam("of_repo"), bindparam("of_number"), bindparam("of_merge")))
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
    return connection.execute(statement).rowcount == 1


def one(connection: Connection, key: Key) -> PullRecord | None:
    return next(iter(_read(connection, _is(key))), None)


def still_open(connection: Connection) -> list[PullRecord]:
    return _read(connection, _pulls.open)


def unreadable(connection: Connection) -> dict[Key, str]:
    """The open ones that this version cannot read, and why."""
    found = {}
    for row in connection.execute(_ROWS.where(_pulls.open)):
        try:
            _record(row)
        except ValueError as error:
            found[(row.repo, row.number, row.merge)] = f"{type(error).__name__} in what is stored of it"
    return found


def set_aside(connection: Connection, key: Key, reason: str) -> bool:
    """Gives a pull request up: no other shares with it from now on. It stays due, for a later `retry_failed`. False if
    another worker was first."""
    given_up = update(pull_requests).where(_is(key), _pulls.failed_because.is_(None))
    return connection.execute(given_up.values(open=False, failed_because=reason)).rowcount == 1


def failed(connection: Connection) -> list[FailedPull]:
    """Those that were given up, the oldest first."""
    rows = connection.execute(_ROWS.where(_pulls.failed_because.is_not(None)).order_by(_pulls.id))
    return [FailedPull(row.repo, row.number, row.received_at, row.failed_because) for row in rows]


def retry_failed(connection: Connection, name: str | None = None) -> int:
    """Opens a failed one again, named `owner/repo#12`, or all; returns how many."""
    repo, _, number = (name or "").rpartition("#")
    given_up = update(pull_requests).where(_pulls.failed_because.is_not(None))
    if name is not None:
        given_up = given_up.where(
            _pulls.repo == repo, _pulls.number == int(number if number.isdecimal() else 0)
        )
    return connection.execute(given_up.values(open=True, failed_because=None)).rowcount


def numbered(connection: Connection, number: int) -> list[PullRecord]:
    return list(reversed(_read(connection, _pulls.number == number)))


def meeting(connection: Connection, window: WorkWindow) -> list[PullRecord]:
    return _read(connection, _meets(window))


def within(connection: Connection, window: WorkWindow) -> list[PullRecord]:
    merged = (_pulls.merged_at > window.start) & (_pulls.merged_at <= window.end)
    return _read(connection, or_(_meets(window), merged))


def forget(connection: Connection, seat: str) -> int:
    rows = connection.execute(select(_pulls.id, type_coerce(_pulls.pull, Text).label("text")))
    gone = [row.id for row in rows if _names(row.text, seat)]
    for number in gone:
        connection.execute(delete(pull_requests).where(_pulls.id == number))
    return len(gone)


def _names(text: str, seat: str) -> bool:
    try:
        pull: PullRequest = value_of(PullRequest, text)
    except ValueError:
        return f'"{seat}"' in text
    return seat in pull.seats


def _is(key: tuple[Any, Any, Any]) -> ColumnElement[bool]:
    repo, number, merge = key
    return and_(_pulls.repo == repo, _pulls.number == number, _pulls.merge == merge)


def _meets(window: WorkWindow) -> ColumnElement[bool]:
    meets = (_pulls.starts_at < window.end, _pulls.ends_at > window.start)
    return and_(*meets, _pulls.failed_because.is_(None))


def _read(connection: Connection, wanted: ColumnElement[bool]) -> list[PullRecord]:
    """Those that can be read."""
    found = []
    for row in connection.execute(_ROWS.where(wanted).order_by(_pulls.merged_at, _pulls.id)):
        with suppress(ValueError):  # `unreadable` says which
            found.append(_record(row))
    return found


def _record(row: Any) -> PullRecord:
    return PullRecord(
        pull=value_of(PullRequest, row.text),
        delivery=row.delivery,
        received_at=row.received_at,
        open=row.open,
        reported_at=row.reported_at,
        attempts=row.attempts,
        due_at=row.due_at,
    )
