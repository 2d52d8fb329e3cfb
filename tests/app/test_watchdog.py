import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from meterbot.app.health import BotHealth, ChatHealth
from meterbot.app.watchdog import PING_EVERY, DeadMansSwitch, Systemd, Watchdog
from meterbot.chat import Connection
from meterbot.core import secret
from meterbot.core.models import Health, SourceState
from meterbot.sources.http_client import HttpClient
from tests.ports import free_port

NOW = datetime(2026, 4, 30, 10, tzinfo=UTC)
SECRET_PATH = "/ping/planted-0f1e2d3c"


def health(now: datetime = NOW, *, ready: bool = True, **seats: str) -> BotHealth:
    return BotHealth(
        now,
        "1.2.3",
        database=True,
        last_tick=now,
        chats={"slack": ChatHealth(Connection(up=ready))},
        seats={
            name: SourceState(name, Health(word), NOW - timedelta(minutes=5), "HTTP 403")
            for name, word in seats.items()
        },
    )


class Alarm:
    """Somebody else's dead man's switch: counts who asks, and answers with `status`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[str] = []
        self.status = 200

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        headers = {"Location": f"{self.url}/elsewhere"} if self.status == 302 else {}
        return web.Response(status=self.status, headers=headers)


@asynccontextmanager
async def alarm(port: int = 0) -> AsyncIterator[Alarm]:
    app, port = web.Application(), port or free_port()
    made = Alarm(f"http://127.0.0.1:{port}{SECRET_PATH}")
    app.router.add_get("/{tail:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield made
    finally:
        await runner.cleanup()


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[tuple[Systemd, socket.socket]]:
    """systemd, and what it receives."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"{tmp_path}/notify")
        listening.setblocking(False)
        yield Systemd({"NOTIFY_SOCKET": f"{tmp_path}/notify"}), listening


# --- systemd ----------------------------------------------------------------------------------------------------------


def words(listening: socket.socket) -> list[bytes]:
    """Everything that systemd has received, but for the status."""
    received = []
    with suppress(BlockingIOError):
        while True:
            received.append(listening.recv(200))
    return [word for word in received if not word.startswith(b"STATUS=")]


WELL = BotHealth(
    NOW,
    "1",
    database=True,
    last_tick=NOW - timedelta(seconds=59),
    written_at=NOW - timedelta(seconds=29),
    connected_at=NOW - timedelta(minutes=15),
    chats={"slack": ChatHealth(Connection(up=False))},
)


async def test_systemd_hears_that_the_bot_works_even_while_it_is_not_ready(
    heard: tuple[Systemd, socket.socket],
) -> None:
    systemd, listening = heard
    await Watchdog(systemd).report(WELL)
    assert words(listening) == [b"WATCHDOG=1"]


@pytest.mark.parametrize(
    "changes",
    [
        {"last_tick": None},
        {"last_tick": NOW - timedelta(seconds=61)},
        {"written_at": NOW - timedelta(seconds=31)},
        {"connected_at": NOW - timedelta(minutes=16)},
    ],
    ids=["no tick", "a late tick", "nothing can be written", "no chat for long"],
)
async def test_systemd_hears_nothing_from_a_bot_that_a_restart_may_help(
    heard: tuple[Systemd, socket.socket], changes: dict[str, datetime | None]
) -> None:
    systemd, listening = heard
    await Watchdog(systemd).report(replace(WELL, **changes))  # type: ignore[arg-type] # the fields' own types
    assert words(listening) == []


async def test_the_status_is_how_the_bot_is_doing(heard: tuple[Systemd, socket.socket]) -> None:
    systemd, listening = heard
    await Watchdog(systemd).report(health(ana="ok", bo="challenged"))
    assert listening.recv(200) == b"WATCHDOG=1"
    assert listening.recv(200) == b"STATUS=1 of 2 seats ok, connected to slack, 0 messages waiting"


# --- the log ----------------------------------------------------------------------------------------------------------


async def logged(*moments: BotHealth) -> list[dict[str, object]]:
    watch = Watchdog(Systemd({}))
    with capture_logs() as logs:
        for moment in moments:
            await watch.report(moment)
    return [dict(line) for line in logs]


async def test_a_seat_that_fails_is_reported_when_it_begins_and_when_it_ends() -> None:
    later = NOW + timedelta(minutes=2)
    logs = await logged(
        health(ana="ok", bo="ok"),
        health(ana="ok", bo="challenged"),
        health(ana="ok", bo="challenged"),
        health(ana="ok", bo="rate_limited"),
        health(later, ana="ok", bo="ok"),
        health(ana="ok", bo="ok"),
    )
    assert logs == [
        {"event": "a seat cannot be read", "log_level": "warning", "seat": "bo", "health": "challenged",
         "detail": "HTTP 403"},
        {"event": "a seat can be read again", "log_level": "info", "seat": "bo", "after_seconds": 7 * 60},
    ]  # fmt: skip


