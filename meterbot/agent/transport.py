"""One request out: no redirects, no cookies, a deadline, and failures in our words."""

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

import httpx

from meterbot import __version__
from meterbot.agent.trouble import RefusedError, SetupError

_LARGEST = 2_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status. The body is foreign and may hold anything."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Answer({self.status}, {len(self.body)} bytes)"


def address(text: str, name: str, env: Mapping[str, str]) -> str:
    """A base address that a secret may be sent to, without its final slash; `name` is the variable it comes from.

    Raises `SetupError` for anything else: what carries a token must be encrypted, except on this very machine.
    """
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise SetupError(f"{name} is not an address like https://meterbot.example.com") from None
    if parts.scheme not in {"http", "https"} or not host or not text.isascii() or not text.isprintable():
        raise SetupError(f"{name} is not an address like https://meterbot.example.com")
    if parts.username is not None or parts.query or parts.fragment:
        raise SetupError(f"{name} must be a plain address: no name, password, ? or # in it")
    if parts.scheme == "http" and not _is_here(host) and env.get("METERBOT_ALLOW_HTTP") != "1":
        raise SetupError(
            f"{name} is http, and the token would cross the network readable for everyone on the way: use https "
            "(METERBOT_ALLOW_HTTP=1 allows it, for a network that encrypts by itself)"
        )
    return text.rstrip("/")


def exchange(
    method: str, url: str, headers: Mapping[str, str], content: bytes | None = None, *, seconds: float = 30.0
) -> Answer:
    """The answer to one request. Raises `RefusedError` when no whole answer came.

    The system's proxies are used, but not towards this machine itself.
    """
    host = urlsplit(url).hostname or ""
    try:
        with (
            httpx.Client(
                trust_env=not _is_here(host),
                verify=_tls(),
                follow_redirects=False,
                timeout=httpx.Timeout(seconds, connect=min(seconds, 10.0)),
                headers={"User-Agent": f"meterbot/{__version__}", "Accept": "application/json"},
            ) as client,
            client.stream(method, url, headers=dict(headers), content=content) as response,
        ):
            body = bytearray()
            for chunk in response.iter_bytes(65_536):
                body += chunk
                if len(body) > _LARGEST:
                    raise RefusedError(f"{host} answered with more than {_LARGEST} bytes")
            return Answer(response.status_code, dict(response.headers), bytes(body))
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as failure:
        # Without its chain: the library's exception carries the request, and that carries the token.
        raise RefusedError(f"{host}: {_sentence(failure)}") from None


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _sentence(failure: BaseException) -> str:
    causes: list[BaseException] = []
    cause: BaseException | None = failure
    while cause is not None and len(causes) < 10:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    if any(isinstance(each, ssl.SSLError) for each in causes):
        return "no secure connection: the TLS handshake or the certificate failed"
    if any(isinstance(each, httpx.TimeoutException | TimeoutError) for each in causes):
        return "no answer in time"
    if any(isinstance(each, httpx.ProxyError) for each in causes):
        return "the proxy did not let the request through"
    if any(isinstance(each, httpx.ConnectError) for each in causes):
        return "no connection: is this machine online, and is the address right?"
    return "the connection broke off before a whole answer came"
