import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from meterbot.app.watchdog import Systemd
from meterbot.core import secret


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
