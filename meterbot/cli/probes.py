"""Checks whether this machine has what meterbot needs: a file as its database, an address to listen on. Changes
nothing."""

import errno
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

_PATIENCE_SECONDS = 2.0
"""A running bot writes for a moment; a longer lock belongs to something else."""


def sqlite_trouble(path: Path) -> tuple[str, str] | None:
    """What is wrong with an existing SQLite file, and what to do; None if it can be read and written."""
    if path.is_dir():
        return f"{path} is a directory", "name a file in it: sqlite:///…/meterbot.db"
    try:
        with closing(
            sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_PATIENCE_SECONDS)
        ) as opened:
            opened.isolation_level = None
            opened.execute("SELECT count(*) FROM sqlite_master")
            opened.execute("BEGIN IMMEDIATE")  # asks for the lock, and writes nothing
            opened.execute("ROLLBACK")
    except sqlite3.Error as error:
        return f"{path} cannot be used: {error}", _REMEDIES.get(_code(error), _OTHER_FILE)
    return None


def _code(error: sqlite3.Error) -> int:
    """The first byte of an extended code is the plain one."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


_OTHER_FILE = "name another file in database_url, or put a backup there"
_REMEDIES = {
    sqlite3.SQLITE_BUSY: "end the program that holds the file",
    sqlite3.SQLITE_READONLY: "let the user that runs meterbot write to it",
    sqlite3.SQLITE_CANTOPEN: "let the user that runs meterbot read and write it",
}


def listening_trouble(host: str, port: int) -> OSError | None:
    """Why nothing could listen there; None if something could. Port 0 is any free one."""
    try:
        places = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        return error
    troubles = [trouble for family, _, _, _, address in places if (trouble := _binding(family, address))]
    taken = next((trouble for trouble in troubles if trouble.errno == errno.EADDRINUSE), None)
    # A name may also stand for an address that this machine does not have, such as ::1 without IPv6.
    return taken or (troubles[0] if len(troubles) == len(places) else None)


def _binding(family: int, address: tuple[Any, ...]) -> OSError | None:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the listener does
            if family == socket.AF_INET6:
                tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as asyncio does
            tried.bind(address)
    except OSError as error:
        return error
    return None
