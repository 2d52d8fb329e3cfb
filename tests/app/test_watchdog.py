import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from meterbot.app.health import BotHealth
from meterbot.app.systemd import Systemd
from meterbot.app.watchdog import PING_EVERY, DeadMansSwitch, Watchdog
from meterbot.chat import Connection
from meterbot.core.models import Health, SourceState
from tests.e2e.test_handing_in import free_port

NOW = datetime(2026, 4, 30, 10, tzinfo=UTC)
SECRET_PATH = "/ping/planted-0f1e2d3c"


def vitals(now: datetime = NOW, *, ready: bool = True, **seats: str) -> BotHealth:
    return BotHealth(
        now,
        "1.2.3",
        database=True,
        last_tick=now,
        chats={"slack": Connection(up=ready)},
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
    """systemd, and what it hears."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"{tmp_path}/notify")
        listening.setblocking(False)
        yield Systemd({"NOTIFY_SOCKET": f"{tmp_path}/notify"}), listening


# --- systemd ----------------------------------------------------------------------------------------------------------


def test_the_watchdog_is_kept_quiet_by_a_tick_that_was_on_time(heard: tuple[Systemd, socket.socket]) -> None:
    systemd, listening = heard
    Watchdog(systemd).beat(NOW - timedelta(seconds=59), NOW)
    assert listening.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize("last_tick", [None, NOW - timedelta(seconds=61)])
def test_the_watchdog_is_not_kept_quiet_without_one(
    heard: tuple[Systemd, socket.socket], last_tick: datetime | None
) -> None:
    systemd, listening = heard
    Watchdog(systemd).beat(last_tick, NOW)
    with pytest.raises(BlockingIOError):
        listening.recv(100)


async def test_the_status_is_how_the_bot_is_doing(heard: tuple[Systemd, socket.socket]) -> None:
    systemd, listening = heard
    await Watchdog(systemd).look(vitals(ana="ok", bo="challenged"))
    assert listening.recv(200) == b"STATUS=1 of 2 seats ok, connected to slack, 0 messages waiting"


# --- the log ----------------------------------------------------------------------------------------------------------


async def told(*moments: BotHealth) -> list[dict[str, object]]:
    watch = Watchdog(Systemd({}))
    with capture_logs() as logs:
        for moment in moments:
            await watch.look(moment)
    return [dict(line) for line in logs]


async def test_a_seat_that_fails_is_told_when_it_begins_and_when_it_ends() -> None:
    later = NOW + timedelta(minutes=2)
    logs = await told(
        vitals(ana="ok", bo="ok"),
        vitals(ana="ok", bo="challenged"),
        vitals(ana="ok", bo="challenged"),
        vitals(ana="ok", bo="rate_limited"),
        vitals(later, ana="ok", bo="ok"),
        vitals(ana="ok", bo="ok"),
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
        line["event"] for line in await told(vitals(bo="never_seen"), vitals(bo="challenged"), vitals())
    ] == ["a seat cannot be read"]


async def test_readiness_is_told_when_it_is_lost_and_when_it_is_back() -> None:
    logs = await told(vitals(), vitals(ready=False), vitals(ready=False), vitals(), vitals())
    assert [(line["event"], line.get("problems")) for line in logs] == [
        ("not ready", ["no chat is connected"]),
        ("ready again", None),
    ]


# --- the dead man's switch --------------------------------------------------------------------------------------------


async def test_it_is_told_every_minute_while_the_bot_is_ready() -> None:
    async with alarm() as there:
        watch = Watchdog(Systemd({}), DeadMansSwitch(there.url))
        for seconds in (0, 5, 59, 60, 90, 120):
            await watch.look(vitals(NOW + timedelta(seconds=seconds)))
        assert there.asked == [SECRET_PATH] * 3


async def test_it_is_not_told_while_the_bot_is_not_ready() -> None:
    async with alarm() as there:
        await Watchdog(Systemd({}), DeadMansSwitch(there.url)).look(vitals(ready=False))
        assert there.asked == []


async def test_a_clock_that_is_set_back_does_not_silence_it() -> None:
    async with alarm() as there:
        dead_man = DeadMansSwitch(there.url)
        await dead_man.tell(NOW)
        await dead_man.tell(NOW - timedelta(days=1))
        assert len(there.asked) == 2


@pytest.mark.parametrize(("status", "why"), [(404, "HTTP 404"), (500, "HTTP 500"), (302, "HTTP 302")])
async def test_its_failure_is_told_once_and_so_is_its_end_without_its_address(status: int, why: str) -> None:
    async with alarm() as there:
        dead_man = DeadMansSwitch(there.url)
        with capture_logs() as logs:
            for minute, answer in enumerate((200, status, status, 200, 200)):
                there.status = answer
                await dead_man.tell(NOW + minute * PING_EVERY)
        assert there.asked == [SECRET_PATH] * 5
    assert [(line["log_level"], line.get("why")) for line in logs] == [("warning", why), ("info", None)]
    assert "planted" not in str(logs)


async def test_nobody_there_is_a_failure_like_any_other() -> None:
    with capture_logs() as logs:
        await DeadMansSwitch(f"http://127.0.0.1:{free_port()}{SECRET_PATH}").tell(NOW)
    assert [line["why"] for line in logs] == ["ClientConnectorError"]
    assert "planted" not in str(logs)
