"""The running process and its signals."""

import asyncio
import resource
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest

from tests.e2e import process
from tests.ports import free_port

CONFIG = '[http]\nbind = "127.0.0.1:{port}"\n[[seats]]\nname = "{seat}"\nsource = "push"\n'


async def test_sighup_reloads_the_configuration_and_keeps_the_old_one_for_a_wrong_one(tmp_path: Path) -> None:
    file, port = tmp_path / "config.toml", free_port()
    file.write_text(CONFIG.format(port=port, seat="ana"))
    async with process.started("run", cwd=tmp_path) as bot:
        await process.line(bot.stderr, lambda line: '"event": "started"' in line)
        file.write_text("timezone = 1\n")
        bot.send_signal(signal.SIGHUP)
        wrong = await process.line(bot.stderr, lambda line: "has mistakes" in line)
        assert "config.toml:1:1 timezone: must be an IANA time zone" in wrong
        file.write_text(CONFIG.format(port=port, seat="bo"))
        bot.send_signal(signal.SIGHUP)
        await process.line(bot.stderr, lambda line: '"event": "started"' in line)
        ended = await process.stop(bot)
        assert ended.status == 0, ended.stderr
    listed = await process.meterbot("seat", "list", cwd=tmp_path)
    assert "bo" in listed.stdout


@pytest.mark.parametrize(
    ("http", "database", "why"),
    [
        ("127.0.0.1:{taken}", "sqlite:///meterbot.db", "cannot listen on 127.0.0.1:"),
        ("127.0.0.1:{taken}", "sqlite:///new.db", "cannot listen on 127.0.0.1:"),
        ("203.0.113.1:{own}", "sqlite:///meterbot.db", "Cannot assign requested address"),
        ("127.0.0.1:{own}", "postgresql://u:x@127.0.0.1:{free}/x", "cannot open the database postgresql://127.0.0.1/x"),
        ("127.0.0.1:{own}", "sqlite:////nowhere/x.db", "cannot open the database /nowhere/x.db"),
        ("a..b:{own}", "sqlite:///meterbot.db", "http.bind: must be"),
        ("127.0.0.1:{own}", "sqlite:///a\\u0000.db", "null"),
    ],
)  # fmt: skip
async def test_sighup_keeps_the_old_configuration_if_the_new_address_or_database_cannot_be_used(
    tmp_path: Path, http: str, database: str, why: str
) -> None:
    file, own = tmp_path / "config.toml", free_port()
    text = (
        'database_url = "{database}"\n[http]\nbind = "{http}"\n[[seats]]\nname = "{seat}"\nsource = "push"\n'
    )
    file.write_text(text.format(database="sqlite:///meterbot.db", http=f"127.0.0.1:{own}", seat="ana"))
    async with process.started("run", cwd=tmp_path) as bot:
        await process.line(bot.stderr, lambda line: '"event": "started"' in line)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            taken, free = listening.getsockname()[1], free_port()
            http = http.format(own=own, taken=taken)
            file.write_text(text.format(database=database.format(free=free), http=http, seat="ana"))
            bot.send_signal(signal.SIGHUP)
            kept = await process.line(
                bot.stderr, lambda line: "keeps running with the old one" in line or "stopping" in line
            )
        assert why in kept
        assert not (tmp_path / "new.db").exists()
        assert (await process.readyz(own))[0] == 200
        # the same port at every address, and the same file under another name: only this bot holds them
        same = f"sqlite:///{tmp_path}/meterbot.db"
        file.write_text(text.format(database=same, http=f"0.0.0.0:{own}", seat="bo"))
        bot.send_signal(signal.SIGHUP)
        await process.line(bot.stderr, lambda line: '"event": "started"' in line)
        ended = await process.stop(bot)
    assert ended.status == 0, ended.stderr


SILENT = 'database_url = "postgresql://u@127.0.0.1:{silent},127.0.0.1:{silent}/d"\n'


async def test_a_bot_that_tries_or_waits_for_a_silent_database_ends_at_once(tmp_path: Path) -> None:
    file, port = tmp_path / "config.toml", free_port()
    config = CONFIG.format(port=port, seat="ana")
    async with silent_server() as (silent, connected):
        file.write_text(config)
        async with process.started("run", cwd=tmp_path) as bot:
            await process.line(bot.stderr, lambda line: '"event": "started"' in line)
            file.write_text(SILENT.format(silent=silent) + config)
            bot.send_signal(signal.SIGHUP)
            await connected()
            ended = await process.stop(bot)
        assert (ended.status, "Traceback" in ended.stderr) == (0, False), ended.stderr
        async with process.started("run", cwd=tmp_path) as bot:
            await connected()
            ended = await process.stop(bot)
        assert (ended.status, "stopped while starting" in ended.stderr) == (0, True), ended.stderr


async def test_sighup_replaces_a_configuration_that_does_not_start(tmp_path: Path) -> None:
    file, port = tmp_path / "config.toml", free_port()
    config = CONFIG.format(port=port, seat="ana")
    async with silent_server() as (silent, connected):
        file.write_text(SILENT.format(silent=silent) + config)
        async with process.started("run", cwd=tmp_path) as bot:
            await connected()
            file.write_text(config)
            bot.send_signal(signal.SIGHUP)
            await process.line(bot.stderr, lambda line: '"event": "started"' in line)
            ended = await process.stop(bot)
    assert ended.status == 0, ended.stderr


