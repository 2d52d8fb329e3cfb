"""A failure of the database is logged in one line, a bug of ours with its traceback."""

import io
import json
import sqlite3
import traceback
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from meterbot.app import log_setup
from meterbot.core.errors import UnavailableError
from meterbot.core.log import EventDict, get_logger
from meterbot.store.engine import for_writing, make_engine
from meterbot.store.errors import as_warning, explained
from meterbot.store.url import parse_url
from tests import postgres

PLANTED = "planted-password"


def logged(error: Exception) -> tuple[dict[str, Any], list[str]]:
    """The line of an error that a job ended with, and as what who hears the log after us takes it."""
    heard: list[str] = []

    def hear(_logger: object, _method: str, event: EventDict) -> EventDict:
        heard.append(event["level"])
        return event

    stream = io.StringIO()
    log_setup.set_up(stream, also=[as_warning, hear])
    get_logger("meterbot.app.run").error("a job fails", job="checks", exc_info=error)
    return json.loads(stream.getvalue()), heard


async def failure(engine: Engine, statement: str) -> Exception:
    with pytest.raises(Exception, match=r".") as failed, for_writing(engine).begin() as connection:
        connection.execute(text(statement))
    return failed.value


async def sqlite(folder: Path) -> Engine:
    engine = make_engine(parse_url(f"sqlite:///{folder / 't.db'}"))
    with engine.connect() as connection:
        connection.execute(text("PRAGMA busy_timeout = 0"))
    with closing(sqlite3.connect(folder / "t.db")) as other:
        other.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    return engine


async def test_a_locked_database_is_a_warning(tmp_path: Path) -> None:
    engine = await sqlite(tmp_path)
    with closing(sqlite3.connect(tmp_path / "t.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        line, heard = logged(await failure(engine, "DELETE FROM t"))
    assert (line["level"], line["why"], heard) == ("warning", "the database: database is locked", ["warning"])
    assert (line["job"], "exception" in line) == ("checks", False)
    engine.dispose()


async def test_an_explained_outage_does_not_show_the_statement(tmp_path: Path) -> None:
    engine = await sqlite(tmp_path)
    with closing(sqlite3.connect(tmp_path / "t.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError) as failed, explained("t.db"):
            raise await failure(engine, "DELETE FROM t")
    assert str(failed.value) == "cannot use the database t.db: database is locked"
    said = "".join(traceback.format_exception(failed.value))
    assert "UnavailableError: cannot use the database" in said
    assert "[SQL: " not in said
    engine.dispose()


@pytest.mark.parametrize("statement", ["SELECT * FROM nowhere", "INSERT INTO t VALUES (1), (1)"])
async def test_a_statement_that_is_wrong_stays_an_error(tmp_path: Path, statement: str) -> None:
    engine = await sqlite(tmp_path)
    line, heard = logged(await failure(engine, statement))
    assert (line["level"], heard) == ("error", ["error"])
    assert "Traceback" in line["exception"]
    engine.dispose()


async def test_a_server_that_is_not_there_is_a_warning(unused_tcp_port: int) -> None:
    engine = make_engine(parse_url(f"postgresql://meterbot:{PLANTED}@127.0.0.1:{unused_tcp_port}/d"))
    line, _ = logged(await failure(engine, "SELECT 1"))
    assert (line["level"], "exception" in line) == ("warning", False)
    assert "Connection refused" in line["why"]
    assert PLANTED not in json.dumps(line)
    engine.dispose()


async def test_a_server_that_ends_a_connection_is_a_warning_and_a_wrong_statement_is_none(
    postgres_server: str,
) -> None:
    async with postgres.fresh_database(postgres_server) as url:
        engine = make_engine(parse_url(url))
        with engine.connect() as connection:
            pid = connection.scalar(text("SELECT pg_backend_pid()"))
            with engine.connect() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            with pytest.raises(DBAPIError) as failed:
                connection.execute(text("SELECT 1"))
        assert logged(failed.value)[0]["level"] == "warning"
        assert logged(await failure(engine, "SELECT * FROM nowhere"))[0]["level"] == "error"
        engine.dispose()


async def test_a_server_that_refuses_the_user_the_database_or_a_write_is_a_warning(
    postgres_server: str,
) -> None:
    async with postgres.fresh_database(postgres_server) as url:
        place = parse_url(url)
        for refused, state in (
            (place.set(username="nobody_here"), "28000"),
            (place.set(database="nowhere"), "3D000"),
            (place.update_query_dict({"options": "-c default_transaction_read_only=on"}), "25006"),
        ):
            engine = make_engine(refused)
            error = await failure(engine, "CREATE TABLE refused (a INTEGER)")
            assert isinstance(error, DBAPIError)
            line, heard = logged(error)
            engine.dispose()
            assert (line["level"], "exception" in line, heard) == ("warning", False, ["warning"]), state


def test_a_connection_that_broke_elsewhere_stays_an_error() -> None:
    assert logged(ConnectionResetError("by the peer"))[0]["level"] == "error"
