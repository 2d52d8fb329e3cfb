"""HTTP requests with the standard library: the shell's proxy and certificate settings, no redirects, deadlines.

No connection is ever made without checking the certificate.
"""

from __future__ import annotations

import http.client
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Mapping, NamedTuple

from meterbot.agent.storage import Problem, parse_json

VERSION = "source"  # the served script has its version here
LARGEST_ANSWER = 2_000_000  # bytes
SILENT_SECONDS, ANSWER_SECONDS = 20.0, 60.0  # without a byte from the server, and for all of them
SYSTEM_CERTIFICATES = Path("/etc/ssl/cert.pem")
ADDRESS = re.compile(r"(https?)://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")
THIS_MACHINE = {"localhost", "127.0.0.1", "[::1]"}


class Answer(NamedTuple):
    """An HTTP answer of any status. `wait`: the seconds of `Retry-After`. `document`: the body's JSON, which comes from
    outside and may hold anything; None where it is none."""

    status: int
    wait: float
    document: Any


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


def base_address(text: str, name: str) -> str:
    """An address that a token may be sent to. Raises `Problem`; `name` is the variable to correct."""
    plain = ADDRESS.fullmatch(text)
    if plain is None:
        raise Problem(f"{name} must be a plain address like https://meterbot.example.com", status=2)
    if plain[1] == "http" and plain[2] not in THIS_MACHINE:
        raise Problem(
            f"{name} must begin with https://, because over http anyone on the way could read the token",
            status=2,
        )
    return text.rstrip("/")


def exchange(method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
    """The answer to one request to a `base_address`. Raises `Problem` if none comes in time."""
    address = ADDRESS.match(url)
    host = address[2] if address else ""
    ours = {"User-Agent": f"meterbot-agent/{VERSION}", "Accept": "application/json"}
    request = urllib.request.Request(url, body, {**ours, **headers}, method=method)  # noqa: S310 - see base_address
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({} if host in THIS_MACHINE else None),
        urllib.request.HTTPSHandler(context=certificates()),
        _NoRedirect,
    )
    try:
        try:
            response = opener.open(request, timeout=SILENT_SECONDS)
        except urllib.error.HTTPError as answered:
            response = answered
        end = time.monotonic() + ANSWER_SECONDS
        with response:
            content = bytearray()
            while chunk := response.read1(65_536):
                content += chunk
                if len(content) > LARGEST_ANSWER or time.monotonic() > end:
                    raise Problem(f"{host}: the answer is too long, or too slow", wait=0)
            if len(content) < int(response.headers.get("Content-Length") or 0):
                raise Problem(f"{host}: the connection broke off before a whole answer came", wait=0)
            seconds = response.headers.get("Retry-After") or ""
            wait = float(seconds) if re.fullmatch("[0-9]{1,7}", seconds) else 0.0
            return Answer(response.status or 0, wait, parse_json(bytes(content)))
    except (OSError, ValueError, http.client.HTTPException) as failure:
        # Not chained: the library's exception may hold the request, and with it the token.
        raise Problem(f"{host}: {_sentence(str(getattr(failure, 'reason', failure)))}", wait=0) from None


def certificates() -> ssl.SSLContext:
    """The system's certificates, or those that SSL_CERT_FILE or SSL_CERT_DIR names."""
    context = ssl.create_default_context()
    # On macOS, Python from python.org finds none until an extra step of its installer has been run.
    named = {"SSL_CERT_FILE", "SSL_CERT_DIR"} & os.environ.keys()
    if not context.get_ca_certs() and not named and SYSTEM_CERTIFICATES.exists():
        context.load_verify_locations(SYSTEM_CERTIFICATES)
    return context


def _sentence(cause: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in cause:
        return (
            "its certificate cannot be verified, so nothing was sent; if your network has its own certificate "
            "authority, set SSL_CERT_FILE to its file"
        )
    if "Tunnel connection failed" in cause:
        return "the proxy refused to connect there: check HTTPS_PROXY"
    if "timed out" in cause:
        return "no answer in time"
    return "no connection, or it broke off: is this machine online, and is the address right?"
