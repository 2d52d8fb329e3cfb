"""The way out: reads, and only reads, what a short list of paths answers.

One client for all seats, so nothing of one seat may stay in it: cookies travel as a header, and no jar is kept. The
same paths accept writes, therefore no other method than GET exists here.
"""

import asyncio
import re
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Self

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from meterbot import __version__
from meterbot.sources.responses import Cause, SourceError

_ID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
REPOSITORY = "[0-9A-Za-z_.-]{1,100}/[0-9A-Za-z_.-]{1,100}"
"""GitHub's `owner/name`."""
_PAGE = "(&page=([0-9A-Za-z_.~-]|%[0-9A-F]{2}){1,600})?"
_READABLE = re.compile(
    "/api/account"
    f"|/api/organizations/{_ID}/(usage|overage_spend_limit(\\?account_uuid={_ID})?|subscription_details)"
    "|/api/oauth/(usage|profile)"
    f"|/v1/organizations/(me|cost_report\\?starting_at={_DAY}T00:00:00Z&bucket_width=1d&limit=31{_PAGE}"
    f"|usage_report/claude_code\\?starting_at={_DAY}&limit=1000{_PAGE}"
    f"|spend_limits/effective\\?limit=100{_PAGE})"
    f"|/repos/{REPOSITORY}/pulls/[1-9][0-9]{{0,9}}/commits\\?per_page=100&page=[1-3]"
)
_PLAIN_HEADER = re.compile(r"[!-~]([ -~]*[!-~])?")


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What came back: the body decompressed, the headers as they were. Both are foreign and may hold secrets."""

    status: int
    headers: CIMultiDict[str] | CIMultiDictProxy[str]
    body: bytes

    def __repr__(self) -> str:
        return f"Answer({self.status}, {len(self.body)} bytes)"


class NotReadableError(ValueError):
    """A request outside the list of what may be read: refused before a byte leaves."""


class Transport:
    """Shared by all sources; made once, closed once.

    `deadline`: seconds one request may take in all. `largest`: bytes a body may have, decompressed.
    `connections`: how many may be open at once; further requests wait. `idle`: seconds a connection is kept for the
    next poll, so that not every poll begins with a handshake.
    """

    def __init__(
        self,
        *,
        deadline: float = 30.0,
        largest: int = 2_000_000,
        connections: int = 32,
        idle: float = 180.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._deadline = deadline
        self._largest = largest
        self._connections = connections
        self._idle = idle
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        """Made with the first request, for it belongs to the loop that makes it."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections, keepalive_timeout=self._idle, ssl=self._tls or _trusted()
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                max_line_size=65_536,  # security headers and cookies outgrow aiohttp's 8 KiB
                max_field_size=65_536,
                timeout=aiohttp.ClientTimeout(sock_connect=min(self._deadline, 10.0)),
                headers={
                    "User-Agent": f"meterbot/{__version__}",
                    "Accept": "application/json",
                    "Accept-Encoding": "gzip",
                },
            )
        return self._session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, base: str, path: str, headers: Mapping[str, str]) -> HttpResponse:
        """The answer to `GET base + path`, whatever its status.

        Raises `NotReadableError` for a path or header that must not leave, and `SourceError` when no whole answer came.
        """
        if not _READABLE.fullmatch(path):
            raise NotReadableError("a path that meterbot does not read")
        if not all(_PLAIN_HEADER.fullmatch(value) for value in headers.values()):
            raise NotReadableError("a header with characters that no header has")
        try:
            async with asyncio.timeout(self._deadline):
                return await self._fetch(URL(_base(base) + path, encoded=True), headers)
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            # Without its chain: the library's exception carries the request, and that carries the session.
            raise SourceError(Cause.UNREACHABLE, _sentence(failure)) from None

    async def _fetch(self, url: URL, headers: Mapping[str, str]) -> HttpResponse:
        async with self._open().get(url, headers=headers, allow_redirects=False) as response:
            return HttpResponse(response.status, response.headers, await self._body(response))

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        """Decompressed here and not by aiohttp, which would unpack a small bomb whole before its size can be seen."""
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "", "gzip", "x-gzip"}:
            raise SourceError(Cause.UNREADABLE, "the answer is compressed in a way that was not asked for")
        unpack = zlib.decompressobj(wbits=31) if encoding.endswith("gzip") else None
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk if unpack is None else _unpacked(unpack, chunk, self._largest + 1 - len(body))
            if len(body) > self._largest:
                raise SourceError(Cause.DRIFTED, f"the answer is larger than {self._largest} bytes")
        return bytes(body)


@cache
def _trusted() -> ssl.SSLContext:
    """Whom to trust: of a process one, for it takes as long to make as twenty readings. httpx has it from certifi, and
    heeds SSL_CERT_FILE and SSL_CERT_DIR."""
    import httpx  # noqa: PLC0415 - for this alone, and a bot that only takes pushes never needs it

    return httpx.create_ssl_context()


@lru_cache(maxsize=8)
def _base(configured: str) -> str:
    """The configured address with its host as it travels. Raises ValueError for one that is none."""
    return str(URL(configured)).rstrip("/")


def _unpacked(unpack: Any, chunk: bytes, room: int) -> bytes:
    try:
        unpacked: bytes = unpack.decompress(chunk, room)
    except zlib.error:
        raise SourceError(Cause.UNREADABLE, "the answer is not the gzip it claims to be") from None
    return unpacked


_SENTENCES: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "the host's name could not be resolved (DNS)"),
    (aiohttp.ClientSSLError, "no secure connection: the TLS handshake or the certificate failed"),
    (ssl.SSLError, "no secure connection: the TLS handshake or the certificate failed"),
    (TimeoutError, "no answer in time"),
    (aiohttp.ClientConnectorError, "no connection: the host refused it or cannot be reached"),
    (aiohttp.ServerDisconnectedError, "the connection was closed without an answer"),
    (aiohttp.ClientPayloadError, "the answer broke off"),
    (aiohttp.ClientResponseError, "the answer is not HTTP"),
    (ValueError, "the configured address is not one"),  # nor a name that such an address could hold
)


def _sentence(failure: BaseException) -> str:
    """What happened, in our words."""
    return next((text for kind, text in _SENTENCES if isinstance(failure, kind)), "the connection failed")
