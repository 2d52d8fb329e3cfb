"""Monitoring of a running bot: systemd over a real socket, a dead man's switch, and the lines of its log."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.app.test_watchdog import SECRET_PATH, alarm
from tests.e2e import process
from tests.e2e.team import SECRETS, team


class ServiceManager:
    """The socket that systemd hands to a service with Type=notify."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.heard: list[str] = []

    async def hear(self, wanted: str) -> None:
        """Waits until a word begins like this."""
        async with asyncio.timeout(process.SECONDS):
            while not any(word.startswith(wanted) for word in self.heard):
                word = await asyncio.get_running_loop().sock_recv(self._listening, 1000)
                self.heard.append(word.decode())


@asynccontextmanager
async def service_manager(address: str) -> AsyncIterator[ServiceManager]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        listening.setblocking(False)
        yield ServiceManager(listening)


@pytest.mark.parametrize("kind", ["in a folder", "abstract"])
async def test_a_running_bot_tells_systemd_and_the_dead_mans_switch_that_all_is_well(
    kind: str, tmp_path: Path
) -> None:
    address = f"{tmp_path}/notify" if kind == "in a folder" else f"@meterbot-e2e-{os.getpid()}"
    async with team() as three, alarm() as there, service_manager(address) as systemd:
        environ = {
            **three.environ,
            "METERBOT_CONFIG_TOML": three.toml("sqlite:///meterbot.db", poll_interval="20s"),
            "NOTIFY_SOCKET": address,
            "METERBOT_PING_URL": there.url,
        }
        three.accounts["bo"].signed_in = False
        async with process.started(
            "run", environ=environ, cwd=tmp_path, module="tests.e2e.hurried"
        ) as running:
            await systemd.hear("READY=1")
            await systemd.hear("STATUS=2 of 3 seats ok, connected to slack and discord")
            await systemd.hear("WATCHDOG=1")
            await three.slack.until(lambda: bool(there.asked))
            end = await process.stop(running)
            await systemd.hear("STOPPING=1")
    assert end.status == 0, end.stderr
    assert set(there.asked) == {SECRET_PATH}
    lines = [json.loads(line) for line in end.stderr.splitlines()]
    failing = [line for line in lines if line["event"] == "a seat cannot be read"]
    assert [(line["seat"], line["health"]) for line in failing] == [("bo", "session_expired")]
    assert not [secret for secret in (*SECRETS, "planted") if secret in end.stderr]
