"""HTTP requests with the standard library: the shell's proxy and certificate settings, no redirects, deadlines.

No connection is ever made without checking the certificate.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Mapping, NamedTuple
from urllib.parse import urlsplit

VERSION = "source"  # the served script has its version here
LARGEST_ANSWER = 2_000_000  # bytes
CONNECT_SECONDS, ANSWER_SECONDS = 15.0, 30.0
SYSTEM_CERTIFICATES = Path("/etc/ssl/cert.pem")


class Problem(Exception):
    """Why the agent cannot go on: one sentence that says what to do."""


class UsageProblem(Problem):
    """An option, a variable or an address is wrong: exit status 2."""


class Refused(Problem):
    """A service refused a request, or did not answer. `wait`: the seconds that it asked to wait."""

    def __init__(self, sentence: str, wait: float = 0.0) -> None:
        super().__init__(sentence)
        self.wait = wait


class Answer(NamedTuple):
    """An HTTP answer of any status. The body comes from outside and may hold anything."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def wait(self) -> float:
        """The seconds of `Retry-After`; 0 without one, and for a date."""
        seconds = self.headers.get("Retry-After") or ""
        return float(seconds) if re.fullmatch("[0-9]{1,7}", seconds) else 0.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


def base_address(text: str, name: str) -> str:
    """An address that a token may be sent to. Raises `UsageProblem`; `name` is the variable to correct."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    plain = re.fullmatch("https?://[!-~]+", text) and not re.search("[@?#]", text)
    if not host or not plain:
        raise UsageProblem(f"{name} must be a plain address like https://meterbot.example.com")
    if parts.scheme == "http" and not _is_this_machine(host) and os.environ.get("METERBOT_ALLOW_HTTP") != "1":
        raise UsageProblem(
            f"{name} is http, so everybody on the way could read the token: use https "
            "(METERBOT_ALLOW_HTTP=1 allows http in a network that encrypts by itself)"
        )
    return text.rstrip("/")


def exchange(method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
    """The answer to one request. Raises `Refused` if no complete answer comes in time."""
    host = urlsplit(url).hostname or ""
    ours = {"User-Agent": f"meterbot-agent/{VERSION}", "Accept": "application/json"}
    request = urllib.request.Request(url, body, {**ours, **headers}, method=method)  # noqa: S310 - see base_address
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({} if _is_this_machine(host) else None),
        urllib.request.HTTPSHandler(context=certificates()),
        _NoRedirect,
    )
    end = time.monotonic() + ANSWER_SECONDS
    try:
        try:
            response = opener.open(request, timeout=CONNECT_SECONDS)
        except urllib.error.HTTPError as answered:
            response = answered
        with response:
            content = bytearray()
            while chunk := response.read1(65_536):
                content += chunk
                if len(content) > LARGEST_ANSWER or time.monotonic() > end:
                    raise Refused(f"{host}: the answer is too long, or too slow")
            if len(content) < int(response.headers.get("Content-Length") or 0):
                raise Refused(f"{host}: the connection broke off")
            return Answer(response.status or 0, response.headers, bytes(content))
    except (OSError, ValueError, http.client.HTTPException) as failure:
        # Not chained: the library's exception may hold the request, and with it the token.
        raise Refused(f"{host}: {_sentence(failure)}") from None


def certificates() -> ssl.SSLContext:
    """The system's certificates, or those that SSL_CERT_FILE names."""
    context = ssl.create_default_context()
    # On macOS, Python from python.org finds none until an extra step of its installer has been run.
    if not context.get_ca_certs() and "SSL_CERT_FILE" not in os.environ and SYSTEM_CERTIFICATES.exists():
        context.load_verify_locations(SYSTEM_CERTIFICATES)
    return context


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _sentence(failure: BaseException) -> str:
    cause = getattr(failure, "reason", failure)  # urllib wraps what happened
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            "its certificate cannot be verified, so nothing was sent; if your network has its own certificate "
            "authority, set SSL_CERT_FILE to its file"
        )
    if isinstance(cause, ssl.SSLError):
        return "no secure connection: the TLS handshake failed"
    if "timed out" in str(cause):
        return "no answer in time"
    if "Tunnel connection failed" in str(cause):
        return "the proxy refused to connect there: check HTTPS_PROXY"
    if isinstance(failure, urllib.error.URLError):
        return "no connection: is this machine online, and is the address right?"
    return "the connection broke off before a complete answer came"
