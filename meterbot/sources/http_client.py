"""The HTTP client of the whole bot: httpx over aiohttp. It only sends GET."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from meterbot import __version__
from meterbot.core.proxies import proxy_for
from meterbot.sources.allowed_requests import check_request
from meterbot.sources.responses import Cause, SourceError

_HEADERS = {"User-Agent": f"meterbot/{__version__}", "Accept": "application/json", "Accept-Encoding": "gzip"}
_CONNECT_SECONDS = 10.0
_LONGEST_HEADER_LINE = 65_536  # security headers and cookies outgrow aiohttp's 8 KiB

OnHeaders = Callable[[int, httpx.Headers], Awaitable[None]]
"""Gets the status and the headers before the body is read. It may take its time: the deadline waits for it."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """`body` is decompressed. Headers and body come from outside and may hold secrets."""

    status: int
    headers: httpx.Headers
    body: bytes

    def __repr__(self) -> str:
        return f"HttpResponse({self.status}, {len(self.body)} bytes)"


class HttpClient:
    """Shared by everything that leaves the bot over HTTP, chats aside. Nothing of one request stays for the next: cookies
    travel as a header, and there is no cookie jar. Redirects are not followed.

    `deadline`: seconds for one whole request. `largest`: bytes of a decompressed body. `connections`: how many may be
    open at once; further requests wait. `idle`: seconds that a connection is kept for the next poll.
    """

    def __init__(
        self,
        *,
        deadline: float = 30.0,
        largest: int = 2_000_000,
        connections: int = 32,
        idle: float = 180.0,
    ) -> None:
        self._deadline = deadline
        self._largest = largest
        self._connections = connections
        self._idle = idle
        self._transports: dict[str | None, AiohttpTransport] = {}
        self._routes: dict[str, AiohttpTransport] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()

    async def get(
        self, base: str, path: str, headers: Mapping[str, str], on_headers: OnHeaders | None = None
    ) -> HttpResponse:
        """The response to `GET base + path`, whatever its status.

        Raises `ForbiddenRequestError` for a request that must not leave, `SourceError` when no whole response came.
        """
        check_request(path, headers)
        return await self._fetch(base, path, headers, on_headers)

    async def ping(self, url: str) -> int:
        """The status of `GET url`, an address from the configuration. Raises `SourceError` when there is none."""
        return (await self._fetch(url, "", {}, None)).status

    async def _fetch(
        self, base: str, path: str, headers: Mapping[str, str], on_headers: OnHeaders | None
    ) -> HttpResponse:
        try:
            transport = self._routes.get(base) or self._route(base)
            request = httpx.Request(
                "GET",
                _address(base) + path,
                headers={**_HEADERS, **headers},
                extensions={"timeout": {"connect": min(self._deadline, _CONNECT_SECONDS)}},
            )
            async with asyncio.timeout(self._deadline) as limit:
                response = await transport.handle_async_request(request)
                try:
                    if on_headers is not None:
                        await _pause(limit, on_headers(response.status_code, response.headers))
                    return HttpResponse(response.status_code, response.headers, await self._body(response))
                finally:
                    await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, ValueError) as failure:
            # Without its chain: the libraries' exceptions hold the request, and that holds the session.
            raise SourceError(Cause.UNREACHABLE, _sentence(failure)) from None

    async def _body(self, response: httpx.Response) -> bytes:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {
            "identity",
            "",
            "gzip",
            "x-gzip",
        }:  # encodings in a row multiply what a chunk grows to
            raise SourceError(
                Cause.UNREADABLE, "the response is compressed in a way meterbot did not ask for"
            )
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._largest:
                    raise SourceError(Cause.DRIFTED, f"the response is larger than {self._largest} bytes")
        except httpx.DecodingError:
            raise SourceError(Cause.UNREADABLE, "the response is not valid gzip") from None
        return bytes(body)

    def _route(self, base: str) -> AiohttpTransport:
        """The way to an address: one pool of connections for each proxy, and one for all that needs none."""
        proxy = proxy_for(base)
        if proxy not in self._transports:
            self._transports[proxy] = AiohttpTransport(verify=_trusted(), client=lambda: self._session(proxy))
        self._routes[base] = self._transports[proxy]
        return self._routes[base]

    def _session(self, proxy: str | None) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections, keepalive_timeout=self._idle, ssl=_trusted()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy,
            max_line_size=_LONGEST_HEADER_LINE,
            max_field_size=_LONGEST_HEADER_LINE,
        )


async def _pause(limit: asyncio.Timeout, work: Awaitable[None]) -> None:
    """Awaits `work` while the deadline is suspended."""
    loop, when = asyncio.get_running_loop(), limit.when()
    assert when is not None  # noqa: S101 - it was set a moment ago
    left = when - loop.time()
    limit.reschedule(None)
    await work
    limit.reschedule(loop.time() + left)


@cache
def _trusted() -> ssl.SSLContext:
    """One for the process, for it takes as long to make as twenty readings. SSL_CERT_FILE and SSL_CERT_DIR count."""
    return httpx.create_ssl_context()


@lru_cache(maxsize=8)
def _address(configured: str) -> str:
    """Raises for what is no HTTP address."""
    url = httpx.URL(configured)
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("not an address")
    return configured.rstrip("/")


_TLS = "no secure connection: the TLS handshake or the certificate failed"
_SENTENCES: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ClientProxyConnectionError, "the proxy that the environment names cannot be reached"),
    (aiohttp.ClientHttpProxyError, "the proxy that the environment names refuses the connection"),
    (aiohttp.ClientConnectorDNSError, "the host's name could not be resolved (DNS)"),
    (aiohttp.ClientSSLError, _TLS),
    (ssl.SSLError, _TLS),
    (TimeoutError, "no response in time"),
    (aiohttp.ClientConnectorError, "no connection: the host refused it or cannot be reached"),
    (aiohttp.ServerDisconnectedError, "the connection was closed without a response"),
    (aiohttp.ClientPayloadError, "the response broke off"),
    (aiohttp.ClientResponseError, "the response is not HTTP"),
    (httpx.InvalidURL, "the configured address is not valid"),
    (ValueError, "the configured address is not valid"),
)


def _sentence(failure: BaseException) -> str:
    """What happened, in our words. httpx's exceptions are coarser than aiohttp's, which are their causes."""
    cause = failure.__cause__ if isinstance(failure, httpx.HTTPError) and failure.__cause__ else failure
    return next((text for kind, text in _SENTENCES if isinstance(cause, kind)), "the connection failed")
