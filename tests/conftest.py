"""What every test stands on: no way out of this machine, no secret and no logging left over from another test.

And the databases for those that need one.
"""

import logging
import os
import socket
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import settings

from meterbot import secret
from meterbot.store.database import Database, open_store
from tests import postgres

# The same examples on every run; a machine under load is not a failure. HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(autouse=True)
def _no_way_out(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that tries to reach another machine fails, even where the code under test forgives the error."""
    attempts: list[str] = []

    def guarded(method: Any) -> Any:
        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_here(address[0]):
                attempts.append(str(address))
                raise ConnectionRefusedError(f"tests stay on this machine, and {address} is not on it")
            return method(self, address)

        return connect

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host and not _is_here(host):
            attempts.append(str(host))
            raise socket.gaierror(socket.EAI_NONAME, f"tests stay on this machine, and {host} is not on it")
        return resolved(host, *args, **kwargs)

    resolved = socket.getaddrinfo
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    yield
    assert not attempts, f"tried to reach {', '.join(attempts)}"


def _is_here(host: str | bytes) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    try:
        return (address := ip_address(name)).is_loopback or address.is_unspecified
    except ValueError:
        return name == "localhost"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Undoes what `log.set_up` and `secret.remember` do to the process."""
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    handlers, level, ours = root.handlers[:], root.level, logging.getLogger("meterbot").level
    show = warnings.showwarning
    yield
    secret.forget_all()
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    warnings.showwarning = show
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("meterbot").setLevel(ours)
    sys.excepthook, threading.excepthook = hooks


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with postgres.running() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """An empty database; a test that asks for it, or for `store`, runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/meterbot.db"
        return
    async with postgres.fresh_database(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Database]:
    opened = await open_store(database_url)
    yield opened
    await opened.close()
