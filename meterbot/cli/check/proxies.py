"""Which proxy meterbot uses for what."""

from collections import defaultdict
from collections.abc import Iterator

from meterbot.app.config import Config
from meterbot.core.findings import Check, Status
from meterbot.core.proxies import proxy_for, without_password
from meterbot.core.text import listed

_REMEDY = "set HTTPS_PROXY to an http:// or https:// address: meterbot speaks no other kind of proxy"
_SLACK_SOCKET = "wss://wss-primary.slack.com"


def proxies(config: Config) -> Iterator[Check]:
    """One line for each proxy, and one for what is contacted directly. None if there is no proxy."""
    ways: defaultdict[str | None, list[str]] = defaultdict(list)
    for name, url in _addresses(config):
        ways[proxy_for(url)].append(name)
    direct = ways.pop(None, [])
    for proxy, names in ways.items():
        sentence = f"{listed(names)} through {without_password(proxy or '')}"
        usable = (proxy or "").startswith(("http://", "https://"))
        yield (
            Check("proxies", Status.OK, sentence)
            if usable
            else Check("proxies", Status.FAIL, sentence, _REMEDY)
        )
    if direct and ways:
        yield Check("proxies", Status.OK, f"{listed(direct)} directly")


def _addresses(config: Config) -> Iterator[tuple[str, str]]:
    """The addresses that this machine contacts, by name. The dead man's switch's address is a secret, used only for the
    look-up."""
    sources = {seat.source for seat in config.seats}
    if "claude_ai" in sources:
        yield "claude.ai", config.endpoints.claude_ai
    if sources & {"claude_code", "admin_api"}:
        yield "Anthropic's API", config.endpoints.anthropic_api
    if config.slack is not None:
        yield "Slack", config.endpoints.slack_api
        if config.slack.mode == "socket":
            yield "Slack's WebSocket", _SLACK_SOCKET
    if config.discord is not None:
        yield "Discord", config.endpoints.discord_api
    if config.github is not None:
        yield "GitHub", config.endpoints.github_api
    if config.watch.ping_url is not None:
        yield "the dead man's switch", config.watch.ping_url.get_secret_value()
