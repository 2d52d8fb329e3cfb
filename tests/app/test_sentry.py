"""What is reported to Sentry, received by a local server."""

import asyncio
import gzip
import io
import json
import logging
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
import structlog
from aiohttp import web

import meterbot
from meterbot.app import log_setup, sentry
from meterbot.core import secret
from meterbot.core.errors import StartError
from tests.e2e import process
from tests.e2e.team import SECRETS, team
from tests.ports import free_port

PLANTED = "planted-secret-of-no-known-shape"
KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


class Sentry:
    """Takes envelopes, and keeps the events in them."""

    def __init__(self, port: int) -> None:
        self.dsn = f"http://{KEY}@127.0.0.1:{port}/1"
        self.raw = ""
        self.events: list[dict[str, Any]] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        text = (gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body).decode()
        self.raw += text
        for line in text.splitlines():
            if "event_id" in (document := json.loads(line)) and "level" in document:
                self.events.append(document)
        return web.json_response({})


@asynccontextmanager
async def listening() -> AsyncIterator[Sentry]:
    made = Sentry(free_port())
    app = web.Application()
    app.router.add_post("/api/1/envelope/", made.take)
    runner = web.AppRunner(app, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(made.dsn.rpartition(":")[2].removesuffix("/1"))).start()
    try:
        yield made
    finally:
        await runner.cleanup()


@pytest.fixture
async def there() -> AsyncIterator[Sentry]:
    async with listening() as made:
        secret.remember(PLANTED)
        log_setup.set_up(io.StringIO(), also=[sentry.reporter(made.dsn)])
        yield made
        sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(None)


def fail() -> None:
    held_in_a_local = f"local-{PLANTED}"
    try:
        raise ValueError(f"first {held_in_a_local}")  # noqa: TRY301 - a chain is what is tested
    except ValueError as error:
        raise RuntimeError(f"postgresql://u:planted-password@h/d ana@planted.example {PLANTED}") from error


async def test_an_error_is_reported_with_its_traceback_and_no_secret_in_it(there: Sentry) -> None:
    for logger in (structlog.get_logger("meterbot.a"), logging.getLogger("sqlalchemy")):
        try:
            fail()
        except RuntimeError:
            logger.exception("failed %s", PLANTED)
    structlog.get_logger("meterbot.b").error("refused", seat="ana", token="sk-ant-sid01-x", why=[PLANTED])
    await asyncio.to_thread(sentry.flush)
    assert len(there.events) == 3
    ours, theirs, plain = there.events
    assert [value["type"] for value in ours["exception"]["values"]] == ["ValueError", "RuntimeError"]
    assert ours["exception"]["values"][1]["stacktrace"]["frames"][-1]["function"] == "fail"
    assert theirs["exception"]["values"][1]["value"] == "postgresql://u:[hidden]@h/d [e-mail] [hidden]"
    assert plain["contexts"]["log"] == {
        "event": "refused",
        "seat": "ana",
        "token": "[hidden]",
        "why": ["[hidden]"],
    }
    assert plain["tags"]["logger"] == "meterbot.b"
    assert not [text for text in ("planted", "sk-ant") if text in there.raw]


async def test_nothing_of_the_machine_of_a_person_or_of_a_variable_goes_along(there: Sentry) -> None:
    try:
        fail()
    except RuntimeError:
        structlog.get_logger("meterbot.a").exception("failed")
    await asyncio.to_thread(sentry.flush)
    (event,) = there.events
    frames = [frame for value in event["exception"]["values"] for frame in value["stacktrace"]["frames"]]
    assert not [frame for frame in frames if {"vars", "context_line", "abs_path"} & frame.keys()]
    assert str(Path(__file__).parents[2]) not in there.raw
    assert (event["server_name"], event["release"]) == ("meterbot", meterbot.__version__)
    assert not {"user", "request", "modules", "extra"} & event.keys()
    assert not event.get("breadcrumbs", {}).get("values")
    assert str(sys.argv) not in there.raw


async def test_what_is_no_error_is_not_reported(there: Sentry) -> None:
    structlog.get_logger("meterbot.a").warning("a seat cannot be read", seat="ana")
    logging.getLogger("discord").warning("trouble")
    await asyncio.to_thread(sentry.flush)
    assert there.events == []


@pytest.mark.parametrize("dsn", [f"https://sentry.example/{PLANTED}", "https://key@sentry.example/"])
def test_an_address_of_no_project_is_named_as_such_and_not_shown(dsn: str) -> None:
    with pytest.raises(StartError, match="SENTRY_DSN is not the address of a project") as caught:
        sentry.reporter(dsn)
    assert PLANTED not in f"{caught.value} {caught.value.__context__}"


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)
    with pytest.raises(StartError, match="the extra `sentry`"):
        sentry.reporter(f"https://{KEY}@sentry.example/1")
    sentry.flush()


async def test_a_running_bot_reports_its_own_failure_and_no_secret(tmp_path: Path) -> None:
    async with team() as three, listening() as there:
        toml = three.toml("sqlite:///meterbot.db", poll_interval="2s")
        environ = {**three.environ, "METERBOT_CONFIG_TOML": toml, "SENTRY_DSN": there.dsn}
        async with process.started("run", environ=environ, cwd=tmp_path) as running:
            await process.line(running.stderr, lambda line: '"started"' in line)
            with closing(sqlite3.connect(tmp_path / "meterbot.db")) as database:
                database.execute("ALTER TABLE latest RENAME TO elsewhere")
            await three.slack.until(lambda: bool(there.events), seconds=20)
            end = await process.stop(running)
    assert end.status == 0, end.stderr
    assert there.events[0]["exception"]["values"]
    assert not [text for text in (*SECRETS, "planted") if text in there.raw]
