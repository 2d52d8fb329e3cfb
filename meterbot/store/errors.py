"""The database's failures: which are outages, which may pass, and how each is worded."""

import errno
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from meterbot.core.errors import StartError, UnavailableError
from meterbot.core.log import EventDict, error_of

_OUR_BUGS = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE}
_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
READ_ONLY = "25006"
"""PostgreSQL's code for a write in a read-only transaction."""
_PASSING_STATES = ("08", "53", "57P", "58")
"""PostgreSQL's classes of errors: the connection broke, no room, an operator stopped it, its machine failed."""
_OUTAGE_STATES = (*_PASSING_STATES, READ_ONLY, "28", "3D")
"""Those, and: the database is read-only, or refuses the user or the database's name."""
_LASTING = ("authentication failed", "does not exist", "no pg_hba.conf entry", "invalid ")

_FREE_SPACE = "Free some space on the disk that holds the database, then try again"
_SQLITE_REMEDIES = {
    sqlite3.SQLITE_FULL: _FREE_SPACE,
    sqlite3.SQLITE_IOERR: "If the disk that holds the database is full, free some space, then try again",
}
URL_NAMES = "DATABASE_URL or database_url"
_REMEDIES = (
    ("28P01", "password authentication failed", f"Correct the user name or the password in {URL_NAMES}"),
    ("", "no password supplied", f"Add the password to {URL_NAMES}"),
    (
        "",
        "no pg_hba.conf entry",
        f"Allow this connection in PostgreSQL's pg_hba.conf, or correct {URL_NAMES}",
    ),
    (
        "28000",
        'role ".*" does not exist',
        f"Create this role in PostgreSQL, or correct the user name in {URL_NAMES}",
    ),
    ("3D000", 'database ".*" does not exist', f"Create this database, or correct its name in {URL_NAMES}"),
    (
        "42501",
        "permission denied",
        "In PostgreSQL, make this user the owner of meterbot's database and tables",
    ),
    ("53100", "", _FREE_SPACE),
)
"""By the SQLSTATE, or by the words: while connecting, PostgreSQL's client gives only these, in its language. A text may
contain the digits of a SQLSTATE, as a port for instance."""


class StoreTimeoutError(TimeoutError):
    """The database's thread hangs, or has too much to do."""


class ClosedError(Exception):
    """The database accepts no more work."""


def as_warning(_logger: object, _method: str, event: EventDict) -> EventDict:
    """A step for `app.log_setup.set_up`: outages are one-line warnings, bugs keep their traceback."""
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
    return str(state).startswith(_OUTAGE_STATES)


def failure_of(error: BaseException) -> str:
    """The database's own words, unless they may contain a part of the URL."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return failure_of(error.orig)
    if isinstance(error, sqlite3.Error):
        return str(error)
    if isinstance(error, OSError):
        return error.strerror or str(error) or "no answer"
    if type(error).__module__.partition(".")[0] == "psycopg":
        return str(error).strip().partition("\n")[0] or type(error).__name__
    return type(error).__name__


def _may_pass(error: BaseException) -> bool:
    """Whether a later start may succeed without any change."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING
    if type(error).__name__ != "OperationalError":
        return False
    # While connecting, PostgreSQL's client gives a sentence instead of a code.
    state, text = getattr(error, "sqlstate", None), str(error)
    return state.startswith(_PASSING_STATES) if state else not any(words in text for words in _LASTING)


def remedy_of(error: BaseException) -> str:
    """What to do, if the failure tells."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    if isinstance(error, sqlite3.Error):
        return _SQLITE_REMEDIES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")
    if isinstance(error, OSError):
        return _FREE_SPACE if error.errno in {errno.ENOSPC, errno.EDQUOT} else ""
    code, said = getattr(error, "sqlstate", None), str(error)
    for state, words, remedy in _REMEDIES:
        if code == state or (words and re.search(words, said)):
            return remedy
    return ""


def start_error(error: BaseException, sentence: str, otherwise: str = "") -> StartError:
    """`sentence` as the error of a start, caused by `error`. `otherwise`: what to do, if the failure does not tell."""
    kind = UnavailableError if _may_pass(error) else StartError
    return kind(f"{sentence}: {failure_of(error)}", remedy_of(error) or otherwise)


@contextmanager
def explained(database: str) -> Iterator[None]:
    """Raises an outage as `UnavailableError`, with what to do. `database`: where it is, for people."""
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            raise
        sentence, remedy = f"cannot use the database {database}: {failure_of(error)}", remedy_of(error)
        raise UnavailableError(sentence, remedy) from None  # a chained error would show the statement