async def test_a_configuration_that_comes_while_the_bot_stops_for_another_is_the_one_that_counts(
    tmp_path: Path,
) -> None:
    file, port = tmp_path / "config.toml", free_port()

    def reload(name: str) -> None:
        text = f'database_url = "sqlite:///{name}.db"\n{CONFIG.format(port=port, seat=name)}'
        file.write_text(text)
        bot.send_signal(signal.SIGHUP)

    file.write_text(CONFIG.format(port=port, seat="ana"))
    async with process.started("run", cwd=tmp_path) as bot:
        await process.line(bot.stderr, lambda line: '"event": "started"' in line)
        with locked(tmp_path / "third.db"):
            with locked(tmp_path / "meterbot.db"):  # which keeps the bot from stopping
                reload("second")
                await process.line(bot.stderr, lambda line: '"event": "stopping"' in line)
                reload("third")
                await process.line(
                    bot.stderr, lambda line: "waiting for the database" in line and "third.db" in line
                )
            await process.line(bot.stderr, lambda line: '"event": "started"' in line)
        await process.line(bot.stderr, lambda line: '"event": "reloading the configuration"' in line)
        await process.line(bot.stderr, lambda line: '"event": "started"' in line)
        ended = await process.stop(bot)
    assert ended.status == 0, ended.stderr
    listed = await process.meterbot("seat", "list", cwd=tmp_path)
    assert "third" in listed.stdout


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[int, Callable[[], Awaitable[None]]]]:
    """A server that never answers: its port, and a function that waits for somebody to connect."""
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)

        async def connected() -> None:
            async with asyncio.timeout(process.SECONDS):
                connections.append((await asyncio.get_running_loop().sock_accept(server))[0])

        try:
            yield server.getsockname()[1], connected
        finally:
            for each in connections:
                each.close()


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Nobody else can write to this SQLite file."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        yield


async def test_a_bot_on_a_full_disk_is_not_ready_until_there_is_room_again(tmp_path: Path) -> None:
    """No file of the process may grow: every write to the database fails as on a full disk."""
    port = free_port()
    (tmp_path / "config.toml").write_text(CONFIG.format(port=port, seat="ana"))
    async with process.started("run", cwd=tmp_path, module="tests.e2e.hurried") as bot:
        await process.line(bot.stderr, lambda line: '"event": "started"' in line)
        _, most = resource.prlimit(bot.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(bot.pid, resource.RLIMIT_FSIZE, (1, most))
        await process.line(bot.stderr, lambda line: "the database cannot be written to" in line)
        assert (await process.readyz(port))[0] == 503
        resource.prlimit(bot.pid, resource.RLIMIT_FSIZE, (most, most))
        await process.line(bot.stderr, lambda line: '"event": "ready again"' in line)
        assert (await process.readyz(port))[0] == 200
        ended = await process.stop(bot)
        assert ended.status == 0, ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("url", "status"), [("postgresql://u@127.0.0.1:{port}/d", 1), ("sqlite:////nowhere/meterbot.db", 2)]
)
async def test_a_database_that_is_down_is_tried_again_and_a_wrong_path_is_a_mistake(
    tmp_path: Path, url: str, status: int
) -> None:
    text = f'database_url = "{url.format(port=free_port())}"\n[[seats]]\nname = "ana"\nsource = "push"\n'
    (tmp_path / "config.toml").write_text(text)
    ended = await process.meterbot("run", cwd=tmp_path)
    assert (ended.status, "cannot open the database" in ended.stderr) == (status, True), ended.stderr
    assert "database_url" in ended.stderr


async def test_a_second_bot_on_a_file_exits_1_since_the_first_may_be_about_to_end(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[[seats]]\nname = "ana"\nsource = "push"\n')
    async with process.started("run", cwd=tmp_path) as bot:
        await process.line(bot.stderr, lambda line: '"event": "started"' in line)
        second = await process.meterbot("run", cwd=tmp_path)
        await process.stop(bot)
    assert (second.status, "another meterbot already runs on" in second.stderr) == (1, True)


@pytest.mark.parametrize(
    ("host", "status", "step"),
    [
        ("127.0.0.1", 1, "stop the program that uses it, or change bind in [http] (or PORT)"),
        ("203.0.113.1", 2, "change bind or port in [http], or PORT"),
    ],
)
async def test_a_port_that_is_taken_is_tried_again_and_a_foreign_address_is_a_mistake(
    tmp_path: Path, host: str, status: int, step: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = CONFIG.replace("127.0.0.1", host).format(port=taken.getsockname()[1], seat="ana")
        (tmp_path / "config.toml").write_text(text)
        ended = await process.meterbot("run", cwd=tmp_path)
    assert (ended.status, "cannot listen on" in ended.stderr) == (status, True)
    assert f"Next: {step}\n" in ended.stderr
