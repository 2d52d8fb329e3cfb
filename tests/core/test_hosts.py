"""Which hosts are this machine."""

import pytest

from meterbot.core.hosts import is_loopback


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_has_several_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.0.2.1", "localhost.example.com", "meterbot"])  # noqa: S104
def test_another_host_is_not_this_machine(host: str) -> None:
    assert not is_loopback(host)
