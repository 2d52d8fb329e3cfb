"""Which proxy the environment names for an address."""

import pytest

from meterbot.core.proxies import proxy_for, without_password

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