async def test_a_seat_that_was_never_heard_of_or_left_the_configuration_is_no_failure_and_no_recovery() -> (
    None
):
    assert [
        line["event"] for line in await logged(health(bo="never_seen"), health(bo="challenged"), health())
    ] == ["a seat cannot be read"]


async def test_readiness_is_reported_when_it_is_lost_and_when_it_is_back() -> None:
    logs = await logged(health(), health(ready=False), health(ready=False), health(), health())
    assert [(line["event"], line.get("problems")) for line in logs] == [
        ("not ready", ["no chat is connected"]),
        ("ready again", None),
    ]


# --- the dead man's switch --------------------------------------------------------------------------------------------


async def test_it_is_reported_every_minute_while_the_bot_is_ready() -> None:
    async with alarm() as there, HttpClient() as http:
        watch = Watchdog(Systemd({}), DeadMansSwitch(there.url, http))
        for seconds in (0, 5, 59, 60, 90, 120):
            await watch.report(health(NOW + timedelta(seconds=seconds)))
        assert there.asked == [SECRET_PATH] * 3


async def test_it_is_not_reported_while_the_bot_is_not_ready() -> None:
    async with alarm() as there, HttpClient() as http:
        await Watchdog(Systemd({}), DeadMansSwitch(there.url, http)).report(health(ready=False))
        assert there.asked == []


async def test_a_clock_that_is_set_back_does_not_silence_it() -> None:
    async with alarm() as there, HttpClient() as http:
        dead_man = DeadMansSwitch(there.url, http)
        await dead_man.ping(NOW)
        await dead_man.ping(NOW - timedelta(days=1))
        assert len(there.asked) == 2


@pytest.mark.parametrize(("status", "why"), [(404, "HTTP 404"), (500, "HTTP 500"), (302, "HTTP 302")])
async def test_its_failure_is_reported_once_and_so_is_its_end_without_its_address(
    status: int, why: str
) -> None:
    async with alarm() as there, HttpClient() as http:
        dead_man = DeadMansSwitch(there.url, http)
        with capture_logs() as logs:
            for minute, answer in enumerate((200, status, status, 200, 200)):
                there.status = answer
                await dead_man.ping(NOW + minute * PING_EVERY)
        assert there.asked == [SECRET_PATH] * 5
    assert [(line["log_level"], line.get("why")) for line in logs] == [("warning", why), ("info", None)]
    assert "planted" not in str(logs)


async def test_nobody_there_is_a_failure_like_any_other() -> None:
    async with HttpClient() as http:
        with capture_logs() as logs:
            await DeadMansSwitch(f"http://127.0.0.1:{free_port()}{SECRET_PATH}", http).ping(NOW)
    assert [line["why"] for line in logs] == ["no connection: the host refused it or cannot be reached"]
    assert "planted" not in str(logs)


# --- what systemd receives ------------------------------------------------------------------------------------------


@pytest.fixture(params=["in a folder", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """As systemd writes it into the environment."""
    return f"{tmp_path}/notify" if request.param == "in a folder" else f"@meterbot-test-{os.getpid()}"


@pytest.fixture
def service_manager(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        listening.settimeout(5)
        yield listening


def test_each_word_is_a_datagram(service_manager: socket.socket, address: str) -> None:
    systemd = Systemd({"NOTIFY_SOCKET": address})
    systemd.ready()
    systemd.alive()
    systemd.stopping()
    assert [service_manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_a_status_is_one_line_without_secrets_and_not_repeated(
    service_manager: socket.socket, address: str
) -> None:
    secret.remember("planted-secret")
    systemd = Systemd({"NOTIFY_SOCKET": address})
    systemd.status("2 of 3\nseats ok, planted-secret")
    systemd.status("2 of 3 seats ok, planted-secret")
    systemd.status("3 of 3 seats ok")
    said = [service_manager.recv(100) for _ in range(2)]
    assert said == [b"STATUS=2 of 3 seats ok, [hidden]", b"STATUS=3 of 3 seats ok"]


def test_without_systemd_nothing_is_said() -> None:
    with capture_logs() as logs:
        Systemd({}).ready()
    assert logs == []


def test_a_manager_that_is_gone_is_no_failure_of_the_bot_and_told_once(tmp_path: Path) -> None:
    systemd = Systemd({"NOTIFY_SOCKET": f"{tmp_path}/nobody"})
    with capture_logs() as logs:
        systemd.alive()
        systemd.alive()
    assert [(line["log_level"], line["why"]) for line in logs] == [("warning", "No such file or directory")]


def test_a_manager_that_does_not_read_holds_nobody_up(service_manager: socket.socket, address: str) -> None:
    systemd = Systemd({"NOTIFY_SOCKET": address})
    with capture_logs() as logs:
        for _ in range(10_000):
            systemd.alive()
    assert [line["log_level"] for line in logs] == ["warning"]
    assert service_manager.recv(100) == b"WATCHDOG=1"


def test_an_address_of_another_kind_is_named_as_such() -> None:
    with capture_logs() as logs:
        Systemd({"NOTIFY_SOCKET": "vsock:2:1234"}).ready()
    assert "NOTIFY_SOCKET is not understood" in logs[0]["event"]
