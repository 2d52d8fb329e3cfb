"""The fixtures of every test: no connection leaves this machine, and no secret and no logging is left over from another
test. And the databases for tests that need one."""

import asyncio
import gc
import logging
import os
import shutil
import signal
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from meterbot.core import secret
from meterbot.core.log import structlog  # past it, tracebacks are drawn with rich, slowly
from meterbot.store import Store
from meterbot.store.database import open_store, upgrade
from tests import postgres, properties
from tests.missing import missing
from tests.shared_store import Shared, SharedPostgres, SharedSqlite
from tests.tripwire import sitecustomize as tripwire

T = TypeVar("T")

# Who starts the tests in the background of a shell may have told them to ignore Ctrl-C, and so their processes.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

properties.load_profile()

# Nothing that is loaded before the first test is ever garbage.
gc.disable()


@pytest.fixture(scope="session", autouse=True)
def _tripwire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file in which this process, and every Python that it starts, write which addresses they tried to reach."""
    log = tmp_path_factory.mktemp("tripwire") / "asked.txt"
    log.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(tripwire.LOG, str(log))
        paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        for name, value in tripwire.surroundings(*map(Path, paths)).items():
            patch.setenv(name, value)
        yield log


@pytest.fixture(autouse=True)
def _no_way_out(_tripwire: Path) -> Iterator[None]:
    """A test that tries to reach another machine fails, even where the code under test forgives the error."""
    yield
    hosts = _asked(_tripwire)
    assert not hosts, f"tried to reach {', '.join(hosts)}"


@pytest.fixture
def hosts_asked(_no_way_out: None, _tripwire: Path) -> Iterator[Callable[[], list[str]]]:
    """Lets the code ask for the real hosts, without success; returns the names that it asked for."""
    yield partial(_asked, _tripwire)
    _tripwire.write_text("", "utf-8")


def _asked(log: Path) -> list[str]:
    """Each host once. The next test begins with none."""
    if log.stat().st_size == 0:
        return []
    hosts = list(dict.fromkeys(log.read_text("utf-8").splitlines()))
    log.write_text("", "utf-8")
    return hosts


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Undoes what `log_setup.set_up` and `secret.remember` do to the process."""
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


def pytest_collection_finish() -> None:
    """Excludes what was loaded for all tests from garbage collection."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    if why := postgres.trouble():
        missing(why)
    with postgres.running() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables, to copy, because creating them for every test is slow."""
    path = tmp_path_factory.mktemp("template") / "meterbot.db"
    _apart(upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def sqlite_shared(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedSqlite]:
    shared = SharedSqlite(sqlite_template, tmp_path_factory.mktemp("shared") / "meterbot.db")
    yield shared
    shared.close()


@pytest.fixture(scope="session")
def postgres_shared(postgres_server: str) -> Iterator[SharedPostgres]:
    url = _apart(postgres.create(postgres_server))
    shared = SharedPostgres(url)
    yield shared
    shared.close()
    _apart(postgres.drop(postgres_server, url))


def _apart(work: Coroutine[Any, Any, T]) -> T:
    """Runs in an event loop of its own, even if another one is running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.fixture
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A database without tables, or that of `store` if the test uses it. Such a test runs on SQLite and on PostgreSQL
    (see `tests/selection.py`)."""
    if "store" in request.fixturenames:
        yield _shared(request, request.param).url
    elif request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/meterbot.db"
    else:
        async with postgres.fresh_database(request.getfixturevalue("postgres_server")) as url:
            yield url


@pytest.fixture
async def store(database_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    kind = "sqlite" if database_url.startswith("sqlite") else "postgresql"
    async with _shared(request, kind).lend() as lent:
        yield lent


def _shared(request: pytest.FixtureRequest, kind: str) -> Shared:
    shared: Shared = request.getfixturevalue("sqlite_shared" if kind == "sqlite" else "postgres_shared")
    return shared


@pytest.fixture
async def sqlite_store(sqlite_shared: SharedSqlite) -> AsyncIterator[Store]:
    """For a test of what has nothing to do with the kind of database."""
    async with sqlite_shared.lend() as lent:
        yield lent


@pytest.fixture
async def own_store(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Store]:
    """With a file and connections of its own, for a test that changes how they behave."""
    path = tmp_path / "meterbot.db"
    shutil.copyfile(sqlite_template, path)
    opened = await open_store(f"sqlite:///{path}")
    yield opened
    await opened.close()
