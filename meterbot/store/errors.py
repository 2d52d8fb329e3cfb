"""Distinguishes failures of the database, which are one-line warnings, from bugs, which are logged with a traceback."""

import sqlite3

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from meterbot.core.log import EventDict, error_of
from meterbot.store.engine import failure_of
from meterbot.store.store import StoreTimeoutError
from meterbot.store.thread import ClosedError

_OUR_BUGS = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE}
_SERVER_TROUBLE = ("08", "25006", "28", "3D", "53", "57P", "58")
"""PostgreSQL's classes of errors: the connection broke, it takes no writes, the user or the database is refused, no
room, an operator stopped it, its machine failed."""


def as_warning(_logger: object, _method: str, event: EventDict) -> EventDict:
    """A step for `log.set_up`."""
    error = error_of(event.get("exc_info"))
    if not isinstance(error, Exception) or not is_outage(error):
        return event
    kept = {name: value for name, value in event.items() if name != "exc_info"}
    return kept | {"level": "warning", "why": f"the database: {failure_of(error)}"}


def is_outage(error: Exception) -> bool:
    """Whether the database failed, whatever it was asked to do."""
    if isinstance(error, NoConnectionFree | StoreTimeoutError | ClosedError):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or (error.orig is not None and _is_trouble(error.orig))
    return isinstance(error, sqlite3.Error) and _is_trouble(error)


def _is_trouble(error: BaseException) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF not in _OUR_BUGS  # of several kinds
    state = getattr(error, "sqlstate", None)
    if state is None:  # nobody answered, so it has no code
        return type(error).__name__ == "OperationalError"
    return str(state).startswith(_SERVER_TROUBLE)
