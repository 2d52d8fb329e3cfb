"""An outage of the database is a warning in one line, with what the database says of it. What is our own bug stays an
error with its traceback."""

import sqlite3
from types import TracebackType

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from meterbot.core.log import EventDict, error_of
from meterbot.store.engine import failure_of

_OUR_BUGS = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE}
_SERVER_AILS = ("08", "53", "57P", "58")
"""PostgreSQL's classes of errors: the connection broke, no room, an operator stopped it, its machine failed."""


def as_warning(_logger: object, _method: str, event: EventDict) -> EventDict:
    """A step for `log.set_up`."""
    error = error_of(event.get("exc_info"))
    if not isinstance(error, Exception) or not is_outage(error):
        return event
    told = {name: value for name, value in event.items() if name != "exc_info"}
    return told | {"level": "warning", "why": f"the database: {failure_of(error)}"}


def is_outage(error: Exception) -> bool:
    """Whether the database could not do what it was asked to, whatever that was."""
    if isinstance(error, NoConnectionFree):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or (error.orig is not None and _ails(error.orig))
    # Who connects is told what PostgreSQL's client, or the system, says.
    return _passed_the_pool(error.__traceback__) and (isinstance(error, OSError) or _ails(error))


def _ails(error: BaseException) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF not in _OUR_BUGS  # of several kinds
    return (getattr(error, "sqlstate", None) or "").startswith(_SERVER_AILS)


def _passed_the_pool(traceback: TracebackType | None) -> bool:
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__name__") == "sqlalchemy.pool.base":
            return True
        traceback = traceback.tb_next
    return False
