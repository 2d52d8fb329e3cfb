"""Reads `database_url`: a SQLite file, or PostgreSQL in any spelling that hosts use. No error repeats the text, which
may contain a password."""

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from meterbot.core.errors import StartError

_POSTGRESQL = re.compile(r"postgres(?:ql)?(?:\+\w+)?://", re.ASCII)
_FOR_OTHER_CLIENTS = {"pgbouncer", "connection_limit", "pool_timeout", "schema"}
"""Parameters that some hosts add for an ORM in another language, and that libpq rejects."""
_ENCODED = {"@": "%40", "/": "%2F", "?": "%3F", "#": "%23", "%": "%25", " ": "%20"}
_NEVER_RAW = re.compile(r"\s|%(?![0-9A-Fa-f]{2})")
_RESERVED = re.compile(rf"[@/?#]|{_NEVER_RAW.pattern}")


class UnusableUrlError(ValueError):
    """The text says why, without any part of the URL."""


def parse_url(text: str) -> URL:
    """Like `read_url`. Raises `StartError`."""
    why = ""
    try:
        return read_url(text)
    except UnusableUrlError as error:
        why = str(error)
    raise StartError(f"database_url {why}")  # here, where no chained exception carries the text along


def read_url(text: str) -> URL:
    """The URL with `sqlite` or `postgresql` as its scheme; PostgreSQL's contains everything that libpq needs. Raises
    `UnusableUrlError`."""
    if _POSTGRESQL.match(text):
        return _postgresql(text)
    url = None
    with suppress(ArgumentError, ValueError):
        url = make_url(text)
    if url is None or url.get_backend_name() != "sqlite":
        raise UnusableUrlError('must be like "sqlite:///meterbot.db" or "postgresql://user@host/name"')
    if url.database in {None, "", ":memory:"}:
        raise UnusableUrlError("must name a file for SQLite, like sqlite:///meterbot.db")
    return url.set(drivername="sqlite", query={})


def same_place(one: URL, other: URL) -> bool:
    """Whether both name the same database, as far as their texts tell."""
    if one.get_backend_name() == other.get_backend_name() == "sqlite":
        return Path(str(one.database)).resolve() == Path(str(other.database)).resolve()
    return one == other


def place_of(url: URL) -> str:
    """Where the database is, for people: no user, no password, no options."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    host = url.host or url.query.get("host") or "localhost"
    return f"postgresql://{host}/{url.database or ''}"


def _postgresql(text: str) -> URL:
    rest = text.partition("://")[2]
    if (character := _unencoded(rest)) is not None:
        where = "user name, password or database" if character == "@" else "user name or password"
        also = "" if _are_known(rest.partition("?")[2]) else ", or an unknown parameter"
        raise UnusableUrlError(
            f'has a "{character}" in its {where} that must be written as {_ENCODED[character]}{also}'
        )
    found = _libpq_reads(f"postgresql://{_without(rest, _FOR_OTHER_CLIENTS)}")
    if found is None:
        raise UnusableUrlError(f'must be like "postgresql://user@host/name"{_unknown(rest)}')
    # Several hosts, and a socket's directory, have no place before the path of a URL, so they are written behind it.
    several = {name: found.pop(name) for name in ("host", "port") if re.search("[,/]", found.get(name, ""))}
    port = found.pop("port", "")
    return URL.create(
        "postgresql",
        username=found.pop("user", None),
        password=found.pop("password", None),
        host=found.pop("host", None),
        port=int(port) if port else None,
        database=found.pop("dbname", None),
        query=found | several,
    )


def _unencoded(rest: str) -> str | None:
    """A character in the user name or password that must be escaped. meterbot treats the last "@" as their end, even
    where libpq would end them earlier: otherwise a part of the password could be shown as the host."""
    before, _, query = rest.partition("?")
    user, at, _ = (before if _are_known(query) else rest).rpartition("@")
    if found := _RESERVED.search(user):
        return found[0] if found[0] in _ENCODED else " "
    authority = re.split(r"[/?#]", rest[len(user + at) :], maxsplit=1)[0]
    if found := _NEVER_RAW.search(authority):
        return "%" if found[0] == "%" else " "
    return None


def _libpq_reads(text: str) -> dict[str, str] | None:
    """libpq's reading of a URL; None if it rejects it."""
    from psycopg import ProgrammingError  # noqa: PLC0415 - only who uses PostgreSQL pays for it
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - as above

    try:
        found = {name: str(value) for name, value in conninfo_to_dict(text).items() if value is not None}
        for port in filter(None, found.get("port", "").split(",")):
            int(port)
    except (ProgrammingError, ValueError):
        return None
    return found


def _parameters(query: str) -> list[tuple[str, str, str]]:
    """(name, "=" or nothing, value), all as written."""
    return [part.partition("=") for part in query.split("&") if part]


def _are_known(query: str) -> bool:
    return all(name in _known_parameters() and equals for name, equals, _ in _parameters(query))


def _without(rest: str, names: Iterable[str]) -> str:
    """The URL without these parameters, and with libpq's name for SQLAlchemy's `ssl`."""
    path, _, query = rest.partition("?")
    kept = [
        f"sslmode={value}" if name == "ssl" else f"{name}{equals}{value}"
        for name, equals, value in _parameters(query)
        if name not in names
    ]
    return path + ("?" + "&".join(kept) if kept else "")


def _unknown(rest: str) -> str:
    """The parameter that libpq does not know, if that is the reason. What follows a password may be a part of it."""
    names = [name for name, _, _ in _parameters(rest.partition("?")[2])]
    known = _known_parameters()
    unknown = [name for name in names if name not in known]
    if not unknown:
        return ""
    passed = names[: names.index(unknown[0])]
    if any("password" in name for name in passed) or not re.fullmatch(r"[a-z_]{2,30}", unknown[0]):
        return ": PostgreSQL does not know one of its parameters"
    return f": PostgreSQL has no parameter {unknown[0]}"


@cache
def _known_parameters() -> frozenset[str]:
    from psycopg import pq  # noqa: PLC0415 - as above

    libpq = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    return frozenset(libpq | _FOR_OTHER_CLIENTS | {"ssl"})
