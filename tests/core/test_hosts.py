"""Which hosts are this machine, and which proxy the environment names for another one."""

import pytest

from meterbot.core.hosts import is_loopback, proxy_for, without_password

PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({}, "https://claude.ai", None),
        ({"HTTPS_PROXY": PROXY}, "https://claude.ai", PROXY),
        ({"https_proxy": PROXY}, "https://claude.ai:8443/x", PROXY),
        ({"HTTPS_PROXY": PROXY}, "wss://wss-primary.slack.com/link?ticket=1", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://relay.example", None),
        ({"HTTP_PROXY": PROXY}, "http://relay.example", PROXY),
        ({"HTTP_PROXY": PROXY}, "ws://relay.example", PROXY),
        ({"ALL_PROXY": PROXY}, "https://claude.ai", PROXY),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "https://claude.ai", PROXY),
        ({"HTTPS_PROXY": ""}, "https://claude.ai", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "claude.ai"}, "https://claude.ai", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": ".slack.com"}, "wss://wss-primary.slack.com", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "relay.example:8443"}, "https://relay.example:8443", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "relay.example:8443"}, "https://relay.example", PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, "https://claude.ai", None),
        ({"HTTP_PROXY": PROXY}, "http://127.0.0.1:8080/healthz", None),
        ({"HTTP_PROXY": PROXY}, "http://localhost:8080", None),
        ({"HTTP_PROXY": PROXY}, "http://[::1]:8080", None),
        ({"HTTP_PROXY": PROXY}, "http://[::1", None),
    ],
)
def test_the_environment_names_the_proxy(
    environ: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy


def test_a_password_is_not_shown() -> None:
    assert without_password("http://ana:se@cret@proxy.example:3128") == PROXY
    assert without_password(PROXY) == PROXY


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_has_several_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.0.2.1", "localhost.example.com", "meterbot"])  # noqa: S104
def test_another_host_is_not_this_machine(host: str) -> None:
    assert not is_loopback(host)
